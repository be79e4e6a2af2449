"""Hand-written PTX: what each form of the language becomes, and what is said about text that is none."""

import re

import pytest

from tests.cpu_device.parser_access import HEAD, Parser

# ── What PTX means ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("0x1F", 31),
        ("0b101U", 5),
        ("017", 15),
        ("0", 0),
        ("-1", -1),
        ("18446744073709551615", -1),
        ("~5", ~5),
        ("!0", 1),
        ("!7", 0),
        ("- -3", 3),
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 4 - 3", 3),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("-8 >> 1", -4),
        ("0xFFFFFFFFFFFFFFF8U >> 1", 0x7FFFFFFFFFFFFFFC),
        ("1 << 70", 0),
        ("-1 >> 70", -1),
        ("-1 < 0U", 0),
        ("-1 < 0", 1),
        ("1 ? 2 : 3", 2),
        ("0 ? 2 : 1 ? 4 : 5", 4),
        ("3 & 6 | 8 ^ 1", 3 & 6 | 8 ^ 1),
        ("1 == 1 && 2 != 2 || 4 >= 4", 1),
        ("(.s64) -1 < 0", 1),
        ("(.u64) -1 > 0", 1),
        ("(.s64) 2.9", 2),
        ("0x8000000000000000 / -1", 0),
        ("(.s64) 0x8000000000000000 / -1", -(2**63)),
        ("WARP_SZ", 32),
        ("WARP_SZ - 1", 31),
    ],
)
def test_constants(parser: Parser, expression: str, value: int) -> None:
    assert parser.value(expression) == value % 2**64


def test_floating_point_constants(parser: Parser) -> None:
    kinds = parser.operands("x 0f3F800000, 0D3FF0000000000000, 1.5, .25, 1e-3, -2.0 * 3.0, -0f3F800000;")
    assert [(o["kind"], o["bits"]) for o in kinds[:2]] == [("float32", 0x3F800000), ("float64", 0x3FF0000000000000)]
    assert [o["number"] for o in kinds[2:6]] == [1.5, 0.25, 1e-3, -6.0]
    assert (kinds[6]["kind"], kinds[6]["bits"]) == ("float32", 0xBF800000)


def test_operands(parser: Parser) -> None:
    found = parser.operands(
        "x {%r1, _, 5}, %p1|%p2, !%p3, -%r1, %tid.x, %r1.a, [%r1+-8], [s+4*2], [64], [t, {%r1, %r2}];"
    )
    kinds = ["list", "pair", "name", "name", "name", "name", "address", "address", "address", "address"]
    assert [o["kind"] for o in found] == kinds
    vector, pair, inverted, minus, special, color, below, symbol, absolute, texture = found
    assert [p["kind"] for p in vector["parts"]] == ["name", "discard", "integer"]
    assert [p["name"] for p in pair["parts"]] == ["%p1", "%p2"]
    assert inverted["negated"]
    assert minus["negated"]
    assert (special["name"], special["member"], color["member"]) == ("%tid", "x", "w")
    assert below["bits"] == 2**64 - 8
    assert (symbol["parts"][0]["name"], symbol["bits"]) == ("s", 8)
    assert absolute["parts"][0]["bits"] == 64
    assert [p["kind"] for p in texture["parts"]] == ["name", "list"]
    assert parser.operands("mov.u64 %r1, s+4;")[1]["bits"] == 4
    assert parser.operands("vadd.u32.u32.u32 %r1, %r2.b0, %r3.h1, %r4;")[1]["selector"] == "b0"
    assert parser.operands("ld.global.u32 %r1, [%r2].unified;")[1]["kind"] == "address"


def test_calls(parser: Parser) -> None:
    with_result, plain, bare, indirect = parser.body(
        "call.uni (r), f, (a, %r1, 5); call f, (); call f; call (r, s), %r1, (a), proto;"
    )["body"]
    assert [o["kind"] for o in with_result["operands"]] == ["group", "name", "group"]
    assert [p["kind"] for p in with_result["operands"][2]["parts"]] == ["name", "name", "integer"]
    assert plain["operands"][1]["parts"] == []
    assert len(bare["operands"]) == 1
    assert [o.get("name") for o in indirect["operands"]] == [None, "%r1", None, "proto"]


def test_modifiers(parser: Parser) -> None:
    written = [
        "mma.sync.m16n8k16.row.f32",
        "cp.async.shared::cluster.mbarrier::complete_tx::bytes.L2::128B",
        "tcgen05.32x32b.x8",
        "ld .param .u64",
    ]
    body = parser.body(" ".join(f"{opcode} %r1;" for opcode in written))["body"]
    assert [[i["opcode"], *i["modifiers"]] for i in body] == [re.split(r" ?\.", opcode) for opcode in written]


