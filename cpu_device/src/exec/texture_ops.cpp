// Instructions on textures and surfaces, lane by lane.
#include "texture_ops.hpp"

#include "image.hpp"
#include "lanes.hpp"
#include "textures.hpp"

#include <algorithm>

namespace cpu_device {
namespace {

struct Bound { // an object, and the memory that its levels are over
    std::shared_ptr<const TextureObject> object;
    uint8_t *host = nullptr; // of the first level
    uint8_t *hosts[kMostLevels] = {};
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
    for (size_t k = 0; k < bound.object->levels(); k++) {
        const Texels &t = bound.object->level(k).texels;
        Region region;
        if (!find_region(*w.worker, 0, t.address, t.bytes, region)) {
            fault(w, i, lane, Status::illegal_address, std::string("the memory of a ") + kind + " object was freed",
                  t.address);
            return false;
        }
        bound.hosts[k] = region.host + (t.address - region.base);
    }
    bound.host = bound.hosts[0];
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

bool same_texture_shape(const TextureForm &form, const Texels &t) {
    if (form.what) return t.cube && (form.layered || t.depth == 6);
    return !t.cube && same_shape(form, t);
}

// One lane's place: coordinates, layer, and the level that it asks for.
struct Place {
    double at[3] = {};
    s64 index[3] = {}, layer = 0, index_level = 0;
    double level = 0;
    int axes = 0;
};

Place place_of(Warp &w, const TextureForm &form, const u32 *list, int l, const TextureObject &t) {
    Place p;
    p.axes = form.axes;
    if (form.layered) p.layer = at<s32>(w, list[0])[l];
    const u32 *coordinates = list + form.layered, *level = coordinates + form.axes;
    for (int k = 0; k < form.axes; k++) {
        p.index[k] = at<s32>(w, coordinates[k])[l];
        p.at[k] = form.integers ? double(p.index[k]) : double(at<f32>(w, coordinates[k])[l]);
    }
    if (form.what) { // a cube
        double direction[3] = {p.at[0], p.at[1], p.at[2]};
        p.layer = std::clamp<s64>(p.layer, 0, s64(t.texels.depth / 6) - 1) * 6 + face_of(direction, p.at);
        p.axes = 2;
    }
    const auto how = form.op == TextureOp::tex ? static_cast<TextureLevel>(form.bytes) : TextureLevel::first;
    if (how == TextureLevel::given) {
        p.index_level = at<s32>(w, level[0])[l];
        p.level = form.integers ? double(p.index_level) : double(at<f32>(w, level[0])[l]);
    }
    if (how == TextureLevel::gradients) {
        double dx[3], dy[3];
        for (int k = 0; k < form.axes; k++) {
            dx[k] = double(at<f32>(w, level[k])[l]);
            dy[k] = double(at<f32>(w, level[form.axes + k])[l]);
        }
        p.level = level_of_gradients(t, dx, dy, form.axes);
    }
    return p;
}

Texel read(const TextureForm &form, const Bound &bound, const Place &p) {
    const TextureObject &t = *bound.object;
    if (form.op == TextureOp::tld4) return gather(t, bound.host, p.at, p.layer, form.component);
    if (form.integers) { // texels of one level
        const auto k = static_cast<size_t>(std::clamp<s64>(p.index_level, 0, s64(t.levels()) - 1));
        return fetch_at(t.level(k), bound.hosts[k], p.index, p.axes, p.layer);
    }
    const LevelChoice chosen = choose_level(t, p.level);
    const size_t k = chosen.level;
    const Texel texel = fetch(t.level(k), bound.hosts[k], p.at, p.axes, p.layer);
    if (chosen.next == 0) return texel;
    return blend(texel, fetch(t.level(k + 1), bound.hosts[k + 1], p.at, p.axes, p.layer), chosen.next);
}

const Inst *texture(Warp &w, const Inst *i) {
    const TextureForm form = form_of(i);
    const u32 *list = w.frame->code->lists.data() + i->extra, *to = list + form.places();
    Bound bound;
    Texel results[kLanes];
    for (u32 mask = w.mask; mask; mask &= mask - 1) {
        const int l = __builtin_ctz(mask);
        if (!bind(w, i, l, false, bound)) return stop_pc();
        const TextureObject &t = *bound.object;
        if (!same_texture_shape(form, t.texels))
            return fault(w, i, l, Status::illegal_address, "the texture object has another number of dimensions",
                         bound.handle);
        results[l] = read(form, bound, place_of(w, form, list, l, t));
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
    const u32 *list = w.frame->code->lists.data() + i->extra;
    u32 *d = at<u32>(w, list[form.layered]); // behind the level
    for (u32 mask = w.mask; mask; mask &= mask - 1) {
        const int l = __builtin_ctz(mask);
        const u64 handle = at<u64>(w, i->a)[l];
        const auto object = find_texture(handle);
        if (!object)
            return fault(w, i, l, Status::illegal_address, "not the handle of a texture or surface object", handle);
        const s64 last = s64(object->levels()) - 1, level = form.layered ? at<s32>(w, list[0])[l] : 0;
        const Texels &t = object->level(static_cast<size_t>(std::clamp<s64>(level, 0, last))).texels;
        switch (static_cast<TextureQuery>(form.what)) {
        case TextureQuery::width: d[l] = u32(t.width); break;
        case TextureQuery::height: d[l] = u32(t.height); break;
        case TextureQuery::depth: d[l] = t.layered ? 0 : u32(t.depth); break;
        case TextureQuery::array_size: d[l] = t.cube ? u32(t.depth / 6) : t.layered ? u32(t.depth) : 0; break;
        case TextureQuery::normalized_coords: d[l] = object->normalized_coordinates; break;
        case TextureQuery::levels: d[l] = u32(last + 1); break;
        default: d[l] = 1; break; // samples
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
