// The functions that tell, split and describe a device's resources.  A multiprocessor is a host thread that runs CTAs; where it
// is does not matter, so that any of them do for a group that is to be scheduled together.
#include "device_resources.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "call.hpp"

using namespace cpu_device;

namespace {

constexpr uint64_t kMark = 0x5e50a4ce0cb1d001;

enum class Origin : uint32_t { whole, group, remainder };

// Where a resource is from: in the part of the record that is the driver's own.
struct Source {
    uint64_t mark = kMark, split = 0; // which split made it
    int32_t device = 0;
    Origin origin = Origin::whole;
    uint32_t first = 0, count = 0;
};
static_assert(sizeof(Source) <= sizeof CUdevResource{}._internal_padding);

struct Granularity {
    unsigned least, step;
};

Granularity granularity() {
    const int cc = device_limits().cc;
    return cc >= 90 ? Granularity{8, 8} : cc >= 80 ? Granularity{4, 2} : Granularity{2, 2};
}

unsigned round_up(unsigned n, unsigned step) {
    return (n + step - 1) / step * step;
}

Source source_of(const CUdevResource &resource) {
    Source source;
    std::memcpy(&source, resource._internal_padding, sizeof source);
    return source;
}

CUdevResource made(CUdevResourceType type, const Source &source) {
    CUdevResource resource;
    std::memset(&resource, 0, sizeof resource);
    resource.type = type;
    std::memcpy(resource._internal_padding, &source, sizeof source);
    return resource;
}

CUdevResource multiprocessors_of(const Source &source, Granularity grain, unsigned flags = 0) {
    CUdevResource resource = made(CU_DEV_RESOURCE_TYPE_SM, source);
    resource.sm.smCount = source.count;
    resource.sm.minSmPartitionSize = grain.least;
    resource.sm.smCoscheduledAlignment = grain.step;
    resource.sm.flags = flags;
    return resource;
}

// What another function filled in and nobody changed.
CUresult check_multiprocessors(const CUdevResource &resource) {
    if (resource.type != CU_DEV_RESOURCE_TYPE_SM) return CUDA_ERROR_INVALID_RESOURCE_TYPE;
    const Source source = source_of(resource);
    const bool good = source.mark == kMark && is_device(source.device) && resource.sm.smCount == source.count &&
                      source.count && source.count <= static_cast<unsigned>(multiprocessors());
    return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
}

// Hands out the multiprocessors of a resource from the first to the last.
class Split {
  public:
    explicit Split(const CUdevResource &input) : from_(source_of(input)) {
        static std::atomic<uint64_t> splits{0};
        number_ = ++splits;
    }
    unsigned left() const { return from_.count - taken_; }
    CUdevResource take(unsigned count, Granularity grain, unsigned flags = 0, Origin origin = Origin::group) {
        Source source;
        source.split = number_;
        source.device = from_.device;
        source.origin = origin;
        source.first = from_.first + taken_;
        source.count = count;
        taken_ += count;
        return multiprocessors_of(source, grain, flags);
    }
    CUdevResource rest(Granularity grain) {
        return left() ? take(left(), grain, 0, Origin::remainder) : made(CU_DEV_RESOURCE_TYPE_INVALID, {});
    }

