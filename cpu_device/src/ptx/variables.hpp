// Declarations of registers, variables and parameters, with what initialises them (PTX ISA, "Variables":
// https://docs.nvidia.com/cuda/parallel-thread-execution/#variables).
#pragma once

#include <deque>
#include <functional>

#include "constant.hpp"

namespace cpu_device::ptx {

// .extern .visible .weak .common, before a variable or function.
struct Linkage {
    bool is_extern = false, is_visible = false, is_weak = false, is_common = false;
};

class VariableParser {
  public:
    explicit VariableParser(Reader &reader) : reader_(reader) {}

    // True where a declaration of a variable begins: .global, .reg ...
    bool at_declaration() const;
    // A whole declaration, to the semicolon; `add` gets each variable, and its name in memory that lives as long as the parser.
    using Add = std::function<void(Variable variable, std::string_view name)>;
    void declaration(const Linkage &linkage, const Add &add);
    // (.param .u32 a, .reg .f32 b), the parentheses included.
    std::vector<Variable> parameters();

  private:
    Variable specifiers();
    void specifier(Variable &variable);
    void typed(Variable &variable, const Token &word);
    void pointer(Variable &variable);
    uint32_t alignment();
    std::string_view declarator(Variable &variable);
    void dimensions(Variable &variable);
    void check_size(const Variable &variable) const;
    void add_set(Variable variable, std::string_view name, const Add &add);

    void initializer(Variable &variable);
    void level(Variable &variable, const std::vector<uint64_t> &shape, size_t depth);
    void pad(Variable &variable, uint64_t size, Place place);
    Initializer element(Type type);
    Initializer masked(const Constant &mask, Place place);
    Initializer symbol();
    void skip_braces();

    Reader &reader_;
    uint64_t padding_ = 0;             // elements that initialisers leave out, in all of the module
    std::deque<std::string> expanded_; // names of variables that came from x<n>; they are referred to until the end
};

// .attribute(.managed) and .attribute(.unified(a, b)); true for the first.
bool attribute(Reader &reader);

} // namespace cpu_device::ptx
