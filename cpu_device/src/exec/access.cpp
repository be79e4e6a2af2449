// Addresses to host pointers, and faults.
#include "image.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace cpu_device {

bool find_region(Worker &worker, uint32_t slot, uint64_t address, uint64_t size, Region &region) {
    const Allocation *a = worker.launch->memory->find(address, size);
    if (!a || !worker.launch->memory->may_access(worker.launch->device, *a)) return false;
    region = {a->base, a->size, a->host};
    worker.cache[slot] = region;
    return true;
}

namespace {

// Shared memory of a CTA of the cluster, also of one that is this CTA; nullptr where it is not there any more.
uint8_t *cluster_pointer(Warp &w, uint64_t offset, uint64_t size) {
    const Cta *cta = cta_at(w, offset);
    offset &= (uint64_t(1) << kRankShift) - 1;
    if (!cta || !cta->living || offset >= cta->shared_bytes || size > cta->shared_bytes - offset) return nullptr;
    return cta->shared + offset;
}

} // namespace

uint8_t *generic_pointer(Warp &w, int lane, uint64_t address, uint64_t size) {
    if (address < kWindowBase) {
        const Region *c = &w.worker->cache[0];
        if (address - c->base < c->size && size <= c->size - (address - c->base)) return c->host + (address - c->base);
        Region region;
        return find_region(*w.worker, 0, address, size, region) ? region.host + (address - region.base) : nullptr;
    }
    const uint64_t window = (address - kWindowBase) / kWindowSize, offset = (address - kWindowBase) % kWindowSize;
    auto inside = [&](uint64_t limit) { return offset < limit && size <= limit - offset; };
    if (window == 0) return inside(w.shared_bytes) ? w.shared + offset : cluster_pointer(w, offset, size);
    if (window == 1) {
        if (!w.frame) return nullptr;
        const uint64_t top = w.frame->local_end(lane);
        return inside(std::min<uint64_t>(top, w.local_stride)) ? local_pointer(w, lane, offset) : nullptr;
    }
    if (window == 2) {
        const std::vector<uint8_t> &params = w.cta->launch->launch->params;
        return inside(params.size()) ? const_cast<uint8_t *>(params.data()) + offset : nullptr;
    }
    return nullptr;
}

std::string line_of(const std::string &text, uint32_t line) {
    size_t start = 0;
    for (uint32_t k = 1; k < line; ++k) {
        start = text.find('\n', start);
        if (start == std::string::npos) return "";
        ++start;
    }
    std::string result = text.substr(start, text.find('\n', start) - start);
    size_t first = result.find_first_not_of(" \t");
    return first == std::string::npos ? "" : result.substr(first);
}

