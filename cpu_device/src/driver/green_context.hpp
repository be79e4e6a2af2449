// A green context: some of a device's multiprocessors for streams of the primary context, whose memory and modules they use.
#pragma once

#include "context.hpp"
#include "device_resources.hpp"

namespace cpu_device {

class GreenContext : public Object, public std::enable_shared_from_this<GreenContext> {
  public:
    static constexpr HandleKind kKind = HandleKind::green;
    GreenContext(std::shared_ptr<Context> primary_, uint64_t id_, const DeviceResources &resources_)
        : primary(std::move(primary_)), life(primary->life()), id(id_), resources(resources_) {}
    // It ends when it is destroyed, and when the primary context is reset.
    bool alive() const { return !destroyed && primary->alive() && primary->life() == life; }
    std::shared_ptr<Stream> default_stream(); // made when it is first asked for
    CUcontext view() const { return reinterpret_cast<CUcontext>(view_handle.load()); }

    const std::shared_ptr<Context> primary;
    const uint64_t life, id;
    const DeviceResources resources;
    std::atomic<bool> destroyed{false};
    std::atomic<uint64_t> view_handle{0};

  private:
    std::mutex lock_;
    std::weak_ptr<Stream> default_; // the primary context has it
};

// The green context as a CUcontext.
class GreenView : public Object {
  public:
    static constexpr HandleKind kKind = HandleKind::green_view;
    explicit GreenView(std::shared_ptr<GreenContext> green_) : green(std::move(green_)) {}
    const std::shared_ptr<GreenContext> green;
};

} // namespace cpu_device
