// The functions about texture and surface objects.
#include "array.hpp"
#include "call.hpp"

#include <algorithm>
#include <cstring>

using namespace cpu_device;

namespace {

class Described : public Object {
  public:
    ~Described() override { remove_texture(handle); }
    std::shared_ptr<Context> context; // it goes with it
    CUDA_RESOURCE_DESC resource{};
    CUDA_TEXTURE_DESC texture{};
};
class TextureHandle : public Described {
  public:
    static constexpr HandleKind kKind = HandleKind::texture;
};
class SurfaceHandle : public Described {
  public:
    static constexpr HandleKind kKind = HandleKind::surface;
};

CUresult linear(const CUDA_RESOURCE_DESC &r, Texels &t) {
    const auto &p = r.res.linear;
    if (!texel_format(p.format, p.numChannels, t.format)) return CUDA_ERROR_INVALID_VALUE;
    t.linear = true;
    t.address = p.devPtr;
    t.width = p.sizeInBytes / t.format.size();
    t.pitch = t.slice = t.bytes = t.width * t.format.size();
    return t.width && t.width <= kMostLinearTexels && p.devPtr % 16 == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult pitched(const CUDA_RESOURCE_DESC &r, Texels &t) {
    const auto &p = r.res.pitch2D;
    if (!texel_format(p.format, p.numChannels, t.format)) return CUDA_ERROR_INVALID_VALUE;
    constexpr size_t kMost = 131072;
    if (!p.width || !p.height || p.width > kMost || p.height > kMost || p.pitchInBytes % 32 || p.devPtr % 32 ||
        p.pitchInBytes < p.width * t.format.size() || p.pitchInBytes > size_t(1) << 31)
        return CUDA_ERROR_INVALID_VALUE;
    t.address = p.devPtr;
    t.width = p.width;
    t.height = p.height;
    t.pitch = p.pitchInBytes;
    t.bytes = t.slice = (p.height - 1) * p.pitchInBytes + p.width * t.format.size();
    return CUDA_SUCCESS;
}

CUresult texels_of(const CUDA_RESOURCE_DESC &r, Texels &t) {
    if (r.flags) return CUDA_ERROR_INVALID_VALUE;
    CUresult status = CUDA_SUCCESS;
    switch (static_cast<int>(r.resType)) {
    case CU_RESOURCE_TYPE_ARRAY: {
        const std::shared_ptr<Array> array = lookup<Array>(r.res.array.hArray);
        if (!array) return CUDA_ERROR_INVALID_HANDLE;
        t = array->texels;
        return CUDA_SUCCESS;
    }
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY: {
        const std::shared_ptr<MipmappedArray> array = lookup<MipmappedArray>(r.res.mipmap.hMipmappedArray);
        if (!array) return CUDA_ERROR_INVALID_HANDLE;
        t = array->levels[0]->texels;
        return CUDA_SUCCESS;
    }
    case CU_RESOURCE_TYPE_LINEAR: status = linear(r, t); break;
    case CU_RESOURCE_TYPE_PITCH2D: status = pitched(r, t); break;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
    const Allocation *found = status == CUDA_SUCCESS ? memory().find(t.address, t.bytes) : nullptr;
    return status == CUDA_SUCCESS && !found ? CUDA_ERROR_INVALID_VALUE : status;
}

CUresult read(const CUDA_TEXTURE_DESC &p, TextureObject &t) {
    constexpr unsigned kKnown = CU_TRSF_READ_AS_INTEGER | CU_TRSF_NORMALIZED_COORDINATES | CU_TRSF_SRGB |
                                CU_TRSF_DISABLE_TRILINEAR_OPTIMIZATION | CU_TRSF_SEAMLESS_CUBEMAP;
    if (p.flags & ~kKnown || static_cast<unsigned>(p.filterMode) > CU_TR_FILTER_MODE_LINEAR)
        return CUDA_ERROR_INVALID_VALUE;
    if (p.flags & (CU_TRSF_SRGB | CU_TRSF_SEAMLESS_CUBEMAP)) return CUDA_ERROR_NOT_SUPPORTED;
    for (size_t k = 0; k < 3; k++) {
        const auto mode = static_cast<unsigned>(p.addressMode[k]);
        if (mode > CU_TR_ADDRESS_MODE_BORDER) return CUDA_ERROR_INVALID_VALUE;
        t.mode[k] = static_cast<AddressMode>(mode);
    }
    t.interpolates = p.filterMode == CU_TR_FILTER_MODE_LINEAR;
    t.normalized_coordinates = p.flags & CU_TRSF_NORMALIZED_COORDINATES;
    t.as_integer = p.flags & CU_TRSF_READ_AS_INTEGER;
    std::copy(p.borderColor, p.borderColor + 4, t.border.begin());
    if (static_cast<unsigned>(p.mipmapFilterMode) > CU_TR_FILTER_MODE_LINEAR) return CUDA_ERROR_INVALID_VALUE;
    t.blends = p.mipmapFilterMode == CU_TR_FILTER_MODE_LINEAR;
    t.bias = p.mipmapLevelBias;
    t.least = p.minMipmapLevelClamp;
    t.most = p.maxMipmapLevelClamp;
    if (t.texels.cube) t.normalized_coordinates = true;                     // directions
    if (t.texels.linear) t.interpolates = t.normalized_coordinates = false; // plain memory is only indexed
    const TexelFormat &format = t.texels.format;
    const bool integers = format.kind != TexelKind::real && (t.as_integer || format.bytes == 4);
    return (t.interpolates || t.blends) && integers ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

// The levels of a mipmapped array behind its first, which are read as that one is.
void add_levels(const CUDA_RESOURCE_DESC &r, TextureObject &t) {
    if (static_cast<int>(r.resType) != CU_RESOURCE_TYPE_MIPMAPPED_ARRAY) return;
    const std::shared_ptr<MipmappedArray> array = lookup<MipmappedArray>(r.res.mipmap.hMipmappedArray);
    for (size_t k = 1; array && k < std::min(array->levels.size(), kMostLevels); k++) {
        auto level = std::make_shared<TextureObject>(t);
        level->smaller.clear();
        level->texels = array->levels[k]->texels;
        t.smaller.push_back(std::move(level));
    }
}

template <class T, class Handle>
CUresult publish_object(Handle *out, Context &context, std::shared_ptr<TextureObject> object,
                        std::shared_ptr<T> described) {
    described->context = context.shared_from_this();
    publish(described);
    add_texture(described->handle, std::move(object));
    *out = described->handle;
    context.own(std::move(described));
    return CUDA_SUCCESS;
}

template <class T, class Body> CUresult on_object(unsigned long long handle, const void *out, Body &&body) {
    return in_context([&](Context &) -> CUresult {
        const std::shared_ptr<T> object = lookup<T>(reinterpret_cast<void *>(handle));
        return object && out ? body(*object) : CUDA_ERROR_INVALID_VALUE;
    });
}

template <class T> CUresult destroy(unsigned long long handle) {
    return in_context_unnoticed([&](Context &) -> CUresult {
        if (!handle) return CUDA_SUCCESS;
        const std::shared_ptr<T> object = lookup<T>(reinterpret_cast<void *>(handle));
        if (!object) return CUDA_ERROR_INVALID_VALUE;
        object->context->synchronize(); // kernels that were submitted may use it
        if (!retire<T>(reinterpret_cast<void *>(handle))) return CUDA_ERROR_INVALID_VALUE;
        remove_texture(handle);
        object->context->disown(*object);
        return CUDA_SUCCESS;
    });
}

} // namespace

extern "C" {

CUresult cuTexObjectCreate(CUtexObject *out, const CUDA_RESOURCE_DESC *resource, const CUDA_TEXTURE_DESC *texture,
                           const CUDA_RESOURCE_VIEW_DESC *view) {
    return in_context_unnoticed([&](Context &context) {
        if (!out || !resource || !texture) return CUDA_ERROR_INVALID_VALUE;
        if (view) return CUDA_ERROR_NOT_SUPPORTED;
        auto object = std::make_shared<TextureObject>();
        CUresult status = texels_of(*resource, object->texels);
        if (status == CUDA_SUCCESS) status = read(*texture, *object);
        if (status != CUDA_SUCCESS) return status;
        add_levels(*resource, *object);
        auto described = std::make_shared<TextureHandle>();
        described->resource = *resource;
        described->texture = *texture;
        return publish_object(out, context, std::move(object), std::move(described));
    });
}

CUresult cuTexObjectDestroy(CUtexObject handle) {
    return destroy<TextureHandle>(handle);
}

CUresult cuTexObjectGetResourceDesc(CUDA_RESOURCE_DESC *out, CUtexObject handle) {
    return on_object<TextureHandle>(handle, out, [&](TextureHandle &object) {
        *out = object.resource;
        return CUDA_SUCCESS;
    });
}

CUresult cuTexObjectGetTextureDesc(CUDA_TEXTURE_DESC *out, CUtexObject handle) {
    return on_object<TextureHandle>(handle, out, [&](TextureHandle &object) {
        *out = object.texture;
        return CUDA_SUCCESS;
    });
}

// No object has a view.
CUresult cuTexObjectGetResourceViewDesc(CUDA_RESOURCE_VIEW_DESC *out, CUtexObject handle) {
    return on_object<TextureHandle>(handle, out, [&](TextureHandle &) { return CUDA_ERROR_INVALID_VALUE; });
}

CUresult cuSurfObjectCreate(CUsurfObject *out, const CUDA_RESOURCE_DESC *resource) {
    return in_context_unnoticed([&](Context &context) {
        if (!out || !resource || resource->resType != CU_RESOURCE_TYPE_ARRAY) return CUDA_ERROR_INVALID_VALUE;
        const std::shared_ptr<Array> array = lookup<Array>(resource->res.array.hArray);
        if (!array) return CUDA_ERROR_INVALID_HANDLE;
        if (!(array->description.Flags & CUDA_ARRAY3D_SURFACE_LDST)) return CUDA_ERROR_INVALID_VALUE;
        auto object = std::make_shared<TextureObject>();
        object->is_surface = true;
        object->texels = array->texels;
        auto described = std::make_shared<SurfaceHandle>();
        described->resource = *resource;
        return publish_object(out, context, std::move(object), std::move(described));
    });
}

CUresult cuSurfObjectDestroy(CUsurfObject handle) {
    return destroy<SurfaceHandle>(handle);
}

CUresult cuSurfObjectGetResourceDesc(CUDA_RESOURCE_DESC *out, CUsurfObject handle) {
    return on_object<SurfaceHandle>(handle, out, [&](SurfaceHandle &object) {
        *out = object.resource;
        return CUDA_SUCCESS;
    });
}
}
