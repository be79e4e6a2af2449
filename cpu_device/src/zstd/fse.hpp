// Tables of finite state entropy coding (RFC 8878, section 4.1).
#pragma once

#include <array>

#include "bits.hpp"

namespace cpu_device::zstd {

class FseTable {
  public:
    static constexpr int kMostSymbols = 256, kMostLog = 9;

    // From a description at the start of `in`, which is taken off it.
    bool read(Bytes &in, int most_log, int most_symbols);
    // From how often each symbol comes; -1: less than once.
    bool make(const int16_t *counts, int symbols, int log);
    // One symbol always, without a bit.
    void make_constant(uint8_t symbol);
    bool known() const { return known_; }

    uint32_t first(BackwardBits &bits) const { return bits.read(log_); }
    uint8_t symbol(uint32_t state) const { return entries_[state].symbol; }
    uint32_t next(uint32_t state, BackwardBits &bits) const {
        return entries_[state].base + bits.read(entries_[state].bits);
    }

  private:
    struct Entry {
        uint8_t symbol, bits;
        uint16_t base;
    };
    std::array<Entry, 1 << kMostLog> entries_;
    int log_ = 0;
    bool known_ = false;
};

} // namespace cpu_device::zstd
