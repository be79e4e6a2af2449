"""Stubs and the coverage page, from a library of a few declarations: one kind of type or parameter each."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from generator import lower, policy
from generator.database import Database
from generator.emit import coverage, docs, pytypes, stub
from generator.emit.declare import EmitError
from generator.ir import Callback, Enum, Field, Function, Library, Macro, Param, Record, Typedef
from generator.plan import FunctionPlan, Plan
from generator.typetable import Value


def function(name: str, *params: str, symbol: str = "", returns: str = "Status", deprecated: bool = False) -> Function:
    split = [text.rsplit(" ", 1) for text in params]
    listed = tuple(Param(n.removeprefix("@"), t, out=n.startswith("@")) for t, n in split)
    return Function(name, symbol or name, returns, listed, "small.h", group="SMALL_ALL", deprecated=deprecated)


SMALL = Library(
    name="small",
    version="2.1",
    functions=(
        function("smallAlloc", "Ptr * @out", "size_t byteCount", symbol="smallAlloc_v2"),
        function("smallCopy", "void * dst", "const void * src", "Stream stream"),
        function("smallDone", "Stream stream"),
        function("smallEdges", "Node * from", "Node * to", "size_t * n", "float * @ms"),
        function("smallGetText", "const char *const name", "char * text", "int len", deprecated=True),
        function("smallGone", "void *** what"),
        function("smallJoin", "const Node * nodes", "unsigned int count", "const Place * place"),
        function("smallName", "Mode mode", returns="const char *"),
        function("smallQuery", "Mode mode", "void * value"),
        function("smallWatch", "Fn fn", "void * user", "int * level"),
    ),
    records=(
        Record(
            "Place_v1",
            "Place_st",
            False,
            64,
            8,
            (
                Field("mode", "Mode", 0, 4),
                Field("size", "int[3]", 4, 12),
                Field("many", "Node[8]", 16, 64),
                Field("fn", "Fn", 16, 8),
                Field("user", "void *", 24, 8),
                Field("next", "Place_v1 *", 32, 8),
                Field("name", "char[8]", 40, 8),
                Field("part", "", 48, 4, Record("", "", True, 4, 4, (Field("x", "float", 0, 4),))),
                Field("from", "unsigned int", 52, 4),
            ),
        ),
    ),
    enums=(
        Enum("Mode", "Mode", True, (("MODE_OFF", 0), ("MODE_ON", 1), ("MODE_ALL", 1 << 30))),
        Enum("Status", "Status", False, (("OK", 0), ("NOT_YET", 5), ("BAD", 7))),
    ),
    typedefs=(
        Typedef("Node", "Node_st *"),
        Typedef("Place", "Place_v1"),
        Typedef("Ptr", "unsigned long long"),
        Typedef("Stream", "Stream_st *"),
    ),
    callbacks=(Callback("Fn", "int", (Param("userData", "void *"), Param("node", "Node"), Param("ms", "float"))),),
    macros=(Macro("SMALL_ALL", 0xFFFFFFFF), Macro("SMALL_SIZE", 8)),
    opaque=("Node_st", "Stream_st"),
)

POLICY = """
[library]
name = "small"
title = "the small library"
headers = ["small.h"]
include = ["small.h"]
sonames = ["libsmall.so"]
status = "Status"
success = "OK"
missing_status = "BAD"
hint = "look for it"
override_env = "SMALL"
docs = "https://example.org/{group}.html"

[handles]
streams = ["Stream"]

[[gil.hold]]
why = "looks into a table"
functions = ["smallName"]

[params]
smallEdges.from = "fill n"
smallEdges.to = "fill n"
smallGetText.text = "text len"
smallJoin.nodes = "array count"
smallQuery.value = "out_tagged mode"
smallWatch.fn = "callback user forever"
smallWatch.level = "inout"

[function]
smallDone.answers = { NOT_YET = "False" }
smallGone.skip = "nobody knows what it does"

