// Allocations: ranges of device addresses with their records, and the quarantine of those that were freed.
//
// Records are kept for reuse and never returned to the system, so that a find() in another thread never reads freed memory.
#include "memory.hpp"

#include "address_index.hpp"
#include "arena.hpp"
#include "free_ranges.hpp"
#include "written.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <unistd.h>
#include <vector>

namespace cpu_device {

namespace {

constexpr uint64_t kRange = uint64_t(64) << 30;
constexpr size_t kQuarantine = 4096; // freed allocations whose addresses are not given out again
constexpr uint64_t kWorthDiscarding = 64 << 10;

uint64_t round_up(uint64_t n, uint64_t to) {
    return (n + to - 1) / to * to;
}

// $CPU_DEVICE_MEMORY in MiB, else the machine's memory; at most a quarter of the range, so that devices and quarantine fit.
uint64_t device_bytes() {
    const char *text = std::getenv("CPU_DEVICE_MEMORY");
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
    uint64_t bytes = pages > 0 && page > 0 ? uint64_t(pages) * uint64_t(page) : uint64_t(1) << 30;
    if (text && *text) {
        const unsigned long long mebibytes = std::strtoull(text, nullptr, 10);
        if (mebibytes) bytes = std::min<uint64_t>(mebibytes, kRange >> 20) << 20;
    }
    return std::min(bytes, kRange / 4);
}

bool is_set(const char *name) {
    const char *text = std::getenv(name);
    return text && *text && *text != '0';
}

bool host_access() {
    return is_set("CPU_DEVICE_HOST_ACCESS");
}

bool seen_by_host(MemoryKind kind) {
    return kind == MemoryKind::managed || kind == MemoryKind::pinned;
}

struct Record : Allocation {
    uint64_t begin = 0, room = 0; // the range that is taken, with the gap behind it
    bool closed = false;
};

} // namespace

struct Memory::State {
    Arena arena{kRange, host_access()};
    AddressIndex index{arena.base(), arena.size()};
    const uint64_t total = std::min(device_bytes(), arena.size());
    std::atomic<uint64_t> generation{1};
    mutable Written written;
    std::atomic<uint32_t> peers[kMostDevices] = {};

    mutable std::mutex lock; // what follows
    std::deque<Record> records;
    std::vector<Record *> spare;
    std::map<uint64_t, Record *> by_base; // living and in quarantine
    FreeRanges free;
    std::deque<Record *> quarantine;
    uint64_t quarantined = 0;
    uint64_t next_id = 1;
    std::map<int, uint64_t> used;

    mutable std::shared_mutex adopted_lock;
    std::map<uint64_t, Allocation *> adopted; // registered memory of the host
    std::atomic<size_t> n_adopted{0};

