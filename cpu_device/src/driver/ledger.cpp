// The ledger of allocations.
#include "ledger.hpp"

#include "pool.hpp"

#include <algorithm>

namespace cpu_device {

Ledger &ledger() {
    static auto &made = *new Ledger;
    return made;
}

const Allocation *Ledger::allocate(uint64_t size, uint64_t align, MemoryKind kind, int device, Entry entry) {
    const Allocation *made = memory().allocate(size, align, kind, device);
    if (!made) return nullptr;
    entry.size = size;
    std::lock_guard<std::mutex> guard(lock_);
    entries_[made->base] = std::move(entry);
    return made;
}

const Allocation *Ledger::adopt(void *host, uint64_t size, int device, Entry entry) {
    const Allocation *made = memory().adopt(host, size, device);
    if (!made) return nullptr;
    entry.size = size;
    std::lock_guard<std::mutex> guard(lock_);
    entries_[made->base] = std::move(entry);
    return made;
}

bool Ledger::release(uint64_t base) {
    Entry entry;
    {
        std::lock_guard<std::mutex> guard(lock_);
        auto found = entries_.find(base);
        if (found == entries_.end()) return false;
        if (found->second.graph && !give_back(found->second, base)) return true;
        entry = std::move(found->second);
        entries_.erase(found);
    }
    if (entry.pool) entry.pool->took_back(entry.size);
    return memory().release(base);
}

void Ledger::release_all(uint64_t context) {
    std::vector<uint64_t> bases;
    {
        std::lock_guard<std::mutex> guard(lock_);
        for (auto &[base, entry] : entries_) {
            if (entry.context != context || entry.pool) continue;
            entry.orphan = true;
            entry.live = std::min(entry.live, 1u);
            bases.push_back(base);
        }
    }
    for (uint64_t base : bases) release(base);
}

bool Ledger::find(uint64_t base, Entry &entry) const {
    std::lock_guard<std::mutex> guard(lock_);
    auto found = entries_.find(base);
    if (found == entries_.end()) return false;
    entry = found->second;
    return true;
}

bool Ledger::begin_free(uint64_t base) {
    std::lock_guard<std::mutex> guard(lock_);
    auto found = entries_.find(base);
    if (found == entries_.end() || found->second.freeing) return false;
    if (found->second.graph) {
        const bool held = found->second.held;
        found->second.held = false;
        return held;
    }
    return found->second.freeing = true;
}

bool Ledger::set_sync(uint64_t base, bool sync) {
    std::lock_guard<std::mutex> guard(lock_);
    auto found = entries_.find(base);
    if (found == entries_.end()) return false;
    found->second.sync = sync;
    return true;
}

void Ledger::restrict(const Pool &pool) {
    std::lock_guard<std::mutex> guard(lock_);
    for (const auto &[base, entry] : entries_)
        if (entry.pool.get() == &pool) memory().restrict(base, pool.allowed);
}

uint64_t Ledger::reserve(uint64_t size, int device, Entry entry) {
    const Allocation *made = memory().allocate(size, kGranuleOfDevice, MemoryKind::device, device);
    if (!made) return 0;
    memory().close(made->base);
    entry.size = size;
    entry.graph = true;
    std::lock_guard<std::mutex> guard(lock_);
    entries_[made->base] = std::move(entry);
    return made->base;
}

bool Ledger::acquire(uint64_t base) {
    std::lock_guard<std::mutex> guard(lock_);
    auto found = entries_.find(base);
    if (found == entries_.end() || !found->second.graph) return false;
    Entry &entry = found->second;
    if (!entry.live) {
        if (!memory().open(base)) return false;
        GraphUse &use = graph_use_[memory().find(base, 1)->device];
        use.used += entry.size;
        use.used_high = std::max(use.used_high, use.used);
        use.reserved = std::max(use.reserved, use.used); // freed bytes are kept for the next launch
        use.reserved_high = std::max(use.reserved_high, use.reserved);
    }
    entry.live++;
    return entry.held = true;
}

bool Ledger::give_back(Entry &entry, uint64_t base) {
    if (entry.live && !--entry.live) {
        graph_use_[memory().find(base, 1)->device].used -= entry.size;
        memory().close(base);
    }
    return entry.orphan && !entry.live;
}

bool Ledger::held(uint64_t base) const {
    std::lock_guard<std::mutex> guard(lock_);
    auto found = entries_.find(base);
    return found != entries_.end() && found->second.held;
}

void Ledger::drop(uint64_t base) {
    {
        std::lock_guard<std::mutex> guard(lock_);
        auto found = entries_.find(base);
        if (found == entries_.end()) return;
        found->second.orphan = true;
        if (found->second.live) return;
    }
    release(base);
}

GraphUse Ledger::graph_use(int device) const {
    std::lock_guard<std::mutex> guard(lock_);
    auto found = graph_use_.find(device);
    return found == graph_use_.end() ? GraphUse() : found->second;
}

void Ledger::reset_graph_high(int device, bool used) {
    std::lock_guard<std::mutex> guard(lock_);
    GraphUse &use = graph_use_[device];
    (used ? use.used_high : use.reserved_high) = used ? use.used : use.reserved;
}

void Ledger::trim_graphs(int device) {
    std::lock_guard<std::mutex> guard(lock_);
    graph_use_[device].reserved = graph_use_[device].used;
}

} // namespace cpu_device
