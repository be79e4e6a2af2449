// A graph: nodes, the order between them, and what it keeps alive.
//
// One lock for all graphs, executables and captures: the API says that they are not for several threads at once, and a program that
// does so anyway must lose nothing.  It is never held while something is waited for.
#pragma once

#include <mutex>

#include "call.hpp"
#include "graph_work.hpp"
#include "user_object.hpp"

namespace cpu_device {

std::recursive_mutex &graph_lock();
using GraphGuard = std::lock_guard<std::recursive_mutex>;

class Graph;
class GraphExec;
class Node;

struct Link {
    Node *node;
    CUgraphEdgeData data;
};

class Node : public Object, public std::enable_shared_from_this<Node> {
  public:
    static constexpr HandleKind kKind = HandleKind::node;
    Node(Graph &graph_, unsigned id_, NodeWork work_) : graph(graph_), id(id_), work(std::move(work_)) {}

    Graph &graph; // which has it
    const unsigned id;
    NodeWork work;
    std::vector<std::shared_ptr<Graph>> bodies; // of a child node or a conditional one
    std::vector<CUgraph> body_handles;
    std::vector<Link> dependencies, dependents;
    uint64_t original = 0; // the handle of what it was cloned from
    bool enabled = true;   // in an executable
    bool removed = false;
    CUgraphNodeType type() const { return type_of(work); }
};

class Graph : public Object, public std::enable_shared_from_this<Graph> {
  public:
    static constexpr HandleKind kKind = HandleKind::graph;
    Graph();
    ~Graph() override;

    // The nodes of handles, and whether the edges to a node of `type` make sense; `data` may be null.
    CUresult find_links(const CUgraphNode *nodes, const CUgraphEdgeData *data, size_t n, CUgraphNodeType type,
                        std::vector<Link> &links);
    std::shared_ptr<Node> add(NodeWork work, const std::vector<Link> &dependencies,
                              std::vector<std::shared_ptr<Graph>> bodies = {});
    void remove(Node &node);
    bool has(const Node *node) const { return node && &node->graph == this; }
    static void connect(Node &from, Node &to, const CUgraphEdgeData &data);
    static bool disconnect(Node &from, Node &to, const CUgraphEdgeData &data);
    static bool reaches(const Node &from, const Node &to); // along edges
    std::vector<Node *> roots() const;
    std::vector<Node *> in_order() const; // each behind its dependencies
    // A copy with handles of its own where `published`; those of nodes are noted by the originals' in `map`.
    std::shared_ptr<Graph> clone(bool published, std::map<uint64_t, Node *> *map = nullptr) const;
    // Gives it, its nodes and their graphs handles; takes them away.
    void publish_all();
    void retract();
    // Whether a node of one of these types is in it, or in a graph inside it.
    Node *find_type(std::initializer_list<CUgraphNodeType> types) const;
    bool has_memory() const {
        return find_type({CU_GRAPH_NODE_TYPE_MEM_ALLOC, CU_GRAPH_NODE_TYPE_MEM_FREE}) != nullptr;
    }

    const unsigned id;
    std::vector<std::shared_ptr<Node>> nodes; // in the order in which they were added
    std::vector<std::shared_ptr<Conditional>> variables;
    UserObjects objects;
    Graph *parent = nullptr; // whose node has it
    bool body = false;       // of a conditional node
    bool no_memory = false;  // a child that was cloned: no allocations may be added
    uint64_t instance = 0;   // the handle of an executable of it
    bool published = false;

  private:
    unsigned next_node_ = 0;
};

inline CUgraphEdgeData plain_edge() {
    return CUgraphEdgeData{};
}
inline bool same_edge(const CUgraphEdgeData &a, const CUgraphEdgeData &b) {
    return a.from_port == b.from_port && a.to_port == b.to_port && a.type == b.type;
}

// Whether memory that `work` allocates or frees can be: not in children that are copies, and not twice.
CUresult check_memory(Graph &graph, const NodeWork &work);

// body(T &) with a graph, a node or an executable.
template <class T, class Handle, class Body> CUresult with_graph_object(Handle handle, Body &&body) noexcept {
    return call([&]() -> CUresult {
        if (in_stream_work()) return CUDA_ERROR_NOT_PERMITTED;
        GraphGuard guard(graph_lock());
        const std::shared_ptr<T> found = lookup<T>(handle);
        return found ? body(*found) : CUDA_ERROR_INVALID_VALUE;
    });
}
template <class Body> CUresult with_graph(CUgraph handle, Body &&body) noexcept {
    return with_graph_object<Graph>(handle, body);
}
template <class Body> CUresult with_node(CUgraphNode handle, Body &&body) noexcept {
    return with_graph_object<Node>(handle, body);
}

} // namespace cpu_device