[tags.Mode]
MODE_OFF = "int"
MODE_ON = "Status"

[record.Place_v1]
name = "text"
fn = "user user"
next = "count from"
"""

ERRORS = """
[class.BadError]
[status.Status]
BAD = "BadError"
NOT_YET = "BadError"
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return make_plan(tmp_path, POLICY)


def make_plan(root: Path, text: str) -> Plan:
    (root / "policy").mkdir()
    (root / "policy/small.toml").write_text(text)
    (root / "policy/errors.toml").write_text(ERRORS)
    return lower.lower(SMALL, policy.load(root, "small"), {"smallAlloc_v2": "2.0"})


def planned(plan: Plan, name: str) -> FunctionPlan:
    return next(f for f in plan.functions if f.name == name)


def definition(text: str, name: str) -> str:
    """The lines of one class or function of a stub, docstrings left out."""
    node = next(n for n in ast.parse(text).body if isinstance(n, (ast.ClassDef, ast.FunctionDef)) and n.name == name)
    return ast.unparse(_bare(node))


def _bare(node: ast.ClassDef | ast.FunctionDef) -> ast.AST:
    if ast.get_docstring(node) is not None:
        node.body = node.body[1:] or [ast.Pass()]
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef):
            _bare(inner)
    return node


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("smallAlloc", "(byteCount: SupportsIndex) -> Ptr"),
        ("smallCopy", "(dst: WritablePointer, src: Pointer, stream: Stream | SupportsCudaStream | int | None) -> None"),
        ("smallDone", "(stream: Stream | SupportsCudaStream | int | None) -> bool"),
        ("smallEdges", "() -> tuple[list[Node], list[Node], float]"),
        ("smallGetText", "(name: Text, len: SupportsIndex) -> str"),
        (
            "smallJoin",
            "(nodes: Array[Node | int | None], count: SupportsIndex | None, place: Place | int | None) -> None",
        ),
        ("smallName", "(mode: Mode | int) -> str | None"),
        ("smallQuery", "(mode: Mode | int) -> int"),
        ("smallWatch", "(fn: _Fn | FunctionAddress, user: object, level: SupportsIndex | None) -> int | None"),
    ],
)
def test_signature(plan: Plan, name: str, signature: str) -> None:
    assert f"def {name}{signature}:" in definition(stub.emit(plan), name)


def test_record(plan: Plan) -> None:
    text = stub.emit(plan)
    assert definition(text, "Place_v1").splitlines()[5:] == [
        "    mode: Field[Mode, int]",
        "    size: Field[tuple[int, int, int], Sequence[SupportsIndex]]",
        "    many: Field[tuple[Node, ...], Sequence[Node | int | None]]",
        "    fn: Field[_Fn | int, _Fn | FunctionAddress]",
        "    user: Field[Any]",
        "    next: Field[int, Sequence[Place_v1 | Fields] | Pointer]",
        "    name: Field[str, ReadableBuffer]",
        "    part: Field[Place_v1_part, Fields]",
        "    from_: Field[int, SupportsIndex]",
    ]
    assert "part: Place_v1_part | Fields=..." in definition(text, "Place_v1").splitlines()[3]
    assert '"""union Place_v1.part, 4 bytes."""' in text


def test_enum_constants_aliases(plan: Plan) -> None:
    text = stub.emit(plan)
    assert "    MODE_ALL: Final[Mode]  # 0x40000000\n" in text
    assert "\nMODE_ALL: Final[Mode]\n" in text
    assert "\nSMALL_SIZE: Final = 8\n" in text
    assert "\nSMALL_ALL: Final = 0xffffffff\n" in text
    assert "\nPtr: TypeAlias = int\n" in text
    assert "\nPlace = Place_v1\n" in text
    assert "\nsmallAlloc_v2 = smallAlloc\n" in text
    assert "\n_Fn: TypeAlias = Callable[[Any, Node, float], SupportsIndex | None]\n" in text
    assert '\n@deprecated("Deprecated by CUDA.")\ndef smallGetText(' in text


