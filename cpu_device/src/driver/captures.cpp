// The functions about stream capture.
#include "capture.hpp"

#include <algorithm>

using namespace cpu_device;

namespace {

bool valid_mode(CUstreamCaptureMode mode) {
    return static_cast<unsigned>(mode) <= CU_STREAM_CAPTURE_MODE_RELAXED;
}

CUresult begin(Stream &stream, std::shared_ptr<Graph> graph, const std::vector<Link> &links, CUstreamCaptureMode mode) {
    if (stream.capture) return CUDA_ERROR_ILLEGAL_STATE;
    if (stream.is_default) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    std::make_shared<Capture>(std::move(graph), stream, mode)->join(stream, Dependencies(links));
    return CUDA_SUCCESS;
}

CUresult begin(CUstream handle, CUstreamCaptureMode mode) {
    return in_stream<Capturing::ignored>(handle, [&](Stream &stream) {
        GraphGuard guard(graph_lock());
        if (!valid_mode(mode)) return CUDA_ERROR_INVALID_VALUE;
        auto graph = std::make_shared<Graph>();
        const CUresult status = begin(stream, graph, {}, mode);
        if (status == CUDA_SUCCESS) graph->publish_all();
        return status;
    });
}

CUresult end(Stream &stream, CUgraph &out) {
    if (!stream.capture) return CUDA_ERROR_ILLEGAL_STATE;
    const std::shared_ptr<Capture> capture = stream.capture->capture;
    if (capture->origin != &stream) {
        capture->invalidate();
        return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
    }
    const bool any_thread = capture->mode == CU_STREAM_CAPTURE_MODE_RELAXED;
    if (!any_thread && capture->thread != std::this_thread::get_id()) return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
    CUresult status = capture_status(stream);
    if (status == CUDA_SUCCESS && capture->unjoined()) status = CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
    capture->end();
    if (status == CUDA_SUCCESS)
        out = as<CUgraph>(*capture->graph);
    else if (!capture->to_given)
        capture->graph->retract();
    return status;
}

struct Info {
    CUstreamCaptureStatus *status = nullptr;
    cuuint64_t *id = nullptr;
    CUgraph *graph = nullptr;
    const CUgraphNode **nodes = nullptr;
    const CUgraphEdgeData **data = nullptr;
    size_t *count = nullptr;
};

CUresult tell_dependencies(StreamCapture &state, const Info &info) {
    const std::vector<Link> links = state.dependencies.links();
    const bool plain =
        std::all_of(links.begin(), links.end(), [](const Link &l) { return same_edge(l.data, plain_edge()); });
    if (info.nodes && !info.data && !plain) return CUDA_ERROR_LOSSY_QUERY;
    state.handles.clear();
    state.data.clear();
    for (const Link &link : links) {
        state.handles.push_back(as<CUgraphNode>(*link.node));
        state.data.push_back(link.data);
    }
    if (info.nodes) *info.nodes = state.handles.data();
    if (info.data) *info.data = state.data.data();
    if (info.count) *info.count = state.handles.size();
    return CUDA_SUCCESS;
}

CUresult tell(CUstream handle, const Info &info) {
    return in_stream<Capturing::ignored>(handle, [&](Stream &stream) {
        GraphGuard guard(graph_lock());
        if (!info.status) return CUDA_ERROR_INVALID_VALUE;
        const CUresult legacy = check_legacy_question(stream);
        if (legacy != CUDA_SUCCESS) return legacy;
        *info.status = CU_STREAM_CAPTURE_STATUS_NONE;
        if (!stream.capture) return CUDA_SUCCESS;
        StreamCapture &state = *stream.capture;
        const bool valid = capture_status(stream) == CUDA_SUCCESS;
        *info.status = valid ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_INVALIDATED;
        if (!valid) return CUDA_SUCCESS;
        if (info.id) *info.id = state.capture->id;
        if (info.graph) *info.graph = as<CUgraph>(*state.capture->graph);
        return tell_dependencies(state, info);
    });
}

CUresult update(CUstream handle, const CUgraphNode *nodes, const CUgraphEdgeData *data, size_t n, unsigned flags) {
    return in_stream<Capturing::ignored>(handle, [&](Stream &stream) {
        GraphGuard guard(graph_lock());
        if (flags > CU_STREAM_SET_CAPTURE_DEPENDENCIES) return CUDA_ERROR_INVALID_VALUE;
        if (!stream.capture) return CUDA_ERROR_ILLEGAL_STATE;
        CUresult status = capture_status(stream);
        if (status != CUDA_SUCCESS) return status;
        std::vector<Link> links;
        StreamCapture &state = *stream.capture;
        // the next node is of any type: a kernel has all kinds of edges
        status = state.capture->graph->find_links(nodes, data, n, CU_GRAPH_NODE_TYPE_KERNEL, links);
        if (status != CUDA_SUCCESS) return status;
        if (flags == CU_STREAM_SET_CAPTURE_DEPENDENCIES) state.dependencies = Dependencies();
        state.dependencies.add(links);
        return CUDA_SUCCESS;
    });
}

} // namespace

