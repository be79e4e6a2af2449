// The opcode table: loads, stores, atomics, fences, address conversion.
#include "opcodes_memory.hpp"

#include <algorithm>

namespace cpu_device {

using Kind = ptx::Operand::Kind;
using ptx::Space;

// Order, scope and caching: all host accesses are strong enough, only fences are noted.
bool take_order(Form &f) {
    bool strong = f.take("acquire") || f.take("release") || f.take("acq_rel") || f.take("sc");
    for (const char *m : {"weak", "relaxed", "volatile", "mmio", "cta", "cluster", "gpu", "sys", "nc", "ca", "cg", "cs",
                          "lu", "cv", "wb", "wt", "noftz"})
        f.take(m);
    f.modifiers.erase(
        std::remove_if(f.modifiers.begin(), f.modifiers.end(),
                       [](std::string_view m) { return m.substr(0, 4) == "L1::" || m.substr(0, 4) == "L2::"; }),
        f.modifiers.end());
    return strong;
}

Space take_space(Form &f) {
    if (f.take("global")) return Space::global;
    if (f.take("const")) return Space::constant;
    if (f.take("shared") || f.take("shared::cta") || f.take("shared::cluster")) return Space::shared;
    if (f.take("local")) return Space::local;
    if (f.take("param") || f.take("param::entry") || f.take("param::func")) return Space::param;
    return Space::generic;
}

int take_vector(Form &f) {
    int k = f.take_one({"v2", "v4", "v8"});
    return k < 0 ? 1 : 2 << k;
}

uint32_t widen(Decoder &d, uint32_t a, uint32_t bytes) {
    if (bytes == 8) return a;
    uint32_t t = d.temporary(8);
    Inst &inst = d.emit("cvt.u64.u32");
    inst.d = t;
    inst.a = a;
    return t;
}

uint32_t generic_address(Decoder &d, const ptx::Operand &op, Space space, uint64_t &offset) {
    Decoder::Address a = d.address(op, space);
    offset = a.offset;
    uint32_t wide = widen(d, a.a, a.bytes);
    uint64_t window = space == Space::shared || a.space == Space::shared ? kSharedWindow
                      : space == Space::local || a.frame                 ? kLocalWindow
                                                                         : 0;
    if (!window) return wide;
    uint32_t t = d.temporary(8), c = d.constant(window, 8);
    Inst &add = d.emit("add.u64");
    add.d = t;
    add.a = wide;
    add.b = c;
    return t;
}

namespace {

struct Place {
    std::string space;
    Decoder::Address address;
};

// "global", "shared" ... and the address in the width that the handler takes.
Place place(Decoder &d, const ptx::Operand &op, Space space) {
    Place p;
    p.address = d.address(op, space);
    Decoder::Address &a = p.address;
    if (a.kernel_param) {
        p.space = "kernel";
        return p;
    }
    if (space == Space::generic && a.space == Space::shared) space = Space::shared;
    if (space == Space::generic && a.frame) space = Space::local;
    if (space == Space::param)
        p.space = a.frame || !d.is_entry() ? "local" : "param";
    else if (space == Space::shared)
        p.space = "shared";
    else if (space == Space::local)
        p.space = "local";
    else
        p.space = space == Space::generic ? "generic" : "global";
    if (a.bytes == 4 && (p.space == "generic" || p.space == "global")) {
        a.a = widen(d, a.a, 4);
        a.bytes = 8;
    }
    return p;
}

void load_store(Decoder &d, Form &f, bool load) {
    bool strong = take_order(f);
    const bool remote = std::find(f.modifiers.begin(), f.modifiers.end(), "shared::cluster") != f.modifiers.end();
    Space space = take_space(f);
    int count = take_vector(f);
    f.take("unified");
    if (f.types.size() != 1) d.fail(f.written->opcode + " takes one type");
    const Type t = f.types[0];
    const uint32_t bytes = type_bytes(t);
    const auto &value = d.operand(f, load ? 0 : 1);
    const Place p = place(d, d.operand(f, load ? 1 : 0), space);
    std::vector<uint32_t> list;
    uint32_t width = 0;
    auto one = [&](const ptx::Operand &op) {
        uint32_t r = d.register_bytes(op), at;
        if (op.kind == Kind::discard) return void(list.push_back(kDiscard));
        if (load) {
            if (r < bytes) d.fail("register " + op.name + " is too narrow");
            at = d.destination(op, r);
        } else {
            at = d.wide_source(op, t, r);
        }
        if (width && r != width) d.fail("registers of different widths");
        width = r;
        list.push_back(at);
    };
    if (value.kind == Kind::list) {
        if (static_cast<int>(value.parts.size()) != count)
            d.fail("as many registers as the vector has elements are wanted");
        for (const auto &op : value.parts) one(op);
    } else {
        if (count != 1) d.fail("a vector of registers is wanted");
        one(value);
    }
    if (!width) width = std::max<uint32_t>(2, bytes);
    std::string name = std::string(load ? "ld." : "st.") + p.space + ".";
    name += t == Type::b128 ? "b128" : (load && is_signed(t) ? "s" : "u") + std::to_string(8 * bytes);
    name += "." + std::to_string(width);
    if (p.space != "kernel") name += "." + std::to_string(p.address.bytes);
    uint32_t extra = count > 1 ? d.list(list) : 0;
    if (count == 1 && list[0] == kDiscard) list[0] = d.temporary(width);
    Inst &inst = d.emit(name);
    inst.d = list[0];
    inst.a = p.address.a;
    inst.imm = p.address.offset;
    inst.count = static_cast<uint8_t>(count);
    inst.extra = extra;
    inst.flags = static_cast<uint16_t>((strong ? kFence : 0) | (remote ? kRemote : 0));
}

void ld(Decoder &d, Form &f) {
    load_store(d, f, true);
}
void st(Decoder &d, Form &f) {
    if (f.take("async")) return store_async(d, f);
    load_store(d, f, false);
}

void atom(Decoder &d, Form &f) {
    const bool red = f.written->opcode == "red";
    if (red && f.take("async")) return reduce_async(d, f);
    take_order(f);
    Space space = take_space(f);
    int op = f.take_one({"add", "exch", "cas", "min", "max", "inc", "dec", "and", "or", "xor"});
    static const char *const names[] = {"add", "exch", "cas", "min", "max", "inc", "dec", "and", "or", "xor"};
    if (op < 0 || f.types.size() != 1) d.fail(f.written->opcode + " needs an operation and a type");
    if (take_vector(f) != 1) d.fail("vector atomics are not supported", Status::not_supported);
    const Type t = f.types[0];
    const size_t k = red ? 0 : 1;
    uint64_t offset;
    uint32_t address = generic_address(d, d.operand(f, k), space, offset);
    uint32_t b = d.source(d.operand(f, k + 1), t), c = op == 2 ? d.source(d.operand(f, k + 2), t) : 0;
    uint32_t to = red ? kDiscard : d.destination(d.operand(f, 0), type_bytes(t));
    std::string type = is_float(t) || is_half(t) ? type_name(t)
                       : op == 3 || op == 4      ? signed_or_unsigned_name(t)
                                                 : unsigned_name(t);
    if (op == 1 || op == 2) type = unsigned_name(t);
    Inst &inst = d.emit(std::string("atom.") + names[op] + "." + type);
    inst.d = to;
    inst.a = address;
    inst.b = b;
    inst.c = c;
    inst.imm = offset;
}

void fence(Decoder &d, Form &f) {
    take_order(f);
    take_space(f);
    for (const char *m : {"gl", "proxy", "alias", "async", "async::generic", "tensormap::generic", "mbarrier_init",
                          "sync_restrict::shared::cta", "sync_restrict::shared::cluster"})
        f.take(m);
    f.modifiers.clear();
    d.emit("fence");
}

void hint(Decoder &d, Form &f) { // prefetch, griddepcontrol ...: nothing to be seen
    f.modifiers.clear();
    d.emit("nop");
}

void cvta(Decoder &d, Form &f) {
    bool to = f.take("to");
    Space space = take_space(f);
    if (f.types.size() != 1) d.fail("cvta takes one type");
    Type t = f.types[0];
    uint32_t a;
    const auto &op = d.operand(f, 1);
    a = d.source(op, t);
    uint32_t place = d.destination(d.operand(f, 0), type_bytes(t));
    uint64_t window = space == Space::shared  ? kSharedWindow
                      : space == Space::local ? kLocalWindow
                      : space == Space::param ? kParamWindow
                                              : 0;
    if (space == Space::param && !d.is_entry()) window = kLocalWindow;
    if (type_bytes(t) != 8) d.fail("addresses of 32 bits are not supported", Status::not_supported);
    uint32_t c = d.constant(window, 8);
    Inst &inst = d.emit(window == 0 ? "mov.u64" : to ? "sub.u64" : "add.u64");
    inst.d = place;
    inst.a = a;
    inst.b = c;
}

const Opcode rows[] = {
    {"ld", "b8 b16 b32 b64 b128 u8 u16 u32 u64 s8 s16 s32 s64 f32 f64", 1, 0, &ld},
    {"ldu", "b8 b16 b32 b64 u8 u16 u32 u64 s8 s16 s32 s64 f32 f64", 2, 0, &ld},
    {"st", "b8 b16 b32 b64 b128 u8 u16 u32 u64 s8 s16 s32 s64 f32 f64", 1, 0, &st},
    {"atom", "b16 b32 b64 u32 u64 s32 s64 f16 f16x2 bf16 bf16x2 f32 f64", 1, 1, &atom},
    {"red", "b32 b64 u32 u64 s32 s64 f16 f16x2 bf16 bf16x2 f32 f64", 1, 2, &atom},
    {"membar", "", 1, 4, &fence},
    {"fence", "", 6, 0, &fence},
    {"prefetch", "", 2, 0, &hint},
    {"prefetchu", "", 2, 0, &hint},
    {"discard", "", 7, 4, &hint},
    {"applypriority", "", 7, 4, &hint},
    {"griddepcontrol", "", 7, 8, &hint},
    {"cvta", "u32 u64", 2, 0, &cvta},
};

} // namespace

OpcodeTable memory_opcodes() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
