// The first section of a block.
#include "block.hpp"

namespace cpu_device::zstd {

// Two bits say how they are stored, two how long the header is.
bool BlockDecoder::read_literals(Bytes &in) {
    enum { raw, repeated, compressed, treeless };
    literals_.clear();
    if (!in.size()) return false;
    const unsigned kind = in[0] & 3, format = in[0] >> 2 & 3;
    if (kind == compressed) return read_huffman(in, format, true);
    if (kind == treeless) return read_huffman(in, format, false);
    uint64_t head;
    if (!in.number(format == 1 ? 2 : format == 3 ? 3 : 1, head)) return false;
    const size_t n = head >> (format & 1 ? 4 : 3);
    Bytes bytes;
    if (n > kMostBlock || !in.take(kind == raw ? n : 1, bytes)) return false;
    if (kind == raw)
        literals_.assign(reinterpret_cast<const char *>(bytes.data()), n);
    else
        literals_.assign(n, static_cast<char>(bytes[0]));
    return true;
}

bool BlockDecoder::read_huffman(Bytes &in, unsigned format, bool own_table) {
    const unsigned width = format < 2 ? 10 : format == 2 ? 14 : 18;
    uint64_t head;
    if (!in.number(format < 2 ? 3 : format + 2, head)) return false;
    const uint64_t mask = (1u << width) - 1;
    const size_t n = head >> 4 & mask, packed = head >> (4 + width) & mask;
    Bytes bytes;
    if (n > kMostBlock || !in.take(packed, bytes)) return false;
    if (own_table ? !huffman_.read(bytes) : !huffman_.known()) return false;
    literals_.reserve(n);
    if (format == 0) return huffman_.decode(bytes, n, literals_);
    const size_t part = (n + 3) / 4; // of each of the first three streams
    if (n < 3 * part) return false;
    uint64_t sizes[3];
    for (uint64_t &size : sizes)
        if (!bytes.number(2, size)) return false;
    for (const uint64_t size : sizes) {
        Bytes stream;
        if (!bytes.take(size, stream) || !huffman_.decode(stream, part, literals_)) return false;
    }
    return huffman_.decode(bytes, n - 3 * part, literals_);
}

} // namespace cpu_device::zstd
