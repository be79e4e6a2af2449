// Free ranges by address and by size.
#include "free_ranges.hpp"

namespace cpu_device {

void FreeRanges::insert(uint64_t begin, uint64_t size) {
    if (!size) return;
    by_begin_.emplace(begin, size);
    by_size_.emplace(size, begin);
}

void FreeRanges::erase(std::map<uint64_t, uint64_t>::iterator at) {
    by_size_.erase({at->second, at->first});
    by_begin_.erase(at);
}

void FreeRanges::add(uint64_t begin, uint64_t size) {
    auto after = by_begin_.lower_bound(begin);
    if (after != by_begin_.end() && begin + size == after->first) {
        size += after->second;
        erase(after);
    }
    after = by_begin_.lower_bound(begin);
    if (after != by_begin_.begin()) {
        auto before = std::prev(after);
        if (before->first + before->second == begin) {
            begin = before->first;
            size += before->second;
            erase(before);
        }
    }
    insert(begin, size);
}

uint64_t FreeRanges::take(uint64_t size, uint64_t align) {
    for (auto it = by_size_.lower_bound({size, 0}); it != by_size_.end(); ++it) {
        const auto [room, begin] = *it;
        const uint64_t at = (begin + align - 1) & ~(align - 1);
        if (at < begin || at - begin > room || room - (at - begin) < size) continue;
        erase(by_begin_.find(begin));
        insert(begin, at - begin);
        insert(at + size, begin + room - (at + size));
        return at;
    }
    return 0;
}

bool FreeRanges::take_at(uint64_t begin, uint64_t size) {
    auto after = by_begin_.upper_bound(begin);
    if (!begin || after == by_begin_.begin()) return false;
    const auto found = std::prev(after);
    const uint64_t first = found->first, end = first + found->second;
    if (begin >= end || size > end - begin) return false;
    erase(found);
    if (begin > first) insert(first, begin - first);
    if (end > begin + size) insert(begin + size, end - begin - size);
    return true;
}

} // namespace cpu_device