extern "C" {

CUresult cuStreamBeginCapture(CUstream handle) {
    return begin(handle, CU_STREAM_CAPTURE_MODE_GLOBAL);
}

CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode) {
    return begin(handle, mode);
}

CUresult cuStreamBeginCaptureToGraph(CUstream handle, CUgraph graph, const CUgraphNode *nodes,
                                     const CUgraphEdgeData *data, size_t n, CUstreamCaptureMode mode) {
    return in_stream<Capturing::ignored>(handle, [&](Stream &stream) {
        return with_graph(graph, [&](Graph &found) {
            std::vector<Link> links;
            if (!valid_mode(mode)) return CUDA_ERROR_INVALID_VALUE;
            CUresult status = found.find_links(nodes, data, n, CU_GRAPH_NODE_TYPE_KERNEL, links);
            if (status == CUDA_SUCCESS) status = begin(stream, found.shared_from_this(), links, mode);
            if (status == CUDA_SUCCESS) stream.capture->capture->to_given = true;
            return status;
        });
    });
}

CUresult cuStreamEndCapture(CUstream handle, CUgraph *out) {
    return in_stream<Capturing::ignored>(handle, [&](Stream &stream) {
        GraphGuard guard(graph_lock());
        if (!out) return CUDA_ERROR_INVALID_VALUE;
        *out = nullptr;
        return end(stream, *out);
    });
}

CUresult cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus *status) {
    Info info;
    info.status = status;
    return tell(handle, info);
}

CUresult cuStreamGetCaptureInfo(CUstream handle, CUstreamCaptureStatus *status, cuuint64_t *id) {
    Info info;
    info.status = status;
    info.id = id;
    return tell(handle, info);
}

CUresult cuStreamGetCaptureInfo_v2(CUstream handle, CUstreamCaptureStatus *status, cuuint64_t *id, CUgraph *graph,
                                   const CUgraphNode **nodes, size_t *count) {
    return cuStreamGetCaptureInfo_v3(handle, status, id, graph, nodes, nullptr, count);
}

CUresult cuStreamGetCaptureInfo_v3(CUstream handle, CUstreamCaptureStatus *status, cuuint64_t *id, CUgraph *graph,
                                   const CUgraphNode **nodes, const CUgraphEdgeData **data, size_t *count) {
    Info info;
    info.status = status;
    info.id = id;
    info.graph = graph;
    info.nodes = nodes;
    info.data = data;
    info.count = count;
    return tell(handle, info);
}

CUresult cuStreamUpdateCaptureDependencies(CUstream handle, CUgraphNode *nodes, size_t n, unsigned flags) {
    return update(handle, nodes, nullptr, n, flags);
}

CUresult cuStreamUpdateCaptureDependencies_v2(CUstream handle, CUgraphNode *nodes, const CUgraphEdgeData *data,
                                              size_t n, unsigned flags) {
    return update(handle, nodes, data, n, flags);
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode) {
    return call([&] { return exchange_thread_mode(mode); });
}
}
