// The format of an array's elements, as the runtime and as the driver say it.
#pragma once

#include "driver.hpp"

namespace cpu_device {

// False where the driver has no such format.
inline bool read_format(const cudaChannelFormatDesc &desc, CUarray_format &format, unsigned &channels) {
    const int bits[] = {desc.x, desc.y, desc.z, desc.w};
    channels = 0;
    while (channels < 4 && bits[channels] == desc.x && desc.x) channels++;
    for (unsigned i = channels; i < 4; i++)
        if (bits[i]) return false;
    const int size = desc.x == 8 ? 0 : desc.x == 16 ? 1 : desc.x == 32 ? 2 : -1;
    if (size < 0 || !channels || channels == 3) return false;
    switch (desc.f) {
    case cudaChannelFormatKindSigned:
        format = static_cast<CUarray_format>(CU_AD_FORMAT_SIGNED_INT8 + size);
        return true;
    case cudaChannelFormatKindUnsigned:
        format = static_cast<CUarray_format>(CU_AD_FORMAT_UNSIGNED_INT8 + size);
        return true;
    case cudaChannelFormatKindFloat: format = size == 1 ? CU_AD_FORMAT_HALF : CU_AD_FORMAT_FLOAT; return size > 0;
    default: return false;
    }
}

inline cudaChannelFormatDesc write_format(CUarray_format format, unsigned channels) {
    const int number = static_cast<int>(format);
    const bool real = number == CU_AD_FORMAT_HALF || number == CU_AD_FORMAT_FLOAT, is_signed = number >= 8 && !real;
    const int bits =
        real ? number : 8 << (number - (is_signed ? CU_AD_FORMAT_SIGNED_INT8 : CU_AD_FORMAT_UNSIGNED_INT8));
    auto at = [&](unsigned i) { return i < channels ? bits : 0; };
    return {at(0), at(1), at(2), at(3),
            real        ? cudaChannelFormatKindFloat
            : is_signed ? cudaChannelFormatKindSigned
                        : cudaChannelFormatKindUnsigned};
}

} // namespace cpu_device
