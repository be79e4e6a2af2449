// Which definition a name means, and what is wrong with the others.
#include "link_input.hpp"

#include <algorithm>
#include <cstdlib>
#include <deque>

namespace cpu_device::ptx {

namespace {

struct Definition {
    size_t input;
    LinkSymbol *symbol;
};

class Linker {
  public:
    Linker(const std::vector<LinkInput> &inputs, const std::function<bool(const std::string &)> &provided)
        : inputs_(inputs), provided_(provided) {}
    LinkResult run();

  private:
    void define(size_t input, LinkSymbol &symbol);
    void check_declarations(size_t input);
    void check_prototype(const Function &declared, const Function &defined, const std::string &where);
    void rename_locals(size_t input);
    std::string header() const;
    void error(const std::string &message) { result_.errors += "error   : " + message + "\n"; }
    const std::string &name_of(size_t input) const { return inputs_[input].name; }

    const std::vector<LinkInput> &inputs_;
    const std::function<bool(const std::string &)> &provided_;
    std::deque<InputModule> modules_;
    std::unordered_map<std::string, Definition> definitions_;
    LinkResult result_;
};

int rank(Binding binding) {
    return binding == Binding::strong ? 3 : binding == Binding::weak ? 2 : 1;
}

void Linker::define(size_t input, LinkSymbol &symbol) {
    auto [place, is_new] = definitions_.try_emplace(symbol.name, Definition{input, &symbol});
    Definition &first = place->second;
    if (is_new || (first.input == input && symbol.is_function && first.symbol->is_function)) return;
    if (first.symbol->binding == Binding::strong && symbol.binding == Binding::strong) {
        error("Multiple definition of '" + symbol.name + "' in '" + name_of(input) + "', first defined in '" +
              name_of(first.input) + "'");
        return;
    }
    const int was = rank(first.symbol->binding), is = rank(symbol.binding);
    const bool better =
        is > was || (is == was && symbol.binding == Binding::common && symbol.size > first.symbol->size);
    const Definition loser = better ? first : Definition{input, &symbol};
    if (better) first = {input, &symbol};
    InputModule &module = modules_[loser.input];
    const auto together = std::count_if(module.symbols.begin(), module.symbols.end(),
                                        [&](const LinkSymbol &s) { return s.statement == loser.symbol->statement; });
    if (together > 1)
        error("'" + symbol.name + "' in '" + name_of(loser.input) +
              "' is declared together with others: it cannot be left out");
    module.statements[loser.symbol->statement].dropped = true;
}

bool same_sizes(const std::vector<Variable> &a, const std::vector<Variable> &b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const Variable &x, const Variable &y) { return size_of(x) == size_of(y); });
}

bool same_types(const std::vector<Variable> &a, const std::vector<Variable> &b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Variable &x, const Variable &y) {
        return x.type == y.type && x.vector == y.vector && x.dimensions == y.dimensions;
    });
}

// Names, alignments and .reg for .param are each module's own affair.  Other types of the same sizes, and a result that one side does not know
// of, are taken with a word; a result that nothing returns has no particular value.
void Linker::check_prototype(const Function &declared, const Function &defined, const std::string &where) {
    if (same_types(declared.params, defined.params) && same_types(declared.results, defined.results)) return;
    const std::string text = "Prototype doesn't match for '" + defined.name + "'" + where + "\n";
    const bool one_knows_no_result = declared.results.empty() || defined.results.empty();
    const bool fits = same_sizes(declared.params, defined.params) &&
                      (one_knows_no_result || same_sizes(declared.results, defined.results));
    (fits ? result_.warnings : result_.errors) += (fits ? "warning : " : "error   : ") + text;
}

void Linker::check_declarations(size_t input) {
    const InputModule &module = modules_[input];
    for (const LinkSymbol &s : module.symbols) {
        if (s.binding != Binding::external) continue;
        auto found = definitions_.find(s.name);
        if (found == definitions_.end()) {
            if (!s.is_dynamic && !(s.is_function && provided_(s.name)) && module.uses(s.name))
                error("Undefined reference to '" + s.name + "' in '" + name_of(input) + "'");
            continue;
        }
        const LinkSymbol &definition = *found->second.symbol;
        const std::string where = " in '" + name_of(input) + "', first specified in '" + name_of(found->second.input);
        if (s.is_function != definition.is_function || (!s.is_function && s.space != definition.space))
            error("Kind of symbol doesn't match for '" + s.name + "'" + where + "'");
        else if (s.size && definition.size && s.size != definition.size)
            error("Size doesn't match for '" + s.name + "'" + where + "'");
        else if (s.is_function)
            check_prototype(*s.function, *definition.function, where + "'");
    }
}

void Linker::rename_locals(size_t input) {
    InputModule &module = modules_[input];
    for (const LinkSymbol &s : module.symbols) {
        if (s.binding != Binding::local) continue;
        const bool elsewhere = std::any_of(modules_.begin(), modules_.end(), [&](const InputModule &other) {
            return &other != &module && other.declares(s.name);
        });
        if (elsewhere) module.renamed[s.name] = s.name + "$" + std::to_string(input + 1) + "$local";
    }
}

int architecture(const std::string &target) {
    return target.size() > 3 ? std::atoi(target.c_str() + 3) : 0;
}

// The newest version and target: an older module means the same under a newer one.
std::string Linker::header() const {
    const Module *newest = &modules_[0].module;
    int major = 0, minor = 0;
    for (const InputModule &input : modules_) {
        const Module &m = input.module;
        if (m.version_major > major || (m.version_major == major && m.version_minor > minor)) {
            major = m.version_major;
            minor = m.version_minor;
        }
        if (architecture(m.target) > architecture(newest->target)) newest = &m;
    }
    std::string text =
        ".version " + std::to_string(major) + "." + std::to_string(minor) + "\n.target " + newest->target;
    for (const std::string &option : newest->target_options) text += ", " + option;
    return text + "\n.address_size " + std::to_string(newest->address_size) + "\n";
}

LinkResult Linker::run() {
    for (const LinkInput &input : inputs_) {
        std::string why;
        modules_.emplace_back();
        if (modules_.back().read(input, why)) continue;
        result_.errors = why;
        result_.invalid = true;
        return result_;
    }
    for (size_t k = 0; k < modules_.size(); k++)
        for (LinkSymbol &s : modules_[k].symbols)
            if (s.binding != Binding::local && s.binding != Binding::external) define(k, s);
    for (size_t k = 0; k < modules_.size(); k++) check_declarations(k);
    if (!result_.errors.empty()) return result_;
    result_.text = header();
    uint32_t files = 0;
    for (size_t k = 0; k < modules_.size(); k++) {
        rename_locals(k);
        modules_[k].write(result_.text, files, modules_.size() == 1);
        files += modules_[k].files;
    }
    return result_;
}

} // namespace

LinkResult link(const std::vector<LinkInput> &inputs, const std::function<bool(const std::string &)> &provided) {
    return Linker(inputs, provided).run();
}

} // namespace cpu_device::ptx
