// The ledger of allocations.
#include "ledger.hpp"

#include "pool.hpp"

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
        for (const auto &[base, entry] : entries_)
            if (entry.context == context && !entry.pool) bases.push_back(base);
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
    return found->second.freeing = true;
}

bool Ledger::set_sync(uint64_t base, bool sync) {
    std::lock_guard<std::mutex> guard(lock_);
    auto found = entries_.find(base);
    if (found == entries_.end()) return false;
    found->second.sync = sync;
    return true;
}

} // namespace cpu_device
