// What of a device a green context has: multiprocessors and work queues.
#pragma once

#include "generated_exports.hpp"
#include "handle.hpp"

namespace cpu_device {

struct DeviceResources {
    CUdevResource sm, queues;
};

// The resources of a device; those of a type are `out`.
DeviceResources all_resources(int device);
CUresult give_resource(const DeviceResources &resources, CUdevResourceType type, CUdevResource *out);
int device_of(const CUdevResource &resource);

// What cuDevResourceGenerateDesc made: lives as long as the process.
class ResourceDescriptor : public Object {
  public:
    static constexpr HandleKind kKind = HandleKind::resources;
    explicit ResourceDescriptor(const DeviceResources &resources_) : resources(resources_) {}
    const DeviceResources resources;
};

} // namespace cpu_device
