// A kernel's launch, checked and with its parameters copied: what a stream runs, and what a graph's node keeps.
#pragma once

#include <map>

#include "module.hpp"

namespace cpu_device {

struct LaunchRequest {
    Dim3 grid, block, cluster{1, 1, 1};
    unsigned shared = 0;
    bool cooperative = false, has_cluster = false;
    unsigned multiprocessors = 0; // of a green context; 0: the device's
};

using LaunchAttributes = std::map<int, CUlaunchAttributeValue>;

struct KernelWork {
    std::shared_ptr<Function> function; // keeps program and context
    LaunchRequest request;
    Launch launch;
    LaunchAttributes attributes;
    // how a node was described: its handles, and whether the parameters came as one block
    CUfunction named_function = nullptr;
    CUkernel named_kernel = nullptr;
    CUcontext named_context = nullptr;
    bool packed = false;
};

// Attributes that ask for something of the launch are taken; hints have no effect.
CUresult read_attribute(int id, const CUlaunchAttributeValue &value, LaunchRequest &request);

// `work` from what a launch was asked for; one address a parameter in `params`, or the block itself in `extra`.
CUresult make_kernel_work(std::shared_ptr<Function> function, const LaunchRequest &request, void **params, void **extra,
                          KernelWork &work);
// The launch of a work whose request has changed.
CUresult refresh(KernelWork &work);

void run_kernel(Context &context, const Launch &launch, unsigned multiprocessors);

} // namespace cpu_device
