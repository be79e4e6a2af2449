// A launch of an executable graph, on the stream's side.
#include "graph_exec.hpp"

#include "../exec/conditionals.hpp"
#include "interrupt.hpp"
#include "ledger.hpp"

namespace cpu_device {

namespace {

void record(std::function<void()> &event) {
    if (event) event();
    event = nullptr;
}

class Runner {
  public:
    Runner(GraphRun &run, Context &context) : run_(run), context_(context) {}
    void perform(const Plan &plan) {
        for (const Step &step : plan.steps) {
            step_ = &step;
            std::visit(*this, step.work);
        }
    }

    void operator()(const EmptyWork &) {}
    void operator()(const std::shared_ptr<const KernelNodeWork> &work) {
        Launch launch = work->kernel.launch;
        launch.interrupts = run_.made;
        run_kernel(*work->kernel.function->context, launch, work->kernel.request.multiprocessors);
    }
    void operator()(const CopyNodeWork &work) { run_copy(work.copy, *work.context); }
    void operator()(const FillNodeWork &work) { run_fill(work.fill, *work.context); }
    void operator()(const HostWork &work) {
        if (context_.fault() == CUDA_SUCCESS) work.function(work.data);
    }
    void operator()(const EventWork &work) {
        if (work.record)
            record(run_.records[step_->event]);
        else
            run_.waits[step_->event].wait();
    }
    void operator()(const MemoryOpsWork &work) { run_ops(work.ops, *work.context, run_.made); }
    void operator()(const AllocationWork &) {} // at the launch
    void operator()(const FreeWork &work) { ledger().release(work.memory->base); }
    void operator()(const ChildWork &) { perform(step_->bodies[0]); }
    void operator()(const ConditionalWork &work) {
        const std::vector<Plan> &bodies = step_->bodies;
        const uint64_t handle = work.variable->handle;
        const uint32_t value = get_conditional(handle);
        switch (work.type) {
        case CU_GRAPH_COND_TYPE_IF:
            if (value || bodies.size() > 1) perform(bodies[value ? 0 : 1]);
            break;
        case CU_GRAPH_COND_TYPE_WHILE:
            while (go_on() && get_conditional(handle)) perform(bodies[0]);
            break;
        default:
            if (value < bodies.size()) perform(bodies[value]);
        }
    }

  private:
    bool go_on() {
        if (interrupts() != run_.made) { // a loop need not have kernels
            Fault fault;
            fault.what = "the launch was interrupted";
            context_.fail(Status::launch_failed, fault);
        }
        return !context_.stop && context_.fault() == CUDA_SUCCESS;
    }

    GraphRun &run_;
    Context &context_;
    const Step *step_ = nullptr;
};

} // namespace

GraphRun::~GraphRun() {
    for (auto &event : records) record(event);
}

void GraphRun::perform(Context &context) {
    const Interruptible by_signal;
    for (uint64_t base : left) ledger().release(base);
    for (const auto &variable : plan->variables)
        if (variable->assign) set_conditional(variable->handle, variable->value);
    Runner(*this, context).perform(plan->plan);
}

} // namespace cpu_device
