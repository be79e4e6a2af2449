// The structure of graphs: nodes, edges, copies.
#include "graph.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace cpu_device {

std::recursive_mutex &graph_lock() {
    static auto &made = *new std::recursive_mutex;
    return made;
}

namespace {

unsigned next_graph_id() {
    static std::atomic<unsigned> next{1};
    return next++;
}

bool valid_edge(const CUgraphEdgeData &data, CUgraphNodeType from, CUgraphNodeType to) {
    for (unsigned char byte : data.reserved)
        if (byte) return false;
    const bool kernel = from == CU_GRAPH_NODE_TYPE_KERNEL;
    if (data.to_port || data.from_port > CU_GRAPH_KERNEL_NODE_PORT_LAUNCH_ORDER || (data.from_port && !kernel))
        return false;
    if (data.type == CU_GRAPH_DEPENDENCY_TYPE_DEFAULT) return true;
    return data.type == CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC && kernel && to == CU_GRAPH_NODE_TYPE_KERNEL;
}

bool erase_link(std::vector<Link> &links, const Node *node, const CUgraphEdgeData *data) {
    auto found = std::find_if(links.begin(), links.end(),
                              [&](const Link &l) { return l.node == node && (!data || same_edge(l.data, *data)); });
    if (found == links.end()) return false;
    links.erase(found);
    return true;
}

} // namespace

Graph::Graph() : id(next_graph_id()) {}

Graph::~Graph() = default;

CUresult Graph::find_links(const CUgraphNode *handles, const CUgraphEdgeData *data, size_t n, CUgraphNodeType type,
                           std::vector<Link> &links) {
    if (n && !handles) return CUDA_ERROR_INVALID_VALUE;
    if (n > nodes.size()) return CUDA_ERROR_INVALID_VALUE; // some are there twice, or are not its
    std::unordered_set<const Node *> seen;
    for (size_t i = 0; i < n; i++) {
        const std::shared_ptr<Node> node = lookup<Node>(handles[i]);
        const CUgraphEdgeData edge = data ? data[i] : plain_edge();
        if (!has(node.get()) || !seen.insert(node.get()).second || !valid_edge(edge, node->type(), type))
            return CUDA_ERROR_INVALID_VALUE;
        links.push_back({node.get(), edge});
    }
    return CUDA_SUCCESS;
}

std::shared_ptr<Node> Graph::add(NodeWork work, const std::vector<Link> &dependencies,
                                 std::vector<std::shared_ptr<Graph>> bodies) {
    auto node = std::make_shared<Node>(*this, next_node_++, std::move(work));
    node->bodies = std::move(bodies);
    for (const auto &body : node->bodies) {
        body->parent = this;
        if (published) body->publish_all();
        node->body_handles.push_back(as<CUgraph>(*body));
    }
    nodes.push_back(node);
    if (published) publish(node);
    for (const Link &link : dependencies) connect(*link.node, *node, link.data);
    return node;
}

void Graph::remove(Node &node) {
    for (const Link &link : node.dependencies) erase_link(link.node->dependents, &node, nullptr);
    for (const Link &link : node.dependents) erase_link(link.node->dependencies, &node, nullptr);
    remove_handle(HandleKind::node, node.handle);
    node.removed = true;
    for (const auto &body : node.bodies) body->retract();
    nodes.erase(std::find_if(nodes.begin(), nodes.end(), [&](const auto &n) { return n.get() == &node; }));
}

void Graph::connect(Node &from, Node &to, const CUgraphEdgeData &data) {
    from.dependents.push_back({&to, data});
    to.dependencies.push_back({&from, data});
}

bool Graph::disconnect(Node &from, Node &to, const CUgraphEdgeData &data) {
    return erase_link(from.dependents, &to, &data) && erase_link(to.dependencies, &from, &data);
}

bool Graph::reaches(const Node &from, const Node &to) {
    std::vector<const Node *> open{&from};
    std::unordered_set<const Node *> seen{&from};
    while (!open.empty()) {
        const Node *node = open.back();
        open.pop_back();
        if (node == &to) return true;
        for (const Link &link : node->dependents)
            if (seen.insert(link.node).second) open.push_back(link.node);
    }
    return false;
}

std::vector<Node *> Graph::roots() const {
    std::vector<Node *> found;
    for (const auto &node : nodes)
        if (node->dependencies.empty()) found.push_back(node.get());
    return found;
}

std::vector<Node *> Graph::in_order() const {
    std::vector<Node *> order = roots();
    std::unordered_map<const Node *, size_t> missing;
    order.reserve(nodes.size());
    for (size_t i = 0; i < order.size(); i++)
        for (const Link &link : order[i]->dependents) {
            auto [found, first] = missing.emplace(link.node, link.node->dependencies.size());
            if (!--found->second) order.push_back(link.node);
        }
    return order;
}

