// Frames and the blocks in them.
#include "zstd.hpp"

#include "block.hpp"
#include "xxhash64.hpp"

#include <memory>

namespace cpu_device {

namespace {

using namespace zstd;

constexpr uint64_t kMagic = 0xFD2FB528, kSkippable = 0x184D2A50, kUnknown = ~uint64_t(0);

struct FrameHeader {
    uint64_t content = kUnknown, window = 0;
    bool checksum = false;
};

bool read_header(Bytes &in, FrameHeader &header) {
    static const size_t kSizeBytes[] = {0, 2, 4, 8}, kDictionaryBytes[] = {0, 1, 2, 4};
    uint64_t flags, window = 0, dictionary;
    if (!in.number(1, flags) || flags & 8) return false;
    const bool single = flags >> 5 & 1;
    const size_t size = single && !(flags >> 6) ? 1 : kSizeBytes[flags >> 6];
    if (!single && !in.number(1, window)) return false;
    if (!in.number(kDictionaryBytes[flags & 3], dictionary) || dictionary) return false;
    if (size) {
        if (!in.number(size, header.content)) return false;
        if (size == 2) header.content += 256;
    }
    const uint64_t base = uint64_t(1) << (10 + (window >> 3));
    header.window = single ? header.content : base + base / 8 * (window & 7);
    header.checksum = flags >> 2 & 1;
    return true;
}

// The blocks of a frame, at most `most` bytes of `out` in all.
bool read_blocks(Bytes &in, const FrameHeader &header, std::string &out, size_t most) {
    enum { raw, repeated, compressed };
    const size_t start = out.size(), most_block = header.window < kMostBlock ? header.window : kMostBlock;
    const auto decoder = std::make_unique<BlockDecoder>();
    for (bool last = false; !last;) {
        uint64_t head;
        Bytes block;
        if (!in.number(3, head)) return false;
        last = head & 1;
        const uint64_t kind = head >> 1 & 3, size = head >> 3;
        if (kind > compressed || size > most_block || !in.take(kind == repeated ? 1 : size, block)) return false;
        if (kind == compressed) {
            if (!decoder->decode(block, out, start, most)) return false;
        } else {
            if (size > most - out.size()) return false;
            if (kind == raw)
                out.append(reinterpret_cast<const char *>(block.data()), size);
            else
                out.append(size, static_cast<char>(block[0]));
        }
    }
    return header.content == kUnknown || header.content == out.size() - start;
}

bool read_frame(Bytes &in, std::string &out, size_t most) {
    FrameHeader header;
    const size_t start = out.size();
    uint64_t sum;
    if (!read_header(in, header) || !read_blocks(in, header, out, most)) return false;
    if (!header.checksum) return true;
    return in.number(4, sum) && sum == (xxhash64(out.data() + start, out.size() - start) & 0xFFFFFFFF);
}

} // namespace

bool expand_zstd(const std::string &packed, uint64_t size, std::string &out) {
    Bytes in(reinterpret_cast<const uint8_t *>(packed.data()), packed.size());
    out.clear();
    if (size > uint64_t(1) << 30) return false;
    while (in.size()) {
        uint64_t magic, length;
        Bytes skipped;
        if (!in.number(4, magic)) return false;
        if ((magic & ~uint64_t(15)) == kSkippable) {
            if (!in.number(4, length) || !in.take(length, skipped)) return false;
        } else if (magic != kMagic || !read_frame(in, out, size))
            return false;
    }
    return out.size() == size;
}

} // namespace cpu_device
