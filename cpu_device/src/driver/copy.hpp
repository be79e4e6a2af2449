// Copies of bytes between the device and the host, where either address may be nonsense.
#pragma once

#include <cstddef>
#include <cstdint>

#include "generated_exports.hpp"
#include "../memory/memory.hpp"

namespace cpu_device {

// memmove that fails where memory cannot be read or written.
bool copy_safely(void *to, const void *from, size_t size);
bool host_can_read(const void *at, size_t size); // looks at the first and the last byte

// Some bytes that a caller named: in an allocation, or the host's own.
struct Span {
    uint8_t *host = nullptr;
    MemoryKind kind = MemoryKind::device;
    bool allocated = false; // false: memory of the host that nobody told us about
    bool on_device() const { return allocated && (kind == MemoryKind::device || kind == MemoryKind::module); }
};

enum class Side { any, device, host };

// False where the address is no memory of that side: outside every allocation, or a device's where the host's is asked for.
// `reserved`: memory that a graph will allocate counts.
bool find_span(uint64_t address, size_t size, Side side, Span &span, bool reserved = false);

// A box of rows in memory.
struct Box {
    uint64_t address = 0;
    Side side = Side::any;
    size_t x = 0, y = 0, z = 0;   // where it begins: bytes, rows, slices
    size_t pitch = 0, height = 0; // bytes of a row, rows of a slice
    uint64_t array = 0;           // the handle of the array that it is in
};
struct Extent {
    size_t width = 0, height = 0, depth = 0; // bytes, rows, slices
};

class Stream;

enum class Wait { never, always, host }; // for the copy to be done; host: where the host's own memory takes part

struct CopyWork {
    Box to, from;
    Extent extent;
};

class Context;
CUresult read_copy(const CUDA_MEMCPY3D &params, CopyWork &work);
CUDA_MEMCPY3D described(const CopyWork &work);
CUresult check_copy(const CopyWork &work); // whether a graph's node can do it
void run_copy(const CopyWork &work, Context &context);

// A copy in stream order.  Both addresses are checked now and again when the stream comes to it.
CUresult copy_box(Stream &stream, const Box &to, const Box &from, const Extent &extent, Wait wait);

} // namespace cpu_device
