// Pools that processes share: a file descriptor names the pool, and 64 bytes a piece of memory in it.
#include "call.hpp"
#include "imported.hpp"
#include "ledger.hpp"
#include "nodes.hpp"
#include "pool.hpp"
#include "shared_handle.hpp"

#include <fcntl.h>
#include <sys/mman.h>

using namespace cpu_device;

namespace {

constexpr auto kDescriptor = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;

// A file that holds the handle, for whoever gets its descriptor.
int write_file(const SharedHandle &handle) {
    const int file = memfd_create("cpu-device-pool", MFD_CLOEXEC);
    if (file >= 0 && write(file, &handle, sizeof handle) == sizeof handle) return file;
    if (file >= 0) close(file);
    return -1;
}

} // namespace

extern "C" {

CUresult cuMemPoolExportToShareableHandle(void *out, CUmemoryPool handle, CUmemAllocationHandleType type,
                                          unsigned long long flags) {
    return call([&] {
        const std::shared_ptr<Pool> pool = lookup<Pool>(handle);
        if (!pool || !out || flags || type != kDescriptor || !(pool->handle_types & kDescriptor) || pool->imported)
            return CUDA_ERROR_INVALID_VALUE;
        uint64_t none = 0;
        SharedHandle named = make_shared_handle(SharedKind::pool, memory().file(0, none));
        named.device = pool->place.id;
        named.id = pool->place.where;
        const int file = write_file(named);
        if (file < 0) return CUDA_ERROR_OPERATING_SYSTEM;
        *static_cast<int *>(out) = file;
        return CUDA_SUCCESS;
    });
}

CUresult cuMemPoolImportFromShareableHandle(CUmemoryPool *out, void *descriptor, CUmemAllocationHandleType type,
                                            unsigned long long flags) {
    return call([&] {
        SharedHandle handle;
        if (!out || flags || type != kDescriptor) return CUDA_ERROR_INVALID_VALUE;
        const auto number = static_cast<int>(reinterpret_cast<intptr_t>(descriptor));
        if (pread(number, &handle, sizeof handle, 0) != sizeof handle || !is_shared_handle(handle, SharedKind::pool))
            return CUDA_ERROR_INVALID_VALUE;
        File file = open_shared(handle);
        if (!file.good()) return CUDA_ERROR_MAP_FAILED;
        PoolPlace place;
        place.where =
            handle.id == CU_MEM_LOCATION_TYPE_HOST_NUMA ? CU_MEM_LOCATION_TYPE_HOST_NUMA : CU_MEM_LOCATION_TYPE_DEVICE;
        const bool on_host = place.kind() == MemoryKind::pinned;
        place.id = (on_host ? is_node(handle.device) : is_device(handle.device)) ? handle.device : 0;
        auto pool = std::make_shared<Pool>(place, false, 0, kDescriptor,
                                           std::make_shared<File>(fcntl(file.number, F_DUPFD_CLOEXEC, 0)));
        if (!pool->imported->good()) return CUDA_ERROR_OPERATING_SYSTEM;
        publish(pool);
        *out = as<CUmemoryPool>(*pool);
        return CUDA_SUCCESS;
    });
}

CUresult cuMemPoolExportPointer(CUmemPoolPtrExportData *out, CUdeviceptr address) {
    return call([&] {
        const Allocation *found = memory().find(address, 1);
        Entry entry;
        if (!out || !found || !ledger().find(found->base, entry) || !entry.pool ||
            !(entry.pool->handle_types & kDescriptor))
            return CUDA_ERROR_INVALID_VALUE;
        SharedHandle handle = make_shared_handle(SharedKind::pool_memory, -1);
        const uint64_t at = address - found->base;
        (void)memory().file(found->base, handle.offset);
        handle.size = found->size;
        handle.id = at; // the pointer, in the memory
        handle.device = found->device;
        put_handle(handle, *out);
        return CUDA_SUCCESS;
    });
}

// Each import is one reference; memory that was freed in the process that has it may not be imported any more.
CUresult cuMemPoolImportPointer(CUdeviceptr *out, CUmemoryPool handle, CUmemPoolPtrExportData *data) {
    return call([&] {
        const std::shared_ptr<Pool> pool = lookup<Pool>(handle);
        if (!pool || !out || !data || !pool->imported) return CUDA_ERROR_INVALID_VALUE;
        const SharedHandle named = read_handle(*data);
        if (!is_shared_handle(named, SharedKind::pool_memory) || named.id >= named.size)
            return CUDA_ERROR_INVALID_VALUE;
        const uint32_t access = pool->kind == MemoryKind::pinned ? ~0u : pool->allowed.load();
        const auto made =
            ImportedMemory::map(*pool->imported, named.offset, {0, named.size, pool->device, access, pool->kind});
        if (!made) return CUDA_ERROR_MAP_FAILED;
        Imports &all = imports();
        std::lock_guard<std::mutex> guard(all.lock);
        *out = made->address + named.id;
        all.all[*out] = made;
        return CUDA_SUCCESS;
    });
}
}
