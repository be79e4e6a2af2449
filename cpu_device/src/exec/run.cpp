// A grid from its first to its last CTA: CTAs are taken in index order by host threads, each of which keeps several that are not done.
#include "checker.hpp"
#include "image.hpp"

#include <algorithm>
#include <cfenv>
#include <cstdio>
#include <thread>

namespace cpu_device {
namespace {

constexpr uint64_t kSlice = 2048;       // instructions of a warp before the CTA's next one runs
constexpr uint64_t kQuantum = 1u << 19; // instructions of a CTA before another one may start
constexpr uint64_t kMostClusterCtas = 16;
constexpr size_t kResident = 64; // clusters that a host thread keeps at most

// Makes a CTA ready to run; its warps and their memory are used again and again.
void start_cta(Cta &cta, LaunchState &launch, Worker &worker, Cluster &cluster, uint32_t rank) {
    const Dim3 &grid = launch.launch->grid, &size = launch.cluster;
    cta.launch = &launch;
    cta.cluster = &cluster;
    cta.rank = rank;
    cta.cluster_id[0] = rank % size.x;
    cta.cluster_id[1] = rank / size.x % size.y;
    cta.cluster_id[2] = rank / size.x / size.y;
    cta.id[0] = cluster.id[0] * size.x + cta.cluster_id[0];
    cta.id[1] = cluster.id[1] * size.y + cta.cluster_id[1];
    cta.id[2] = cluster.id[2] * size.z + cta.cluster_id[2];
    cta.linear = cta.id[0] + uint64_t(grid.x) * (cta.id[1] + uint64_t(grid.y) * cta.id[2]);
    const uint32_t warps = (launch.threads + kLanes - 1) / kLanes;
    if (cta.warps.size() != warps) {
        cta.warps.clear();
        for (uint32_t k = 0; k < warps; ++k) cta.warps.push_back(std::make_unique<Warp>());
        cta.shared_storage.assign(launch.shared_bytes + 128, 0);
        cta.shared =
            cta.shared_storage.data() + (128 - reinterpret_cast<uintptr_t>(cta.shared_storage.data()) % 128) % 128;
        cta.shared_bytes = launch.shared_bytes;
    }
    for (Barrier &b : cta.barriers)
        if (b.used) b = Barrier();
    cta.living = warps;
    cta.next_warp = 0;
    for (uint32_t k = 0; k < warps; ++k) {
        Warp &w = *cta.warps[k];
        const uint32_t lanes = std::min<uint32_t>(kLanes, launch.threads - k * kLanes);
        w.cluster_arrived = w.cluster_owed = 0;
        w.all = w.live = lanes == kLanes ? kFullMask : (1u << lanes) - 1;
        w.mask = 0;
        w.frame = nullptr;
        w.parked_n = 0;
        w.worker = &worker;
        w.cta = &cta;
        w.index = k;
        w.age = 0;
        w.aged = w.force = w.done = w.started = false;
        w.runnable = true;
        w.event = Event::none;
        w.base[1] = launch.image->constants;
        w.shared = cta.shared;
        w.shared_bytes = cta.shared_bytes;
    }
    if (launch.checker) launch.checker->start_cta(cta);
}

void start_cluster(Cluster &cluster, LaunchState &launch, Worker &worker, uint64_t index) {
    const Dim3 &grid = launch.cluster_grid;
    const uint32_t ctas = launch.cluster.x * launch.cluster.y * launch.cluster.z;
    cluster.index = index;
    cluster.id[0] = static_cast<uint32_t>(index % grid.x);
    cluster.id[1] = static_cast<uint32_t>(index / grid.x % grid.y);
    cluster.id[2] = static_cast<uint32_t>(index / grid.x / grid.y);
    while (cluster.ctas.size() < ctas) cluster.ctas.push_back(std::make_unique<Cta>());
    for (uint32_t k = 0; k < ctas; ++k) start_cta(*cluster.ctas[k], launch, worker, cluster, k);
}

// The first instruction of a warp; registers are taken only now, so that warps that run one after the other use the same.
bool start_warp(Warp &w) {
    const Code *code = w.cta->launch->entry;
    w.started = true;
    Frame *frame = new_frame(w, code, nullptr);
    frame->lanes = w.live;
    w.frame = frame;
    w.mask = w.live;
    w.base[0] = frame->registers;
    w.pc = code->insts.data();
    w.limit = stop_pc();
    if (code->local_bytes && !local_room(w, code->local_bytes)) {
        fault(w, code->insts.data(), 0, Status::launch_out_of_resources, "too much local memory");
        return false;
    }
    return true;
}

void deadlock(Cta &cta) {
    for (auto &p : cta.warps) {
        Warp &w = *p;
        for (uint32_t k = 0; k < w.parked_n; ++k) {
            const Wait wait = w.parked[k].wait;
            if (wait != Wait::barrier && wait != Wait::cluster) continue;
            w.frame = w.parked[k].frame;
            fault(w, w.parked[k].pc - 1, first_lane(w.parked[k].mask), Status::launch_failed,
                  wait == Wait::barrier ? "a barrier that not all threads reach"
                                        : "a cluster barrier that not all threads reach");
            return;
        }
    }
}

void end_launch(LaunchState &launch, Cta &cta, Status status, const char *why) {
    for (auto &p : cta.warps) {
        if (p->done || !p->started) continue;
        Warp &w = *p;
        const Inst *at = w.pc;
        if (!w.frame && w.parked_n) {
            w.frame = w.parked[0].frame;
            at = w.parked[0].pc;
            w.mask = w.parked[0].mask;
        }
        if (!w.frame) continue;
        fault(w, at, first_lane(w.mask), status, why);
        return;
    }
    std::lock_guard<std::mutex> lock(launch.fault_mutex);
    if (!launch.failed) {
        launch.fault->status = status;
        launch.fault->what = why;
        launch.failed = true;
    }
}

bool waits_for_cluster(const Cta &cta) {
    for (const auto &w : cta.warps)
        for (uint32_t k = 0; k < w->parked_n; ++k)
            if (w->parked[k].wait == Wait::cluster) return true;
    return false;
}

// Runs a CTA for a while; true when all its warps are done.  `any`: set where one of them could run.
bool run_cta(Cta &cta, LaunchState &launch, uint64_t quantum, bool &any) {
    uint64_t total = 0;
    while (cta.living) {
        bool progress = false;
        for (auto &p : cta.warps) {
            Warp &w = *p;
            if (!w.runnable || w.done) continue;
            if (!w.started && !start_warp(w)) return false;
            total += run_warp(w, kSlice);
            any = progress = true;
            if (launch.failed) return false;
        }
        if (!progress && cta.living) {
            if (waits_for_cluster(cta)) break;
            deadlock(cta);
            return false;
        }
        if (total >= quantum) break;
    }
    const uint64_t steps = launch.steps.fetch_add(total, std::memory_order_relaxed) + total;
    if (cta.living && launch.options->step_budget && steps > launch.options->step_budget) {
        end_launch(launch, cta, Status::launch_timeout,
                   "the launch took more instructions than CPU_DEVICE_STEPS allows");
        return false;
    }
    if (launch.stop && *launch.stop) {
        end_launch(launch, cta, Status::launch_timeout, "the launch was stopped");
        return false;
    }
    if (interrupts().load(std::memory_order_relaxed) != launch.launch->interrupts) {
        end_launch(launch, cta, Status::launch_failed, "the launch was interrupted");
        return false;
    }
    return cta.living == 0;
}

// The same for a cluster: its CTAs take turns.
bool run_cluster(Cluster &cluster, LaunchState &launch, uint64_t quantum) {
    const uint64_t share = cluster.ctas.size() == 1 ? quantum : std::min(quantum, kSlice * 8);
    for (uint64_t spent = 0; spent < quantum; spent += share) {
        bool living = false, any = false;
        for (auto &cta : cluster.ctas) {
            if (cta->living) living |= !run_cta(*cta, launch, share, any);
            if (launch.failed) return false;
        }
        if (!living) return true;
        if (!any) { // all wait for those of the cluster that never come
            for (auto &cta : cluster.ctas)
                if (cta->living) return deadlock(*cta), false;
        }
    }
    return false;
}

void work_through(LaunchState &launch, bool all_resident, unsigned workers) {
    std::fenv_t environment;
    std::feholdexcept(&environment);
    std::fesetenv(FE_DFL_ENV);
    Worker worker;
    worker.launch = &launch;
    worker.generation = launch.memory->generation();
    std::vector<std::unique_ptr<Cluster>> resident, spare;
    size_t limit = all_resident ? static_cast<size_t>(launch.clusters / workers + 1) : 1;
    const uint64_t budget = launch.options->step_budget;
    const uint64_t quantum = all_resident ? kSlice * 8
                             : budget     ? std::min<uint64_t>(kQuantum, std::max<uint64_t>(budget / 4, 256))
                                          : kQuantum;
    while (!launch.failed) {
        while (resident.size() < limit) {
            uint64_t index = launch.next_cluster.load(std::memory_order_relaxed);
            if (index >= launch.clusters) break;
            index = launch.next_cluster.fetch_add(1, std::memory_order_relaxed);
            if (index >= launch.clusters) break;
            if (spare.empty()) spare.push_back(std::make_unique<Cluster>());
            start_cluster(*spare.back(), launch, worker, index);
            resident.push_back(std::move(spare.back()));
            spare.pop_back();
        }
        if (resident.empty()) break;
        bool waiting = false;
        for (size_t k = 0; k < resident.size() && !launch.failed;) {
            const uint64_t generation = launch.memory->generation();
            if (generation != worker.generation) {
                for (Region &r : worker.cache) r = Region();
                worker.generation = generation;
            }
            if (run_cluster(*resident[k], launch, quantum)) {
                spare.push_back(std::move(resident[k]));
                resident.erase(resident.begin() + static_cast<std::ptrdiff_t>(k));
            } else {
                waiting = true;
                ++k;
            }
        }
        if (waiting && !all_resident)
            limit = std::min(limit * 2, kResident); // perhaps it waits for a later one
        else if (!all_resident)
            limit = 1;
    }
    std::fesetenv(&environment);
}

// A host thread's part, whatever happens in it.
void work(LaunchState &launch, bool all_resident, unsigned workers) {
    try {
        work_through(launch, all_resident, workers);
    } catch (const std::bad_alloc &) {
        std::lock_guard<std::mutex> lock(launch.fault_mutex);
        if (launch.failed) return;
        launch.fault->status = Status::out_of_memory;
        launch.fault->what = "no memory on the host to run the launch";
        launch.failed = true;
    }
}

// What was asked for, else what the kernel was compiled for.
Dim3 cluster_of(const Launch &l) {
    const uint32_t *r = l.kernel->required_cluster;
    return l.has_cluster || !r[0] ? l.cluster : Dim3{r[0], r[1], r[2]};
}

bool valid(const Launch &l, Fault &fault) {
    const Dim3 &g = l.grid, &b = l.block;
    auto refuse = [&](Status status, const char *what) {
        fault.status = status;
        fault.what = what;
        fault.kernel = l.kernel ? l.kernel->name() : "";
        return false;
    };
    if (!l.kernel || !l.kernel->decoded) return refuse(Status::invalid_value, "no kernel");
    if (!g.x || !g.y || !g.z || !b.x || !b.y || !b.z || g.x > 2147483647u || g.y > 65535 || g.z > 65535 || b.x > 1024 ||
        b.y > 1024 || b.z > 64)
        return refuse(Status::invalid_value, "grid or block dimensions are out of range");
    if (uint64_t(b.x) * b.y * b.z > l.kernel->max_threads)
        return refuse(Status::launch_out_of_resources, "more threads than the kernel allows");
    const uint32_t *r = l.kernel->required_threads;
    if (r[0] && (r[0] != b.x || r[1] != b.y || r[2] != b.z))
        return refuse(Status::invalid_value, "the kernel requires another block size");
    const Dim3 c = cluster_of(l);
    const uint32_t *rc = l.kernel->required_cluster;
    if (l.kernel->must_have_cluster && !l.has_cluster && !rc[0])
        return refuse(Status::invalid_cluster_size, "the kernel must be launched with a cluster size");
    if (l.has_cluster && rc[0] && (rc[0] != c.x || rc[1] != c.y || rc[2] != c.z))
        return refuse(Status::invalid_cluster_size, "the kernel requires another cluster size");
    if (!c.x || !c.y || !c.z || g.x % c.x || g.y % c.y || g.z % c.z)
        return refuse(Status::invalid_value, "the grid is not a whole number of clusters");
    if (uint64_t(c.x) * c.y * c.z > kMostClusterCtas)
        return refuse(Status::invalid_cluster_size, "more CTAs than a cluster can have");
    if (!l.kernel->params().empty()) {
        const KernelParam &last = l.kernel->params().back();
        if (l.params.size() < size_t(last.offset) + last.size)
            return refuse(Status::invalid_value, "too few parameters");
    }
    return true;
}

} // namespace

std::atomic<uint64_t> &interrupts() {
    static std::atomic<uint64_t> count{0};
    return count;
}

Status run(const Launch &l, Memory &memory, const Options &options, const volatile bool *stop, Fault &fault) {
    fault = Fault();
    if (!valid(l, fault)) return fault.status;
    static std::atomic<uint64_t> grids{0};
    LaunchState launch;
    launch.launch = &l;
    launch.entry = static_cast<const Code *>(l.kernel->decoded);
    launch.image = l.kernel->program->state();
    launch.memory = &memory;
    launch.options = &options;
    launch.stop = stop;
    launch.fault = &fault;
    launch.device = launch.image->device;
    launch.grid_id = ++grids;
    launch.threads = l.block.x * l.block.y * l.block.z;
    launch.cluster = cluster_of(l);
    launch.cluster_grid = {l.grid.x / launch.cluster.x, l.grid.y / launch.cluster.y, l.grid.z / launch.cluster.z};
    launch.clusters = uint64_t(launch.cluster_grid.x) * launch.cluster_grid.y * launch.cluster_grid.z;
    launch.shared_bytes = l.kernel->static_shared_bytes;
    if (l.dynamic_shared_bytes) launch.shared_bytes = (launch.shared_bytes + 127) / 128 * 128 + l.dynamic_shared_bytes;
    std::unique_ptr<Checker> checker;
    if (options.races || options.uninitialised)
        checker = std::make_unique<Checker>(launch, options.races, options.uninitialised);
    launch.checker = checker.get();
    unsigned workers = options.deterministic || checker ? 1
                       : options.threads                ? options.threads
                                                        : std::max(1u, std::thread::hardware_concurrency());
    workers = static_cast<unsigned>(std::min<uint64_t>({workers, launch.clusters, 1024}));
    if (l.cooperative) {
        const Allocation *a = memory.allocate(256, 256, MemoryKind::device, launch.device);
        if (!a) {
            fault.status = Status::out_of_memory;
            fault.what = "no memory for the grid's barrier";
            return fault.status;
        }
        std::memset(a->host, 0, a->size);
        launch.workspace = a->base;
    }
    std::vector<std::thread> helpers;
    helpers.reserve(workers);
    for (unsigned k = 1; k < workers; ++k) {
        try {
            helpers.emplace_back([&] { work(launch, l.cooperative, workers); });
        } catch (const std::system_error &) { // fewer threads do as well
            break;
        }
    }
    work(launch, l.cooperative, helpers.size() + 1 < workers ? 1 : workers);
    for (std::thread &t : helpers) t.join();
    if (launch.workspace) memory.release(launch.workspace);
    fault.steps = launch.steps;
    if (!launch.printed.empty()) {
        std::fwrite(launch.printed.data(), 1, launch.printed.size(), stdout);
        std::fflush(stdout);
    }
    return launch.failed ? fault.status : Status::success;
}

} // namespace cpu_device
