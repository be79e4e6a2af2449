// From instructions to the accesses of their lanes.
#include "checker.hpp"
#include "image.hpp"
#include "matrix.hpp"
#include "../memory/written.hpp"

namespace cpu_device {

Checker::Checker(LaunchState &launch, bool races, bool uninitialised)
    : launch_(launch), races_(races), uninitialised_(uninitialised) {
    uint32_t next = 0;
    for (const auto &code : launch.image->codes) {
        first_site_.push_back(next);
        if (code) next += static_cast<uint32_t>(code->insts.size());
    }
}

Checker::Unit &Checker::unit_of(const Cta &cta) {
    const uint64_t index = cta.cluster->index;
    if (!last_unit_.second || last_unit_.first != index) last_unit_ = {index, &units_[index]};
    return *last_unit_.second;
}

uint32_t Checker::number(const Warp &w, int lane) const {
    return w.cta->rank * launch_.threads + w.index * kLanes + static_cast<uint32_t>(lane);
}

uint32_t Checker::site_of(const Warp &w, const Inst *i) const {
    const Code &code = *w.frame->code;
    return first_site_[code.id] + static_cast<uint32_t>(i - code.insts.data());
}

void Checker::start_cta(Cta &cta) {
    if (cta.rank == 0) {
        auto before = unit_in_.find(cta.cluster);
        if (before != unit_in_.end()) units_.erase(before->second);
        unit_in_[cta.cluster] = cta.cluster->index;
        last_unit_.second = nullptr;
        const size_t threads = size_t(launch_.threads) * launch_.cluster.x * launch_.cluster.y * launch_.cluster.z;
        units_[cta.cluster->index].threads.resize(threads);
    }
    Shared &shared = shared_[&cta];
    if (races_) shared.cells.assign(cta.shared_bytes / 4 + 1, Cell());
    shared.written.assign(cta.shared_bytes, false);
    for (auto &w : cta.warps) local_.erase(w.get());
}

void Checker::allocated(uint64_t base, uint64_t size) { // what was there before is forgotten
    for (uint64_t page = base >> 12; page <= (base + size - 1) >> 12; ++page) {
        auto found = pages_.find(page);
        if (found == pages_.end()) continue;
        for (uint64_t k = 0; k < 1024; ++k)
            if (const uint64_t at = (page << 12) + 4 * k; at + 4 > base && at < base + size)
                found->second->cells[k] = Cell();
    }
}

bool Checker::before(Warp &w, const Inst *i) {
    const Code &code = *w.frame->code;
    const Touch &t = code.touches[static_cast<size_t>(i - code.insts.data())];
    if (t.kind == Touch::none) return true;
    uint32_t mask = w.mask;
    if (i->inner) {
        const uint32_t p = *at<uint32_t>(w, i->guard & ~1u);
        mask &= (i->guard & 1) ? ~p : p;
    }
    if (!mask) return true;
    switch (t.kind) {
    case Touch::load:
    case Touch::store:
    case Touch::atomic:
    case Touch::reduce_async: return plain(w, i, t, mask);
    case Touch::copy: return copy(w, i, mask);
    case Touch::bulk: return bulk(w, i, mask);
    case Touch::store_async: return store_async(w, i, mask);
    case Touch::matrix: return matrix(w, i);
    case Touch::allocate: allocate(w, i, t, mask); return true;
    case Touch::fence: fence(w, mask); return true;
    case Touch::group:
        each_active(mask, [&](int l) {
            auto &groups = thread(w, l).groups;
            groups.resize(std::max<size_t>(groups.size(), 1) + 1);
        });
        return true;
    case Touch::wait: copies_done(w, mask, i->imm, i->sub); return true;
    case Touch::arrive: copies_done(w, mask, 0, true); return true;
    default: return true;
    }
}

void Checker::after(Warp &w, const Inst *i, const Inst *next) {
    if (next != i + 1) return; // also of an instruction whose lanes wait for others
    const Code &code = *w.frame->code;
    const Inst *first = code.insts.data();
    if (i >= first && i < first + code.insts.size() && code.touches[static_cast<size_t>(i - first)].meets)
        meet(w, w.mask);
}

// A lane's access, where it is one: what is outside memory is the handler's to report.
bool Checker::touch(Access a) {
    a.host = generic_pointer(a.w, a.lane, a.address, a.bytes);
    if (!a.host) return true;
    const uint64_t window = a.address < kWindowBase ? 0 : (a.address - kWindowBase) / kWindowSize + 1;
    if (window > 2) return true; // parameters
    if (uninitialised_ && !a.writes && unwritten(a)) return report_unwritten(a);
    if (races_ && window != 2 && !check(a)) return false;
    if (a.writes) mark_written(a);
    return true;
}

bool Checker::plain(Warp &w, const Inst *i, const Touch &t, uint32_t mask) {
    const bool is_store = t.kind == Touch::store, is_load = t.kind == Touch::load;
    const uint32_t bytes = uint32_t(t.bytes) * (is_load || is_store ? i->count : 1);
    const bool strong = t.strong || !(is_load || is_store);
    const uint32_t *list = (is_load || is_store) && i->count > 1 ? w.frame->code->lists.data() + i->extra : nullptr;
    storing_ = 0;
    for (uint32_t m = mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        uint64_t address = t.address_bytes == 4 ? uint32_t(at<uint32_t>(w, i->a)[l] + uint32_t(i->imm))
                                                : at<uint64_t>(w, i->a)[l] + i->imm;
        if (t.where == Touch::shared && address >> kRankShift && !(i->flags & kRemote)) continue; // the handler refuses
        if (t.where == Touch::shared) address = address < kWindowSize ? kSharedWindow + address : ~0ull;
        if (t.where == Touch::local) address = address < kWindowSize ? kLocalWindow + address : ~0ull;
        if (strong && races_ && !is_store) acquire(w, l, address);
        Access a{w, i, l, address, bytes};
        a.writes = !is_load;
        a.strong = strong;
        if (is_store && bytes <= sizeof values_[l]) {
            for (uint32_t k = 0; k < i->count; ++k) {
                const uint8_t *from = at<uint8_t>(w, list ? list[k] : i->d);
                uint8_t *to = values_[l] + k * t.bytes;
                if (t.register_bytes == 16) {
                    std::memcpy(to, from + 8 * l, 8);
                    std::memcpy(to + 8, from + 8 * (kLanes + l), 8);
                } else {
                    std::memcpy(to, from + uint32_t(t.register_bytes) * uint32_t(l), t.bytes);
                }
            }
            a.value = values_[l];
            addresses_[l] = address;
        }
        if (!touch(a)) return false;
        if (is_store) storing_ |= 1u << l;
        if (strong && races_ && !is_load) publish(w, l, address, t.releases);
    }
    return true;
}

bool Checker::copy(Warp &w, const Inst *i, uint32_t mask) {
    const uint64_t *to = at<uint64_t>(w, i->a), *from = at<uint64_t>(w, i->b);
    const uint32_t *limit = at<uint32_t>(w, i->c);
    uint32_t ignored = i->extra ? *at<uint32_t>(w, i->extra) : 0;
    if (i->flags & kNegC) ignored = ~ignored;
    for (uint32_t m = mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        auto &groups = thread(w, l).groups;
        if (groups.empty()) groups.resize(1);
        Access source{w, i, l, from[l], ignored >> l & 1 ? 0 : std::min<uint32_t>(limit[l], i->sub)},
            target{w, i, l, to[l] + i->imm, i->sub};
        target.writes = target.pending = true;
        if (source.bytes && !touch(source)) return false;
        if (!touch(target)) return false;
    }
    return true;
}

bool Checker::bulk(Warp &w, const Inst *i, uint32_t mask) {
    for (uint32_t m = mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        const uint32_t bytes = at<uint32_t>(w, i->c)[l];
        Access source{w, i, l, at<uint64_t>(w, i->b)[l], bytes}, target{w, i, l, at<uint64_t>(w, i->a)[l], bytes};
        target.writes = true;
        target.strong = i->sub & 8; // reductions
        if (!bytes) continue;
        if (!touch(source)) return false;
        if (!(i->sub & 2)) {
            if (!touch(target)) return false;
            continue;
        }
        const uint32_t ranks = at<uint16_t>(w, w.frame->code->lists[i->extra + 1])[l]; // .multicast
        for (uint32_t rank = 0; rank < w.cta->cluster->ctas.size(); ++rank) {
            if (!(ranks >> rank & 1)) continue;
            Access there = target;
            there.address = in_cta(target.address, rank);
            if (!touch(there)) return false;
        }
    }
    return true;
}

bool Checker::matrix(Warp &w, const Inst *i) {
    if (w.mask != kFullMask) return true; // it waits for the others
    storing_ = 0;
    return matrix_accesses(w, i, [&](const MatrixAccess &m) {
        Access a{w, i, m.lane, m.address, m.bytes};
        a.writes = m.value;
        if (m.value) {
            std::memcpy(values_[m.lane], m.value, m.bytes);
            addresses_[m.lane] = m.address;
            a.value = values_[m.lane];
        }
        if (!touch(a)) return false;
        if (m.value) storing_ |= 1u << m.lane;
        return true;
    });
}

bool Checker::store_async(Warp &w, const Inst *i, uint32_t mask) {
    for (uint32_t m = mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        Access target{w, i, l, at<uint64_t>(w, i->a)[l], uint32_t(i->sub) * i->count};
        target.writes = true;
        if (!touch(target)) return false;
    }
    return true;
}

} // namespace cpu_device
