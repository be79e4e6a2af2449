// A stream: operations in order, done by a thread of its own, or by the thread that waits for them where that is sooner.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "generated_exports.hpp"
#include "handle.hpp"
#include "timeline.hpp"

namespace cpu_device {

class Context;
class GreenContext;
struct StreamCapture;

constexpr int kGreatestPriority = -5; // 0 is the least

inline int clamped_priority(int priority) {
    return priority > 0 ? 0 : priority < kGreatestPriority ? kGreatestPriority : priority;
}

class Stream : public Object, public std::enable_shared_from_this<Stream> {
  public:
    static constexpr HandleKind kKind = HandleKind::stream;
    using Work = std::function<void()>;

    Stream(std::shared_ptr<Context> owner, unsigned flags, int priority, std::shared_ptr<GreenContext> green = nullptr,
           bool is_default = false);
    // What waits is ordered behind what the stream semantics and wait_for() say.  `by_worker`: not in a thread that waits (host functions).
    Moment submit(Work work, bool by_worker = false);
    // Later operations begin after the moment.
    void wait_for(const Moment &moment);
    // Does what was submitted up to `moment`, or waits until it is done.
    void finish(const Moment &moment);
    Moment last() const; // the moment after everything submitted so far
    bool idle() const { return last().passed(); }
    void close(); // the thread ends after the last operation
    bool blocking() const { return !(flags & CU_STREAM_NON_BLOCKING); }

    const std::shared_ptr<Context> owner; // lets go of its streams when it ends
    Context &context;                     // of a green context's stream: the primary one
    const std::shared_ptr<GreenContext> green;
    const bool is_default; // the legacy stream of the context, or of the green one
    const unsigned flags;
    std::atomic<int> priority;
    const uint64_t id;
    // What is being captured here; the lock of captures is held.
    std::shared_ptr<StreamCapture> capture;
    std::atomic<bool> capturing{false};

    // What was set with cuStreamSetAttribute (stream_attributes.cpp).
    using Attributes = std::map<int, CUstreamAttrValue>;
    Attributes attributes() const;
    void set_attributes(Attributes attributes);

  private:
    struct Operation {
        Work work;
        std::vector<Moment> after;
        bool by_worker;
    };
    void start_worker();
    void work_loop();
    bool take(Operation &operation, bool by_worker); // with lock_ held
    void perform(Operation &operation, std::unique_lock<std::mutex> &guard);

    mutable std::mutex lock_;
    std::condition_variable changed_;
    std::deque<Operation> queue_;
    std::vector<Moment> after_; // for the next operation
    Attributes attributes_;
    uint64_t submitted_ = 0;
    bool busy_ = false, closed_ = false, has_worker_ = false;
    std::shared_ptr<Timeline> timeline_ = std::make_shared<Timeline>();
};

// True in a thread that is doing a stream's work: host functions may not call CUDA.
bool in_stream_work();

// While one lives, its thread does a stream's work.
class StreamWork {
  public:
    StreamWork();
    ~StreamWork();
    StreamWork(const StreamWork &) = delete;
    StreamWork &operator=(const StreamWork &) = delete;

  private:
    const bool before_;
};

} // namespace cpu_device