std::shared_ptr<Graph> Graph::clone(bool publish, std::map<uint64_t, Node *> *map) const {
    auto copy = std::make_shared<Graph>();
    std::unordered_map<const Node *, Node *> copies;
    copy->published = publish;
    copy->body = body;
    if (publish) cpu_device::publish(copy);
    for (const auto &node : nodes) {
        std::vector<std::shared_ptr<Graph>> bodies;
        for (const auto &inner : node->bodies) bodies.push_back(inner->clone(publish, map));
        const std::shared_ptr<Node> made = copy->add(node->work, {}, std::move(bodies));
        made->original = node->handle ? node->handle : node->original;
        made->enabled = node->enabled;
        copies[node.get()] = made.get();
        if (map) (*map)[made->original] = made.get();
    }
    for (const auto &node : nodes)
        for (const Link &link : node->dependencies) connect(*copies[link.node], *copies[node.get()], link.data);
    copy->variables = variables;
    copy->objects = objects;
    return copy;
}

void Graph::publish_all() {
    if (published) return;
    published = true;
    publish(shared_from_this());
    for (const auto &node : nodes) {
        publish(node);
        node->body_handles.clear();
        for (const auto &inner : node->bodies) {
            inner->publish_all();
            node->body_handles.push_back(as<CUgraph>(*inner));
        }
    }
}

void Graph::retract() {
    if (!published) return;
    published = false;
    remove_handle(HandleKind::graph, handle);
    for (const auto &node : nodes) {
        remove_handle(HandleKind::node, node->handle);
        for (const auto &inner : node->bodies) inner->retract();
    }
}

Node *Graph::find_type(std::initializer_list<CUgraphNodeType> types) const {
    for (const auto &node : nodes) {
        if (std::find(types.begin(), types.end(), node->type()) != types.end()) return node.get();
        for (const auto &inner : node->bodies)
            if (Node *found = inner->find_type(types)) return found;
    }
    return nullptr;
}

} // namespace cpu_device

using namespace cpu_device;

extern "C" {

CUresult cuGraphCreate(CUgraph *out, unsigned flags) {
    return call([&] {
        if (in_stream_work()) return CUDA_ERROR_NOT_PERMITTED;
        if (!out || flags) return CUDA_ERROR_INVALID_VALUE;
        auto graph = std::make_shared<Graph>();
        graph->publish_all();
        *out = as<CUgraph>(*graph);
        return CUDA_SUCCESS;
    });
}

// The graphs of nodes belong to them.
CUresult cuGraphDestroy(CUgraph handle) {
    return with_graph(handle, [](Graph &graph) {
        if (graph.parent) return CUDA_ERROR_INVALID_VALUE;
        graph.retract();
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphClone(CUgraph *out, CUgraph handle) {
    return with_graph(handle, [&](Graph &graph) {
        if (!out) return CUDA_ERROR_INVALID_VALUE;
        const bool refused = graph.has_memory() || graph.find_type({CU_GRAPH_NODE_TYPE_CONDITIONAL});
        if (refused) return CUDA_ERROR_INVALID_VALUE;
        *out = as<CUgraph>(*graph.clone(true));
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphDestroyNode(CUgraphNode handle) {
    return with_node(handle, [](Node &node) {
        if (node.graph.has_memory()) return CUDA_ERROR_INVALID_VALUE;
        node.graph.remove(node);
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphNodeFindInClone(CUgraphNode *out, CUgraphNode original, CUgraph clone) {
    return with_graph(clone, [&](Graph &graph) {
        return with_node(original, [&](Node &node) {
            if (!out) return CUDA_ERROR_INVALID_VALUE;
            for (const auto &own : graph.nodes) {
                if (own->original != node.handle) continue;
                *out = as<CUgraphNode>(*own);
                return CUDA_SUCCESS;
            }
            return CUDA_ERROR_INVALID_VALUE;
        });
    });
}

CUresult cuGraphGetId(CUgraph handle, unsigned *id) {
    return with_graph(handle, [&](Graph &graph) {
        if (!id) return CUDA_ERROR_INVALID_VALUE;
        *id = graph.id;
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphNodeGetLocalId(CUgraphNode handle, unsigned *id) {
    return with_node(handle, [&](Node &node) {
        if (!id) return CUDA_ERROR_INVALID_VALUE;
        *id = node.id;
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphNodeGetToolsId(CUgraphNode handle, unsigned long long *id) {
    return with_node(handle, [&](Node &node) {
        if (!id) return CUDA_ERROR_INVALID_VALUE;
        *id = (static_cast<unsigned long long>(node.graph.id) << 32) | node.id;
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphNodeGetContainingGraph(CUgraphNode handle, CUgraph *out) {
    return with_node(handle, [&](Node &node) {
        if (!out) return CUDA_ERROR_INVALID_VALUE;
        *out = as<CUgraph>(node.graph);
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphNodeGetType(CUgraphNode handle, CUgraphNodeType *type) {
    return with_node(handle, [&](Node &node) {
        if (!type) return CUDA_ERROR_INVALID_VALUE;
        *type = node.type();
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphChildGraphNodeGetGraph(CUgraphNode handle, CUgraph *out) {
    return with_node(handle, [&](Node &node) {
        if (!out || node.type() != CU_GRAPH_NODE_TYPE_GRAPH) return CUDA_ERROR_INVALID_VALUE;
        *out = as<CUgraph>(*node.bodies[0]);
        return CUDA_SUCCESS;
    });
}
}
