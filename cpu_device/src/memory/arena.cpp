// Two mappings of one anonymous file (memfd).  Nothing is reserved: untouched memory costs nothing.
#include "arena.hpp"

#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_CLOEXEC
#define MFD_CLOEXEC 1u
#endif

namespace cpu_device {

namespace {

constexpr uint64_t kSmallest = uint64_t(64) << 20;

void *map(uint64_t size, int rights, int flags, int file) {
    void *at = mmap(nullptr, size, rights, flags | MAP_NORESERVE, file, 0);
    return at == MAP_FAILED ? nullptr : at;
}

} // namespace

Arena::Arena(uint64_t wanted, bool host_access) : host_access_(host_access) {
    for (uint64_t size = wanted / kPage * kPage; size >= kSmallest && !size_; size /= 2)
        if (map_twice(size) || map_once(size)) size_ = size;
}

Arena::~Arena() {
    if (!size_) return;
    munmap(reinterpret_cast<void *>(base_), size_);
    if (file_ < 0) return;
    munmap(alias_, size_);
    close(file_);
}

bool Arena::map_twice(uint64_t size) {
    const int file = memfd_create("cpu-device-memory", MFD_CLOEXEC);
    if (file < 0) return false;
    if (ftruncate(file, static_cast<off_t>(size)) == 0) {
        void *device = map(size, host_access_ ? PROT_READ | PROT_WRITE : PROT_NONE, MAP_SHARED, file);
        void *alias = device ? map(size, PROT_READ | PROT_WRITE, MAP_SHARED, file) : nullptr;
        if (alias) {
            base_ = reinterpret_cast<uint64_t>(device);
            alias_ = static_cast<uint8_t *>(alias);
            file_ = file;
            return true;
        }
        if (device) munmap(device, size);
    }
    close(file);
    return false;
}

bool Arena::map_once(uint64_t size) {
    void *at = map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    base_ = reinterpret_cast<uint64_t>(at);
    alias_ = static_cast<uint8_t *>(at);
    return at;
}

bool Arena::open_to_host(uint64_t address, uint64_t size) {
    if (file_ < 0 || host_access_) return true;
    return mprotect(reinterpret_cast<void *>(address), size, PROT_READ | PROT_WRITE) == 0;
}

void Arena::close_to_host(uint64_t address, uint64_t size) {
    if (file_ >= 0 && !host_access_) mprotect(reinterpret_cast<void *>(address), size, PROT_NONE);
}

bool Arena::show(uint64_t address, uint64_t size, uint64_t from) {
    if (address == from && !host_access_ && !show_file(address, size, file_, from - base_, true)) return false;
    if (address == from) close_to_host(address, size);
    return show_file(address, size, file_, from - base_, false);
}

bool Arena::show_file(uint64_t address, uint64_t size, int file, uint64_t offset, bool to_host) {
    if (file_ < 0) return false;
    auto put = [&](void *at, int rights) {
        return mmap(at, size, rights, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, file, static_cast<off_t>(offset)) !=
               MAP_FAILED;
    };
    return put(host(address), PROT_READ | PROT_WRITE) &&
           (!(host_access_ || to_host) || put(reinterpret_cast<void *>(address), PROT_READ | PROT_WRITE));
}

void Arena::discard(uint64_t address, uint64_t size) {
    madvise(host(address), size, file_ < 0 ? MADV_DONTNEED : MADV_REMOVE);
}

} // namespace cpu_device
