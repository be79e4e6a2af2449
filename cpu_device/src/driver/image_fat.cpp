// Fat binaries: several images in one, each for an architecture; text may be compressed.
#include "image_bytes.hpp"

#include "../zstd/zstd.hpp"
#include "device.hpp"
#include "lz4.hpp"

#include <algorithm>

namespace cpu_device {

namespace {

struct Header {
    uint32_t magic;
    uint16_t version, header_size;
    uint64_t size; // of what follows
};

struct Part {
    uint16_t kind, version;
    uint32_t header_size;
    uint64_t size; // with padding
    uint32_t packed_size, unknown;
    uint16_t minor, major;
    uint32_t architecture; // 80 for compute_80
    uint32_t name_offset, name_size;
    uint64_t flags, zero;
    uint64_t unpacked_size;
};

// A part of several images that were compressed together: `header_size` is where each is in what comes out.
constexpr uint16_t kPtx = 1, kElf = 2, kTogether = 0x100;
constexpr uint64_t kLz4 = 0x2000, kZstandard = 0x8000;
constexpr uint64_t kMostTogether = 4096;

// The best image so far, and the part that it lies in: itself, or one of several together.
struct Choice {
    Part image, part;
    uint64_t at = 0; // of the part; 0: none yet
};

// PTX for the newest architecture that the device has; else one for a newer one, whose refusal says why; else PTX in a cubin.
uint32_t rank(const Part &p) {
    if (p.kind != kPtx) return 0;
    return p.architecture <= static_cast<uint32_t>(device_limits().cc) ? 1000 + p.architecture : 1;
}

void consider(Choice &best, const Part &image, const Part &part, uint64_t at) {
    if (image.kind != kPtx && image.kind != kElf) return;
    if (!best.at || rank(image) > rank(best.image)) best = {image, part, at};
}

bool consider_together(const ImageBytes &bytes, Choice &best, const Part &part, uint64_t at) {
    uint32_t count;
    Part image;
    if (!bytes.read(at + sizeof part, count) || count > kMostTogether) return false;
    for (uint64_t i = 0; i < count; i++) {
        if (!bytes.read(at + sizeof part + 8 + i * (sizeof part + 16), image)) return false;
        consider(best, image, part, at);
    }
    return true;
}

// What is in a part, expanded.
bool read_bytes(const ImageBytes &image, uint64_t at, const Part &part, std::string &out, Unusable &why) {
    const bool lz4 = part.flags & kLz4, zstandard = part.flags & kZstandard;
    if (!lz4 && !zstandard) return image.read(at + part.header_size, out, part.size);
    std::string packed;
    if (!image.read(at + part.header_size, packed, part.packed_size)) return false;
    if (zstandard ? expand_zstd(packed, part.unpacked_size, out) : expand_lz4(packed, part.unpacked_size, out))
        return true;
    why.line = "the compressed data in the fat binary is damaged";
    return false;
}

bool read_choice(const ImageBytes &image, const Choice &choice, std::string &ptx, Unusable &why) {
    std::string bytes;
    if (!read_bytes(image, choice.at, choice.part, bytes, why)) return false;
    if (choice.part.kind == kTogether) {
        const uint64_t at = choice.image.header_size, size = choice.image.size;
        if (at > bytes.size() || size > bytes.size() - at) return false;
        bytes = bytes.substr(at, size);
    }
    if (choice.image.kind == kElf) return !bytes.empty() && ptx_of_elf({bytes.data(), bytes.size()}, ptx, why);
    ptx = std::move(bytes);
    ptx.resize(std::min(ptx.find('\0'), ptx.size()));
    return true;
}

} // namespace

bool ptx_of_fat_binary(const ImageBytes &image, std::string &ptx, Unusable &why) {
    Header header;
    if (!image.read(0, header) || header.header_size < sizeof header || header.size > uint64_t(1) << 30) return false;
    const uint64_t end = header.header_size + header.size;
    Choice best;
    Part part;
    for (uint64_t at = header.header_size; at + sizeof part <= end;) {
        if (!image.read(at, part) || part.header_size < sizeof part || part.size > end) return false;
        if (part.kind != kTogether)
            consider(best, part, part, at);
        else if (!consider_together(image, best, part, at))
            return false;
        at += part.header_size + part.size;
    }
    if (best.at) return read_choice(image, best, ptx, why);
    why = {CUDA_ERROR_NO_BINARY_FOR_GPU, "the fat binary holds nothing that the CPU device can run: it needs PTX"};
    return false;
}

} // namespace cpu_device
