// The memory of allocation nodes: an address for as long as a graph or an executable has the node, bytes from a launch to the free.
#pragma once

#include <cstdint>
#include <memory>

#include "generated_exports.hpp"

namespace cpu_device {

class Context;

class GraphAllocation {
  public:
    // nullptr: no more room.
    static std::shared_ptr<GraphAllocation> make(uint64_t size, Context &context, int device);
    // The living one at an address.
    static std::shared_ptr<GraphAllocation> at(uint64_t base);
    ~GraphAllocation();
    GraphAllocation(const GraphAllocation &) = delete;
    GraphAllocation &operator=(const GraphAllocation &) = delete;

    const uint64_t base, size, id;
    // The graphs that allocate and free it, by their ids; 0: none.  The lock of graphs is held.
    unsigned allocated_by = 0, freed_by = 0;

  private:
    GraphAllocation(uint64_t base_, uint64_t size_, uint64_t id_) : base(base_), size(size_), id(id_) {}
};

} // namespace cpu_device
