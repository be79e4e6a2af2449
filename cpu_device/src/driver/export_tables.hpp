// What the generated source of exports is made of, and the tables that it ends with.
#pragma once

#include <cstddef>

#include "exported.hpp"

namespace cpu_device {

// What a function that nobody wrote answers: CUDA_ERROR_NOT_SUPPORTED.
constexpr int not_supported() {
    return 801;
}

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

// One answer of cuGetProcAddress: `name` from CUDA `version` on, until a later version of the same name.
struct Export {
    const char *name;
    int version;
    void *function, *per_thread;
};
extern const Export kExports[]; // by name, then version
extern const size_t kExportCount;

struct StatusName {
    int value;
    const char *name;
};
extern const StatusName kStatusNames[];
extern const size_t kStatusNameCount;

template <class Function> void *address(Function *function) {
    return reinterpret_cast<void *>(function);
}

} // namespace cpu_device
