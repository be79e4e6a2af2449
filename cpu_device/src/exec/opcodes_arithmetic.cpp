// The opcode table: arithmetic, comparison, moves and conversions.
#include "pairs.hpp"

#include <utility>

namespace cpu_device {
namespace {

using Kind = ptx::Operand::Kind;

// .rn .rz .rm .rp .ftz .sat
uint16_t take_flags(Form &f) {
    uint16_t flags = 0;
    int r = f.take_one({"rn", "rz", "rm", "rp"});
    if (r > 0) flags = static_cast<uint16_t>(r);
    f.rounded = r >= 0;
    if (f.take("ftz")) flags |= kFtz;
    if (f.take("sat")) flags |= kSat;
    if (f.take("relu")) flags |= kRelu;
    return flags;
}

Type only_type(Decoder &d, const Form &f) {
    if (f.types.size() != 1) d.fail(f.written->opcode + " takes one type");
    return f.types[0];
}

// What is left of the modifiers of floating point where the type is an integer.
void whole_flags(Decoder &d, const Form &f, Type t, uint16_t flags, int allowed) {
    if ((flags & ~allowed) || f.rounded) d.fail(f.written->opcode + " of ." + type_name(t) + " has no such modifier");
}

// d, a[, b[, c]] of one type.
Inst &plain(Decoder &d, Form &f, const std::string &handler, Type type, int sources) {
    uint32_t to = d.destination(d.operand(f, 0), type_bytes(type)), in[3] = {0, 0, 0};
    for (int k = 0; k < sources; ++k) in[k] = d.source(d.operand(f, static_cast<size_t>(k) + 1), type);
    Inst &inst = d.emit(handler);
    inst.d = to;
    inst.a = in[0];
    inst.b = in[1];
    inst.c = in[2];
    return inst;
}

// Halves are rounded to nearest only, and f64 has no modifiers but for approximations.
void check_flags(Decoder &d, const std::string &name, Type type, uint16_t flags) {
    const bool bfloat = type == Type::bf16 || type == Type::bf16x2;
    if ((is_half(type) && (flags & kRoundMask)) || (bfloat && ((flags & kSat) || ((flags & kFtz) && name != "ex2"))) ||
        (type == Type::f64 && (flags & (kFtz | kSat)) && name != "rcp" && name != "rsqrt") ||
        ((flags & kRelu) && (name != "fma" || !is_half(type))))
        d.fail(name + " of ." + type_name(type) + " has no such modifier");
}

void float_op(Decoder &d, Form &f, const std::string &name, Type type, int sources, uint16_t flags) {
    check_flags(d, name, type, flags);
    std::string handler = name + "." + type_name(type);
    if (is_float(type) && type != Type::f64) {
        if (flags == kFtz)
            handler += ".ftz";
        else if (flags)
            handler += ".mod";
    } else if (type == Type::f64 && flags) {
        handler += ".mod";
    }
    plain(d, f, handler, type, sources).flags = flags;
}

// Two 16-bit integers in a register; min and max may have .relu, which s32 has too.
bool integer_pair(Decoder &d, Form &f, uint16_t flags) {
    const std::string &name = f.written->opcode;
    const bool pair = f.types.empty() && name != "sub";
    const int is_signed = pair ? f.take_one({"u16x2", "s16x2"}) : 1;
    const bool relu = flags & kRelu;
    if (is_signed < 0 || (!pair && !(relu && f.types.size() == 1 && f.types[0] == Type::s32))) return false;
    if ((flags & ~kRelu) || (relu && (name == "add" || !is_signed))) d.fail("this form has no such modifier");
    const std::string type = !pair ? "s32" : is_signed && name != "add" ? "s16x2" : "u16x2";
    const uint32_t zero = d.constant(0, 4);
    Inst &inst = plain(d, f, name + "." + type, Type::b32, 2);
    const uint32_t place = inst.d;
    if (!relu) return true;
    Inst &cut = d.emit("max." + type);
    cut.d = cut.a = place;
    cut.b = zero;
    return true;
}

void add_sub(Decoder &d, Form &f) {
    const std::string name = f.written->opcode;
    bool cc = f.take("cc");
    uint16_t flags = take_flags(f);
    if (mixed_precision(d, f, name.c_str(), flags) || float_pairs(d, f, name.c_str(), flags) ||
        integer_pair(d, f, flags))
        return;
    Type t = only_type(d, f);
    if (is_float(t) || is_half(t)) return cc ? d.fail(".cc is for integers") : float_op(d, f, name, t, 2, flags);
    whole_flags(d, f, t, flags, t == Type::s32 && !cc ? kSat : 0);
    if (cc) {
        uint32_t carry = d.carry_flag();
        Inst &inst = plain(d, f, name + "c." + unsigned_name(t), t, 2);
        inst.extra = carry;
        inst.sub = 2;
        return;
    }
    if (t == Type::u16 || t == Type::s16 || type_bytes(t) >= 4) {
        if (flags & kSat)
            plain(d, f, name + ".sat." + type_name(t), t, 2);
        else
            plain(d, f, name + "." + unsigned_name(t), t, 2);
        return;
    }
    d.fail("type is not known for " + name);
}

void with_carry(Decoder &d, Form &f) {
    uint32_t carry = d.carry_flag();
    bool cc = f.take("cc");
    Type t = only_type(d, f);
    Inst &inst = plain(d, f, f.written->opcode + "." + unsigned_name(t), t, 2);
    inst.extra = carry;
    inst.sub = cc ? 3 : 1;
}

// mad.cc and madc: a product, then an addition with carry.
void mad_carry(Decoder &d, Form &f, bool in, bool out) {
    uint32_t carry = d.carry_flag();
    int part = f.take_one({"lo", "hi"});
    Type t = only_type(d, f);
    uint32_t a = d.source(d.operand(f, 1), t), b = d.source(d.operand(f, 2), t), c = d.source(d.operand(f, 3), t);
    uint32_t to = d.destination(d.operand(f, 0), type_bytes(t)), product = d.temporary(type_bytes(t));
    Inst &mul = d.emit(part == 1 ? std::string("mul.hi.") + signed_or_unsigned_name(t)
                                 : std::string("mul.lo.") + unsigned_name(t));
    mul.d = product;
    mul.a = a;
    mul.b = b;
    Inst &add = d.emit(std::string("addc.") + unsigned_name(t));
    add.d = to;
    add.a = product;
    add.b = c;
    add.extra = carry;
    add.sub = static_cast<uint8_t>((in ? 1 : 0) | (out ? 2 : 0));
}

void mul_mad(Decoder &d, Form &f) {
    const std::string name = f.written->opcode;
    const bool mad = name == "mad" || name == "mad24", narrow = name == "mul24" || name == "mad24";
    const int sources = mad ? 3 : 2;
    if (mad && f.take("cc")) return mad_carry(d, f, false, true);
    uint16_t flags = take_flags(f);
    if (name == "mul" && float_pairs(d, f, "mul", flags)) return;
    Type t = only_type(d, f);
    if (is_float(t) || is_half(t)) return float_op(d, f, mad ? "fma" : name, t, sources, flags);
    int part = f.take_one({"lo", "hi", "wide"});
    if (part < 0) d.fail(name + " of integers needs .lo, .hi or .wide");
    whole_flags(d, f, t, flags, mad && part == 1 && t == Type::s32 ? kSat : 0);
    if (name == "mad24" && (flags & kSat)) { // the upper half, then a saturated sum
        const uint32_t c = d.source(d.operand(f, 3), t), product = d.temporary(4);
        Inst &mul = plain(d, f, "mul24.hi.s32", t, 2);
        const uint32_t to = mul.d;
        mul.d = product; // the result's register may be c
        Inst &sum = d.emit("add.sat.s32");
        sum.d = to;
        sum.a = product;
        sum.b = c;
    } else if (part == 0) {
        plain(d, f, name + ".lo." + (narrow ? signed_or_unsigned_name(t) : unsigned_name(t)), t, sources);
    } else if (part == 1) {
        plain(d, f, name + ".hi." + ((flags & kSat) ? "sat." : "") + signed_or_unsigned_name(t), t, sources);
    } else {
        uint32_t to = d.destination(d.operand(f, 0), 2 * type_bytes(t));
        uint32_t a = d.source(d.operand(f, 1), t), b = d.source(d.operand(f, 2), t), c = 0;
        if (mad) {
            Type wide = type_bytes(t) == 2 ? Type::b32 : Type::b64;
            c = d.source(d.operand(f, 3), wide);
        }
        Inst &inst = d.emit(name + ".wide." + signed_or_unsigned_name(t));
        inst.d = to;
        inst.a = a;
        inst.b = b;
        inst.c = c;
    }
}

void madc(Decoder &d, Form &f) {
    bool cc = f.take("cc");
    mad_carry(d, f, true, cc);
}

void fma(Decoder &d, Form &f) {
    uint16_t flags = take_flags(f);
    if (f.take("oob")) d.fail("fma.oob is not supported by the CPU device", Status::not_supported);
    if (mixed_precision(d, f, "fma", flags) || float_pairs(d, f, "fma", flags)) return;
    Type t = only_type(d, f);
    float_op(d, f, "fma", t, 3, flags);
}

// It multiplies by the reciprocal, which is zero of divisors above 2^126.
void approximate_quotient(Decoder &d, Form &f, uint16_t flags) {
    const uint32_t a = d.source(d.operand(f, 1), Type::f32), b = d.source(d.operand(f, 2), Type::f32);
    const uint32_t divisor = d.temporary(4), to = d.destination(d.operand(f, 0), 4);
    Inst &limit = d.emit("divisor.f32");
    limit.d = divisor;
    limit.a = b;
    Inst &inst = d.emit(flags & kFtz ? "div.f32.ftz" : "div.f32");
    inst.d = to;
    inst.a = a;
    inst.b = divisor;
    inst.flags = flags;
}

void div(Decoder &d, Form &f) {
    const int fast = f.take_one({"approx", "full"});
    const uint16_t flags = take_flags(f);
    const Type t = only_type(d, f);
    if (fast >= 0 && (t != Type::f32 || f.rounded)) d.fail(".approx and .full are for .f32, without a rounding");
    if (fast == 0) return approximate_quotient(d, f, flags);
    if (is_float(t)) return float_op(d, f, "div", t, 2, flags);
    whole_flags(d, f, t, flags, 0);
    plain(d, f, std::string("div.") + signed_or_unsigned_name(t), t, 2);
}

void rem(Decoder &d, Form &f) {
    Type t = only_type(d, f);
    plain(d, f, std::string("rem.") + signed_or_unsigned_name(t), t, 2);
}

void neg_abs(Decoder &d, Form &f) {
    const uint16_t flags = take_flags(f);
    const Type t = only_type(d, f);
    whole_flags(d, f, t, flags, t == Type::f32 || t == Type::f16 || t == Type::f16x2 ? kFtz : 0);
    plain(d, f, f.written->opcode + "." + type_name(t), t, 1).flags = flags;
}

void min_max(Decoder &d, Form &f) {
    uint16_t flags = take_flags(f);
    if (f.take("NaN")) flags |= kNan;
    if (f.take("xorsign")) flags |= kXorSign;
    if (f.take("abs")) flags |= kAbs;
    if (integer_pair(d, f, flags)) return;
    Type t = only_type(d, f);
    if (flags && !is_float(t) && !is_half(t)) d.fail("this form has no such modifier");
    const std::string type = type_bytes(t) && !is_float(t) && !is_half(t) ? signed_or_unsigned_name(t) : type_name(t);
    if (d.operands(f) == 4) { // three inputs
        if (t != Type::f32) d.fail("three inputs are of .f32");
        d.require(88, 100, f.written->opcode + " of three");
        uint32_t a = d.source(d.operand(f, 1), t), b = d.source(d.operand(f, 2), t), c = d.source(d.operand(f, 3), t);
        uint32_t to = d.destination(d.operand(f, 0), type_bytes(t)), temporary = d.temporary(type_bytes(t));
        for (int k = 0; k < 2; ++k) {
            Inst &inst = d.emit(f.written->opcode + "." + type);
            inst.d = k ? to : temporary;
            inst.a = k ? temporary : a;
            inst.b = k ? c : b;
            inst.flags = flags;
        }
        return;
    }
    plain(d, f, f.written->opcode + "." + type, t, 2).flags = flags;
}

void unary_float(Decoder &d, Form &f) { // rcp sqrt rsqrt ex2 lg2 sin cos tanh
    f.take("approx");
    const uint16_t flags = take_flags(f);
    const Type t = only_type(d, f);
    if (t == Type::f64 && (flags & kFtz)) { // rcp and rsqrt: of the upper half, and only that is the result
        const uint32_t to = d.destination(d.operand(f, 0), 8);
        uint32_t from = d.source(d.operand(f, 1), t);
        uint16_t rounded = 0;
        for (const std::string &step :
             {std::string("upper.f64"), f.written->opcode + ".f64", std::string("upper.f64")}) {
            Inst &inst = d.emit(step);
            inst.d = to;
            inst.a = from;
            inst.flags = std::exchange(rounded, step[0] == 'u' ? uint16_t(0) : uint16_t(1));
            from = to;
        }
        return;
    }
    float_op(d, f, f.written->opcode, t, 1, flags);
}

void copysign(Decoder &d, Form &f) {
    Type t = only_type(d, f);
    plain(d, f, std::string("copysign.") + type_name(t), t, 2);
}

void testp(Decoder &d, Form &f) {
    int what = f.take_one({"finite", "infinite", "number", "notanumber", "normal", "subnormal"});
    Type t = only_type(d, f);
    if (what < 0) d.fail("testp needs a property");
    uint32_t p = d.destination_predicate(d.operand(f, 0)), a = d.source(d.operand(f, 1), t);
    Inst &inst = d.emit(std::string("testp.") + type_name(t));
    inst.d = p;
    inst.a = a;
    inst.imm = static_cast<uint64_t>(what);
}

// --- comparison ---

const char *const kComparisons[] = {"eq", "ne",  "lt",  "le",  "gt",  "ge",  "lo",  "ls",  "hi",
                                    "hs", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"};

std::string take_comparison(Decoder &d, Form &f, Type t) {
    for (const char *name : kComparisons)
        if (f.take(name)) {
            std::string c = name, type = is_float(t) || is_half(t) ? type_name(t) : signed_or_unsigned_name(t);
            if (c == "lo") c = "lt";
            if (c == "ls") c = "le";
            if (c == "hi") c = "gt";
            if (c == "hs") c = "ge";
            return "setp." + c + "." + type;
        }
    d.fail(f.written->opcode + " needs a comparison");
}

void compare(Decoder &d, Form &f, Type t, uint32_t p, uint32_t q, size_t first) {
    const uint16_t flags = f.take("ftz") ? kFtz : 0;
    int combine = f.take_one({"and", "or", "xor"}) + 1;
    std::string handler = take_comparison(d, f, t);
    uint32_t a = d.source(d.operand(f, first), t), b = d.source(d.operand(f, first + 1), t), c = 0;
    bool negated = false;
    if (combine) c = d.predicate(d.operand(f, first + 2), negated);
    Inst &inst = d.emit(handler);
    inst.d = p;
    inst.a = a;
    inst.b = b;
    inst.c = c;
    inst.extra = q;
    inst.flags = static_cast<uint16_t>(flags | (negated ? kNegC : 0));
    inst.sub = static_cast<uint8_t>(combine | (q != kDiscard ? 4 : 0));
    if (p == kDiscard && inst.sub == 0) inst.sub = 8;
}

// setp and set of pairs: a predicate for the lower and one for the upper half.
void compare_halves(Decoder &d, Form &f, Type t, const uint32_t to[2]) {
    PairCompare c{1, {to[0], to[1]}, 0, 0, 0};
    c.flags = f.take("ftz") ? kFtz : 0;
    c.combine = static_cast<uint8_t>(f.take_one({"and", "or", "xor"}) + 1);
    std::string comparison = take_comparison(d, f, t);
    bool negated = false;
    if (c.combine) c.with = d.predicate(d.operand(f, 3), negated);
    if (negated) c.flags |= kNegC;
    compare_pairs(d, f, t, comparison.substr(0, comparison.rfind('.')), c);
}

void setp(Decoder &d, Form &f) {
    Type t = only_type(d, f);
    const auto &to = d.operand(f, 0);
    uint32_t p, q = kDiscard;
    if (to.kind == Kind::pair) {
        p = d.destination_predicate(to.parts[0]);
        q = d.destination_predicate(to.parts[1]);
    } else {
        p = d.destination_predicate(to);
    }
    const uint32_t both[2] = {p, q};
    if (t == Type::f16x2 || t == Type::bf16x2) return compare_halves(d, f, t, both);
    compare(d, f, t, p, q, 1);
}

void select(Decoder &d, uint32_t to, uint32_t a, uint32_t b, uint32_t p, bool negated, uint32_t bytes) {
    Inst &inst = d.emit(bytes == 8 ? "selp.u64" : bytes == 4 ? "selp.u32" : "selp.u16");
    inst.d = to;
    inst.a = a;
    inst.b = b;
    inst.c = p;
    inst.flags = negated ? kNegC : 0;
}

void set(Decoder &d, Form &f) { // a comparison, then all ones or 1.0
    if (f.types.size() != 2) d.fail("set takes two types");
    const Type t = f.types[0];
    if (f.types[1] == Type::f16x2 || f.types[1] == Type::bf16x2) {
        if (t != f.types[1] && t != Type::u32 && t != Type::s32) d.fail("set of pairs gives a pair, .u32 or .s32");
        const uint32_t both[2] = {d.temporary(2), d.temporary(2)};
        compare_halves(d, f, f.types[1], both);
        return select_pairs(d, d.destination(d.operand(f, 0), 4), both,
                            t == Type::f16x2    ? 0x3c00
                            : t == Type::bf16x2 ? 0x3f80
                                                : 0xffff);
    }
    uint32_t p = d.temporary(2);
    compare(d, f, f.types[1], p, kDiscard, 1);
    const uint32_t bytes = type_bytes(t);
    uint64_t one = t == Type::f32 ? 0x3f800000 : t == Type::f16 ? 0x3c00 : t == Type::bf16 ? 0x3f80 : ~0ull;
    uint32_t to = d.destination(d.operand(f, 0), bytes);
    select(d, to, d.constant(one, bytes), d.constant(0, bytes), p, false, bytes);
}

void selp(Decoder &d, Form &f) {
    Type t = only_type(d, f);
    uint32_t to = d.destination(d.operand(f, 0), type_bytes(t));
    uint32_t a = d.source(d.operand(f, 1), t), b = d.source(d.operand(f, 2), t);
    bool negated;
    uint32_t p = d.predicate(d.operand(f, 3), negated);
    select(d, to, a, b, p, negated, type_bytes(t));
}

void slct(Decoder &d, Form &f) { // c >= 0 ? a : b
    if (f.types.size() != 2) d.fail("slct takes two types");
    const Type t = f.types[0], ct = f.types[1];
    uint16_t flags = f.take("ftz") ? kFtz : 0;
    uint32_t to = d.destination(d.operand(f, 0), type_bytes(t)), p = d.temporary(2);
    uint32_t a = d.source(d.operand(f, 1), t), b = d.source(d.operand(f, 2), t), c = d.source(d.operand(f, 3), ct);
    uint32_t zero = d.constant(0, 4);
    Inst &inst = d.emit(ct == Type::f32 ? "setp.ge.f32" : "setp.ge.s32");
    inst.d = p;
    inst.a = c;
    inst.b = zero;
    inst.flags = flags;
    select(d, to, a, b, p, false, type_bytes(t));
}

const Opcode rows[] = {
    {"add", "u16 u32 u64 s16 s32 s64 u16x2 s16x2 f16 f16x2 bf16 bf16x2 f32 f32x2 f64", 1, 0, &add_sub},
    {"sub", "u16 u32 u64 s16 s32 s64 f16 f16x2 bf16 bf16x2 f32 f32x2 f64", 1, 0, &add_sub},
    {"addc", "u32 s32 u64 s64", 1, 2, &with_carry},
    {"subc", "u32 s32 u64 s64", 1, 2, &with_carry},
    {"mul", "u16 u32 u64 s16 s32 s64 f16 f16x2 bf16 bf16x2 f32 f32x2 f64", 1, 0, &mul_mad},
    {"mad", "u16 u32 u64 s16 s32 s64 f32 f64", 1, 0, &mul_mad},
    {"madc", "u32 s32 u64 s64", 3, 0, &madc},
    {"mul24", "u32 s32", 1, 0, &mul_mad},
    {"mad24", "u32 s32", 1, 0, &mul_mad},
    {"fma", "f16 f16x2 bf16 bf16x2 f32 f32x2 f64", 1, 4, &fma},
    {"div", "u16 u32 u64 s16 s32 s64 f32 f64", 1, 0, &div},
    {"rem", "u16 u32 u64 s16 s32 s64", 1, 0, &rem},
    {"neg", "s16 s32 s64 f16 f16x2 bf16 bf16x2 f32 f64", 1, 0, &neg_abs},
    {"abs", "s16 s32 s64 f16 f16x2 bf16 bf16x2 f32 f64", 1, 0, &neg_abs},
    {"min", "u16 u32 u64 s16 s32 s64 u16x2 s16x2 f16 f16x2 bf16 bf16x2 f32 f64", 1, 0, &min_max},
    {"max", "u16 u32 u64 s16 s32 s64 u16x2 s16x2 f16 f16x2 bf16 bf16x2 f32 f64", 1, 0, &min_max},
    {"rcp", "f32 f64", 1, 0, &unary_float},
    {"sqrt", "f32 f64", 1, 0, &unary_float},
    {"rsqrt", "f32 f64", 1, 0, &unary_float},
    {"ex2", "f16 f16x2 bf16 bf16x2 f32", 1, 0, &unary_float},
    {"lg2", "f32", 1, 0, &unary_float},
    {"sin", "f32", 1, 0, &unary_float},
    {"cos", "f32", 1, 0, &unary_float},
    {"tanh", "f16 f16x2 bf16 bf16x2 f32", 7, 0, &unary_float, 75},
    {"copysign", "f32 f64", 2, 0, &copysign, 20},
    {"testp", "f32 f64", 2, 0, &testp, 20},
    {"setp", "b16 b32 b64 u16 u32 u64 s16 s32 s64 f16 f16x2 bf16 bf16x2 f32 f64", 1, 0, &setp},
    {"set", "b16 b32 b64 u16 u32 u64 s16 s32 s64 f16 f16x2 bf16 bf16x2 f32 f64", 1, 0, &set},
    {"selp", "b16 b32 b64 u16 u32 u64 s16 s32 s64 f32 f64", 1, 0, &selp},
    {"slct", "b16 b32 b64 u16 u32 u64 s16 s32 s64 f32 f64", 1, 0, &slct},
};

} // namespace

OpcodeTable arithmetic_opcodes() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
