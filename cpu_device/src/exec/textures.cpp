// Texture fetching: addressing, conversion, filtering.
// https://docs.nvidia.com/cuda/cuda-c-programming-guide/#texture-fetching
#include "textures.hpp"

#include "half.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

namespace cpu_device {

namespace {

struct Registry {
    std::shared_mutex lock;
    std::unordered_map<uint64_t, std::shared_ptr<const TextureObject>> objects;
};

Registry &registry() {
    static auto &made = *new Registry; // kernels may run while the process ends
    return made;
}

int64_t raw_integer(const uint8_t *at, const TexelFormat &format) {
    uint32_t bits = 0;
    std::memcpy(&bits, at, format.bytes);
    if (format.kind != TexelKind::signed_int) return bits;
    const int shift = 32 - 8 * format.bytes;
    return static_cast<int32_t>(bits << shift) >> shift;
}

double real(const uint8_t *at, const TexelFormat &format) {
    if (format.bytes == 2) {
        uint16_t bits;
        std::memcpy(&bits, at, 2);
        return half_to_float(bits);
    }
    float value;
    std::memcpy(&value, at, 4);
    return value;
}

// 8- and 16-bit integers are read as numbers from 0 or -1 to 1, unless the texture gives integers.
Texel convert(const TextureObject &t, const uint8_t *at) {
    const TexelFormat &format = t.texels.format;
    Texel texel;
    texel.is_float = format.kind == TexelKind::real || (!t.as_integer && format.bytes < 4);
    for (int c = 0; c < format.channels; c++) {
        const uint8_t *channel = at + c * format.bytes;
        if (format.kind == TexelKind::real) {
            texel.number[c] = real(channel, format);
            continue;
        }
        texel.integer[c] = raw_integer(channel, format);
        const int bits = 8 * format.bytes - (format.kind == TexelKind::signed_int);
        if (texel.is_float)
            texel.number[c] = std::max(static_cast<double>(texel.integer[c]) / ((int64_t(1) << bits) - 1), -1.0);
    }
    return texel;
}

Texel border(const TextureObject &t) {
    Texel texel = convert(t, std::array<uint8_t, 16>{}.data());
    for (int c = 0; c < t.texels.format.channels; c++) {
        texel.number[c] = t.border[static_cast<size_t>(c)];
        int32_t bits;
        std::memcpy(&bits, &t.border[static_cast<size_t>(c)], 4);
        texel.integer[c] = bits;
    }
    return texel;
}

int64_t size_of(const Texels &t, int axis) {
    return static_cast<int64_t>(axis == 0 ? t.width : axis == 1 ? t.height : t.depth);
}

// Wrapping and mirroring exist for normalised coordinates only.
AddressMode mode_of(const TextureObject &t, int axis) {
    const AddressMode mode = t.mode[static_cast<size_t>(axis)];
    const bool repeats = mode == AddressMode::wrap || mode == AddressMode::mirror;
    return repeats && !t.normalized_coordinates ? AddressMode::clamp : mode;
}

// An index of an axis, -1: outside.
int64_t place_of(const TextureObject &t, int axis, int64_t index) {
    const int64_t size = size_of(t.texels, axis);
    if (t.texels.linear && (index < 0 || index >= size)) return -1;
    switch (mode_of(t, axis)) {
    case AddressMode::wrap: return ((index % size) + size) % size;
    case AddressMode::border: return index < 0 || index >= size ? -1 : index;
    default: return std::clamp<int64_t>(index, 0, size - 1);
    }
}

const uint8_t *texel_at(const TextureObject &t, const uint8_t *host, const int64_t *place, int n, int64_t layer) {
    const Texels &texels = t.texels;
    uint64_t offset = 0;
    for (int axis = 0; axis < n; axis++) {
        const int64_t at = place_of(t, axis, place[axis]);
        if (at < 0) return nullptr;
        offset += static_cast<uint64_t>(at) * (axis == 0   ? texels.format.size()
                                               : axis == 1 ? texels.pitch
                                                           : texels.slice);
    }
    if (texels.layered)
        offset += texels.slice * static_cast<uint64_t>(std::clamp<int64_t>(layer, 0, size_of(texels, 2) - 1));
    return host + offset;
}

// A coordinate in texels.
double scaled(const TextureObject &t, int axis, double x) {
    constexpr double kMost = 1e9;
    if (std::isnan(x)) x = 0;
    if (t.normalized_coordinates) {
        x = std::clamp(x, -kMost, kMost);
        const double whole = std::floor(x);
        if (mode_of(t, axis) == AddressMode::wrap) x -= whole;
        if (mode_of(t, axis) == AddressMode::mirror) x = std::fmod(whole, 2) != 0 ? 1 - (x - whole) : x - whole;
        x *= static_cast<double>(size_of(t.texels, axis));
    }
    return std::clamp(x, -4 * kMost, 4 * kMost);
}

constexpr double kFractions = 256; // of the weights of linear filtering

struct Corner {
    int64_t index;
    double weight; // of the texel behind it
};

Corner corner(const TextureObject &t, int axis, double x) {
    const double at = scaled(t, axis, x) - 0.5, whole = std::floor(at);
    return {static_cast<int64_t>(whole), std::floor((at - whole) * kFractions + 0.5) / kFractions};
}

} // namespace

void add_texture(uint64_t handle, std::shared_ptr<const TextureObject> object) {
    Registry &r = registry();
    std::unique_lock<std::shared_mutex> guard(r.lock);
    r.objects[handle] = std::move(object);
}

void remove_texture(uint64_t handle) {
    Registry &r = registry();
    std::unique_lock<std::shared_mutex> guard(r.lock);
    r.objects.erase(handle);
}

std::shared_ptr<const TextureObject> find_texture(uint64_t handle) {
    Registry &r = registry();
    std::shared_lock<std::shared_mutex> guard(r.lock);
    auto found = r.objects.find(handle);
    return found == r.objects.end() ? nullptr : found->second;
}

uint32_t Texel::bits(int channel) const {
    if (!is_float) return static_cast<uint32_t>(integer[channel]);
    const float value = static_cast<float>(number[channel]);
    uint32_t result;
    std::memcpy(&result, &value, 4);
    return result;
}

Texel fetch_at(const TextureObject &t, const uint8_t *host, const int64_t *place, int n, int64_t layer) {
    const uint8_t *at = texel_at(t, host, place, n, layer);
    return at ? convert(t, at) : border(t);
}

Texel fetch(const TextureObject &t, const uint8_t *host, const double *coordinates, int n, int64_t layer) {
    int64_t place[3] = {0, 0, 0};
    if (!t.interpolates) {
        for (int k = 0; k < n; k++) {
            const double at = std::floor(scaled(t, k, coordinates[k]));
            place[k] = static_cast<int64_t>(at);
        }
        return fetch_at(t, host, place, n, layer);
    }
    Corner corners[3];
    for (int k = 0; k < n; k++) corners[k] = corner(t, k, coordinates[k]);
    Texel sum;
    sum.is_float = true;
    for (int which = 0; which < 1 << n; which++) {
        double weight = 1;
        for (int k = 0; k < n; k++) {
            const bool behind = which >> k & 1;
            place[k] = corners[k].index + behind;
            weight *= behind ? corners[k].weight : 1 - corners[k].weight;
        }
        if (weight == 0) continue; // an infinite texel that has no part in it
        const Texel texel = fetch_at(t, host, place, n, layer);
        for (int c = 0; c < t.texels.format.channels; c++) sum.number[c] += weight * texel.number[c];
    }
    return sum;
}

LevelChoice choose_level(const TextureObject &t, double wanted) {
    const double last = static_cast<double>(t.levels() - 1);
    double at = std::isnan(wanted) ? 0 : wanted + static_cast<double>(t.bias);
    at = std::max(std::min(at, static_cast<double>(t.most)), static_cast<double>(t.least));
    at = std::clamp(at, 0.0, last);
    if (!t.blends) return {static_cast<size_t>(std::floor(at + 0.5)), 0};
    const double whole = std::floor(at);
    return {static_cast<size_t>(whole), std::floor((at - whole) * kFractions + 0.5) / kFractions};
}

double level_of_gradients(const TextureObject &t, const double *dx, const double *dy, int n) {
    double x = 0, y = 0;
    for (int k = 0; k < n; k++) {
        const double scale = t.normalized_coordinates ? static_cast<double>(size_of(t.texels, k)) : 1;
        x += dx[k] * scale * dx[k] * scale;
        y += dy[k] * scale * dy[k] * scale;
    }
    return std::log2(std::max(x, y)) / 2;
}

// https://docs.nvidia.com/cuda/cuda-c-programming-guide/#cubemap-textures
int face_of(const double *d, double *place) {
    const double x = d[0], y = d[1], z = d[2], ax = std::fabs(x), ay = std::fabs(y), az = std::fabs(z);
    const int axis = ax > ay && ax > az ? 0 : ay > az ? 1 : 2;
    const bool back = d[axis] < 0;
    const double m = axis == 0 ? ax : axis == 1 ? ay : az;
    const double s = axis == 0 ? (back ? z : -z) : axis == 1 ? x : (back ? -x : x);
    const double t = axis == 1 ? (back ? -z : z) : -y;
    place[0] = (s / m + 1) / 2;
    place[1] = (t / m + 1) / 2;
    return 2 * axis + back;
}

Texel blend(const Texel &a, const Texel &b, double part_of_b) {
    Texel sum = a;
    for (int c = 0; c < 4; c++) sum.number[c] = (1 - part_of_b) * a.number[c] + part_of_b * b.number[c];
    return sum;
}

// In the order of the PTX ISA's tld4: against the clock from the lower left.
Texel gather(const TextureObject &t, const uint8_t *host, const double *coordinates, int64_t layer, int channel) {
    constexpr int64_t kSteps[4][2] = {{0, 1}, {1, 1}, {1, 0}, {0, 0}};
    const Corner x = corner(t, 0, coordinates[0]), y = corner(t, 1, coordinates[1]);
    Texel result;
    for (int k = 0; k < 4; k++) {
        const int64_t place[2] = {x.index + kSteps[k][0], y.index + kSteps[k][1]};
        const Texel texel = fetch_at(t, host, place, 2, layer);
        result.is_float = texel.is_float;
        result.number[k] = texel.number[channel];
        result.integer[k] = texel.integer[channel];
    }
    return result;
}

} // namespace cpu_device
