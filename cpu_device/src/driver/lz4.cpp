// Data compressed with LZ4: one block, as it lies in fat binaries.
#include "lz4.hpp"

namespace cpu_device {

bool expand_lz4(const std::string &in, uint64_t size, std::string &out) {
    if (size > uint64_t(1) << 30 || size / 255 > in.size()) return false; // a byte stands for 255 at most
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
