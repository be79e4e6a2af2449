// Who is ordered behind whom.
#include "checker.hpp"
#include "lanes.hpp"

namespace cpu_device {

bool Checker::ordered(const Stamp &s, Warp &w, int lane) {
    const uint32_t own_cluster = static_cast<uint32_t>(w.cta->cluster->index);
    Thread &t = thread(w, lane);
    if (s.cluster == own_cluster) {
        if (s.kind & kPending) return false;
        if (s.thread == number(w, lane)) return true;
        return t.knows.own && (*t.knows.own)[s.thread] >= s.time;
    }
    if (!t.knows.others) return false;
    auto found = t.knows.others->find(s.cluster);
    return found != t.knows.others->end() && s.thread < found->second->size() && (*found->second)[s.thread] >= s.time;
}

// What a thread knows and did so far; what it does next is later.
Knowledge Checker::snapshot(Warp &w, int lane) {
    Unit &unit = unit_of(*w.cta);
    const uint32_t own = number(w, lane);
    Thread &t = unit.threads[own];
    auto times = t.knows.own ? std::make_shared<Times>(*t.knows.own) : std::make_shared<Times>(unit.threads.size());
    (*times)[own] = t.time++;
    return {times, t.knows.others};
}

void Checker::fence(Warp &w, uint32_t mask) {
    each_active(mask, [&](int l) {
        const Knowledge now = snapshot(w, l);
        Thread &t = thread(w, l);
        t.fenced = now;
        t.has_fenced = true;
    });
}

// An atomic or volatile access sees what was published there.
void Checker::acquire(Warp &w, int lane, uint64_t address) {
    auto found = published_.find(address);
    if (found == published_.end()) return;
    Thread &t = thread(w, lane);
    if (t.seen == found->second) return;
    t.seen = found->second;
    t.knows.others = join(t.knows.others, t.seen);
    auto own = t.seen->find(w.cta->cluster->index);
    if (own != t.seen->end()) t.knows.own = join(t.knows.own, own->second);
}

void Checker::publish(Warp &w, int lane, uint64_t address, bool releases) {
    Thread &t = thread(w, lane);
    if (!releases && !t.has_fenced) return;
    const Knowledge now = releases ? snapshot(w, lane) : t.fenced;
    const SharedOthers own = std::make_shared<const Others>(Others{{w.cta->cluster->index, now.own}});
    SharedOthers &there = published_[address];
    there = join(join(there, own), now.others);
}

void Checker::arrive(Warp &w, uint32_t mask, const void *place) {
    Unit &unit = unit_of(*w.cta);
    Gathered &open = unit.places[place].open;
    each_active(mask, [&](int l) {
        const uint32_t own = number(w, l);
        Thread &t = unit.threads[own];
        open.add(t.knows);
        open.set(own, t.time++, static_cast<uint32_t>(unit.threads.size()));
    });
}

void Checker::ended(Warp &w, uint32_t mask) {
    Unit &unit = unit_of(*w.cta);
    Gathered all;
    all.add(unit.ended);
    each_active(mask, [&](int l) {
        const uint32_t own = number(w, l);
        all.add(unit.threads[own].knows);
        all.set(own, unit.threads[own].time, static_cast<uint32_t>(unit.threads.size()));
    });
    unit.ended = all.take();
}

void Checker::complete(Cta &cta, const void *place, bool counts_ended) {
    Unit &unit = unit_of(cta);
    Place &p = unit.places[place];
    if (counts_ended) p.open.add(unit.ended);
    const Knowledge now = p.open.take();
    p.last = {join(now.own, p.last.own), join(now.others, p.last.others)};
}

void Checker::leave(Warp &w, uint32_t mask, const void *place) {
    Unit &unit = unit_of(*w.cta);
    const Knowledge &last = unit.places[place].last;
    each_active(mask, [&](int l) {
        Knowledge &knows = unit.threads[number(w, l)].knows;
        if (last_join_.a != last.own || last_join_.b != knows.own || !last_join_.both)
            last_join_ = {last.own, knows.own, join(last.own, knows.own)};
        knows.own = last_join_.both;
        knows.others = join(last.others, knows.others);
    });
}

void Checker::forget(Warp &w, const void *place) {
    unit_of(*w.cta).places.erase(place);
}

void Checker::meet(Warp &w, uint32_t mask) {
    if (!(mask & (mask - 1))) return;
    Unit &unit = unit_of(*w.cta);
    Gathered all;
    each_active(mask, [&](int l) { all.add(unit.threads[number(w, l)].knows); });
    each_active(mask, [&](int l) {
        const uint32_t own = number(w, l);
        all.set(own, unit.threads[own].time++, static_cast<uint32_t>(unit.threads.size()));
    });
    const Knowledge together = all.take();
    each_active(mask, [&](int l) { unit.threads[number(w, l)].knows = together; });
}

// cp.async: of the committed groups all but the last ones, and what is in no group yet if `open_too`.
void Checker::copies_done(Warp &w, uint32_t mask, uint64_t but, bool open_too) {
    each_active(mask, [&](int l) {
        const uint32_t own = number(w, l);
        Thread &t = unit_of(*w.cta).threads[own];
        const size_t committed = t.groups.empty() ? 0 : t.groups.size() - 1;
        const size_t n = open_too ? t.groups.size() : committed - std::min<size_t>(committed, but);
        for (size_t k = 0; k < n; ++k)
            for (Cell *cell : t.groups[k]) {
                Stamp &s = cell->write;
                if (!(s.kind & kPending) || s.thread != own) continue;
                s.kind = static_cast<uint8_t>(s.kind & ~kPending);
                s.time = t.time;
            }
        t.groups.erase(t.groups.begin(), t.groups.begin() + static_cast<std::ptrdiff_t>(n));
    });
}

} // namespace cpu_device
