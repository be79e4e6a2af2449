// The opcode table: textures and surfaces in indirect mode, where an object's handle is in a register.
#include "texture_ops.hpp"

#include <cstring>

namespace cpu_device {
namespace {

using Kind = ptx::Operand::Kind;

void take_geometry(Decoder &d, Form &f, TextureForm &form) {
    static const struct {
        const char *name;
        uint8_t axes;
        bool layered, cube;
    } all[] = {{"1d", 1, false, false}, {"2d", 2, false, false},  {"3d", 3, false, false}, {"a1d", 1, true, false},
               {"a2d", 2, true, false}, {"cube", 3, false, true}, {"acube", 3, true, true}};
    for (const auto &g : all)
        if (f.take(g.name)) {
            form.axes = g.axes;
            form.layered = g.layered;
            if (!g.cube) return;
            if (form.op != TextureOp::tex)
                d.fail(f.written->opcode + " with ." + g.name + " is not supported", Status::not_supported);
            form.what = 1;
            return;
        }
    for (const char *name : {"2dms", "a2dms"})
        if (f.take(name)) d.fail(f.written->opcode + " with ." + name + " is not supported", Status::not_supported);
    d.fail(f.written->opcode + " needs a geometry: .1d .2d .3d .a1d .a2d");
}

// [object, {x, y}]: the object's register, and the coordinates' into `list`.
uint32_t place(Decoder &d, const Form &f, size_t operand, const TextureForm &form, std::vector<uint32_t> &list) {
    const ptx::Operand &op = d.operand(f, operand);
    if (op.kind != Kind::address || op.parts.size() < 2) d.fail("an object and coordinates in brackets are wanted");
    if (op.parts.size() > 2)
        d.fail("samplers of their own are not supported: use texture objects", Status::not_supported);
    if (d.register_bytes(op.parts[0]) != 8)
        d.fail("texture and surface references are not supported: use objects", Status::not_supported);
    const ptx::Operand &coordinates = op.parts[1];
    const std::vector<ptx::Operand> single{coordinates};
    const auto &parts = coordinates.kind == Kind::list ? coordinates.parts : single;
    const size_t n = size_t(form.axes) + form.layered;
    if (parts.size() < n || parts.size() > 4) d.fail("wrong number of coordinates");
    for (size_t k = 0; k < n; k++)
        list.push_back(d.source(parts[k], form.integers || (form.layered && k == 0) ? Type::b32 : Type::f32));
    return d.source(op.parts[0], Type::b64);
}

std::vector<ptx::Operand> elements(Decoder &d, const ptx::Operand &op, size_t n) {
    if (op.kind != Kind::list && n == 1) return {op};
    if (op.kind != Kind::list || op.parts.size() != n) d.fail(std::to_string(n) + " registers are wanted");
    return op.parts;
}

void emit(Decoder &d, const char *handler, const TextureForm &form, uint32_t object,
          const std::vector<uint32_t> &values, std::vector<uint32_t> coordinates) {
    coordinates.insert(coordinates.end(), values.begin(), values.end());
    const uint32_t at = d.list(coordinates);
    Inst &inst = d.emit(handler);
    inst.a = object;
    inst.extra = at;
    inst.count = static_cast<uint8_t>(values.size());
    std::memcpy(&inst.imm, &form, sizeof form);
}

// The level's register, or those of two vectors of gradients.
void take_level(Decoder &d, Form &f, TextureForm &form, int level, std::vector<uint32_t> &list) {
    if (form.op == TextureOp::tld4) d.fail("tld4 reads the first level");
    form.bytes = static_cast<uint8_t>(level);
    if (level == 1) {
        list.push_back(d.source(d.operand(f, 2), form.integers ? Type::b32 : Type::f32));
        return;
    }
    if (form.what) d.fail("gradients on cubes are not supported: give a level", Status::not_supported);
    for (size_t k = 2; k < 4; k++) {
        const ptx::Operand &op = d.operand(f, k);
        const std::vector<ptx::Operand> single{op};
        const auto &parts = op.kind == Kind::list ? op.parts : single;
        if (parts.size() < form.axes || parts.size() > 4) d.fail("wrong number of gradients");
        for (size_t axis = 0; axis < form.axes; axis++) list.push_back(d.source(parts[axis], Type::f32));
    }
}

void fetch(Decoder &d, Form &f) {
    TextureForm form{};
    form.op = f.written->opcode == "tld4" ? TextureOp::tld4 : TextureOp::tex;
    if (form.op == TextureOp::tld4) {
        const int component = f.take_one({"r", "g", "b", "a"});
        if (component < 0) d.fail("tld4 needs a component: .r .g .b .a");
        form.component = static_cast<uint8_t>(component);
    }
    const int level = f.take_one({"base", "level", "grad"});
    take_geometry(d, f, form);
    if (form.op == TextureOp::tld4 && form.axes != 2) d.fail("tld4 is for .2d and .a2d");
    if (!f.take("v4") || f.types.size() != 2 || type_bytes(f.types[0]) != 4 || f.types[0] == Type::f16x2)
        d.fail("this form of " + f.written->opcode + " is not supported: .v4 with .u32, .s32 or .f32 is",
               Status::not_supported);
    if (f.types[1] != Type::s32 && f.types[1] != Type::f32) d.fail("coordinates are .s32 or .f32");
    form.integers = f.types[1] == Type::s32;
    if (form.integers && (form.op == TextureOp::tld4 || form.what))
        d.fail(f.written->opcode + (form.what ? " of cubes" : "") + " takes .f32 coordinates");
    if (form.integers && level == 2) d.fail("gradients are of .f32 coordinates");
    std::vector<uint32_t> to, list;
    for (const ptx::Operand &op : elements(d, d.operand(f, 0), 4)) to.push_back(d.destination(op, 4));
    const uint32_t object = place(d, f, 1, form, list);
    const size_t used = level <= 0 ? 2 : level == 1 ? 3 : 4;
    if (level > 0) take_level(d, f, form, level, list);
    if (d.operands(f) > used)
        d.fail("offsets and comparisons of " + f.written->opcode + " are not supported", Status::not_supported);
    emit(d, "texture", form, object, to, list);
}

SurfaceClamp take_clamp(Decoder &d, Form &f) {
    const int k = f.take_one({"trap", "clamp", "zero"});
    if (k < 0) d.fail(f.written->opcode + " needs .trap, .clamp or .zero");
    return static_cast<SurfaceClamp>(k);
}

void refuse_formatted(Decoder &d, Form &f) {
    if (f.take("p")) d.fail(f.written->opcode + ".p is not supported: use .b", Status::not_supported);
    if (!f.take("b")) d.fail(f.written->opcode + " needs .b");
    for (const char *m : {"ca", "cg", "cs", "cv", "wb", "wt"}) f.take(m);
}

void surface(Decoder &d, Form &f) {
    TextureForm form{};
    const bool loads = f.written->opcode == "suld";
    form.op = loads ? TextureOp::load : TextureOp::store;
    form.integers = true;
    refuse_formatted(d, f);
    take_geometry(d, f, form);
    const int vector = f.take_one({"v2", "v4"});
    form.what = static_cast<uint8_t>(take_clamp(d, f));
    if (f.types.size() != 1) d.fail(f.written->opcode + " takes one type");
    form.bytes = static_cast<uint8_t>(type_bytes(f.types[0]));
    if (form.bytes > 8) d.fail("a surface's elements have at most 64 bits");
    const size_t n = vector < 0 ? 1 : size_t(2) << vector;
    if (n * form.bytes > 16) d.fail("at most 16 bytes are accessed at once");
    std::vector<uint32_t> values, list;
    for (const ptx::Operand &op : elements(d, d.operand(f, loads ? 0 : 1), n))
        values.push_back(loads ? d.destination(op, form.bytes) : d.source(op, f.types[0]));
    const uint32_t object = place(d, f, loads ? 1 : 0, form, list);
    emit(d, "surface", form, object, values, list);
}

void reduce(Decoder &d, Form &f) {
    TextureForm form{};
    form.op = TextureOp::reduce;
    form.integers = true;
    refuse_formatted(d, f);
    const int op = f.take_one({"add", "min", "max", "and", "or"});
    if (op < 0) d.fail("sured needs .add .min .max .and .or");
    form.reduction = static_cast<uint8_t>(op);
    take_geometry(d, f, form);
    form.what = static_cast<uint8_t>(take_clamp(d, f));
    if (f.types.size() != 1 || type_bytes(f.types[0]) < 4) d.fail("sured takes one type of 32 or 64 bits");
    if (f.types[0] == Type::s32 || f.types[0] == Type::s64) form.what |= 0x80;
    form.bytes = static_cast<uint8_t>(type_bytes(f.types[0]));
    std::vector<uint32_t> list;
    const uint32_t object = place(d, f, 0, form, list);
    emit(d, "surface", form, object, {d.source(d.operand(f, 1), f.types[0])}, list);
}

void query(Decoder &d, Form &f) {
    TextureForm form{};
    form.op = TextureOp::query;
    const bool has_level = f.take("level");
    const int what =
        f.take_one({"width", "height", "depth", "array_size", "normalized_coords", "num_mipmap_levels", "num_samples"});
    if (what < 0) d.fail("this query of " + f.written->opcode + " is not supported", Status::not_supported);
    form.what = static_cast<uint8_t>(what);
    const ptx::Operand &op = d.operand(f, 1);
    if (op.kind != Kind::address || op.parts.size() != 1) d.fail("an object in brackets is wanted");
    if (d.register_bytes(op.parts[0]) != 8)
        d.fail("texture and surface references are not supported: use objects", Status::not_supported);
    const uint32_t to = d.destination(d.operand(f, 0), 4), object = d.source(op.parts[0], Type::b64);
    std::vector<uint32_t> level;
    if (has_level) level.push_back(d.source(d.operand(f, 2), Type::b32));
    form.layered = has_level; // one register before that of the result
    emit(d, "texture.query", form, object, {to}, level);
}

const Opcode rows[] = {
    {"tex", "u32 s32 f32", 1, 0, &fetch},
    {"tld4", "u32 s32 f32", 2, 2, &fetch, 20},
    {"txq", "b32", 2, 0, &query},
    {"suld", "b8 b16 b32 b64", 1, 5, &surface, 20},
    {"sust", "b8 b16 b32 b64", 1, 5, &surface, 20},
    {"sured", "u32 s32 b32 u64 s64", 2, 0, &reduce, 20},
    {"suq", "b32", 1, 5, &query, 20},
};

} // namespace

OpcodeTable texture_opcodes() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
