// Functions: headers and performance directives; see functions.hpp.  Bodies are in statements.cpp.
#include "functions.hpp"

#include "constant.hpp"

namespace cpu_device::ptx {
namespace {

// Directives with a number that means nothing here.
bool takes_number(std::string_view word) {
    return word == "maxclusterrank" || word == "maxnctapersm" || word == "abi_preserve" ||
           word == "abi_preserve_control";
}

} // namespace

void FunctionParser::function(const Linkage &linkage) {
    function_ = Function();
    function_.is_entry = reader_.take().text == "entry";
    function_.is_extern = linkage.is_extern;
    function_.is_visible = linkage.is_visible;
    function_.is_weak = linkage.is_weak;
    header();
    if (reader_.accept(';')) {
        function_.is_declaration = true;
    } else {
        if (!reader_.at('{')) reader_.expected("'{' or ';' behind the header of " + quoted(function_.name));
        body();
    }
    module_.functions.push_back(std::move(function_));
}

// .attribute(...) (results) name (parameters) directives
void FunctionParser::header() {
    header_directives();
    if (reader_.at('(')) function_.results = variables_.parameters();
    header_directives();
    function_.place = reader_.place();
    function_.name = reader_.identifier("a function's name");
    reader_.accept(','); // PTX 1.x
    if (reader_.at('(')) function_.params = variables_.parameters();
    header_directives();
}

void FunctionParser::header_directives() {
    while (reader_.at(TokenKind::dotted)) {
        Token word = reader_.take();
        if (!header_directive(word))
            Reader::fail(word.place,
                         "unknown directive of a function " + quoted("." + std::string(word.text.substr(0, 64))));
    }
}

bool FunctionParser::header_directive(const Token &word) {
    std::string_view text = word.text;
    if (text == "maxntid") {
        dimensions(function_.maxntid);
    } else if (text == "reqntid") {
        dimensions(function_.reqntid);
    } else if (text == "reqnctapercluster") {
        dimensions(function_.reqnctapercluster);
    } else if (text == "minnctapersm") {
        function_.minnctapersm = small_integer(reader_, ".minnctapersm");
    } else if (text == "maxnreg") {
        function_.maxnreg = small_integer(reader_, ".maxnreg");
    } else if (text == "explicitcluster") {
        function_.explicit_cluster = true;
    } else if (text == "noreturn") {
        function_.is_noreturn = true;
    } else if (text == "pragma") {
        skip_pragma(reader_);
    } else if (text == "attribute") {
        attribute(reader_);
    } else if (takes_number(text)) {
        small_integer(reader_, "the value of a directive");
    } else if (text == "loc") {
        loc(reader_);
    } else {
        return text == "blocksareclusters";
    }
    return true;
}

// One to three sizes; those that are not given are 1.
void FunctionParser::dimensions(uint32_t (&sizes)[3]) {
    sizes[0] = small_integer(reader_, "a size");
    sizes[1] = reader_.accept(',') ? small_integer(reader_, "a size") : 1;
    sizes[2] = reader_.accept(',') ? small_integer(reader_, "a size") : 1;
}

void skip_pragma(Reader &reader) {
    do reader.expect(TokenKind::string, "a string behind .pragma");
    while (reader.accept(','));
    reader.expect(';', "behind .pragma");
}

Module::File file(Reader &reader) {
    Module::File result;
    result.index = small_integer(reader, "the number of a file");
    std::string_view written = reader.expect(TokenKind::string, "the name of a file").text;
    for (size_t i = 0; i < written.size(); i++) {
        if (written[i] == '\\' && i + 1 < written.size() && (written[i + 1] == '\\' || written[i + 1] == '"')) i++;
        result.name += written[i];
    }
    while (reader.accept(',')) integer(reader, "the time or size of a file");
    return result;
}

// File, line and column: three literals, no expressions.
static SourcePlace place_of(Reader &reader) {
    SourcePlace result;
    for (uint32_t *part : {&result.file, &result.line, &result.column}) {
        if (!reader.at(TokenKind::number)) reader.expected("a number of a source place");
        *part = small_integer(reader, "part of a source place");
    }
    return result;
}

SourcePlace loc(Reader &reader) {
    SourcePlace result = place_of(reader);
    while (reader.accept(',')) {
        Token word = reader.expect(TokenKind::identifier, "function_name or inlined_at");
        if (word.text == "inlined_at") {
            place_of(reader);
        } else if (word.text == "function_name") {
            // A label in a debug section, and an offset.
            if (!reader.at(TokenKind::identifier) && !reader.at(TokenKind::dotted)) reader.expected("a label");
            reader.take();
            if (reader.accept('+')) integer(reader, "an offset");
        } else {
            Reader::fail(word.place, "expected function_name or inlined_at, found " + quoted(word.text));
        }
    }
    return result;
}

} // namespace cpu_device::ptx
