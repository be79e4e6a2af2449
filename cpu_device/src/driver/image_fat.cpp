// Fat binaries: several images in one, each for an architecture; text may be compressed.
#include "image_bytes.hpp"

#include "device.hpp"

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

constexpr uint16_t kPtx = 1, kElf = 2;
constexpr uint64_t kLz4 = 0x2000, kZstandard = 0x8000;

bool read_part(const ImageBytes &image, uint64_t at, const Part &part, std::string &ptx, std::string &why) {
    if (part.kind == kElf) return ptx_of_elf(image.from(at + part.header_size, part.size), ptx, why);
    if (part.flags & kZstandard) {
        why = "the PTX in the fat binary is compressed with Zstandard, which is not supported: compile with "
              "--no-compress";
        return false;
    }
    std::string bytes;
    const bool packed = part.flags & kLz4;
    if (!image.read(at + part.header_size, bytes, packed ? part.packed_size : part.size)) return false;
    if (packed && !expand_lz4(bytes, part.unpacked_size, ptx)) return false;
    if (!packed) ptx = bytes;
    ptx.resize(std::min(ptx.find('\0'), ptx.size()));
    return true;
}

} // namespace

// PTX for the newest architecture that the device has; else one for a newer one, whose refusal says why; else PTX in a cubin.
bool ptx_of_fat_binary(const ImageBytes &image, std::string &ptx, std::string &why) {
    Header header;
    if (!image.read(0, header) || header.header_size < sizeof header || header.size > uint64_t(1) << 30) return false;
    const uint64_t end = header.header_size + header.size;
    uint64_t best_at = 0;
    Part best = {}, part;
    auto rank = [](const Part &p) {
        if (p.kind != kPtx) return 0u;
        return p.architecture <= static_cast<uint32_t>(device_limits().cc) ? 1000 + p.architecture : 1u;
    };
    for (uint64_t at = header.header_size; at + sizeof part <= end;) {
        if (!image.read(at, part) || part.header_size < sizeof part || part.size > end) return false;
        if ((part.kind == kPtx || part.kind == kElf) && (!best_at || rank(part) > rank(best))) {
            best = part;
            best_at = at;
        }
        at += part.header_size + part.size;
    }
    if (best_at) return read_part(image, best_at, best, ptx, why);
    why = "the fat binary holds nothing that the CPU device can run: it needs PTX";
    return false;
}

bool expand_lz4(const std::string &in, uint64_t size, std::string &out) {
    if (size > uint64_t(1) << 30) return false;
    out.clear();
    out.reserve(size);
    size_t at = 0;
    auto length = [&](size_t n) { // 15 is continued in further bytes
        for (uint8_t more = 255; n >= 15 && more == 255 && at < in.size(); n += more)
            more = static_cast<uint8_t>(in[at++]);
        return n;
    };
    while (at < in.size() && out.size() < size) {
        const auto token = static_cast<uint8_t>(in[at++]);
        const size_t literals = length(token >> 4);
        if (literals > in.size() - at || literals > size - out.size()) return false;
        out.append(in, at, literals);
        at += literals;
        if (out.size() == size || in.size() - at < 2) break; // the last sequence has no match
        const size_t back = static_cast<uint8_t>(in[at]) | static_cast<size_t>(static_cast<uint8_t>(in[at + 1])) << 8;
        at += 2;
        const size_t match = length(token & 15) + 4;
        if (!back || back > out.size() || match > size - out.size()) return false;
        for (size_t i = 0; i < match; i++) out.push_back(out[out.size() - back]);
    }
    return out.size() == size;
}

} // namespace cpu_device
