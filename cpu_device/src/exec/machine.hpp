// The machine's state while a grid runs: decoded instructions, warps with their groups of lanes and frames, CTAs, the launch.
//
// All of it is plain objects: a warp can be stopped after any instruction and go on later in whatever host thread.
// A register is 32 lanes side by side (2, 4 or 8 bytes each by the width of its type); a predicate is one 32-bit mask.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "program.hpp"
#include "touch.hpp"

namespace cpu_device {

// Generic addresses at and above kWindowBase belong to the windows; device memory lies below (host user space is 47 bits).
constexpr uint64_t kWindowBase = 1ull << 48;
constexpr uint64_t kWindowSize = 1ull << 32;
constexpr uint64_t kSharedWindow = kWindowBase;
constexpr uint64_t kLocalWindow = kWindowBase + 1 * kWindowSize;
constexpr uint64_t kParamWindow = kWindowBase + 2 * kWindowSize;
constexpr uint64_t kCodeWindow = kWindowBase + 3 * kWindowSize; // addresses of functions, 16 apart

// In the shared window: the place in a CTA's own shared memory below kRankShift, above it 0 for the CTA itself or 1 + its rank in the cluster.
constexpr uint32_t kRankShift = 24;

constexpr int kLanes = 32;
constexpr uint32_t kDiscard = ~0u; // destination operand: none
constexpr uint32_t kFullMask = ~0u;
constexpr int kBarriers = 16;
constexpr int kRegionCache = 64;
constexpr uint32_t kLocalLimit = 512u << 10; // bytes of local memory a thread may have, call stack included
constexpr uint32_t kDepthLimit = 4096;       // calls

struct Warp;
struct Inst;
using Handler = const Inst *(*)(Warp &, const Inst *);

// What `Inst::flags` says of arithmetic.
enum Flag : uint16_t {
    kRoundMask = 3, // 0 nearest even, 1 towards zero, 2 down, 3 up
    kFtz = 4,
    kSat = 8,
    kNan = 16, // min.NaN max.NaN
    kXorSign = 32,
    kRelu = 64,
    kAbs = 128,
    kSatFinite = 256,
    kToInt = 512,   // .rni .rzi .rmi .rpi
    kNegC = 1024,   // predicate operand c is negated
    kAway = 2048,   // .rna
    kFence = 4096,  // memory order stronger than relaxed
    kRemote = 8192, // .shared::cluster: other CTAs' shared memory too
};

// A decoded instruction.  Operands are byte offsets: bit 0 clear: in the frame's registers, set: in the program's constants.
struct alignas(64) Inst {
    Handler fn = nullptr;
    Handler inner = nullptr;      // of a guarded instruction: what `fn` guards
    const Inst *target = nullptr; // branches; for calls the decoder's index until it is linked
    uint64_t imm = 0;
    uint32_t d = 0, a = 0, b = 0, c = 0;
    uint32_t guard = 0; // predicate of @p, bit 0: negated
    uint32_t extra = 0; // index into Code::lists, or a second destination
    uint32_t index = 0; // of the written instruction
    uint16_t flags = 0;
    uint8_t sub = 0;   // the handler's own
    uint8_t count = 1; // vector elements
};

struct Code;

// A value that a call passes: a register or bytes of the frame's local memory.
struct Slot {
    bool is_register = false;
    uint32_t at = 0;   // operand, or offset in the frame's local memory
    uint32_t size = 0; // bytes a lane
};

struct CallSite {
    const Code *callee = nullptr; // nullptr: indirect, or a system call
    uint32_t pointer = 0;         // register with the address of an indirect call
    std::vector<Slot> arguments, results;
};

// A decoded function.
struct Code {
    std::string name;
    const ptx::Function *source = nullptr;
    std::vector<Inst> insts;
    std::vector<Touch> touches;  // what each does to memory
    std::vector<uint32_t> lists; // operands of vectors
    std::vector<CallSite> calls;
    std::vector<std::vector<uint32_t>> tables; // brx.idx: instruction indices
    std::vector<Slot> arguments, results;
    uint32_t register_bytes = 0;
    uint32_t local_bytes = 0; // .local variables and .param space of calls
    uint32_t registers = 0;
    uint32_t id = 0;
};

struct Frame {
    const Code *code = nullptr;
    Frame *parent = nullptr;
    const Inst *back = nullptr; // where the caller goes on
    const CallSite *site = nullptr;
    uint8_t *registers = nullptr;
    uint32_t lanes = 0; // that are in it or in what it called
    uint32_t local_base = 0;
    uint32_t dynamic = 0;                  // bytes that alloca has taken, the most of any lane
    std::unique_ptr<uint32_t[]> allocated; // by lane; none before the first alloca
    uint32_t depth = 0;