  private:
    const Source from_;
    uint64_t number_ = 0;
    unsigned taken_ = 0;
};

CUresult check_group(const CU_DEV_SM_RESOURCE_GROUP_PARAMS &group, unsigned all, unsigned together) {
    constexpr unsigned kPlace =
        CU_DEV_SM_RESOURCE_GROUP_LOCALITY_DOMAIN_ID | CU_DEV_SM_RESOURCE_GROUP_LOCALITY_DOMAIN_SUPPLEMENTAL_SMS;
    const bool fill = group.flags & CU_DEV_SM_RESOURCE_GROUP_BACKFILL;
    if (group.flags & ~(kPlace | CU_DEV_SM_RESOURCE_GROUP_BACKFILL)) return CUDA_ERROR_INVALID_VALUE;
    if ((group.flags & kPlace) == CU_DEV_SM_RESOURCE_GROUP_LOCALITY_DOMAIN_SUPPLEMENTAL_SMS)
        return CUDA_ERROR_INVALID_VALUE;
    if (std::any_of(group.reserved, std::end(group.reserved), [](unsigned word) { return word != 0; }))
        return CUDA_ERROR_INVALID_VALUE;
    if (together % 2 || together > (device_limits().cc >= 90 ? 32 : 2)) return CUDA_ERROR_INVALID_VALUE;
    if (group.smCount > all || group.smCount % 2 || (!fill && group.smCount % together))
        return CUDA_ERROR_INVALID_VALUE;
    return group.flags & kPlace ? CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION : CUDA_SUCCESS; // no domains here
}

// One group; its count is discovered where it is 0.
CUresult take_group(Split &split, CU_DEV_SM_RESOURCE_GROUP_PARAMS &group, unsigned all, CUdevResource *out) {
    const unsigned together = group.coscheduledSmCount ? group.coscheduledSmCount : granularity().step;
    const CUresult status = check_group(group, all, together);
    if (status != CUDA_SUCCESS) return status;
    const bool fill = group.flags & CU_DEV_SM_RESOURCE_GROUP_BACKFILL;
    const unsigned count = group.smCount ? group.smCount : split.left() / (fill ? 2 : together) * (fill ? 2 : together);
    if (count > split.left() || (out && count < together)) return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
    const CUdevResource taken = split.take(count, {granularity().least, together}, group.flags);
    if (out) *out = taken;
    group.smCount = count;
    return CUDA_SUCCESS;
}

CUdevResource queues_of(int device) {
    const char *text = std::getenv("CUDA_DEVICE_MAX_CONNECTIONS");
    const int wanted = text ? std::atoi(text) : 0;
    Source source;
    source.device = device;
    CUdevResource resource = made(CU_DEV_RESOURCE_TYPE_WORKQUEUE_CONFIG, source);
    resource.wqConfig.device = device;
    resource.wqConfig.wqConcurrencyLimit = static_cast<unsigned>(wanted > 0 ? std::min(wanted, 32) : 8);
    return resource;
}

// What a descriptor is made of; resources of one type must be parts of the same thing.
class Collector {
  public:
    CUresult add(const CUdevResource &one) {
        switch (static_cast<int>(one.type)) {
        case CU_DEV_RESOURCE_TYPE_SM: return add_multiprocessors(one);
        case CU_DEV_RESOURCE_TYPE_WORKQUEUE_CONFIG: {
            // a program may write one itself
            const auto scope = static_cast<unsigned>(one.wqConfig.sharingScope);
            const bool good = is_device(one.wqConfig.device) && one.wqConfig.wqConcurrencyLimit &&
                              scope <= CU_WORKQUEUE_SCOPE_GREEN_CTX_BALANCED;
            return good ? add_queues(one, one.wqConfig.device) : CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
        }
        case CU_DEV_RESOURCE_TYPE_WORKQUEUE: {
            const Source source = source_of(one);
            const bool good = source.mark == kMark && is_device(source.device);
            return good ? add_queues(queues_of(source.device), source.device)
                        : CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
        }
        default: return CUDA_ERROR_INVALID_RESOURCE_TYPE;
        }
    }

    DeviceResources all() const {
        DeviceResources found = all_resources(device_);
        if (queues_.type == CU_DEV_RESOURCE_TYPE_WORKQUEUE_CONFIG) found.queues = queues_;
        if (parts_.empty()) return found;
        Source source;
        source.device = device_;
        for (const Source &part : parts_) source.count += part.count;
        found.sm = multiprocessors_of(source, grain_, flags_);
        return found;
    }

  private:
    bool same_device(int device) { return device_ < 0 || device_ == device; }

    CUresult add_multiprocessors(const CUdevResource &one) {
        const CUresult status = check_multiprocessors(one);
        if (status != CUDA_SUCCESS) return status;
        const Source source = source_of(one);
        if (!same_device(source.device)) return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
        for (const Source &part : parts_)
            if (part.origin == Origin::whole || part.split != source.split || part.first == source.first ||
                grain_.step != one.sm.smCoscheduledAlignment)
                return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
        device_ = source.device;
        grain_ = {one.sm.minSmPartitionSize, one.sm.smCoscheduledAlignment};
        flags_ |= one.sm.flags;
        parts_.push_back(source);
        return CUDA_SUCCESS;
    }

    CUresult add_queues(const CUdevResource &one, int device) {
        if (!same_device(device) || queues_.type != CU_DEV_RESOURCE_TYPE_INVALID)
            return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
        device_ = device;
        queues_ = queues_of(device);
        queues_.wqConfig = one.wqConfig;
        return CUDA_SUCCESS;
    }

    int device_ = -1;
    std::vector<Source> parts_;
    Granularity grain_{};
    unsigned flags_ = 0;
    CUdevResource queues_ = made(CU_DEV_RESOURCE_TYPE_INVALID, {});
};

} // namespace

