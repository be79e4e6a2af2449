// Managed memory: advice, prefetching, discarding, and what is known about a range.
//
// The memory lies where both sides see it, so nothing moves.  What was discarded is overwritten, for programs to notice that they
// read it: its value is indeterminate.
#include "advice.hpp"
#include "call.hpp"
#include "copy.hpp"
#include "ledger.hpp"
#include "nodes.hpp"

#include <algorithm>
#include <cstring>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

using namespace cpu_device;

namespace {

constexpr uint8_t kDiscarded = 0xdb;

struct Known {
    std::mutex lock;
    std::map<uint64_t, std::pair<uint64_t, AdviceMap>> by_id; // of living allocations, with their addresses
};

Known &known() {
    static auto &made = *new Known;
    return made;
}

const Allocation *managed(CUdeviceptr address, size_t size) {
    const Allocation *found = size ? memory().find(address, size) : nullptr;
    return found && found->kind == MemoryKind::managed ? found : nullptr;
}

// The map of an allocation; those of released ones go.  With the lock.
AdviceMap &map_of(const Allocation &allocation) {
    auto &maps = known().by_id;
    auto found = maps.find(allocation.id);
    if (found != maps.end()) return found->second.second;
    for (auto at = maps.begin(); at != maps.end();) {
        const Allocation *living = memory().find(at->second.first, 1);
        at = living && living->id == at->first ? std::next(at) : maps.erase(at);
    }
    return maps.emplace(allocation.id, std::make_pair(allocation.base, AdviceMap{})).first->second.second;
}

CUresult place_of(const CUmemLocation &location, Place &place) {
    unsigned cpu = 0, node = 0;
    place.type = location.type;
    place.id = location.id;
    switch (static_cast<int>(location.type)) {
    case CU_MEM_LOCATION_TYPE_DEVICE: return is_device(location.id) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
    case CU_MEM_LOCATION_TYPE_HOST: place.id = 0; return CUDA_SUCCESS;
    case CU_MEM_LOCATION_TYPE_HOST_NUMA: return is_node(location.id) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT:
        if (syscall(SYS_getcpu, &cpu, &node, nullptr) != 0) node = 0;
        place.type = CU_MEM_LOCATION_TYPE_HOST_NUMA;
        place.id = static_cast<int>(node);
        return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult advise(const Allocation &found, uint64_t offset, size_t size, int advice, const CUmemLocation &location) {
    const bool named = advice == CU_MEM_ADVISE_SET_PREFERRED_LOCATION || advice == CU_MEM_ADVISE_SET_ACCESSED_BY ||
                       advice == CU_MEM_ADVISE_UNSET_ACCESSED_BY;
    const bool accessed = named && advice != CU_MEM_ADVISE_SET_PREFERRED_LOCATION;
    Place place;
    if (advice < CU_MEM_ADVISE_SET_READ_MOSTLY || advice > CU_MEM_ADVISE_UNSET_ACCESSED_BY)
        return CUDA_ERROR_INVALID_VALUE;
    const CUresult status = named ? place_of(location, place) : CUDA_SUCCESS;
    if (status != CUDA_SUCCESS) return status;
    if (accessed && place.type == CU_MEM_LOCATION_TYPE_HOST_NUMA) return CUDA_ERROR_INVALID_VALUE;
    const int who = place.type == CU_MEM_LOCATION_TYPE_DEVICE ? place.id : CU_DEVICE_CPU;
    std::lock_guard<std::mutex> guard(known().lock);
    map_of(found).apply(offset, size, [&](Advice &a) {
        switch (advice) {
        case CU_MEM_ADVISE_SET_READ_MOSTLY:
        case CU_MEM_ADVISE_UNSET_READ_MOSTLY: a.read_mostly = advice == CU_MEM_ADVISE_SET_READ_MOSTLY; break;
        case CU_MEM_ADVISE_SET_PREFERRED_LOCATION:
        case CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION: a.preferred = place; break;
        case CU_MEM_ADVISE_SET_ACCESSED_BY: a.accessed_by.insert(who); break;
        default: a.accessed_by.erase(who);
        }
    });
    return CUDA_SUCCESS;
}

// ---- ranges of a call ----------------------------------------------------------------------------------------------------

struct Range {
    const Allocation *allocation;
    CUdeviceptr address;
    size_t size;
};

CUresult ranges_of(const CUdeviceptr *addresses, const size_t *sizes, size_t n, std::vector<Range> &out) {
    if (!addresses || !sizes || !n) return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < n; i++) {
        out.push_back({managed(addresses[i], sizes[i]), addresses[i], sizes[i]});
        if (!out.back().allocation) return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

// Location k is that of ranges firsts[k] to firsts[k + 1].
CUresult places_of(const CUmemLocation *locations, const size_t *firsts, size_t n, size_t ranges,
                   std::vector<Place> &out) {
    if (!locations || !firsts || !n || n > ranges || firsts[0] != 0) return CUDA_ERROR_INVALID_VALUE;
    for (size_t k = 0; k < n; k++) {
        Place place;
        const size_t end = k + 1 < n ? firsts[k + 1] : ranges;
        const CUresult status = place_of(locations[k], place);
        if (status != CUDA_SUCCESS) return status;
        if (end <= firsts[k] || end > ranges) return CUDA_ERROR_INVALID_VALUE;
        out.insert(out.end(), end - firsts[k], place);
    }
    return CUDA_SUCCESS;
}

// What is asked for later is where a program wanted the pages, whether or not the stream has come to it.
void prefetch(const std::vector<Range> &ranges, const std::vector<Place> &places) {
    std::lock_guard<std::mutex> guard(known().lock);
    for (size_t i = 0; i < ranges.size(); i++)
        map_of(*ranges[i].allocation)
            .apply(ranges[i].address - ranges[i].allocation->base, ranges[i].size,
                   [&](Advice &a) { a.last_prefetch = places[i]; });
}

void discard(Stream &stream, const std::vector<Range> &ranges) {
    for (const Range &range : ranges)
        stream.submit([address = range.address, size = range.size] {
            Span span;
            if (find_span(address, size, Side::device, span)) std::memset(span.host, kDiscarded, size);
        });
}

// ---- asking ----------------------------------------------------------------------------------------------------------------

// The place that all pages have; none if they differ.
Place common(const AdviceMap &map, uint64_t first, size_t size, Place Advice::*member) {
    Place place;
    bool begun = false, same = true;
    map.each(first, size, [&](const Advice &a) {
        if (!begun) place = a.*member;
        same &= place == a.*member;
        begun = true;
    });
    return same ? place : Place{};
}

int as_device(const Place &place) {
    if (place.type == CU_MEM_LOCATION_TYPE_DEVICE) return place.id;
    return place.type == CU_MEM_LOCATION_TYPE_INVALID ? CU_DEVICE_INVALID : CU_DEVICE_CPU;
}

void put_accessed(const AdviceMap &map, uint64_t first, size_t size, int *out, size_t room) {
    std::set<int> all;
    bool begun = false;
    map.each(first, size, [&](const Advice &a) {
        if (!begun) all = a.accessed_by;
        for (auto at = all.begin(); at != all.end();) at = a.accessed_by.count(*at) ? std::next(at) : all.erase(at);
        begun = true;
    });
    std::fill(out, out + room, CU_DEVICE_INVALID);
    for (int who : all)
        if (room) *out++ = who, room--;
}

CUresult get(int *out, size_t bytes, int name, const AdviceMap &map, uint64_t first, size_t size) {
    if (!out || !bytes || bytes % 4 || (bytes != 4 && name != CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY))
        return CUDA_ERROR_INVALID_VALUE;
    const Place preferred = common(map, first, size, &Advice::preferred);
    const Place last = common(map, first, size, &Advice::last_prefetch);
    switch (name) {
    case CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY:
        *out = 1;
        map.each(first, size, [&](const Advice &a) { *out &= a.read_mostly; });
        return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY: put_accessed(map, first, size, out, bytes / 4); return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION: *out = as_device(preferred); return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION: *out = as_device(last); return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE: *out = preferred.type; return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID: *out = preferred.id; return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE: *out = last.type; return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_ID: *out = last.id; return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

// How programs for CUDA 12 and before name a place.
CUmemLocation location_of(CUdevice device) {
    CUmemLocation location{};
    location.type = device == CU_DEVICE_CPU ? CU_MEM_LOCATION_TYPE_HOST : CU_MEM_LOCATION_TYPE_DEVICE;
    location.id = device == CU_DEVICE_CPU ? 0 : device;
    return location;
}

} // namespace

extern "C" {

CUresult cuMemAdvise(CUdeviceptr address, size_t size, CUmem_advise advice, CUdevice device) {
    return cuMemAdvise_v2(address, size, advice, location_of(device));
}

CUresult cuMemPrefetchAsync(CUdeviceptr address, size_t size, CUdevice device, CUstream stream) {
    return cuMemPrefetchAsync_v2(address, size, location_of(device), 0, stream);
}

CUresult cuMemAdvise_v2(CUdeviceptr address, size_t size, CUmem_advise advice, CUmemLocation location) {
    return in_context([&](Context &) {
        const Allocation *found = managed(address, size);
        return found ? advise(*found, address - found->base, size, static_cast<int>(advice), location)
                     : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuMemPrefetchAsync_v2(CUdeviceptr address, size_t size, CUmemLocation location, unsigned flags,
                               CUstream handle) {
    size_t first = 0;
    return cuMemPrefetchBatchAsync(&address, &size, 1, &location, &first, 1, flags, handle);
}

CUresult cuMemPrefetchBatchAsync(CUdeviceptr *addresses, size_t *sizes, size_t n, CUmemLocation *locations,
                                 size_t *firsts, size_t places_n, unsigned long long flags, CUstream handle) {
    return in_stream(handle, [&](Stream &) {
        std::vector<Range> ranges;
        std::vector<Place> places;
        CUresult status = flags ? CUDA_ERROR_INVALID_VALUE : ranges_of(addresses, sizes, n, ranges);
        if (status == CUDA_SUCCESS) status = places_of(locations, firsts, places_n, n, places);
        if (status == CUDA_SUCCESS) prefetch(ranges, places);
        return status;
    });
}

CUresult cuMemDiscardBatchAsync(CUdeviceptr *addresses, size_t *sizes, size_t n, unsigned long long flags,
                                CUstream handle) {
    return in_stream(handle, [&](Stream &stream) {
        std::vector<Range> ranges;
        const CUresult status = flags ? CUDA_ERROR_INVALID_VALUE : ranges_of(addresses, sizes, n, ranges);
        if (status == CUDA_SUCCESS) discard(stream, ranges);
        return status;
    });
}

CUresult cuMemDiscardAndPrefetchBatchAsync(CUdeviceptr *addresses, size_t *sizes, size_t n, CUmemLocation *locations,
                                           size_t *firsts, size_t places_n, unsigned long long flags, CUstream handle) {
    return in_stream(handle, [&](Stream &stream) {
        std::vector<Range> ranges;
        std::vector<Place> places;
        CUresult status = flags ? CUDA_ERROR_INVALID_VALUE : ranges_of(addresses, sizes, n, ranges);
        if (status == CUDA_SUCCESS) status = places_of(locations, firsts, places_n, n, places);
        if (status != CUDA_SUCCESS) return status;
        discard(stream, ranges);
        prefetch(ranges, places);
        return status;
    });
}

CUresult cuMemRangeGetAttribute(void *out, size_t bytes, CUmem_range_attribute name, CUdeviceptr address, size_t size) {
    return cuMemRangeGetAttributes(&out, &bytes, &name, 1, address, size);
}

CUresult cuMemRangeGetAttributes(void **out, size_t *bytes, CUmem_range_attribute *names, size_t n, CUdeviceptr address,
                                 size_t size) {
    return in_context([&](Context &) -> CUresult {
        const Allocation *found = managed(address, size);
        if (!found || !out || !bytes || !names || !n) return CUDA_ERROR_INVALID_VALUE;
        std::lock_guard<std::mutex> guard(known().lock);
        const AdviceMap &map = map_of(*found);
        for (size_t i = 0; i < n; i++) {
            const CUresult status =
                get(static_cast<int *>(out[i]), bytes[i], static_cast<int>(names[i]), map, address - found->base, size);
            if (status != CUDA_SUCCESS) return status;
        }
        return CUDA_SUCCESS;
    });
}
}
