// The opcode table: control flow, barriers, warp-wide instructions; and the look-up of all rows.
#include "decoder.hpp"
#include "texture_ops.hpp"

namespace cpu_device {
namespace {

using Kind = ptx::Operand::Kind;

void ret(Decoder &d, Form &f) {
    f.take("uni");
    d.emit("ret");
}
void exit(Decoder &d, Form &) {
    d.emit("exit");
}
void trap(Decoder &d, Form &f) {
    d.emit("trap").sub = f.written->opcode == "brkpt";
}
void bra(Decoder &, Form &) {} // decode_function.cpp

void brx(Decoder &d, Form &f) {
    f.take("idx");
    f.take("uni");
    d.branch_table(f);
}

void call(Decoder &d, Form &f) {
    f.take("uni");
    d.call(f);
}

void nanosleep(Decoder &d, Form &f) {
    d.source(d.operand(f, 0), Type::u32);
    d.emit("nanosleep");
}
void setmaxnreg(Decoder &d, Form &f) { // registers are not counted here
    if (f.take_one({"inc", "dec"}) < 0 || !f.take("sync") || !f.take("aligned"))
        d.fail("setmaxnreg needs .inc or .dec, .sync and .aligned");
    const auto &count = d.operand(f, 0);
    if (count.kind != Kind::integer || count.bits < 24 || count.bits > 256 || count.bits % 8)
        d.fail("setmaxnreg takes a multiple of 8 from 24 to 256");
    d.emit("nop");
}
void pmevent(Decoder &d, Form &f) { // events that nobody counts
    f.take("mask");
    if (d.operand(f, 0).kind != Kind::integer) d.fail("pmevent takes a number");
    d.emit("nop");
}

void cluster_barrier(Decoder &d, Form &f) {
    const int what = f.take_one({"arrive", "wait"});
    if (what < 0) d.fail("barrier.cluster needs .arrive or .wait");
    const int order = f.take_one({"acquire", "release", "relaxed"});
    if ((what == 0 && order == 0) || (what == 1 && order > 0)) d.fail("this order is not for this half of a barrier");
    d.emit(what ? "cluster.wait" : "cluster.arrive").flags = order == 2 ? 0 : kFence;
}

void bar(Decoder &d, Form &f) {
    if (f.take("warp")) {
        f.take("sync");
        uint32_t members = d.source(d.operand(f, 0), Type::b32);
        d.emit("bar.warp").a = members;
        return;
    }
    f.take("cta");
    f.take("aligned");
    if (f.take("cluster")) return cluster_barrier(d, f);
    int what = f.take_one({"sync", "arrive", "red"});
    if (what < 0) d.fail("a barrier needs .sync, .arrive or .red");
    size_t k = 0;
    uint8_t sub = static_cast<uint8_t>(what);
    uint32_t to = 0;
    if (what == 2) {
        int reduction = f.take_one({"popc", "and", "or"});
        if (reduction < 0) d.fail("bar.red needs a reduction");
        sub = static_cast<uint8_t>(2 + reduction);
        to = reduction ? d.destination_predicate(d.operand(f, 0)) : d.destination(d.operand(f, 0), 4);
        k = 1;
    }
    const size_t last = d.operands(f) - (what == 2 ? 1 : 0);
    const ptx::Operand &name = d.operand(f, k);
    if (name.kind == Kind::integer && name.bits > 15) d.fail("barriers are numbered from 0 to 15");
    if (what == 1 && k + 1 >= last) d.fail("an arrival needs the number of threads");
    uint32_t id = d.source(d.operand(f, k), Type::u32),
             count = k + 1 < last ? d.source(d.operand(f, k + 1), Type::u32) : 0, p = 0;
    const bool counted = k + 1 < last;
    bool negated = false;
    if (what == 2) p = d.predicate(d.operand(f, last), negated);
    Inst &inst = d.emit("bar");
    inst.d = to;
    inst.a = id;
    inst.b = count;
    inst.c = p;
    inst.extra = counted;
    inst.sub = sub;
    inst.flags = negated ? kNegC : 0;
}

// d or d|p
void pair(Decoder &d, const ptx::Operand &op, uint32_t bytes, uint32_t &to, uint32_t &p) {
    p = kDiscard;
    if (op.kind == Kind::pair) {
        to = d.destination(op.parts[0], bytes);
        p = d.destination_predicate(op.parts[1]);
    } else {
        to = d.destination(op, bytes);
    }
}

void shfl(Decoder &d, Form &f) {
    bool sync = f.take("sync");
    int mode = f.take_one({"up", "down", "bfly", "idx"});
    if (mode < 0) d.fail("shfl needs a mode");
    uint32_t to, p;
    pair(d, d.operand(f, 0), 4, to, p);
    uint32_t a = d.source(d.operand(f, 1), Type::b32), b = d.source(d.operand(f, 2), Type::b32),
             c = d.source(d.operand(f, 3), Type::b32);
    uint32_t members = sync ? d.source(d.operand(f, 4), Type::b32) : d.constant(0, 4);
    std::vector<uint32_t> more = {members};
    uint32_t extra = d.list(more);
    Inst &inst = d.emit("shfl");
    inst.d = to;
    inst.a = a;
    inst.b = b;
    inst.c = c;
    inst.extra = extra;
    inst.imm = p;
    inst.sub = static_cast<uint8_t>(mode);
}

void vote(Decoder &d, Form &f) {
    bool sync = f.take("sync");
    int mode = f.take_one({"all", "any", "uni", "ballot"});
    if (mode < 0) d.fail("vote needs a mode");
    uint32_t to = mode == 3 ? d.destination(d.operand(f, 0), 4) : d.destination_predicate(d.operand(f, 0));
    bool negated;
    uint32_t a = d.predicate(d.operand(f, 1), negated),
             members = sync ? d.source(d.operand(f, 2), Type::b32) : d.constant(0, 4);
    Inst &inst = d.emit("vote");
    inst.d = to;
    inst.a = a;
    inst.b = members;
    inst.sub = static_cast<uint8_t>(mode);
    inst.flags = negated ? kNegC : 0;
}

void match(Decoder &d, Form &f) {
    f.take("sync");
    int mode = f.take_one({"any", "all"});
    if (mode < 0 || f.types.size() != 1) d.fail("match needs a mode and a type");
    uint32_t to, p;
    pair(d, d.operand(f, 0), 4, to, p);
    if (mode == 0 && p != kDiscard) d.fail("match.any has no predicate");
    uint32_t a = d.source(d.operand(f, 1), f.types[0]), members = d.source(d.operand(f, 2), Type::b32);
    Inst &inst = d.emit(std::string("match.") + unsigned_name(f.types[0]));
    inst.d = to;
    inst.a = a;
    inst.b = members;
    inst.imm = p;
    inst.sub = static_cast<uint8_t>(mode);
}

void redux(Decoder &d, Form &f) {
    f.take("sync");
    int op = f.take_one({"add", "min", "max", "and", "or", "xor"});
    if (op < 0 || f.types.size() != 1) d.fail("redux needs an operation and a type");
    const Type t = f.types[0];
    uint16_t flags = f.take("abs") ? kAbs : 0;
    if (f.take("NaN")) flags |= kNan;
    if (t == Type::f32 ? op != 1 && op != 2 : flags != 0) d.fail("redux of this type has no such operation");
    uint32_t to = d.destination(d.operand(f, 0), 4), a = d.source(d.operand(f, 1), t),
             members = d.source(d.operand(f, 2), Type::b32);
    Inst &inst = d.emit(t == Type::f32 ? "redux.f32" : "redux");
    inst.flags = flags;
    inst.d = to;
    inst.a = a;
    inst.b = members;
    inst.sub = static_cast<uint8_t>(op);
    inst.imm = t == Type::s32;
}

void activemask(Decoder &d, Form &f) {
    uint32_t to = d.destination(d.operand(f, 0), 4);
    d.emit("activemask").d = to;
}

void elect(Decoder &d, Form &f) {
    f.take("sync");
    uint32_t to, p;
    pair(d, d.operand(f, 0), 4, to, p);
    uint32_t members = d.source(d.operand(f, 1), Type::b32);
    Inst &inst = d.emit("elect");
    inst.d = to;
    inst.b = members;
    inst.imm = p;
}

// --- the stack of a function ---

Type address_type(Decoder &d, const Form &f) {
    if (f.types.size() != 1 || (f.types[0] != Type::u32 && f.types[0] != Type::u64))
        d.fail(f.written->opcode + " takes .u32 or .u64");
    return f.types[0];
}

void alloca_(Decoder &d, Form &f) {
    const Type t = address_type(d, f);
    uint64_t align = 8;
    if (d.operands(f) > 2) {
        const auto &op = d.operand(f, 2);
        if (op.kind != Kind::integer || !op.bits || (op.bits & (op.bits - 1)) || op.bits > kLocalLimit)
            d.fail("the alignment is a power of two");
        align = op.bits;
    }
    const uint32_t size = d.source(d.operand(f, 1), t), to = d.destination(d.operand(f, 0), type_bytes(t));
    Inst &inst = d.emit(std::string("alloca.") + type_name(t));
    inst.d = to;
    inst.a = size;
    inst.imm = align;
}

void stacksave(Decoder &d, Form &f) {
    const Type t = address_type(d, f);
    const uint32_t to = d.destination(d.operand(f, 0), type_bytes(t));
    d.emit(std::string("stacksave.") + type_name(t)).d = to;
}

void stackrestore(Decoder &d, Form &f) {
    const Type t = address_type(d, f);
    const uint32_t a = d.source(d.operand(f, 0), t);
    d.emit(std::string("stackrestore.") + type_name(t)).a = a;
}

const Opcode rows[] = {
    {"alloca", "u32 u64", 7, 3, &alloca_, 52},
    {"stacksave", "u32 u64", 7, 3, &stacksave, 52},
    {"stackrestore", "u32 u64", 7, 3, &stackrestore, 52},
    {"bra", "", 1, 0, &bra},
    {"brx", "", 6, 0, &brx, 30},
    {"call", "", 1, 0, &call},
    {"ret", "", 1, 0, &ret},
    {"exit", "", 1, 0, &exit},
    {"trap", "", 1, 0, &trap},
    {"brkpt", "", 1, 0, &trap},
    {"nanosleep", "u32", 6, 3, &nanosleep, 70},
    {"pmevent", "", 1, 4, &pmevent},
    {"setmaxnreg", "u32", 8, 0, &setmaxnreg, 90},
    {"bar", "u32 pred", 1, 0, &bar},
    {"barrier", "u32 pred", 6, 0, &bar, 30},
};

const Opcode warp_rows[] = {
    {"shfl", "b32", 3, 0, &shfl, 30},
    {"vote", "pred b32", 1, 2, &vote},
    {"match", "b32 b64", 6, 0, &match, 70},
    {"redux", "u32 s32 b32 f32", 7, 0, &redux, 80},
    {"activemask", "b32", 6, 2, &activemask, 30},
    {"elect", "", 8, 0, &elect, 90},
};

template <size_t n> OpcodeTable table(const Opcode (&rows)[n]) {
    return {rows, n};
}

} // namespace

OpcodeTable control_opcodes() {
    return table(rows);
}
OpcodeTable warp_opcodes() {
    return table(warp_rows);
}

const std::vector<OpcodeTable> &opcode_tables() {
    static const std::vector<OpcodeTable> all = {arithmetic_opcodes(), bit_opcodes(),   memory_opcodes(),
                                                 control_opcodes(),    warp_opcodes(),  matrix_opcodes(),
                                                 video_opcodes(),      async_opcodes(), texture_opcodes()};
    return all;
}

const Opcode *find_opcode(std::string_view name) {
    static const std::unordered_map<std::string_view, const Opcode *> all = [] {
        std::unordered_map<std::string_view, const Opcode *> map;
        for (OpcodeTable t : opcode_tables())
            for (size_t k = 0; k < t.size; ++k) map.emplace(t.rows[k].name, &t.rows[k]);
        return map;
    }();
    auto found = all.find(name);
    return found == all.end() ? nullptr : found->second;
}

const char *type_name(Type t) {
    switch (t) {
    case Type::u8:
    case Type::b8: return "u8";
    case Type::s8: return "s8";
    case Type::u16:
    case Type::b16: return "u16";
    case Type::s16: return "s16";
    case Type::u32:
    case Type::b32: return "u32";
    case Type::s32: return "s32";
    case Type::u64:
    case Type::b64: return "u64";
    case Type::s64: return "s64";
    case Type::f16: return "f16";
    case Type::f16x2: return "f16x2";
    case Type::bf16: return "bf16";
    case Type::bf16x2: return "bf16x2";
    case Type::tf32: return "tf32";
    case Type::f32: return "f32";
    case Type::f64: return "f64";
    case Type::e4m3: return "e4m3";
    case Type::e5m2: return "e5m2";
    case Type::b128: return "b128";
    default: return "unknown";
    }
}

const char *unsigned_name(Type t) {
    if (t == Type::pred) return "pred";
    switch (type_bytes(t)) {
    case 1: return "u8";
    case 2: return "u16";
    case 4: return "u32";
    case 8: return "u64";
    default: return "unknown";
    }
}

const char *signed_or_unsigned_name(Type t) {
    return is_signed(t) ? type_name(t) : unsigned_name(t);
}

} // namespace cpu_device
