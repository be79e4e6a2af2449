#include "block.hpp"

namespace cpu_device::zstd {

// A symbol stands for a base and so many further bits; `usual` is how often each comes where a block does not say.
struct BlockDecoder::Codes {
    int symbols, most_log, usual_symbols, usual_log;
    int16_t usual[53];
    uint32_t base[53];
    uint8_t bits[53];
};

const BlockDecoder::Codes BlockDecoder::kLiteralLengths = {
    36,
    9,
    36,
    6,
    {4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1},
    {0,  1,  2,  3,  4,  5,  6,  7,  8,   9,   10,  11,   12,   13,   14,   15,    16,    18,
     20, 22, 24, 28, 32, 40, 48, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0,  0,  0,  0,  1,  1,
     1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

const BlockDecoder::Codes BlockDecoder::kMatchLengths = {
    53,
    9,
    53,
    6,
    {1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  1,  1,  1,  1,  1,  1, 1,
     1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1},
    {3,  4,  5,  6,  7,  8,  9,  10,  11,  12,  13,   14,   15,   16,   17,    18,    19,   20,
     21, 22, 23, 24, 25, 26, 27, 28,  29,  30,  31,   32,   33,   34,   35,    37,    39,   41,
     43, 47, 51, 59, 67, 83, 99, 131, 259, 515, 1027, 2051, 4099, 8195, 16387, 32771, 65539},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0,  0,  0,  0,  0,  0, 0,
     0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

// the base and the bits of an offset's symbol are the symbol itself
const BlockDecoder::Codes BlockDecoder::kOffsets = {
    32, 8, 29, 5, {1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1}, {}, {}};

bool BlockDecoder::decode(Bytes block, std::string &out, size_t start, size_t most) {
    uint64_t n, more;
    if (!read_literals(block) || !block.number(1, n)) return false;
    if (n == 255) {
        if (!block.number(2, more)) return false;
        n = more + 0x7F00;
    } else if (n >= 128) {
        if (!block.number(1, more)) return false;
        n = (n - 128) << 8 | more;
    }
    if (most - out.size() > kMostBlock) most = out.size() + kMostBlock;
    if (!n) {
        if (block.size() || literals_.size() > most - out.size()) return false;
        out += literals_;
        return true;
    }
    BackwardBits bits;
    return read_tables(block) && bits.open(block) && read_sequences(bits, n, out, start, most);
}

bool BlockDecoder::read_tables(Bytes &in) {
    uint64_t modes;
    return in.number(1, modes) && !(modes & 3) && read_table(in, modes >> 6, kLiteralLengths, literal_lengths_) &&
           read_table(in, modes >> 4 & 3, kOffsets, offsets_) &&
           read_table(in, modes >> 2 & 3, kMatchLengths, match_lengths_);
}

bool BlockDecoder::read_table(Bytes &in, unsigned mode, const Codes &codes, FseTable &table) {
    enum { usual, constant, described, repeated };
    uint64_t symbol;
    switch (mode) {
    case usual: return table.make(codes.usual, codes.usual_symbols, codes.usual_log);
    case constant:
        if (!in.number(1, symbol) || symbol >= static_cast<uint64_t>(codes.symbols)) return false;
        table.make_constant(static_cast<uint8_t>(symbol));
        return true;
    case described: return table.read(in, codes.most_log, codes.symbols);
    default: return table.known();
    }
}

size_t BlockDecoder::offset(uint64_t value, bool no_literals) {
    if (value > 3) {
        last_[2] = last_[1];
        last_[1] = last_[0];
        return last_[0] = value - 3;
    }
    const size_t which = value - 1 + (no_literals ? 1 : 0); // the last one again would be a longer match before
    if (!which) return last_[0];
    const size_t chosen = which == 3 ? last_[0] - 1 : last_[which];
    if (which > 1) last_[2] = last_[1];
    last_[1] = last_[0];
    return last_[0] = chosen;
}

bool BlockDecoder::read_sequences(BackwardBits &bits, size_t n, std::string &out, size_t start, size_t most) {
    uint32_t literal = literal_lengths_.first(bits), distance = offsets_.first(bits),
             match = match_lengths_.first(bits);
    size_t used = 0; // of the literals
    for (size_t i = 0; i < n; i++) {
        const uint8_t d = offsets_.symbol(distance), m = match_lengths_.symbol(match),
                      l = literal_lengths_.symbol(literal);
        const uint64_t value = (uint64_t(1) << d) + bits.read(d);
        size_t length = kMatchLengths.base[m] + bits.read(kMatchLengths.bits[m]);
        const size_t before = kLiteralLengths.base[l] + bits.read(kLiteralLengths.bits[l]);
        if (i + 1 < n) {
            literal = literal_lengths_.next(literal, bits);
            match = match_lengths_.next(match, bits);
            distance = offsets_.next(distance, bits);
        }
        const size_t back = offset(value, !before);
        if (bits.left() < 0 || before > literals_.size() - used || before + length > most - out.size()) return false;
        out.append(literals_, used, before);
        used += before;
        if (!back || back > out.size() - start) return false;
        for (size_t n; length; length -= n) { // what is copied may be what this match began with
            n = length < back ? length : back;
            out.append(out, out.size() - back, n);
        }
    }
    if (bits.left() || literals_.size() - used > most - out.size()) return false;
    out.append(literals_, used, std::string::npos);
    return true;
}

} // namespace cpu_device::zstd
