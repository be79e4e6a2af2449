// User objects and the thread that calls their functions.
#include "user_object.hpp"

#include <climits>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <pthread.h>
#include <thread>

#include "graph.hpp"

namespace cpu_device {

namespace {

// Functions are called by a thread of their own: whoever lets go of the last reference may hold locks.
class Destroyer {
  public:
    void add(CUhostFn function, void *data) {
        std::lock_guard<std::mutex> guard(lock_);
        if (!started_) start();
        started_ = true;
        queue_.emplace_back(function, data);
        changed_.notify_one();
    }

  private:
    void start() {
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        std::thread([this] { loop(); }).detach();
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    void loop() {
        const StreamWork work; // the functions may not call CUDA
        std::unique_lock<std::mutex> guard(lock_);
        for (;;) {
            changed_.wait(guard, [&] { return !queue_.empty(); });
            const auto [function, data] = queue_.front();
            queue_.pop_front();
            guard.unlock();
            function(data);
            guard.lock();
        }
    }

    std::mutex lock_;
    std::condition_variable changed_;
    std::deque<std::pair<CUhostFn, void *>> queue_;
    bool started_ = false;
};

Destroyer &destroyer() {
    static auto &made = *new Destroyer;
    return made;
}

} // namespace

bool UserObject::retain(uint64_t n, bool by_graph, bool moved) {
    std::lock_guard<std::mutex> guard(lock_);
    if (!total_ || (moved && own_ < n)) return false;
    if (moved)
        own_ -= n;
    else
        total_ += n;
    if (!by_graph) own_ += n;
    return true;
}

bool UserObject::release(uint64_t n, bool by_graph) {
    {
        std::lock_guard<std::mutex> guard(lock_);
        if (n > (by_graph ? total_ - own_ : own_)) return false;
        total_ -= n;
        if (!by_graph) own_ -= n;
        if (total_) return true;
    }
    remove_handle(kKind, handle);
    destroyer().add(destroy_, data_);
    return true;
}

UserObjects &UserObjects::operator=(const UserObjects &other) {
    for (const auto &[key, held] : other.held_) retain(held.object, held.count, false);
    return *this;
}

UserObjects::~UserObjects() {
    for (const auto &[key, held] : held_) held.object->release(held.count, true);
}

bool UserObjects::retain(const std::shared_ptr<UserObject> &object, uint64_t n, bool moved) {
    Held &held = held_[object.get()];
    held.object = object;
    const bool done = object->retain(n, true, moved);
    if (done) held.count += n;
    if (!held.count) held_.erase(object.get());
    return done;
}

bool UserObjects::release(UserObject &object, uint64_t n) {
    auto found = held_.find(&object);
    if (found == held_.end() || found->second.count < n) return false;
    const Held held = found->second;
    if (!(found->second.count -= n)) held_.erase(found);
    return held.object->release(n, true);
}

} // namespace cpu_device

using namespace cpu_device;

namespace {

bool valid_count(unsigned n) {
    return n && n <= INT_MAX;
}

template <class Body> CUresult on_object(CUuserObject handle, unsigned count, Body &&body) {
    return call([&]() -> CUresult {
        if (in_stream_work()) return CUDA_ERROR_NOT_PERMITTED;
        const std::shared_ptr<UserObject> object = lookup<UserObject>(handle);
        return object && valid_count(count) && body(object) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    });
}

} // namespace

extern "C" {

CUresult cuUserObjectCreate(CUuserObject *out, void *data, CUhostFn destroy, unsigned count, unsigned flags) {
    return call([&] {
        if (in_stream_work()) return CUDA_ERROR_NOT_PERMITTED;
        if (!out || !destroy || !valid_count(count) || flags != CU_USER_OBJECT_NO_DESTRUCTOR_SYNC)
            return CUDA_ERROR_INVALID_VALUE;
        auto object = std::make_shared<UserObject>(data, destroy, count);
        publish(object);
        *out = as<CUuserObject>(*object);
        return CUDA_SUCCESS;
    });
}

CUresult cuUserObjectRetain(CUuserObject handle, unsigned count) {
    return on_object(handle, count, [&](auto &object) { return object->retain(count, false, false); });
}

CUresult cuUserObjectRelease(CUuserObject handle, unsigned count) {
    return on_object(handle, count, [&](auto &object) { return object->release(count, false); });
}

CUresult cuGraphRetainUserObject(CUgraph graph, CUuserObject handle, unsigned count, unsigned flags) {
    return with_graph(graph, [&](Graph &found) {
        if (flags & ~static_cast<unsigned>(CU_GRAPH_USER_OBJECT_MOVE)) return CUDA_ERROR_INVALID_VALUE;
        return on_object(handle, count, [&](auto &object) { return found.objects.retain(object, count, flags != 0); });
    });
}

CUresult cuGraphReleaseUserObject(CUgraph graph, CUuserObject handle, unsigned count) {
    return with_graph(graph, [&](Graph &found) {
        return on_object(handle, count, [&](auto &object) { return found.objects.release(*object, count); });
    });
}
}
