// Waiting in a stream's work for what no other stream of this process says: a word of memory, another process.
#pragma once

#include <chrono>
#include <thread>

#include "../exec/program.hpp"
#include "context.hpp"
#include "interrupt.hpp"

namespace cpu_device {

class Poll {
  public:
    // `made`: interrupts() when the wait was asked for.
    Poll(Context &context, uint64_t made) : context_(context), made_(made) {}

    // Until met() is true: often at first, then every 50 us.  False where the context failed or the wait was interrupted.
    template <class Met> bool wait(Met &&met) {
        const Interruptible by_signal;
        for (unsigned turn = 0;; turn++) {
            if (given_up()) return false;
            if (met()) return true;
            if (turn < 200)
                std::this_thread::yield();
            else
                std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
    }

  private:
    // A context that ends gives its waits a second.
    bool given_up() {
        if (interrupts() != made_) {
            Fault fault;
            fault.what = "a stream's wait was interrupted";
            context_.fail(Status::launch_failed, fault);
        }
        if (context_.stop || context_.fault() != CUDA_SUCCESS) return true;
        if (context_.alive()) return false;
        const auto now = std::chrono::steady_clock::now();
        if (ending_ == ending_.max()) ending_ = now;
        return now - ending_ > std::chrono::seconds(1);
    }

    Context &context_;
    const uint64_t made_;
    std::chrono::steady_clock::time_point ending_ = std::chrono::steady_clock::time_point::max();
};

} // namespace cpu_device
