// Variables by their handles.
#include "conditionals.hpp"

#include <mutex>
#include <unordered_map>

namespace cpu_device {

namespace {

struct Variables {
    std::mutex lock;
    std::unordered_map<uint64_t, uint32_t> values;
    uint64_t next = 1;
};

Variables &variables() {
    static auto &made = *new Variables;
    return made;
}

constexpr uint64_t kMark = uint64_t(0x6c) << 40; // so that a number at hand is not a handle by chance

} // namespace

uint64_t add_conditional(uint32_t value) {
    Variables &v = variables();
    std::lock_guard<std::mutex> guard(v.lock);
    const uint64_t handle = kMark | v.next++;
    v.values[handle] = value;
    return handle;
}

void remove_conditional(uint64_t handle) {
    Variables &v = variables();
    std::lock_guard<std::mutex> guard(v.lock);
    v.values.erase(handle);
}

bool set_conditional(uint64_t handle, uint32_t value) {
    Variables &v = variables();
    std::lock_guard<std::mutex> guard(v.lock);
    auto found = v.values.find(handle);
    if (found == v.values.end()) return false;
    found->second = value;
    return true;
}

uint32_t get_conditional(uint64_t handle) {
    Variables &v = variables();
    std::lock_guard<std::mutex> guard(v.lock);
    auto found = v.values.find(handle);
    return found == v.values.end() ? 0 : found->second;
}

} // namespace cpu_device
