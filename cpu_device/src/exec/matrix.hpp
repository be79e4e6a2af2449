// Matrix fragments: which element of a matrix is in which register of which lane.
//
// One layout serves mma and wmma.  A multiplicand lies in blocks of 8 rows and 4 words (a word: 32 bits of elements side by side along
// k, or one f64): the lane 4 g + t holds word t of row g, and the registers go through the blocks, rows first.  B is such a matrix with
// its columns as rows.  Accumulators lie in blocks of 8 x 8, two neighbours a lane.  For mma this is the layout of the PTX ISA
// (matrix fragments for mma.m16n8k*); wmma's is opaque there, and here it is the same one over larger matrices.
#pragma once

#include "lanes.hpp"

#include <functional>

namespace cpu_device {

enum class Element : uint8_t { none, f16, bf16, tf32, e4m3, e5m2, f64, s8, u8, s4, u4, b1, f32, s32 };

inline u32 element_bits(Element e) {
    switch (e) {
    case Element::f64: return 64;
    case Element::f16:
    case Element::bf16: return 16;
    case Element::e4m3:
    case Element::e5m2:
    case Element::s8:
    case Element::u8: return 8;
    case Element::s4:
    case Element::u4: return 4;
    case Element::b1: return 1;
    default: return 32;
    }
}

// Bytes of the register that an element comes in.
inline u32 word_bytes(Element e) {
    return e == Element::f64 ? 8 : 4;
}
inline u32 per_word(Element e) {
    return 8 * word_bytes(e) / element_bits(e);
}

// A fragment of `rows` x `columns`; of a multiplicand the columns are k.
struct Fragment {
    u32 rows, columns;
    Element element;
    bool accumulator;

    u32 block_columns() const { return accumulator ? 8 : 4 * per_word(element); }
    u32 words_of_block() const { return accumulator && word_bytes(element) * 8 == element_bits(element) ? 2 : 1; }
    u32 registers() const { return rows / 8 * (columns / block_columns()) * words_of_block(); }
    u32 elements_of_word() const { return per_word(element); }

    // The first element of register `r` of a lane; the others of the word follow in the row.
    void place(u32 r, u32 lane, u32 &row, u32 &column) const {
        const u32 words = words_of_block(), block = r / words, down = rows / 8, g = lane >> 2, t = lane & 3;
        row = block % down * 8 + g;
        column = block / down * block_columns() + (accumulator ? 2 * t + r % words : t * per_word(element));
    }
};

// What an instruction multiplies, as it lies in Inst::imm.
struct Product {
    uint8_t m, n;
    uint16_t k;
    Element a, b, c, d;

    Fragment left() const { return {m, k, a, false}; }
    Fragment right() const { return {n, k, b, false}; } // the columns of B as rows
    Fragment addend() const { return {m, n, c, true}; }
    Fragment result() const { return {m, n, d, true}; }
};
static_assert(sizeof(Product) == 8, "it lies in an instruction's imm");

// What wmma.load and wmma.store move, as it lies in Inst::imm.
struct Transfer {
    uint8_t rows;
    Element element;
    uint16_t columns;
    uint8_t accumulator, transposed; // transposed: neighbours in memory are neighbours in a column
    uint8_t registers;               // written ones; more than the fragment has repeat it
    uint8_t unused;

    Fragment fragment() const { return {rows, columns, element, accumulator != 0}; }
};
static_assert(sizeof(Transfer) == 8, "it lies in an instruction's imm");

// What can be multiplied.  `inputs` may be mixed; `sums` are the accumulators' types.
struct MatrixShape {
    uint8_t m, n;
    uint16_t k;
    const char *inputs, *sums;
    int ptx, target;            // since
    const char *word = nullptr; // with this modifier
};
struct MatrixShapes {
    const MatrixShape *rows;
    size_t size;
};
MatrixShapes mma_shapes();
MatrixShapes wmma_shapes();

template <class T> inline T from_imm(u64 imm) {
    return bits<T>(imm);
}

// A warp-wide matrix instruction needs its 32 lanes: false where they are not there (yet, or at all: then there is a fault).
bool whole_warp(Warp &w, const Inst *i);

// What ldmatrix, stmatrix, wmma.load or wmma.store does to memory, access by access, for who looks on; as long as `f` is true.
struct MatrixAccess {
    int lane; // that gave the address
    u64 address;
    u32 bytes;            // 16 at most
    const uint8_t *value; // of a store
};
bool matrix_accesses(Warp &w, const Inst *i, const std::function<bool(const MatrixAccess &)> &f);

} // namespace cpu_device
