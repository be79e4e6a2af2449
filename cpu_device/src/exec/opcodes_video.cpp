// The opcode table: video instructions.
#include "video.hpp"
#include "decoder.hpp"

namespace cpu_device {
namespace {

using Kind = ptx::Operand::Kind;

// What the name says: "vabsdiff4" is absdiff of four.
VideoOp operation(const std::string &opcode, uint32_t &elements) {
    std::string name = opcode.substr(1);
    elements = 1;
    if (name.back() == '2' || name.back() == '4') {
        elements = static_cast<uint32_t>(name.back() - '0');
        name.pop_back();
    }
    static const std::unordered_map<std::string_view, VideoOp> names = {
        {"add", VideoOp::add}, {"sub", VideoOp::sub},  {"absdiff", VideoOp::absdiff}, {"min", VideoOp::min},
        {"max", VideoOp::max}, {"shl", VideoOp::shl},  {"shr", VideoOp::shr},         {"mad", VideoOp::mad},
        {"set", VideoOp::eq},  {"avrg", VideoOp::avrg}};
    return names.at(name);
}

VideoOp take_comparison(Decoder &d, Form &f) {
    static const VideoOp all[] = {VideoOp::eq, VideoOp::ne, VideoOp::lt, VideoOp::le, VideoOp::gt, VideoOp::ge};
    const int k = f.take_one({"eq", "ne", "lt", "le", "gt", "ge"});
    if (k < 0) d.fail(f.written->opcode + " needs a comparison");
    return all[k];
}

uint8_t signs(Decoder &d, const Form &f, bool compares) {
    const size_t n = compares ? 2 : 3;
    if (f.types.size() != n) d.fail(f.written->opcode + " takes " + std::to_string(n) + " types");
    uint8_t r = 0;
    for (size_t k = 0; k < n; ++k) {
        if (f.types[k] != Type::u32 && f.types[k] != Type::s32) d.fail("the types are .u32 and .s32");
        if (f.types[k] == Type::s32) r |= static_cast<uint8_t>(1 << (k + 3 - n));
    }
    return r;
}

// A register without its part and sign.
uint32_t value(Decoder &d, ptx::Operand op) {
    op.selector.clear();
    op.negated = false;
    return d.source(op, Type::b32);
}
uint32_t result(Decoder &d, ptx::Operand op) {
    op.selector.clear();
    return d.destination(op, 4);
}

uint8_t scalar_part(Decoder &d, const ptx::Operand &op) {
    if (op.member == 0 && op.selector.empty()) return 0;
    static const char *const names[] = {"b0", "b1", "b2", "b3", "h0", "h1"};
    for (uint8_t k = 0; k < 6; ++k)
        if (op.selector == names[k]) return static_cast<uint8_t>(k + 1);
    d.fail("a part of a register is .b0 to .b3, .h0 or .h1");
}

// Elements by number, 4 bits each; the digits are written from the highest element down.
uint16_t simd_parts(Decoder &d, const ptx::Operand &op, uint32_t n, uint32_t first) {
    uint16_t r = 0;
    if (op.selector.empty()) {
        for (uint32_t k = 0; k < n; ++k) r |= static_cast<uint16_t>((first + k) << 4 * k);
        return r;
    }
    if (op.selector.size() != n + 1 || op.selector[0] != (n == 2 ? 'h' : 'b'))
        d.fail("the elements are written " + std::string(n == 2 ? ".h10" : ".b3210"));
    for (uint32_t k = 0; k < n; ++k) {
        const uint32_t which = static_cast<uint32_t>(op.selector[n - k] - '0');
        if (which >= 2 * n) d.fail("the operands have " + std::to_string(2 * n) + " elements");
        r |= static_cast<uint16_t>(which << 4 * k);
    }
    return r;
}

uint8_t simd_mask(Decoder &d, const ptx::Operand &op, uint32_t n) {
    if (op.selector.empty()) return static_cast<uint8_t>((1 << n) - 1);
    uint8_t r = 0;
    int last = static_cast<int>(n);
    for (size_t k = 1; k < op.selector.size(); ++k) {
        const int which = op.selector[k] - '0';
        if (which >= last) d.fail("a mask names elements from the highest down");
        r |= static_cast<uint8_t>(1 << which);
        last = which;
    }
    if (op.selector[0] != (n == 2 ? 'h' : 'b')) d.fail("the mask is of " + std::string(n == 2 ? "halves" : "bytes"));
    return r;
}

void emit(Decoder &d, Form &f, const char *handler, const Video &v, bool has_c, uint16_t flags, uint8_t sub) {
    const uint32_t a = value(d, d.operand(f, 1)), b = value(d, d.operand(f, 2)),
                   c = has_c ? value(d, d.operand(f, 3)) : d.constant(0, 4), to = result(d, d.operand(f, 0));
    Inst &inst = d.emit(handler);
    inst.d = to;
    inst.a = a;
    inst.b = b;
    inst.c = c;
    inst.imm = bits<u64>(v);
    inst.flags = flags;
    inst.sub = sub;
}

void scalar(Decoder &d, Form &f) { // vadd vsub vabsdiff vmin vmax vshl vshr vset
    uint32_t n;
    Video v{};
    v.op = operation(f.written->opcode, n);
    const bool compares = v.op == VideoOp::eq, shifts = v.op == VideoOp::shl || v.op == VideoOp::shr;
    v.signs = signs(d, f, compares);
    if (compares) v.op = take_comparison(d, f);
    if (shifts) {
        if (v.signs & kSignedB) d.fail("a shift's amount is .u32");
        const int mode = f.take_one({"wrap", "clamp"});
        if (mode < 0) d.fail(f.written->opcode + " needs .clamp or .wrap");
        if (mode) v.signs |= kClampShift;
    }
    const uint16_t flags = !compares && f.take("sat") ? kSat : 0;
    const int second = f.take_one({"add", "min", "max"});
    v.to = scalar_part(d, d.operand(f, 0));
    if (second >= 0 && v.to) d.fail("a result is merged or has a second operation, not both");
    v.second = second >= 0 ? static_cast<VideoSecond>(second + 1) : v.to ? VideoSecond::merge : VideoSecond::none;
    v.a = scalar_part(d, d.operand(f, 1));
    v.b = scalar_part(d, d.operand(f, 2));
    emit(d, f, "video", v, v.second != VideoSecond::none, flags, 0);
}

void mad(Decoder &d, Form &f) {
    Video v{};
    v.op = VideoOp::mad;
    v.signs = signs(d, f, false);
    const auto &a = d.operand(f, 1), &b = d.operand(f, 2), &c = d.operand(f, 3);
    v.a = scalar_part(d, a);
    v.b = scalar_part(d, b);
    if (a.negated != b.negated) v.signs |= kNegatedProduct;
    if (c.negated) v.signs |= kNegatedAddend;
    if ((v.signs & kNegatedProduct) && c.negated) d.fail("the product or the addend is negated, not both");
    if (f.take("po")) {
        if (a.negated || b.negated || c.negated) d.fail("nothing is negated with .po");
        v.signs |= kPlusOne;
    }
    const uint16_t flags = f.take("sat") ? kSat : 0;
    const int scale = f.take_one({"shr7", "shr15"});
    emit(d, f, "video.mad", v, true, flags, scale < 0 ? 0 : scale ? 15 : 7);
}

void simd(Decoder &d, Form &f) {
    uint32_t n;
    Video v{};
    v.op = operation(f.written->opcode, n);
    const bool compares = v.op == VideoOp::eq;
    v.signs = signs(d, f, compares);
    if (compares) v.op = take_comparison(d, f);
    const uint16_t flags = !compares && f.take("sat") ? kSat : 0;
    const bool sums = f.take("add");
    if (sums && flags) d.fail(".sat and .add exclude each other");
    v.second = sums ? VideoSecond::add : VideoSecond::merge;
    v.to = simd_mask(d, d.operand(f, 0), n);
    v.a = simd_parts(d, d.operand(f, 1), n, 0);
    v.b = simd_parts(d, d.operand(f, 2), n, n);
    emit(d, f, "video.simd", v, true, flags, static_cast<uint8_t>(n));
}

const Opcode rows[] = {
    {"vadd", "u32 s32", 2, 0, &scalar, 20},     {"vsub", "u32 s32", 2, 0, &scalar, 20},
    {"vabsdiff", "u32 s32", 2, 0, &scalar, 20}, {"vmin", "u32 s32", 2, 0, &scalar, 20},
    {"vmax", "u32 s32", 2, 0, &scalar, 20},     {"vshl", "u32 s32", 2, 0, &scalar, 20},
    {"vshr", "u32 s32", 2, 0, &scalar, 20},     {"vset", "u32 s32", 2, 0, &scalar, 20},
    {"vmad", "u32 s32", 2, 0, &mad, 20},        {"vadd2", "u32 s32", 3, 0, &simd, 30},
    {"vsub2", "u32 s32", 3, 0, &simd, 30},      {"vavrg2", "u32 s32", 3, 0, &simd, 30},
    {"vabsdiff2", "u32 s32", 3, 0, &simd, 30},  {"vmin2", "u32 s32", 3, 0, &simd, 30},
    {"vmax2", "u32 s32", 3, 0, &simd, 30},      {"vset2", "u32 s32", 3, 0, &simd, 30},
    {"vadd4", "u32 s32", 3, 0, &simd, 30},      {"vsub4", "u32 s32", 3, 0, &simd, 30},
    {"vavrg4", "u32 s32", 3, 0, &simd, 30},     {"vabsdiff4", "u32 s32", 3, 0, &simd, 30},
    {"vmin4", "u32 s32", 3, 0, &simd, 30},      {"vmax4", "u32 s32", 3, 0, &simd, 30},
    {"vset4", "u32 s32", 3, 0, &simd, 30},
};

} // namespace

OpcodeTable video_opcodes() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
