// The functions about a graph's nodes and the edges between them.
#include "graph.hpp"

#include <algorithm>

using namespace cpu_device;

namespace {

// Fills what the caller has room for: the rest with nothing, and how many there are where no room is given.
CUresult give_nodes(const std::vector<Node *> &found, CUgraphNode *out, size_t *count) {
    if (!count) return CUDA_ERROR_INVALID_VALUE;
    if (out) {
        const size_t room = *count;
        for (size_t i = 0; i < room; i++) out[i] = i < found.size() ? as<CUgraphNode>(*found[i]) : nullptr;
        *count = std::min(room, found.size());
    } else {
        *count = found.size();
    }
    return CUDA_SUCCESS;
}

CUresult give_links(const std::vector<Link> &links, CUgraphNode *out, CUgraphEdgeData *data, size_t *count) {
    std::vector<Node *> nodes;
    if (data && !out) return CUDA_ERROR_INVALID_VALUE;
    for (const Link &link : links) nodes.push_back(link.node);
    if (out && !data)
        for (const Link &link : links)
            if (!same_edge(link.data, plain_edge())) return CUDA_ERROR_LOSSY_QUERY;
    const CUresult status = give_nodes(nodes, out, count);
    if (status == CUDA_SUCCESS && data)
        for (size_t i = 0; i < *count; i++) data[i] = links[i].data;
    return status;
}

CUresult edges(CUgraph handle, CUgraphNode *from, CUgraphNode *to, CUgraphEdgeData *data, size_t *count) {
    return with_graph(handle, [&](Graph &graph) {
        std::vector<Link> starts, ends;
        if (!from != !to || (data && !from) || !count) return CUDA_ERROR_INVALID_VALUE;
        for (const auto &node : graph.nodes)
            for (const Link &link : node->dependents) {
                starts.push_back({node.get(), link.data});
                ends.push_back(link);
            }
        size_t twice = *count;
        const CUresult status = give_links(starts, from, data, count);
        return status == CUDA_SUCCESS && to ? give_links(ends, to, data, &twice) : status;
    });
}

struct Pair {
    Node *from, *to;
    CUgraphEdgeData data;
};

CUresult find_pairs(Graph &graph, const CUgraphNode *from, const CUgraphNode *to, const CUgraphEdgeData *data, size_t n,
                    std::vector<Pair> &pairs) {
    if (n && (!from || !to)) return CUDA_ERROR_INVALID_VALUE;
    if (n > graph.nodes.size() * graph.nodes.size()) return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < n; i++) {
        const std::shared_ptr<Node> target = lookup<Node>(to[i]);
        std::vector<Link> source;
        if (!graph.has(target.get())) return CUDA_ERROR_INVALID_VALUE;
        const CUresult status = graph.find_links(from + i, data ? data + i : nullptr, 1, target->type(), source);
        if (status != CUDA_SUCCESS) return status;
        pairs.push_back({source[0].node, target.get(), source[0].data});
    }
    return CUDA_SUCCESS;
}

bool connected(const Node &from, const Node &to) {
    return std::any_of(from.dependents.begin(), from.dependents.end(), [&](const Link &l) { return l.node == &to; });
}

// All of them or none.
CUresult add_edges(CUgraph handle, const CUgraphNode *from, const CUgraphNode *to, const CUgraphEdgeData *data,
                   size_t n) {
    return with_graph(handle, [&](Graph &graph) {
        std::vector<Pair> pairs;
        const CUresult status = find_pairs(graph, from, to, data, n, pairs);
        if (status != CUDA_SUCCESS) return status;
        for (size_t i = 0; i < n; i++) {
            const Pair &p = pairs[i];
            if (!connected(*p.from, *p.to) && !Graph::reaches(*p.to, *p.from)) {
                Graph::connect(*p.from, *p.to, p.data);
                continue;
            }
            while (i--) Graph::disconnect(*pairs[i].from, *pairs[i].to, pairs[i].data);
            return CUDA_ERROR_INVALID_VALUE;
        }
        return CUDA_SUCCESS;
    });
}

CUresult remove_edges(CUgraph handle, const CUgraphNode *from, const CUgraphNode *to, const CUgraphEdgeData *data,
                      size_t n) {
    return with_graph(handle, [&](Graph &graph) {
        std::vector<Pair> pairs;
        const CUresult status = find_pairs(graph, from, to, data, n, pairs);
        if (status != CUDA_SUCCESS) return status;
        if (n && graph.has_memory()) return CUDA_ERROR_INVALID_VALUE;
        for (size_t i = 0; i < n; i++) {
            if (Graph::disconnect(*pairs[i].from, *pairs[i].to, pairs[i].data)) continue;
            while (i--) Graph::connect(*pairs[i].from, *pairs[i].to, pairs[i].data);
            return CUDA_ERROR_INVALID_VALUE;
        }
        return CUDA_SUCCESS;
    });
}

} // namespace

extern "C" {

CUresult cuGraphGetNodes(CUgraph handle, CUgraphNode *out, size_t *count) {
    return with_graph(handle, [&](Graph &graph) {
        std::vector<Node *> nodes;
        for (const auto &node : graph.nodes) nodes.push_back(node.get());
        return give_nodes(nodes, out, count);
    });
}

CUresult cuGraphGetRootNodes(CUgraph handle, CUgraphNode *out, size_t *count) {
    return with_graph(handle, [&](Graph &graph) { return give_nodes(graph.roots(), out, count); });
}

CUresult cuGraphGetEdges(CUgraph handle, CUgraphNode *from, CUgraphNode *to, size_t *count) {
    return edges(handle, from, to, nullptr, count);
}

CUresult cuGraphGetEdges_v2(CUgraph handle, CUgraphNode *from, CUgraphNode *to, CUgraphEdgeData *data, size_t *count) {
    return edges(handle, from, to, data, count);
}

CUresult cuGraphNodeGetDependencies(CUgraphNode handle, CUgraphNode *out, size_t *count) {
    return cuGraphNodeGetDependencies_v2(handle, out, nullptr, count);
}

CUresult cuGraphNodeGetDependencies_v2(CUgraphNode handle, CUgraphNode *out, CUgraphEdgeData *data, size_t *count) {
    return with_node(handle, [&](Node &node) { return give_links(node.dependencies, out, data, count); });
}

CUresult cuGraphNodeGetDependentNodes(CUgraphNode handle, CUgraphNode *out, size_t *count) {
    return cuGraphNodeGetDependentNodes_v2(handle, out, nullptr, count);
}

CUresult cuGraphNodeGetDependentNodes_v2(CUgraphNode handle, CUgraphNode *out, CUgraphEdgeData *data, size_t *count) {
    return with_node(handle, [&](Node &node) { return give_links(node.dependents, out, data, count); });
}

CUresult cuGraphAddDependencies(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to, size_t n) {
    return add_edges(graph, from, to, nullptr, n);
}

CUresult cuGraphAddDependencies_v2(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to,
                                   const CUgraphEdgeData *data, size_t n) {
    return add_edges(graph, from, to, data, n);
}

CUresult cuGraphRemoveDependencies(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to, size_t n) {
    return remove_edges(graph, from, to, nullptr, n);
}

CUresult cuGraphRemoveDependencies_v2(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to,
                                      const CUgraphEdgeData *data, size_t n) {
    return remove_edges(graph, from, to, data, n);
}
}
