// The life of a context, its streams, and which context a thread uses.
#include "context.hpp"

#include "imported.hpp"

#include "capture.hpp"
#include "export_tables.hpp"
#include "green_context.hpp"
#include "ledger.hpp"
#include "report.hpp"

#include <algorithm>

namespace cpu_device {

thread_local bool PerThreadStream::active_ = false;

namespace {

thread_local std::vector<Named> stack;
struct OwnStreams {
    std::map<std::pair<uint64_t, uint64_t>, std::weak_ptr<Stream>> by_context; // context and life of it
};
thread_local OwnStreams own_streams;

uint64_t next_id() {
    static std::atomic<uint64_t> next{1};
    return next++;
}

constexpr size_t kDefaultLimits[CU_LIMIT_MAX] = {1024, 1 << 20, 8 << 20, 2, 2048, 64, 0, 0, 0, 0, 0};

// How many contexts of a device have one of another device as a peer: memory is a device's, not a context's, here.
void count_peer(int device, int peer, int change) {
    static std::mutex lock;
    static int counts[kMostDevices][kMostDevices];
    std::lock_guard<std::mutex> guard(lock);
    counts[device][peer] += change;
    memory().set_peer(device, peer, counts[device][peer] > 0);
}

} // namespace

Context::Context(int device_, bool primary_, unsigned flags_)
    : device(device_), primary(primary_), id(next_id()), flags(flags_) {}

void Context::begin() {
    std::lock_guard<std::mutex> guard(lock_);
    for (int i = 0; i < CU_LIMIT_MAX; i++) limits[i] = kDefaultLimits[i];
    fault_ = 0;
    stop = false;
    life_++;
    legacy_ = std::make_shared<Stream>(shared_from_this(), CU_STREAM_DEFAULT, 0, nullptr, true);
    streams_.push_back(legacy_);
    alive_.store(true, std::memory_order_release);
}

void Context::end() {
    if (!alive_.exchange(false)) return;
    synchronize();
    std::vector<std::shared_ptr<Stream>> streams;
    std::map<uint64_t, std::shared_ptr<Object>> owned;
    {
        std::lock_guard<std::mutex> guard(lock_);
        streams.swap(streams_);
        owned.swap(owned_);
        legacy_.reset();
        waits_.clear();
        for (const auto &[id, peer] : peers_) count_peer(device, peer, -1);
        peers_.clear();
    }
    for (const auto &stream : streams) {
        abandon_capture(*stream);
        if (stream->handle) remove_handle(HandleKind::stream, stream->handle);
        stream->close();
    }
    for (const auto &[handle, object] : owned) remove_handle(static_cast<HandleKind>(handle >> 40), handle);
    ledger().release_all(id);
    drop_imports(id);
}

std::shared_ptr<Stream> Context::legacy_stream() {
    std::lock_guard<std::mutex> guard(lock_);
    return legacy_;
}

std::shared_ptr<Stream> Context::own_stream() {
    std::weak_ptr<Stream> &kept = own_streams.by_context[{id, life()}];
    std::shared_ptr<Stream> stream = kept.lock();
    if (!stream) kept = stream = make_stream(CU_STREAM_DEFAULT, 0);
    return stream;
}

std::shared_ptr<Stream> Context::make_stream(unsigned stream_flags, int priority, std::shared_ptr<GreenContext> green,
                                             bool is_default) {
    auto stream = std::make_shared<Stream>(shared_from_this(), stream_flags, priority, std::move(green), is_default);
    {
        std::lock_guard<std::mutex> guard(lock_);
        streams_.push_back(stream);
    }
    let_wait(*stream);
    return stream;
}

void Context::let_wait(Stream &made) {
    std::vector<Moment> moments;
    {
        std::lock_guard<std::mutex> guard(lock_);
        for (const auto &[moment, green] : waits_)
            if (!green || (made.green && green == made.green->id)) moments.push_back(moment);
    }
    for (const Moment &moment : moments) made.wait_for(moment);
}

void Context::wait_for(const Moment &moment, const GreenContext *green) {
    std::vector<std::shared_ptr<Stream>> streams;
    {
        std::lock_guard<std::mutex> guard(lock_);
        waits_.erase(std::remove_if(waits_.begin(), waits_.end(), [](auto &w) { return w.first.passed(); }),
                     waits_.end());
        waits_.emplace_back(moment, green ? green->id : 0);
        streams = streams_;
    }
    for (const auto &stream : streams)
        if (!green || stream->green.get() == green) stream->wait_for(moment);
}

std::vector<std::shared_ptr<Stream>> Context::streams() {
    std::lock_guard<std::mutex> guard(lock_);
    return streams_;
}

void Context::forget(const Stream &stream) {
    std::lock_guard<std::mutex> guard(lock_);
    streams_.erase(std::remove_if(streams_.begin(), streams_.end(), [&](auto &s) { return s.get() == &stream; }),
                   streams_.end());
}

void Context::synchronize(const GreenContext *green) {
    std::vector<std::pair<std::shared_ptr<Stream>, Moment>> pending;
    for (auto &stream : streams())
        if (!green || stream->green.get() == green) pending.emplace_back(stream, stream->last());
    for (auto &[stream, moment] : pending) stream->finish(moment);
}

// https://docs.nvidia.com/cuda/cuda-driver-api/stream-sync-behavior.html
std::vector<Moment> Context::implied_waits(const Stream &stream) {
    std::vector<Moment> waits;
    std::lock_guard<std::mutex> guard(lock_);
    if (!legacy_ || !stream.blocking()) return waits;
    auto wait = [&](const Stream &other) {
        const Moment moment = other.last();
        if (!moment.passed()) waits.push_back(moment);
    };
    if (!stream.is_default && !stream.green) {
        wait(*legacy_);
        return waits;
    }
    for (const auto &other : streams_) // a green context has a default stream of its own
        if (other->green == stream.green && other->blocking() && other->is_default != stream.is_default) wait(*other);
    return waits;
}

void Context::fail(Status status, const Fault &fault) {
    std::lock_guard<std::mutex> guard(failing_);
    if (fault_) return;
    report(status, fault); // before the status: whoever sees that asks for the report
    fault_ = static_cast<int>(status);
}

void Context::own(std::shared_ptr<Object> object) {
    std::lock_guard<std::mutex> guard(lock_);
    const uint64_t handle = object->handle;
    owned_[handle] = std::move(object);
}

void Context::disown(const Object &object) {
    std::shared_ptr<Object> last; // destroyed without the lock
    std::lock_guard<std::mutex> guard(lock_);
    auto found = owned_.find(object.handle);
    if (found == owned_.end()) return;
    last = std::move(found->second);
    owned_.erase(found);
}

bool Context::enable_peer(const Context &peer, bool on) {
    std::lock_guard<std::mutex> guard(lock_);
    const bool changed = on ? peers_.emplace(peer.id, peer.device).second : peers_.erase(peer.id) > 0;
    if (changed) count_peer(device, peer.device, on ? 1 : -1);
    return changed;
}

bool Context::is_peer(uint64_t context) {
    std::lock_guard<std::mutex> guard(lock_);
    return peers_.count(context) > 0;
}

Named current_named() {
    return stack.empty() ? Named() : stack.back();
}

std::shared_ptr<Context> current_context() {
    return stack.empty() ? nullptr : stack.back().context;
}

std::shared_ptr<GreenContext> current_green() {
    return stack.empty() ? nullptr : stack.back().green;
}

bool in_destroyed_green() {
    return !stack.empty() && stack.back().green && !stack.back().green->alive();
}

Named named_by(CUcontext handle) {
    if (const std::shared_ptr<GreenView> view = lookup<GreenView>(handle)) return {view->green->primary, view->green};
    return {lookup<Context>(handle), nullptr};
}

CUcontext Named::handle() const {
    return green ? green->view() : context ? as<CUcontext>(*context) : nullptr;
}

void push_context(Named place) {
    stack.push_back(std::move(place));
}

Named pop_context() {
    if (stack.empty()) return {};
    Named top = std::move(stack.back());
    stack.pop_back();
    return top;
}

void set_context(Named place) {
    if (!stack.empty()) stack.pop_back();
    if (place.context) stack.push_back(std::move(place));
}

bool detached(const Stream &stream) {
    return stream.green && !stream.green->alive();
}

std::shared_ptr<Context> primary_context(int device) {
    static auto &lock = *new std::mutex;
    static auto &made = *new std::map<int, std::shared_ptr<Context>>;
    std::lock_guard<std::mutex> guard(lock);
    std::shared_ptr<Context> &context = made[device];
    if (!context) {
        context = std::make_shared<Context>(device, true, 0);
        publish(context);
    }
    return context;
}

// A green context has no default streams of threads.
std::shared_ptr<Stream> stream_of(CUstream handle, Context &context) {
    const auto number = reinterpret_cast<uint64_t>(handle);
    if (number > CU_STREAM_PER_THREAD) return lookup<Stream>(handle);
    const std::shared_ptr<GreenContext> green = current_green();
    if (number == CU_STREAM_PER_THREAD || (!number && PerThreadStream::active()))
        return green ? nullptr : context.own_stream();
    return green ? green->default_stream() : context.legacy_stream();
}

} // namespace cpu_device
