// Zstandard data (RFC 8878), as it lies compressed in fat binaries.  Dictionaries are refused.
#pragma once

#include <cstdint>
#include <string>

namespace cpu_device {

// All frames of `in`; together they must hold `size` bytes.  False where the data is damaged: their checksums count.
bool expand_zstd(const std::string &in, uint64_t size, std::string &out);

} // namespace cpu_device
