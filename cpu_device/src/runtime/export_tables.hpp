// What the generated source of exports is made of, and the table that it ends with.
#pragma once

#include <cstddef>

#include "exported.hpp"

namespace cpu_device {

// What a function that nobody wrote answers: cudaErrorNotSupported, which is the calling thread's last error then.
int not_supported();

// While one lives, this thread's default stream is its own one (symbols with _ptds and _ptsz).
class PerThreadStream {
  public:
    PerThreadStream() : before_(active_) { active_ = true; }
    ~PerThreadStream() { active_ = before_; }
    PerThreadStream(const PerThreadStream &) = delete;
    PerThreadStream &operator=(const PerThreadStream &) = delete;
    static bool active() { return active_; }

  private:
    static thread_local bool active_;
    bool before_;
};

struct StatusName {
    int value;
    const char *name;
};
extern const StatusName kStatusNames[];
extern const size_t kStatusNameCount;

} // namespace cpu_device
