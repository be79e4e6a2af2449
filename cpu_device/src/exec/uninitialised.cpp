// Reads of what nothing wrote.  One that finds any byte written is let alone: structures are copied with the holes in them.
#include "checker.hpp"
#include "image.hpp"
#include "lanes.hpp"
#include "../memory/written.hpp"

namespace cpu_device {

std::vector<bool> &Checker::local_of(const Warp &w, int lane, uint64_t least) {
    auto &lanes = local_[&w];
    lanes.resize(kLanes);
    std::vector<bool> &bytes = lanes[static_cast<size_t>(lane)];
    if (bytes.size() < least) bytes.resize(least);
    return bytes;
}

bool Checker::unwritten(const Access &a) {
    uint64_t offset;
    const std::vector<bool> *written;
    if (Shared *shared = shared_of(a, offset)) {
        written = &shared->written;
    } else if (a.address >= kLocalWindow) {
        offset = a.address - kLocalWindow;
        written = &local_of(a.w, a.lane, offset + a.bytes);
    } else {
        return launch_.memory->written().none(a.address, a.bytes);
    }
    for (uint32_t k = 0; k < a.bytes; ++k)
        if ((*written)[offset + k]) return false;
    return true;
}

void Checker::mark_written(const Access &a) {
    uint64_t offset;
    if (Shared *shared = shared_of(a, offset)) {
        for (uint32_t k = 0; k < a.bytes; ++k) shared->written[offset + k] = true;
    } else if (a.address >= kLocalWindow) {
        if (!uninitialised_) return;
        offset = a.address - kLocalWindow;
        std::vector<bool> &written = local_of(a.w, a.lane, offset + a.bytes);
        for (uint32_t k = 0; k < a.bytes; ++k) written[offset + k] = true;
    } else {
        launch_.memory->written().mark(a.address, a.bytes);
    }
}

void Checker::enter_function(Warp &w, uint32_t mask, uint32_t base, uint32_t bytes) {
    if (!uninitialised_) return;
    each_active(mask, [&](int l) {
        std::vector<bool> &written = local_of(w, l, base + bytes);
        for (uint32_t k = 0; k < bytes; ++k) written[base + k] = false;
    });
}

// alloca: as the handler will do it.
void Checker::allocate(Warp &w, const Inst *i, const Touch &t, uint32_t mask) {
    each_active(mask, [&](int l) {
        const u64 size = t.bytes == 4 ? at<u32>(w, i->a)[l] : at<u64>(w, i->a)[l];
        const u64 start = (w.frame->local_end(l) + i->imm - 1) & ~(i->imm - 1);
        if (start <= kLocalLimit && size <= kLocalLimit - start)
            enter_function(w, 1u << l, static_cast<u32>(start), static_cast<u32>(size));
    });
}

void Checker::copied_argument(Warp &w, int lane, uint64_t offset, uint32_t bytes) {
    if (!uninitialised_) return;
    std::vector<bool> &written = local_of(w, lane, offset + bytes);
    for (uint32_t k = 0; k < bytes; ++k) written[offset + k] = true;
}

bool Checker::report_unwritten(const Access &a) {
    const bool was_failed = launch_.failed;
    const char *space = a.address - kSharedWindow < kWindowSize ? "shared"
                        : a.address >= kLocalWindow             ? "local"
                                                                : "global";
    fault(a.w, a.inst, a.lane, Status::launch_failed,
          "read of " + std::to_string(a.bytes) + " bytes of " + space + " memory that nothing wrote", a.address);
    if (!was_failed) launch_.fault->nearest = name_of(a.w, a.address);
    return false;
}

} // namespace cpu_device
