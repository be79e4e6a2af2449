// A graph as a DOT file, which Graphviz draws: a cluster for each graph, a box for each node.
#include <cerrno>
#include <cinttypes>
#include <cstdio>

#include "graph.hpp"

using namespace cpu_device;

namespace {

constexpr unsigned kDotFlags = (CU_GRAPH_DEBUG_DOT_FLAGS_FABRIC_CPY_BATCH_NODE_PARAMS << 1) - 1;

const char *name_of(CUgraphNodeType type) {
    switch (static_cast<int>(type)) {
    case CU_GRAPH_NODE_TYPE_KERNEL: return "KERNEL";
    case CU_GRAPH_NODE_TYPE_MEMCPY: return "MEMCPY";
    case CU_GRAPH_NODE_TYPE_MEMSET: return "MEMSET";
    case CU_GRAPH_NODE_TYPE_HOST: return "HOST";
    case CU_GRAPH_NODE_TYPE_GRAPH: return "GRAPH";
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT: return "EVENT_WAIT";
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD: return "EVENT_RECORD";
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: return "BATCH_MEM_OP";
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC: return "MEM_ALLOC";
    case CU_GRAPH_NODE_TYPE_MEM_FREE: return "MEM_FREE";
    case CU_GRAPH_NODE_TYPE_CONDITIONAL: return "CONDITIONAL";
    default: return "EMPTY";
    }
}

std::string hex(uint64_t number) {
    char text[32];
    std::snprintf(text, sizeof text, "0x%" PRIx64, number);
    return text;
}

std::string triple(const Dim3 &d) {
    return "{" + std::to_string(d.x) + "," + std::to_string(d.y) + "," + std::to_string(d.z) + "}";
}

const char *side_name(Side side) {
    return side == Side::host ? "host" : side == Side::device ? "device" : "unified";
}

class Dot {
  public:
    explicit Dot(unsigned flags) : flags_(flags) {}
    std::string draw(const Graph &graph) {
        text_ = "digraph dot {\n";
        cluster(graph);
        return text_ + "}\n";
    }

  private:
    bool asked(unsigned flag) const { return flags_ & (flag | CU_GRAPH_DEBUG_DOT_FLAGS_VERBOSE); }

    void cluster(const Graph &graph) {
        const std::string id = std::to_string(graph.id);
        text_ += "subgraph cluster_" + id + " {\nlabel=\"graph_" + id + "\" graph[style=\"dashed\"];\n";
        for (const auto &node : graph.nodes) {
            text_ += place(*node) + "[shape=\"box\" label=\"" + label(*node) + "\"];\n";
            for (const auto &inner : node->bodies) cluster(*inner);
        }
        for (const auto &node : graph.nodes) {
            for (const Link &link : node->dependents)
                text_ += place(*node) + " -> " + place(*link.node) + edge(link.data) + ";\n";
            for (const auto &inner : node->bodies)
                for (const Node *root : inner->roots())
                    text_ += place(*node) + " -> " + place(*root) + "[style=\"dotted\"];\n";
        }
        text_ += "}\n";
    }

    static std::string place(const Node &node) {
        return "\"graph_" + std::to_string(node.graph.id) + "_node_" + std::to_string(node.id) + "\"";
    }

    std::string edge(const CUgraphEdgeData &data) const {
        if (same_edge(data, plain_edge()) && !asked(CU_GRAPH_DEBUG_DOT_FLAGS_EXTRA_TOPO_INFO)) return "";
        return "[label=\"" + std::to_string(data.from_port) + " " + std::to_string(data.to_port) + " " +
               std::to_string(data.type) + "\"]";
    }

    // Lines end with \l, which DOT sets flush left.
    std::string label(const Node &node) const {
        std::string text = std::to_string(node.id) + "\\l" + name_of(node.type()) + "\\l";
        if (asked(CU_GRAPH_DEBUG_DOT_FLAGS_HANDLES)) text += "handle " + hex(node.handle) + "\\l";
        if (const KernelWork *w = kernel_of(node.work)) text += kernel(*w);
        if (const auto *w = std::get_if<CopyNodeWork>(&node.work)) text += copy(w->copy);
        if (const auto *w = std::get_if<FillNodeWork>(&node.work)) text += fill(w->fill);
        if (const auto *w = std::get_if<HostWork>(&node.work)) text += host(*w);
        if (const auto *w = std::get_if<EventWork>(&node.work)) text += event(*w);
        if (const auto *w = std::get_if<MemoryOpsWork>(&node.work)) text += memory_ops(*w);
        if (const auto *w = std::get_if<AllocationWork>(&node.work))
            text += allocation(*w->memory, CU_GRAPH_DEBUG_DOT_FLAGS_MEM_ALLOC_NODE_PARAMS);
        if (const auto *w = std::get_if<FreeWork>(&node.work))
            text += allocation(*w->memory, CU_GRAPH_DEBUG_DOT_FLAGS_MEM_FREE_NODE_PARAMS);
        if (const auto *w = std::get_if<ConditionalWork>(&node.work)) text += conditional(*w, node.bodies.size());
        return text;
    }

