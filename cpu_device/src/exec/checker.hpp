// The opt-in checkers: observers of what threads do to memory and how they synchronise.  Without them nothing here is called.
//
// Races: of two accesses to a byte by different threads, one a write that changes it, nothing orders one before the other.  Orders: barriers,
// warp-wide instructions, mbarriers, and a fence before an atomic or volatile access that another thread's sees.
// Uninitialised reads: of shared, local or device memory that nothing wrote.
//
// A launch that is checked runs in one host thread, so nothing here is locked.
#pragma once

#include "knowledge.hpp"
#include "machine.hpp"

#include <unordered_map>

namespace cpu_device {

// An access as it is remembered.
struct Stamp {
    uint32_t time = 0; // of the thread; 0: none
    uint32_t site = 0; // instruction
    uint32_t cluster = 0;
    uint16_t thread = 0; // in the cluster
    uint8_t bytes = 0;   // which of the cell's four
    uint8_t kind = 0;    // bits of StampKind
};
enum StampKind : uint8_t { kStrong = 1, kPending = 2 }; // kPending: an asynchronous copy that nobody waited for

struct Cell { // four bytes
    Stamp write;
    Stamp reads[2];
};

// One access of a lane.
struct Access {
    Warp &w;
    const Inst *inst;
    int lane;
    uint64_t address; // generic
    uint32_t bytes;
    bool writes = false, strong = false, pending = false;
    const uint8_t *value = nullptr; // of a store; nullptr: taken as one that changes memory
    const uint8_t *host = nullptr;  // what is there
};

class Checker {
  public:
    Checker(LaunchState &launch, bool races, bool uninitialised);

    // Around an instruction.  before() is false after a fault.
    bool before(Warp &w, const Inst *i);
    void after(Warp &w, const Inst *i, const Inst *next);

    void start_cta(Cta &cta);
    void enter_function(Warp &w, uint32_t mask, uint32_t base, uint32_t bytes); // its local memory is nobody's
    void copied_argument(Warp &w, int lane, uint64_t offset, uint32_t bytes);   // to local memory
    void allocated(uint64_t base, uint64_t size);                               // by a thread

    // Barriers and mbarriers, by their place: arrivals, the end of a phase, who goes on behind it.
    void arrive(Warp &w, uint32_t mask, const void *place);
    void complete(Cta &cta, const void *place, bool counts_ended = true);
    void leave(Warp &w, uint32_t mask, const void *place);
    void forget(Warp &w, const void *place);
    void ended(Warp &w, uint32_t mask); // threads, for which barriers do not wait
    void meet(Warp &w, uint32_t mask);  // of a warp

  private:
    struct Thread {
        Knowledge knows;
        Knowledge fenced;  // at the last fence
        SharedOthers seen; // what it took from an atomic last
        uint32_t time = 1;
        bool has_fenced = false;
        std::vector<std::vector<Cell *>> groups; // of cp.async; the last one is open
    };
    struct Place {
        Gathered open;
        Knowledge last; // of complete phases
    };
    struct Unit { // a cluster that runs
        std::vector<Thread> threads;
        std::unordered_map<const void *, Place> places;
        Knowledge ended; // of its threads that ended
    };
    struct Shared { // of a CTA
        std::vector<Cell> cells;
        std::vector<bool> written;
    };
    struct Page {
        Cell cells[1024];
    };

    Unit &unit_of(const Cta &cta);
    uint32_t number(const Warp &w, int lane) const; // of a thread in its cluster
    Thread &thread(Warp &w, int lane) { return unit_of(*w.cta).threads[number(w, lane)]; }
    uint32_t site_of(const Warp &w, const Inst *i) const;

    // What instructions do (checker.cpp).
    bool plain(Warp &w, const Inst *i, const Touch &t, uint32_t mask);
    bool copy(Warp &w, const Inst *i, uint32_t mask);
    bool bulk(Warp &w, const Inst *i, uint32_t mask);
    bool store_async(Warp &w, const Inst *i, uint32_t mask);
    bool matrix(Warp &w, const Inst *i);
    bool touch(Access a);

    // Order (order.cpp).
    bool ordered(const Stamp &s, Warp &w, int lane);
    Knowledge snapshot(Warp &w, int lane);
    void fence(Warp &w, uint32_t mask);
    void acquire(Warp &w, int lane, uint64_t address);
    void publish(Warp &w, int lane, uint64_t address, bool releases);
    void copies_done(Warp &w, uint32_t mask, uint64_t but, bool open_too);

    // Races (races.cpp).
    bool check(const Access &a);
    bool check_cell(const Access &a, Cell &cell, uint8_t bytes);
    Shared *shared_of(const Access &a, uint64_t &offset);
    Cell &cell_at(const Access &a, uint64_t address);
    uint8_t changed(const Access &a, uint64_t from, uint64_t to);
    bool same_store(const Access &a, const Stamp &s) const;
    bool report(const Access &a, const Stamp &other, bool other_writes);

    // Uninitialised reads (uninitialised.cpp).
    bool unwritten(const Access &a);
    bool report_unwritten(const Access &a);
    void mark_written(const Access &a);
    void allocate(Warp &w, const Inst *i, const Touch &t, uint32_t mask);
    std::vector<bool> &local_of(const Warp &w, int lane, uint64_t least);

    std::string name_of(Warp &w, uint64_t address) const;

    LaunchState &launch_;
    const bool races_, uninitialised_;
    std::unordered_map<uint64_t, Unit> units_;
    std::unordered_map<const Cluster *, uint64_t> unit_in_; // which one a cluster's object was last
    std::unordered_map<const Cta *, Shared> shared_;
    std::unordered_map<uint64_t, std::unique_ptr<Page>> pages_;
    std::unordered_map<const Warp *, std::vector<std::vector<bool>>> local_; // by lane: what was written
    std::unordered_map<uint64_t, SharedOthers> published_;                   // by the address of an atomic
    std::vector<uint32_t> first_site_;                                       // by Code::id
    std::pair<uint64_t, Unit *> last_unit_{0, nullptr};
    struct {
        SharedTimes a, b, both;
    } last_join_;
    // Of the store that is looked at: several lanes may store the same value to one address.
    uint64_t addresses_[kLanes] = {};
    uint8_t values_[kLanes][64] = {};
    uint32_t storing_ = 0;
};

} // namespace cpu_device
