// cp.async, cp.async.bulk, cp.reduce.async.bulk, st.async, red.async.
//
// Each is done where it is issued, which the model allows: what waits for it finds it complete.
#include "mbarrier.hpp"
#include "reductions.hpp"

namespace cpu_device {
namespace {

// a: to, b: from, c: bytes to read; sub: bytes to write; extra: a predicate that says to read nothing (kNegC: negated), 0 for none.
const Inst *cp_async(Warp &w, const Inst *i) {
    const u64 *to = at<u64>(w, i->a), *from = at<u64>(w, i->b);
    const u32 *limit = at<u32>(w, i->c);
    u32 ignored = i->extra ? *at<u32>(w, i->extra) : 0;
    if (i->flags & kNegC) ignored = ~ignored;
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        const u64 size = i->sub, n = ignored >> l & 1 ? 0 : limit[l] < size ? limit[l] : size, place = to[l] + i->imm;
        if ((place | from[l]) & (size - 1))
            return fault(w, i, l, Status::misaligned_address, "", place & (size - 1) ? place : from[l]);
        uint8_t *p = generic_pointer(w, l, place, size);
        if (!p) return fault(w, i, l, Status::illegal_address, "", place, true);
        const uint8_t *q = n ? generic_pointer(w, l, from[l], n) : p;
        if (!q) return fault(w, i, l, Status::illegal_address, "", from[l], true);
        if (n) std::memmove(p, q, n);
        std::memset(p + n, 0, size - n);
    }
    return i + 1;
}

// What is waited for is complete; the checkers see who waits.
const Inst *group(Warp &, const Inst *i) {
    return i + 1;
}

// A bulk operation's operands beyond to (a), from (b) and bytes (c): Code::lists from `extra`.
enum Bulk : uint8_t { kBarrier = 1, kMulticast = 2, kMasked = 4 }; // 8: a reduction

struct Bytes {
    uint8_t *to;
    const uint8_t *from;
    u32 size;
};

// The addresses of a lane's copy; false after a fault.
bool bulk_bytes(Warp &w, const Inst *i, int l, u64 to, Bytes &bytes) {
    const u64 from = at<u64>(w, i->b)[l];
    bytes.size = at<u32>(w, i->c)[l];
    const u64 odd = (to & 15) ? to : (from & 15) ? from : (bytes.size & 15) ? to : 0;
    if (odd) {
        fault(w, i, l, Status::misaligned_address,
              (bytes.size & 15) ? "a bulk copy of " + std::to_string(bytes.size) + " bytes, which are not 16s"
                                : "a bulk copy at an address that is not aligned to 16 bytes",
              odd);
        return false;
    }
    if (!bytes.size) return true;
    bytes.to = generic_pointer(w, l, to, bytes.size);
    bytes.from = generic_pointer(w, l, from, bytes.size);
    if (bytes.to && bytes.from) return true;
    fault(w, i, l, Status::illegal_address, "", bytes.to ? from : to, true);
    return false;
}

void copy_masked(const Bytes &bytes, u32 mask) {
    for (u32 k = 0; k < bytes.size; ++k)
        if (mask >> (k & 15) & 1) bytes.to[k] = bytes.from[k];
}

bool copy_one(Warp &w, const Inst *i, int l, u64 to, u64 barrier, u32 byte_mask) {
    Bytes bytes{};
    if (!bulk_bytes(w, i, l, to, bytes)) return false;
    if (byte_mask != 0xffff)
        copy_masked(bytes, byte_mask);
    else if (bytes.size)
        std::memmove(bytes.to, bytes.from, bytes.size);
    return !(i->sub & kBarrier) || complete_bytes(w, i, l, barrier, bytes.size);
}

const Inst *bulk_copy(Warp &w, const Inst *i) {
    const u64 *to = at<u64>(w, i->a);
    const u32 *more = w.frame->code->lists.data() + i->extra;
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        const u64 barrier = (i->sub & kBarrier) ? at<u64>(w, more[0])[l] : 0;
        const u32 byte_mask = (i->sub & kMasked) ? at<u16>(w, more[1])[l] : 0xffff;
        if (!(i->sub & kMulticast)) {
            if (!copy_one(w, i, l, to[l], barrier, byte_mask)) return stop_pc();
            continue;
        }
        const u32 ranks = at<u16>(w, more[1])[l];
        if (const u32 beyond = ranks >> w.cta->cluster->ctas.size())
            return fault(w, i, l, Status::illegal_instruction,
                         "multicast to CTAs that the cluster has not (mask " + std::to_string(ranks) + ")", beyond);
        for (u32 r = ranks; r; r &= r - 1) {
            const u32 rank = u32(__builtin_ctz(r));
            if (!copy_one(w, i, l, in_cta(to[l], rank), in_cta(barrier, rank), 0xffff)) return stop_pc();
        }
    }
    return i + 1;
}

