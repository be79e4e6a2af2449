// Captures: which streams take part, what is recorded, and what is not allowed meanwhile.
#include "capture.hpp"

#include <algorithm>
#include <unordered_set>

namespace cpu_device {

std::atomic<int> captures{0};

namespace {

std::vector<std::shared_ptr<Capture>> &active_captures() {
    static auto &made = *new std::vector<std::shared_ptr<Capture>>;
    return made;
}

uint64_t next_id() {
    static std::atomic<uint64_t> next{1};
    return next++;
}

// Captures whose streams wait for a default stream implicitly, and it for them.
CUresult check_legacy(const Stream &legacy, bool invalidate) {
    CUresult status = CUDA_SUCCESS;
    for (const auto &capture : active_captures())
        for (const auto &stream : capture->streams)
            if (&stream->context == &legacy.context && stream->green == legacy.green && stream->blocking()) {
                if (invalidate) capture->invalidate();
                status = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
            }
    return status;
}

thread_local CUstreamCaptureMode thread_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;

} // namespace

void Dependencies::add(const std::vector<Link> &links) {
    for (const Link &link : links)
        if (std::none_of(kept_.begin(), kept_.end(), [&](const Kept &k) { return k.node.get() == link.node; }))
            kept_.push_back({link.node->shared_from_this(), link.data});
}

std::vector<Link> Dependencies::links() const {
    std::vector<Link> found;
    for (const Kept &k : kept_)
        if (!k.node->removed) found.push_back({k.node.get(), k.data});
    return found;
}

Capture::Capture(std::shared_ptr<Graph> graph_, Stream &origin_, CUstreamCaptureMode mode_)
    : graph(std::move(graph_)), id(next_id()), mode(mode_), thread(std::this_thread::get_id()), origin(&origin_) {}

void Capture::join(Stream &stream, const Dependencies &dependencies) {
    auto state = std::make_shared<StreamCapture>();
    state->capture = shared_from_this();
    state->dependencies = dependencies;
    if (streams.empty()) {
        active_captures().push_back(shared_from_this());
        captures++;
    }
    stream.capture = std::move(state);
    stream.capturing = true;
    streams.push_back(stream.shared_from_this());
}

void Capture::leave(Stream &stream) {
    stream.capturing = false;
    stream.capture = nullptr;
}

void Capture::end() {
    const std::shared_ptr<Capture> keep = shared_from_this();
    if (!active) return;
    active = false;
    for (const auto &stream : streams) leave(*stream);
    streams.clear();
    auto &all = active_captures();
    all.erase(std::remove(all.begin(), all.end(), keep), all.end());
    captures--;
}

bool Capture::unjoined() const {
    std::unordered_set<const Node *> behind; // of the origin's next node
    std::vector<const Node *> open;
    for (const Link &link : origin->capture->dependencies.links()) open.push_back(link.node);
    while (!open.empty()) {
        const Node *node = open.back();
        open.pop_back();
        if (!behind.insert(node).second) continue;
        for (const Link &link : node->dependencies) open.push_back(link.node);
    }
    for (const auto &stream : streams)
        for (const Link &link : stream->capture->dependencies.links())
            if (!behind.count(link.node)) return true;
    return false;
}

CUresult capture_status(const Stream &stream) {
    const Capture &capture = *stream.capture->capture;
    return capture.valid && capture.graph->published ? CUDA_SUCCESS : CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
}

CUresult check_capture(Stream &stream, Capturing how) {
    GraphGuard guard(graph_lock());
    if (stream.capture) {
        const CUresult status = capture_status(stream);
        if (status != CUDA_SUCCESS) return status;
        return how == Capturing::recorded ? CUDA_SUCCESS : refuse_capture(stream);
    }
    return stream.is_default ? check_legacy(stream, true) : CUDA_SUCCESS;
}

CUresult check_unsafe() {
    GraphGuard guard(graph_lock());
    CUresult status = CUDA_SUCCESS;
    if (thread_mode == CU_STREAM_CAPTURE_MODE_RELAXED) return status;
    for (const auto &capture : active_captures()) {
        const bool own =
            capture->thread == std::this_thread::get_id() && capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED;
        const bool global =
            capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL && thread_mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
        if (!own && !global) continue;
        capture->invalidate();
        status = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return status;
}

CUresult check_streams(Context &context, const GreenContext *green) {
    if (!captures.load(std::memory_order_acquire)) return CUDA_SUCCESS;
    GraphGuard guard(graph_lock());
    CUresult status = CUDA_SUCCESS;
    for (const auto &capture : active_captures())
        for (const auto &stream : capture->streams)
            if (&stream->context == &context && (!green || stream->green.get() == green)) {
                capture->invalidate();
                status = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
            }
    return status;
}

CUresult check_context(Context &context, const GreenContext *green) {
    const CUresult status = check_streams(context, green);
    return status == CUDA_SUCCESS ? check_unnoticed() : status;
}

CUresult refuse_capture(Stream &stream) {
    GraphGuard guard(graph_lock());
    if (stream.capture) stream.capture->capture->invalidate();
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

CUresult refuse_captured(Event &event) {
    GraphGuard guard(graph_lock());
    if (event.capture) event.capture->capture->invalidate();
    return CUDA_ERROR_CAPTURED_EVENT;
}

void forget_capture(Event &event) {
    if (!event.captured) return;
    GraphGuard guard(graph_lock());
    event.captured = false;
    event.capture = nullptr;
}

// One that only took part may go: what it put into the graph stays, and must be joined still.
void abandon_capture(Stream &stream) {
    if (!stream.capturing) return;
    GraphGuard guard(graph_lock());
    if (!stream.capture || stream.capture->capture->origin != &stream) return;
    const std::shared_ptr<Capture> capture = stream.capture->capture;
    capture->invalidate();
    if (!capture->to_given) capture->graph->retract();
    capture->end();
}

CUresult capture(Stream &stream, NodeWork work, std::vector<std::shared_ptr<Graph>> bodies) {
    GraphGuard guard(graph_lock());
    if (!stream.capture) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED; // ended by another thread
    StreamCapture &state = *stream.capture;
    const CUresult status = capture_status(stream);
    if (status != CUDA_SUCCESS) return status;
    const std::shared_ptr<Node> node =
        state.capture->graph->add(std::move(work), state.dependencies.links(), std::move(bodies));
    state.dependencies = Dependencies({{node.get(), plain_edge()}});
    return CUDA_SUCCESS;
}

CUresult capture(Stream &stream, KernelWork work) {
    if (stream.priority && !work.attributes.count(CU_LAUNCH_ATTRIBUTE_PRIORITY)) {
        CUlaunchAttributeValue value{};
        value.priority = stream.priority;
        work.attributes[CU_LAUNCH_ATTRIBUTE_PRIORITY] = value;
    }
    return capture(stream, kernel_node(std::move(work)));
}

CUresult capture(Stream &stream, const CopyWork &work) {
    CopyNodeWork node;
    node.copy = work;
    node.params = described(work);
    node.context = stream.context.shared_from_this();
    return capture(stream, NodeWork(std::move(node)));
}

CUresult capture(Stream &stream, const FillWork &work) {
    return capture(stream, NodeWork(FillNodeWork{work, stream.context.shared_from_this()}));
}

CUresult capture_record(Stream &stream, const std::shared_ptr<Event> &event, bool external) {
    GraphGuard guard(graph_lock());
    if (external) return capture(stream, NodeWork(EventWork{event, true}));
    if (!stream.capture) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    const CUresult status = capture_status(stream);
    if (status != CUDA_SUCCESS) return status;
    event->capture =
        std::make_shared<EventCapture>(EventCapture{stream.capture->capture, stream.capture->dependencies});
    event->captured = true;
    return CUDA_SUCCESS;
}

CUresult capture_wait(Stream &stream, const std::shared_ptr<Event> &event, bool external) {
    GraphGuard guard(graph_lock());
    const CUresult status = stream.capture ? capture_status(stream) : CUDA_SUCCESS;
    if (status != CUDA_SUCCESS) return status;
    if (external) return stream.capture ? capture(stream, NodeWork(EventWork{event})) : CUDA_ERROR_INVALID_VALUE;
    const std::shared_ptr<EventCapture> recorded = event->capture;
    if (!recorded) {
        if (!stream.capture || !event->recorded()) return CUDA_SUCCESS;
        stream.capture->capture->invalidate();
        return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
    }
    Capture &from = *recorded->capture;
    if (!from.active) {
        if (!stream.capture) return CUDA_ERROR_CAPTURED_EVENT;
        stream.capture->capture->invalidate();
        return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
    }
    if (!from.valid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (!stream.capture && stream.is_default) {
        from.invalidate();
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    if (!stream.capture) {
        from.join(stream, recorded->dependencies);
    } else if (stream.capture->capture.get() != &from) {
        from.invalidate();
        stream.capture->capture->invalidate();
        return CUDA_ERROR_STREAM_CAPTURE_MERGE;
    } else {
        stream.capture->dependencies.add(recorded->dependencies.links());
    }
    return CUDA_SUCCESS;
}

CUresult capture_allocation(Stream &stream, CUdeviceptr *out, size_t size, int device) {
    GraphGuard guard(graph_lock());
    const CUresult valid = stream.capture ? capture_status(stream) : CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (valid != CUDA_SUCCESS) return valid;
    Graph &graph = *stream.capture->capture->graph;
    if (graph.body || graph.no_memory) return refuse_capture(stream);
    CUDA_MEM_ALLOC_NODE_PARAMS_v2 params{};
    params.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
    params.poolProps.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    params.poolProps.location.id = device;
    params.bytesize = size;
    NodeWork work;
    CUresult status = read_work(params, work);
    if (status == CUDA_SUCCESS) {
        std::get<AllocationWork>(work).memory->allocated_by = graph.id;
        status = capture(stream, std::move(work));
    }
    if (status == CUDA_SUCCESS) *out = params.dptr;
    return status;
}

CUresult capture_free(Stream &stream, CUdeviceptr address) {
    GraphGuard guard(graph_lock());
    const CUresult valid = stream.capture ? capture_status(stream) : CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (valid != CUDA_SUCCESS) return valid;
    Graph &graph = *stream.capture->capture->graph;
    NodeWork work;
    CUresult status = read_free(address, work);
    if (status == CUDA_SUCCESS) status = check_memory(graph, work);
    if (status != CUDA_SUCCESS) return status;
    std::get<FreeWork>(work).memory->freed_by = graph.id;
    return capture(stream, std::move(work));
}

CUresult exchange_thread_mode(CUstreamCaptureMode *mode) {
    if (!mode || static_cast<unsigned>(*mode) > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
    std::swap(thread_mode, *mode);
    return CUDA_SUCCESS;
}

CUresult check_legacy_question(Stream &stream) {
    const bool legacy = !stream.capture && stream.is_default;
    return legacy ? check_legacy(stream, false) : CUDA_SUCCESS;
}

} // namespace cpu_device
