// User objects: counted references to something of the program's, that graphs may own, and a function to call when none is left.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "generated_exports.hpp"
#include "handle.hpp"

namespace cpu_device {

class UserObject : public Object {
  public:
    static constexpr HandleKind kKind = HandleKind::user_object;
    UserObject(void *data, CUhostFn destroy, uint64_t count)
        : data_(data), destroy_(destroy), total_(count), own_(count) {}
    // References of the program and of graphs.  False: there are not so many.
    bool retain(uint64_t n, bool by_graph, bool moved);
    bool release(uint64_t n, bool by_graph);

  private:
    void *const data_;
    const CUhostFn destroy_;
    std::mutex lock_;
    uint64_t total_, own_;
};

// The references that a graph has; a copy has its own.
class UserObjects {
  public:
    UserObjects() = default;
    UserObjects(const UserObjects &) = delete;
    UserObjects &operator=(const UserObjects &other);
    ~UserObjects();
    bool retain(const std::shared_ptr<UserObject> &object, uint64_t n, bool moved);
    bool release(UserObject &object, uint64_t n);

  private:
    struct Held {
        std::shared_ptr<UserObject> object;
        uint64_t count = 0;
    };
    std::map<UserObject *, Held> held_;
};

} // namespace cpu_device