    // Where local memory of what it calls begins, and where a lane's own ends.
    uint32_t local_end() const { return local_base + code->local_bytes + dynamic; }
    uint32_t local_end(int lane) const { return local_base + code->local_bytes + (allocated ? allocated[lane] : 0); }
    std::unique_ptr<uint8_t[]> storage;
    uint32_t capacity = 0;
};

enum class Wait : uint8_t { none, barrier, warp, collect, cluster };

// Lanes that are at the same place of the same frame.
struct Group {
    const Inst *pc = nullptr;
    Frame *frame = nullptr;
    uint32_t mask = 0;
    uint32_t wait_mask = 0;
    uint64_t since = 0;
    Wait wait = Wait::none;
    uint8_t barrier = 0;
};

struct Region { // what Memory::find said
    uint64_t base = 1, size = 0;
    uint8_t *host = nullptr;
};

struct Cta;
struct Cluster;
struct LaunchState;
class Checker;

// What a host thread that runs warps keeps for itself.
struct Worker {
    LaunchState *launch = nullptr;
    Region cache[kRegionCache];
    uint64_t generation = 0;
    std::vector<std::unique_ptr<Frame>> frames; // free ones
};

enum class Event : uint8_t { none, pick, yield, fault };

struct Warp {
    uint32_t mask = 0; // lanes that execute now
    Event event = Event::none;
    bool aged = false, runnable = true, done = false, started = false;
    bool force = false;                    // the next collective instruction runs with the lanes that are there
    uint8_t *base[2] = {nullptr, nullptr}; // registers, constants
    const Inst *limit = nullptr;           // the place where a parked group waits
    const Inst *pc = nullptr;              // between slices
    Frame *frame = nullptr;                // nullptr: no group is current
    Worker *worker = nullptr;
    Cta *cta = nullptr;
    uint8_t *shared = nullptr;
    uint64_t shared_bytes = 0;
    uint32_t live = 0;            // lanes that have not exited
    uint32_t all = 0;             // lanes that were there at the start
    uint32_t cluster_arrived = 0; // at the cluster's barrier, in the phase that is not complete
    uint32_t cluster_owed = 0;    // arrived, and did not wait yet
    uint32_t index = 0;
    uint32_t age = 0;
    uint32_t parked_n = 0;
    uint64_t clock = 0; // instructions executed
    Group parked[kLanes];
    std::vector<std::unique_ptr<Frame>> frames; // in use
    std::unique_ptr<uint8_t[]> local;
    uint32_t local_stride = 0; // bytes a lane has now
    uint32_t local_capacity = 0;
};

struct Barrier {
    uint32_t expected = 0; // threads; 0: all
    bool used = false;
    uint32_t arrived[32] = {};      // by warp
    uint32_t votes = 0, voters = 0; // bar.red
};

struct Cta {
    LaunchState *launch = nullptr;
    uint32_t id[3] = {0, 0, 0};
    uint64_t linear = 0;
    std::vector<std::unique_ptr<Warp>> warps;
    std::vector<uint8_t> shared_storage;
    uint8_t *shared = nullptr;
    uint32_t shared_bytes = 0;
    uint32_t living = 0; // warps
    uint32_t next_warp = 0;
    Barrier barriers[kBarriers];
    uint64_t stamp = 0;
    Cluster *cluster = nullptr;
    uint32_t rank = 0;                  // in the cluster
    uint32_t cluster_id[3] = {0, 0, 0}; // its place there
};

// CTAs that run at the same time, in one host thread; without clusters there is one in each.
struct Cluster {
    uint64_t index = 0;
    uint32_t id[3] = {0, 0, 0};
    std::vector<std::unique_ptr<Cta>> ctas;
};

struct ProgramImage;

// One grid.
struct LaunchState {
    const Launch *launch = nullptr;
    const Code *entry = nullptr;
    ProgramImage *image = nullptr;
    Memory *memory = nullptr;
    const Options *options = nullptr;
    const volatile bool *stop = nullptr;
    Fault *fault = nullptr;
    std::mutex fault_mutex, print_mutex;
    std::atomic<bool> failed{false};
    std::atomic<uint64_t> steps{0}, next_cluster{0};
    uint64_t clusters = 0;
    Dim3 cluster, cluster_grid; // CTAs of a cluster, clusters of the grid
    uint32_t threads = 0, shared_bytes = 0;
    uint64_t grid_id = 0;
    uint64_t workspace = 0; // of a cooperative grid: its barrier, as the cooperative groups' headers want it
    std::string printed;
    int device = 0;
    Checker *checker = nullptr; // nullptr: none
};

inline const Inst *stop_pc() {
    return reinterpret_cast<const Inst *>(UINTPTR_MAX);
}

template <class T> inline T *at(Warp &w, uint32_t operand) {
    return reinterpret_cast<T *>(w.base[operand & 1] + (operand & ~1u));
}

// Takes a fault at an instruction; `lane` says which thread.  Always returns stop_pc().
const Inst *fault(Warp &w, const Inst *inst, int lane, Status status, std::string what, uint64_t address = 0,
                  bool place = false);

// The allocation with [address, address + size) through the worker's cache.
bool find_region(Worker &worker, uint32_t slot, uint64_t address, uint64_t size, Region &region);

// The host's address of `size` bytes at a generic address for a lane; nullptr where it is outside (no fault is taken).
uint8_t *generic_pointer(Warp &w, int lane, uint64_t address, uint64_t size);

// The CTA whose shared memory a place in the shared window is in; nullptr: the cluster has none of this rank.
Cta *cta_at(const Warp &w, uint64_t offset);

// The same place in the shared memory of the CTA of a rank.
inline uint64_t in_cta(uint64_t address, uint32_t rank) {
    const uint64_t low = (uint64_t(1) << kRankShift) - 1;
    return kSharedWindow + ((address - kSharedWindow) & low) + (uint64_t(rank + 1) << kRankShift);
}

// Scheduling of a warp's groups (schedule.cpp).
void park(Warp &w, const Inst *pc, Frame *frame, uint32_t mask, Wait wait = Wait::none, uint32_t wait_mask = 0,
          uint8_t barrier = 0);
const Inst *leave(Warp &w); // the current group is no more: another is picked
void set_limit(Warp &w);
bool pick(Warp &w); // false: all wait, or none is left
uint64_t run_warp(Warp &w, uint64_t budget);
bool collect(Warp &w, const Inst *inst, uint32_t members); // false: the group was parked until the other members come
void barrier_check(Cta &cta, int id);                      // releases a barrier that is complete
void lanes_exit(Warp &w, uint32_t mask);
void cluster_check(Cluster &cluster); // releases its barrier where that is complete

Frame *new_frame(Warp &w, const Code *code, Frame *parent);
void drop_frame(Warp &w, Frame *frame);
uint32_t local_room(Warp &w, uint32_t bytes); // false (0) where a lane cannot have so much

inline uint8_t *local_pointer(Warp &w, int lane, uint64_t offset) {
    return w.local.get() + static_cast<uint64_t>(lane) * w.local_stride + offset;
}

inline int first_lane(uint32_t mask) {
    return mask ? __builtin_ctz(mask) : 0;
}

} // namespace cpu_device
