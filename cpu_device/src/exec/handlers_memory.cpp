// ld and st.  Compiled for each level.
//
// Every access is checked: alignment, and that all bytes are inside one live allocation, the CTA's shared memory or the thread's local
// memory.  Two shapes are fast: all lanes at one address, and lane after lane without a gap.
#include "lanes.hpp"

namespace cpu_device::CPU_DEVICE_LEVEL {
namespace {

enum Where { global, shared, local, generic, param };

// Halves of a warp often go apart, as blocks are often 16 threads wide.
enum class Shape { contiguous, uniform, halves_contiguous, halves_uniform, spread, pointers };

struct Access {
    Shape shape;
    uint8_t *base; // of the first active lane
    s64 second;    // halves: distance of lane 16 from lane 0
    int first;
    uint8_t *pointer[kLanes]; // pointers
};

template <class A> struct Span { // distances from the first active lane's address
    s64 low, high;
    u64 misaligned;
    Shape shape;
    s64 second;
};

// A full warp, by halves.
template <class A> inline __attribute__((always_inline)) Span<A> measure_full(const A *a, u32 bytes) {
    const A a0 = a[0], a16 = a[16];
    A gaps = 0, differences = 0, low_bits = 0;
    for (int l = 0; l < kLanes; ++l) {
        const A x = A(a[l] - (l < 16 ? a0 : a16));
        gaps |= A(x - A(u32(l & 15) * A(bytes)));
        differences |= x;
        low_bits |= a[l];
    }
    const s64 second = s64(u64(a16) - u64(a0)), less = second < 0 ? second : 0, more = second < 0 ? 0 : second;
    if (differences == 0) return {less, more, low_bits, second ? Shape::halves_uniform : Shape::uniform, second};
    if (gaps == 0) {
        const s64 tail = 15 * s64(bytes);
        return {less, more + tail, low_bits, second == 16 * s64(bytes) ? Shape::contiguous : Shape::halves_contiguous,
                second};
    }
    s64 low = 0, high = 0;
    for (int l = 0; l < kLanes; ++l) {
        const s64 x = s64(u64(a[l]) - u64(a0));
        low = x < low ? x : low;
        high = x > high ? x : high;
    }
    return {low, high, low_bits, Shape::spread, 0};
}

template <class A> inline Span<A> measure(const A *a, u32 mask, int first, u32 bytes) {
    const A a0 = a[first];
    A gaps = 0, differences = 0, low_bits = 0;
    for (int l = 0; l < kLanes; ++l) {
        bool on = mask & (1u << l);
        A x = A(a[l] - a0);
        gaps |= on ? A(x - A(u32(l - first) * A(bytes))) : A(0);
        differences |= on ? x : A(0);
        low_bits |= on ? a[l] : A(0);
    }
    if (differences == 0) return {0, 0, low_bits, Shape::uniform, 0};
    if (gaps == 0) {
        int last = 31 - __builtin_clz(mask);
        return {0, s64(last - first) * bytes, low_bits, Shape::contiguous, 0};
    }
    s64 low = 0, high = 0;
    for (int l = 0; l < kLanes; ++l) {
        bool on = mask & (1u << l);
        s64 x = on ? s64(u64(a[l]) - u64(a0)) : 0;
        low = x < low ? x : low;
        high = x > high ? x : high;
    }
    return {low, high, low_bits, Shape::spread, 0};
}

// A lane after the other: for accesses over several allocations or windows, and to find the lane that faults.
template <class A, int where> bool by_lane(Warp &w, const Inst *i, const A *a, u32 bytes, Access &access) {
    access.shape = Shape::pointers;
    for (u32 m = w.mask; m; m &= m - 1) {
        int l = __builtin_ctz(m);
        u64 address =
            where == generic || where == global || where == param ? u64(a[l]) + i->imm : u64(a[l] + A(i->imm));
        u64 whole = address;
        if (where == shared) whole = address < kWindowSize ? kSharedWindow + address : ~0ull - 64;
        if (where == local) whole = address < kWindowSize ? kLocalWindow + address : ~0ull - 64;
        if (where == param) whole = kParamWindow + address;
        if (address & (bytes - 1)) {
            fault(w, i, l, Status::misaligned_address, "", address);
            return false;
        }
        const bool elsewhere = where == shared && whole >= kSharedWindow + (1u << kRankShift) && !(i->flags & kRemote);
        uint8_t *p =
            (where == global && address >= kWindowBase) || elsewhere ? nullptr : generic_pointer(w, l, whole, bytes);
        if (!p) {
            fault(w, i, l, where == shared || where == local ? Status::illegal_address : Status::illegal_address, "",
                  address, true);
            return false;
        }
        access.pointer[l] = p;
    }
    return true;
}

template <class A, int where> inline bool resolve(Warp &w, const Inst *i, u32 bytes, Access &access) {
    const A *a = at<A>(w, i->a);
    const u32 mask = w.mask;
    const int first = __builtin_ctz(mask);
    access.first = first;
    if (where == local || where == param) return by_lane<A, where>(w, i, a, bytes, access);
    Span<A> span = mask == kFullMask ? measure_full<A>(a, bytes) : measure<A>(a, mask, first, bytes);
    const u64 start = where == shared ? u64(A(a[first] + A(i->imm))) : u64(a[first]) + i->imm;
    if (((span.misaligned | start) & (bytes - 1)) || (i->imm & (bytes - 1)))
        return by_lane<A, where>(w, i, a, bytes, access);
    const u64 low = start + span.low, size = u64(span.high - span.low) + bytes;
    uint8_t *host = nullptr; // of `low`
    if (where == shared || (where == generic && low - kSharedWindow < kWindowSize)) {
        const u64 offset = where == shared ? low : low - kSharedWindow;
        if (offset >= w.shared_bytes || size > w.shared_bytes - offset || span.high >= s64(kWindowSize) ||
            (where == shared && s64(low) < 0))
            return by_lane<A, where>(w, i, a, bytes, access);
        host = w.shared + offset;
    } else {
        const Region &c = w.worker->cache[i->index % kRegionCache];
        if (low - c.base < c.size && size <= c.size - (low - c.base)) {
            host = c.host + (low - c.base);
        } else {
            Region region;
            if (low >= kWindowBase || !find_region(*w.worker, i->index % kRegionCache, low, size, region))
                return by_lane<A, where>(w, i, a, bytes, access);
            host = region.host + (low - region.base);
        }
    }
    access.shape = span.shape;
    access.base = host - span.low; // of the first lane
    access.second = span.second;
    return true;
}

template <class T> struct Loose {
    typedef T type __attribute__((may_alias));
};

// One register of a vector (element k) from all lanes.
template <class M, class R, class A>
inline void read(Warp &w, const Inst *i, const Access &access, const A *a, u32 to, int k, int count) {
    using V = typename Loose<M>::type;
    R *d = at<R>(w, to);
    if (access.shape == Shape::uniform) {
        R v = R(*reinterpret_cast<const V *>(access.base + k * sizeof(M)));
        each(w, d, [=](int) { return v; });
    } else if (access.shape == Shape::contiguous) {
        const V *p = reinterpret_cast<const V *>(access.base) + k;
        if (w.mask == kFullMask && count == 1) {
#pragma GCC ivdep
            for (int l = 0; l < kLanes; ++l) d[l] = R(p[l]);
        } else {
            each_active(w.mask, [=](int l) { d[l] = R(p[(l - access.first) * count]); });
        }
    } else if (access.shape == Shape::halves_uniform) { // of full warps only
        const R v[2] = {R(*reinterpret_cast<const V *>(access.base + k * sizeof(M))),
                        R(*reinterpret_cast<const V *>(access.base + access.second + k * sizeof(M)))};
        for (int l = 0; l < 16; ++l) d[l] = v[0];
        for (int l = 16; l < kLanes; ++l) d[l] = v[1];
    } else if (access.shape == Shape::halves_contiguous) {
        for (int half = 0; half < 2; ++half) {
            const V *p = reinterpret_cast<const V *>(access.base + (half ? access.second : 0)) + k;
            if (count == 1) {
#pragma GCC ivdep
                for (int l = 0; l < 16; ++l) d[16 * half + l] = R(p[l]);
            } else {
                for (int l = 0; l < 16; ++l) d[16 * half + l] = R(p[l * count]);
            }
        }
    } else if (access.shape == Shape::spread) {
        const uint8_t *base = access.base + k * sizeof(M);
        const A a0 = a[access.first];
        if (w.mask == kFullMask) {
            for (int l = 0; l < kLanes; ++l) d[l] = R(*reinterpret_cast<const V *>(base + s64(u64(a[l]) - u64(a0))));
        } else {
            each_active(w.mask,
                        [=](int l) { d[l] = R(*reinterpret_cast<const V *>(base + s64(u64(a[l]) - u64(a0)))); });
        }
    } else {
        each_active(w.mask, [&](int l) { d[l] = R(*reinterpret_cast<const V *>(access.pointer[l] + k * sizeof(M))); });
    }
    (void)i;
}

template <class M, class R, class A>
inline void write(Warp &w, const Access &access, const A *a, u32 from, int k, int count) {
    using V = typename Loose<M>::type;
    const R *s = at<R>(w, from);
    if (access.shape == Shape::contiguous && w.mask == kFullMask && count == 1) {
        V *p = reinterpret_cast<V *>(access.base);
#pragma GCC ivdep
        for (int l = 0; l < kLanes; ++l) p[l] = M(s[l]);
    } else if (access.shape == Shape::contiguous) {
        V *p = reinterpret_cast<V *>(access.base) + k;
        each_active(w.mask, [=](int l) { p[(l - access.first) * count] = M(s[l]); });
    } else if (access.shape == Shape::uniform) { // the last lane's value stays
        *reinterpret_cast<V *>(access.base + k * sizeof(M)) = M(s[31 - __builtin_clz(w.mask)]);
    } else if (access.shape == Shape::halves_contiguous && count == 1) {
        for (int half = 0; half < 2; ++half) {
            V *p = reinterpret_cast<V *>(access.base + (half ? access.second : 0));
#pragma GCC ivdep
            for (int l = 0; l < 16; ++l) p[l] = M(s[16 * half + l]);
        }
    } else if (access.shape != Shape::pointers) {
        uint8_t *base = access.base + k * sizeof(M);
        const A a0 = a[access.first];
        each_active(w.mask, [=](int l) { *reinterpret_cast<V *>(base + s64(u64(a[l]) - u64(a0))) = M(s[l]); });
    } else {
        each_active(w.mask, [&](int l) { *reinterpret_cast<V *>(access.pointer[l] + k * sizeof(M)) = M(s[l]); });
    }
}

template <class M, class R, class A, int where> const Inst *load(Warp &w, const Inst *i) {
    Access access;
    const int count = i->count;
    if (!resolve<A, where>(w, i, sizeof(M) * count, access)) return stop_pc();
    A copy[kLanes];
    const A *a = at<A>(w, i->a);
    if (count == 1) {
        read<M, R, A>(w, i, access, a, i->d, 0, 1);
    } else {
        std::memcpy(copy, a, sizeof copy); // a destination may be the address
        const u32 *list = w.frame->code->lists.data() + i->extra;
        for (int k = 0; k < count; ++k)
            if (list[k] != kDiscard) read<M, R, A>(w, i, access, copy, list[k], k, count);
    }
    if (i->flags & kFence) __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return i + 1;
}

template <class M, class R, class A, int where> const Inst *store(Warp &w, const Inst *i) {
    Access access;
    const int count = i->count;
    if (!resolve<A, where>(w, i, sizeof(M) * count, access)) return stop_pc();
    if (i->flags & kFence) __atomic_thread_fence(__ATOMIC_RELEASE);
    const A *a = at<A>(w, i->a);
    if (count == 1) {
        write<M, R, A>(w, access, a, i->d, 0, 1);
    } else {
        const u32 *list = w.frame->code->lists.data() + i->extra;
        for (int k = 0; k < count; ++k) write<M, R, A>(w, access, a, list[k], k, count);
    }
    return i + 1;
}

// Kernel parameters at a known place: the same for all lanes.
template <class M, class R> const Inst *load_param(Warp &w, const Inst *i) {
    const std::vector<uint8_t> &block = w.cta->launch->launch->params;
    const int count = i->count;
    if (i->imm > block.size() || sizeof(M) * count > block.size() - i->imm)
        return fault(w, i, first_lane(w.mask), Status::illegal_address, "read behind the kernel's parameters", i->imm);
    for (int k = 0; k < count; ++k) {
        M v;
        std::memcpy(&v, block.data() + i->imm + k * sizeof(M), sizeof v);
        u32 to = count == 1 ? i->d : w.frame->code->lists[i->extra + k];
        if (to == kDiscard) continue;
        R *d = at<R>(w, to);
        each(w, d, [=](int) { return R(v); });
    }
    return i + 1;
}

// b128 registers hold the low halves of all lanes, then the high ones.
template <class A, int where> const Inst *load_wide(Warp &w, const Inst *i) {
    Access access;
    const A *a = at<A>(w, i->a);
    if (!by_lane<A, where>(w, i, a, 16, access)) return stop_pc();
    u64 *d = at<u64>(w, i->d);
    each_active(w.mask, [&](int l) {
        std::memcpy(&d[l], access.pointer[l], 8);
        std::memcpy(&d[kLanes + l], access.pointer[l] + 8, 8);
    });
    return i + 1;
}

template <class A, int where> const Inst *store_wide(Warp &w, const Inst *i) {
    Access access;
    const A *a = at<A>(w, i->a);
    if (!by_lane<A, where>(w, i, a, 16, access)) return stop_pc();
    const u64 *d = at<u64>(w, i->d);
    each_active(w.mask, [&](int l) {
        std::memcpy(access.pointer[l], &d[l], 8);
        std::memcpy(access.pointer[l] + 8, &d[kLanes + l], 8);
    });
    return i + 1;
}

// ld.SPACE.TYPE.REGISTER-BYTES.ADDRESS-BYTES
#define LOAD(space, M, R, r, A, s) {"ld." #space "." #M "." #r "." #s, &load<M, R, A, space>},
// clang-format off: lists of entries without commas
#define LOADS(space, A, s) \
    LOAD(space, u8, u16, 2, A, s) LOAD(space, u8, u32, 4, A, s) LOAD(space, u8, u64, 8, A, s) \
    LOAD(space, s8, s16, 2, A, s) LOAD(space, s8, s32, 4, A, s) LOAD(space, s8, s64, 8, A, s) \
    LOAD(space, u16, u16, 2, A, s) LOAD(space, u16, u32, 4, A, s) LOAD(space, u16, u64, 8, A, s) \
    LOAD(space, s16, s16, 2, A, s) LOAD(space, s16, s32, 4, A, s) LOAD(space, s16, s64, 8, A, s) \
    LOAD(space, u32, u32, 4, A, s) LOAD(space, u32, u64, 8, A, s) \
    LOAD(space, s32, s32, 4, A, s) LOAD(space, s32, s64, 8, A, s) \
    LOAD(space, u64, u64, 8, A, s) LOAD(space, s64, s64, 8, A, s) \
    {"ld." #space ".b128.16." #s, &load_wide<A, space>},
#define STORE(space, M, R, r, A, s) {"st." #space "." #M "." #r "." #s, &store<M, R, A, space>},
#define STORES(space, A, s) \
    STORE(space, u8, u16, 2, A, s) STORE(space, u8, u32, 4, A, s) STORE(space, u8, u64, 8, A, s) \
    STORE(space, u16, u16, 2, A, s) STORE(space, u16, u32, 4, A, s) STORE(space, u16, u64, 8, A, s) \
    STORE(space, u32, u32, 4, A, s) STORE(space, u32, u64, 8, A, s) \
    STORE(space, u64, u64, 8, A, s) \
    {"st." #space ".b128.16." #s, &store_wide<A, space>},
// clang-format on
#define PARAM(M, R, r) {"ld.kernel." #M "." #r, &load_param<M, R>},

const HandlerRow rows[] = {
    LOADS(global, u64, 8) LOADS(shared, u64, 8) LOADS(shared, u32, 4) LOADS(local, u64, 8) LOADS(local, u32, 4)
        LOADS(generic, u64, 8) LOADS(param, u64, 8) LOADS(param, u32, 4) STORES(global, u64, 8) STORES(shared, u64, 8)
            STORES(shared, u32, 4) STORES(local, u64, 8) STORES(local, u32, 4) STORES(generic, u64, 8) PARAM(u8, u16, 2)
                PARAM(u8, u32, 4) PARAM(u8, u64, 8) PARAM(s8, s16, 2) PARAM(s8, s32, 4) PARAM(s8, s64, 8)
                    PARAM(u16, u16, 2) PARAM(u16, u32, 4) PARAM(u16, u64, 8) PARAM(s16, s16, 2) PARAM(s16, s32, 4)
                        PARAM(s16, s64, 8) PARAM(u32, u32, 4) PARAM(u32, u64, 8) PARAM(s32, s32, 4) PARAM(s32, s64, 8)
                            PARAM(u64, u64, 8) PARAM(s64, s64, 8)};

} // namespace

HandlerTable memory_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device::CPU_DEVICE_LEVEL
