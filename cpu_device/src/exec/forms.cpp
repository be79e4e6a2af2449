// Which modifiers go with which types: what is written must match one line of its opcode.
#include "forms.hpp"
#include "../ptx/types.hpp"

#include <algorithm>
#include <mutex>
#include <unordered_map>

namespace cpu_device {
namespace {

std::string with_sets(const std::string &line) {
    const FormTable table = forms();
    std::string text;
    for (size_t k = 0; k < line.size(); ++k) {
        if (line[k] != '$') {
            text += line[k];
            continue;
        }
        ++k;
        for (const FormSet *s = table.sets; s != table.sets + table.set_count; ++s)
            if (s->letter == line[k]) text += with_sets(s->words);
    }
    return text;
}

std::vector<std::string> split(const std::string &text, char by) {
    std::vector<std::string> parts;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find(by, at), text.size());
        parts.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return parts;
}

void without_parentheses(const std::string &line, std::vector<std::string> &lines) {
    const size_t close = line.find(')'), open = line.rfind('(', close); // the innermost
    if (close == std::string::npos) return lines.push_back(line);
    for (const std::string &part : split(line.substr(open + 1, close - open - 1), ';'))
        without_parentheses(line.substr(0, open) + part + line.substr(close + 1), lines);
}

} // namespace

std::vector<std::string> expanded(const char *line) {
    std::vector<std::string> lines;
    without_parentheses(with_sets(line), lines);
    return lines;
}

namespace {

// Alternatives; whether one of them must be there.
struct Group {
    std::vector<std::string> words;
    bool optional = false;
};
using Line = std::vector<Group>;

Line line_of(const std::string &words) {
    Line line;
    for (std::string &text : split(words, ' ')) {
        if (text.empty()) continue; // an alternative that has no words
        Group group;
        group.optional = text.back() == '?';
        if (group.optional) text.pop_back();
        group.words = split(text, '|');
        line.push_back(std::move(group));
    }
    return line;
}

bool names(std::string_view opcodes, std::string_view opcode) {
    while (!opcodes.empty()) {
        const std::string_view name = opcodes.substr(0, opcodes.find(' '));
        if (name == opcode) return true;
        opcodes.remove_prefix(std::min(opcodes.size(), name.size() + 1));
    }
    return false;
}

// An opcode's lines, made when it is first met.
const std::vector<Line> &lines_of(const std::string &opcode) {
    static std::mutex lock;
    static auto &made = *new std::unordered_map<std::string, std::vector<Line>>;
    std::lock_guard<std::mutex> guard(lock);
    const auto [found, is_new] = made.try_emplace(opcode);
    const FormTable table = forms();
    for (const FormRow *row = table.rows; is_new && row != table.rows + table.size; ++row)
        if (names(row->opcodes, opcode))
            for (const std::string &words : expanded(row->words)) found->second.push_back(line_of(words));
    return found->second;
}

bool is_type(std::string_view word) {
    return ptx::type_of(word) != ptx::Type::unknown || (word.size() > 2 && word.substr(word.size() - 2) == "x2");
}

bool is_space(std::string_view word) {
    return word == "global" || word.substr(0, word.find(':')) == "shared";
}

// Modifiers may come in another order than the ISA's; types, and state spaces, keep theirs.
bool matches(const Line &line, std::vector<std::string_view> left) {
    for (const Group &group : line) {
        bool type = false, space = false; // one was passed over
        auto found = left.begin();
        for (; found != left.end(); ++found) {
            bool dummy = false, &passed = is_type(*found) ? type : is_space(*found) ? space : dummy;
            if (!passed && std::find(group.words.begin(), group.words.end(), *found) != group.words.end()) break;
            passed = true;
        }
        if (found != left.end())
            left.erase(found);
        else if (!group.optional)
            return false;
    }
    return left.empty();
}

} // namespace

bool is_form(const ptx::Instruction &instruction) {
    const std::vector<Line> &lines = lines_of(instruction.opcode);
    const std::vector<std::string_view> words(instruction.modifiers.begin(), instruction.modifiers.end());
    return lines.empty() ||
           std::any_of(lines.begin(), lines.end(), [&](const Line &line) { return matches(line, words); });
}

} // namespace cpu_device
