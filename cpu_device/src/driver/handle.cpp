// The registry of handles.
#include "handle.hpp"

#include <mutex>
#include <shared_mutex>
#include <unordered_map>

namespace cpu_device {

namespace {

struct Registry {
    std::shared_mutex lock;
    std::unordered_map<uint64_t, std::shared_ptr<Object>> objects;
    uint64_t next = 1;
};

Registry &registry() {
    static auto &made = *new Registry; // never destroyed: threads may use it while the process ends
    return made;
}

constexpr int kKindShift = 40; // looks like no address of the host, and keeps handles of different kinds apart

} // namespace

uint64_t add_handle(HandleKind kind, std::shared_ptr<Object> object) {
    Registry &r = registry();
    std::unique_lock<std::shared_mutex> guard(r.lock);
    const uint64_t handle = (static_cast<uint64_t>(kind) << kKindShift) | (r.next++ << 4);
    object->handle = handle;
    r.objects.emplace(handle, std::move(object));
    return handle;
}

std::shared_ptr<Object> find_handle(HandleKind kind, uint64_t handle) {
    if (handle >> kKindShift != static_cast<uint64_t>(kind)) return nullptr;
    Registry &r = registry();
    std::shared_lock<std::shared_mutex> guard(r.lock);
    auto found = r.objects.find(handle);
    return found == r.objects.end() ? nullptr : found->second;
}

std::shared_ptr<Object> remove_handle(HandleKind kind, uint64_t handle) {
    if (handle >> kKindShift != static_cast<uint64_t>(kind)) return nullptr;
    Registry &r = registry();
    std::unique_lock<std::shared_mutex> guard(r.lock);
    auto found = r.objects.find(handle);
    if (found == r.objects.end()) return nullptr;
    std::shared_ptr<Object> object = std::move(found->second);
    r.objects.erase(found);
    return object;
}

} // namespace cpu_device
