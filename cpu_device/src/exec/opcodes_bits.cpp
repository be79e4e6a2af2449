// The opcode table: logic, shifts, bit fields, moves between registers, conversions.
#include "pairs.hpp"

#include <algorithm>

namespace cpu_device {
namespace {

using Kind = ptx::Operand::Kind;

Type only_type(Decoder &d, const Form &f) {
    if (f.types.size() != 1) d.fail(f.written->opcode + " takes one type");
    return f.types[0];
}

Inst &with_types(Decoder &d, Form &f, const std::string &handler, Type to_type, std::initializer_list<Type> from) {
    uint32_t to = d.destination(d.operand(f, 0), type_bytes(to_type)), in[4] = {0, 0, 0, 0};
    size_t k = 0;
    for (Type t : from) {
        in[k] = d.source(d.operand(f, k + 1), t);
        ++k;
    }
    Inst &inst = d.emit(handler);
    inst.d = to;
    inst.a = in[0];
    inst.b = in[1];
    inst.c = in[2];
    inst.extra = in[3];
    return inst;
}

void predicate_op(Decoder &d, Form &f, uint8_t what) { // 0 mov, 1 and, 2 or, 3 xor, 4 not
    uint32_t to = d.destination_predicate(d.operand(f, 0)), b = 0;
    bool negated, other = false;
    uint32_t a = d.predicate(d.operand(f, 1), negated);
    if (what >= 1 && what <= 3) b = d.predicate(d.operand(f, 2), other);
    if (other) { // !b first
        uint32_t t = d.temporary(2);
        Inst &flip = d.emit("pred");
        flip.d = t;
        flip.a = b;
        flip.sub = 4;
        b = t;
    }
    Inst &inst = d.emit("pred");
    inst.d = to;
    inst.a = a;
    inst.b = b;
    inst.sub = what;
    inst.flags = negated ? kNegC : 0;
}

void logic(Decoder &d, Form &f) {
    Type t = only_type(d, f);
    const std::string &name = f.written->opcode;
    if (t == Type::pred) return predicate_op(d, f, name == "and" ? 1 : name == "or" ? 2 : name == "xor" ? 3 : 4);
    if (name == "not" || name == "cnot")
        with_types(d, f, name + "." + unsigned_name(t), t, {t});
    else
        with_types(d, f, name + "." + unsigned_name(t), t, {t, t});
}

void shift(Decoder &d, Form &f) {
    Type t = only_type(d, f);
    const bool left = f.written->opcode == "shl";
    with_types(d, f, f.written->opcode + "." + (left ? unsigned_name(t) : signed_or_unsigned_name(t)), t,
               {t, Type::u32});
}

void shf(Decoder &d, Form &f) {
    int direction = f.take_one({"l", "r"}), mode = f.take_one({"wrap", "clamp"});
    only_type(d, f);
    if (direction < 0 || mode < 0) d.fail("shf needs a direction and a mode");
    with_types(d, f, direction ? "shf.r" : "shf.l", Type::b32, {Type::b32, Type::b32, Type::u32}).sub =
        static_cast<uint8_t>(mode);
}

void lop3(Decoder &d, Form &f) {
    const int combine = f.take_one({"and", "or"}) + 1;
    only_type(d, f);
    const auto &to = d.operand(f, 0), &table = d.operand(f, 4);
    if (table.kind != Kind::integer || table.bits > 255) d.fail("lop3 needs an immediate table");
    if ((combine != 0) != (to.kind == Kind::pair)) d.fail("lop3 has a second result with .or or .and, and only then");
    uint32_t in[3];
    for (size_t k = 0; k < 3; ++k) in[k] = d.source(d.operand(f, k + 1), Type::b32);
    const uint32_t place = d.destination(combine ? to.parts[0] : to, 4);
    uint32_t p = 0, q = 0;
    bool negated = false;
    if (combine) {
        q = d.predicate(d.operand(f, 5), negated);
        p = d.destination_predicate(to.parts[1]);
    }
    const uint32_t zero = d.constant(0, 4);
    Inst &inst = d.emit("lop3.u32");
    inst.d = place;
    inst.a = in[0];
    inst.b = in[1];
    inst.c = in[2];
    inst.imm = table.bits;
    if (!combine) return;
    Inst &test = d.emit("setp.ne.u32");
    test.d = p;
    test.a = place;
    test.b = zero;
    test.c = q;
    test.sub = static_cast<uint8_t>(combine);
    test.flags = negated ? kNegC : 0;
}

void bfe(Decoder &d, Form &f) {
    Type t = only_type(d, f);
    with_types(d, f, std::string("bfe.") + signed_or_unsigned_name(t), t, {t, Type::u32, Type::u32});
}

void bfi(Decoder &d, Form &f) {
    Type t = only_type(d, f);
    with_types(d, f, std::string("bfi.") + unsigned_name(t), t, {t, t, Type::u32, Type::u32});
}

void bfind(Decoder &d, Form &f) {
    bool amount = f.take("shiftamt");
    Type t = only_type(d, f);
    with_types(d, f, std::string("bfind.") + signed_or_unsigned_name(t), Type::u32, {t}).sub = amount;
}

void count(Decoder &d, Form &f) {
    Type t = only_type(d, f);
    with_types(d, f, f.written->opcode + "." + unsigned_name(t), Type::u32, {t});
}

void brev(Decoder &d, Form &f) {
    Type t = only_type(d, f);
    with_types(d, f, std::string("brev.") + unsigned_name(t), t, {t});
}

void fns(Decoder &d, Form &f) {
    only_type(d, f);
    with_types(d, f, "fns", Type::b32, {Type::b32, Type::b32, Type::s32});
}

void prmt(Decoder &d, Form &f) {
    int mode = f.take_one({"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"}) + 1;
    only_type(d, f);
    with_types(d, f, "prmt", Type::b32, {Type::b32, Type::b32, Type::b32}).sub = static_cast<uint8_t>(mode);
}

void sad(Decoder &d, Form &f) {
    Type t = only_type(d, f);
    with_types(d, f, std::string("sad.") + signed_or_unsigned_name(t), t, {t, t, t});
}

void dot(Decoder &d, Form &f) {
    if (f.types.size() != 2) d.fail(f.written->opcode + " takes two types");
    int half = f.written->opcode == "dp2a" ? f.take_one({"lo", "hi"}) : 0;
    std::string name = f.written->opcode + "." + type_name(f.types[0]) + "." + type_name(f.types[1]);
    with_types(d, f, name, Type::b32, {Type::b32, Type::b32, Type::b32}).sub = half == 1;
}

void bmsk(Decoder &d, Form &f) {
    int mode = f.take_one({"wrap", "clamp"});
    only_type(d, f);
    with_types(d, f, "bmsk", Type::b32, {Type::u32, Type::u32}).sub = static_cast<uint8_t>(mode);
}

void szext(Decoder &d, Form &f) {
    int mode = f.take_one({"wrap", "clamp"});
    Type t = only_type(d, f);
    with_types(d, f, std::string("szext.") + type_name(t), t, {t, Type::u32}).sub = static_cast<uint8_t>(mode);
}

// --- mov ---

void unpack(Decoder &d, Form &f, Type t) {
    const auto &to = d.operand(f, 0);
    const uint32_t part = type_bytes(t) / static_cast<uint32_t>(to.parts.size());
    std::vector<uint32_t> list;
    for (const auto &p : to.parts) list.push_back(d.destination(p, part));
    uint32_t a = d.source(d.operand(f, 1), t), extra = d.list(list);
    Inst &inst = d.emit("unpack.u" + std::to_string(8 * type_bytes(t)) + ".u" + std::to_string(8 * part));
    inst.a = a;
    inst.extra = extra;
    inst.count = static_cast<uint8_t>(list.size());
}

void pack(Decoder &d, Form &f, Type t) {
    const auto &from = d.operand(f, 1);
    const uint32_t part = type_bytes(t) / static_cast<uint32_t>(from.parts.size());
    std::vector<uint32_t> list;
    for (const auto &p : from.parts)
        list.push_back(d.source(p, part == 2 ? Type::b16 : part == 4 ? Type::b32 : Type::b64));
    uint32_t to = d.destination(d.operand(f, 0), type_bytes(t)), extra = d.list(list);
    Inst &inst = d.emit("pack.u" + std::to_string(8 * type_bytes(t)) + ".u" + std::to_string(8 * part));
    inst.d = to;
    inst.extra = extra;
    inst.count = static_cast<uint8_t>(list.size());
}

// Four words of 128 bits by way of two halves.
void unpack_words(Decoder &d, Form &f) {
    const auto &to = d.operand(f, 0);
    const uint32_t a = d.source(d.operand(f, 1), Type::b128), half[2] = {d.temporary(8), d.temporary(8)};
    const uint32_t halves = d.list({half[0], half[1]});
    Inst &inst = d.emit("unpack.u128.u64");
    inst.a = a;
    inst.extra = halves;
    inst.count = 2;
    for (size_t k = 0; k < 2; ++k) {
        const uint32_t list = d.list({d.destination(to.parts[2 * k], 4), d.destination(to.parts[2 * k + 1], 4)});
        Inst &part = d.emit("unpack.u64.u32");
        part.a = half[k];
        part.extra = list;
        part.count = 2;
    }
}

void pack_words(Decoder &d, Form &f) {
    const auto &from = d.operand(f, 1);
    const uint32_t half[2] = {d.temporary(8), d.temporary(8)};
    for (size_t k = 0; k < 2; ++k) {
        const uint32_t list =
            d.list({d.source(from.parts[2 * k], Type::b32), d.source(from.parts[2 * k + 1], Type::b32)});
        Inst &part = d.emit("pack.u64.u32");
        part.d = half[k];
        part.extra = list;
        part.count = 2;
    }
    const uint32_t to = d.destination(d.operand(f, 0), 16), halves = d.list({half[0], half[1]});
    Inst &inst = d.emit("pack.u128.u64");
    inst.d = to;
    inst.extra = halves;
    inst.count = 2;
}

void mov(Decoder &d, Form &f) {
    Type t = only_type(d, f);
    if (t == Type::pred) return predicate_op(d, f, 0);
    const auto &to = d.operand(f, 0), &from = d.operand(f, 1);
    if (t == Type::b128 && to.kind == Kind::list && to.parts.size() == 4) return unpack_words(d, f);
    if (t == Type::b128 && from.kind == Kind::list && from.parts.size() == 4) return pack_words(d, f);
    if (to.kind == Kind::list)
        return to.parts.size() < 2 ? d.fail("a list of several registers is wanted") : unpack(d, f, t);
    if (from.kind == Kind::list)
        return from.parts.size() < 2 ? d.fail("a list of several registers is wanted") : pack(d, f, t);
    uint32_t a = d.source(from, t), place = d.destination(to, type_bytes(t));
    Inst &inst = d.emit(t == Type::b128 ? std::string("mov.b128") : std::string("mov.") + unsigned_name(t));
    inst.d = place;
    inst.a = a;
}

// --- cvt ---

uint16_t convert_flags(Form &f) {
    uint16_t flags = 0;
    int whole = f.take_one({"rni", "rzi", "rmi", "rpi"});
    if (whole >= 0) flags |= static_cast<uint16_t>(kToInt | whole);
    int r = f.take_one({"rn", "rz", "rm", "rp"});
    if (r > 0) flags |= static_cast<uint16_t>(r);
    if (f.take("rna")) flags |= kAway;
    if (f.take("ftz")) flags |= kFtz;
    if (f.take("sat")) flags |= kSat;
    if (f.take("satfinite")) flags |= kSatFinite;
    if (f.take("relu")) flags |= kRelu;
    return flags;
}

Type natural(uint32_t bytes) {
    return bytes == 8 ? Type::u64 : bytes == 4 ? Type::u32 : Type::u16;
}

uint32_t step(Decoder &d, const std::string &handler, uint32_t from, uint32_t bytes) {
    uint32_t t = d.temporary(std::max<uint32_t>(2, bytes));
    Inst &inst = d.emit(handler);
    inst.d = t;
    inst.a = from;
    return t;
}

// Registers may be wider than the types: the source is cut first, the result extended last.
void convert(Decoder &d, Form &f, Type to, Type from, uint16_t flags) {
    uint32_t bytes;
    uint32_t a = d.wide_source(d.operand(f, 1), from, bytes);
    const uint32_t from_bytes = std::max<uint32_t>(2, type_bytes(from)),
                   to_bytes = std::max<uint32_t>(2, type_bytes(to));
    if (bytes > from_bytes)
        a = step(d, std::string("cvt.") + unsigned_name(natural(from_bytes)) + "." + unsigned_name(natural(bytes)), a,
                 from_bytes);
    const bool integers = !is_float(from) && !is_half(from) && !is_float(to) && !is_half(to) && to != Type::tf32;
    std::string name =
        std::string(integers && (flags & kSat) ? "cvt.sat." : "cvt.") + type_name(to) + "." + type_name(from);
    const uint32_t wanted = d.register_bytes(d.operand(f, 0));
    if (wanted > to_bytes && !is_float(to)) {
        uint32_t t = step(d, name, a, to_bytes);
        d.code().insts.back().flags = flags;
        uint32_t place = d.destination(d.operand(f, 0), wanted);
        Inst &inst =
            d.emit(std::string("cvt.") + (is_signed(to) ? "s" : "u") + std::to_string(8 * wanted) +
                   (is_signed(to) ? ".s" : ".u") + std::to_string(8 * (is_signed(to) ? type_bytes(to) : to_bytes)));
        inst.d = place;
        inst.a = t;
        return;
    }
    uint32_t place = d.destination(d.operand(f, 0), to_bytes);
    Inst &inst = d.emit(name);
    inst.d = place;
    inst.a = a;
    inst.flags = flags;
}

void cvt(Decoder &d, Form &f) {
    if (f.take("rs")) d.fail("stochastic rounding is not supported by the CPU device", Status::not_supported);
    if (convert_small(d, f)) return;
    uint16_t flags = convert_flags(f);
    if (f.types.size() != 2) d.fail("cvt takes two types");
    Type to = f.types[0], from = f.types[1];
    auto plain = [](Type t) {
        return t == Type::b8    ? Type::u8
               : t == Type::b16 ? Type::u16
               : t == Type::b32 ? Type::u32
               : t == Type::b64 ? Type::u64
                                : t;
    };
    to = plain(to);
    from = plain(from);
    if ((flags & kAway) && to != Type::tf32) d.fail(".rna is for .tf32");
    if (d.operands(f) == 3) { // two f32 to a pair
        uint32_t a = d.source(d.operand(f, 1), Type::f32), b = d.source(d.operand(f, 2), Type::f32);
        uint32_t place = d.destination(d.operand(f, 0), type_bytes(to));
        Inst &inst = d.emit(std::string("cvt.") + type_name(to) + ".f32x2");
        inst.d = place;
        inst.a = a;
        inst.b = b;
        inst.flags = flags;
        return;
    }
    convert(d, f, to, from, flags);
}

const Opcode rows[] = {
    {"mov", "pred b16 b32 b64 b128 u16 u32 u64 s16 s32 s64 f32 f64", 1, 0, &mov},
    {"cvt",
     "u8 u16 u32 u64 s8 s16 s32 s64 f16 f16x2 bf16 bf16x2 tf32 f32 f64 e4m3x2 e5m2x2 e2m1x2 e2m3x2 e3m2x2 ue8m0x2", 1,
     0, &cvt},
    {"and", "pred b16 b32 b64", 1, 0, &logic},
    {"or", "pred b16 b32 b64", 1, 0, &logic},
    {"xor", "pred b16 b32 b64", 1, 0, &logic},
    {"not", "pred b16 b32 b64", 1, 0, &logic},
    {"cnot", "b16 b32 b64", 1, 0, &logic},
    {"shl", "b16 b32 b64", 1, 0, &shift},
    {"shr", "b16 b32 b64 u16 u32 u64 s16 s32 s64", 1, 0, &shift},
    {"shf", "b32", 3, 1, &shf, 32},
    {"lop3", "b32", 4, 3, &lop3, 50},
    {"bfe", "u32 u64 s32 s64", 2, 0, &bfe, 20},
    {"bfi", "b32 b64", 2, 0, &bfi, 20},
    {"bfind", "u32 u64 s32 s64", 2, 0, &bfind, 20},
    {"popc", "b32 b64", 2, 0, &count, 20},
    {"clz", "b32 b64", 2, 0, &count, 20},
    {"brev", "b32 b64", 2, 0, &brev, 20},
    {"fns", "b32", 6, 0, &fns, 30},
    {"prmt", "b32", 2, 0, &prmt, 20},
    {"sad", "u16 u32 u64 s16 s32 s64", 1, 0, &sad},
    {"dp4a", "u32 s32", 5, 0, &dot, 61},
    {"dp2a", "u32 s32", 5, 0, &dot, 61},
    {"bmsk", "b32", 7, 6, &bmsk, 70},
    {"szext", "u32 s32", 7, 6, &szext, 70},
};

} // namespace

OpcodeTable bit_opcodes() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
