// What a handle stands for, and the registry that says so.  A handle is a number that was given out once and never again; it points to
// nothing, so that any number may be asked about.
#pragma once

#include <cstdint>
#include <memory>

namespace cpu_device {

enum class HandleKind : uint64_t {
    context = 1,
    stream,
    event,
    module,
    library,
    kernel,
    function,
    pool,
    link,
    graph,
    node,
    graph_exec,
    user_object,
    physical,
    array,
    mipmapped_array,
    texture,
    surface,
    green,
    green_view,
    resources
};

class Object {
  public:
    virtual ~Object() = default;
    uint64_t handle = 0; // set when it is registered
};

// Registers `object` and returns its handle.
uint64_t add_handle(HandleKind kind, std::shared_ptr<Object> object);
std::shared_ptr<Object> find_handle(HandleKind kind, uint64_t handle);
// Returns what it stood for; nullptr where it was no handle of the kind.
std::shared_ptr<Object> remove_handle(HandleKind kind, uint64_t handle);

template <class T> uint64_t publish(const std::shared_ptr<T> &object) {
    return add_handle(T::kKind, object);
}

template <class T, class Handle> std::shared_ptr<T> lookup(Handle handle) {
    return std::static_pointer_cast<T>(find_handle(T::kKind, reinterpret_cast<uint64_t>(handle)));
}

template <class T, class Handle> std::shared_ptr<T> retire(Handle handle) {
    return std::static_pointer_cast<T>(remove_handle(T::kKind, reinterpret_cast<uint64_t>(handle)));
}

template <class Handle> Handle as(const Object &object) {
    return reinterpret_cast<Handle>(object.handle);
}

} // namespace cpu_device
