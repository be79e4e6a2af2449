// The names of one function: which declaration a name in an inner block means.
//
// A block { } has names of its own for registers, variables and labels, and the same text is often repeated (inlined assembly, call
// sequences).  Names of inner blocks are made unique by a suffix, "param0@3" with 3 the block's number; those of the function's own
// block stay as they are.  Names that are declared before their use are resolved at once; labels may come later, so uses that are
// still open are noted and resolved at the function's end.  All of it takes O(n log n), however deep the blocks are.
#pragma once

#include <map>

#include "reader.hpp"

namespace cpu_device::ptx {

class Names {
  public:
    explicit Names(Function &function) : function_(function) { scopes_.push_back({1, {}}); }

    void open_block(Place place);
    void close_block();
    bool nested() const { return scopes_.size() > 1; }

    // Adds the variable to the function, under a unique name.  A set of registers in an inner block is added register by register, as
    // they are used.
    void declare(Variable variable, std::string_view name);
    // The unique name of a label, branch table or prototype that is declared here.
    std::string declare_label(std::string_view name, Place place);
    // The unique name of what is used here; `name` itself where no inner block declares it.
    std::string use(std::string_view name);
    // To be called with the function's newest instruction, or newest table: notes the names that may be labels.
    void note_labels(const Instruction &instruction);
    void note_labels(const Function::Table &table);
    void finish();

  private:
    struct Binding {
        uint32_t block;
        uint32_t count; // of a set that is not in the function's variables
        size_t pattern; // the set, in patterns_
        Place place;
    };
    struct Event {
        enum Kind : uint8_t { open, close, operand, target } kind;
        uint32_t which; // block, instruction or table
        uint32_t part;  // operand, or target of the table
    };
    using Bindings = std::map<std::string_view, std::vector<Binding>>;
    struct Scope {
        uint32_t block;
        std::vector<Bindings::iterator> bound;
    };
    struct Label {
        std::string_view name;
        uint32_t block;
    };

    static std::string unique(std::string_view name, uint32_t block);
    void bind(std::string_view name, Binding binding, Scope &scope);
    const Binding *find_set(std::string_view name, uint32_t above);
    void resolve(std::string &name, const std::map<std::string_view, std::vector<uint32_t>> &visible) const;

    Function &function_;
    std::vector<Scope> scopes_;
    uint32_t blocks_ = 1;
    Bindings bindings_;
    std::vector<Variable> patterns_;
    std::vector<std::vector<std::string_view>> labels_{2}; // by block
    std::map<std::pair<uint32_t, std::string_view>, Place> label_places_;
    std::vector<Event> events_;
    bool inner_labels_ = false;
    size_t inner_bindings_ = 0;
};

} // namespace cpu_device::ptx
