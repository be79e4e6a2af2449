// Device address → living allocation, without a lock: a table of chunks, and below it tables of granules where a chunk is shared.
#pragma once

#include <atomic>
#include <cstdint>

#include "memory.hpp"

namespace cpu_device {

constexpr uint64_t kGranule = 512; // allocations begin at multiples of it, and no two share one

class AddressIndex {
  public:
    AddressIndex(uint64_t base, uint64_t size);
    ~AddressIndex();
    AddressIndex(const AddressIndex &) = delete;
    AddressIndex &operator=(const AddressIndex &) = delete;

    bool valid() const { return chunks_; }
    // Writers hold the memory's lock.  False where there is no memory for a table.
    bool set(uint64_t address, uint64_t size, const Allocation *value);
    const Allocation *at(uint64_t address) const {
        const uint64_t offset = address - base_;
        if (offset >= size_) return nullptr;
        const uintptr_t entry = chunks_[offset / kChunk].load(std::memory_order_acquire);
        if (!(entry & kShared)) return reinterpret_cast<const Allocation *>(entry);
        const auto *granules = reinterpret_cast<const Granules *>(entry & ~kShared);
        return granules->slot[offset % kChunk / kGranule].load(std::memory_order_acquire);
    }

  private:
    static constexpr uint64_t kChunk = 64 << 10;
    static constexpr uintptr_t kShared = 1;
    struct Granules {
        std::atomic<const Allocation *> slot[kChunk / kGranule];
    };
    Granules *granules(uint64_t chunk);

    uint64_t base_, size_, bytes_;
    std::atomic<uintptr_t> *chunks_;
};

} // namespace cpu_device
