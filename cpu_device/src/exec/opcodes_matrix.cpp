// The opcode table: matrices of a warp.  mma, wmma, ldmatrix, stmatrix, movmatrix; which shapes of which types there are, since when.
#include "matrix.hpp"
#include "opcodes_memory.hpp"

#include <algorithm>
#include <cstdio>

namespace cpu_device {
namespace {

using Kind = ptx::Operand::Kind;
using ptx::Space;

struct ElementName {
    const char *name;
    Element element;
};
const ElementName kElements[] = {
    {"f16", Element::f16},   {"bf16", Element::bf16}, {"tf32", Element::tf32}, {"e4m3", Element::e4m3},
    {"e5m2", Element::e5m2}, {"f64", Element::f64},   {"s8", Element::s8},     {"u8", Element::u8},
    {"s4", Element::s4},     {"u4", Element::u4},     {"b1", Element::b1},     {"f32", Element::f32},
    {"s32", Element::s32},
};
const char *name_of(Element e) {
    for (const ElementName &n : kElements)
        if (n.element == e) return n.name;
    return "?";
}

// The modifiers of a matrix instruction, sorted.
struct Written {
    uint32_t m = 0, n = 0, k = 0;
    std::vector<Element> elements;
    std::vector<bool> columns; // .col of each layout
    std::vector<std::string> words;

