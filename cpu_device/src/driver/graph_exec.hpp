// An executable graph: a copy of a graph that is its own, and the plan that a launch of it follows.
#pragma once

#include "graph.hpp"

namespace cpu_device {

struct Plan;

struct Step {
    NodeWork work;
    std::vector<Plan> bodies; // of a child or conditional node
    size_t event = 0;         // which of the launch's
};

// What a launch does, in an order that honours the edges.  Never changed: launches that wait keep theirs.
struct Plan {
    std::vector<Step> steps;
};

struct WholePlan {
    Plan plan;
    bool host = false; // has host functions
    std::vector<std::shared_ptr<Event>> waits, records;
    std::vector<std::shared_ptr<Conditional>> variables;
    std::vector<std::shared_ptr<GraphAllocation>> allocations, frees;
};

class GraphExec : public Object, public std::enable_shared_from_this<GraphExec> {
  public:
    static constexpr HandleKind kKind = HandleKind::graph_exec;
    GraphExec(const Graph &source, uint64_t flags);
    // The node that was made of one of the graph that it was made of; nullptr: there is none, or that one was removed.
    Node *node(CUgraphNode original);
    void changed() { plan_ = nullptr; }
    CUresult launch(Stream &stream);

    const uint64_t flags;
    const unsigned id;
    std::map<uint64_t, Node *> nodes;
    std::shared_ptr<Graph> graph;

  private:
    std::shared_ptr<const WholePlan> plan();
    CUresult take_memory(const WholePlan &plan, std::vector<uint64_t> &left);
    std::shared_ptr<const WholePlan> plan_;
    Moment last_; // the end of the last launch
};

template <class Body> CUresult with_exec(CUgraphExec handle, Body &&body) noexcept {
    return with_graph_object<GraphExec>(handle, body);
}

// One launch, done by a stream.
struct GraphRun {
    GraphRun() = default;
    GraphRun(const GraphRun &) = delete;
    GraphRun &operator=(const GraphRun &) = delete;
    ~GraphRun();                     // events that were not come to are recorded: somebody may wait for them
    std::shared_ptr<GraphExec> exec; // lives until the end, and with it what user objects stand for
    std::shared_ptr<const WholePlan> plan;
    std::vector<Moment> waits;
    std::vector<std::function<void()>> records;
    std::vector<uint64_t> left; // by the last launch, to be freed before this one
    const uint64_t made = interrupts();
    void perform(Context &context);
};

// Whether an executable's node may do `work` instead of what it does; what is wrong with that otherwise.
CUgraphExecUpdateResult may_become(const Node &node, const NodeWork &work, uint64_t flags);

} // namespace cpu_device
