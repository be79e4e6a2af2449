// Data compressed with LZ4, as it lies in fat binaries.
#pragma once

#include <cstdint>
#include <string>

namespace cpu_device {

// A block that must hold `size` bytes.  False where the data is damaged.
bool expand_lz4(const std::string &in, uint64_t size, std::string &out);

} // namespace cpu_device