    bool take(std::string_view word) {
        auto found = std::find(words.begin(), words.end(), word);
        if (found == words.end()) return false;
        words.erase(found);
        return true;
    }
};

Written read(Decoder &d, Form &f) {
    Written w;
    f.modifiers.clear();
    f.types.clear();
    for (const std::string &word : f.written->modifiers) {
        auto element = std::find_if(std::begin(kElements), std::end(kElements),
                                    [&](const ElementName &n) { return word == n.name; });
        char end;
        uint32_t m = 0, n = 0, k = 0;
        if (element != std::end(kElements))
            w.elements.push_back(element->element);
        else if (word == "row" || word == "col")
            w.columns.push_back(word == "col");
        else if (std::sscanf(word.c_str(), "m%un%uk%u%c", &m, &n, &k, &end) == 3)
            w.m = m, w.n = n, w.k = k;
        else
            w.words.push_back(word);
    }
    for (const char *refused :
         {"sp", "sp::ordered_metadata", "block_scale", "kind::f8f6f4", "kind::mxf8f6f4", "kind::mxf4", "kind::mxf4nvf4",
          "m16n16", "m8n16", "m16n8", "b8", "e3m2", "e2m3", "e2m1"})
        if (std::find(w.words.begin(), w.words.end(), refused) != w.words.end())
            d.fail(f.written->opcode + " with ." + refused + " is not supported by the CPU device",
                   Status::not_supported);
    if (!w.take("sync")) d.fail(f.written->opcode + " needs .sync");
    if (!w.take("aligned") && !d.older_than(63)) d.fail(f.written->opcode + " needs .aligned");
    return w;
}

void finish(Decoder &d, Form &f, const Written &w) {
    if (!w.words.empty()) d.fail("modifier ." + w.words[0] + " is not known for " + f.written->opcode);
}

using Shape = MatrixShape;
const Shape kMma[] = {
    {8, 8, 4, "f16", "f16 f32", 64, 70},      {16, 8, 8, "f16", "f16 f32", 65, 75},
    {16, 8, 16, "f16", "f16 f32", 70, 80},    {16, 8, 8, "bf16", "f32", 70, 80},
    {16, 8, 16, "bf16", "f32", 70, 80},       {16, 8, 4, "tf32", "f32", 70, 80},
    {16, 8, 8, "tf32", "f32", 70, 80},        {16, 8, 16, "e4m3 e5m2", "f16 f32", 87, 89},
    {16, 8, 32, "e4m3 e5m2", "f32", 84, 89},  {16, 8, 32, "e4m3 e5m2", "f16", 87, 89},
    {8, 8, 4, "f64", "f64", 70, 80},          {16, 8, 4, "f64", "f64", 78, 90},
    {16, 8, 8, "f64", "f64", 78, 90},         {16, 8, 16, "f64", "f64", 78, 90},
    {8, 8, 16, "s8 u8", "s32", 65, 75},       {16, 8, 16, "s8 u8", "s32", 70, 80},
    {16, 8, 32, "s8 u8", "s32", 70, 80},      {8, 8, 32, "s4 u4", "s32", 65, 75},
    {16, 8, 32, "s4 u4", "s32", 70, 80},      {16, 8, 64, "s4 u4", "s32", 70, 80},
    {8, 8, 128, "b1", "s32", 70, 75, "xor"},  {16, 8, 128, "b1", "s32", 70, 80, "xor"},
    {16, 8, 256, "b1", "s32", 70, 80, "xor"}, {8, 8, 128, "b1", "s32", 71, 80, "and"},
    {16, 8, 128, "b1", "s32", 71, 80, "and"}, {16, 8, 256, "b1", "s32", 71, 80, "and"},
};
const Shape kWmma[] = {
    {16, 16, 16, "f16", "f16 f32", 60, 70},  {32, 8, 16, "f16", "f16 f32", 61, 70},
    {8, 32, 16, "f16", "f16 f32", 61, 70},   {16, 16, 16, "bf16", "f32", 70, 80},
    {32, 8, 16, "bf16", "f32", 70, 80},      {8, 32, 16, "bf16", "f32", 70, 80},
    {16, 16, 16, "s8 u8", "s32", 63, 72},    {32, 8, 16, "s8 u8", "s32", 63, 72},
    {8, 32, 16, "s8 u8", "s32", 63, 72},     {16, 16, 8, "tf32", "f32", 70, 80},
    {8, 8, 4, "f64", "f64", 70, 80},         {8, 8, 32, "s4 u4", "s32", 63, 75},
    {8, 8, 128, "b1", "s32", 63, 75, "xor"}, {8, 8, 128, "b1", "s32", 71, 80, "and"},
};

bool among(const char *list, Element e) {
    const std::string all = std::string(" ") + list + " ";
    return all.find(std::string(" ") + name_of(e) + " ") != std::string::npos;
}

std::string shape_name(const Written &w) {
    return ".m" + std::to_string(w.m) + "n" + std::to_string(w.n) + "k" + std::to_string(w.k);
}

// The row of the table for a product; fails where there is none, or the module is too old for it.
template <size_t count> void check(Decoder &d, const Shape (&table)[count], const Written &w, const Product &p) {
    for (const Shape &s : table) {
        if (s.m != w.m || s.n != w.n || s.k != w.k || !among(s.inputs, p.a) || !among(s.inputs, p.b)) continue;
        if (!among(s.sums, p.c) || !among(s.sums, p.d)) continue;
        const bool is_xor = std::find(w.words.begin(), w.words.end(), "xor") != w.words.end();
        if (s.word && (std::string_view(s.word) == "xor") != is_xor) continue;
        return d.require(s.ptx, s.target, shape_name(w) + " of ." + name_of(p.a));
    }
    d.fail("there is no product " + shape_name(w) + " of ." + name_of(p.a) + " and ." + name_of(p.b) + " with ." +
           name_of(p.c) + " accumulators");
}

// A list of registers; each as wide as the fragment's words.
uint32_t registers(Decoder &d, const ptx::Operand &op, Element e, uint32_t count, bool write) {
    if (op.kind != Kind::list) d.fail("a list of registers in braces is wanted");
    const std::vector<ptx::Operand> &parts = op.parts;
    if (parts.size() != count)
        d.fail("this fragment has " + std::to_string(count) + " registers, not " + std::to_string(parts.size()));
    const Type type = e == Element::f64 ? Type::f64 : e == Element::f32 ? Type::f32 : Type::b32;
    std::vector<uint32_t> places;
    for (const ptx::Operand &part : parts)
        places.push_back(write ? d.destination(part, word_bytes(e)) : d.source(part, type));
    return d.list(places);
}

struct Counts {
    uint32_t d, a, b, c;
};

void product(Decoder &d, Form &f, const Written &w, const Product &p, const Counts &n, bool quads) {
    const uint32_t a = registers(d, d.operand(f, 1), p.a, n.a, false),
                   b = registers(d, d.operand(f, 2), p.b, n.b, false),
                   c = registers(d, d.operand(f, 3), p.c, n.c, false),
                   to = registers(d, d.operand(f, 0), p.d, n.d, true);
    const bool integer = p.d == Element::s32, bit = p.a == Element::b1;
    Inst &inst = d.emit(quads                 ? "product.quad"
                        : bit                 ? "product.bit"
                        : integer             ? "product.integer"
                        : p.a == Element::f64 ? "product.double"
                                              : "product.float");
    inst.d = to;
    inst.a = a;
    inst.b = b;
    inst.c = c;
    inst.imm = bits<u64>(p);
    if (quads) inst.sub = static_cast<uint8_t>(w.columns[0] | w.columns[1] << 1);
}

Product product_of(const Written &w) {
    const std::vector<Element> &e = w.elements;
    Product p{uint8_t(w.m), uint8_t(w.n), uint16_t(w.k), Element::f16, Element::f16, e[e.size() - 1], e[0]};
    if (e.size() == 4) p.a = e[1], p.b = e[2];
    return p;
}

uint16_t arithmetic_flags(Decoder &d, Written &w, const Product &p) {
    uint16_t flags = 0;
    if (w.take("satfinite")) {
        if (p.d != Element::s32 || p.a == Element::b1) d.fail(".satfinite is for sums of integers");
        flags |= kSatFinite;
    }
    int k = 0;
    for (const char *r : {"rn", "rz", "rm", "rp"}) {
        if (w.take(r)) {
            if (p.d != Element::f64) d.fail("a rounding is for f64");
            flags |= static_cast<uint16_t>(k);
        }
        ++k;
    }
    return flags;
}

bool take_popc(Decoder &d, Written &w, const Product &p) { // whether it is .and.popc
    const bool is_and = w.take("and"), is_xor = w.take("xor");
    if ((is_and || is_xor) != (p.a == Element::b1) || (is_and || is_xor) != w.take("popc"))
        d.fail("products of single bits, and only they, need .xor.popc or .and.popc");
    return is_and;
}

void mma(Decoder &d, Form &f) {
    Written w = read(d, f);
    if (w.elements.size() != 4) d.fail("mma needs four types");
    if (w.columns.size() != 2) d.fail("mma needs two layouts");
    const Product p = product_of(w);
    check(d, kMma, w, p);
    const bool quads = w.m == 8 && p.a == Element::f16;
    if (!quads && (w.columns[0] || !w.columns[1])) d.fail("mma of this shape needs .row.col");
    const bool is_and = take_popc(d, w, p);
    const uint16_t flags = arithmetic_flags(d, w, p);
    finish(d, f, w);
    if (p.c != p.d && !quads) d.fail("the accumulators' types differ");
    if (quads && p.c == Element::f32 && p.d == Element::f16) d.fail("the result cannot be narrower than C");
    Counts n{p.result().registers(), p.left().registers(), p.right().registers(), p.addend().registers()};
    if (quads) n = {p.d == Element::f16 ? 4u : 8u, 2, 2, p.c == Element::f16 ? 4u : 8u};
    product(d, f, w, p, n, quads);
    Inst &inst = d.code().insts.back();
    inst.flags = flags;
    if (is_and) inst.sub = 1;
}

// wmma's f16 multiplicands have 8 registers in all shapes.
uint32_t wmma_registers(const Fragment &f) {
    return f.element == Element::f16 && !f.accumulator ? 8 : f.registers();
}

void wmma_mma(Decoder &d, Form &f, Written &w) {
    if (w.elements.size() != 2 && w.elements.size() != 4) d.fail("wmma.mma needs two or four types");
    if (w.columns.size() != 2) d.fail("wmma.mma needs two layouts");
    const Product p = product_of(w);
    check(d, kWmma, w, p);
    if ((element_bits(p.a) < 8) && (w.columns[0] || !w.columns[1])) d.fail("wmma of this type needs .row.col");
    const bool is_and = take_popc(d, w, p);
    const uint16_t flags = arithmetic_flags(d, w, p);
    finish(d, f, w);
    product(d, f, w, p,
            {p.result().registers(), wmma_registers(p.left()), wmma_registers(p.right()), p.addend().registers()},
            false);
    Inst &inst = d.code().insts.back();
    inst.flags = flags;
    if (is_and) inst.sub = 1;
}

Space take_space(Written &w) {
    if (w.take("global")) return Space::global;
    if (w.take("shared") || w.take("shared::cta")) return Space::shared;
    return Space::generic;
}

void wmma_transfer(Decoder &d, Form &f, Written &w, bool load) {
    const bool is_a = w.take("a"), is_b = w.take("b"), is_c = w.take(load ? "c" : "d");
    const Space space = take_space(w);
    if (is_a + is_b + is_c != 1 || w.elements.size() != 1 || w.columns.size() != 1)
        d.fail("wmma.load and wmma.store need a matrix, a layout and a type");
    const Element e = w.elements[0];
    Product p{uint8_t(w.m), uint8_t(w.n), uint16_t(w.k), e, e, e, e};
    const Shape *shape = nullptr;
    for (const Shape &s : kWmma)
        if (!shape && s.m == w.m && s.n == w.n && s.k == w.k && among(is_c ? s.sums : s.inputs, e)) shape = &s;
    if (!shape) d.fail("there is no such fragment " + shape_name(w) + " of ." + name_of(e));
    d.require(shape->ptx, shape->target, shape_name(w) + " of ." + name_of(e));
    finish(d, f, w);
    const Fragment fragment = is_a ? p.left() : is_b ? p.right() : p.addend();
    const bool transposed = w.columns[0] != is_b; // B lies with its columns as rows
    if (transposed && element_bits(e) < 8) d.fail("this type needs a row-major A and a column-major B");
    const uint32_t n = is_c ? fragment.registers() : wmma_registers(fragment);
    const size_t at = load ? 1 : 0;
    const uint32_t address = whole_address(d, d.operand(f, at), space);
    const uint32_t minimum = transposed ? fragment.rows : fragment.columns;
    const uint32_t stride = d.operands(f) > 2 ? d.source(d.operand(f, 2), Type::b32) : d.constant(minimum, 4);
    const uint32_t list = registers(d, d.operand(f, 1 - at), e, n, load);
    Inst &inst = d.emit(load ? "wmma.load" : "wmma.store");
    inst.a = address;
    inst.c = stride;
    inst.extra = list;
    inst.imm =
        bits<u64>(Transfer{uint8_t(fragment.rows), e, uint16_t(fragment.columns), is_c, transposed, uint8_t(n), 0});
}

void wmma(Decoder &d, Form &f) {
    Written w = read(d, f);
    if (w.take("mma")) return wmma_mma(d, f, w);
    if (w.take("load")) return wmma_transfer(d, f, w, true);
    if (w.take("store")) return wmma_transfer(d, f, w, false);
    d.fail("wmma needs .load, .store or .mma");
}

void matrix_rows(Decoder &d, Form &f, bool load) { // ldmatrix, stmatrix
    Written w = read(d, f);
    const bool transposed = w.take("trans");
    const Space space = take_space(w);
    uint32_t count = 0;
    for (uint32_t n : {1u, 2u, 4u})
        if (w.take("x" + std::to_string(n))) count = n;
    if (!w.take("m8n8") || !count || !w.take("b16"))
        d.fail(f.written->opcode + " needs .m8n8, .x1 .x2 or .x4, and .b16");
    finish(d, f, w);
    uint64_t offset;
    const uint32_t address =
        generic_address(d, d.operand(f, load ? 1 : 0), space == Space::generic ? space : Space::shared, offset);
    const uint32_t list = registers(d, d.operand(f, load ? 0 : 1), Element::none, count, load);
    Inst &inst = d.emit(load ? "ldmatrix" : "stmatrix");
    inst.a = address;
    inst.imm = offset;
    inst.extra = list;
    inst.count = static_cast<uint8_t>(count);
    inst.sub = transposed;
}
void ldmatrix(Decoder &d, Form &f) {
    matrix_rows(d, f, true);
}
void stmatrix(Decoder &d, Form &f) {
    matrix_rows(d, f, false);
}

void movmatrix(Decoder &d, Form &f) {
    Written w = read(d, f);
    if (!w.take("m8n8") || !w.take("trans") || !w.take("b16")) d.fail("movmatrix needs .m8n8.trans.b16");
    finish(d, f, w);
    const uint32_t a = d.source(d.operand(f, 1), Type::b32), to = d.destination(d.operand(f, 0), 4);
    Inst &inst = d.emit("movmatrix");
    inst.d = to;
    inst.a = a;
}

const Opcode rows[] = {
    {"mma", "f16 bf16 tf32 e4m3 e5m2 f32 f64 s8 u8 s4 u4 b1 s32", 6, 4, &mma, 70},
    {"wmma", "f16 bf16 tf32 f32 f64 s8 u8 s4 u4 b1 s32", 6, 0, &wmma, 70},
    {"ldmatrix", "b16", 6, 5, &ldmatrix, 75},
    {"stmatrix", "b16", 7, 8, &stmatrix, 90},
    {"movmatrix", "b16", 7, 8, &movmatrix, 75},
};

} // namespace

MatrixShapes mma_shapes() {
    return {kMma, sizeof kMma / sizeof kMma[0]};
}
MatrixShapes wmma_shapes() {
    return {kWmma, sizeof kWmma / sizeof kWmma[0]};
}

OpcodeTable matrix_opcodes() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
