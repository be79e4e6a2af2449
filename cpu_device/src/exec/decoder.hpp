// Decodes the instructions of one function: operands to places in the frame, opcodes to handlers.
#pragma once

#include "handlers.hpp"
#include "image.hpp"
#include "../ptx/types.hpp"

#include <map>

namespace cpu_device {

// Thrown inside exec/ only, caught by Program::load.
struct DecodeError {
    Status status;
    ptx::Place place;
    std::string message;
};

using ptx::Type;

inline uint32_t type_bytes(Type t) {
    return t == Type::pred ? 4 : t == Type::tf32 ? 4 : ptx::bytes_of(t);
}

// One written instruction while it is decoded: its modifiers are taken one after the other; what is left over is an error.
struct Form {
    const ptx::Instruction *written;
    std::vector<std::string_view> modifiers;
    std::vector<Type> types;                                     // in order
    bool rounded = false;                                        // .rn .rz .rm .rp was written
    bool take(std::string_view name);                            // is it there? then it is used up
    int take_one(std::initializer_list<std::string_view> names); // index, or -1
};

class Decoder {
  public:
    Decoder(ProgramImage &image, const ptx::Function &function, Code &code);
    void declare(); // for all functions of a program before run() of any
    void run();

    // --- used by the opcode table ---
    using Op = ptx::Operand;
    const Op &operand(const Form &f, size_t k);
    size_t operands(const Form &f) const { return f.written->operands.size(); }
    [[noreturn]] void fail(std::string message, Status status = Status::invalid_ptx) const;

    uint32_t source(const Op &op, Type type);                       // any source of a type's width
    uint32_t source_low(const Op &op, Type type);                   // the register may be wider: low bits
    uint32_t wide_source(const Op &op, Type type, uint32_t &bytes); // as it is: the register's own width
    uint32_t predicate(const Op &op, bool &negated);
    uint32_t destination(const Op &op, uint32_t bytes); // of exactly this width; _ is a place that is never read
    uint32_t destination_predicate(const Op &op);
    uint32_t register_bytes(const Op &op); // 0: no register
    bool is_predicate(const Op &op);
    uint32_t constant(uint64_t bits, uint32_t bytes); // broadcast
    uint32_t temporary(uint32_t bytes);
    uint32_t list(const std::vector<uint32_t> &operands);
    Inst &emit(std::string_view handler); // valid until the next one
    Inst &emit(const std::string &prefix, std::string_view type) { return emit(prefix + "." + std::string(type)); }
    bool has(const std::string &handler) const { return find_handler(handler) != nullptr; }

    struct Address {
        uint32_t a = 0;     // register or constant with the address
        uint32_t bytes = 8; // its width
        uint64_t offset = 0;
        ptx::Space space = ptx::Space::none; // of the symbol, if it is one
        bool kernel_param = false;           // offset is a place in the parameter block
        bool frame = false;                  // a symbol of the frame: local memory
    };
    Address address(const Op &op, ptx::Space space);
    void branch(const Op &label, bool conditional, uint32_t guard);
    void call(const Form &f);
    void branch_table(const Form &f);
    uint32_t carry_flag();
    // Fails where the module's .version or .target is older than `what` needs: 78 is 7.8, 80 is sm_80.
    bool older_than(int ptx) const; // the module's version
    void require(int ptx, int target, const std::string &what, bool specific = false) const;
    bool is_entry() const { return function_.is_entry; }
    ProgramImage &image() { return image_; }
    Code &code() { return code_; }

  private:
    struct Register {
        Type type;
        uint32_t at;
        uint32_t bytes; // a lane; 0: predicate
        bool placed;
    };
    Register *find_register(const std::string &name);
    Register &need_register(const std::string &name);
    uint32_t place_register(Register &r);
    uint32_t special(const Op &op, uint32_t bytes);
    uint32_t symbol_value(const Op &op, uint32_t bytes);
    const Symbol *symbol(const std::string &name) const;
    bool immediate(const Op &op, Type type, uint64_t &bits) const;
    void decode(const ptx::Instruction &instruction);
    void check_age(const struct Opcode &opcode, const ptx::Instruction &instruction) const;
    Slot slot(const Op &op, const ptx::Variable *formal);
    bool declares(const std::string &name, const std::vector<Slot> &results) const;
    Slot formal(const ptx::Variable &variable);
    void link();

    ProgramImage &image_;
    const ptx::Function &function_;
    Code &code_;
    std::unordered_map<std::string, Register> registers_;
    std::unordered_map<std::string, const ptx::Variable *> sets_;
    std::unordered_map<std::string, Symbol> symbols_;
    std::unordered_map<std::string, uint32_t> labels_;
    std::vector<std::pair<uint32_t, std::string>> jumps_;
    std::vector<uint32_t> starts_; // first decoded instruction of each written one
    const ptx::Instruction *current_ = nullptr;
    size_t operands_used_ = 0; // of the current instruction
    uint32_t index_ = 0;
    uint32_t carry_ = 0;
    bool has_carry_ = false;
};

// A row of the opcode table (opcodes.cpp).
struct Opcode {
    const char *name;
    const char *types;        // what may be written, for the coverage page
    int ptx_major, ptx_minor; // since
    void (*decode)(Decoder &, Form &);
    int target = 0; // 80: sm_80
};
struct OpcodeTable {
    const Opcode *rows;
    size_t size;
};
OpcodeTable arithmetic_opcodes();
OpcodeTable bit_opcodes();
OpcodeTable memory_opcodes();
OpcodeTable control_opcodes();
OpcodeTable warp_opcodes();
OpcodeTable matrix_opcodes();
OpcodeTable video_opcodes();
OpcodeTable async_opcodes();
const Opcode *find_opcode(std::string_view name);
const std::vector<OpcodeTable> &opcode_tables();

// Names of handlers' types.
inline bool is_float(Type t) {
    return t == Type::f32 || t == Type::f64;
}
inline bool is_half(Type t) {
    return t == Type::f16 || t == Type::f16x2 || t == Type::bf16 || t == Type::bf16x2;
}
inline bool is_signed(Type t) {
    return t == Type::s8 || t == Type::s16 || t == Type::s32 || t == Type::s64;
}
const char *type_name(Type t);               // "s32"
const char *unsigned_name(Type t);           // "u32" for every type of 32 bits
const char *signed_or_unsigned_name(Type t); // "s32" for s32, else the unsigned one

// The number of a special register ("%tid" with 'x'), -1: none.
int special_register(const std::string &name, char member, uint32_t &bytes);

uint64_t variable_bytes(const ptx::Variable &variable);
uint32_t variable_align(const ptx::Variable &variable);

} // namespace cpu_device
