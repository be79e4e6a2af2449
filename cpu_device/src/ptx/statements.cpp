// Bodies of functions: blocks, labels, directives and instructions; see functions.hpp.
#include "functions.hpp"

namespace cpu_device::ptx {

// From '{' to '}'.  Blocks are counted, not recursed into.
void FunctionParser::body() {
    Place opening = reader_.take().place;
    Names names(function_);
    source_ = SourcePlace();
    for (;;) {
        if (reader_.at_end()) reader_.expected("'}' for the '{' in line " + std::to_string(opening.line));
        Place place = reader_.place();
        if (reader_.accept('{')) {
            names.open_block(place);
        } else if (reader_.accept('}')) {
            if (!names.nested()) break;
            names.close_block();
        } else {
            statement(names);
        }
    }
    names.finish();
}

void FunctionParser::statement(Names &names) {
    InstructionParser instructions(reader_, names);
    Instruction instruction;
    if (reader_.at(TokenKind::dotted)) return directive(names);
    if (reader_.at('@')) {
        instruction = instructions.predicated();
    } else {
        Token word = reader_.expect(TokenKind::identifier, "an instruction");
        if (reader_.accept(':')) return labelled(word, names);
        if (word.text[0] == '%') Reader::fail(word.place, "expected an instruction, found " + quoted(word.text));
        instruction = instructions.behind(word);
    }
    instruction.source = source_;
    function_.body.push_back(std::move(instruction));
    names.note_labels(function_.body.back());
}

void FunctionParser::directive(Names &names) {
    if (variables_.at_declaration()) {
        variables_.declaration(
            Linkage(), [&](Variable variable, std::string_view name) { names.declare(std::move(variable), name); });
        return;
    }
    Token word = reader_.take();
    if (word.text == "loc") {
        source_ = loc(reader_);
    } else if (word.text == "file") {
        module_.files.push_back(file(reader_));
    } else if (word.text == "pragma") {
        skip_pragma(reader_);
    } else {
        Reader::fail(word.place, "unknown directive " + quoted("." + std::string(word.text.substr(0, 64))));
    }
}

void FunctionParser::labelled(const Token &label, Names &names) {
    std::string name = names.declare_label(label.text, label.place);
    if (reader_.accept_dotted("branchtargets") || reader_.accept_dotted("calltargets")) {
        table(std::move(name), names);
    } else if (reader_.accept_dotted("callprototype")) {
        prototype(std::move(name));
    } else {
        function_.labels.push_back({std::move(name), static_cast<uint32_t>(function_.body.size())});
    }
}

void FunctionParser::table(std::string name, Names &names) {
    Function::Table table{std::move(name), {}};
    do table.targets.push_back(reader_.identifier("a label or function"));
    while (reader_.accept(','));
    reader_.expect(';', "behind the targets");
    function_.tables.push_back(std::move(table));
    names.note_labels(function_.tables.back());
}

// .callprototype (results) _ (parameters) .noreturn;
void FunctionParser::prototype(std::string name) {
    Function::Prototype prototype;
    prototype.name = std::move(name);
    if (reader_.at('(')) prototype.results = variables_.parameters();
    reader_.identifier("'_' in a prototype");
    if (reader_.at('(')) prototype.params = variables_.parameters();
    while (reader_.at(TokenKind::dotted)) {
        Token word = reader_.take();
        if (word.text == "abi_preserve" || word.text == "abi_preserve_control")
            small_integer(reader_, "the value of a directive");
        else if (word.text != "noreturn")
            Reader::fail(word.place,
                         "unknown directive of a prototype " + quoted("." + std::string(word.text.substr(0, 64))));
    }
    reader_.expect(';', "behind a prototype");
    function_.prototypes.push_back(std::move(prototype));
}

} // namespace cpu_device::ptx
