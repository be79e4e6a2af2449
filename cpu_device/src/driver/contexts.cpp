// The functions about contexts: primary, created, current.
#include "call.hpp"
#include "capture.hpp"

#include <map>

using namespace cpu_device;

namespace {

constexpr unsigned kPlainFlags = CU_CTX_SCHED_MASK | CU_CTX_MAP_HOST | CU_CTX_LMEM_RESIZE_TO_MAX |
                                 CU_CTX_COREDUMP_ENABLE | CU_CTX_USER_COREDUMP_ENABLE | CU_CTX_SYNC_MEMOPS;

bool valid_flags(unsigned flags) {
    const unsigned schedule = flags & CU_CTX_SCHED_MASK;
    const bool one = !schedule || schedule == CU_CTX_SCHED_SPIN || schedule == CU_CTX_SCHED_YIELD ||
                     schedule == CU_CTX_SCHED_BLOCKING_SYNC;
    return one && !(flags & ~kPlainFlags);
}

struct Primary {
    std::mutex lock;
    int users = 0;
};

Primary &primary_state(int device) {
    static auto *const states = new Primary[16];
    return states[device];
}

CUresult create(CUcontext *out, unsigned flags, CUdevice device) {
    return call([&] {
        if (!out || !valid_flags(flags)) return CUDA_ERROR_INVALID_VALUE;
        if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
        auto context = std::make_shared<Context>(device, false, flags);
        context->begin();
        publish(context);
        *out = as<CUcontext>(*context);
        push_context({std::move(context), nullptr});
        return CUDA_SUCCESS;
    });
}

// How often cuCtxAttach() made a created context one more user's; by its number.
struct Attached {
    std::mutex lock;
    std::map<uint64_t, unsigned> times;
};

Attached &attached() {
    static auto *const made = new Attached;
    return *made;
}

template <class Body> CUresult on_primary(CUdevice device, Body &&body) {
    return call([&]() -> CUresult {
        if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
        Primary &state = primary_state(device);
        std::lock_guard<std::mutex> guard(state.lock);
        return body(state, *primary_context(device));
    });
}

// body(Context &) with a context that may be 0 for the current one; an error of a kernel does not matter.
template <class Body> CUresult with_context(CUcontext handle, Body &&body) {
    return call([&]() -> CUresult {
        std::shared_ptr<Context> context = handle ? context_of(handle) : current_context();
        if (!context) return CUDA_ERROR_INVALID_CONTEXT;
        return context->alive() ? body(*context) : CUDA_ERROR_CONTEXT_IS_DESTROYED;
    });
}

// A green context's streams, or all of the context's, green ones too.
CUresult synchronize(Context &context, const GreenContext *green) {
    const CUresult status = check_context(context, green);
    if (status != CUDA_SUCCESS) return status;
    context.synchronize(green);
    return context.fault();
}

} // namespace

extern "C" {

// -- primary

CUresult cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice device) {
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    return on_primary(device, [&](Primary &state, Context &context) {
        if (!state.users++) context.begin();
        *out = as<CUcontext>(context);
        return CUDA_SUCCESS;
    });
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    return on_primary(device, [&](Primary &state, Context &context) {
        if (!state.users) return CUDA_ERROR_INVALID_CONTEXT;
        if (!--state.users) context.end();
        return CUDA_SUCCESS;
    });
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) {
    return on_primary(device, [&](Primary &state, Context &context) {
        context.end();
        if (state.users) context.begin();
        return CUDA_SUCCESS;
    });
}

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *active) {
    if (!flags || !active) return CUDA_ERROR_INVALID_VALUE;
    return on_primary(device, [&](Primary &, Context &context) {
        *flags = context.flags;
        *active = context.alive();
        return CUDA_SUCCESS;
    });
}

CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned flags) {
    if (!valid_flags(flags)) return CUDA_ERROR_INVALID_VALUE;
    return on_primary(device, [&](Primary &, Context &context) {
        context.flags = flags;
        return CUDA_SUCCESS;
    });
}

