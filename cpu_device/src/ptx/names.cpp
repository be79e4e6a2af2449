// The names of one function; see names.hpp.
#include "names.hpp"

namespace cpu_device::ptx {
namespace {

constexpr size_t deepest_block = 1024;

// The number behind a prefix, or -1: decimal, without leading zeros.
int64_t register_number(std::string_view digits) {
    if (digits.empty() || digits.size() > 10 || (digits.size() > 1 && digits[0] == '0')) return -1;
    int64_t number = 0;
    for (char c : digits) number = number * 10 + (c - '0');
    return number;
}

} // namespace

std::string Names::unique(std::string_view name, uint32_t block) {
    std::string result(name);
    if (block > 1) result += "@" + std::to_string(block);
    return result;
}

void Names::open_block(Place place) {
    if (scopes_.size() >= deepest_block) Reader::fail(place, "blocks nested deeper than 1024 levels");
    scopes_.push_back({++blocks_, {}});
    events_.push_back({Event::open, blocks_, 0});
}

void Names::close_block() {
    for (Bindings::iterator bound : scopes_.back().bound) bound->second.pop_back();
    inner_bindings_ -= scopes_.back().bound.size();
    events_.push_back({Event::close, scopes_.back().block, 0});
    scopes_.pop_back();
}

void Names::bind(std::string_view name, Binding binding, Scope &scope) {
    Bindings::iterator bound = bindings_.try_emplace(name).first;
    if (!bound->second.empty() && bound->second.back().block == binding.block)
        Reader::fail(binding.place, quoted(name) + " is declared twice in this block, first in line " +
                                        std::to_string(bound->second.back().place.line));
    bound->second.push_back(binding);
    scope.bound.push_back(bound);
    inner_bindings_ += binding.block > 1;
}

void Names::declare(Variable variable, std::string_view name) {
    Scope &scope = scopes_.back();
    if (name != "_") bind(name, {scope.block, variable.count, patterns_.size(), variable.place}, scope);
    if (nested() && variable.count) {
        patterns_.push_back(std::move(variable));
        return;
    }
    variable.name = unique(name, scope.block);
    function_.variables.push_back(std::move(variable));
}

// The innermost set that has a register `name` and is declared further in than `above`.
const Names::Binding *Names::find_set(std::string_view name, uint32_t above) {
    const Binding *best = nullptr;
    for (size_t end = name.size(); end > 1 && name.size() - end < 10 && name[end - 1] >= '0' && name[end - 1] <= '9';
         end--) {
        Bindings::const_iterator found = bindings_.find(name.substr(0, end - 1));
        if (found == bindings_.end() || found->second.empty()) continue;
        const Binding &binding = found->second.back();
        int64_t number = register_number(name.substr(end - 1));
        if (number < 0 || number >= binding.count || binding.block <= above) continue;
        above = binding.block;
        best = &binding;
    }
    return best;
}

std::string Names::use(std::string_view name) {
    if (inner_bindings_ == 0) return std::string(name);
    Bindings::const_iterator exact = bindings_.find(name);
    uint32_t block = exact == bindings_.end() || exact->second.empty() || exact->second.back().count
                         ? 0
                         : exact->second.back().block;
    const Binding *set = find_set(name, block);
    if (!set) return unique(name, block);
    uint32_t set_block = set->block;
    if (set_block == 1) return std::string(name);
    // The first use of this register of the set: it becomes a variable of the set's block.
    Variable one = patterns_[set->pattern];
    one.count = 0;
    one.name = unique(name, set_block);
    Binding binding{set_block, 0, 0, one.place};
    function_.variables.push_back(std::move(one));
    size_t depth = scopes_.size() - 1;
    while (scopes_[depth].block != set_block) depth--;
    bind(name, binding, scopes_[depth]);
    return unique(name, set_block);
}

std::string Names::declare_label(std::string_view name, Place place) {
    uint32_t block = scopes_.back().block;
    auto [first, is_new] = label_places_.try_emplace({block, name}, place);
    if (!is_new)
        Reader::fail(place, "label " + quoted(name) + " is declared twice, first in line " +
                                std::to_string(first->second.line));
    if (block > 1) {
        inner_labels_ = true;
        if (labels_.size() <= block) labels_.resize(block + 1);
        labels_[block].push_back(name);
    }
    return unique(name, block);
}

void Names::note_labels(const Instruction &instruction) {
    if (!nested()) return;
    uint32_t index = static_cast<uint32_t>(function_.body.size() - 1);
    for (uint32_t i = 0; i < instruction.operands.size(); i++) {
        const Operand &operand = instruction.operands[i];
        // Special registers and names that are resolved already are no labels.
        if (operand.kind == Operand::Kind::name && !operand.member && operand.name.find('@') == std::string::npos)
            events_.push_back({Event::operand, index, i});
    }
}

void Names::note_labels(const Function::Table &table) {
    if (!nested()) return;
    uint32_t index = static_cast<uint32_t>(function_.tables.size() - 1);
    for (uint32_t i = 0; i < table.targets.size(); i++) events_.push_back({Event::target, index, i});
}

void Names::resolve(std::string &name, const std::map<std::string_view, std::vector<uint32_t>> &visible) const {
    auto found = visible.find(name);
    if (found != visible.end() && !found->second.empty()) name = unique(name, found->second.back());
}

// Walks the function's blocks once more, now that all labels are known.
void Names::finish() {
    if (!inner_labels_) return;
    labels_.resize(blocks_ + 1);
    std::map<std::string_view, std::vector<uint32_t>> visible;
    for (const Event &event : events_) {
        switch (event.kind) {
        case Event::open:
            for (std::string_view name : labels_[event.which]) visible[name].push_back(event.which);
            break;
        case Event::close:
            for (std::string_view name : labels_[event.which]) visible[name].pop_back();
            break;
        case Event::operand: resolve(function_.body[event.which].operands[event.part].name, visible); break;
        case Event::target: resolve(function_.tables[event.which].targets[event.part], visible); break;
        }
    }
}

} // namespace cpu_device::ptx
