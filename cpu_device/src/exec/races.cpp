// Races: what is remembered of each four bytes, and what contradicts it.
#include "checker.hpp"
#include "image.hpp"
#include "lanes.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace cpu_device {

Checker::Shared *Checker::shared_of(const Access &a, uint64_t &offset) {
    offset = a.address - kSharedWindow;
    if (offset >= kWindowSize) return nullptr;
    const Cta *cta = cta_at(a.w, offset);
    offset &= (uint64_t(1) << kRankShift) - 1;
    return cta ? &shared_[cta] : nullptr;
}

Cell &Checker::cell_at(const Access &a, uint64_t address) {
    Access there = a;
    there.address = address;
    uint64_t offset;
    if (Shared *shared = shared_of(there, offset)) return shared->cells[offset / 4];
    std::unique_ptr<Page> &page = pages_[address >> 12];
    if (!page) page = std::make_unique<Page>();
    return page->cells[address >> 2 & 1023];
}

// Which bytes from..to (of one cell) a write changes; what shared memory holds before the first write is not known.
uint8_t Checker::changed(const Access &a, uint64_t from, uint64_t to) {
    uint64_t offset;
    const Shared *shared = shared_of(a, offset);
    uint8_t bytes = 0;
    for (uint64_t at = from; at < to; ++at) {
        const uint64_t k = at - a.address;
        const bool other = !a.value || a.value[k] != a.host[k] || (shared && !shared->written[offset + k]);
        bytes |= static_cast<uint8_t>(other ? 1 << (at & 3) : 0);
    }
    return bytes;
}

bool Checker::check(const Access &a) {
    const uint64_t end = a.address + a.bytes;
    for (uint64_t from = a.address; from < end;) {
        const uint64_t to = std::min((from | 3) + 1, end);
        uint8_t bytes = static_cast<uint8_t>(((1u << (to - from)) - 1) << (from & 3));
        if (a.writes) bytes = changed(a, from, to);
        if (bytes && !check_cell(a, cell_at(a, from), bytes)) return false;
        from = to;
    }
    return true;
}

bool Checker::check_cell(const Access &a, Cell &cell, uint8_t bytes) {
    auto contradicts = [&](const Stamp &s) {
        return s.time && (s.bytes & bytes) && !(a.strong && (s.kind & kStrong)) && !ordered(s, a.w, a.lane);
    };
    if (contradicts(cell.write) && !same_store(a, cell.write)) return report(a, cell.write, true);
    Stamp now;
    now.time = thread(a.w, a.lane).time;
    now.site = site_of(a.w, a.inst);
    now.cluster = static_cast<uint32_t>(a.w.cta->cluster->index);
    now.thread = static_cast<uint16_t>(number(a.w, a.lane));
    now.bytes = bytes;
    now.kind = static_cast<uint8_t>((a.strong ? kStrong : 0) | (a.pending ? kPending : 0));
    if (a.writes) {
        for (Stamp &read : cell.reads) {
            if (contradicts(read)) return report(a, read, false);
            if (read.bytes & bytes) read = Stamp();
        }
        cell.write = now;
        if (a.pending) thread(a.w, a.lane).groups.back().push_back(&cell);
        return true;
    }
    Stamp *place = nullptr; // its own, else a free one, else one that is ordered before
    for (Stamp &read : cell.reads)
        if (read.time && read.cluster == now.cluster && read.thread == now.thread) place = &read;
    for (Stamp &read : cell.reads)
        if (!place && (!read.time || (ordered(read, a.w, a.lane) && !(read.bytes & ~bytes)))) place = &read;
    if (!place) place = &cell.reads[now.thread & 1];
    if (place->thread == now.thread && place->cluster == now.cluster) now.bytes |= place->bytes;
    *place = now;
    return true;
}

// Two lanes of one store that write the same value to the same address: whoever is last, the memory is the same.
bool Checker::same_store(const Access &a, const Stamp &s) const {
    if (!a.value || s.site != site_of(a.w, a.inst) || s.cluster != static_cast<uint32_t>(a.w.cta->cluster->index))
        return false;
    const uint32_t lane = s.thread - number(a.w, 0);
    return lane < kLanes && (storing_ >> lane & 1) && addresses_[lane] == a.address &&
           std::memcmp(values_[lane], a.value, a.bytes) == 0;
}

