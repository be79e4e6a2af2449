// mma and wmma.mma: D = A B + C over a warp.  Compiled once.
//
// Arithmetic: products of f16, bf16, tf32 and 8-bit floats are made in float32 and added to C in float32, k upwards, each sum rounded to
// nearest even; an f16 result is rounded once, at the end.  tf32 operands lose their lower 13 bits.  f64 is a chain of fused
// multiply-adds, k upwards.  Integers are exact; without .satfinite they wrap.  The PTX ISA leaves the order and the intermediate
// precision open: results differ from a GPU's in the last places, but not where all sums are exact.
#include "matrix.hpp"
#include "minifloat.hpp"

#include <cfenv>

namespace cpu_device {

bool whole_warp(Warp &w, const Inst *i) {
    if (!collect(w, i, kFullMask)) return false;
    if (w.mask == kFullMask) return true;
    fault(w, i, first_lane(w.mask), Status::illegal_instruction,
          w.frame->code->source->body[i->index].opcode + " is executed by " +
              std::to_string(__builtin_popcount(w.mask)) + " of the 32 lanes of a warp");
    return false;
}

namespace {

constexpr u32 kMost = 32;   // rows, columns
constexpr u32 kMostK = 256; // of single bits
typedef float Eight __attribute__((vector_size(32), aligned(4), may_alias));

template <class Word, u32 size, class F>
inline __attribute__((always_inline)) void each_sized(Warp &w, const u32 *list, const Fragment &f, F use) {
    constexpr u32 n = 8 * sizeof(Word) / size;
    constexpr u64 mask = size == 64 ? ~0ull : (1ull << size % 64) - 1;
    const u32 apart = f.accumulator ? 2 : n; // columns between neighbouring lanes
    for (u32 r = 0; r < f.registers(); ++r) {
        const Word *v = at<Word>(w, list[r]);
        u32 row, column;
        f.place(r, 0, row, column);
        for (u32 l = 0; l < u32(kLanes); ++l)
            for (u32 e = 0; e < n; ++e)
                use(row + (l >> 2), column + apart * (l & 3) + e, u64(v[l]) >> size % 64 * e & mask);
    }
}

// Every element of a fragment: f(row, column, bits).
template <class Word, class F>
inline __attribute__((always_inline)) void each_element(Warp &w, const u32 *list, const Fragment &f, F use) {
    switch (sizeof(Word) == 8 ? 64 : element_bits(f.element)) {
    case 64: return each_sized<u64, 64>(w, list, f, use);
    case 32: return each_sized<u32, 32>(w, list, f, use);
    case 16: return each_sized<u32, 16>(w, list, f, use);
    case 8: return each_sized<u32, 8>(w, list, f, use);
    default: return each_sized<u32, 4>(w, list, f, use);
    }
}

// f16 without branches: the exponent is moved into place by a multiplication, which also makes subnormals right.
inline float fast_half(u32 h) {
    const float magnitude = bits<float>((h & 0x7fff) << 13) * bits<float>(0x77800000u); // 2^112
    const u32 special = (h & 0x7c00) == 0x7c00 ? 0x7f800000u : 0;
    return bits<float>(bits<u32>(magnitude) | special | (h & 0x8000) << 16);
}

struct MiniTable {
    float e4m3[256], e5m2[256];
    MiniTable() {
        for (u32 v = 0; v < 256; ++v) {
            e4m3[v] = float(mini_to_double(kE4M3, v));
            e5m2[v] = float(mini_to_double(kE5M2, v));
        }
    }
};
const MiniTable &minis() {
    static const MiniTable table;
    return table;
}

// A multiplicand as floats: x[row * along_row + column * along_column].
void floats_of(Warp &w, const u32 *list, const Fragment &f, float *x, u32 along_row, u32 along_column) {
    auto put = [=](u32 row, u32 column, float v) { x[row * along_row + column * along_column] = v; };
    switch (f.element) {
    case Element::f16: each_element<u32>(w, list, f, [=](u32 r, u32 c, u64 v) { put(r, c, fast_half(u32(v))); }); break;
    case Element::bf16:
        each_element<u32>(w, list, f, [=](u32 r, u32 c, u64 v) { put(r, c, bits<float>(u32(v) << 16)); });
        break;
    case Element::tf32:
        each_sized<u32, 32>(w, list, f, [=](u32 r, u32 c, u64 v) { put(r, c, bits<float>(u32(v) & 0xffffe000u)); });
        break;
    default: {
        const float *table = f.element == Element::e4m3 ? minis().e4m3 : minis().e5m2;
        each_sized<u32, 8>(w, list, f, [=](u32 r, u32 c, u64 v) { put(r, c, table[v]); });
        break;
    }
    }
}

void add_products(float *sum, const float *a, const float *b, u32 m, u32 n, u32 k) { // b: k x n
    for (u32 row = 0; row < m; ++row)
        for (u32 column = 0; column < n; column += 8) {
            Eight *s = reinterpret_cast<Eight *>(sum + row * n + column);
            Eight total = *s;
            for (u32 j = 0; j < k; ++j) total += a[row * k + j] * *reinterpret_cast<const Eight *>(b + j * n + column);
            *s = total;
        }
}

inline float canonical(float v) {
    return v == v ? v : bits<float>(0x7fffffffu);
}
inline u32 half_of(float v) {
    return v == v ? double_to_half(double(v)) : 0x7fffu;
}

// Accumulators of 32 bits as T, and of f16 as floats.
template <class T> void load_sum(Warp &w, const u32 *list, const Fragment &f, T *sum) {
    if (f.element == Element::f16)
        each_sized<u32, 16>(w, list, f, [&](u32 r, u32 c, u64 v) { sum[r * f.columns + c] = T(fast_half(u32(v))); });
    else
        each_sized<u32, 32>(w, list, f, [&](u32 r, u32 c, u64 v) { sum[r * f.columns + c] = T(bits<T>(u32(v))); });
}

void store_floats(Warp &w, const u32 *list, const Fragment &f, const float *sum) {
    for (u32 r = 0; r < f.registers(); ++r) {
        u32 *d = at<u32>(w, list[r]);
        for (u32 l = 0; l < u32(kLanes); ++l) {
            u32 row, column;
            f.place(r, l, row, column);
            const float *s = sum + row * f.columns + column;
            d[l] = f.element == Element::f16 ? half_of(s[0]) | half_of(s[1]) << 16 : bits<u32>(canonical(s[0]));
        }
    }
}

struct Lists {
    const u32 *d, *a, *b, *c;
};
Lists lists_of(Warp &w, const Inst *i) {
    const u32 *l = w.frame->code->lists.data();
    return {l + i->d, l + i->a, l + i->b, l + i->c};
}

const Inst *float_product(Warp &w, const Inst *i) {
    if (!whole_warp(w, i)) return stop_pc();
    const Product p = from_imm<Product>(i->imm);
    const Lists lists = lists_of(w, i);
    float a[kMost * kMost], b[kMost * kMost], sum[kMost * kMost];
    floats_of(w, lists.a, p.left(), a, p.k, 1);
    floats_of(w, lists.b, p.right(), b, 1, p.n);
    load_sum(w, lists.c, p.addend(), sum);
    add_products(sum, a, b, p.m, p.n, p.k);
    store_floats(w, lists.d, p.result(), sum);
    return i + 1;
}

// The host's rounding mode, for f64 products with .rz .rm .rp.
class Rounding {
  public:
    explicit Rounding(unsigned mode) : changed_(mode != 0) {
        static const int modes[4] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
        if (changed_) std::fesetround(modes[mode & kRoundMask]);
    }
    ~Rounding() {
        if (changed_) std::fesetround(FE_TONEAREST);
    }

