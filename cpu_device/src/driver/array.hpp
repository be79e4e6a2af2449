// CUDA arrays: texels in memory of the device, in rows without a gap between slices.
#pragma once

#include "../exec/textures.hpp"
#include "context.hpp"
#include "copy.hpp"

namespace cpu_device {

class Array : public Object {
  public:
    static constexpr HandleKind kKind = HandleKind::array;
    Array(std::shared_ptr<Context> context, const CUDA_ARRAY3D_DESCRIPTOR &description, const Texels &texels);
    ~Array() override;
    const std::shared_ptr<Context> context;
    const CUDA_ARRAY3D_DESCRIPTOR description;
    const Texels texels;
    bool of_mipmap = false; // not destroyed alone
};

class MipmappedArray : public Object {
  public:
    static constexpr HandleKind kKind = HandleKind::mipmapped_array;
    ~MipmappedArray() override;
    std::shared_ptr<Context> context;
    std::vector<std::shared_ptr<Array>> levels;
};

// False for a format or number of channels that arrays do not have here.
bool texel_format(CUarray_format format, unsigned channels, TexelFormat &out);
// One side of a copy that is an array.
CUresult box_of(CUarray handle, Box &box);
// Whether a box of an array ends inside it; other boxes are checked elsewhere.
bool fits(const Box &box, const Extent &extent);

} // namespace cpu_device
