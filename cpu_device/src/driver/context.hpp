// A context: what a program has on one device, its default streams, and the error that ended it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "generated_exports.hpp"
#include "device.hpp"
#include "handle.hpp"
#include "stream.hpp"

namespace cpu_device {

class Context : public Object, public std::enable_shared_from_this<Context> {
  public:
    static constexpr HandleKind kKind = HandleKind::context;

    Context(int device, bool primary, unsigned flags);
    // Begins and ends its life; a primary context may begin again.  end() waits for its work and frees what it has.
    void begin();
    void end();
    bool alive() const { return alive_.load(std::memory_order_acquire); }

    std::shared_ptr<Stream> legacy_stream();
    std::shared_ptr<Stream> own_stream(); // the calling thread's default stream
    std::shared_ptr<Stream> make_stream(unsigned flags, int priority, std::shared_ptr<GreenContext> green = nullptr,
                                        bool is_default = false);
    std::vector<std::shared_ptr<Stream>> streams();
    void forget(const Stream &stream);
    // Everything submitted so far; with `green` only in its streams.
    void synchronize(const GreenContext *green = nullptr);
    // What is submitted from now on begins after the moment, in streams that are yet to be made too.
    void wait_for(const Moment &moment, const GreenContext *green);
    uint64_t life() const { return life_.load(); } // how many times it began
    // What an operation of `stream` waits for because one of the two is the default stream; `submission` is held.
    std::vector<Moment> implied_waits(const Stream &stream);

    CUresult fault() const { return static_cast<CUresult>(fault_.load(std::memory_order_acquire)); }
    void fail(Status status, const Fault &fault); // the first one stays, and is reported

    void own(std::shared_ptr<Object> object); // modules and events: gone with the context
    void disown(const Object &object);
    bool enable_peer(const Context &peer, bool on); // false where it was so already
    bool is_peer(uint64_t context);                 // whether its memory may be used here

    const int device;
    const bool primary;
    const uint64_t id;
    std::atomic<unsigned> flags;
    std::atomic<size_t> limits[CU_LIMIT_MAX];
    std::atomic<int> cache_config{0};
    std::mutex submission;
    volatile bool stop = false; // polled by running kernels

  private:
    void let_wait(Stream &made);
    std::atomic<bool> alive_{false};
    std::atomic<int> fault_{0};
    std::mutex failing_;
    std::mutex lock_;
    std::atomic<uint64_t> life_{0};
    // Of wait_for(), for streams to come: of which green context, 0 for all.
    std::vector<std::pair<Moment, uint64_t>> waits_;
    std::shared_ptr<Stream> legacy_;
    std::vector<std::shared_ptr<Stream>> streams_;
    std::map<uint64_t, std::shared_ptr<Object>> owned_;
    std::map<uint64_t, int> peers_; // contexts whose memory kernels may use, and their devices
};

// The stack of the calling thread.
std::shared_ptr<Context> current_context(); // nullptr: none; of a green context the primary one
std::shared_ptr<GreenContext> current_green();
bool in_destroyed_green();
// What a CUcontext stands for.
struct Named {
    std::shared_ptr<Context> context;
    std::shared_ptr<GreenContext> green;
    CUcontext handle() const;
};
Named named_by(CUcontext handle); // empty: no context
inline std::shared_ptr<Context> context_of(CUcontext handle) {
    return named_by(handle).context;
}
Named current_named();
void push_context(Named place);
Named pop_context();
void set_context(Named place);

// The primary context of a device, alive or not.
std::shared_ptr<Context> primary_context(int device);

bool detached(const Stream &stream); // its green context was destroyed

// A stream from a handle: 0, CU_STREAM_LEGACY, CU_STREAM_PER_THREAD or one that was made.  nullptr: no stream.
std::shared_ptr<Stream> stream_of(CUstream handle, Context &context);

} // namespace cpu_device
