// Executables: made, launched, destroyed.
#include "graph_exec.hpp"

#include <algorithm>
#include <cstring>

#include "capture.hpp"
#include "ledger.hpp"

namespace cpu_device {

namespace {

unsigned next_exec_id() {
    static std::atomic<unsigned> next{1};
    return next++;
}

class Planner {
  public:
    explicit Planner(WholePlan &whole) : whole_(whole) {}
    Plan plan(const Graph &graph) {
        Plan made;
        for (const Node *node : graph.in_order()) {
            Step step;
            if (node->enabled) step.work = node->work;
            note(step);
            for (const auto &body : node->bodies) step.bodies.push_back(plan(*body));
            made.steps.push_back(std::move(step));
        }
        return made;
    }

  private:
    void note(Step &step) {
        if (std::holds_alternative<HostWork>(step.work)) whole_.host = true;
        if (const auto *w = std::get_if<EventWork>(&step.work)) {
            auto &events = w->record ? whole_.records : whole_.waits;
            step.event = events.size();
            events.push_back(w->event);
        }
        if (const auto *w = std::get_if<ConditionalWork>(&step.work)) whole_.variables.push_back(w->variable);
        if (const auto *w = std::get_if<AllocationWork>(&step.work)) whole_.allocations.push_back(w->memory);
        if (const auto *w = std::get_if<FreeWork>(&step.work)) whole_.frees.push_back(w->memory);
    }
    WholePlan &whole_;
};

bool in(const std::vector<std::shared_ptr<GraphAllocation>> &list, const std::shared_ptr<GraphAllocation> &memory) {
    return std::find(list.begin(), list.end(), memory) != list.end();
}

} // namespace

GraphExec::GraphExec(const Graph &source, uint64_t flags_) : flags(flags_), id(next_exec_id()) {
    graph = source.clone(false, &nodes);
}

Node *GraphExec::node(CUgraphNode original) {
    if (!lookup<Node>(original)) return nullptr;
    auto found = nodes.find(reinterpret_cast<uint64_t>(original));
    return found == nodes.end() ? nullptr : found->second;
}

std::shared_ptr<const WholePlan> GraphExec::plan() {
    if (plan_) return plan_;
    auto made = std::make_shared<WholePlan>();
    made->plan = Planner(*made).plan(*graph);
    return plan_ = std::move(made);
}

// Memory that the launch allocates is there when it returns, so that what follows may name it.  All of it or none.
CUresult GraphExec::take_memory(const WholePlan &plan, std::vector<uint64_t> &left) {
    const bool auto_free = flags & CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
    for (const auto &memory : plan.allocations) {
        if (!ledger().held(memory->base)) continue;
        if (!auto_free) return CUDA_ERROR_INVALID_VALUE;
        left.push_back(memory->base);
    }
    for (const auto &memory : plan.frees)
        if (!in(plan.allocations, memory) && !ledger().held(memory->base)) return CUDA_ERROR_INVALID_VALUE;
    for (uint64_t base : left) ledger().begin_free(base);
    for (size_t i = 0; i < plan.allocations.size(); i++) {
        if (ledger().acquire(plan.allocations[i]->base)) continue;
        while (i--) {
            ledger().begin_free(plan.allocations[i]->base);
            ledger().release(plan.allocations[i]->base);
        }
        for (uint64_t base : left) ledger().release(base);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    for (const auto &memory : plan.frees) ledger().begin_free(memory->base);
    return CUDA_SUCCESS;
}

CUresult GraphExec::launch(Stream &stream) {
    auto run = std::make_shared<GraphRun>();
    run->exec = shared_from_this();
    run->plan = plan();
    const CUresult status = take_memory(*run->plan, run->left);
    if (status != CUDA_SUCCESS) return status;
    for (const auto &event : run->plan->waits) run->waits.push_back(event->moment());
    for (const auto &event : run->plan->records) {
        forget_capture(*event);
        run->records.push_back(event->begin_record(stream));
    }
    Context &context = stream.context;
    stream.wait_for(last_);
    last_ = stream.submit([run, &context] { run->perform(context); }, run->plan->host);
    return CUDA_SUCCESS;
}

} // namespace cpu_device

using namespace cpu_device;

namespace {

constexpr unsigned long long kFlags = CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH |
                                      CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD | CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH |
                                      CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY;

struct Outcome {
    CUgraphInstantiateResult result = CUDA_GRAPH_INSTANTIATE_ERROR;
    CUgraphNode node = nullptr;
};

// The node that a conditional body may not have.
Node *refused_in_body(const Graph &graph, bool body) {
    for (const auto &node : graph.nodes) {
        switch (static_cast<int>(node->type())) {
        case CU_GRAPH_NODE_TYPE_KERNEL:
        case CU_GRAPH_NODE_TYPE_EMPTY:
        case CU_GRAPH_NODE_TYPE_GRAPH:
        case CU_GRAPH_NODE_TYPE_MEMSET:
        case CU_GRAPH_NODE_TYPE_MEMCPY:
        case CU_GRAPH_NODE_TYPE_CONDITIONAL: break;
        default:
            if (body) return node.get();
        }
        for (const auto &inner : node->bodies)
            if (Node *found = refused_in_body(*inner, body || inner->body)) return found;
    }
    return nullptr;
}

bool unused_variable(const Graph &graph) {
    for (const auto &variable : graph.variables)
        if (!variable->used) return true;
    for (const auto &node : graph.nodes)
        for (const auto &inner : node->bodies)
            if (unused_variable(*inner)) return true;
    return false;
}

CUresult check(const Graph &graph, unsigned long long flags, Outcome &outcome) {
    if (flags & ~kFlags) return CUDA_ERROR_INVALID_VALUE;
    const bool device = flags & CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH;
    if (device && (flags & CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH)) return CUDA_ERROR_INVALID_VALUE;
    if (device) return CUDA_ERROR_NOT_SUPPORTED; // kernels cannot launch graphs here
    const bool single = graph.has_memory() || graph.find_type({CU_GRAPH_NODE_TYPE_CONDITIONAL});
    if (single && lookup<GraphExec>(graph.instance)) return CUDA_ERROR_INVALID_VALUE;
    if (const Node *node = refused_in_body(graph, graph.body)) {
        outcome = {CUDA_GRAPH_INSTANTIATE_NODE_OPERATION_NOT_SUPPORTED, as<CUgraphNode>(*node)};
        return CUDA_ERROR_NOT_SUPPORTED;
    }
    if (unused_variable(graph)) {
        outcome.result = CUDA_GRAPH_INSTANTIATE_CONDITIONAL_HANDLE_UNUSED;
        return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

CUresult instantiate(CUgraphExec *out, CUgraph handle, unsigned long long flags, Outcome &outcome) {
    return with_graph(handle, [&](Graph &graph) {
        const CUresult status = out ? check(graph, flags, outcome) : CUDA_ERROR_INVALID_VALUE;
        if (status != CUDA_SUCCESS) return status;
        auto exec = std::make_shared<GraphExec>(graph, flags & ~CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD);
        graph.instance = publish(exec);
        *out = as<CUgraphExec>(*exec);
        outcome.result = CUDA_GRAPH_INSTANTIATE_SUCCESS;
        return CUDA_SUCCESS;
    });
}

CUresult instantiate_plainly(CUgraphExec *out, CUgraph graph, CUgraphNode *node, char *log, size_t size) {
    Outcome outcome;
    const CUresult status = instantiate(out, graph, 0, outcome);
    if (node) *node = outcome.node;
    if (log && size) log[0] = 0;
    return status;
}

} // namespace

extern "C" {

CUresult cuGraphInstantiate(CUgraphExec *out, CUgraph graph, CUgraphNode *node, char *log, size_t size) {
    return instantiate_plainly(out, graph, node, log, size);
}

CUresult cuGraphInstantiate_v2(CUgraphExec *out, CUgraph graph, CUgraphNode *node, char *log, size_t size) {
    return instantiate_plainly(out, graph, node, log, size);
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph graph, unsigned long long flags) {
    Outcome outcome;
    if (flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD) return CUDA_ERROR_INVALID_VALUE; // there is no stream for it
    return instantiate(out, graph, flags, outcome);
}

CUresult cuGraphInstantiateWithParams(CUgraphExec *out, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS *params) {
    Outcome outcome;
    if (!params) return CUDA_ERROR_INVALID_VALUE;
    CUresult status = CUDA_SUCCESS;
    if (params->flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD)
        status = in_stream(params->hUploadStream, [](Stream &) { return CUDA_SUCCESS; });
    if (status == CUDA_SUCCESS) status = instantiate(out, graph, params->flags, outcome);
    params->result_out = outcome.result;
    params->hErrNode_out = outcome.node;
    return status;
}

// A launch under way keeps it until its end.
CUresult cuGraphExecDestroy(CUgraphExec handle) {
    return with_exec(handle, [&](GraphExec &) {
        retire<GraphExec>(handle);
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphExecGetFlags(CUgraphExec handle, cuuint64_t *flags) {
    return with_exec(handle, [&](GraphExec &exec) {
        if (!flags) return CUDA_ERROR_INVALID_VALUE;
        *flags = exec.flags;
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphExecGetId(CUgraphExec handle, unsigned *id) {
    return with_exec(handle, [&](GraphExec &exec) {
        if (!id) return CUDA_ERROR_INVALID_VALUE;
        *id = exec.id;
        return CUDA_SUCCESS;
    });
}

// There is nothing to bring anywhere.
CUresult cuGraphUpload(CUgraphExec handle, CUstream stream) {
    return in_stream(stream, [&](Stream &) { return with_exec(handle, [](GraphExec &) { return CUDA_SUCCESS; }); });
}

// In a capture it becomes a child, as the executable is now.
CUresult cuGraphLaunch(CUgraphExec handle, CUstream stream_handle) {
    return in_stream<Capturing::recorded>(stream_handle, [&](Stream &stream) {
        return with_exec(handle, [&](GraphExec &exec) {
            if (!stream.capturing) return exec.launch(stream);
            const bool refused = exec.graph->has_memory() || exec.graph->find_type({CU_GRAPH_NODE_TYPE_CONDITIONAL});
            if (refused) return refuse_capture(stream);
            std::shared_ptr<Graph> child = exec.graph->clone(false);
            child->no_memory = true;
            return capture(stream, ChildWork{}, {std::move(child)});
        });
    });
}
}
