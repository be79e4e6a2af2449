#include "written.hpp"

#include <algorithm>

namespace cpu_device {

void Written::track(bool on) {
    std::lock_guard<std::mutex> guard(lock_);
    on_ = on;
    if (!on) ranges_.clear();
}

void Written::begin(uint64_t base, uint64_t size) {
    if (!tracking()) return;
    std::lock_guard<std::mutex> guard(lock_);
    ranges_[base] = Range{size, std::vector<uint64_t>((size + 63) / 64)};
}

void Written::end(uint64_t base) {
    if (!tracking()) return;
    std::lock_guard<std::mutex> guard(lock_);
    ranges_.erase(base);
}

Written::Range *Written::find(uint64_t address, uint64_t &offset) {
    auto after = ranges_.upper_bound(address);
    if (after == ranges_.begin()) return nullptr;
    --after;
    offset = address - after->first;
    return offset < after->second.size ? &after->second : nullptr;
}

void Written::mark(uint64_t address, uint64_t size) {
    if (!tracking()) return;
    std::lock_guard<std::mutex> guard(lock_);
    uint64_t at;
    Range *range = find(address, at);
    if (!range) return;
    const uint64_t end = std::min(at + size, range->size);
    while (at < end) {
        const uint64_t n = std::min<uint64_t>(64 - at % 64, end - at);
        range->bits[at / 64] |= (n == 64 ? ~uint64_t(0) : (uint64_t(1) << n) - 1) << at % 64;
        at += n;
    }
}

bool Written::none(uint64_t address, uint64_t size) {
    if (!tracking()) return false;
    std::lock_guard<std::mutex> guard(lock_);
    uint64_t at;
    const Range *range = find(address, at);
    if (!range) return false;
    for (const uint64_t end = std::min(at + size, range->size); at < end; ++at)
        if (range->bits[at / 64] >> at % 64 & 1) return false;
    return true;
}

} // namespace cpu_device
