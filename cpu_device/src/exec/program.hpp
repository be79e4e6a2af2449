// A loaded program: a parsed module whose symbols have addresses and whose functions are decoded, and how a kernel of it is run.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../memory/memory.hpp"
#include "../ptx/module.hpp"

namespace cpu_device {

struct Dim3 {
    uint32_t x = 1, y = 1, z = 1;
};

// The status that a GPU's driver would give, with the CUresult values of the same meaning.
enum class Status : int {
    success = 0,
    invalid_value = 1,
    out_of_memory = 2,
    invalid_ptx = 218,
    unsupported_ptx_version = 222,
    not_found = 500,
    illegal_address = 700,
    launch_out_of_resources = 701,
    launch_timeout = 702,
    assert_failed = 710,
    hardware_stack = 714,
    illegal_instruction = 715,
    misaligned_address = 716,
    invalid_address_space = 717,
    invalid_pc = 718,
    launch_failed = 719,
    not_supported = 801,
    invalid_cluster_size = 912,
};

// Why a launch stopped: enough for a person to find the place.
struct Fault {
    Status status = Status::success;
    std::string what; // "read of 4 bytes outside any allocation"
    std::string kernel;
    Dim3 block{0, 0, 0}, thread{0, 0, 0};
    ptx::Place ptx_place;
    std::string ptx_text;    // the instruction's line
    std::string source_file; // "" where the PTX has no .loc
    uint32_t source_line = 0;
    uint64_t address = 0;
    uint64_t steps = 0;             // warp-instructions that the launch took, also when it succeeded
    std::string nearest;            // "4 bytes behind the end of the allocation of 1024 bytes at 0x..."
    std::vector<std::string> notes; // more lines: the other access of a race
};

struct KernelParam {
    uint32_t offset, size; // bytes, in the parameter block
};

class Program;

// A kernel of a program; lives as long as it.
class Kernel {
  public:
    const std::string &name() const { return name_; }
    const std::vector<KernelParam> &params() const { return params_; }
    uint32_t static_shared_bytes = 0, local_bytes = 0, const_bytes = 0, registers = 0;
    uint32_t max_threads = 1024; // .maxntid/.reqntid
    uint32_t required_threads[3] = {0, 0, 0};
    uint32_t required_cluster[3] = {0, 0, 0}; // .reqnctapercluster
    bool must_have_cluster = false;           // .explicitcluster
    Program *program = nullptr;
    const void *decoded = nullptr; // exec's own

    std::string name_;
    std::vector<KernelParam> params_;
};

struct Launch {
    const Kernel *kernel = nullptr;
    Dim3 grid, block, cluster{1, 1, 1};
    uint32_t dynamic_shared_bytes = 0;
    bool cooperative = false, has_cluster = false; // has_cluster: asked for, perhaps of one CTA
    uint64_t interrupts = 0;                       // interrupts() when it was made
    std::vector<uint8_t> params;                   // the parameter block, laid out by Kernel::params()
};

// How the machine runs; from the environment (CPU_DEVICE_THREADS, CPU_DEVICE_STEPS, ...), read once.
struct Options {
    unsigned threads = 0;     // host threads; 0: as many as there are cores
    uint64_t step_budget = 0; // warp-instructions a launch may take; 0: no limit
    bool deterministic = false;
    bool races = false, uninitialised = false; // the checkers; Memory::written() has to be tracked for the second
};

class Program {
  public:
    // Parses, allocates and initialises the module's variables in `memory`, decodes all functions.  nullptr with `status` and `log` (lines
    // "ptx:12:5: error: ...") where it cannot.  `cc` is the compute capability of the device (89): a module for a newer one is refused.
    static std::unique_ptr<Program> load(std::string_view ptx, Memory &memory, int device, int cc, Status &status,
                                         std::string &log);
    ~Program();
    const Kernel *kernel(std::string_view name) const; // nullptr: no such entry
    std::vector<const Kernel *> kernels() const;
    // A module variable: false if there is none of this name.
    bool global(std::string_view name, uint64_t &address, uint64_t &size) const;

    struct State;
    explicit Program(std::unique_ptr<State> state);
    State *state() const { return state_.get(); }
    int target() const; // of the PTX: 80 for sm_80

  private:
    std::unique_ptr<State> state_;
};

// How often all launches were told to end: one that was made before the last time ends with launch_failed.
std::atomic<uint64_t> &interrupts();

// Runs a grid to its end in the calling thread (and helpers of its own).  Returns the status; on failure `fault` says where and why.
// `stop` is polled: when it becomes true the launch ends with launch_timeout (context destroyed).
Status run(const Launch &launch, Memory &memory, const Options &options, const volatile bool *stop, Fault &fault);

} // namespace cpu_device
