// The checksum of a frame's content: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, with seed 0.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cpu_device::zstd {

uint64_t xxhash64(const char *at, size_t size);

} // namespace cpu_device::zstd
