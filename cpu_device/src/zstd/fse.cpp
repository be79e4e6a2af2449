#include "fse.hpp"

#include <algorithm>

namespace cpu_device::zstd {

bool FseTable::read(Bytes &in, int most_log, int most_symbols) {
    std::array<int16_t, kMostSymbols> counts = {};
    int64_t at = 4; // in bits
    const int log = static_cast<int>(in.bits(0, 4)) + 5;
    if (log > most_log) return false;
    int symbols = 0;
    for (int left = 1 << log; left > 0;) {
        if (symbols >= most_symbols || at > static_cast<int64_t>(in.size()) * 8) return false;
        // values below a threshold take one bit less
        const int n = top_bit(static_cast<uint64_t>(left) + 1) + 1, low = (1 << (n - 1)) - 1, few = (1 << n) - 2 - left;
        int value = static_cast<int>(in.bits(at, n));
        const bool is_short = (value & low) < few;
        at += is_short ? n - 1 : n;
        value = is_short ? value & low : value > low ? value - few : value;
        const int count = value - 1;
        left -= count < 0 ? 1 : count;
        counts[static_cast<size_t>(symbols++)] = static_cast<int16_t>(count);
        for (uint32_t zeros = 3; count == 0 && zeros == 3;) { // 3 is continued
            zeros = in.bits(at, 2);
            at += 2;
            symbols += static_cast<int>(zeros);
            if (symbols > most_symbols || at > static_cast<int64_t>(in.size()) * 8) return false;
        }
        if (left < 0) return false;
    }
    Bytes description;
    return in.take(static_cast<size_t>((at + 7) / 8), description) && make(counts.data(), symbols, log);
}

bool FseTable::make(const int16_t *counts, int symbols, int log) {
    const uint32_t size = 1u << log, step = (size >> 1) + (size >> 3) + 3;
    std::array<uint32_t, kMostSymbols> next;
    uint32_t high = size, at = 0;
    known_ = false;
    for (int s = 0; s < symbols; s++) { // the rare ones from the end
        next[static_cast<size_t>(s)] = counts[s] < 0 ? 1 : static_cast<uint32_t>(counts[s]);
        if (counts[s] < 0) entries_[--high].symbol = static_cast<uint8_t>(s);
    }
    for (int s = 0; s < symbols; s++)
        for (int i = 0; i < counts[s]; i++) {
            entries_[at].symbol = static_cast<uint8_t>(s);
            do at = (at + step) & (size - 1);
            while (at >= high);
        }
    if (at) return false;
    for (uint32_t i = 0; i < size; i++) {
        const uint32_t state = next[entries_[i].symbol]++;
        entries_[i].bits = static_cast<uint8_t>(log - top_bit(state));
        entries_[i].base = static_cast<uint16_t>((state << entries_[i].bits) - size);
    }
    log_ = log;
    return known_ = true;
}

void FseTable::make_constant(uint8_t symbol) {
    entries_[0] = {symbol, 0, 0};
    log_ = 0;
    known_ = true;
}

} // namespace cpu_device::zstd
