// A compressed block: its literals and the sequences that copy them and what came before (RFC 8878, section 3.1.1.3).
#pragma once

#include <string>

#include "fse.hpp"
#include "huffman.hpp"

namespace cpu_device::zstd {

constexpr size_t kMostBlock = 1 << 17;

// Decodes the blocks of one frame one after the other; each may use the tables and offsets of those before.
class BlockDecoder {
  public:
    // Appends to `out`, whose bytes from `start` on are the frame's, and which must not become longer than `most`.
    bool decode(Bytes block, std::string &out, size_t start, size_t most);

  private:
    struct Codes; // what a kind of symbol means
    static const Codes kLiteralLengths, kMatchLengths, kOffsets;

    bool read_literals(Bytes &in);
    bool read_huffman(Bytes &in, unsigned format, bool own_table);
    bool read_tables(Bytes &in);
    bool read_table(Bytes &in, unsigned mode, const Codes &codes, FseTable &table);
    bool read_sequences(BackwardBits &bits, size_t n, std::string &out, size_t start, size_t most);
    // How far back: a distance, or one of the last three.
    size_t offset(uint64_t value, bool no_literals);

    HuffmanTable huffman_;
    FseTable literal_lengths_, match_lengths_, offsets_;
    size_t last_[3] = {1, 4, 8};
    std::string literals_;
};

} // namespace cpu_device::zstd
