// The opcode table: loads, stores, atomics, fences, address conversion.
#include "opcodes_memory.hpp"

#include <algorithm>

namespace cpu_device {

using Kind = ptx::Operand::Kind;
using ptx::Space;

bool take_hint(Decoder &d, Form &f, size_t operand) {
    const auto &all = f.written->modifiers;
    if (std::find(all.begin(), all.end(), "L2::cache_hint") == all.end()) return false;
    d.source(d.operand(f, operand), Type::b64);
    return true;
}

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

bool names_cluster(const Form &f) {
    const auto &all = f.written->modifiers;
    return std::find(all.begin(), all.end(), "shared::cluster") != all.end();
}

uint32_t generic_address(Decoder &d, const ptx::Operand &op, Space space, uint64_t &offset, bool remote) {
    Decoder::Address a = d.address(op, space);
    offset = a.offset;
    uint32_t wide = widen(d, a.a, a.bytes);
    uint64_t window = space == Space::shared || a.space == Space::shared ? kSharedWindow
                      : space == Space::local || a.frame                 ? kLocalWindow
                                                                         : 0;
    if (!window) return wide;
    uint32_t t = d.temporary(8);
    if (window == kSharedWindow && !remote) {
        Inst &inst = d.emit("shared.own");
        inst.d = t;
        inst.a = wide;
        inst.imm = offset;
        return t;
    }
    const uint32_t c = d.constant(window, 8);
    Inst &add = d.emit("add.u64");
    add.d = t;
    add.a = wide;
    add.b = c;
    return t;
}

uint32_t whole_address(Decoder &d, const ptx::Operand &op, Space space, bool remote) {
    uint64_t offset;
    const uint32_t a = generic_address(d, op, space, offset, remote);
    if (!offset) return a;
    const uint32_t t = d.temporary(8), c = d.constant(offset, 8);
    Inst &add = d.emit("add.u64");
    add.d = t;
    add.a = a;
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

// 128 bits of a kernel's parameters: a register has the low halves of all lanes, then the high ones.
void load_halves(Decoder &d, uint32_t to, uint64_t offset) {
    const uint32_t list = d.list({to, to == kDiscard ? kDiscard : to + 8 * kLanes});
    Inst &inst = d.emit("ld.kernel.u64.8");
    inst.imm = offset;
    inst.count = 2;
    inst.extra = list;
}

void load_store(Decoder &d, Form &f, bool load) {
    bool strong = take_order(f);
    const bool remote = names_cluster(f);
    Space space = take_space(f);
    int count = take_vector(f);
    if (f.types.size() != 1) d.fail(f.written->opcode + " takes one type");
    const Type t = f.types[0];
    const uint32_t bytes = type_bytes(t);
    const auto &value = d.operand(f, load ? 0 : 1), &where = d.operand(f, load ? 1 : 0);
    if (!where.selector.empty() && (!load || (space != Space::generic && space != Space::global)))
        d.fail(".unified is for loads of global memory");
    if (!load && space == Space::constant) d.fail("constant memory is read only");
    const Place p = place(d, where, space);
    if (!load && (p.space == "kernel" || p.space == "param")) d.fail("parameters of a kernel are read only");
    take_hint(d, f, 2);
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
    if (t == Type::b128 && p.space == "kernel") return load_halves(d, list[0], p.address.offset);
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

struct Atomic {
    std::string handler;
    Type type;
    uint32_t address, count;
    uint64_t offset;
};

// One element of a vector, or all there is.
void atomic(Decoder &d, const Atomic &a, uint32_t k, uint32_t to, uint32_t b, uint32_t c) {
    Inst &inst = d.emit(a.handler);
    inst.d = to;
    inst.a = a.address;
    inst.b = b;
    inst.c = c;
    inst.imm = a.offset + k * type_bytes(a.type);
    inst.count = static_cast<uint8_t>(k == 0 ? a.count : 1); // for the alignment
}

// Elements of a vector are atomic one by one.
void vector_atomic(Decoder &d, Form &f, const Atomic &a, bool red) {
    const ptx::Operand &value = d.operand(f, red ? 1 : 2), *to = red ? nullptr : &d.operand(f, 0);
    if (value.kind != Kind::list || (to && to->kind != Kind::list) || value.parts.size() != a.count ||
        (to && to->parts.size() != a.count))
        d.fail("vectors of " + std::to_string(a.count) + " registers are wanted");
    std::vector<uint32_t> in, out;
    for (uint32_t k = 0; k < a.count; ++k) { // results may overlap the operands
        const uint32_t t = d.temporary(type_bytes(a.type)), s = d.source(value.parts[k], a.type);
        Inst &copy = d.emit(type_bytes(a.type) == 2 ? "mov.u16" : "mov.u32");
        copy.d = t;
        copy.a = s;
        in.push_back(t);
        out.push_back(to ? d.destination(to->parts[k], type_bytes(a.type)) : kDiscard);
    }
    const uint32_t wide = d.temporary(8);
    Inst &keep = d.emit("mov.u64");
    keep.d = wide;
    keep.a = a.address;
    Atomic kept = a;
    kept.address = wide;
    for (uint32_t k = 0; k < a.count; ++k) atomic(d, kept, k, out[k], in[k], 0);
}

std::string atomic_type(Type t, int op) {
    if (op == 1 || op == 2) return t == Type::b128 ? "b128" : unsigned_name(t);
    if (is_float(t) || is_half(t)) return type_name(t);
    return op == 3 || op == 4 ? signed_or_unsigned_name(t) : unsigned_name(t);
}

// What an operation takes: the types by name, as they are written.
void check_atomic(Decoder &d, const Form &f, int op, Type t, bool vector) {
    static const char *const types[] = {" u32 s32 u64 f32 f64 ",
                                        " b32 b64 b128 ",
                                        " b16 b32 b64 b128 ",
                                        " u32 s32 u64 s64 ",
                                        " u32 s32 u64 s64 ",
                                        " u32 ",
                                        " u32 ",
                                        " b32 b64 ",
                                        " b32 b64 ",
                                        " b32 b64 "};
    const auto &all = f.written->modifiers;
    const bool noftz = std::find(all.begin(), all.end(), "noftz") != all.end();
    if (noftz != is_half(t)) d.fail(".noftz is written with f16 and bf16, and only there");
    if (is_half(t) && (op == 0 || (vector && (op == 3 || op == 4)))) return;
    for (const std::string &word : all)
        if (ptx::type_of(word) == t && std::string_view(types[op]).find(" " + word + " ") != std::string_view::npos)
            return;
    d.fail(f.written->opcode + " has no such operation of this type");
}

void atom(Decoder &d, Form &f) {
    const bool red = f.written->opcode == "red";
    if (red && f.take("async")) return reduce_async(d, f);
    take_order(f);
    Space space = take_space(f);
    if (space != Space::generic && space != Space::global && space != Space::shared)
        d.fail(f.written->opcode + " works in global and shared memory alone");
    int op = f.take_one({"add", "exch", "cas", "min", "max", "inc", "dec", "and", "or", "xor"});
    static const char *const names[] = {"add", "exch", "cas", "min", "max", "inc", "dec", "and", "or", "xor"};
    if (op < 0 || f.types.size() != 1) d.fail(f.written->opcode + " needs an operation and a type");
    const int count = take_vector(f);
    const Type t = f.types[0];
    const size_t k = red ? 0 : 1;
    if (red && (op == 1 || op == 2)) d.fail("red has no such operation");
    check_atomic(d, f, op, t, count > 1);
    if (count > 1 && ((t != Type::f32 && !is_half(t)) || (t == Type::f32 && op != 0) || count * type_bytes(t) > 16 ||
                      space == Space::shared))
        d.fail("there is no such vector operation");
    Atomic a{std::string("atom.") + names[op] + "." + atomic_type(t, op), t, 0, static_cast<uint32_t>(count), 0};
    a.address = generic_address(d, d.operand(f, k), space, a.offset, names_cluster(f));
    take_hint(d, f, k + (op == 2 ? 3 : 2));
    if (count > 1) return vector_atomic(d, f, a, red);
    const uint32_t b = d.source(d.operand(f, k + 1), t), c = op == 2 ? d.source(d.operand(f, k + 2), t) : 0;
    atomic(d, a, 0, red ? kDiscard : d.destination(d.operand(f, 0), type_bytes(t)), b, c);
}

void fence(Decoder &d, Form &f) {
    const bool acquires = std::find(f.modifiers.begin(), f.modifiers.end(), "acquire") != f.modifiers.end();
    if (acquires && f.take("tensormap::generic")) { // of the map at an address
        d.address(d.operand(f, 0), Space::none);
        const auto &size = d.operand(f, 1);
        if (size.kind != Kind::integer || size.bits != 128) d.fail("the size is 128 bytes");
    }
    take_order(f);
    take_space(f);
    for (const char *m : {"gl", "proxy", "alias", "async", "async::generic", "tensormap::generic", "mbarrier_init",
                          "sync_restrict::shared::cta", "sync_restrict::shared::cluster"})
        f.take(m);
    f.modifiers.clear();
    d.emit("fence");
}

void griddepcontrol(Decoder &d, Form &f) { // grids of a stream run one after the other
    if (f.take_one({"wait", "launch_dependents"}) < 0) d.fail("griddepcontrol needs .wait or .launch_dependents");
    d.emit("nop");
}

// prefetch, prefetchu, applypriority, discard: hints about caches, which there are none of.
void hint(Decoder &d, Form &f) {
    const Space space = take_space(f);
    if (f.take_one({"L1", "L2", "L2::evict_last", "L2::evict_normal", "tensormap"}) < 0) d.fail("a cache is wanted");
    if (d.operand(f, 0).kind != Kind::address) d.fail("an address in brackets is wanted");
    d.address(d.operand(f, 0), space);
    if (f.written->opcode == "discard" || f.written->opcode == "applypriority") {
        const auto &size = d.operand(f, 1);
        if (size.kind != Kind::integer || size.bits != 128) d.fail("the size is 128 bytes");
    }
    d.emit("nop");
}

// A policy is a number that nothing reads.
void createpolicy(Decoder &d, Form &f) {
    const int kind = f.take_one({"fractional", "range", "cvt"});
    if (kind < 0) d.fail("createpolicy needs .fractional, .range or .cvt");
    f.modifiers.erase(std::remove_if(f.modifiers.begin(), f.modifiers.end(),
                                     [](std::string_view word) { return word.substr(0, 2) == "L2"; }),
                      f.modifiers.end());
    take_space(f);
    if (kind == 1) {
        d.address(d.operand(f, 1), Space::global);
        d.source(d.operand(f, 2), Type::b32);
        d.source(d.operand(f, 3), Type::b32);
    } else if (kind == 2) {
        d.source(d.operand(f, 1), Type::b64);
    } else if (d.operands(f) > 1) {
        d.source(d.operand(f, 1), Type::f32);
    }
    const uint32_t policy = d.constant(0x10000000, 8), to = d.destination(d.operand(f, 0), 8);
    Inst &inst = d.emit("mov.u64");
    inst.d = to;
    inst.a = policy;
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
    if (type_bytes(t) != 8) d.fail("generic addresses of 32 bits are not supported", Status::not_supported);
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
    {"atom", "b16 b32 b64 b128 u32 u64 s32 s64 f16 f16x2 bf16 bf16x2 f32 f64", 1, 1, &atom},
    {"red", "b32 b64 u32 u64 s32 s64 f16 f16x2 bf16 bf16x2 f32 f64", 1, 2, &atom},
    {"membar", "", 1, 4, &fence},
    {"fence", "", 6, 0, &fence, 70},
    {"prefetch", "", 2, 0, &hint, 20},
    {"prefetchu", "", 2, 0, &hint, 20},
    {"discard", "", 7, 4, &hint, 80},
    {"applypriority", "", 7, 4, &hint, 80},
    {"griddepcontrol", "", 7, 8, &griddepcontrol, 90},
    {"createpolicy", "b64", 7, 4, &createpolicy, 80},
    {"cvta", "u32 u64", 2, 0, &cvta, 20},
};

} // namespace

OpcodeTable memory_opcodes() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
