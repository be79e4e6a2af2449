// JIT options.  https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__TYPES.html (CUjit_option)
#include "jit_options.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace cpu_device {

CUresult JitOptions::read(unsigned n, const CUjit_option *options, void **values) {
    if (n && (!options || !values)) return CUDA_ERROR_INVALID_VALUE;
    for (unsigned i = 0; i < n; i++) {
        const int option = static_cast<int>(options[i]);
        // a size is in the place of the pointer, and only 32 bits of it count
        const auto number = static_cast<uint32_t>(reinterpret_cast<uint64_t>(values[i]));
        if (option < 0 || option >= CU_JIT_NUM_OPTIONS) return CUDA_ERROR_INVALID_VALUE;
        if (option == CU_JIT_MAX_REGISTERS) max_registers_ = number;
        if (option == CU_JIT_LTO) lto_ = number != 0;
        if (option == CU_JIT_INFO_LOG_BUFFER) info_.buffer = static_cast<char *>(values[i]);
        if (option == CU_JIT_ERROR_LOG_BUFFER) error_.buffer = static_cast<char *>(values[i]);
        Log *sized = option == CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES    ? &info_
                     : option == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES ? &error_
                                                                    : nullptr;
        if (!sized) continue;
        sized->size = number;
        sized->filled = &values[i];
    }
    return CUDA_SUCCESS;
}

void JitOptions::Log::write(const std::string &text) const {
    size_t n = 0;
    if (buffer && size) {
        n = std::min(text.size(), size - 1);
        std::memcpy(buffer, text.data(), n);
        buffer[n] = 0;
    }
    if (filled) *filled = reinterpret_cast<void *>(n);
}

void JitOptions::write_logs(const std::string &info, const std::string &error) const {
    info_.write(info);
    error_.write(error);
}

} // namespace cpu_device
