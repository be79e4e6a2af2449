// Which bytes of device memory something has written, for the search for uninitialised reads.  Nothing is kept unless tracking is on.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

namespace cpu_device {

class Written {
  public:
    // Of allocations from now on; those that are there count as written.
    void track(bool on);
    bool tracking() const { return on_.load(std::memory_order_relaxed); }
    void begin(uint64_t base, uint64_t size);
    void end(uint64_t base);
    void mark(uint64_t address, uint64_t size);
    // Whether nothing wrote any of these bytes.
    bool none(uint64_t address, uint64_t size);

  private:
    struct Range {
        uint64_t size;
        std::vector<uint64_t> bits; // a byte each
    };
    // The range with an address and the offset in it; nullptr: not tracked.
    Range *find(uint64_t address, uint64_t &offset);

    std::atomic<bool> on_{false};
    std::mutex lock_;
    std::map<uint64_t, Range> ranges_;
};

} // namespace cpu_device