template <class T, class Op> const Inst *bulk_reduce(Warp &w, const Inst *i) {
    const u64 *to = at<u64>(w, i->a);
    const u32 *more = w.frame->code->lists.data() + i->extra;
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        Bytes bytes{};
        if (!bulk_bytes(w, i, l, to[l], bytes)) return stop_pc();
        for (u32 k = 0; k + sizeof(T) <= bytes.size; k += sizeof(T)) {
            T value;
            std::memcpy(&value, bytes.from + k, sizeof value);
            reduce_at<T, Op>(reinterpret_cast<raw<T> *>(bytes.to + k), value, value);
        }
        if ((i->sub & kBarrier) && !complete_bytes(w, i, l, at<u64>(w, more[0])[l], bytes.size)) return stop_pc();
    }
    return i + 1;
}

// a: to, b: the barrier, count values in Code::lists from `extra`; sub: bytes of one.
const Inst *st_async(Warp &w, const Inst *i) {
    const u64 *to = at<u64>(w, i->a), *barrier = at<u64>(w, i->b);
    const u32 *values = w.frame->code->lists.data() + i->extra;
    const u32 one = i->sub, size = one * i->count;
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        if (to[l] & (size - 1)) return fault(w, i, l, Status::misaligned_address, "", to[l]);
        uint8_t *p = generic_pointer(w, l, to[l], size);
        if (!p) return fault(w, i, l, Status::illegal_address, "", to[l], true);
        for (int k = 0; k < i->count; ++k) std::memcpy(p + u32(k) * one, at<uint8_t>(w, values[k]) + u32(l) * one, one);
        if (!complete_bytes(w, i, l, barrier[l], size)) return stop_pc();
    }
    return i + 1;
}

// a: to, b: value, c: the barrier.
template <class T, class Op> const Inst *red_async(Warp &w, const Inst *i) {
    const u64 *to = at<u64>(w, i->a), *barrier = at<u64>(w, i->c);
    const T *b = at<T>(w, i->b);
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        if (to[l] & (sizeof(T) - 1)) return fault(w, i, l, Status::misaligned_address, "", to[l]);
        uint8_t *p = generic_pointer(w, l, to[l], sizeof(T));
        if (!p) return fault(w, i, l, Status::illegal_address, "", to[l], true);
        reduce_at<T, Op>(reinterpret_cast<raw<T> *>(p), b[l], b[l]);
        if (!complete_bytes(w, i, l, barrier[l], sizeof(T))) return stop_pc();
    }
    return i + 1;
}

#define BULK(op, T, Op) {"bulk." #op "." #T, &bulk_reduce<T, Op>},
#define BOTH(op, T, Op) {"bulk." #op "." #T, &bulk_reduce<T, Op>}, {"red.async." #op "." #T, &red_async<T, Op>},

// clang-format off: lists of entries without commas
const HandlerRow rows[] = {
    {"cp.async", &cp_async},
    {"copies.commit", &group},
    {"copies.wait", &group}, // imm: but so many groups; sub: all, also what is in no group yet
    {"bulk.copy", &bulk_copy},
    {"st.async", &st_async},
    BOTH(add, u32, Add) BOTH(add, u64, Add) BOTH(inc, u32, Inc) BOTH(dec, u32, Dec)
    BOTH(min, u32, Min) BOTH(min, s32, Min) BOTH(max, u32, Max) BOTH(max, s32, Max)
    BOTH(and, u32, And) BOTH(or, u32, Or) BOTH(xor, u32, Xor)
    BULK(min, u64, Min) BULK(min, s64, Min) BULK(max, u64, Max) BULK(max, s64, Max)
    BULK(and, u64, And) BULK(or, u64, Or) BULK(xor, u64, Xor)
    BULK(add, f32, AddFloat) BULK(add, f64, AddFloat)
    {"bulk.add.f16", &bulk_reduce<u16, AddHalf>},
    {"bulk.add.bf16", &bulk_reduce<u16, AddBfloat>},
    {"bulk.min.f16", &bulk_reduce<u16, Extreme<kHalfInfinity, false>>},
    {"bulk.max.f16", &bulk_reduce<u16, Extreme<kHalfInfinity, true>>},
    {"bulk.min.bf16", &bulk_reduce<u16, Extreme<kBfloatInfinity, false>>},
    {"bulk.max.bf16", &bulk_reduce<u16, Extreme<kBfloatInfinity, true>>},
};
// clang-format on

} // namespace

HandlerTable async_copy_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
