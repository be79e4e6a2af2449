// A kernel's shared memory holds the variables that it, and what it can call, names.  A variable has one offset in all kernels: those that
// several kernels use are placed first, then each kernel's own behind them.
#include "shared_layout.hpp"

#include "decoder.hpp"

#include <algorithm>
#include <set>
#include <unordered_set>

namespace cpu_device {

namespace {

using ptx::Space;

// What a function names itself.
struct Uses {
    std::unordered_set<Symbol *> shared;
    std::unordered_set<const ptx::Function *> functions;
    bool indirect = false; // calls through pointers: any function may be meant
};

class SharedLayout {
  public:
    explicit SharedLayout(ProgramImage &image) : image_(image) {}
    std::unordered_map<const ptx::Function *, uint64_t> run();

  private:
    void look_at_variables();
    void name(const std::string &scope, const std::string &name, Uses &uses);
    void operand(const ptx::Function &f, const ptx::Operand &op, Uses &uses);
    const Uses &uses_of(const ptx::Function &f);
    std::set<Symbol *> reached(const ptx::Function &entry);

    ProgramImage &image_;
    std::unordered_map<std::string, std::vector<std::string>> initial_; // names in the initial value of a variable
    std::unordered_map<const ptx::Function *, Uses> uses_;
};

void SharedLayout::look_at_variables() {
    auto note = [&](const ptx::Variable &v, const std::string &key) {
        for (const ptx::Initializer &i : v.init)
            if (!i.symbol.empty()) initial_[key].push_back(i.symbol);
    };
    for (const ptx::Variable &v : image_.module.variables) note(v, v.name);
    for (const ptx::Function &f : image_.module.functions)
        for (const ptx::Variable &v : f.variables) note(v, f.name + '\0' + v.name);
}

// Takes a name to what it stands for, and on through the initial values of variables.
void SharedLayout::name(const std::string &scope, const std::string &first, Uses &uses) {
    std::vector<std::string> open{first};
    std::unordered_set<std::string> seen;
    while (!open.empty()) {
        const std::string word = std::move(open.back());
        open.pop_back();
        if (!seen.insert(word).second) continue;
        bool found = false;
        for (const std::string &key : {scope + '\0' + word, word}) {
            auto symbol = image_.symbols.find(key);
            if (symbol == image_.symbols.end()) continue;
            Symbol &s = symbol->second;
            if (s.space == Space::shared && !s.dynamic_shared) uses.shared.insert(&s);
            auto values = initial_.find(key);
            if (values != initial_.end()) open.insert(open.end(), values->second.begin(), values->second.end());
            found = true;
            break;
        }
        auto id = found ? image_.function_ids.end() : image_.function_ids.find(word);
        if (id != image_.function_ids.end() && image_.codes[id->second])
            uses.functions.insert(image_.codes[id->second]->source);
    }
}

void SharedLayout::operand(const ptx::Function &f, const ptx::Operand &op, Uses &uses) {
    for (const ptx::Operand &part : op.parts) operand(f, part, uses);
    if (op.kind == ptx::Operand::Kind::name && !op.name.empty() && op.name[0] != '%') name(f.name, op.name, uses);
}

const Uses &SharedLayout::uses_of(const ptx::Function &f) {
    auto [found, is_new] = uses_.try_emplace(&f);
    Uses &uses = found->second;
    if (!is_new) return uses;
    for (const ptx::Instruction &i : f.body) {
        for (const ptx::Operand &op : i.operands) operand(f, op, uses);
        if (i.opcode == "call" && !f.prototypes.empty()) uses.indirect = true;
    }
    return uses;
}

std::set<Symbol *> SharedLayout::reached(const ptx::Function &entry) {
    std::set<Symbol *> shared;
    std::unordered_set<const ptx::Function *> seen{&entry};
    std::vector<const ptx::Function *> open{&entry};
    bool all = false;
    while (!open.empty()) {
        const Uses &uses = uses_of(*open.back());
        open.pop_back();
        shared.insert(uses.shared.begin(), uses.shared.end());
        for (const ptx::Function *f : uses.functions)
            if (seen.insert(f).second) open.push_back(f);
        if (!uses.indirect || all) continue;
        all = true;
        for (const auto &code : image_.codes)
            if (code && !code->source->is_entry && seen.insert(code->source).second) open.push_back(code->source);
    }
    return shared;
}

std::unordered_map<const ptx::Function *, uint64_t> SharedLayout::run() {
    std::unordered_map<const ptx::Function *, uint64_t> bytes;
    std::unordered_map<Symbol *, std::vector<uint64_t *>> users; // the ends of the kernels that use a variable
    look_at_variables();
    for (const auto &code : image_.codes) {
        if (!code || !code->source->is_entry) continue;
        uint64_t &end = bytes[code->source];
        for (Symbol *s : reached(*code->source)) {
            users[s].push_back(&end);
            s->kernels.push_back(code->source->name);
        }
    }
    std::vector<Symbol *> order;
    for (const auto &[symbol, kernels] : users) order.push_back(symbol);
    auto line = [](const Symbol *s) { return std::make_pair(s->variable->place.line, s->variable->place.column); };
    std::sort(order.begin(), order.end(), [&](Symbol *a, Symbol *b) {
        const size_t n = users[a].size(), m = users[b].size();
        return n != m ? n > m : line(a) < line(b);
    });
    for (Symbol *s : order) {
        uint64_t at = 0;
        const uint64_t align = variable_align(*s->variable);
        for (const uint64_t *end : users[s]) at = std::max(at, (*end + align - 1) / align * align);
        s->address = at;
        for (uint64_t *end : users[s]) *end = at + s->size;
    }
    return bytes;
}

} // namespace

std::unordered_map<const ptx::Function *, uint64_t> lay_out_shared(ProgramImage &image) {
    return SharedLayout(image).run();
}

} // namespace cpu_device
