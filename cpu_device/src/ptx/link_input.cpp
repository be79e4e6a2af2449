// PTX text → statements and symbols, and back.
#include "link_input.hpp"

#include "parser.hpp"
#include "types.hpp"

#include <algorithm>
#include <cstdlib>

namespace cpu_device::ptx {

namespace {

Binding binding_of(const Function &f) {
    if (f.is_declaration) return f.is_extern || f.is_visible || f.is_weak ? Binding::external : Binding::local;
    return f.is_weak ? Binding::weak : f.is_visible || f.is_extern || f.is_entry ? Binding::strong : Binding::local;
}

Binding binding_of(const Variable &v) {
    if (v.is_extern && v.init.empty()) return Binding::external;
    return v.is_common                   ? Binding::common
           : v.is_weak                   ? Binding::weak
           : v.is_visible || v.is_extern ? Binding::strong
                                         : Binding::local;
}

} // namespace

uint64_t size_of(const Variable &v) {
    uint64_t size = uint64_t(bytes_of(v.type)) * std::max<uint32_t>(v.vector, 1);
    for (uint64_t n : v.dimensions) size *= n; // the parser has seen that it fits
    return size;
}

bool InputModule::read(const LinkInput &from, std::string &error) {
    input = &from;
    Error why;
    if (!parse(from.text, module, why)) {
        error = from.name + ":" + std::to_string(why.place.line) + ":" + std::to_string(why.place.column) +
                ": error: " + why.message + "\n    " + why.text + "\n";
        return false;
    }
    Lexer lexer(from.text);
    for (Token token = lexer.next(); token.kind != TokenKind::end && token.kind != TokenKind::invalid;
         token = lexer.next())
        tokens.push_back(token);
    split();
    add_symbols();
    for (const Module::File &file : module.files) files = std::max(files, file.index);
    return true;
}

// Headers end where the next directive begins, functions and sections with their '}', everything else with ';'.
void InputModule::split() {
    for (size_t at = 0; at < tokens.size();) {
        Statement s;
        s.begin = at;
        const Token &first = tokens[at];
        s.is_header = first.is_dotted("version") || first.is_dotted("target") || first.is_dotted("address_size");
        s.is_section = first.is_dotted("section");
        const bool bare = s.is_header || first.is_dotted("file") || first.is_dotted("loc");
        bool has_body = s.is_section || first.is_dotted("func") || first.is_dotted("entry");
        int depth = 0;
        for (at++; at < tokens.size(); at++) {
            const Token &t = tokens[at];
            if (bare && t.kind == TokenKind::dotted) break;
            if (!depth && (t.is_dotted("func") || t.is_dotted("entry"))) has_body = true;
            if (t.is('{')) depth++;
            const bool closed = t.is('}') && !--depth && has_body;
            if (!bare && (closed || (!depth && t.is(';')))) {
                at++;
                break;
            }
        }
        s.end = at;
        statements.push_back(s);
    }
}

size_t InputModule::statement_at(Place place) const {
    auto before = [](Place a, Place b) { return a.line != b.line ? a.line < b.line : a.column < b.column; };
    size_t found = 0;
    for (size_t low = 0, high = statements.size(); low < high;) {
        const size_t middle = (low + high) / 2;
        if (before(place, tokens[statements[middle].begin].place))
            high = middle;
        else
            low = (found = middle) + 1;
    }
    return found;
}

void InputModule::add_symbols() {
    for (const Function &f : module.functions) {
        LinkSymbol s;
        s.name = f.name;
        s.binding = binding_of(f);
        s.is_function = true;
        s.function = &f;
        s.statement = statement_at(f.place);
        symbols.push_back(std::move(s));
    }
    for (const Variable &v : module.variables) {
        LinkSymbol s;
        s.name = v.name;
        s.binding = binding_of(v);
        s.space = v.space;
        s.size = size_of(v);
        s.is_dynamic = v.space == Space::shared && v.is_extern;
        s.statement = statement_at(v.place);
        symbols.push_back(std::move(s));
    }
    for (const Module::Alias &alias : module.aliases) names_.insert(alias.name);
    for (const LinkSymbol &s : symbols) names_.insert(s.name);
}

bool InputModule::declares(const std::string &name) const {
    return names_.count(name) > 0;
}

bool InputModule::uses(const std::string &name) const {
    std::unordered_set<size_t> own;
    for (const LinkSymbol &s : symbols)
        if (s.name == name) own.insert(s.statement);
    for (size_t k = 0; k < statements.size(); k++) {
        if (own.count(k) || statements[k].is_section || statements[k].dropped) continue;
        for (size_t t = statements[k].begin; t < statements[k].end; t++)
            if (tokens[t].kind == TokenKind::identifier && tokens[t].text == name) return true;
    }
    return false;
}

void InputModule::write(std::string &out, uint32_t first_file, bool with_sections) const {
    const char *text = input->text.data();
    for (const Statement &s : statements) {
        if (s.dropped || s.is_header || (s.is_section && !with_sections)) continue;
        const char *from = tokens[s.begin].text.data() - (tokens[s.begin].kind == TokenKind::dotted);
        const char *end = s.end < tokens.size() ? tokens[s.end].text.data() - 1 : text + input->text.size();
        for (size_t t = s.begin; t < s.end; t++) {
            const Token &token = tokens[t];
            std::string now;
            if (token.kind == TokenKind::identifier) {
                auto other = renamed.find(std::string(token.text));
                if (other != renamed.end()) now = other->second;
            } else if (token.kind == TokenKind::number && first_file && t > s.begin) {
                const Token &before = tokens[t - 1];
                const bool file = before.is_dotted("loc") || before.is_dotted("file") || before.text == "inlined_at";
                if (file) now = std::to_string(std::strtoul(std::string(token.text).c_str(), nullptr, 0) + first_file);
            }
            if (now.empty()) continue;
            out.append(from, static_cast<size_t>(token.text.data() - from));
            out += now;
            from = token.text.data() + token.text.size();
        }
        if (end > from) out.append(from, static_cast<size_t>(end - from));
        out += '\n';
    }
}

size_t InputModule::body_of_unlimited_kernel(const Statement &s) const {
    bool is_entry = false;
    for (size_t t = s.begin; t < s.end; t++) {
        if (tokens[t].is_dotted("maxnreg")) return 0;
        if (tokens[t].is_dotted("entry")) is_entry = true;
        if (tokens[t].is('{')) return is_entry ? t : 0;
    }
    return 0;
}

std::string with_register_limit(const std::string &text, uint32_t most) {
    const LinkInput input{"", text};
    InputModule whole;
    std::string why, out;
    if (!whole.read(input, why)) return text;
    const char *from = input.text.data();
    for (const Statement &s : whole.statements) {
        const size_t body = whole.body_of_unlimited_kernel(s);
        if (!body) continue;
        const char *brace = whole.tokens[body].text.data();
        out.append(from, static_cast<size_t>(brace - from));
        out += ".maxnreg " + std::to_string(most) + " ";
        from = brace;
    }
    return out.append(from, static_cast<size_t>(input.text.data() + input.text.size() - from));
}

} // namespace cpu_device::ptx