namespace {

std::string hex(uint64_t v) {
    char text[32];
    std::snprintf(text, sizeof text, "0x%" PRIx64, v);
    return text;
}

// Where an address is, compared with what is near.
std::string place_of(Warp &w, const Inst *inst, uint64_t address) {
    const std::string &opcode = w.frame->code->source->body[inst->index].opcode;
    const auto &modifiers = w.frame->code->source->body[inst->index].modifiers;
    const bool shared = opcode != "cp" && std::any_of(modifiers.begin(), modifiers.end(),
                                                      [](const std::string &m) { return m.substr(0, 6) == "shared"; });
    const uint64_t offset = address >= kSharedWindow ? address - kSharedWindow : address;
    const bool own = shared && std::find(modifiers.begin(), modifiers.end(), "shared::cluster") == modifiers.end();
    if (!own && (shared || address >= kSharedWindow) && offset < kWindowSize && offset >> kRankShift) {
        const Cta *cta = cta_at(w, offset);
        const std::string rank = std::to_string((offset >> kRankShift) - 1);
        if (!cta) return "no shared memory of rank " + rank + ": so many CTAs the cluster has not";
        if (!cta->living) return "the CTA of rank " + rank + " has ended, and its shared memory with it";
    }
    if (shared || (address >= kSharedWindow && address < kLocalWindow))
        return "the CTA has " + std::to_string(w.shared_bytes) + " bytes of shared memory, this is byte " +
               std::to_string(own ? offset : offset & ((uint64_t(1) << kRankShift) - 1));
    if (std::find(modifiers.begin(), modifiers.end(), "local") != modifiers.end() ||
        (address >= kLocalWindow && address < kParamWindow))
        return "outside the thread's local memory";
    const Allocation *a = w.cta->launch->memory->nearest(address);
    if (!a) return "there is no allocation";
    std::string where;
    if (address >= a->base + a->size)
        where = std::to_string(address - a->base - a->size) + " bytes behind the end of";
    else if (address < a->base)
        where = std::to_string(a->base - address) + " bytes before";
    else
        where = std::to_string(address - a->base) + " bytes into";
    if (a->reserved)
        return where + " the " + std::to_string(a->size) + " bytes of addresses that were reserved at " + hex(a->base) +
               ": nothing is mapped there, or the device was not given access";
    return where + " the " + (a->freed ? "freed " : "") + "allocation of " + std::to_string(a->size) + " bytes at " +
           hex(a->base);
}

std::string describe_access(const ptx::Instruction &i) {
    uint32_t bytes = 0, count = 1;
    for (const std::string &m : i.modifiers) {
        if (m == "v2") count = 2;
        if (m == "v4") count = 4;
        if (m == "v8") count = 8;
        static const struct {
            const char *end;
            uint32_t bytes;
        } widths[] = {{"8", 1}, {"16", 2}, {"32", 4}, {"64", 8}, {"128", 16}, {"16x2", 4}};
        for (const auto &width : widths)
            if (m.size() > 1 && (m[0] == 'b' || m[0] == 'u' || m[0] == 's' || m[0] == 'f') &&
                m.substr(m[1] == 'f' ? 2 : 1) == width.end)
                bytes = width.bytes;
    }
    const char *what = i.opcode == "mbarrier"                  ? "mbarrier operation"
                       : i.opcode == "ld" || i.opcode == "ldu" ? "read"
                       : i.opcode == "st"                      ? "write"
                       : i.opcode == "cp"                      ? "copy"
                                                               : "atomic access";
    return std::string(what) + (bytes ? " of " + std::to_string(bytes * count) + " bytes" : "");
}

void fill(Warp &w, const Inst *inst, int lane, Fault &f) {
    const LaunchState &launch = *w.cta->launch;
    const Dim3 &block = launch.launch->block;
    const uint32_t t = w.index * kLanes + static_cast<uint32_t>(lane);
    f.kernel = launch.launch->kernel->name();
    f.block = {w.cta->id[0], w.cta->id[1], w.cta->id[2]};
    f.thread = {t % block.x, t / block.x % block.y, t / block.x / block.y};
    if (!w.frame || inst->index >= w.frame->code->source->body.size()) return;
    const ptx::Instruction &written = w.frame->code->source->body[inst->index];
    f.ptx_place = written.place;
    f.ptx_text = line_of(launch.image->text, written.place.line);
    f.source_line = written.source.line;
    for (const auto &file : launch.image->module.files)
        if (file.index == written.source.file) f.source_file = file.name;
}

} // namespace

const Inst *fault(Warp &w, const Inst *inst, int lane, Status status, std::string what, uint64_t address, bool place) {
    LaunchState &launch = *w.cta->launch;
    w.event = Event::fault;
    std::lock_guard<std::mutex> lock(launch.fault_mutex);
    if (launch.failed) return stop_pc();
    Fault &f = *launch.fault;
    f.status = status;
    f.address = address;
    fill(w, inst, lane, f);
    if (w.frame && (place || status == Status::misaligned_address)) f.nearest = place_of(w, inst, address);
    if (what.empty() && w.frame) {
        const std::string access = describe_access(w.frame->code->source->body[inst->index]);
        what = access + (status == Status::misaligned_address ? " at a misaligned address" : " outside any allocation");
        const Allocation *there = place ? launch.memory->find(address, 1) : nullptr;
        if (there && !launch.memory->may_access(launch.device, *there)) {
            what = access + " of memory of device " + std::to_string(there->device) + ", which device " +
                   std::to_string(launch.device) + " has no access to";
        } else if (status != Status::misaligned_address) {
            if (f.nearest.find("shared memory") != std::string::npos)
                what = access + " outside shared memory";
            else if (f.nearest.find("local memory") != std::string::npos)
                what = access + " outside local memory";
            else if (f.nearest.find("freed") != std::string::npos && f.nearest.find("bytes into") != std::string::npos)
                what = access + " of freed memory";
        }
    }
    f.what = std::move(what);
    launch.failed = true;
    return stop_pc();
}

} // namespace cpu_device