namespace {

std::string triple(uint64_t x, uint64_t y, uint64_t z) {
    return "(" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
}

} // namespace

// Fills in the fault that fault() began.
bool Checker::report(const Access &a, const Stamp &other, bool other_writes) {
    const bool shared = a.address - kSharedWindow < kWindowSize;
    const std::string before = (other.kind & kPending) ? "cp.async that was not waited for"
                               : other_writes          ? "write"
                                                       : "read";
    const bool was_failed = launch_.failed;
    fault(a.w, a.inst, a.lane, Status::launch_failed,
          std::string("race on ") + (shared ? "shared" : "global") + " memory: " + (a.writes ? "write" : "read") +
              " of " + std::to_string(a.bytes) + " bytes, and nothing orders it behind a " + before +
              " by another thread",
          a.address);
    if (was_failed) return false;
    Fault &f = *launch_.fault;
    f.nearest = name_of(a.w, a.address);
    const Dim3 &block = launch_.launch->block, &grid = launch_.cluster_grid, &cluster = launch_.cluster;
    const uint32_t rank = other.thread / launch_.threads, t = other.thread % launch_.threads, at = other.cluster;
    f.notes.push_back("the " + before + ": block " +
                      triple(at % grid.x * cluster.x + rank % cluster.x,
                             at / grid.x % grid.y * cluster.y + rank / cluster.x % cluster.y,
                             at / grid.x / grid.y * cluster.z + rank / cluster.x / cluster.y) +
                      ", thread " + triple(t % block.x, t / block.x % block.y, t / block.x / block.y));
    const auto code = std::upper_bound(first_site_.begin(), first_site_.end(), other.site) - first_site_.begin() - 1;
    for (auto id = code; id >= 0; --id) { // functions without code begin where the next one does
        const Code *c = launch_.image->codes[static_cast<size_t>(id)].get();
        if (!c || other.site < first_site_[c->id] || other.site - first_site_[c->id] >= c->insts.size()) continue;
        const uint32_t index = c->insts[other.site - first_site_[c->id]].index;
        if (index >= c->source->body.size()) break;
        const ptx::Instruction &written = c->source->body[index];
        f.notes.push_back("PTX line " + std::to_string(written.place.line) + ": " +
                          line_of(launch_.image->text, written.place.line));
        for (const auto &file : launch_.image->module.files)
            if (written.source.line && file.index == written.source.file)
                f.notes.push_back("source " + file.name + ":" + std::to_string(written.source.line));
        break;
    }
    return false;
}

// The variable or allocation that an address is in.
std::string Checker::name_of(Warp &w, uint64_t address) const {
    const bool shared = address - kSharedWindow < kWindowSize;
    const uint64_t own = shared ? (address - kSharedWindow) & ((uint64_t(1) << kRankShift) - 1) : address;
    const uint64_t dynamic = (launch_.launch->kernel->static_shared_bytes + 127) / 128 * 128;
    if (shared && own >= dynamic) return "byte " + std::to_string(own - dynamic) + " of the dynamic shared memory";
    for (const auto &[key, symbol] : launch_.image->symbols) {
        const bool here = symbol.space == (shared ? ptx::Space::shared : ptx::Space::global) && !symbol.dynamic_shared;
        if (!here || own < symbol.address || own - symbol.address >= symbol.size) continue;
        if (shared && std::find(symbol.kernels.begin(), symbol.kernels.end(), launch_.launch->kernel->name()) ==
                          symbol.kernels.end())
            continue;
        return "byte " + std::to_string(own - symbol.address) + " of variable " + symbol.variable->name;
    }
    if (shared) return "byte " + std::to_string(own) + " of the shared memory";
    if (address >= kLocalWindow)
        return "byte " + std::to_string(address - kLocalWindow) + " of the thread's local memory";
    const Allocation *a = launch_.memory->find(address, 1);
    if (!a) return "";
    char base[32];
    std::snprintf(base, sizeof base, "0x%" PRIx64, a->base);
    (void)w;
    return "byte " + std::to_string(address - a->base) + " of the allocation of " + std::to_string(a->size) +
           " bytes at " + base;
}

} // namespace cpu_device