// -- created

CUresult cuCtxCreate(CUcontext *out, unsigned flags, CUdevice device) {
    return create(out, flags, device);
}

CUresult cuCtxCreate_v2(CUcontext *out, unsigned flags, CUdevice device) {
    return create(out, flags, device);
}

CUresult cuCtxCreate_v3(CUcontext *out, CUexecAffinityParam *params, int n, unsigned flags, CUdevice device) {
    return params || n ? CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY : create(out, flags, device);
}

CUresult cuCtxCreate_v4(CUcontext *out, CUctxCreateParams *params, unsigned flags, CUdevice device) {
    const bool plain = !params || (!params->execAffinityParams && !params->numExecAffinityParams && !params->cigParams);
    return plain ? create(out, flags, device) : CUDA_ERROR_NOT_SUPPORTED;
}

CUresult cuCtxDestroy_v2(CUcontext handle) {
    return call([&] {
        if (in_stream_work()) return CUDA_ERROR_NOT_PERMITTED;
        const std::shared_ptr<Context> context = lookup<Context>(handle);
        if (!context || context->primary || !retire<Context>(handle)) return CUDA_ERROR_INVALID_CONTEXT;
        if (current_context() == context) pop_context();
        context->end();
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxAttach(CUcontext *out, unsigned flags) {
    return call([&]() -> CUresult {
        const std::shared_ptr<Context> context = current_context();
        if (!out || flags) return CUDA_ERROR_INVALID_VALUE;
        if (!context) return CUDA_ERROR_INVALID_CONTEXT;
        if (!context->primary) {
            std::lock_guard<std::mutex> guard(attached().lock);
            attached().times[context->id]++;
        }
        *out = current_named().handle();
        return CUDA_SUCCESS;
    });
}

// The last user's ends it.
CUresult cuCtxDetach(CUcontext handle) {
    return call([&]() -> CUresult {
        const std::shared_ptr<Context> context = context_of(handle);
        if (!context || context != current_context()) return CUDA_ERROR_INVALID_CONTEXT;
        if (context->primary) return CUDA_SUCCESS;
        {
            std::lock_guard<std::mutex> guard(attached().lock);
            const auto found = attached().times.find(context->id);
            if (found != attached().times.end()) {
                if (!--found->second) attached().times.erase(found);
                return CUDA_SUCCESS;
            }
        }
        return cuCtxDestroy_v2(handle);
    });
}

// -- current

CUresult cuCtxPushCurrent_v2(CUcontext handle) {
    return call([&] {
        Named named = named_by(handle);
        if (!named.context) return CUDA_ERROR_INVALID_CONTEXT;
        push_context(std::move(named));
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxPopCurrent_v2(CUcontext *out) {
    return call([&] {
        const Named top = pop_context();
        if (!top.context) return CUDA_ERROR_INVALID_CONTEXT;
        if (out) *out = top.handle();
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxSetCurrent(CUcontext handle) {
    return call([&] {
        Named named = named_by(handle);
        if (handle && !named.context) return CUDA_ERROR_INVALID_CONTEXT;
        set_context(std::move(named));
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxGetCurrent(CUcontext *out) {
    return call([&] {
        if (!out) return CUDA_ERROR_INVALID_VALUE;
        *out = current_named().handle();
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxGetDevice(CUdevice *device) {
    return call([&] {
        const std::shared_ptr<Context> top = current_context();
        if (!device) return CUDA_ERROR_INVALID_VALUE;
        if (!top) return CUDA_ERROR_INVALID_CONTEXT;
        *device = top->device;
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxGetDevice_v2(CUdevice *device, CUcontext handle) {
    return with_context(handle, [&](Context &context) {
        if (!device) return CUDA_ERROR_INVALID_VALUE;
        *device = context.device;
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxGetId(CUcontext handle, unsigned long long *id) {
    return with_context(handle, [&](Context &context) {
        if (!id) return CUDA_ERROR_INVALID_VALUE;
        *id = context.id;
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxGetApiVersion(CUcontext handle, unsigned *version) {
    return with_context(handle, [&](Context &) {
        if (!version) return CUDA_ERROR_INVALID_VALUE;
        *version = 3020;
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxGetFlags(unsigned *flags) {
    return with_context(nullptr, [&](Context &context) {
        if (!flags) return CUDA_ERROR_INVALID_VALUE;
        *flags = context.flags;
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxSetFlags(unsigned flags) {
    return with_context(nullptr, [&](Context &context) {
        if (!valid_flags(flags)) return CUDA_ERROR_INVALID_VALUE;
        context.flags = flags;
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxSynchronize() {
    return in_context([](Context &context) { return synchronize(context, current_green().get()); });
}

CUresult cuCtxSynchronize_v2(CUcontext handle) {
    if (in_stream_work()) return CUDA_ERROR_NOT_PERMITTED;
    return with_context(handle, [&](Context &context) {
        const Named named = handle ? named_by(handle) : current_named();
        return synchronize(context, named.green.get());
    });
}

CUresult cuCtxGetLimit(size_t *value, CUlimit limit) {
    return in_context([&](Context &context) {
        const int number = static_cast<int>(limit);
        if (!value) return CUDA_ERROR_INVALID_VALUE;
        if (number < 0 || number >= CU_LIMIT_MAX) return CUDA_ERROR_UNSUPPORTED_LIMIT;
        *value = context.limits[number];
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxSetLimit(CUlimit limit, size_t value) {
    return in_context([&](Context &context) {
        const int number = static_cast<int>(limit);
        if (number < 0 || number > CU_LIMIT_PERSISTING_L2_CACHE_SIZE) return CUDA_ERROR_UNSUPPORTED_LIMIT;
        context.limits[number] = value;
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxGetCacheConfig(CUfunc_cache *config) {
    return in_context([&](Context &context) {
        if (!config) return CUDA_ERROR_INVALID_VALUE;
        *config = static_cast<CUfunc_cache>(context.cache_config.load());
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxSetCacheConfig(CUfunc_cache config) {
    return in_context([&](Context &context) {
        const int number = static_cast<int>(config);
        if (number < 0 || number > CU_FUNC_CACHE_PREFER_EQUAL) return CUDA_ERROR_INVALID_VALUE;
        context.cache_config = number;
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxGetSharedMemConfig(CUsharedconfig *config) {
    return in_context([&](Context &) {
        if (!config) return CUDA_ERROR_INVALID_VALUE;
        *config = CU_SHARED_MEM_CONFIG_FOUR_BYTE_BANK_SIZE;
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxSetSharedMemConfig(CUsharedconfig config) {
    return in_context([&](Context &) {
        const int number = static_cast<int>(config);
        return number < 0 || number > 2 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
    });
}

CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest) {
    return in_context([&](Context &) {
        if (least) *least = 0;
        if (greatest) *greatest = -5;
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxResetPersistingL2Cache() {
    return in_context([](Context &) { return CUDA_SUCCESS; });
}

CUresult cuCtxGetExecAffinity(CUexecAffinityParam *, CUexecAffinityType) {
    return in_context([](Context &) { return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY; });
}

CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned flags) {
    return in_context([&](Context &context) {
        const std::shared_ptr<Context> other = context_of(peer);
        if (!other) return CUDA_ERROR_INVALID_CONTEXT;
        if (flags) return CUDA_ERROR_INVALID_VALUE;
        if (other->device == context.device) return CUDA_ERROR_INVALID_DEVICE;
        return context.enable_peer(*other, true) ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
    });
}

CUresult cuCtxDisablePeerAccess(CUcontext peer) {
    return in_context([&](Context &context) {
        const std::shared_ptr<Context> other = context_of(peer);
        if (!other) return CUDA_ERROR_INVALID_CONTEXT;
        return context.enable_peer(*other, false) ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
    });
}
}
