// The functions about arrays.
#include "array.hpp"
#include "call.hpp"

#include <algorithm>

namespace cpu_device {

namespace {

constexpr size_t kMostWidth = 131072, kMostLayers = 2048, kMostDepth = 16384;
constexpr unsigned kFlags =
    CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP | CUDA_ARRAY3D_SURFACE_LDST | CUDA_ARRAY3D_TEXTURE_GATHER;

// The texels of an array, without memory yet.
CUresult measure(const CUDA_ARRAY3D_DESCRIPTOR &p, Texels &t) {
    if (p.Flags & ~kFlags) return CUDA_ERROR_NOT_SUPPORTED; // sparse and planar arrays
    if (!texel_format(p.Format, p.NumChannels, t.format)) {
        const auto format = static_cast<unsigned>(p.Format);
        const bool plain = format <= CU_AD_FORMAT_FLOAT && p.NumChannels <= 4;
        return plain ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_NOT_SUPPORTED;
    }
    t.cube = p.Flags & CUDA_ARRAY3D_CUBEMAP; // faces are layers
    t.layered = t.cube || p.Flags & CUDA_ARRAY3D_LAYERED;
    const bool cubes = p.Flags & CUDA_ARRAY3D_LAYERED ? p.Depth && p.Depth % 6 == 0 : p.Depth == 6;
    if (t.cube && (p.Width != p.Height || !cubes)) return CUDA_ERROR_INVALID_VALUE;
    if (!p.Width || p.Width > kMostWidth || p.Height > kMostWidth) return CUDA_ERROR_INVALID_VALUE;
    if (t.layered ? !p.Depth || p.Depth > kMostLayers : p.Depth && !p.Height) return CUDA_ERROR_INVALID_VALUE;
    if (!t.layered && p.Depth > kMostDepth) return CUDA_ERROR_INVALID_VALUE;
    t.width = p.Width;
    t.height = p.Height;
    t.depth = p.Depth;
    t.pitch = p.Width * t.format.size();
    t.slice = t.pitch * std::max<size_t>(p.Height, 1);
    t.bytes = t.slice * std::max<size_t>(p.Depth, 1);
    return CUDA_SUCCESS;
}

CUresult make(Context &context, const CUDA_ARRAY3D_DESCRIPTOR &p, std::shared_ptr<Array> &out) {
    Texels texels;
    const CUresult status = measure(p, texels);
    if (status != CUDA_SUCCESS) return status;
    const Allocation *made = memory().allocate(texels.bytes, 512, MemoryKind::device, context.device);
    if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
    texels.address = made->base;
    out = std::make_shared<Array>(context.shared_from_this(), p, texels);
    publish(out);
    return CUDA_SUCCESS;
}

CUresult create(CUarray *out, const CUDA_ARRAY3D_DESCRIPTOR &p) {
    return in_context_unnoticed([&](Context &context) {
        std::shared_ptr<Array> array;
        const CUresult status = out ? make(context, p, array) : CUDA_ERROR_INVALID_VALUE;
        if (status != CUDA_SUCCESS) return status;
        *out = as<CUarray>(*array);
        context.own(std::move(array));
        return CUDA_SUCCESS;
    });
}

template <class Body> CUresult on_array(CUarray handle, const void *out, Body &&body) {
    return in_context([&](Context &) -> CUresult {
        const std::shared_ptr<Array> array = lookup<Array>(handle);
        if (!array) return CUDA_ERROR_INVALID_HANDLE;
        return out ? body(*array) : CUDA_ERROR_INVALID_VALUE;
    });
}

CUDA_ARRAY3D_DESCRIPTOR in_three(const CUDA_ARRAY_DESCRIPTOR &p) {
    CUDA_ARRAY3D_DESCRIPTOR result{};
    result.Width = p.Width;
    result.Height = p.Height;
    result.Format = p.Format;
    result.NumChannels = p.NumChannels;
    return result;
}

} // namespace

Array::Array(std::shared_ptr<Context> context_, const CUDA_ARRAY3D_DESCRIPTOR &description_, const Texels &texels_)
    : context(std::move(context_)), description(description_), texels(texels_) {}

Array::~Array() {
    memory().release(texels.address);
}

MipmappedArray::~MipmappedArray() {
    for (const auto &level : levels) remove_handle(HandleKind::array, level->handle);
}

bool texel_format(CUarray_format format, unsigned channels, TexelFormat &out) {
    static const struct {
        CUarray_format format;
        TexelKind kind;
        uint8_t bytes;
    } all[] = {{CU_AD_FORMAT_UNSIGNED_INT8, TexelKind::unsigned_int, 1},
               {CU_AD_FORMAT_UNSIGNED_INT16, TexelKind::unsigned_int, 2},
               {CU_AD_FORMAT_UNSIGNED_INT32, TexelKind::unsigned_int, 4},
               {CU_AD_FORMAT_SIGNED_INT8, TexelKind::signed_int, 1},
               {CU_AD_FORMAT_SIGNED_INT16, TexelKind::signed_int, 2},
               {CU_AD_FORMAT_SIGNED_INT32, TexelKind::signed_int, 4},
               {CU_AD_FORMAT_HALF, TexelKind::real, 2},
               {CU_AD_FORMAT_FLOAT, TexelKind::real, 4}};
    if (channels != 1 && channels != 2 && channels != 4) return false;
    for (const auto &one : all)
        if (one.format == format) {
            out = {one.kind, one.bytes, static_cast<uint8_t>(channels)};
            return true;
        }
    return false;
}

CUresult box_of(CUarray handle, Box &box) {
    const std::shared_ptr<Array> array = lookup<Array>(handle);
    if (!array) return CUDA_ERROR_INVALID_HANDLE;
    box.address = array->texels.address;
    box.side = Side::device;
    box.pitch = array->texels.pitch;
    box.height = std::max<uint64_t>(array->texels.height, 1);
    box.array = array->handle;
    return CUDA_SUCCESS;
}

bool fits(const Box &box, const Extent &e) {
    const std::shared_ptr<Array> array = box.array ? lookup<Array>(reinterpret_cast<CUarray>(box.array)) : nullptr;
    if (!array) return !box.array;
    const Texels &t = array->texels;
    auto inside = [](size_t at, size_t n, uint64_t size) { return at <= size && n <= size - at; };
    return inside(box.x, e.width, t.pitch) && inside(box.y, e.height, std::max<uint64_t>(t.height, 1)) &&
           inside(box.z, e.depth, std::max<uint64_t>(t.depth, 1)) && box.x % t.format.size() == 0 &&
           e.width % t.format.size() == 0;
}

} // namespace cpu_device