def test_handles(plan: Plan) -> None:
    text = stub.emit(plan)
    assert "__cuda_stream__" in definition(text, "Stream")
    assert "__cuda_stream__" not in definition(text, "Node")


def test_only_what_is_used_is_imported(plan: Plan) -> None:
    text = stub.emit(plan)
    assert "from typing_extensions import Self, deprecated\n" in text
    assert "KernelParams" not in text


def test_everything_is_exported(plan: Plan) -> None:
    names = ast.literal_eval(stub.emit(plan).partition("__all__ = ")[2])
    expected = {"smallAlloc_v2", "MODE_ON", "Mode", "Place", "Place_v1_part", "Fn", "Ptr", "SMALL_SIZE", "Stream"}
    assert names[:2] == ["BAD", "MODE_ALL"]
    assert expected <= set(names)
    assert not {"smallGone", "_Fn", "Any"} & set(names)


def test_documentation(plan: Plan) -> None:
    assert docs.long_docstring(plan, planned(plan, "smallAlloc")) == [
        "Status smallAlloc_v2(Ptr *out, size_t byteCount)",
        "",
        "Args:",
        "    byteCount: size_t, in bytes",
        "",
        "Returns:",
        "    out: Ptr",
        "",
        "Raises:",
        "    CudaError: for every status but OK; its subclass tells the kind",
        "",
        "Since CUDA 2.0. Also called smallAlloc_v2. Releases the GIL.",
        "https://example.org/SMALL__ALL.html",
    ]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("smallCopy", "dst: void *; may be written to"),
        ("smallCopy", "src: const void *; only read"),
        ("smallDone", "True; False for NOT_YET"),
        ("smallDone", "CudaError: for every status but OK and NOT_YET; its subclass tells the kind"),
        ("smallEdges", "from: list of Node"),
        ("smallEdges", "ms: float, in milliseconds"),
        ("smallGetText", "Deprecated by CUDA. Releases the GIL."),
        ("smallJoin", "nodes: array of `count` Node"),
        ("smallJoin", "count: unsigned int; None: the length of `nodes`"),
        ("smallName", "Keeps the GIL."),
        ("smallQuery", "value: by `mode`: Status for MODE_ON; else int"),
        ("smallWatch", "fn: a callable, which gets `user`, a function's address, or None; kept for good"),
    ],
)
def test_documented_facts(plan: Plan, name: str, line: str) -> None:
    assert line in [text.strip() for text in docs.long_docstring(plan, planned(plan, name))]


def test_a_line_of_c_breaks_behind_a_comma() -> None:
    wrapped = docs._declaration_lines("int f(" + ", ".join(f"const char *p{i}" for i in range(20)) + ")")
    assert len(wrapped) > 1
    assert all(line.endswith((",", ")")) for line in wrapped)


def test_unknown_kind_is_an_error(plan: Plan) -> None:
    with pytest.raises(EmitError, match="no Python type for a value of kind 'quaternion'"):
        pytypes.PyTypes(plan).given(Value("quaternion"))


def test_coverage(plan: Plan) -> None:
    facts = Database("small")
    facts.merge(Library("small", "2.0", SMALL.functions[1:]))
    facts.merge(SMALL)
    text = coverage.emit([(plan, facts)])
    assert "| functions declared | 10 | 10 |" in text
    assert "| **functions bound** | 9 | 9 |" in text
    assert "| `smallGone` | small | nobody knows what it does |" in text
    assert "| small: looks into a table | `smallName` |" in text
    assert "### New in CUDA 2.1\nsmall: `smallAlloc`\n" in text
    assert "small: `smallGetText`" in text
    assert "small: `smallAlloc_v2`" in text
