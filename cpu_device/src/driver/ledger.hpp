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

  private:
    mutable std::mutex lock_;
    std::map<uint64_t, Entry> entries_;
};

Ledger &ledger();

} // namespace cpu_device
