// The queue of a stream and the threads that empty it.
#include "stream.hpp"

#include "context.hpp"

#include <atomic>
#include <csignal>
#include <pthread.h>

namespace cpu_device {

namespace {

thread_local bool working = false;

uint64_t next_id() {
    static std::atomic<uint64_t> next{3}; // 1 and 2 are the default streams'
    return next++;
}

} // namespace

bool in_stream_work() {
    return working;
}

StreamWork::StreamWork() : before_(working) {
    working = true;
}

StreamWork::~StreamWork() {
    working = before_;
}

Stream::Stream(std::shared_ptr<Context> owner_, unsigned flags_, int priority_, std::shared_ptr<GreenContext> green_,
               bool is_default_)
    : owner(std::move(owner_)), context(*owner), green(std::move(green_)), is_default(is_default_), flags(flags_),
      priority(priority_), id(next_id()) {}

// A signal is for the program's own threads, as Python's handlers expect.
void Stream::start_worker() {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        std::thread([self = shared_from_this()] { self->work_loop(); }).detach();
        has_worker_ = true;
    } catch (...) {
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Moment Stream::submit(Work work, bool by_worker) {
    // the order between streams is the order of submission: one at a time in a context
    std::lock_guard<std::mutex> order(context.submission);
    Operation operation{std::move(work), context.implied_waits(*this), by_worker};
    std::lock_guard<std::mutex> guard(lock_);
    if (!has_worker_) start_worker();
    for (Moment &moment : after_)
        if (!moment.passed()) operation.after.push_back(std::move(moment));
    after_.clear();
    queue_.push_back(std::move(operation));
    if (!busy_) changed_.notify_one();
    return Moment{timeline_, ++submitted_};
}

void Stream::wait_for(const Moment &moment) {
    if (moment.passed()) return;
    {
        std::lock_guard<std::mutex> guard(lock_);
        after_.push_back(moment);
    }
    submit([] {}); // waiting is work too: the stream is not done before
}

Moment Stream::last() const {
    std::lock_guard<std::mutex> guard(lock_);
    return Moment{timeline_, submitted_};
}

bool Stream::take(Operation &operation, bool by_worker) {
    if (busy_ || queue_.empty() || (queue_.front().by_worker && !by_worker)) return false;
    operation = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    return true;
}

void Stream::perform(Operation &operation, std::unique_lock<std::mutex> &guard) {
    guard.unlock();
    for (const Moment &moment : operation.after) moment.wait();
    const bool before = working;
    working = operation.by_worker;
    try {
        operation.work();
    } catch (...) { // out of memory
        Fault fault;
        fault.what = "an operation of a stream ran out of memory";
        context.fail(Status::launch_failed, fault);
    }
    operation.work = nullptr; // what it kept alive ends before the stream moves on
    working = before;
    guard.lock();
    busy_ = false;
    timeline_->advance(timeline_->done() + 1);
    if (!queue_.empty() || closed_) changed_.notify_all();
}

void Stream::finish(const Moment &moment) {
    Operation operation;
    for (;;) {
        std::unique_lock<std::mutex> guard(lock_);
        if (moment.passed() || !take(operation, false)) break;
        perform(operation, guard);
    }
    moment.wait();
}

void Stream::work_loop() {
    Operation operation;
    std::unique_lock<std::mutex> guard(lock_);
    for (;;) {
        changed_.wait(guard, [&] { return (!queue_.empty() && !busy_) || (closed_ && queue_.empty()); });
        if (queue_.empty()) return;
        if (take(operation, true)) perform(operation, guard);
    }
}

void Stream::close() {
    {
        std::lock_guard<std::mutex> guard(lock_);
        closed_ = true;
    }
    changed_.notify_all();
}

} // namespace cpu_device