using namespace cpu_device;

extern "C" {

CUresult cuArrayCreate_v2(CUarray *out, const CUDA_ARRAY_DESCRIPTOR *p) {
    return p ? create(out, in_three(*p)) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuArray3DCreate_v2(CUarray *out, const CUDA_ARRAY3D_DESCRIPTOR *p) {
    return p ? create(out, *p) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR *out, CUarray handle) {
    return on_array(handle, out, [&](Array &array) {
        const CUDA_ARRAY3D_DESCRIPTOR &p = array.description;
        *out = {p.Width, p.Height, p.Format, p.NumChannels};
        return CUDA_SUCCESS;
    });
}

CUresult cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR *out, CUarray handle) {
    return on_array(handle, out, [&](Array &array) {
        *out = array.description;
        return CUDA_SUCCESS;
    });
}

// Work that was submitted may use it: it is waited for.
CUresult cuArrayDestroy(CUarray handle) {
    return in_context_unnoticed([&](Context &) -> CUresult {
        const std::shared_ptr<Array> array = lookup<Array>(handle);
        if (!array) return CUDA_ERROR_INVALID_HANDLE;
        if (array->of_mipmap) return CUDA_ERROR_INVALID_VALUE;
        array->context->synchronize();
        if (!retire<Array>(handle)) return CUDA_ERROR_INVALID_HANDLE;
        array->context->disown(*array);
        return CUDA_SUCCESS;
    });
}

// No array has planes here.
CUresult cuArrayGetPlane(CUarray *out, CUarray handle, unsigned) {
    return on_array(handle, out, [&](Array &) { return CUDA_ERROR_INVALID_VALUE; });
}

// Memory of a program's own, or in parts, is for arrays that were created so; none are here.
CUresult cuArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *out, CUarray handle, CUdevice device) {
    return on_array(handle, out,
                    [&](Array &) { return is_device(device) ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_DEVICE; });
}

