// Stream capture: what is put into a stream becomes a graph's nodes instead of being done.
#pragma once

#include <thread>

#include "graph.hpp"

namespace cpu_device {

// Nodes that one to come depends on.  They may be removed from their graph meanwhile.
class Dependencies {
  public:
    Dependencies() = default;
    explicit Dependencies(const std::vector<Link> &links) { add(links); }
    void add(const std::vector<Link> &links);
    std::vector<Link> links() const; // of nodes that are still there

  private:
    struct Kept {
        std::shared_ptr<Node> node;
        CUgraphEdgeData data;
    };
    std::vector<Kept> kept_;
};

// One capture, from its beginning in a stream to its end there; streams that wait for its events take part.
class Capture : public std::enable_shared_from_this<Capture> {
  public:
    Capture(std::shared_ptr<Graph> graph_, Stream &origin_, CUstreamCaptureMode mode_);
    void join(Stream &stream, const Dependencies &dependencies);
    void leave(Stream &stream);
    void end(); // every stream is as before
    void invalidate() { valid = false; }
    // Whether a stream that took part has work that the origin does not wait for.
    bool unjoined() const;

    const std::shared_ptr<Graph> graph;
    const uint64_t id;
    const CUstreamCaptureMode mode;
    const std::thread::id thread;
    Stream *const origin;
    std::vector<std::shared_ptr<Stream>> streams; // the origin first
    bool valid = true, active = true;
    bool to_given = false; // the graph was there before
};

// What the next node of a stream depends on.
struct StreamCapture {
    std::shared_ptr<Capture> capture;
    Dependencies dependencies;
    std::vector<CUgraphNode> handles; // as they were last asked for
    std::vector<CUgraphEdgeData> data;
};

struct EventCapture {
    std::shared_ptr<Capture> capture;
    Dependencies dependencies;
};

// Makes a node of something that a capturing stream was asked to do.
CUresult capture(Stream &stream, NodeWork work, std::vector<std::shared_ptr<Graph>> bodies = {});
CUresult capture(Stream &stream, KernelWork work);
CUresult capture(Stream &stream, const CopyWork &work);
CUresult capture(Stream &stream, const FillWork &work);
inline CUresult capture(Stream &stream, const HostWork &work) {
    return capture(stream, NodeWork(work));
}
CUresult capture_record(Stream &stream, const std::shared_ptr<Event> &event, bool external);
CUresult capture_wait(Stream &stream, const std::shared_ptr<Event> &event, bool external);
CUresult capture_allocation(Stream &stream, CUdeviceptr *out, size_t size, int device);
CUresult capture_free(Stream &stream, CUdeviceptr address);
CUresult capture_status(const Stream &stream); // whether its capture is valid

// CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, and the capture is no more valid.
CUresult refuse_capture(Stream &stream);
CUresult refuse_captured(Event &event);
void forget_capture(Event &event);    // it is recorded outside captures
void abandon_capture(Stream &stream); // the stream is destroyed
// Whether no stream is captured; captures that are in the way are invalidated.  `green`: of its streams only.
CUresult check_streams(Context &context, const GreenContext *green);
// ... and it can be waited for.
CUresult check_context(Context &context, const GreenContext *green = nullptr);
CUresult check_legacy_question(Stream &stream); // asked of a default stream that captures depend on
CUresult exchange_thread_mode(CUstreamCaptureMode *mode);

} // namespace cpu_device