  private:
    bool changed_;
};

const Inst *double_product(Warp &w, const Inst *i) {
    if (!whole_warp(w, i)) return stop_pc();
    const Product p = from_imm<Product>(i->imm);
    const Lists lists = lists_of(w, i);
    double a[16 * 16], b[16 * 8];
    volatile double sum[16 * 8]; // written and read between the changes of the rounding mode
    each_element<u64>(w, lists.a, p.left(), [&](u32 r, u32 c, u64 v) { a[r * p.k + c] = bits<double>(v); });
    each_element<u64>(w, lists.b, p.right(), [&](u32 r, u32 c, u64 v) { b[r * p.k + c] = bits<double>(v); });
    each_element<u64>(w, lists.c, p.addend(), [&](u32 r, u32 c, u64 v) { sum[r * p.n + c] = bits<double>(v); });
    {
        const Rounding rounding(i->flags & kRoundMask);
        for (u32 row = 0; row < p.m; ++row)
            for (u32 column = 0; column < p.n; ++column)
                for (u32 j = 0; j < p.k; ++j)
                    sum[row * p.n + column] =
                        __builtin_fma(a[row * p.k + j], b[column * p.k + j], sum[row * p.n + column]);
    }
    const Fragment f = p.result();
    for (u32 r = 0; r < f.registers(); ++r)
        for (u32 l = 0; l < u32(kLanes); ++l) {
            u32 row, column;
            f.place(r, l, row, column);
            at<double>(w, lists.d[r])[l] = sum[row * p.n + column];
        }
    return i + 1;
}

inline s32 integer_of(Element e, u64 v) {
    switch (e) {
    case Element::s8: return s8(v);
    case Element::s4: return s32(v ^ 8) - 8;
    default: return s32(v);
    }
}

void store_integers(Warp &w, const u32 *list, const Fragment &f, const s64 *sum, bool saturate) {
    for (u32 r = 0; r < f.registers(); ++r) {
        u32 *d = at<u32>(w, list[r]);
        for (u32 l = 0; l < u32(kLanes); ++l) {
            u32 row, column;
            f.place(r, l, row, column);
            s64 v = sum[row * f.columns + column];
            if (saturate) v = v < INT32_MIN ? INT32_MIN : v > INT32_MAX ? INT32_MAX : v;
            d[l] = u32(v);
        }
    }
}

const Inst *integer_product(Warp &w, const Inst *i) {
    if (!whole_warp(w, i)) return stop_pc();
    const Product p = from_imm<Product>(i->imm);
    const Lists lists = lists_of(w, i);
    s32 a[kMost * 64], b[kMost * 64], c[kMost * kMost];
    s64 sum[kMost * kMost];
    each_element<u32>(w, lists.a, p.left(), [&](u32 r, u32 j, u64 v) { a[r * p.k + j] = integer_of(p.a, v); });
    each_element<u32>(w, lists.b, p.right(), [&](u32 r, u32 j, u64 v) { b[r * p.k + j] = integer_of(p.b, v); });
    load_sum(w, lists.c, p.addend(), c);
    for (u32 row = 0; row < p.m; ++row)
        for (u32 column = 0; column < p.n; ++column) {
            s32 total = 0; // 64 products of 8 bits fit
            for (u32 j = 0; j < p.k; ++j) total += a[row * p.k + j] * b[column * p.k + j];
            sum[row * p.n + column] = s64(total) + c[row * p.n + column];
        }
    store_integers(w, lists.d, p.result(), sum, i->flags & kSatFinite);
    return i + 1;
}

const Inst *bit_product(Warp &w, const Inst *i) { // sub: 0 xor, 1 and; the matches of rows with columns are counted
    if (!whole_warp(w, i)) return stop_pc();
    const Product p = from_imm<Product>(i->imm);
    const Lists lists = lists_of(w, i);
    u32 a[16 * kMostK / 32], b[8 * kMostK / 32];
    s32 c[16 * 8];
    s64 sum[16 * 8];
    const u32 words = p.k / 32;
    auto gather = [&](const u32 *list, const Fragment &f, u32 *to) {
        for (u32 r = 0; r < f.registers(); ++r)
            for (u32 l = 0; l < u32(kLanes); ++l) {
                u32 row, column;
                f.place(r, l, row, column);
                to[row * words + column / 32] = at<u32>(w, list[r])[l];
            }
    };
    gather(lists.a, p.left(), a);
    gather(lists.b, p.right(), b);
    load_sum(w, lists.c, p.addend(), c);
    for (u32 row = 0; row < p.m; ++row)
        for (u32 column = 0; column < p.n; ++column) {
            s64 total = c[row * p.n + column];
            for (u32 j = 0; j < words; ++j) {
                const u32 x = a[row * words + j], y = b[column * words + j];
                total += __builtin_popcount(i->sub ? x & y : x ^ y);
            }
            sum[row * p.n + column] = total;
        }
    store_integers(w, lists.d, p.result(), sum, false);
    return i + 1;
}

// mma.m8n8k4 of f16: four products, each by the lanes 4 q .. 4 q + 3 and the same 16 lanes higher.
// sub: bit 0: A in columns, bit 1: B in columns.
const Inst *quad_product(Warp &w, const Inst *i) {
    if (!whole_warp(w, i)) return stop_pc();
    const Product p = from_imm<Product>(i->imm);
    const Lists lists = lists_of(w, i);
    auto half = [&](const u32 *list, u32 lane, u32 e) {
        return fast_half(at<u32>(w, list[e / 2])[lane] >> 16 * (e & 1) & 0xffff);
    };
    // Where element e of a lane's accumulators is.
    auto place = [](Element type, u32 lane, u32 e, u32 &row, u32 &column) {
        const u32 upper = lane < 16 ? 0 : 4;
        row = upper + (type == Element::f16 ? lane % 4 : (lane & 1) + (e & 2));
        column = type == Element::f16 ? e : (e & 4) + (lane & 2) + (e & 1);
    };
    for (u32 q = 0; q < 4; ++q) {
        float a[8 * 4], b[4 * 8], sum[8 * 8];
        for (u32 l = 0; l < 8; ++l) {
            const u32 lane = 4 * q + l % 4 + (l < 4 ? 0 : 16), upper = l < 4 ? 0 : 4;
            for (u32 e = 0; e < 4; ++e) {
                const float x = half(lists.a, lane, e), y = half(lists.b, lane, e);
                (i->sub & 1) ? a[(e + upper) * 4 + lane % 4] = x : a[(lane % 4 + upper) * 4 + e] = x;
                (i->sub & 2) ? b[e * 8 + lane % 4 + upper] = y : b[lane % 4 * 8 + e + upper] = y;
            }
            for (u32 e = 0; e < 8; ++e) {
                u32 row, column;
                place(p.c, lane, e, row, column);
                sum[row * 8 + column] = p.c == Element::f16 ? half(lists.c, lane, e) : at<float>(w, lists.c[e])[lane];
            }
        }
        add_products(sum, a, b, 8, 8, 4);
        for (u32 l = 0; l < 8; ++l)
            for (u32 e = 0, lane = 4 * q + l % 4 + (l < 4 ? 0 : 16); e < 8; ++e) {
                u32 row, column;
                place(p.d, lane, e, row, column);
                const float v = sum[row * 8 + column];
                if (p.d == Element::f16)
                    at<u16>(w, lists.d[e / 2])[2 * lane + (e & 1)] = u16(half_of(v));
                else
                    at<float>(w, lists.d[e])[lane] = canonical(v);
            }
    }
    return i + 1;
}

const HandlerRow rows[] = {
    {"product.float", &float_product}, {"product.double", &double_product}, {"product.integer", &integer_product},
    {"product.bit", &bit_product},     {"product.quad", &quad_product},
};

} // namespace

HandlerTable product_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