    std::string kernel(const KernelWork &w) const {
        std::string text = w.function->kernel->name() + "\\l"; // the characters of a PTX name need no quotes
        if (asked(CU_GRAPH_DEBUG_DOT_FLAGS_KERNEL_NODE_PARAMS))
            text += "grid " + triple(w.request.grid) + " block " + triple(w.request.block) + " shared " +
                    std::to_string(w.request.shared) + "\\l";
        if (asked(CU_GRAPH_DEBUG_DOT_FLAGS_KERNEL_NODE_ATTRIBUTES))
            text += std::string("cooperative ") + (w.request.cooperative ? "1" : "0") + "\\l";
        return text;
    }

    std::string copy(const CopyWork &w) const {
        std::string text = std::string(side_name(w.from.side)) + " to " + side_name(w.to.side) + "\\l";
        if (asked(CU_GRAPH_DEBUG_DOT_FLAGS_MEMCPY_NODE_PARAMS))
            text += hex(w.from.address) + " to " + hex(w.to.address) + ", " + std::to_string(w.extent.width) + " x " +
                    std::to_string(w.extent.height) + " x " + std::to_string(w.extent.depth) + "\\l";
        return text;
    }

    std::string fill(const FillWork &w) const {
        if (!asked(CU_GRAPH_DEBUG_DOT_FLAGS_MEMSET_NODE_PARAMS)) return "";
        return hex(w.address) + " value " + std::to_string(w.value) + " of " + std::to_string(w.element) + ", " +
               std::to_string(w.width) + " x " + std::to_string(w.height) + "\\l";
    }

    std::string host(const HostWork &w) const {
        if (!asked(CU_GRAPH_DEBUG_DOT_FLAGS_HOST_NODE_PARAMS)) return "";
        return hex(reinterpret_cast<uint64_t>(w.function)) + "(" + hex(reinterpret_cast<uint64_t>(w.data)) + ")\\l";
    }

    std::string event(const EventWork &w) const {
        return asked(CU_GRAPH_DEBUG_DOT_FLAGS_EVENT_NODE_PARAMS) ? "event " + hex(w.event->handle) + "\\l" : "";
    }

    std::string memory_ops(const MemoryOpsWork &w) const {
        if (!asked(CU_GRAPH_DEBUG_DOT_FLAGS_BATCH_MEM_OP_NODE_PARAMS)) return "";
        return std::to_string(w.ops->size()) + " operations\\l";
    }

    std::string allocation(const GraphAllocation &memory, unsigned flag) const {
        return asked(flag) ? hex(memory.base) + ", " + std::to_string(memory.size) + " bytes\\l" : "";
    }

    std::string conditional(const ConditionalWork &w, size_t size) const {
        static const char *const kinds[] = {"IF", "WHILE", "SWITCH"};
        if (!asked(CU_GRAPH_DEBUG_DOT_FLAGS_CONDITIONAL_NODE_PARAMS)) return "";
        return std::string(kinds[w.type]) + " " + hex(w.variable->handle) + ", " + std::to_string(size) + "\\l";
    }

    const unsigned flags_;
    std::string text_;
};

} // namespace

extern "C" CUresult cuGraphDebugDotPrint(CUgraph handle, const char *path, unsigned flags) {
    return with_graph(handle, [&](Graph &graph) {
        if (!path || (flags & ~kDotFlags)) return CUDA_ERROR_INVALID_VALUE;
        const std::string text = Dot(flags).draw(graph);
        std::FILE *file = std::fopen(path, "w");
        if (!file) return CUDA_ERROR_OPERATING_SYSTEM;
        const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
        return std::fclose(file) == 0 && written ? CUDA_SUCCESS : CUDA_ERROR_OPERATING_SYSTEM;
    });
}
