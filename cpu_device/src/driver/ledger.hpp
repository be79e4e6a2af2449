// Who has which memory: the context, pool and flags of every allocation that the API gave out.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "device.hpp"

namespace cpu_device {

class Pool;

constexpr uint64_t kGranuleOfDevice = 512; // what cuMemAlloc aligns to

struct Entry {
    uint64_t context = 0; // its id
    std::shared_ptr<Pool> pool;
    unsigned flags = 0; // of host memory
    uint64_t size = 0;
    bool freeing = false; // a stream will come to its end
    bool sync = false;    // CU_POINTER_ATTRIBUTE_SYNC_MEMOPS
    // of memory that graphs allocate: the address stays, the bytes come and go
    bool graph = false;
    unsigned live = 0;   // launches that have allocated it, and not come to free it yet
    bool held = false;   // allocated by a launch, and nobody has asked to free it since
    bool orphan = false; // no graph has it any more
};

// What a device's graphs use, in bytes.
struct GraphUse {
    uint64_t used = 0, used_high = 0, reserved = 0, reserved_high = 0;
};

class Ledger {
  public:
    // nullptr: no more memory.
    const Allocation *allocate(uint64_t size, uint64_t align, MemoryKind kind, int device, Entry entry);
    const Allocation *adopt(void *host, uint64_t size, int device, Entry entry);
    // False where `base` is no such allocation.
    bool release(uint64_t base);
    void release_all(uint64_t context);
    bool find(uint64_t base, Entry &entry) const;
    bool begin_free(uint64_t base); // false where it is none, or has begun already
    bool set_sync(uint64_t base, bool sync);

    void restrict(const Pool &pool); // what was allocated from it, to the devices that it allows

    // An address for a graph's allocation, without bytes; 0: no room.
    uint64_t reserve(uint64_t size, int device, Entry entry);
    bool acquire(uint64_t base); // a launch allocates it; false: no memory
    bool held(uint64_t base) const;
    void drop(uint64_t base); // released for good, when it is freed
    GraphUse graph_use(int device) const;
    void reset_graph_high(int device, bool used);
    void trim_graphs(int device);

  private:
    mutable std::mutex lock_;
    bool give_back(Entry &entry, uint64_t base); // what release() does for a graph's; true: for good
    std::map<uint64_t, Entry> entries_;
    std::map<int, GraphUse> graph_use_;
};

Ledger &ledger();

} // namespace cpu_device
