// Special registers, addresses of the frame, copies, and the functions that the system supplies to kernels.
#include "lanes.hpp"
#include "decoder.hpp"
#include "image.hpp"

#include <chrono>

namespace cpu_device {

const Inst *system_vprintf(Warp &w, const Inst *i);
const Inst *system_malloc(Warp &w, const Inst *i);
const Inst *system_free(Warp &w, const Inst *i);
const Inst *system_assertfail(Warp &w, const Inst *i);
const Inst *system_set_conditional(Warp &w, const Inst *i);

namespace {

enum Special : int {
    tid_x,
    tid_y,
    tid_z,
    ntid_x,
    ntid_y,
    ntid_z,
    ctaid_x,
    ctaid_y,
    ctaid_z,
    nctaid_x,
    nctaid_y,
    nctaid_z,
    laneid,
    warpid,
    nwarpid,
    smid,
    nsmid,
    gridid,
    clock32,
    clock_hi,
    clock64,
    globaltimer,
    globaltimer_lo,
    globaltimer_hi,
    lanemask_eq,
    lanemask_lt,
    lanemask_le,
    lanemask_gt,
    lanemask_ge,
    dynamic_smem_size,
    total_smem_size,
    aggr_smem_size,
    is_explicit_cluster,
    workspace_high,
    workspace_low,
    clusterid_x,
    clusterid_y,
    clusterid_z,
    nclusterid_x,
    nclusterid_y,
    nclusterid_z,
    cluster_ctaid_x,
    cluster_ctaid_y,
    cluster_ctaid_z,
    cluster_nctaid_x,
    cluster_nctaid_y,
    cluster_nctaid_z,
    cluster_ctarank,
    cluster_nctarank,
    one,
    zero,
};

const struct {
    const char *name;
    char member;
    int id;
    uint32_t bytes;
} names[] = {
    {"%tid", 'x', tid_x, 4},
    {"%tid", 'y', tid_y, 4},
    {"%tid", 'z', tid_z, 4},
    {"%tid", 'w', zero, 4},
    {"%ntid", 'x', ntid_x, 4},
    {"%ntid", 'y', ntid_y, 4},
    {"%ntid", 'z', ntid_z, 4},
    {"%ntid", 'w', one, 4},
    {"%ctaid", 'x', ctaid_x, 4},
    {"%ctaid", 'y', ctaid_y, 4},
    {"%ctaid", 'z', ctaid_z, 4},
    {"%ctaid", 'w', zero, 4},
    {"%nctaid", 'x', nctaid_x, 4},
    {"%nctaid", 'y', nctaid_y, 4},
    {"%nctaid", 'z', nctaid_z, 4},
    {"%nctaid", 'w', one, 4},
    {"%laneid", 0, laneid, 4},
    {"%warpid", 0, warpid, 4},
    {"%nwarpid", 0, nwarpid, 4},
    {"%smid", 0, smid, 4},
    {"%nsmid", 0, nsmid, 4},
    {"%gridid", 0, gridid, 8},
    {"%clock", 0, clock32, 4},
    {"%clock_hi", 0, clock_hi, 4},
    {"%clock64", 0, clock64, 8},
    {"%globaltimer", 0, globaltimer, 8},
    {"%globaltimer_lo", 0, globaltimer_lo, 4},
    {"%globaltimer_hi", 0, globaltimer_hi, 4},
    {"%lanemask_eq", 0, lanemask_eq, 4},
    {"%lanemask_lt", 0, lanemask_lt, 4},
    {"%lanemask_le", 0, lanemask_le, 4},
    {"%lanemask_gt", 0, lanemask_gt, 4},
    {"%lanemask_ge", 0, lanemask_ge, 4},
    {"%dynamic_smem_size", 0, dynamic_smem_size, 4},
    {"%total_smem_size", 0, total_smem_size, 4},
    {"%aggr_smem_size", 0, aggr_smem_size, 4},
    {"%is_explicit_cluster", 0, is_explicit_cluster, 4},
    {"%envreg1", 0, workspace_high, 4},
    {"%envreg2", 0, workspace_low, 4},
    {"%clusterid", 'x', clusterid_x, 4},
    {"%clusterid", 'y', clusterid_y, 4},
    {"%clusterid", 'z', clusterid_z, 4},
    {"%nclusterid", 'x', nclusterid_x, 4},
    {"%nclusterid", 'y', nclusterid_y, 4},
    {"%nclusterid", 'z', nclusterid_z, 4},
    {"%cluster_ctaid", 'w', zero, 4},
    {"%cluster_ctaid", 'x', cluster_ctaid_x, 4},
    {"%cluster_ctaid", 'y', cluster_ctaid_y, 4},
    {"%cluster_ctaid", 'z', cluster_ctaid_z, 4},
    {"%cluster_nctaid", 'w', one, 4},
    {"%cluster_nctaid", 'x', cluster_nctaid_x, 4},
    {"%cluster_nctaid", 'y', cluster_nctaid_y, 4},
    {"%cluster_nctaid", 'z', cluster_nctaid_z, 4},
    {"%cluster_ctarank", 0, cluster_ctarank, 4},
    {"%cluster_nctarank", 0, cluster_nctarank, 4},
    {"%current_graph_exec", 0, zero, 8},
    {"%reserved_smem_offset_begin", 0, zero, 4},
    {"%reserved_smem_offset_end", 0, zero, 4},
};

uint64_t nanoseconds() {
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
}
uint64_t ticks() {
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
            .count());
}

// The value of a register that is the same for a warp's lanes.
uint64_t uniform_value(Warp &w, int id) {
    const LaunchState &launch = *w.cta->launch;
    const Dim3 &block = launch.launch->block, &grid = launch.launch->grid;
    switch (id) {
    case ntid_x: return block.x;
    case ntid_y: return block.y;
    case ntid_z: return block.z;
    case ctaid_x: return w.cta->id[0];
    case ctaid_y: return w.cta->id[1];
    case ctaid_z: return w.cta->id[2];
    case nctaid_x: return grid.x;
    case nctaid_y: return grid.y;
    case nctaid_z: return grid.z;
    case warpid: return w.index;
    case nwarpid: return (launch.threads + kLanes - 1) / kLanes;
    case nsmid: return 1;
    case gridid: return launch.grid_id;
    case clock32:
    case clock64: return ticks();
    case clock_hi: return ticks() >> 32;
    case globaltimer:
    case globaltimer_lo: return nanoseconds();
    case globaltimer_hi: return nanoseconds() >> 32;
    case dynamic_smem_size: return launch.launch->dynamic_shared_bytes;
    case total_smem_size:
    case aggr_smem_size: return launch.shared_bytes;
    case workspace_high: return launch.workspace >> 32;
    case workspace_low: return launch.workspace & 0xffffffffu;
    case is_explicit_cluster: return launch.launch->has_cluster || launch.launch->kernel->required_cluster[0];
    case clusterid_x:
    case clusterid_y:
    case clusterid_z: return w.cta->cluster->id[id - clusterid_x];
    case nclusterid_x: return launch.cluster_grid.x;
    case nclusterid_y: return launch.cluster_grid.y;
    case nclusterid_z: return launch.cluster_grid.z;
    case cluster_ctaid_x:
    case cluster_ctaid_y:
    case cluster_ctaid_z: return w.cta->cluster_id[id - cluster_ctaid_x];
    case cluster_nctaid_x: return launch.cluster.x;
    case cluster_nctaid_y: return launch.cluster.y;
    case cluster_nctaid_z: return launch.cluster.z;
    case cluster_ctarank: return w.cta->rank;
    case cluster_nctarank: return w.cta->cluster->ctas.size();
    case one: return 1;
    default: return 0;
    }
}

template <class T> const Inst *sreg(Warp &w, const Inst *i) {
    T *d = at<T>(w, i->d);
    const int id = static_cast<int>(i->imm);
    const Dim3 block = w.cta->launch->launch->block;
    const u32 first = w.index * kLanes;
    switch (id) {
    case tid_x:
        if (block.y * block.z == 1)
            each(w, d, [=](int l) { return T(first + u32(l)); });
        else
            each(w, d, [=](int l) { return T((first + u32(l)) % block.x); });
        break;
    case tid_y: each(w, d, [=](int l) { return T((first + u32(l)) / block.x % block.y); }); break;
    case tid_z: each(w, d, [=](int l) { return T((first + u32(l)) / block.x / block.y); }); break;
    case laneid: each(w, d, [=](int l) { return T(l); }); break;
    case lanemask_eq: each(w, d, [=](int l) { return T(1u << l); }); break;
    case lanemask_lt: each(w, d, [=](int l) { return T((1u << l) - 1); }); break;
    case lanemask_le: each(w, d, [=](int l) { return T((2u << l) - 1); }); break;
    case lanemask_gt: each(w, d, [=](int l) { return T(~((2u << l) - 1)); }); break;
    case lanemask_ge: each(w, d, [=](int l) { return T(~((1u << l) - 1)); }); break;
    default: {
        const T v = T(uniform_value(w, id));
        each(w, d, [=](int) { return v; });
    }
    }
    return i + 1;
}

const Inst *sreg_predicate(Warp &w, const Inst *i) {
    set_predicate(w, i->d, uniform_value(w, static_cast<int>(i->imm)) ? ~0u : 0);
    return i + 1;
}

template <class T> const Inst *mov_frame(Warp &w, const Inst *i) { // the address of a local variable, in local space
    const T v = T(w.frame->local_base + i->imm);
    each(w, at<T>(w, i->d), [=](int) { return v; });
    return i + 1;
}

template <class T> const Inst *mov_dynamic(Warp &w, const Inst *i) { // extern shared memory
    const T v = T((w.cta->launch->launch->kernel->static_shared_bytes + 127) / 128 * 128 + i->imm);
    each(w, at<T>(w, i->d), [=](int) { return v; });
    return i + 1;
}

const Inst *mov_wide(Warp &w, const Inst *i) {
    u64 *d = at<u64>(w, i->d);
    const u64 *a = at<u64>(w, i->a);
    each_active(w.mask, [=](int l) {
        d[l] = a[l];
        d[kLanes + l] = a[kLanes + l];
    });
    return i + 1;
}

const Inst *pack_wide(Warp &w, const Inst *i) {
    const u32 *list = w.frame->code->lists.data() + i->extra;
    u64 *d = at<u64>(w, i->d), low[kLanes], high[kLanes];
    std::memcpy(low, at<u64>(w, list[0]), sizeof low);
    std::memcpy(high, at<u64>(w, list[1]), sizeof high);
    each(w, d, [&](int l) { return low[l]; });
    each(w, d + kLanes, [&](int l) { return high[l]; });
    return i + 1;
}

const Inst *unpack_wide(Warp &w, const Inst *i) {
    const u32 *list = w.frame->code->lists.data() + i->extra;
    const u64 *a = at<u64>(w, i->a);
    for (int k = 0; k < 2; ++k)
        if (list[k] != kDiscard) each(w, at<u64>(w, list[k]), [=](int l) { return a[k * kLanes + l]; });
    return i + 1;
}

const HandlerRow rows[] = {
    {"sreg.u16", &sreg<u16>},
    {"sreg.u32", &sreg<u32>},
    {"sreg.u64", &sreg<u64>},
    {"sreg.pred", &sreg_predicate},
    {"mov.frame.u32", &mov_frame<u32>},
    {"mov.frame.u64", &mov_frame<u64>},
    {"mov.dynamic.u32", &mov_dynamic<u32>},
    {"mov.dynamic.u64", &mov_dynamic<u64>},
    {"mov.b128", &mov_wide},
    {"pack.u128.u64", &pack_wide},
    {"unpack.u128.u64", &unpack_wide},
    {"system.vprintf", &system_vprintf},
    {"system.malloc", &system_malloc},
    {"system.free", &system_free},
    {"system.__assertfail", &system_assertfail},
    {"system.cudaGraphSetConditional", &system_set_conditional},
};

} // namespace

int special_register(const std::string &name, char member, uint32_t &bytes) {
    for (const auto &row : names)
        if (row.member == member && name == row.name) {
            bytes = row.bytes;
            return row.id;
        }
    if (name.compare(0, 7, "%envreg") == 0 || name.compare(0, 3, "%pm") == 0) {
        bytes = 4;
        return zero;
    }
    return -1;
}

HandlerTable special_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
