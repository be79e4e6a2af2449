// The range of device addresses and the memory behind it, mapped twice: once without rights at the device's addresses, once for the machine.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cpu_device {

class Arena {
  public:
    // As much of `wanted` bytes as the system gives; host_access: the host may read and write everything at its device address.
    Arena(uint64_t wanted, bool host_access);
    ~Arena();
    Arena(const Arena &) = delete;
    Arena &operator=(const Arena &) = delete;

    uint64_t base() const { return base_; }
    uint64_t size() const { return size_; }
    bool contains(uint64_t address) const { return address - base_ < size_; }
    uint8_t *host(uint64_t address) const { return alias_ + (address - base_); }

    // Whole pages at their device address become readable and writable for the host, or inaccessible again.
    bool open_to_host(uint64_t address, uint64_t size);
    void close_to_host(uint64_t address, uint64_t size);
    // Gives the memory behind whole pages back to the system; they read as zero afterwards.
    void discard(uint64_t address, uint64_t size);

    // Whole pages show those of `from` instead of their own: the same memory at two addresses.
    bool show(uint64_t address, uint64_t size, uint64_t from);
    // As show(), with what lies at `offset` of another file; to_host: at the device address too, until show() brings back their own.
    bool show_file(uint64_t address, uint64_t size, int file, uint64_t offset, bool to_host);
    bool can_show() const { return file_ >= 0; }
    int file() const { return file_; } // byte i is that of address base() + i

  private:
    bool map_twice(uint64_t size);
    bool map_once(uint64_t size);

    uint64_t base_ = 0, size_ = 0;
    uint8_t *alias_ = nullptr;
    int file_ = -1; // -1: one mapping only, where the system has no memfd
    bool host_access_;
};

constexpr uint64_t kPage = 4096;

} // namespace cpu_device
