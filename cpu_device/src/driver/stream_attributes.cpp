// Attributes of streams: hints for a GPU's caches and schedulers, which are checked and kept, and have no effect here.
#include "call.hpp"
#include "device_attribute.hpp"

#include <cstring>

using namespace cpu_device;

namespace {

bool is_attribute(int id) {
    switch (id) {
    case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
    case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
    case CU_LAUNCH_ATTRIBUTE_PRIORITY:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP: return true;
    default: return false;
    }
}

bool valid(const CUaccessPolicyWindow &window) {
    const auto hit = static_cast<int>(window.hitProp), miss = static_cast<int>(window.missProp);
    return window.hitRatio >= 0 && window.hitRatio <= 1 && hit >= CU_ACCESS_PROPERTY_NORMAL &&
           hit <= CU_ACCESS_PROPERTY_PERSISTING && miss >= CU_ACCESS_PROPERTY_NORMAL &&
           miss <= CU_ACCESS_PROPERTY_STREAMING; // what misses cannot persist
}

bool valid(int id, const CUstreamAttrValue &value, int device) {
    const int domains = device_attribute(CU_DEVICE_ATTRIBUTE_MEM_SYNC_DOMAIN_COUNT, device);
    const int policy = static_cast<int>(value.syncPolicy), domain = static_cast<int>(value.memSyncDomain);
    switch (id) {
    case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW: return valid(value.accessPolicyWindow);
    case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
        return policy >= CU_SYNC_POLICY_AUTO && policy <= CU_SYNC_POLICY_BLOCKING_SYNC;
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
        return domain == CU_LAUNCH_MEM_SYNC_DOMAIN_DEFAULT || domain == CU_LAUNCH_MEM_SYNC_DOMAIN_REMOTE;
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
        return value.memSyncDomainMap.default_ < domains && value.memSyncDomainMap.remote < domains;
    default: return id == CU_LAUNCH_ATTRIBUTE_PRIORITY;
    }
}

} // namespace

namespace cpu_device {

Stream::Attributes Stream::attributes() const {
    std::lock_guard<std::mutex> guard(lock_);
    return attributes_;
}

void Stream::set_attributes(Attributes attributes) {
    std::lock_guard<std::mutex> guard(lock_);
    attributes_ = std::move(attributes);
}

} // namespace cpu_device

extern "C" {

CUresult cuStreamGetAttribute(CUstream handle, CUstreamAttrID name, CUstreamAttrValue *value) {
    return in_stream<Capturing::ignored>(handle, [&](Stream &stream) {
        const int id = static_cast<int>(name);
        if (!value || !is_attribute(id)) return CUDA_ERROR_INVALID_VALUE;
        std::memset(static_cast<void *>(value), 0, sizeof *value);
        if (id == CU_LAUNCH_ATTRIBUTE_PRIORITY) value->priority = stream.priority;
        if (id == CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY) value->syncPolicy = CU_SYNC_POLICY_AUTO;
        const Stream::Attributes set = stream.attributes();
        const auto found = set.find(id);
        if (found != set.end()) *value = found->second;
        return CUDA_SUCCESS;
    });
}

CUresult cuStreamSetAttribute(CUstream handle, CUstreamAttrID name, const CUstreamAttrValue *value) {
    return in_stream<Capturing::ignored>(handle, [&](Stream &stream) {
        const int id = static_cast<int>(name);
        if (!value || !is_attribute(id) || !valid(id, *value, stream.context.device)) return CUDA_ERROR_INVALID_VALUE;
        if (id == CU_LAUNCH_ATTRIBUTE_PRIORITY) {
            stream.priority = clamped_priority(value->priority);
            return CUDA_SUCCESS;
        }
        Stream::Attributes set = stream.attributes();
        set[id] = *value;
        stream.set_attributes(std::move(set));
        return CUDA_SUCCESS;
    });
}

CUresult cuStreamCopyAttributes(CUstream to, CUstream from) {
    return in_stream<Capturing::ignored>(to, [&](Stream &target) {
        return in_stream<Capturing::ignored>(from, [&](Stream &source) {
            if (&target.context != &source.context) return CUDA_ERROR_INVALID_VALUE;
            target.set_attributes(source.attributes());
            target.priority = source.priority.load();
            return CUDA_SUCCESS;
        });
    });
}
}
