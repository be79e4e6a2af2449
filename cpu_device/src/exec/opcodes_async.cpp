// The opcode table: asynchronous copies, mbarriers, the addresses of a cluster.
#include "opcodes_memory.hpp"

#include <algorithm>

namespace cpu_device {
namespace {

using Kind = ptx::Operand::Kind;
using ptx::Space;

bool take_state_space(Form &f, bool &remote) {
    remote = f.take("shared::cluster");
    return remote || f.take("shared::cta") || f.take("shared");
}

// --- mbarrier ---

void mbarrier_arrive(Decoder &d, Form &f, bool drop) {
    const bool expect = f.take("expect_tx"), partial = f.take("noComplete");
    bool remote;
    const Space space = take_state_space(f, remote) ? Space::shared : Space::generic;
    if (d.operand(f, 0).kind == Kind::address) d.fail("a register for the state, or _, is wanted");
    const size_t at = 1;
    uint32_t state = kDiscard;
    if (d.operand(f, 0).kind != Kind::discard) {
        if (remote) d.fail("an arrival at another CTA's mbarrier returns no state: _ is wanted");
        state = d.destination(d.operand(f, 0), 8);
    }
    const bool counted = d.operands(f) > at + 1;
    if ((expect || partial) && !counted) d.fail("a count is wanted");
    if (counted && !expect && !partial) d.require(78, 90, "mbarrier with a count of arrivals");
    if (state == kDiscard) d.require(71, 80, "mbarrier with _ for its state");
    const uint32_t a = whole_address(d, d.operand(f, at), space, remote),
                   b = counted ? d.source(d.operand(f, at + 1), Type::u32) : d.constant(1, 4);
    Inst &inst = d.emit("mbarrier.arrive");
    inst.d = state;
    inst.a = a;
    inst.b = b;
    inst.sub = static_cast<uint8_t>((partial ? 1 : 0) | (drop ? 2 : 0) | (expect ? 4 : 0));
}

void mbarrier_wait(Decoder &d, Form &f, bool may_wait) {
    const bool parity = f.take("parity");
    bool remote;
    const Space space = take_state_space(f, remote) ? Space::shared : Space::generic;
    if (remote) d.fail("only the own CTA's mbarriers can be waited for");
    const uint32_t to = d.destination_predicate(d.operand(f, 0)), a = whole_address(d, d.operand(f, 1), space),
                   b = d.source(d.operand(f, 2), parity ? Type::u32 : Type::b64);
    if (may_wait && d.operands(f) > 3) d.source(d.operand(f, 3), Type::u32); // how long it may wait
    Inst &inst = d.emit("mbarrier.wait");
    inst.d = to;
    inst.a = a;
    inst.b = b;
    inst.sub = static_cast<uint8_t>((parity ? 1 : 0) | (may_wait ? 2 : 0));
}

void mbarrier(Decoder &d, Form &f) {
    const int what = f.take_one({"init", "inval", "arrive", "arrive_drop", "test_wait", "try_wait", "expect_tx",
                                 "complete_tx", "pending_count"});
    take_order(f);
    switch (what) {
    case 2:
    case 3: return mbarrier_arrive(d, f, what == 3);
    case 4:
    case 5: return mbarrier_wait(d, f, what == 5);
    case 8: {
        const uint32_t to = d.destination(d.operand(f, 0), 4), a = d.source(d.operand(f, 1), Type::b64);
        Inst &inst = d.emit("mbarrier.pending_count");
        inst.d = to;
        inst.a = a;
        return;
    }
    case -1: d.fail("this operation of mbarrier is not known");
    }
    bool remote;
    const Space space = take_state_space(f, remote) ? Space::shared : Space::generic;
    const uint32_t a = whole_address(d, d.operand(f, 0), space, remote),
                   b = what == 1 ? 0 : d.source(d.operand(f, 1), Type::u32);
    Inst &inst = d.emit(what == 0 ? "mbarrier.init" : what == 1 ? "mbarrier.inval" : "mbarrier.expect");
    inst.a = a;
    inst.b = b;
    inst.sub = what == 7;
}

// --- cp.async ---

void copy_arrive(Decoder &d, Form &f) {
    f.take("arrive");
    const bool counted = f.take("noinc");
    bool remote;
    const Space space = take_state_space(f, remote) ? Space::shared : Space::generic;
    const uint32_t a = whole_address(d, d.operand(f, 0), space);
    Inst &inst = d.emit("mbarrier.after_copies");
    inst.a = a;
    inst.sub = counted;
}

void copy_few(Decoder &d, Form &f) {
    const bool hint = take_hint(d, f, d.operands(f) - 1),
               cg = std::find(f.modifiers.begin(), f.modifiers.end(), "cg") != f.modifiers.end();
    take_order(f);
    bool remote;
    take_state_space(f, remote);
    f.take("global");
    const uint32_t to = whole_address(d, d.operand(f, 0), Space::shared),
                   from = whole_address(d, d.operand(f, 1), Space::global);
    const auto &size = d.operand(f, 2);
    if (size.kind != Kind::integer || (size.bits != 4 && size.bits != 8 && size.bits != 16))
        d.fail("cp.async copies 4, 8 or 16 bytes");
    if (cg && size.bits != 16) d.fail("cp.async.cg copies 16 bytes");
    const bool limited = d.operands(f) > (hint ? 4u : 3u), by_predicate = limited && d.is_predicate(d.operand(f, 3));
    if (by_predicate) d.require(75, 80, "cp.async with a predicate");
    bool negated = false;
    const uint32_t ignored = by_predicate ? d.predicate(d.operand(f, 3), negated) : 0,
                   limit = limited && !by_predicate ? d.source(d.operand(f, 3), Type::u32) : d.constant(size.bits, 4);
    Inst &inst = d.emit("cp.async");
    inst.a = to;
    inst.b = from;
    inst.c = limit;
    inst.extra = ignored;
    inst.sub = static_cast<uint8_t>(size.bits);
    inst.flags = negated ? kNegC : 0;
}

// --- cp.async.bulk ---

// The next state space that is written, used up.
std::string take_named_space(Form &f) {
    for (std::string_view m : f.modifiers)
        if (m == "global" || m.substr(0, 6) == "shared") {
            std::string name(m);
            f.take(name);
            return name == "shared" ? "shared::cta" : name;
        }
    return "";
}

std::string reduction(Decoder &d, Form &f) {
    static const char *const names[] = {"add", "inc", "dec", "min", "max", "and", "or", "xor"};
    const int op = f.take_one({"add", "inc", "dec", "min", "max", "and", "or", "xor"});
    if (op < 0 || f.types.size() != 1) d.fail("a reduction needs an operation and a type");
    const Type t = f.types[0];
    std::string type = is_float(t) || is_half(t) ? type_name(t)
                       : op == 3 || op == 4      ? signed_or_unsigned_name(t)
                                                 : unsigned_name(t);
    return std::string(names[op]) + "." + type;
}

void bulk(Decoder &d, Form &f, bool reduces) {
    if (f.take("tensor"))
        d.fail(std::string(reduces ? "cp.reduce" : "cp") +
                   ".async.bulk.tensor is not supported by the CPU device: tensor maps",
               Status::not_supported);
    if (f.take("prefetch")) {
        if (!f.take("L2") || take_named_space(f) != "global") d.fail("a bulk prefetch is .L2.global");
        take_hint(d, f, 2);
        f.take("L2::cache_hint");
        whole_address(d, d.operand(f, 0), Space::global);
        d.source(d.operand(f, 1), Type::u32);
        return void(d.emit("nop"));
    }
    if (f.take("commit_group")) return void(d.emit("nop"));
    if (f.take("wait_group")) {
        f.take("read");
        if (d.operand(f, 0).kind != Kind::integer) d.fail("cp.async.bulk.wait_group needs a number");
        return void(d.emit("nop"));
    }
    const std::string to_space = take_named_space(f), from_space = take_named_space(f);
    const bool to_global = to_space == "global", shared_source = from_space == "shared::cta";
    const bool barrier = f.take("mbarrier::complete_tx::bytes"), group = f.take("bulk_group");
    if (from_space.empty() || (to_global ? !shared_source || !group : group || !barrier) ||
        (!to_global && shared_source && to_space != "shared::cluster"))
        d.fail("this direction of a bulk copy does not exist, or not with this completion");
    const bool multicast = f.take("multicast::cluster"), masked = f.take("cp_mask"), hint = f.take("L2::cache_hint");
    take_order(f);
    if (multicast && (shared_source || to_space != "shared::cluster")) d.fail("this copy has no multicast");
    if (masked && !to_global) d.fail("only copies to global memory have a mask of bytes");
    size_t k = 3;
    const uint32_t to = whole_address(d, d.operand(f, 0), to_global ? Space::global : Space::shared, names_cluster(f)),
                   from = whole_address(d, d.operand(f, 1), shared_source ? Space::shared : Space::global),
                   size = d.source(d.operand(f, 2), Type::u32),
                   arrival = barrier ? whole_address(d, d.operand(f, k++), Space::shared, names_cluster(f)) : 0;
    if (masked && hint) d.source(d.operand(f, k++), Type::b64); // the policy comes first
    const uint32_t mask = multicast || masked ? d.source(d.operand(f, k++), Type::b16) : 0;
    if (!masked && hint) d.source(d.operand(f, k), Type::b64);
    const std::string handler = reduces ? "bulk." + reduction(d, f) : "bulk.copy";
    const uint32_t more = d.list({arrival, mask});
    Inst &inst = d.emit(handler);
    inst.a = to;
    inst.b = from;
    inst.c = size;
    inst.extra = more;
    inst.sub = static_cast<uint8_t>((barrier ? 1 : 0) | (multicast ? 2 : 0) | (masked ? 4 : 0) | (reduces ? 8 : 0));
}

void cp(Decoder &d, Form &f) {
    const bool reduces = f.take("reduce");
    if (!f.take("async")) d.fail("this form of cp is not known");
    if (f.take("bulk")) return bulk(d, f, reduces);
    if (reduces) d.fail("cp.reduce.async is cp.reduce.async.bulk");
    if (f.take("commit_group")) return void(d.emit("copies.commit"));
    if (f.take("wait_all")) {
        d.emit("copies.wait").sub = 1;
        return;
    }
    if (f.take("wait_group")) {
        const auto &but = d.operand(f, 0);
        if (but.kind != Kind::integer) d.fail("cp.async.wait_group needs a number");
        d.emit("copies.wait").imm = but.bits;
        return;
    }
    if (f.take("mbarrier")) return copy_arrive(d, f);
    copy_few(d, f);
}

// --- clusters ---

void mapa(Decoder &d, Form &f) {
    const bool shared = f.take("shared::cluster");
    if (f.types.size() != 1) d.fail("mapa takes one type");
    const Type t = f.types[0];
    const uint32_t bytes = type_bytes(t), a = d.source(d.operand(f, 1), t), b = d.source(d.operand(f, 2), Type::u32),
                   to = d.destination(d.operand(f, 0), bytes);
    Inst &inst = d.emit(bytes == 8 ? "mapa.u64" : "mapa.u32");
    inst.d = to;
    inst.a = a;
    inst.b = b;
    inst.imm = shared ? 0 : kSharedWindow;
}

void getctarank(Decoder &d, Form &f) {
    const bool shared = f.take("shared::cluster");
    if (f.types.size() != 1) d.fail("getctarank takes one type");
    const uint32_t a = d.source(d.operand(f, 1), f.types[0]), to = d.destination(d.operand(f, 0), 4);
    Inst &inst = d.emit(type_bytes(f.types[0]) == 8 ? "getctarank.u64" : "getctarank.u32");
    inst.d = to;
    inst.a = a;
    inst.imm = shared ? 0 : kSharedWindow;
}

void isspacep(Decoder &d, Form &f) {
    const bool cluster = names_cluster(f);
    const Space space = take_space(f);
    const auto &op = d.operand(f, 1);
    const uint32_t p = d.destination_predicate(d.operand(f, 0)),
                   a = d.register_bytes(op) == 4 ? widen(d, d.source(op, Type::u32), 4) : d.source(op, Type::u64);
    Inst &inst = d.emit("isspacep");
    inst.d = p;
    inst.a = a;
    inst.imm = space == Space::shared  ? kSharedWindow
               : space == Space::local ? kLocalWindow
               : space == Space::param ? kParamWindow
                                       : 0;
    inst.sub = space == Space::constant ? 1 : space == Space::shared && !cluster ? 2 : 0;
}

const Opcode rows[] = {
    {"mbarrier", "b64", 7, 0, &mbarrier, 80},
    {"cp", "b32 b64 u32 u64 s32 s64 f16 bf16 f32 f64", 7, 0, &cp, 80},
    {"mapa", "u32 u64", 7, 8, &mapa, 90},
    {"isspacep", "", 2, 0, &isspacep, 20},
    {"getctarank", "u32 u64", 7, 8, &getctarank, 90},
};

} // namespace

void store_async(Decoder &d, Form &f) {
    if (!f.take("mbarrier::complete_tx::bytes")) d.fail("st.async needs .mbarrier::complete_tx::bytes");
    take_order(f);
    bool remote;
    const Space space = take_state_space(f, remote) ? Space::shared : Space::generic;
    const int count = take_vector(f);
    if (f.types.size() != 1) d.fail("st.async takes one type");
    const Type t = f.types[0];
    const auto &value = d.operand(f, 1);
    std::vector<uint32_t> values;
    if (value.kind == Kind::list)
        for (const auto &op : value.parts) values.push_back(d.source(op, t));
    else
        values.push_back(d.source(value, t));
    if (static_cast<int>(values.size()) != count) d.fail("as many registers as the vector has elements are wanted");
    if (type_bytes(t) < 4 || type_bytes(t) * values.size() > 16) d.fail("st.async writes 4 to 16 bytes");
    const uint32_t to = whole_address(d, d.operand(f, 0), space, remote),
                   barrier = whole_address(d, d.operand(f, 2), space, remote), list = d.list(values);
    Inst &inst = d.emit("st.async");
    inst.a = to;
    inst.b = barrier;
    inst.extra = list;
    inst.sub = static_cast<uint8_t>(type_bytes(t));
    inst.count = static_cast<uint8_t>(count);
}

void reduce_async(Decoder &d, Form &f) {
    if (!f.take("mbarrier::complete_tx::bytes")) d.fail("red.async needs .mbarrier::complete_tx::bytes");
    take_order(f);
    bool remote;
    const Space space = take_state_space(f, remote) ? Space::shared : Space::generic;
    const std::string op = reduction(d, f);
    const uint32_t to = whole_address(d, d.operand(f, 0), space, remote), value = d.source(d.operand(f, 1), f.types[0]),
                   barrier = whole_address(d, d.operand(f, 2), space, remote);
    Inst &inst = d.emit("red.async." + op);
    inst.a = to;
    inst.b = value;
    inst.c = barrier;
}

OpcodeTable async_opcodes() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
