// The Huffman code of literals (RFC 8878, section 4.2).
#pragma once

#include <string>
#include <vector>

#include "bits.hpp"

namespace cpu_device::zstd {

class HuffmanTable {
  public:
    // From a description at the start of `in`, which is taken off it.
    bool read(Bytes &in);
    // Appends n symbols from a stream that must hold exactly so many.
    bool decode(Bytes in, size_t n, std::string &out) const;
    bool known() const { return !entries_.empty(); }

  private:
    struct Entry {
        uint8_t symbol, bits;
    };
    bool make(std::vector<uint8_t> &weights);

    std::vector<Entry> entries_; // by the next log_ bits
    int log_ = 0;
};

} // namespace cpu_device::zstd
