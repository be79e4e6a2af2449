// Tables of granules are made when needed and kept: a reader may be in one at any time.
#include "address_index.hpp"

#include <algorithm>
#include <new>
#include <sys/mman.h>

namespace cpu_device {

AddressIndex::AddressIndex(uint64_t base, uint64_t size)
    : base_(base), size_(size), bytes_((size / kChunk + 1) * sizeof *chunks_), chunks_(nullptr) {
    // zero pages until used: 8 MiB of addresses for 64 GiB
    void *at = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at != MAP_FAILED) chunks_ = static_cast<std::atomic<uintptr_t> *>(at);
}

AddressIndex::~AddressIndex() {
    if (!chunks_) return;
    for (uint64_t i = 0; i < bytes_ / sizeof *chunks_; i++)
        if (const uintptr_t entry = chunks_[i].load(); entry & kShared)
            delete reinterpret_cast<Granules *>(entry & ~kShared);
    munmap(chunks_, bytes_);
}

AddressIndex::Granules *AddressIndex::granules(uint64_t chunk) {
    const uintptr_t entry = chunks_[chunk].load(std::memory_order_relaxed);
    if (entry & kShared) return reinterpret_cast<Granules *>(entry & ~kShared);
    auto *made = new (std::nothrow) Granules;
    if (!made) return nullptr;
    for (auto &slot : made->slot) slot.store(reinterpret_cast<const Allocation *>(entry), std::memory_order_relaxed);
    chunks_[chunk].store(reinterpret_cast<uintptr_t>(made) | kShared, std::memory_order_release);
    return made;
}

bool AddressIndex::set(uint64_t address, uint64_t size, const Allocation *value) {
    uint64_t at = address - base_;
    const uint64_t end = at + (size + kGranule - 1) / kGranule * kGranule;
    while (at < end) {
        const uint64_t chunk = at / kChunk, stop = std::min(end, (chunk + 1) * kChunk);
        const bool shared = chunks_[chunk].load(std::memory_order_relaxed) & kShared;
        if (!shared && at % kChunk == 0 && stop - at == kChunk) {
            chunks_[chunk].store(reinterpret_cast<uintptr_t>(value), std::memory_order_release);
        } else {
            Granules *found = granules(chunk);
            if (!found) return false;
            for (uint64_t g = at; g < stop; g += kGranule)
                found->slot[g % kChunk / kGranule].store(value, std::memory_order_release);
        }
        at = stop;
    }
    return true;
}

} // namespace cpu_device