def test_predicates_and_labels(parser: Parser) -> None:
    function = parser.body("add: @%p1 add.u32 %r1, %r2, 3; A: B: @!%p2 bra add; C:")
    assert [(i["predicate"], i.get("predicate_negated", 0)) for i in function["body"]] == [("%p1", 0), ("%p2", 1)]
    assert function["labels"] == {"add": 0, "A": 1, "B": 1, "C": 2}


def test_names_of_blocks(parser: Parser) -> None:
    function = parser.body(
        """.reg .b32 a; L: mov.b32 a, %r1;
        { .reg .b32 a; .reg .b16 %r<3>; .param .b32 q; mov.b32 a, %r1; bra L; { L: bra L; mov.b32 a, %r8; } @a bra M; M: }
        { .reg .b32 a; mov.b32 [a], {a}; bra M; } M: bra L;"""
    )
    names = [[o.get("name") for o in i["operands"]] for i in function["body"]]
    assert names[:6] == [["a", "%r1"], ["a@2", "%r1@2"], ["L"], ["L@3"], ["a@2", "%r8"], ["M@2"]]
    assert function["body"][5]["predicate"] == "a@2"
    address, list_ = function["body"][6]["operands"]
    assert address["parts"][0]["name"] == list_["parts"][0]["name"] == "a@4"
    assert names[7:] == [["M"], ["L"]]
    assert function["labels"] == {"L": 0, "L@3": 3, "M@2": 6, "M": 8}
    declared = {v["name"]: (v["type"], v["count"]) for v in function["variables"]}
    assert declared == {
        "%r": ("b32", 9), "%p": ("pred", 4), "a": ("b32", 0), "a@2": ("b32", 0), "q@2": ("b32", 0), "%r1@2": ("b16", 0),
        "a@4": ("b32", 0),
    }  # fmt: skip


def test_tables_and_prototypes(parser: Parser) -> None:
    function = parser.body(
        "brx.idx %r1, T; T: .branchtargets A, B; A: B: { C: .calltargets f, g; P: .callprototype (.param .b32 _) _ (.reg .f32 x, "
        ".param .align 8 .b8 y[16]) .noreturn; call (r), %r1, (q), P; call (r), %r1, (q), C; }"
    )
    assert function["tables"] == {"T": ["A", "B"], "C@2": ["f", "g"]}
    assert [p["name"] for p in function["prototypes"]] == ["P@2"]
    assert [p["type"] for p in function["prototypes"][0]["params"]] == ["f32", "b8"]
    assert [i["operands"][-1]["name"] for i in function["body"]] == ["T", "P@2", "C@2"]


def test_variables(parser: Parser) -> None:
    text = """.visible .global .attribute(.managed) .align 16 .v4 .f32 v[2] = {{1.0, 2.0}, {0f40400000}};
.global .attribute(.unified(19, 95)) .f64 d = 1.5; .const .b32 e[] = {1, -2}, f = 3; .extern .shared .b8 s[];
.global .u64 p[3] = {q - 4, generic(q) + 8, generic(g)}; .global .b8 m[4] = {0xff(q), 0xff00(q+4), 0xFF000000(generic(q)), 7};
.global .u8 t[2][3] = {{1, 2}, {3}}; .global .texref x; .global .samplerref y = {addr_mode_0 = wrap, filter_mode = nearest};
.global .u16 set<3>; .global .u32 empty[4] = {};"""
    variables = {v["name"]: v for v in parser.module(text)["variables"]}
    bits = {name: [i["bits"] for i in v["init"]] for name, v in variables.items()}
    assert bits["v"] == [0x3F800000, 0x40000000, 0, 0, 0x40400000]
    assert (variables["v"]["vector"], variables["v"]["align"], variables["v"]["managed"]) == (4, 16, 1)
    assert bits["d"] == [0x3FF8000000000000]
    assert (bits["e"], bits["f"], variables["e"]["dimensions"]) == ([1, 2**64 - 2], [3], [0])
    assert variables["p"]["init"] == [
        {"bits": 2**64 - 4, "symbol": "q"},
        {"bits": 8, "symbol": "q", "generic": 1},
        {"bits": 0, "symbol": "g", "generic": 1},
    ]
    assert [(i.get("mask_shift"), i.get("mask_bytes"), i["bits"]) for i in variables["m"]["init"]] == [
        (0, 1, 0), (8, 1, 4), (24, 1, 0), (None, None, 7)
    ]  # fmt: skip
    assert bits["t"] == [1, 2, 0, 3]
    assert [variables["x"]["type"], variables["y"]["type"]] == ["texref", "samplerref"]
    assert {"set0", "set1", "set2"} < set(variables)


