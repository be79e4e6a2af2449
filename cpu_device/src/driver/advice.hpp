// What a program said about managed memory: advice and prefetching.  It moves nothing here; it is remembered to be asked for.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>

#include "generated_exports.hpp"

namespace cpu_device {

// A place; type INVALID: none.
struct Place {
    int type = CU_MEM_LOCATION_TYPE_INVALID, id = 0;
    bool operator==(const Place &other) const { return type == other.type && id == other.id; }
};

struct Advice {
    bool read_mostly = false;
    Place preferred, last_prefetch;
    std::set<int> accessed_by; // ordinals; CU_DEVICE_CPU: the host
    bool operator==(const Advice &other) const {
        return read_mostly == other.read_mostly && preferred == other.preferred &&
               last_prefetch == other.last_prefetch && accessed_by == other.accessed_by;
    }
};

// The advice of one allocation, by pages: what is said about a part of a page holds for the whole of it.
class AdviceMap {
  public:
    static constexpr uint64_t kPage = 4096;

    // change(Advice &) for the pages of [first, first + size).
    template <class Change> void apply(uint64_t first, uint64_t size, Change &&change) {
        const uint64_t begin = first / kPage, end = (first + size - 1) / kPage + 1;
        split(begin);
        split(end);
        for (auto at = segments_.find(begin); at != segments_.end() && at->first < end; ++at) change(at->second);
    }
    // look(const Advice &) for each run of pages with the same advice in the range.
    template <class Look> void each(uint64_t first, uint64_t size, Look &&look) const {
        const uint64_t begin = first / kPage, end = (first + size - 1) / kPage + 1;
        auto at = segments_.upper_bound(begin);
        for (--at; at != segments_.end() && at->first < end; ++at) look(at->second);
    }

  private:
    void split(uint64_t page) {
        auto after = segments_.upper_bound(page);
        auto at = std::prev(after);
        if (at->first != page) segments_.emplace_hint(after, page, at->second);
    }

    std::map<uint64_t, Advice> segments_{{0, Advice{}}}; // from the page to the next entry
};

} // namespace cpu_device
