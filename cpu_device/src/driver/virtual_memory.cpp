// Addresses and memory apart: ranges are reserved, memory is created, and mapped where a program wants it.
//
// Memory that may be exported lies in a file of its own, whose descriptor is what other processes get.
#include "call.hpp"
#include "file.hpp"

#include <fcntl.h>
#include <map>
#include <sys/mman.h>

using namespace cpu_device;

namespace {

constexpr size_t kUnit = 2 << 20;
constexpr unsigned kDescriptor = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
constexpr char kName[] = "cpu-device-physical-"; // of a file; the device's number follows

class Physical : public Object {
  public:
    static constexpr HandleKind kKind = HandleKind::physical;
    Physical(const CUmemAllocationProp &prop_, uint64_t size_, uint64_t memory_, int file_ = -1)
        : prop(prop_), size(size_), pages(memory_), file(file_) {}
    ~Physical() override {
        if (pages) memory().release(pages);
    }
    bool map(uint64_t address, uint64_t n) const {
        return file.good() ? memory().map_file(address, n, file.number, 0, false) : memory().map(address, n, pages);
    }
    const CUmemAllocationProp prop;
    const uint64_t size, pages;
    const File file;         // instead of pages, where it may be exported
    unsigned references = 1; // of the program; mappings have theirs
};

struct Mapping {
    uint64_t size = 0;
    std::shared_ptr<Physical> physical;
    uint32_t access = 0;
};

struct Reservation {
    uint64_t size = 0;
    std::map<uint64_t, Mapping> mappings;
};

struct Table {
    std::mutex lock;
    std::map<uint64_t, Reservation> ranges;
    // The range that holds all of [address, address + size); end() where none does.
    std::map<uint64_t, Reservation>::iterator find(uint64_t address, uint64_t size) {
        auto after = ranges.upper_bound(address);
        if (after == ranges.begin()) return ranges.end();
        const auto found = std::prev(after);
        const uint64_t offset = address - found->first;
        return offset < found->second.size && size <= found->second.size - offset ? found : ranges.end();
    }
};

Table &table() {
    static auto &made = *new Table;
    return made;
}

bool whole(uint64_t n) {
    return n && n % kUnit == 0;
}

CUresult check(const CUmemAllocationProp *prop) {
    if (!prop || prop->type != CU_MEM_ALLOCATION_TYPE_PINNED) return CUDA_ERROR_INVALID_VALUE;
    const auto handles = static_cast<unsigned>(prop->requestedHandleTypes);
    if (prop->location.type != CU_MEM_LOCATION_TYPE_DEVICE || (handles & ~kDescriptor)) return CUDA_ERROR_NOT_SUPPORTED;
    return is_device(prop->location.id) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult lay_out(uint64_t base, const Reservation &range) {
    std::vector<Mapped> parts;
    for (const auto &[address, mapping] : range.mappings)
        if (mapping.access)
            parts.push_back({address, mapping.size, mapping.physical->prop.location.id, mapping.access});
    return memory().lay_out(base, parts) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

// body(range, first, last) with the mappings that make up exactly [address, address + size).
template <class Body> CUresult on_mappings(uint64_t address, uint64_t size, Body &&body) {
    return call([&]() -> CUresult {
        Table &t = table();
        std::lock_guard<std::mutex> guard(t.lock);
        const auto found = whole(size) ? t.find(address, size) : t.ranges.end();
        if (found == t.ranges.end()) return CUDA_ERROR_INVALID_VALUE;
        std::map<uint64_t, Mapping> &all = found->second.mappings;
        const auto first = all.find(address);
        auto last = first;
        uint64_t at = address;
        for (; last != all.end() && last->first == at && at < address + size; ++last) at += last->second.size;
        if (first == all.end() || at != address + size) return CUDA_ERROR_INVALID_VALUE;
        const CUresult status = body(*found, first, last);
        return status == CUDA_SUCCESS ? lay_out(found->first, found->second) : status;
    });
}

CUresult check_access(const CUmemAccessDesc *desc, size_t count) {
    for (size_t k = 0; k < count; k++) {
        if (desc[k].location.type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_NOT_SUPPORTED;
        if (!is_device(desc[k].location.id)) return CUDA_ERROR_INVALID_DEVICE;
        if (desc[k].flags == CU_MEM_ACCESS_FLAGS_PROT_READ) return CUDA_ERROR_NOT_SUPPORTED; // reading alone
        if (desc[k].flags != CU_MEM_ACCESS_FLAGS_PROT_NONE && desc[k].flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
            return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

CUresult create_file(CUmemGenericAllocationHandle *out, size_t size, const CUmemAllocationProp &prop) {
    const uint64_t total = memory().total(), used = memory().used(prop.location.id);
    if (size > total || used > total - size) return CUDA_ERROR_OUT_OF_MEMORY;
    const int file = memfd_create((kName + std::to_string(prop.location.id)).c_str(), MFD_CLOEXEC);
    auto made = std::make_shared<Physical>(prop, size, 0, file);
    if (file < 0 || ftruncate(file, static_cast<off_t>(size))) return CUDA_ERROR_OUT_OF_MEMORY;
    *out = publish(made);
    return CUDA_SUCCESS;
}

// Which device's memory lies in a file; -1: no device's.
int device_of(int file) {
    char target[80] = {};
    const std::string before = std::string("/memfd:") + kName, path = "/proc/self/fd/" + std::to_string(file);
    if (readlink(path.c_str(), target, sizeof target - 1) < 0 || std::string(target).compare(0, before.size(), before))
        return -1;
    const int device = std::atoi(target + before.size());
    return is_device(device) ? device : 0;
}

} // namespace

extern "C" {

CUresult cuMemGetAllocationGranularity(size_t *size, const CUmemAllocationProp *prop,
                                       CUmemAllocationGranularity_flags option) {
    return call([&] {
        const auto number = static_cast<unsigned>(option);
        if (!size || number > CU_MEM_ALLOC_GRANULARITY_RECOMMENDED) return CUDA_ERROR_INVALID_VALUE;
        const CUresult status = check(prop);
        if (status == CUDA_SUCCESS) *size = kUnit;
        return status;
    });
}

CUresult cuMemAddressReserve(CUdeviceptr *out, size_t size, size_t align, CUdeviceptr wanted,
                             unsigned long long flags) {
    return call([&] {
        if (!out || !whole(size) || (align & (align - 1)) || flags) return CUDA_ERROR_INVALID_VALUE;
        if (!memory().can_map()) return CUDA_ERROR_NOT_SUPPORTED;
        Table &t = table();
        std::lock_guard<std::mutex> guard(t.lock);
        const uint64_t base = memory().reserve(size, std::max<size_t>(align, kUnit), wanted % kUnit ? 0 : wanted);
        if (!base) return CUDA_ERROR_OUT_OF_MEMORY;
        t.ranges[base].size = size;
        *out = base;
        return CUDA_SUCCESS;
    });
}

CUresult cuMemAddressFree(CUdeviceptr address, size_t size) {
    return call([&] {
        Table &t = table();
        std::lock_guard<std::mutex> guard(t.lock);
        const auto found = t.ranges.find(address);
        if (found == t.ranges.end() || found->second.size != size || !found->second.mappings.empty())
            return CUDA_ERROR_INVALID_VALUE;
        t.ranges.erase(found);
        memory().release(address);
        return CUDA_SUCCESS;
    });
}

CUresult cuMemCreate(CUmemGenericAllocationHandle *out, size_t size, const CUmemAllocationProp *prop,
                     unsigned long long flags) {
    return call([&] {
        if (!out || !whole(size) || flags) return CUDA_ERROR_INVALID_VALUE;
        const CUresult status = check(prop);
        if (status != CUDA_SUCCESS) return status;
        if (static_cast<unsigned>(prop->requestedHandleTypes) & kDescriptor) return create_file(out, size, *prop);
        const uint64_t pages = memory().create(size, prop->location.id);
        if (!pages) return CUDA_ERROR_OUT_OF_MEMORY;
        *out = publish(std::make_shared<Physical>(*prop, size, pages));
        return CUDA_SUCCESS;
    });
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
    return call([&] {
        std::lock_guard<std::mutex> guard(table().lock);
        const auto physical = lookup<Physical>(reinterpret_cast<void *>(handle));
        if (!physical) return CUDA_ERROR_INVALID_VALUE;
        if (!--physical->references) retire<Physical>(reinterpret_cast<void *>(handle));
        return CUDA_SUCCESS;
    });
}

CUresult cuMemMap(CUdeviceptr address, size_t size, size_t offset, CUmemGenericAllocationHandle handle,
                  unsigned long long flags) {
    return call([&] {
        Table &t = table();
        std::lock_guard<std::mutex> guard(t.lock);
        const auto physical = lookup<Physical>(reinterpret_cast<void *>(handle));
        const auto found = whole(size) ? t.find(address, size) : t.ranges.end();
        if (!physical || found == t.ranges.end() || address % kUnit || offset || flags || size > physical->size)
            return CUDA_ERROR_INVALID_VALUE;
        std::map<uint64_t, Mapping> &all = found->second.mappings;
        const auto after = all.lower_bound(address);
        if (after != all.end() && after->first < address + size) return CUDA_ERROR_INVALID_VALUE;
        if (after != all.begin() && std::prev(after)->first + std::prev(after)->second.size > address)
            return CUDA_ERROR_INVALID_VALUE;
        if (!physical->map(address, size)) return CUDA_ERROR_OUT_OF_MEMORY;
        all[address] = {size, physical, 0};
        return CUDA_SUCCESS;
    });
}

CUresult cuMemUnmap(CUdeviceptr address, size_t size) {
    return on_mappings(address, size, [&](auto &range, auto first, auto last) {
        for (auto m = first; m != last; ++m) m->second.access = 0;
        const CUresult status = lay_out(range.first, range.second); // no kernel sees the pages go
        if (status == CUDA_SUCCESS && !memory().map(address, size, address)) return CUDA_ERROR_OUT_OF_MEMORY;
        if (status == CUDA_SUCCESS) range.second.mappings.erase(first, last);
        return status;
    });
}

CUresult cuMemSetAccess(CUdeviceptr address, size_t size, const CUmemAccessDesc *desc, size_t count) {
    if (!desc || !count) return CUDA_ERROR_INVALID_VALUE;
    return on_mappings(address, size, [&](auto &, auto first, auto last) {
        const CUresult status = check_access(desc, count);
        for (auto m = first; status == CUDA_SUCCESS && m != last; ++m)
            for (size_t k = 0; k < count; k++) {
                const uint32_t bit = 1u << desc[k].location.id;
                const bool on = desc[k].flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
                m->second.access = on ? m->second.access | bit : m->second.access & ~bit;
            }
        return status;
    });
}

CUresult cuMemGetAccess(unsigned long long *flags, const CUmemLocation *location, CUdeviceptr address) {
    return call([&] {
        if (!flags || !location) return CUDA_ERROR_INVALID_VALUE;
        if (location->type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_NOT_SUPPORTED;
        if (!is_device(location->id)) return CUDA_ERROR_INVALID_DEVICE;
        Table &t = table();
        std::lock_guard<std::mutex> guard(t.lock);
        const auto found = t.find(address, 1);
        if (found == t.ranges.end()) return CUDA_ERROR_INVALID_VALUE;
        const auto after = found->second.mappings.upper_bound(address);
        if (after == found->second.mappings.begin()) return CUDA_ERROR_INVALID_VALUE;
        const auto &[base, mapping] = *std::prev(after);
        if (address - base >= mapping.size) return CUDA_ERROR_INVALID_VALUE;
        *flags =
            mapping.access >> location->id & 1 ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE : CU_MEM_ACCESS_FLAGS_PROT_NONE;
        return CUDA_SUCCESS;
    });
}

CUresult cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp *out, CUmemGenericAllocationHandle handle) {
    return call([&] {
        const auto physical = lookup<Physical>(reinterpret_cast<void *>(handle));
        if (!physical || !out) return CUDA_ERROR_INVALID_VALUE;
        *out = physical->prop;
        return CUDA_SUCCESS;
    });
}

CUresult cuMemExportToShareableHandle(void *out, CUmemGenericAllocationHandle handle, CUmemAllocationHandleType type,
                                      unsigned long long flags) {
    return call([&] {
        const auto physical = lookup<Physical>(reinterpret_cast<void *>(handle));
        if (!physical || !out || flags || type != kDescriptor || !physical->file.good())
            return CUDA_ERROR_INVALID_VALUE;
        const int file = fcntl(physical->file.number, F_DUPFD_CLOEXEC, 0);
        if (file < 0) return CUDA_ERROR_OPERATING_SYSTEM;
        *static_cast<int *>(out) = file;
        return CUDA_SUCCESS;
    });
}

// The program keeps its descriptor.
CUresult cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *out, void *descriptor,
                                        CUmemAllocationHandleType type) {
    return call([&] {
        struct stat facts;
        const auto given = static_cast<int>(reinterpret_cast<intptr_t>(descriptor));
        const int device = device_of(given);
        if (!out || type != kDescriptor || device < 0 || fstat(given, &facts) || !whole(facts.st_size))
            return CUDA_ERROR_INVALID_VALUE;
        CUmemAllocationProp prop{};
        prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
        prop.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
        prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
        prop.location.id = device;
        const int file = fcntl(given, F_DUPFD_CLOEXEC, 0);
        if (file < 0) return CUDA_ERROR_OPERATING_SYSTEM;
        *out = publish(std::make_shared<Physical>(prop, static_cast<uint64_t>(facts.st_size), 0, file));
        return CUDA_SUCCESS;
    });
}

// A program that released its last reference gets the handle again while the memory is mapped.
CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *out, void *at) {
    return call([&] {
        const auto address = reinterpret_cast<uint64_t>(at);
        Table &t = table();
        std::lock_guard<std::mutex> guard(t.lock);
        const auto found = t.find(address, 1);
        if (!out || found == t.ranges.end()) return CUDA_ERROR_INVALID_VALUE;
        const auto after = found->second.mappings.upper_bound(address);
        if (after == found->second.mappings.begin()) return CUDA_ERROR_INVALID_VALUE;
        const auto &[base, mapping] = *std::prev(after);
        if (address - base >= mapping.size) return CUDA_ERROR_INVALID_VALUE;
        if (!mapping.physical->references++) publish(mapping.physical);
        *out = mapping.physical->handle;
        return CUDA_SUCCESS;
    });
}
}
