// Texture and surface objects as kernels see them, by handle.  The driver makes them and takes them away.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace cpu_device {

enum class TexelKind : uint8_t { unsigned_int, signed_int, real };

struct TexelFormat {
    TexelKind kind = TexelKind::unsigned_int;
    uint8_t bytes = 1; // of a channel
    uint8_t channels = 1;
    uint32_t size() const { return uint32_t(bytes) * channels; }
};

// Texels in memory, row by row, slice by slice.  A layer is a slice.
struct Texels {
    uint64_t address = 0, bytes = 0;
    uint64_t width = 0, height = 0, depth = 0; // in texels; 0: it has no such dimension
    uint64_t pitch = 0, slice = 0;             // bytes
    bool layered = false, linear = false;      // linear: plain memory
    bool cube = false;                         // six layers are the faces of one
    TexelFormat format;
};

enum class AddressMode : uint8_t { wrap, clamp, mirror, border };

struct TextureObject {
    Texels texels;
    bool is_surface = false;
    std::array<AddressMode, 3> mode{AddressMode::clamp, AddressMode::clamp, AddressMode::clamp};
    bool interpolates = false, normalized_coordinates = false, as_integer = false;
    std::array<float, 4> border{};
    // Levels of detail behind this one, each half as large; they are read as this one is.
    std::vector<std::shared_ptr<const TextureObject>> smaller;
    float bias = 0, least = 0, most = 0; // of the level that is asked for
    bool blends = false;                 // two levels, where the one that is asked for lies between them

    size_t levels() const { return smaller.size() + 1; }
    const TextureObject &level(size_t k) const { return k ? *smaller[k - 1] : *this; }
};
constexpr size_t kMostLevels = 18; // of arrays of 131072 texels

// Which level to read, and how much of the next.
struct LevelChoice {
    size_t level = 0;
    double next = 0;
};
LevelChoice choose_level(const TextureObject &t, double wanted);
// How many times a pixel's side is halved in texels, from the coordinates' change to the next pixels.
double level_of_gradients(const TextureObject &t, const double *dx, const double *dy, int n);
// What a direction from the middle of a cube meets: a face, and normalised coordinates on it.
int face_of(const double *direction, double *place);

void add_texture(uint64_t handle, std::shared_ptr<const TextureObject> object);
void remove_texture(uint64_t handle);
std::shared_ptr<const TextureObject> find_texture(uint64_t handle);

// A texel's channels: numbers, or the bits of integers where the texture gives these.
struct Texel {
    bool is_float = false;
    double number[4] = {0, 0, 0, 0};
    int64_t integer[4] = {0, 0, 0, 0};
    uint32_t bits(int channel) const;
};

// `coordinates`: x, y, z in texels or normalised; `layer` is clamped.  `host` is the first texel.
Texel fetch(const TextureObject &t, const uint8_t *host, const double *coordinates, int n, int64_t layer);
Texel fetch_at(const TextureObject &t, const uint8_t *host, const int64_t *place, int n, int64_t layer);
Texel blend(const Texel &a, const Texel &b, double part_of_b);
// One channel of the four texels that linear filtering would use.
Texel gather(const TextureObject &t, const uint8_t *host, const double *coordinates, int64_t layer, int channel);

} // namespace cpu_device
