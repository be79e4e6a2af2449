// Instructions on textures and surfaces, lane by lane.
#include "texture_ops.hpp"

#include "image.hpp"
#include "lanes.hpp"
#include "textures.hpp"

#include <algorithm>

namespace cpu_device {
namespace {

struct Bound { // an object, and the memory that it is over
    std::shared_ptr<const TextureObject> object;
    uint8_t *host = nullptr;
    uint64_t handle = 0;
};

// False with a fault where the handle is none, or what it was over is gone.
bool bind(Warp &w, const Inst *i, int lane, bool surface, Bound &bound) {
    const u64 handle = at<u64>(w, i->a)[lane];
    if (bound.object && bound.handle == handle) return true;
    bound.handle = handle;
    bound.object = find_texture(handle);
    const char *kind = surface ? "surface" : "texture";
    if (!bound.object || bound.object->is_surface != surface) {
        fault(w, i, lane, Status::illegal_address, std::string("not the handle of a ") + kind + " object", handle);
        return false;
    }
    const Texels &t = bound.object->texels;
    Region region;
    if (!find_region(*w.worker, 0, t.address, t.bytes, region)) {
        fault(w, i, lane, Status::illegal_address, std::string("the memory of a ") + kind + " object was freed",
              t.address);
        return false;
    }
    bound.host = region.host + (t.address - region.base);
    return true;
}

TextureForm form_of(const Inst *i) {
    TextureForm form;
    std::memcpy(&form, &i->imm, sizeof form);
    return form;
}

bool same_shape(const TextureForm &form, const Texels &t) {
    const int axes = t.layered ? (t.height ? 2 : 1) : t.depth ? 3 : t.height ? 2 : 1;
    return form.axes == axes && form.layered == t.layered;
}

const Inst *texture(Warp &w, const Inst *i) {
    const TextureForm form = form_of(i);
    const u32 *list = w.frame->code->lists.data() + i->extra, *to = list + form.axes + form.layered;
    Bound bound;
    Texel results[kLanes];
    for (u32 mask = w.mask; mask; mask &= mask - 1) {
        const int l = __builtin_ctz(mask);
        if (!bind(w, i, l, false, bound)) return stop_pc();
        const TextureObject &t = *bound.object;
        if (!same_shape(form, t.texels))
            return fault(w, i, l, Status::illegal_address, "the texture object has another number of dimensions",
                         bound.handle);
        const s64 layer = form.layered ? at<s32>(w, list[0])[l] : 0;
        double place[3];
        s64 index[3];
        for (int k = 0; k < form.axes; k++) {
            const u32 operand = list[k + form.layered];
            index[k] = at<s32>(w, operand)[l];
            place[k] = form.integers ? double(index[k]) : double(at<f32>(w, operand)[l]);
        }
        results[l] = form.op == TextureOp::tld4 ? gather(t, bound.host, place, layer, form.component)
                     : form.integers            ? fetch_at(t, bound.host, index, form.axes, layer)
                                                : fetch(t, bound.host, place, form.axes, layer);
    }
    for (int c = 0; c < 4; c++) {
        u32 *d = at<u32>(w, to[c]);
        each_active(w.mask, [&](int l) { d[l] = results[l].bits(c); });
    }
    return i + 1;
}

// The element's address; nullptr: outside.  The first coordinate counts bytes.
uint8_t *element(const TextureForm &form, const Bound &bound, const s64 *index, s64 layer, u32 bytes) {
    const Texels &t = bound.object->texels;
    const bool clamps = static_cast<SurfaceClamp>(form.what & 0x7f) == SurfaceClamp::clamp;
    const s64 limits[3] = {s64(t.width * t.format.size()) - s64(bytes), s64(t.height) - 1, s64(t.depth) - 1};
    const u64 steps[3] = {1, t.pitch, t.slice};
    u64 offset = 0;
    for (int k = 0; k < form.axes; k++) {
        s64 at = index[k];
        if (clamps) at = std::clamp<s64>(at, 0, std::max<s64>(limits[k], 0));
        if (at < 0 || at > limits[k]) return nullptr;
        offset += u64(at) * steps[k];
    }
    if (form.layered) {
        if (clamps) layer = std::clamp<s64>(layer, 0, limits[2]);
        if (layer < 0 || layer > limits[2]) return nullptr;
        offset += u64(layer) * t.slice;
    }
    return bound.host + offset;
}

template <class T> void reduce(T *at, T value, Reduction how) {
    T old = __atomic_load_n(at, __ATOMIC_RELAXED), now;
    do
        now = how == Reduction::add       ? T(u64(old) + u64(value))
              : how == Reduction::min     ? std::min(old, value)
              : how == Reduction::max     ? std::max(old, value)
              : how == Reduction::bit_and ? T(old & value)
                                          : T(old | value);
    while (!__atomic_compare_exchange_n(at, &old, now, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

void reduce(uint8_t *at, u64 value, const TextureForm &form) {
    const auto how = static_cast<Reduction>(form.reduction);
    const bool is_signed = form.what & 0x80;
    if (form.bytes == 8)
        is_signed ? reduce(reinterpret_cast<s64 *>(at), s64(value), how)
                  : reduce(reinterpret_cast<u64 *>(at), value, how);
    else
        is_signed ? reduce(reinterpret_cast<s32 *>(at), s32(value), how)
                  : reduce(reinterpret_cast<u32 *>(at), u32(value), how);
}

// A value's register of a lane: 2, 4 or 8 bytes.
uint8_t *value_of(Warp &w, u32 operand, int lane, u32 bytes) {
    return at<uint8_t>(w, operand) + size_t(lane) * std::max<u32>(bytes, 2);
}

void transfer(Warp &w, const TextureForm &form, u32 operand, int lane, uint8_t *place) {
    uint8_t *value = value_of(w, operand, lane, form.bytes);
    u64 bits = 0;
    if (form.op == TextureOp::reduce) {
        std::memcpy(&bits, value, form.bytes);
        reduce(place, bits, form);
    } else if (form.op == TextureOp::store) {
        std::memcpy(place, value, form.bytes);
    } else {
        if (place) std::memcpy(&bits, place, form.bytes);
        std::memcpy(value, &bits, std::max<u32>(form.bytes, 2));
    }
}

const Inst *surface(Warp &w, const Inst *i) {
    const TextureForm form = form_of(i);
    const u32 *list = w.frame->code->lists.data() + i->extra, *values = list + form.axes + form.layered;
    const u32 bytes = u32(form.bytes) * i->count;
    Bound bound;
    uint8_t *places[kLanes] = {};
    for (u32 mask = w.mask; mask; mask &= mask - 1) {
        const int l = __builtin_ctz(mask);
        if (!bind(w, i, l, true, bound)) return stop_pc();
        if (!same_shape(form, bound.object->texels))
            return fault(w, i, l, Status::illegal_address, "the surface object has another number of dimensions",
                         bound.handle);
        s64 index[3];
        for (int k = 0; k < form.axes; k++) index[k] = at<s32>(w, list[k + form.layered])[l];
        if (index[0] % s64(bytes))
            return fault(w, i, l, Status::misaligned_address,
                         "a surface's byte offset that is no multiple of the access", bound.object->texels.address);
        places[l] = element(form, bound, index, form.layered ? at<s32>(w, list[0])[l] : 0, bytes);
        if (!places[l] && static_cast<SurfaceClamp>(form.what & 0x7f) == SurfaceClamp::trap)
            return fault(w, i, l, Status::illegal_address, "access outside a surface", bound.object->texels.address);
    }
    each_active(w.mask, [&](int l) {
        for (u32 k = 0; k < i->count; k++) {
            if (places[l])
                transfer(w, form, values[k], l, places[l] + k * form.bytes);
            else if (form.op == TextureOp::load)
                transfer(w, form, values[k], l, nullptr);
        }
    });
    return i + 1;
}

const Inst *query(Warp &w, const Inst *i) {
    const TextureForm form = form_of(i);
    u32 *d = at<u32>(w, w.frame->code->lists[i->extra]);
    for (u32 mask = w.mask; mask; mask &= mask - 1) {
        const int l = __builtin_ctz(mask);
        const u64 handle = at<u64>(w, i->a)[l];
        const auto object = find_texture(handle);
        if (!object)
            return fault(w, i, l, Status::illegal_address, "not the handle of a texture or surface object", handle);
        const Texels &t = object->texels;
        switch (static_cast<TextureQuery>(form.what)) {
        case TextureQuery::width: d[l] = u32(t.width); break;
        case TextureQuery::height: d[l] = u32(t.height); break;
        case TextureQuery::depth: d[l] = t.layered ? 0 : u32(t.depth); break;
        case TextureQuery::array_size: d[l] = t.layered ? u32(t.depth) : 0; break;
        case TextureQuery::normalized_coords: d[l] = object->normalized_coordinates; break;
        default: d[l] = 1; break; // levels and samples
        }
    }
    return i + 1;
}

const HandlerRow rows[] = {{"texture", &texture}, {"surface", &surface}, {"texture.query", &query}};

} // namespace

HandlerTable texture_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
