// alloca, stacksave, stackrestore: local memory that a function takes while it runs.
#include "lanes.hpp"

namespace cpu_device {
namespace {

void set_allocated(Frame &f, int lane, uint32_t bytes) {
    if (!f.allocated) f.allocated.reset(new uint32_t[kLanes]());
    f.allocated[lane] = bytes;
    f.dynamic = 0;
    for (int l = 0; l < kLanes; ++l) f.dynamic = f.dynamic < f.allocated[l] ? f.allocated[l] : f.dynamic;
}

template <class T> const Inst *allocate(Warp &w, const Inst *i) {
    const T *size = at<T>(w, i->a);
    T *d = at<T>(w, i->d);
    Frame &f = *w.frame;
    const u64 fixed = f.local_base + f.code->local_bytes;
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        const u64 start = (f.local_end(l) + i->imm - 1) & ~(i->imm - 1);
        if (start > kLocalLimit || size[l] > kLocalLimit - start || !local_room(w, u32(start + size[l])))
            return fault(w, i, l, Status::hardware_stack, "more local memory than a thread can have");
        set_allocated(f, l, u32(start + size[l] - fixed));
        d[l] = T(start);
    }
    return i + 1;
}

template <class T> const Inst *save(Warp &w, const Inst *i) {
    T *d = at<T>(w, i->d);
    each_active(w.mask, [&](int l) { d[l] = T(w.frame->local_end(l)); });
    return i + 1;
}

template <class T> const Inst *restore(Warp &w, const Inst *i) {
    const T *a = at<T>(w, i->a);
    Frame &f = *w.frame;
    const u64 fixed = f.local_base + f.code->local_bytes;
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        if (a[l] < fixed || a[l] > f.local_end(l))
            return fault(w, i, l, Status::illegal_instruction, "stackrestore of what stacksave did not give", a[l]);
        set_allocated(f, l, u32(a[l] - fixed));
    }
    return i + 1;
}

const HandlerRow rows[] = {
    {"alloca.u32", &allocate<u32>}, {"alloca.u64", &allocate<u64>},      {"stacksave.u32", &save<u32>},
    {"stacksave.u64", &save<u64>},  {"stackrestore.u32", &restore<u32>}, {"stackrestore.u64", &restore<u64>},
};

} // namespace

HandlerTable stack_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
