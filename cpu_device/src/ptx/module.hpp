// A PTX module as it is written: declarations and instructions, names unresolved, nothing executed.
//
// `parse` (parser.hpp) makes it; exec/ decodes it into something that runs.  Opcodes are kept as text with their modifiers, so that the
// parser needs no table of instructions: what an instruction means, and whether it exists, is decided by the decoder.
// PTX ISA: https://docs.nvidia.com/cuda/parallel-thread-execution/
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cpu_device::ptx {

// A place in the PTX text; lines and columns count from 1.
struct Place {
    uint32_t line = 0;
    uint32_t column = 0;
};

// A place in the program that the PTX was made from (.loc); file is an index into Module::files, 0: unknown.
struct SourcePlace {
    uint32_t file = 0;
    uint32_t line = 0;
    uint32_t column = 0;
};

enum class Space : uint8_t { none, reg, sreg, global, constant, shared, local, param, tex, generic };

// Fundamental types; vectors are a type and a count.  Bit types carry a width only.
enum class Type : uint8_t {
    none,
    pred,
    b8,
    b16,
    b32,
    b64,
    b128,
    u8,
    u16,
    u32,
    u64,
    s8,
    s16,
    s32,
    s64,
    f16,
    f16x2,
    f32,
    f64,
    bf16,
    bf16x2,
    tf32,
    e4m3,
    e5m2,
    texref,
    samplerref,
    surfref,
    unknown, // a modifier that is no type
};

// One part of an operand: [a], a, -1, {a, b}, a|b, !p, a.x, sym+4 ...
struct Operand {
    enum class Kind : uint8_t {
        name,    // register, variable, label, function, special register ("%tid.x" is name "%tid" with member 'x')
        integer, // bits in `bits`; the sign is in them
        float32, // 0fXXXXXXXX, or a decimal number that was written with a point: see `number`
        float64, // 0dXXXXXXXXXXXXXXXX; value bits in `bits`
        number,  // decimal floating-point number; value in `number`
        address, // [base + offset]: base in parts[0] (name or integer), offset in `bits`; more parts: [tex, {x, y}]
        list,    // {a, b, c}
        pair,    // a|b: two destinations
        group,   // (a, b): arguments and results of a call
        discard, // _
    };
    Kind kind = Kind::discard;
    bool negated = false; // !p, or -a before a register
    char member = 0;      // x y z w of a vector register or special register
    std::string name;
    uint64_t bits = 0; // integer and float bits; the byte offset of `name+offset` and of an address
    double number = 0;
    std::vector<Operand> parts;
    Place place;
    std::string selector; // video instructions: a.b0, a.h1, a.b3210: the part without the dot; [a].unified
};

struct Instruction {
    std::string opcode; // "ld"
    std::vector<std::string>
        modifiers; // {"global", "nc", "v4", "f32"}, in order, without dots; ".8x8"-like ones keep their digits; "::" stays inside one ("L2::128B")
    std::vector<Operand> operands;
    std::string predicate; // register of @p, or ""
    bool predicate_negated = false;
    Place place;
    SourcePlace source;
};

// What initialises a part of a variable: a number, or the address of a symbol (`generic(sym)+8`, `sym`, `mask(sym)`).
struct Initializer {
    uint64_t bits = 0;
    std::string symbol;
    bool generic_address = false;
    uint8_t mask_shift =
        0; // bits: 8 for 0xff00(sym), the second byte of the address; 0 for all of it, then mask_bytes is 0
    uint8_t mask_bytes = 0;
};

// .reg .global .const .shared .local .param declarations; a parameterised register set is one with `count` > 0 and its prefix as name.
struct Variable {
    std::string name;
    Space space = Space::none;
    Type type = Type::none;
    uint32_t vector = 1;              // .v2 .v4
    uint32_t align = 0;               // bytes; 0: natural
    std::vector<uint64_t> dimensions; // [4][8]; {0} where it is [] (extern shared, or sized by its initializer)
    uint32_t count = 0;               // registers: %r<5>; 0: a single name
    bool is_extern = false, is_visible = false, is_weak = false, is_common = false, is_managed = false;
    std::vector<Initializer> init; // flat, element by element
    bool is_pointer = false;       // .param .u64 .ptr .global .align 16 x
    Space pointer_space = Space::none;
    Place place;
};

struct Statement;

struct Function {
    std::string name;
    bool is_entry = false, is_extern = false, is_visible = false, is_weak = false, is_declaration = false,
         is_noreturn = false;
    std::vector<Variable> results;
    std::vector<Variable> params;
    std::vector<Variable>
        variables; // everything declared in the body, blocks included; names made unique by the parser ("%r1" of an inner block becomes "%r1@2", labels too); sets only outside of inner blocks
    std::vector<Instruction> body;
    struct Label {
        std::string name;
        uint32_t at;
    }; // index into body
    std::vector<Label> labels;
    struct Table {
        std::string name;
        std::vector<std::string> targets;
    }; // .branchtargets, .calltargets
    std::vector<Table> tables;
    struct Prototype {
        std::string name;
        std::vector<Variable> results, params;
    }; // .callprototype
    std::vector<Prototype> prototypes;
    uint32_t maxntid[3] = {0, 0, 0}, reqntid[3] = {0, 0, 0}, minnctapersm = 0, maxnreg = 0;
    uint32_t reqnctapercluster[3] = {0, 0, 0};
    bool explicit_cluster = false;
    Place place;
};

struct Module {
    int version_major = 0, version_minor = 0;
    std::string target; // "sm_80"; further targets and options in `target_options`
    std::vector<std::string> target_options;
    uint32_t address_size = 64;
    std::vector<Variable> variables;
    std::vector<Function> functions;
    struct Alias {
        std::string name, target;
    };
    std::vector<Alias> aliases;
    struct File {
        uint32_t index;
        std::string name;
    };
    std::vector<File> files;
};

// A PTX error: what is said to the program that wanted the module, with the line it is about.
struct Error {
    Place place;
    std::string message; // lower-case, one line
    std::string text;    // the line of PTX
};

} // namespace cpu_device::ptx
