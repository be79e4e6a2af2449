// The parts of a range that are free: the smallest that fits is taken, neighbours are joined.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>

namespace cpu_device {

class FreeRanges {
  public:
    void add(uint64_t begin, uint64_t size);
    // The begin of a range of `size` at a multiple of `align` (a power of two), or 0.
    uint64_t take(uint64_t size, uint64_t align);
    bool take_at(uint64_t begin, uint64_t size); // false where some of it is not free

  private:
    void insert(uint64_t begin, uint64_t size);
    void erase(std::map<uint64_t, uint64_t>::iterator at);

    std::map<uint64_t, uint64_t> by_begin_;
    std::set<std::pair<uint64_t, uint64_t>> by_size_;
};

} // namespace cpu_device