namespace cpu_device {

DeviceResources all_resources(int device) {
    Source source;
    source.device = device;
    source.count = static_cast<unsigned>(multiprocessors());
    return {multiprocessors_of(source, granularity()), queues_of(device)};
}

int device_of(const CUdevResource &resource) {
    return source_of(resource).device;
}

CUresult give_resource(const DeviceResources &resources, CUdevResourceType type, CUdevResource *out) {
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    switch (static_cast<int>(type)) {
    case CU_DEV_RESOURCE_TYPE_SM: *out = resources.sm; return CUDA_SUCCESS;
    case CU_DEV_RESOURCE_TYPE_WORKQUEUE_CONFIG: *out = resources.queues; return CUDA_SUCCESS;
    case CU_DEV_RESOURCE_TYPE_WORKQUEUE:
        *out = made(CU_DEV_RESOURCE_TYPE_WORKQUEUE, source_of(resources.queues));
        return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_RESOURCE_TYPE;
    }
}

} // namespace cpu_device

extern "C" {

CUresult cuDeviceGetDevResource(CUdevice device, CUdevResource *out, CUdevResourceType type) {
    return call([&]() -> CUresult {
        if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
        if (type == CU_DEV_RESOURCE_TYPE_WORKQUEUE) return CUDA_ERROR_INVALID_RESOURCE_TYPE; // a context has them
        return give_resource(all_resources(device), type, out);
    });
}

CUresult cuDevSmResourceSplitByCount(CUdevResource *result, unsigned *groups, const CUdevResource *input,
                                     CUdevResource *remainder, unsigned flags, unsigned least) {
    return call([&]() -> CUresult {
        constexpr unsigned kFlags =
            CU_DEV_SM_RESOURCE_SPLIT_IGNORE_SM_COSCHEDULING | CU_DEV_SM_RESOURCE_SPLIT_MAX_POTENTIAL_CLUSTER_SIZE;
        if (!groups || !input || (flags & ~kFlags) || (result && !*groups)) return CUDA_ERROR_INVALID_VALUE;
        const CUresult status = check_multiprocessors(*input);
        if (status != CUDA_SUCCESS) return status;
        // clusters of the greatest size need no more multiprocessors here
        if ((flags & CU_DEV_SM_RESOURCE_SPLIT_MAX_POTENTIAL_CLUSTER_SIZE) && device_limits().cc < 90)
            return CUDA_ERROR_INVALID_VALUE;
        if (least > input->sm.smCount) return CUDA_ERROR_INVALID_VALUE;
        if (source_of(*input).origin == Origin::group) return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
        const bool single = flags & CU_DEV_SM_RESOURCE_SPLIT_IGNORE_SM_COSCHEDULING;
        const Granularity grain = single ? Granularity{2, 2} : granularity();
        const unsigned size = round_up(std::max(least, grain.least), grain.step), most = input->sm.smCount / size;
        if (!most) return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
        const CUdevResource from = *input; // which may be one of the results
        *groups = result ? std::min(*groups, most) : most;
        if (!result) return CUDA_SUCCESS;
        Split split(from);
        for (unsigned i = 0; i < *groups; i++) result[i] = split.take(size, grain);
        if (remainder) *remainder = split.rest(grain);
        return CUDA_SUCCESS;
    });
}

CUresult cuDevSmResourceSplit(CUdevResource *result, unsigned n, const CUdevResource *input, CUdevResource *remainder,
                              unsigned flags, CU_DEV_SM_RESOURCE_GROUP_PARAMS *params) {
    return call([&]() -> CUresult {
        if (!n || !input || !params || flags) return CUDA_ERROR_INVALID_VALUE;
        CUresult status = check_multiprocessors(*input);
        if (status != CUDA_SUCCESS) return status;
        if (source_of(*input).origin == Origin::group) return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
        if (n > input->sm.smCount) return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
        std::vector<CU_DEV_SM_RESOURCE_GROUP_PARAMS> groups;
        std::vector<CUdevResource> taken;
        Split split(*input);
        for (unsigned i = 0; i < n && status == CUDA_SUCCESS; i++) {
            CUdevResource one;
            groups.push_back(params[i]);
            status = take_group(split, groups.back(), input->sm.smCount, result ? &one : nullptr);
            if (result) taken.push_back(one);
        }
        if (status != CUDA_SUCCESS) return status; // nothing is written
        std::copy(groups.begin(), groups.end(), params);
        if (result) std::copy(taken.begin(), taken.end(), result);
        if (remainder) *remainder = split.rest(granularity());
        return CUDA_SUCCESS;
    });
}

CUresult cuDevResourceGenerateDesc(CUdevResourceDesc *out, CUdevResource *resources, unsigned n) {
    return call([&]() -> CUresult {
        if (!out || !resources || !n) return CUDA_ERROR_INVALID_VALUE;
        Collector collector;
        for (unsigned i = 0; i < n; i++)
            if (const CUresult status = collector.add(resources[i])) return status;
        *out = reinterpret_cast<CUdevResourceDesc>(publish(std::make_shared<ResourceDescriptor>(collector.all())));
        return CUDA_SUCCESS;
    });
}
}
