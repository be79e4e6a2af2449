// Matrices between memory and fragments, and between fragments: ldmatrix, stmatrix, movmatrix, wmma.load, wmma.store.
#include "matrix.hpp"

namespace cpu_device {
namespace {

constexpr u64 kRowBytes = 16; // of an 8 x 8 matrix of 16-bit elements

const u32 *list_of(Warp &w, const Inst *i) {
    return w.frame->code->lists.data() + i->extra;
}

// `size` bytes at an address that a lane gave; nullptr after a fault.
uint8_t *checked(Warp &w, const Inst *i, u32 lane, u64 address, u64 size, u64 align) {
    if (address & (align - 1)) {
        fault(w, i, int(lane), Status::misaligned_address, "", address);
        return nullptr;
    }
    uint8_t *p = generic_pointer(w, int(lane), address, size);
    if (!p) fault(w, i, int(lane), Status::illegal_address, "", address, true);
    return p;
}

// The rows of matrix `k`: lane 8 k + row has the row's address.
bool rows_of(Warp &w, const Inst *i, u32 k, uint8_t *rows[8]) {
    const u64 *address = at<u64>(w, i->a);
    for (u32 r = 0; r < 8; ++r) {
        rows[r] = checked(w, i, 8 * k + r, address[8 * k + r] + i->imm, kRowBytes, kRowBytes);
        if (!rows[r]) return false;
    }
    return true;
}

// Two elements of a lane: neighbours in a row, or (transposed) in a column.
inline u32 pair_of(const u16 m[8][8], u32 lane, bool transposed) {
    const u32 g = lane >> 2, t = lane & 3;
    return transposed ? m[2 * t][g] | u32(m[2 * t + 1][g]) << 16 : m[g][2 * t] | u32(m[g][2 * t + 1]) << 16;
}
inline void set_pair(u16 m[8][8], u32 lane, bool transposed, u32 v) {
    const u32 g = lane >> 2, t = lane & 3;
    (transposed ? m[2 * t][g] : m[g][2 * t]) = u16(v);
    (transposed ? m[2 * t + 1][g] : m[g][2 * t + 1]) = u16(v >> 16);
}

const Inst *load_matrices(Warp &w, const Inst *i) { // sub: .trans
    if (!whole_warp(w, i)) return stop_pc();
    u16 all[4][8][8];
    for (u32 k = 0; k < i->count; ++k) { // all are read before a register is written: one may hold the addresses
        uint8_t *rows[8];
        if (!rows_of(w, i, k, rows)) return stop_pc();
        for (u32 r = 0; r < 8; ++r) std::memcpy(all[k][r], rows[r], kRowBytes);
    }
    for (u32 k = 0; k < i->count; ++k) {
        u32 *d = at<u32>(w, list_of(w, i)[k]);
        for (u32 l = 0; l < u32(kLanes); ++l) d[l] = pair_of(all[k], l, i->sub);
    }
    return i + 1;
}

void gather(Warp &w, const Inst *i, u32 k, u16 m[8][8]) { // matrix k from the registers
    const u32 *s = at<u32>(w, list_of(w, i)[k]);
    for (u32 l = 0; l < u32(kLanes); ++l) set_pair(m, l, i->sub, s[l]);
}

const Inst *store_matrices(Warp &w, const Inst *i) {
    if (!whole_warp(w, i)) return stop_pc();
    uint8_t *rows[4][8];
    for (u32 k = 0; k < i->count; ++k)
        if (!rows_of(w, i, k, rows[k])) return stop_pc();
    for (u32 k = 0; k < i->count; ++k) {
        u16 m[8][8];
        gather(w, i, k, m);
        for (u32 r = 0; r < 8; ++r) std::memcpy(rows[k][r], m[r], kRowBytes);
    }
    return i + 1;
}

const Inst *move_matrix(Warp &w, const Inst *i) {
    if (!whole_warp(w, i)) return stop_pc();
    const u32 *a = at<u32>(w, i->a);
    u32 *d = at<u32>(w, i->d);
    u16 m[8][8];
    for (u32 l = 0; l < u32(kLanes); ++l) set_pair(m, l, false, a[l]);
    for (u32 l = 0; l < u32(kLanes); ++l) d[l] = pair_of(m, l, true);
    return i + 1;
}

// The bytes of one word of a fragment, piece by piece: f(bits of the word, address, bytes).  A piece is an element, or what lies side by
// side in memory.
template <class F> bool each_place(Warp &w, const Inst *i, const Transfer &t, u32 r, u32 lane, F f) {
    const Fragment fragment = t.fragment();
    const u32 size = element_bits(t.element), word = 8 * word_bytes(t.element);
    const bool single = t.accumulator && size == word;
    const u32 piece = t.transposed || single ? size : word; // neighbours in a row lie side by side
    u32 row, column;
    fragment.place(r, lane, row, column);
    const u64 base = at<u64>(w, i->a)[lane], stride = at<u32>(w, i->c)[lane];
    for (u32 at_bit = 0, k = 0; at_bit < word; at_bit += piece, ++k) {
        const u64 major = t.transposed ? column + k : row, minor = t.transposed ? row : column + k;
        if (!f(at_bit, base + (major * stride + minor) * size / 8, piece / 8)) return false;
    }
    return true;
}

// The same with the host's address; false after a fault.
template <class F> bool each_piece(Warp &w, const Inst *i, const Transfer &t, u32 r, u32 lane, F f) {
    const u32 size = element_bits(t.element);
    return each_place(w, i, t, r, lane, [&](u32 at_bit, u64 address, u32 bytes) {
        uint8_t *p = checked(w, i, lane, address, bytes, size < 8 ? 4 : size / 8);
        if (p) f(at_bit, p, bytes);
        return p != nullptr;
    });
}

u64 word_of(Warp &w, const Transfer &t, const u32 *list, u32 r, u32 lane) {
    return word_bytes(t.element) == 8 ? at<u64>(w, list[r])[lane] : at<u32>(w, list[r])[lane];
}

template <class Word> bool load_words(Warp &w, const Inst *i, const Transfer &t, const u32 *list) {
    const u32 n = t.fragment().registers();
    std::vector<Word> words(n * kLanes);
    for (u32 r = 0; r < n; ++r)
        for (u32 l = 0; l < u32(kLanes); ++l) {
            Word word = 0;
            const bool good = each_piece(w, i, t, r, l, [&](u32 at_bit, const uint8_t *p, u32 bytes) {
                Word v = 0;
                std::memcpy(&v, p, bytes);
                word |= v << at_bit;
            });
            if (!good) return false;
            words[r * kLanes + l] = word;
        }
    for (u32 r = 0; r < t.registers; ++r)
        std::memcpy(at<Word>(w, list[r]), &words[r % n * kLanes], sizeof(Word) * kLanes);
    return true;
}

const Inst *load_fragment(Warp &w, const Inst *i) {
    if (!whole_warp(w, i)) return stop_pc();
    const Transfer t = from_imm<Transfer>(i->imm);
    const bool good =
        word_bytes(t.element) == 8 ? load_words<u64>(w, i, t, list_of(w, i)) : load_words<u32>(w, i, t, list_of(w, i));
    return good ? i + 1 : stop_pc();
}

const Inst *store_fragment(Warp &w, const Inst *i) {
    if (!whole_warp(w, i)) return stop_pc();
    const Transfer t = from_imm<Transfer>(i->imm);
    const u32 *list = list_of(w, i);
    for (u32 r = 0; r < t.fragment().registers(); ++r)
        for (u32 l = 0; l < u32(kLanes); ++l) {
            const u64 word = word_of(w, t, list, r, l);
            const bool good = each_piece(w, i, t, r, l, [&](u32 at_bit, uint8_t *p, u32 bytes) {
                const u64 v = word >> at_bit;
                std::memcpy(p, &v, bytes);
            });
            if (!good) return stop_pc();
        }
    return i + 1;
}

using Look = std::function<bool(const MatrixAccess &)>;

bool row_accesses(Warp &w, const Inst *i, bool stores, const Look &f) {
    const u64 *address = at<u64>(w, i->a);
    for (u32 k = 0; k < i->count; ++k) {
        u16 m[8][8];
        if (stores) gather(w, i, k, m);
        for (u32 r = 0; r < 8; ++r) {
            const uint8_t *value = stores ? reinterpret_cast<const uint8_t *>(m[r]) : nullptr;
            if (!f({int(8 * k + r), address[8 * k + r] + i->imm, u32(kRowBytes), value})) return false;
        }
    }
    return true;
}

bool fragment_accesses(Warp &w, const Inst *i, bool stores, const Look &f) {
    const Transfer t = from_imm<Transfer>(i->imm);
    for (u32 r = 0; r < t.fragment().registers(); ++r)
        for (u32 l = 0; l < u32(kLanes); ++l) {
            const u64 word = stores ? word_of(w, t, list_of(w, i), r, l) : 0;
            const bool go_on = each_place(w, i, t, r, l, [&](u32 at_bit, u64 address, u32 bytes) {
                const u64 value = word >> at_bit;
                return f({int(l), address, bytes, stores ? reinterpret_cast<const uint8_t *>(&value) : nullptr});
            });
            if (!go_on) return false;
        }
    return true;
}

const HandlerRow rows[] = {
    {"ldmatrix", &load_matrices},  {"stmatrix", &store_matrices},   {"movmatrix", &move_matrix},
    {"wmma.load", &load_fragment}, {"wmma.store", &store_fragment},
};

} // namespace

bool matrix_accesses(Warp &w, const Inst *i, const std::function<bool(const MatrixAccess &)> &f) {
    if (i->fn == &load_matrices || i->fn == &store_matrices) return row_accesses(w, i, i->fn == &store_matrices, f);
    return fragment_accesses(w, i, i->fn == &store_fragment, f);
}

HandlerTable matrix_move_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
