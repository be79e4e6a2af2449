// What one process gives another to name its memory or an event: which process, which of its files, where in it.
#pragma once

#include <cstring>

#include "file.hpp"
#include "generated_exports.hpp"

namespace cpu_device {

enum class SharedKind : uint32_t { memory = 1, event, pool, pool_memory };

struct SharedHandle {
    char magic[8];
    SharedKind kind;
    uint32_t process;
    uint64_t started; // when the process was: numbers of processes are used again
    int32_t file, device;
    uint64_t offset, size, id;
};
static_assert(sizeof(SharedHandle) <= sizeof(CUipcMemHandle) && sizeof(SharedHandle) <= sizeof(CUmemPoolPtrExportData),
              "it has to fit into the API's");

// For something in `file` of this process.
SharedHandle make_shared_handle(SharedKind kind, int file);
bool is_shared_handle(const SharedHandle &handle, SharedKind kind);
bool of_this_process(const SharedHandle &handle);
// The file; one that is not good() where the process has ended, or may not be looked into.
File open_shared(const SharedHandle &handle);

template <class Handle> void put_handle(const SharedHandle &from, Handle &to) {
    std::memset(to.reserved, 0, sizeof to.reserved);
    std::memcpy(to.reserved, &from, sizeof from);
}
template <class Handle> SharedHandle read_handle(const Handle &from) {
    SharedHandle handle;
    std::memcpy(&handle, from.reserved, sizeof handle);
    return handle;
}

} // namespace cpu_device