    State() {
        if (is_set("CPU_DEVICE_UNINIT")) written.track(true);
        if (index.valid()) free.add(arena.base() + kPage, arena.size() - kPage);
    }
    Record *new_record();
    uint64_t take(uint64_t room, uint64_t align);
    void leave_quarantine();
    void shrink_quarantine(size_t entries, uint64_t bytes);
    void retire(Record *record);
    const Allocation *find_adopted(uint64_t address, uint64_t size) const;
    bool release_adopted(uint64_t base);
};

Record *Memory::State::new_record() {
    if (spare.empty()) return &records.emplace_back();
    Record *record = spare.back();
    spare.pop_back();
    *record = Record();
    return record;
}

uint64_t Memory::State::take(uint64_t room, uint64_t align) {
    uint64_t at = free.take(room, align);
    if (at || quarantine.empty()) return at;
    shrink_quarantine(0, 0);
    return free.take(room, align);
}

void Memory::State::leave_quarantine() {
    Record *record = quarantine.front();
    quarantine.pop_front();
    quarantined -= record->room;
    by_base.erase(record->base);
    free.add(record->begin, record->room);
    spare.push_back(record);
}

void Memory::State::shrink_quarantine(size_t entries, uint64_t bytes) {
    while (quarantine.size() > entries || quarantined > bytes) leave_quarantine();
}

void Memory::State::retire(Record *record) {
    index.set(record->base, record->size, nullptr);
    record->freed = true;
    written.end(record->base);
    generation.fetch_add(1, std::memory_order_release);
    if (record->kind != MemoryKind::pinned && !record->closed && !record->reserved)
        used[record->device] -= record->size;
    if (seen_by_host(record->kind)) arena.close_to_host(record->base, round_up(record->size, kPage));
    if (record->size >= kWorthDiscarding) {
        const uint64_t first = round_up(record->base, kPage), last = (record->begin + record->room) / kPage * kPage;
        if (last > first) arena.discard(first, last - first);
    }
    quarantine.push_back(record);
    quarantined += record->room;
    shrink_quarantine(kQuarantine, arena.size() / 4);
}

const Allocation *Memory::State::find_adopted(uint64_t address, uint64_t size) const {
    if (!n_adopted.load(std::memory_order_acquire)) return nullptr;
    std::shared_lock<std::shared_mutex> guard(adopted_lock);
    auto after = adopted.upper_bound(address);
    if (after == adopted.begin()) return nullptr;
    const Allocation *found = std::prev(after)->second;
    const uint64_t offset = address - found->base;
    return offset < found->size && size <= found->size - offset ? found : nullptr;
}

bool Memory::State::release_adopted(uint64_t base) {
    std::unique_lock<std::shared_mutex> guard(adopted_lock);
    auto found = adopted.find(base);
    if (found == adopted.end()) return false;
    found->second->freed = true; // the record stays: a running kernel may hold it
    adopted.erase(found);
    n_adopted.store(adopted.size(), std::memory_order_release);
    generation.fetch_add(1, std::memory_order_release);
    return true;
}

Memory::Memory() : state_(std::make_unique<State>()) {}
Memory::~Memory() = default;

const Allocation *Memory::allocate(uint64_t size, uint64_t align, MemoryKind kind, int device) {
    State &s = *state_;
    if (!size || size > s.arena.size() || align > s.arena.size() || (align & (align - 1))) return nullptr;
    // what the host may touch has pages of its own
    const uint64_t unit = seen_by_host(kind) ? kPage : kGranule;
    const uint64_t room = round_up(size, unit) + unit;
    std::lock_guard<std::mutex> guard(s.lock);
    uint64_t &used = s.used[device];
    if (kind != MemoryKind::pinned && (size > s.total || used > s.total - size)) return nullptr;
    const uint64_t base = s.take(room, std::max(align, unit));
    if (!base) return nullptr;
    Record *record = s.new_record();
    record->base = record->begin = base;
    record->room = room;
    record->size = size;
    record->host = s.arena.host(base);
    record->id = s.next_id++;
    record->kind = kind;
    record->device = device;
    const bool open = !seen_by_host(kind) || s.arena.open_to_host(base, round_up(size, kPage));
    if (!open || !s.index.set(base, size, record)) {
        s.index.set(base, size, nullptr);
        s.free.add(base, room);
        s.spare.push_back(record);
        return nullptr;
    }
    s.by_base[base] = record;
    if (kind == MemoryKind::device && !host_access()) s.written.begin(base, size);
    if (kind != MemoryKind::pinned) used += size;
    return record;
}

const Allocation *Memory::adopt(void *host, uint64_t size, int device) {
    State &s = *state_;
    const uint64_t base = reinterpret_cast<uint64_t>(host);
    if (!base || !size || base + size < base || s.arena.contains(base) || s.arena.contains(base + size - 1))
        return nullptr;
    auto made = std::make_unique<Allocation>();
    made->base = base;
    made->size = size;
    made->host = static_cast<uint8_t *>(host);
    made->kind = MemoryKind::registered;
    made->device = device;
    {
        std::lock_guard<std::mutex> guard(s.lock);
        made->id = s.next_id++;
    }
    std::unique_lock<std::shared_mutex> guard(s.adopted_lock);
    auto after = s.adopted.lower_bound(base);
    if (after != s.adopted.end() && after->first < base + size) return nullptr;
    if (after != s.adopted.begin()) {
        const Allocation *before = std::prev(after)->second;
        if (before->base + before->size > base) return nullptr;
    }
    s.adopted[base] = made.get();
    s.n_adopted.store(s.adopted.size(), std::memory_order_release);
    return made.release();
}

uint64_t Memory::reserve(uint64_t size, uint64_t align, uint64_t wanted) {
    State &s = *state_;
    if (!size || size > s.arena.size() || (align & (align - 1))) return 0;
    std::lock_guard<std::mutex> guard(s.lock);
    const uint64_t base = s.free.take_at(wanted, size) ? wanted : s.take(size, std::max(align, kPage));
    if (!base) return 0;
    Record *record = s.new_record();
    record->base = record->begin = base;
    record->room = record->size = size;
    record->host = s.arena.host(base);
    record->id = s.next_id++;
    record->reserved = true;
    s.by_base[base] = record;
    return base;
}

uint64_t Memory::create(uint64_t size, int device) {
    const Allocation *made = allocate(size, kPage, MemoryKind::device, device);
    if (!made) return 0;
    std::memset(made->host, 0, size);
    std::lock_guard<std::mutex> guard(state_->lock);
    state_->index.set(made->base, size, nullptr);
    return made->base;
}

bool Memory::map(uint64_t address, uint64_t size, uint64_t from) {
    return state_->arena.show(address, size, from);
}

bool Memory::map_file(uint64_t address, uint64_t size, int file, uint64_t offset, bool to_host) {
    return state_->arena.show_file(address, size, file, offset, to_host);
}

int Memory::file(uint64_t address, uint64_t &offset) const {
    offset = address - state_->arena.base();
    return state_->arena.file();
}

bool Memory::can_map() const {
    return state_->arena.can_show();
}

// New records take the place of the old ones, so that a kernel that runs sees one or the other.
bool Memory::lay_out(uint64_t base, const std::vector<Mapped> &parts) {
    State &s = *state_;
    std::lock_guard<std::mutex> guard(s.lock);
    auto found = s.by_base.find(base);
    if (found == s.by_base.end()) return false;
    uint64_t at = base;
    for (size_t k = 0; k < parts.size();) {
        Record *record = s.new_record();
        record->base = parts[k].address;
        record->host = s.arena.host(record->base);
        record->id = found->second->id;
        record->kind = parts[k].kind;
        record->device = parts[k].device;
        record->restricted = true;
        record->access = parts[k].access;
        do record->size += parts[k++].size;
        while (k < parts.size() && parts[k].address == record->base + record->size && parts[k].kind == record->kind &&
               parts[k].device == record->device && parts[k].access == record->access);
        if (record->base > at) s.index.set(at, record->base - at, nullptr);
        if (!s.index.set(record->base, record->size, record)) return false;
        at = round_up(record->base + record->size, kGranule); // no two share one
    }
    const uint64_t end = base + found->second->size;
    if (end > at) s.index.set(at, end - at, nullptr);
    s.generation.fetch_add(1, std::memory_order_release);
    return true;
}

bool Memory::may_access(int device, const Allocation &a) const {
    if (a.restricted) return __atomic_load_n(&a.access, __ATOMIC_RELAXED) >> device & 1;
    if (a.device == device || (a.kind != MemoryKind::device && a.kind != MemoryKind::module)) return true;
    return state_->peers[device].load(std::memory_order_relaxed) >> a.device & 1;
}

void Memory::set_peer(int device, int peer, bool on) {
    if (on)
        state_->peers[device] |= 1u << peer;
    else
        state_->peers[device] &= ~(1u << peer);
    state_->generation.fetch_add(1, std::memory_order_release);
}

void Memory::restrict(uint64_t base, uint32_t access) {
    State &s = *state_;
    std::lock_guard<std::mutex> guard(s.lock);
    auto found = s.by_base.find(base);
    if (found == s.by_base.end() || found->second->freed) return;
    found->second->restricted = true;
    __atomic_store_n(&found->second->access, access, __ATOMIC_RELAXED);
    s.generation.fetch_add(1, std::memory_order_release);
}

bool Memory::in_range(uint64_t address) const {
    return state_->arena.contains(address);
}

bool Memory::release(uint64_t base) {
    State &s = *state_;
    if (!s.arena.contains(base)) return s.release_adopted(base);
    std::lock_guard<std::mutex> guard(s.lock);
    auto found = s.by_base.find(base);
    if (found == s.by_base.end() || found->second->freed) return false;
    s.retire(found->second);
    return true;
}

bool Memory::close(uint64_t base) {
    State &s = *state_;
    std::lock_guard<std::mutex> guard(s.lock);
    auto found = s.by_base.find(base);
    if (found == s.by_base.end() || found->second->freed || found->second->closed) return false;
    Record &record = *found->second;
    s.index.set(base, record.size, nullptr);
    s.generation.fetch_add(1, std::memory_order_release);
    record.closed = true;
    s.used[record.device] -= record.size;
    return true;
}

bool Memory::open(uint64_t base) {
    State &s = *state_;
    std::lock_guard<std::mutex> guard(s.lock);
    auto found = s.by_base.find(base);
    if (found == s.by_base.end() || found->second->freed || !found->second->closed) return false;
    Record &record = *found->second;
    uint64_t &used = s.used[record.device];
    if (used > s.total - std::min(record.size, s.total) || !s.index.set(base, record.size, &record)) {
        s.index.set(base, record.size, nullptr);
        return false;
    }
    record.closed = false;
    used += record.size;
    return true;
}

const Allocation *Memory::reserved(uint64_t address, uint64_t size) const {
    const State &s = *state_;
    std::lock_guard<std::mutex> guard(s.lock);
    auto after = s.by_base.upper_bound(address);
    if (after == s.by_base.begin()) return nullptr;
    const Record *found = std::prev(after)->second;
    const uint64_t offset = address - found->base;
    return !found->freed && offset < found->size && size <= found->size - offset ? found : nullptr;
}

const Allocation *Memory::find(uint64_t address, uint64_t size) const {
    const State &s = *state_;
    if (!size) size = 1;
    if (!s.arena.contains(address)) return s.find_adopted(address, size);
    const Allocation *found = s.index.at(address);
    if (!found) return nullptr;
    const uint64_t offset = address - found->base;
    return offset < found->size && size <= found->size - offset ? found : nullptr;
}

const Allocation *Memory::nearest(uint64_t address) const {
    const State &s = *state_;
    std::lock_guard<std::mutex> guard(s.lock);
    auto after = s.by_base.upper_bound(address);
    if (after == s.by_base.begin()) return after == s.by_base.end() ? nullptr : after->second;
    const Record *below = std::prev(after)->second;
    if (after == s.by_base.end() || address - below->base < below->size) return below;
    const uint64_t behind = address - (below->base + below->size) + 1;
    return behind <= after->first - address ? below : after->second;
}

uint64_t Memory::generation() const {
    return state_->generation.load(std::memory_order_acquire);
}

uint64_t Memory::used() const {
    std::lock_guard<std::mutex> guard(state_->lock);
    uint64_t sum = 0;
    for (const auto &[device, bytes] : state_->used) sum += bytes;
    return sum;
}

uint64_t Memory::used(int device) const {
    std::lock_guard<std::mutex> guard(state_->lock);
    auto found = state_->used.find(device);
    return found == state_->used.end() ? 0 : found->second;
}

uint64_t Memory::total() const {
    return state_->total;
}

Written &Memory::written() const {
    return state_->written;
}

} // namespace cpu_device
