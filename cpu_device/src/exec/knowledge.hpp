// What a thread knows of others: up to which time of each its accesses are ordered before what this thread does next.
//
// A thread's time goes on at each synchronisation.  Times of the threads of the own cluster are a vector; vectors are shared and never changed.
// Other clusters are known only through fences and atomics, which is rare: theirs are kept by cluster.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace cpu_device {

using Times = std::vector<uint32_t>;
using SharedTimes = std::shared_ptr<const Times>;
using Others = std::map<uint64_t, SharedTimes>; // by cluster
using SharedOthers = std::shared_ptr<const Others>;

struct Knowledge {
    SharedTimes own;     // nullptr: nothing
    SharedOthers others; // nullptr: nothing
};

// Both together; one of the two where the other adds nothing.
SharedTimes join(const SharedTimes &a, const SharedTimes &b);
SharedOthers join(const SharedOthers &a, const SharedOthers &b);

// What several threads bring to one place, like a barrier.
class Gathered {
  public:
    void add(const Knowledge &k);
    void set(uint32_t thread, uint32_t time, uint32_t threads);
    Knowledge take(); // and is empty again
    bool empty() const { return times_.empty() && !others_; }

  private:
    Times times_;
    SharedTimes last_;
    SharedOthers others_;
};

} // namespace cpu_device
