// Device memory: what is allocated where, and whether an access is inside.
//
// A device address is not the host's address of the bytes: the device's range is mapped without access rights for the host, and the
// interpreter uses a second mapping of the same memory (alias = address + constant).  A host that dereferences a device pointer faults,
// as with a GPU.  Managed and pinned memory is readable by the host at its device address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace cpu_device {

// registered: the host's own memory, made usable by kernels where it lies (Memory::adopt).
enum class MemoryKind : uint8_t { device, managed, pinned, module, registered };

struct Allocation {
    uint64_t base = 0;       // device address
    uint64_t size = 0;       // bytes asked for
    uint8_t *host = nullptr; // where the interpreter reads and writes byte `base`
    uint64_t id = 0;         // never used twice
    MemoryKind kind = MemoryKind::device;
    int device = 0;
    bool freed =
        false; // in quarantine: addresses are not given out again for a while, so that use after free is noticed
    bool reserved = false;   // addresses only: what is mapped there has allocations of its own
    bool restricted = false; // only the devices in `access` may use it, whatever peers are enabled
    uint32_t access = 0;     // a bit for each device
};

constexpr int kMostDevices = 16;

// Memory at reserved addresses.
struct Mapped {
    uint64_t address = 0, size = 0;
    int device = 0;
    uint32_t access = 0;
    MemoryKind kind = MemoryKind::device;
};

class Written;

class Memory {
  public:
    Memory(); // sizes from the environment: CPU_DEVICE_MEMORY, CPU_DEVICE_HOST_ACCESS
    ~Memory();
    Memory(const Memory &) = delete;
    Memory &operator=(const Memory &) = delete;
    // Zero-size: nullptr.  nullptr too when there is no more.  Contents are not initialised but readable.
    const Allocation *allocate(uint64_t size, uint64_t align, MemoryKind kind, int device);
    // False where `base` is not the start of a living allocation.
    bool release(uint64_t base);
    // Takes a living allocation's bytes away, or gives them back; its address stays taken.  False where `base` is none, or there is no room.
    bool close(uint64_t base);
    bool open(uint64_t base);
    // The allocation that holds [address, address + size), closed or not.
    const Allocation *reserved(uint64_t address, uint64_t size) const;
    // Host memory becomes an allocation at its own address, until release().  nullptr where some of it is one already.
    const Allocation *adopt(void *host, uint64_t size, int device);
    // Addresses without memory, at `wanted` if they are free there; 0: no room.  release() gives them back.
    uint64_t reserve(uint64_t size, uint64_t align, uint64_t wanted);
    // Memory for reserved addresses: a name for map(), and nothing that a kernel can use.  0: no more.
    uint64_t create(uint64_t size, int device);
    // Pages at reserved addresses become those of create(), or their own again where `from` is the address itself.
    bool map(uint64_t address, uint64_t size, uint64_t from);
    // As map(), with pages of a file of another process.  to_host: the host may use them too, until map() brings back their own.
    bool map_file(uint64_t address, uint64_t size, int file, uint64_t offset, bool to_host);
    // The file that all memory lies in, and where in it an address does; -1: there is none.
    int file(uint64_t address, uint64_t &offset) const;
    // What of a reserved range can be used now; parts that touch are one allocation.
    bool lay_out(uint64_t base, const std::vector<Mapped> &parts);
    bool can_map() const;

    // Whether a kernel of `device` may use an allocation: its own, the host's, or a peer's where that was allowed.
    bool may_access(int device, const Allocation &a) const;
    void set_peer(int device, int peer, bool on);
    void restrict(uint64_t base, uint32_t access);
    // Whether an address is in the device's range, whatever is there: never a pointer of the host's own.
    bool in_range(uint64_t address) const;
    // The living allocation that holds [address, address + size), or nullptr.  Lock-free or nearly so: the interpreter caches the result.
    const Allocation *find(uint64_t address, uint64_t size) const;
    // For reports: the nearest allocation below or above, freed ones included; nullptr if there is none.
    const Allocation *nearest(uint64_t address) const;
    // Changes whenever an allocation is released: caches of find() are valid as long as it is the same.
    uint64_t generation() const;
    uint64_t used() const;           // bytes, of all devices
    uint64_t used(int device) const; // bytes, without the host's pinned memory
    uint64_t total() const;          // bytes that a device says it has
    Written &written() const;        // of MemoryKind::device; CPU_DEVICE_UNINIT=1: tracked from the start

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace cpu_device
