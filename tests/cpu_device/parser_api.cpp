// The PTX parser for tests: C functions that parse a text and dump what came out as JSON.
#include <cstdio>
#include <cstring>
#include <string>

#include "../../cpu_device/src/ptx/parser.hpp"

using namespace cpu_device::ptx;

namespace {

const char *const spaces[] = {"none", "reg", "sreg", "global", "const", "shared", "local", "param", "tex", "generic"};
const char *const types[] = {"none", "pred", "b8",    "b16",    "b32",        "b64",     "b128",
                             "u8",   "u16",  "u32",   "u64",    "s8",         "s16",     "s32",
                             "s64",  "f16",  "f16x2", "f32",    "f64",        "bf16",    "bf16x2",
                             "tf32", "e4m3", "e5m2",  "texref", "samplerref", "surfref", "unknown"};
const char *const kinds[] = {"name",    "integer", "float32", "float64", "number",
                             "address", "list",    "pair",    "group",   "discard"};

// Objects and arrays are written as "open, members each with a comma behind, close".
class Json {
  public:
    std::string text;
    void open(char bracket) { text += bracket; }
    void close(char bracket) {
        if (text.back() == ',') text.pop_back();
        text += bracket;
        text += ',';
    }
    void key(const char *name) { (text += '"') += name, text += "\":"; }
    void string(const std::string &value) {
        text += '"';
        for (unsigned char c : value) {
            char escaped[8];
            if (c < 32 || c > 126 || c == '"' || c == '\\')
                std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
            else
                escaped[0] = static_cast<char>(c), escaped[1] = 0;
            text += escaped;
        }
        text += "\",";
    }
    void number(uint64_t value) { text += std::to_string(value) + ","; }
    void real(double value) {
        char digits[40];
        std::snprintf(digits, sizeof digits, "%.17g,", value);
        text += digits;
    }
    void field(const char *name, const std::string &value) { key(name), string(value); }
    void field(const char *name, uint64_t value) { key(name), number(value); }
    // A flag is said only where it is set.
    void flag(const char *name, bool value) {
        if (value) field(name, uint64_t{1});
    }
    void place(Place place) { key("at"), open('['), number(place.line), number(place.column), close(']'); }
    template <typename List, typename Each> void list(const char *name, const List &list, Each each) {
        key(name), open('[');
        for (const auto &item : list) each(item);
        close(']');
    }
    void words(const char *name, const std::vector<std::string> &words) {
        list(name, words, [this](const std::string &word) { string(word); });
    }
    template <size_t n> void numbers(const char *name, const uint32_t (&values)[n]) {
        list(name, values, [this](uint32_t value) { number(value); });
    }
};

void dump(Json &json, const Operand &operand) {
    json.open('{');
    json.field("kind", kinds[static_cast<int>(operand.kind)]);
    json.flag("negated", operand.negated);
    if (operand.member) json.field("member", std::string(1, operand.member));
    if (!operand.selector.empty()) json.field("selector", operand.selector);
    if (!operand.name.empty()) json.field("name", operand.name);
    json.field("bits", operand.bits);
    if (operand.kind == Operand::Kind::number) json.key("number"), json.real(operand.number);
    json.list("parts", operand.parts, [&](const Operand &part) { dump(json, part); });
    json.place(operand.place);
    json.close('}');
}

void dump(Json &json, const Variable &variable) {
    json.open('{');
    json.field("name", variable.name);
    json.field("space", spaces[static_cast<int>(variable.space)]);
    json.field("type", types[static_cast<int>(variable.type)]);
    json.field("vector", variable.vector);
    json.field("align", variable.align);
    json.field("count", variable.count);
    json.list("dimensions", variable.dimensions, [&](uint64_t size) { json.number(size); });
    json.flag("extern", variable.is_extern), json.flag("visible", variable.is_visible),
        json.flag("weak", variable.is_weak);
    json.flag("common", variable.is_common), json.flag("managed", variable.is_managed),
        json.flag("pointer", variable.is_pointer);
    if (variable.is_pointer) json.field("pointer_space", spaces[static_cast<int>(variable.pointer_space)]);
    json.list("init", variable.init, [&](const Initializer &init) {
        json.open('{');
        json.field("bits", init.bits);
        if (!init.symbol.empty()) json.field("symbol", init.symbol);
        json.flag("generic", init.generic_address);
        if (init.mask_bytes) json.field("mask_bytes", init.mask_bytes), json.field("mask_shift", init.mask_shift);
        json.close('}');
    });
    json.place(variable.place);
    json.close('}');
}

void dump(Json &json, const char *name, const std::vector<Variable> &variables) {
    json.list(name, variables, [&](const Variable &variable) { dump(json, variable); });
}

void dump(Json &json, const Instruction &instruction) {
    json.open('{');
    json.field("opcode", instruction.opcode);
    json.words("modifiers", instruction.modifiers);
    json.list("operands", instruction.operands, [&](const Operand &operand) { dump(json, operand); });
    if (!instruction.predicate.empty()) json.field("predicate", instruction.predicate);
    json.flag("predicate_negated", instruction.predicate_negated);
    json.place(instruction.place);
    if (instruction.source.line)
        json.numbers("source", {instruction.source.file, instruction.source.line, instruction.source.column});
    json.close('}');
}

void dump(Json &json, const Function &function) {
    json.open('{');
    json.field("name", function.name);
    json.flag("entry", function.is_entry), json.flag("extern", function.is_extern),
        json.flag("visible", function.is_visible);
    json.flag("weak", function.is_weak), json.flag("declaration", function.is_declaration);
    json.flag("noreturn", function.is_noreturn), json.flag("explicit_cluster", function.explicit_cluster);
    dump(json, "results", function.results);
    dump(json, "params", function.params);
    dump(json, "variables", function.variables);
    json.list("body", function.body, [&](const Instruction &instruction) { dump(json, instruction); });
    json.key("labels"), json.open('{');
    for (const Function::Label &label : function.labels) json.field(label.name.c_str(), label.at);
    json.close('}');
    json.key("tables"), json.open('{');
    for (const Function::Table &table : function.tables) json.words(table.name.c_str(), table.targets);
    json.close('}');
    json.list("prototypes", function.prototypes, [&](const Function::Prototype &prototype) {
        json.open('{');
        json.field("name", prototype.name), dump(json, "results", prototype.results),
            dump(json, "params", prototype.params);
        json.close('}');
    });
    json.numbers("maxntid", function.maxntid), json.numbers("reqntid", function.reqntid);
    json.numbers("reqnctapercluster", function.reqnctapercluster);
    json.field("minnctapersm", function.minnctapersm), json.field("maxnreg", function.maxnreg);
    json.place(function.place);
    json.close('}');
}

void dump(Json &json, const Module &module) {
    json.open('{');
    json.key("version"), json.open('[');
    json.number(static_cast<uint64_t>(module.version_major)), json.number(static_cast<uint64_t>(module.version_minor));
    json.close(']');
    json.field("target", module.target), json.words("target_options", module.target_options);
    json.field("address_size", module.address_size);
    dump(json, "variables", module.variables);
    json.list("functions", module.functions, [&](const Function &function) { dump(json, function); });
    json.key("aliases"), json.open('{');
    for (const Module::Alias &alias : module.aliases) json.field(alias.name.c_str(), alias.target);
    json.close('}');
    json.key("files"), json.open('{');
    for (const Module::File &file : module.files) json.field(std::to_string(file.index).c_str(), file.name);
    json.close('}');
    json.close('}');
}

} // namespace

