// An event: the moment at which it was last recorded, and the time then.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>

#include "generated_exports.hpp"
#include "handle.hpp"
#include "shared_event.hpp"
#include "timeline.hpp"

namespace cpu_device {

class Stream;
class Context;
struct EventCapture;

class Event : public Object {
  public:
    static constexpr HandleKind kKind = HandleKind::event;
    using Clock = std::chrono::steady_clock;

    Event(Context &context, unsigned flags);
    void record(Stream &stream);
    // A recording by a graph that is being launched: the moment that it will have passed, and what makes it pass.
    std::function<void()> begin_record(Stream &stream);
    Moment moment() const; // passed where it was never recorded
    bool recorded() const;
    Clock::time_point time() const; // when the moment has passed
    bool timed() const { return !(flags & CU_EVENT_DISABLE_TIMING); }

    const std::shared_ptr<Context> owner;
    const unsigned flags;
    std::shared_ptr<SharedEvent> shared; // of several processes: what counts instead of moment()
    bool imported = false;               // made by another one
    // What it stands for where it was last recorded in a capture; the lock of captures is held.
    std::shared_ptr<EventCapture> capture;
    std::atomic<bool> captured{false};

  private:
    mutable std::mutex lock_;
    Moment moment_;
    std::shared_ptr<Clock::time_point> time_; // a new one for each recording: an earlier one may still be under way
    std::weak_ptr<Stream> stream_;

  public:
    std::shared_ptr<Stream> stream() const; // where it was recorded, if that is still there
};

// The stream's later work begins after the event's last recording, which may be another process's.
void wait_for_event(Stream &stream, const Event &event);

} // namespace cpu_device