CUresult cuArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES *out, CUarray handle) {
    return on_array(handle, out, [&](Array &) { return CUDA_ERROR_INVALID_VALUE; });
}

CUresult cuMipmappedArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *, CUmipmappedArray handle,
                                               CUdevice device) {
    return in_context([&](Context &) {
        if (!lookup<MipmappedArray>(handle)) return CUDA_ERROR_INVALID_HANDLE;
        return is_device(device) ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_DEVICE;
    });
}

CUresult cuMipmappedArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES *, CUmipmappedArray handle) {
    return in_context([&](Context &) {
        return lookup<MipmappedArray>(handle) ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
    });
}

CUresult cuMipmappedArrayCreate(CUmipmappedArray *out, const CUDA_ARRAY3D_DESCRIPTOR *p, unsigned levels) {
    return in_context_unnoticed([&](Context &context) {
        if (!out || !p || !levels) return CUDA_ERROR_INVALID_VALUE;
        const bool layered = p->Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP);
        size_t longest = std::max({p->Width, p->Height, layered ? size_t(1) : p->Depth});
        unsigned most = 1;
        for (; longest > 1; longest /= 2) most++;
        auto made = std::make_shared<MipmappedArray>();
        made->context = context.shared_from_this();
        CUDA_ARRAY3D_DESCRIPTOR level = *p;
        for (unsigned k = 0; k < std::min(levels, most); k++) {
            std::shared_ptr<Array> array;
            const CUresult status = make(context, level, array);
            if (status != CUDA_SUCCESS) return status;
            array->of_mipmap = true;
            made->levels.push_back(std::move(array));
            auto halve = [](size_t n) { return n ? std::max<size_t>(n / 2, 1) : 0; };
            level.Width = halve(level.Width);
            level.Height = halve(level.Height);
            if (!layered) level.Depth = halve(level.Depth);
        }
        publish(made);
        *out = as<CUmipmappedArray>(*made);
        context.own(std::move(made));
        return CUDA_SUCCESS;
    });
}

CUresult cuMipmappedArrayGetLevel(CUarray *out, CUmipmappedArray handle, unsigned level) {
    return in_context([&](Context &) -> CUresult {
        const std::shared_ptr<MipmappedArray> array = lookup<MipmappedArray>(handle);
        if (!array) return CUDA_ERROR_INVALID_HANDLE;
        if (!out || level >= array->levels.size()) return CUDA_ERROR_INVALID_VALUE;
        *out = as<CUarray>(*array->levels[level]);
        return CUDA_SUCCESS;
    });
}

CUresult cuMipmappedArrayDestroy(CUmipmappedArray handle) {
    return in_context_unnoticed([&](Context &) -> CUresult {
        const std::shared_ptr<MipmappedArray> array = lookup<MipmappedArray>(handle);
        if (!array) return CUDA_ERROR_INVALID_HANDLE;
        array->context->synchronize();
        if (!retire<MipmappedArray>(handle)) return CUDA_ERROR_INVALID_HANDLE;
        array->context->disown(*array);
        return CUDA_SUCCESS;
    });
}
}
