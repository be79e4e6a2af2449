// The opcode table: instructions on pairs that are made of others, cvt to and from small formats.
#include "pairs.hpp"

namespace cpu_device {
namespace {

// In the order of minifloat_ops.cpp.
const char *const kSmall[] = {"e4m3x2", "e5m2x2", "e2m1x2", "e2m3x2", "e3m2x2"};

int small_format(const std::string &word) {
    for (int k = 0; k < 5; ++k)
        if (word == kSmall[k]) return k;
    return -1;
}

bool is_type(const std::string &word) {
    return ptx::type_of(word) != Type::unknown || small_format(word) >= 0 || word == "ue8m0x2";
}

uint16_t rounding(Decoder &d, Form &f, std::initializer_list<std::string_view> allowed) {
    static const std::string_view all[] = {"rn", "rz", "rm", "rp"};
    for (std::string_view word : allowed)
        if (f.take(word))
            for (uint16_t k = 0; k < 4; ++k)
                if (all[k] == word) return k;
    d.fail("this cvt needs " + std::string(allowed.size() == 1 ? ".rn" : ".rz or .rp"));
}

Inst &pair_source(Decoder &d, Form &f, const char *handler, bool floats, uint32_t bytes) {
    uint32_t a, b = 0;
    a = d.source(d.operand(f, 1), floats ? Type::f32 : bytes == 4 ? Type::b16 : Type::b32);
    if (floats) b = d.source(d.operand(f, 2), Type::f32);
    const uint32_t to = d.destination(d.operand(f, 0), bytes);
    Inst &inst = d.emit(handler);
    inst.d = to;
    inst.a = a;
    inst.b = b;
    return inst;
}

void to_small(Decoder &d, Form &f, int format, const std::string &from) {
    uint16_t flags = rounding(d, f, {"rn"});
    if (!f.take("satfinite")) d.fail("this cvt needs .satfinite");
    if (f.take("relu")) flags |= kRelu;
    const bool floats = from == "f32";
    if (!floats && (from != "f16x2" || format > 1)) d.fail("there is no cvt between these types");
    Inst &inst = pair_source(d, f, floats ? "cvt.mini.f32x2" : "cvt.mini.f16x2", floats, format == 2 ? 1 : 2);
    inst.flags = flags;
    inst.imm = static_cast<uint64_t>(format);
}

void from_small(Decoder &d, Form &f, int format, const std::string &to) {
    rounding(d, f, {"rn"});
    if (to != "f16x2") d.fail("there is no cvt between these types");
    const uint16_t flags = f.take("relu") ? kRelu : 0;
    Inst &inst = pair_source(d, f, "cvt.f16x2.mini", false, 4);
    inst.flags = flags;
    inst.imm = static_cast<uint64_t>(format);
    inst.sub = format == 2 ? 4 : 8;
}

void exponents(Decoder &d, Form &f, const std::string &to, const std::string &from) {
    if (to == "ue8m0x2") {
        uint16_t flags = rounding(d, f, {"rz", "rp"});
        if (f.take("satfinite")) flags |= kSatFinite;
        if (from != "f32" && from != "bf16x2") d.fail("there is no cvt between these types");
        pair_source(d, f, from == "f32" ? "cvt.ue8m0x2.f32x2" : "cvt.ue8m0x2.bf16x2", from == "f32", 2).flags = flags;
        return;
    }
    rounding(d, f, {"rn"});
    if (to != "bf16x2") d.fail("there is no cvt between these types");
    pair_source(d, f, "cvt.bf16x2.ue8m0x2", false, 4);
}

void cvt_pack(Decoder &d, Form &f) {
    f.take("sat");
    std::vector<std::string> words;
    for (const std::string &m : f.written->modifiers)
        if (m != "pack" && m != "sat") words.push_back(m);
    static const char *const names[] = {"u2", "s2", "u4", "s4", "u8", "s8", "u16", "s16"};
    uint8_t size = 0;
    for (int k = 0; k < 8; ++k)
        if (!words.empty() && words[0] == names[k]) size = static_cast<uint8_t>(2 << k / 2);
    const bool third = size != 16;
    if (!size || words.size() != (third ? 3 : 2) || words[1] != "s32" || (third && words[2] != "b32"))
        d.fail("cvt.pack takes .u16 or .s16 and .s32, or a smaller type, .s32 and .b32");
    f.modifiers.clear();
    const uint32_t a = d.source(d.operand(f, 1), Type::s32), b = d.source(d.operand(f, 2), Type::s32);
    const uint32_t c = third ? d.source(d.operand(f, 3), Type::b32) : 0, to = d.destination(d.operand(f, 0), 4);
    Inst &inst = d.emit("cvt.pack");
    inst.d = to;
    inst.a = a;
    inst.b = b;
    inst.c = c;
    inst.sub = size;
    inst.imm = words[0][0] == 's';
}

// The f32 of a register of f16 or bf16.
uint32_t widened(Decoder &d, const ptx::Operand &op, Type type) {
    const uint32_t a = d.source(op, type), t = d.temporary(4);
    Inst &inst = d.emit(type == Type::f16 ? "cvt.f32.f16" : "cvt.f32.bf16");
    inst.d = t;
    inst.a = a;
    return t;
}

// Two registers with the halves of one.
void split(Decoder &d, uint32_t from, uint32_t bytes, uint32_t out[2]) {
    out[0] = d.temporary(bytes / 2);
    out[1] = d.temporary(bytes / 2);
    const uint32_t list = d.list({out[0], out[1]});
    Inst &inst = d.emit(bytes == 8 ? "unpack.u64.u32" : "unpack.u32.u16");
    inst.a = from;
    inst.extra = list;
    inst.count = 2;
}

void join(Decoder &d, uint32_t to, uint32_t bytes, const uint32_t in[2]) {
    const uint32_t list = d.list({in[0], in[1]});
    Inst &inst = d.emit(bytes == 8 ? "pack.u64.u32" : "pack.u32.u16");
    inst.d = to;
    inst.extra = list;
    inst.count = 2;
}

Inst &three(Decoder &d, const std::string &handler, uint32_t to, uint32_t a, uint32_t b, uint32_t c, uint16_t flags) {
    Inst &inst = d.emit(handler);
    inst.d = to;
    inst.a = a;
    inst.b = b;
    inst.c = c;
    inst.flags = flags;
    return inst;
}

std::string float_handler(const std::string &name, uint16_t flags) {
    return name + ".f32" + (flags == kFtz ? ".ftz" : flags ? ".mod" : "");
}

} // namespace

bool convert_small(Decoder &d, Form &f) {
    if (f.take("pack")) return cvt_pack(d, f), true;
    std::vector<std::string> types;
    bool small = false;
    for (const std::string &m : f.written->modifiers)
        if (is_type(m)) {
            types.push_back(m);
            small = small || small_format(m) >= 0 || m == "ue8m0x2";
        }
    if (!small) return false;
    if (types.size() != 2) d.fail("cvt takes two types");
    for (const std::string &t : types) f.take(t);
    const int to = small_format(types[0]), from = small_format(types[1]);
    if (types[0] == "ue8m0x2" || types[1] == "ue8m0x2")
        exponents(d, f, types[0], types[1]);
    else if (to >= 0 && from < 0)
        to_small(d, f, to, types[1]);
    else if (from >= 0 && to < 0)
        from_small(d, f, from, types[0]);
    else
        d.fail("there is no cvt between these types");
    return true;
}

bool mixed_precision(Decoder &d, Form &f, const char *operation, uint16_t flags) {
    if (f.types.size() != 2 || f.types[0] != Type::f32 || (f.types[1] != Type::f16 && f.types[1] != Type::bf16))
        return false;
    if (flags & (kFtz | kRelu)) d.fail("this form takes a rounding and .sat only");
    const bool fma = std::string_view(operation) == "fma";
    const uint32_t a = widened(d, d.operand(f, 1), f.types[1]);
    const uint32_t b = fma ? widened(d, d.operand(f, 2), f.types[1]) : d.source(d.operand(f, 2), Type::f32);
    const uint32_t c = fma ? d.source(d.operand(f, 3), Type::f32) : 0;
    three(d, float_handler(operation, flags), d.destination(d.operand(f, 0), 4), a, b, c, flags);
    return true;
}

bool float_pairs(Decoder &d, Form &f, const char *operation, uint16_t flags) {
    if (!f.take("f32x2")) return false;
    if (!f.types.empty() || (flags & (kSat | kRelu))) d.fail("this form takes a rounding and .ftz only");
    const int sources = std::string_view(operation) == "fma" ? 3 : 2;
    uint32_t in[3][2] = {}, out[2] = {d.temporary(4), d.temporary(4)};
    for (int k = 0; k < sources; ++k) split(d, d.source(d.operand(f, static_cast<size_t>(k) + 1), Type::b64), 8, in[k]);
    const uint32_t to = d.destination(d.operand(f, 0), 8);
    for (int k = 0; k < 2; ++k) three(d, float_handler(operation, flags), out[k], in[0][k], in[1][k], in[2][k], flags);
    join(d, to, 8, out);
    return true;
}

bool compare_pairs(Decoder &d, Form &f, Type type, const std::string &comparison, const PairCompare &c) {
    if (type != Type::f16x2 && type != Type::bf16x2) return false;
    uint32_t a[2], b[2];
    split(d, d.source(d.operand(f, c.first), Type::b32), 4, a);
    split(d, d.source(d.operand(f, c.first + 1), Type::b32), 4, b);
    for (int k = 0; k < 2; ++k) {
        if (c.to[k] == kDiscard) continue;
        Inst &inst =
            three(d, comparison + (type == Type::f16x2 ? ".f16" : ".bf16"), c.to[k], a[k], b[k], c.with, c.flags);
        inst.sub = c.combine;
        inst.extra = kDiscard;
    }
    return true;
}

void select_pairs(Decoder &d, uint32_t to, const uint32_t p[2], uint64_t one) {
    uint32_t out[2] = {d.temporary(2), d.temporary(2)};
    for (int k = 0; k < 2; ++k) {
        const uint32_t yes = d.constant(one, 2), no = d.constant(0, 2);
        three(d, "selp.u16", out[k], yes, no, p[k], 0);
    }
    join(d, to, 4, out);
}

} // namespace cpu_device
