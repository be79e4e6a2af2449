// PTX text → Module: what stands outside of functions; see parser.hpp.
#include "parser.hpp"

#include <charconv>
#include <new>

#include "functions.hpp"

namespace cpu_device::ptx {
namespace {

class ModuleParser {
  public:
    ModuleParser(std::string_view text, Module &module)
        : reader_(text), variables_(reader_), functions_(reader_, variables_, module), module_(module) {}
    void parse();

  private:
    void version();
    void target();
    void address_size();
    void alias();
    void skip_section();
    void declaration();
    Linkage linkage();

    Reader reader_;
    VariableParser variables_;
    FunctionParser functions_;
    Module &module_;
};

void ModuleParser::parse() {
    if (!reader_.accept_dotted("version")) reader_.expected("the directive .version");
    version();
    while (!reader_.at_end()) {
        if (!reader_.at(TokenKind::dotted)) reader_.expected("a directive");
        if (reader_.accept_dotted("target")) {
            target();
        } else if (reader_.accept_dotted("address_size")) {
            address_size();
        } else if (reader_.accept_dotted("file")) {
            module_.files.push_back(file(reader_));
        } else if (reader_.accept_dotted("loc")) {
            loc(reader_);
        } else if (reader_.accept_dotted("pragma")) {
            skip_pragma(reader_);
        } else if (reader_.accept_dotted("section")) {
            skip_section();
        } else {
            declaration();
        }
    }
    if (module_.target.empty()) reader_.expected("the directive .target");
}

// Major and minor are two numbers with a point between, not one: 9.10 comes after 9.9.
void ModuleParser::version() {
    Token number = reader_.expect(TokenKind::number, "a version of PTX");
    const char *begin = number.text.data(), *end = begin + number.text.size();
    auto major = std::from_chars(begin, end, module_.version_major);
    if (major.ec == std::errc() && major.ptr != end && *major.ptr == '.') {
        auto minor = std::from_chars(major.ptr + 1, end, module_.version_minor);
        if (minor.ec == std::errc() && minor.ptr == end) return;
    }
    Reader::fail(number.place, "expected a version like 8.7, found " + quoted(number.text));
}

void ModuleParser::target() {
    do {
        std::string name = reader_.identifier("a target");
        if (name.compare(0, 3, "sm_") == 0 && module_.target.empty())
            module_.target = std::move(name);
        else
            module_.target_options.push_back(std::move(name));
    } while (reader_.accept(','));
}

void ModuleParser::address_size() {
    Place place = reader_.place();
    module_.address_size = small_integer(reader_, "an address size");
    if (module_.address_size != 32 && module_.address_size != 64)
        Reader::fail(place, "an address size that is neither 32 nor 64");
}

void ModuleParser::alias() {
    Module::Alias alias;
    alias.name = reader_.identifier("the name of an alias");
    reader_.expect(',', "between the names of an alias");
    alias.target = reader_.identifier("the function of an alias");
    reader_.expect(';', "behind .alias");
    module_.aliases.push_back(std::move(alias));
}

// .section .debug_info { ... }: DWARF for a debugger of the machine code.
void ModuleParser::skip_section() {
    if (!reader_.at(TokenKind::dotted) && !reader_.at(TokenKind::identifier)) reader_.expected("the name of a section");
    reader_.take();
    Place opening = reader_.place();
    reader_.expect('{', "behind the name of a section");
    while (!reader_.accept('}')) {
        if (reader_.at_end() || reader_.at('{'))
            reader_.expected("'}' for the '{' in line " + std::to_string(opening.line));
        reader_.take();
    }
}

Linkage ModuleParser::linkage() {
    Linkage result;
    for (;;) {
        if (reader_.accept_dotted("extern"))
            result.is_extern = true;
        else if (reader_.accept_dotted("visible"))
            result.is_visible = true;
        else if (reader_.accept_dotted("weak"))
            result.is_weak = true;
        else if (reader_.accept_dotted("common"))
            result.is_common = true;
        else
            return result;
    }
}

void ModuleParser::declaration() {
    if (reader_.accept_dotted("alias")) return alias();
    Linkage how = linkage();
    const Token &word = reader_.peek();
    if (word.is_dotted("entry") || word.is_dotted("func")) return functions_.function(how);
    if (!variables_.at_declaration()) reader_.expected("a directive");
    variables_.declaration(
        how, [this](Variable variable, std::string_view) { module_.variables.push_back(std::move(variable)); });
}

// Line `line` of the text, cut where it is very long.
std::string line_of(std::string_view text, uint32_t line) {
    size_t start = 0;
    for (uint32_t i = 1; i < line; i++) {
        size_t newline = text.find('\n', start);
        if (newline == std::string_view::npos) break;
        start = newline + 1;
    }
    std::string_view rest = text.substr(start, text.substr(start, 200).find('\n'));
    if (rest.size() > 200) rest = rest.substr(0, 200);
    if (!rest.empty() && rest.back() == '\r') rest.remove_suffix(1);
    return std::string(rest);
}

} // namespace

bool parse(std::string_view text, Module &module, Error &error) {
    try {
        if (text.size() > 0x7FFFFFFF) throw Failure{{1, 1}, "a text of more than 2 GB"};
        module = Module();
        ModuleParser(text, module).parse();
        return true;
    } catch (Failure &failure) {
        error = {failure.place, std::move(failure.message), line_of(text, failure.place.line)};
    } catch (const std::bad_alloc &) { error = {{1, 1}, "not enough memory for the module", {}}; }
    return false;
}

} // namespace cpu_device::ptx