extern "C" {

// The module, or {"error": {...}}, as JSON; to be released with ptx_release.
char *ptx_dump(const char *text, size_t size) {
    Module module;
    Error error;
    Json json;
    if (parse({text, size}, module, error)) {
        dump(json, module);
    } else {
        json.open('{'), json.key("error"), json.open('{');
        json.field("line", error.place.line), json.field("column", error.place.column);
        json.field("message", error.message), json.field("text", error.text);
        json.close('}'), json.close('}');
    }
    json.text.pop_back();
    return strdup(json.text.c_str());
}

void ptx_release(char *text) {
    free(text);
}

// Only whether it parses.
int ptx_parses(const char *text, size_t size) {
    Module module;
    Error error;
    return parse({text, size}, module, error);
}
}

#ifdef PTX_MAIN // a program of its own, for sanitizers: parses texts that are damaged in every way, and prints how it went

#include <fstream>
#include <iostream>
#include <random>
#include <sstream>

namespace {

struct Tally {
    size_t good = 0, bad = 0, silent = 0;
    // The text lies in memory of exactly its own size, so that reading behind its end is noticed.
    void add(const std::string &text) {
        std::vector<char> exact(text.begin(), text.end());
        Module module;
        Error error;
        bool parsed = parse({exact.data(), exact.size()}, module, error);
        (parsed ? good : bad)++;
        silent += !parsed && (error.message.empty() || !error.place.line || !error.place.column);
    }
};

void damage_randomly(Tally &tally, const std::string &text, size_t count) {
    std::mt19937 random(count);
    const std::string likely = "{}[]()<>,;:|!@-+*/%.0xfdU\"\n \t_$?=~&^";
    for (size_t i = 0; i < count; i++) {
        std::string changed = text;
        for (size_t edits = 1 + random() % 4; edits; edits--) {
            size_t at = random() % changed.size(), to = random() % changed.size(), length = random() % 40;
            switch (random() % 4) {
            case 0: changed[at] = static_cast<char>(random()); break;
            case 1: changed[at] = likely[random() % likely.size()]; break;
            case 2: changed.insert(at, changed.substr(to, length)); break;
            default: changed.erase(at, length); break;
            }
            if (changed.empty()) changed = text;
        }
        tally.add(changed);
    }
}

void noise(Tally &tally, size_t count) {
    std::mt19937 random(count);
    for (size_t i = 0; i < count; i++) {
        std::string text = i % 2 ? ".version 8.7 .target sm_80 .func f {" : "";
        for (size_t length = random() % 200; length; length--) text += static_cast<char>(random());
        tally.add(text);
    }
}

} // namespace

int main(int count, char **arguments) {
    if (count != 4) return 2;
    std::string mode = arguments[1];
    std::ostringstream content;
    content << std::ifstream(arguments[2], std::ios::binary).rdbuf();
    std::string text = content.str();
    size_t number = std::stoul(arguments[3]);
    Tally tally;
    if (mode == "whole") tally.add(text);
    if (mode == "prefixes")
        for (size_t length = 0; length < text.size(); length += number) tally.add(text.substr(0, length));
    if (mode == "deletions")
        for (size_t i = 0; i < text.size(); i += number) tally.add(text.substr(0, i) + text.substr(i + 1));
    if (mode == "replacements")
        for (size_t i = 0; i < text.size(); i++)
            tally.add(text.substr(0, i) + static_cast<char>(number) + text.substr(i + 1));
    if (mode == "damage") damage_randomly(tally, text, number);
    if (mode == "noise") noise(tally, number);
    std::cout << tally.good << " " << tally.bad << " " << tally.silent << std::endl;
}

#endif
