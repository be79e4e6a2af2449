// How far a stream has come: operations are counted, and others wait for a count.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#include "interrupt.hpp"

namespace cpu_device {

class Timeline {
  public:
    bool reached(uint64_t count) const { return done_.load(std::memory_order_acquire) >= count; }
    uint64_t done() const { return done_.load(std::memory_order_acquire); }
    void advance(uint64_t count) {
        {
            std::lock_guard<std::mutex> guard(lock_);
            done_.store(count, std::memory_order_release);
        }
        changed_.notify_all();
    }
    void wait(uint64_t count) {
        if (reached(count)) return;
        const Interruptible by_signal;
        std::unique_lock<std::mutex> guard(lock_);
        changed_.wait(guard, [&] { return reached(count); });
    }

  private:
    std::atomic<uint64_t> done_{0};
    std::mutex lock_;
    std::condition_variable changed_;
};

// A point on a timeline: what an event remembers and an operation waits for.
struct Moment {
    std::shared_ptr<Timeline> timeline;
    uint64_t count = 0;

    bool passed() const { return !timeline || timeline->reached(count); }
    void wait() const {
        if (timeline) timeline->wait(count);
    }
};

} // namespace cpu_device