def test_functions(parser: Parser) -> None:
    module = parser.module(
        """.alias a, f; .pragma "x", "y";
.extern .func (.param .b32 r) vprintf(.param .b64 x, .param .b64 y);
.weak .func (.reg .f32 r) f(.param .align 8 .b8 b[24], .reg .u32 i) .noreturn { ret; }
.visible .entry k(.param .u64 .ptr .shared .align 16 p, .param .u64 .ptr q) .maxntid 256 .minnctapersm 2 .maxnctapersm 3
 .maxnreg 40 .reqnctapercluster 2, 1, 1 .explicitcluster .maxclusterrank 8 .blocksareclusters .pragma "nounroll"; { ret; }
.func g .attribute(.unified(1, 2)) .abi_preserve 4; .entry bare { ret; }"""
    )
    printer, f, k, g, bare = module["functions"]
    assert module["aliases"] == {"a": "f"}
    assert printer["extern"]
    assert printer["declaration"]
    assert f["noreturn"]
    assert [(v["space"], v["type"], v["align"], v["dimensions"]) for v in f["params"]] == [
        ("param", "b8", 8, [24]), ("reg", "u32", 0, [])
    ]  # fmt: skip
    assert (k["maxntid"], k["minnctapersm"], k["maxnreg"]) == ([256, 1, 1], 2, 40)
    assert (k["reqnctapercluster"], k["explicit_cluster"]) == ([2, 1, 1], 1)
    assert [(v["pointer"], v["pointer_space"], v["align"]) for v in k["params"]] == [
        (1, "shared", 0),
        (1, "generic", 0),
    ]
    assert g["declaration"]
    assert bare["entry"]


def test_text_forms(parser: Parser) -> None:
    assert parser.dump('# 1 "file"\r\n' + HEAD.replace("\n", "\r\n") + "@@DWARF .byte 1\n")["target"] == "sm_80"
    assert parser.dump(".version 10.12 .target sm_90a, debug")["version"] == [10, 12]


# ── What is no PTX ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("x", 1, "expected a directive, found 'x'"),
        (".entry k { ret", 15, "expected ';' behind an instruction, found the end of the text"),
        (".entry k { ret;", 16, "expected '}' for the '{' in line 4"),
        (".entry k { mov.b32 a, ; }", 23, "expected an operand, found ';'"),
        (".entry k { mov.b32 a b; }", 22, "expected ';' behind an instruction, found 'b'"),
        (".entry k { %r1; }", 12, "expected an instruction, found '%r1'"),
        (".entry k { ; }", 12, "expected an instruction, found ';'"),
        (".entry k { .rag .b32 x; }", 12, "unknown directive '.rag'"),
        (".entry k { .reg .b33 x; }", 17, "unknown type '.b33'"),
        (".entry k { .reg .b32 x; .reg .b32 x; }", 35, "'x' is declared twice in this block, first in line 4"),
        (".entry k { L: L: }", 15, "label 'L' is declared twice, first in line 4"),
        (".entry k .maxtid 3 { }", 10, "unknown directive of a function '.maxtid'"),
        (".entry k { add a, 08; }", 19, "a wrong number '08'"),
        (".entry k { add a, 12ab; }", 19, "a wrong number '12ab'"),
        (".entry k { add a, 0f3F8; }", 19, "a wrong floating-point constant '0f3F8'"),
        (".entry k { add a, 99999999999999999999; }", 19, "an integer of more than 64 bits"),
        (".entry k { add a, 1e999; }", 19, "a number outside the range of .f64"),
        (".entry k { add a, 1 / 0; }", 21, "a division by zero"),
        (".global .u8 x[2] = {1, 2, 3};", 27, "more initial values than the 2 elements"),
        (".global .f32 x = 1;", 18, "an integer for a floating-point variable"),
        (".global .u16 x = 0xffff(y);", 18, "a mask that is not one byte"),
        (".global .align 3 .u8 x;", 16, "an alignment that is no power of two: 3"),
        (".global .u64 x[0xffffffff][0xffffffff];", 14, "a variable of more than 2^48 bytes"),
        ("/* ", 1, "a comment that does not end"),
        ('.file 1 "x', 9, "a string that does not end"),
        (".version 8.7", 1, "expected a directive, found '.version'"),
        ("#define x", 1, "a character that is no PTX: '#'"),
    ],
)
def test_errors(parser: Parser, text: str, column: int, message: str) -> None:
    error = parser.error(text)
    assert (error["line"], error["column"], error["text"]) == (4, column, text)
    assert error["message"].startswith(message)


def test_error_of_bytes(parser: Parser) -> None:
    assert parser.error(b"\0")["message"] == "a character that is no PTX: byte 0"
    assert parser.error(b"\xc3\xa9")["message"] == "a character that is no PTX: byte 195"
    assert parser.dump("")["error"]["message"] == "expected the directive .version, found the end of the text"
    assert parser.dump(".version 8.7")["error"]["message"].startswith("expected the directive .target")
    long = parser.error(b".entry k { " + b"x" * 100_000)
    assert len(long["text"]) == 200
    assert len(long["message"]) < 120
