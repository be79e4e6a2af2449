"""Facts and decisions brought together: what each decision makes of a parameter, and of the function around it."""

from __future__ import annotations

import pytest
from small import ERRORS, Rule, function, library, plan, policy

from generator import lower
from generator.ir import Function, Typedef
from generator.plan import FunctionPlan, Parameter
from generator.policy import FunctionPolicy, RecordPolicy
from generator.typetable import Types, Value

TAGS = {"toyKind": {"TOY_INT": "int", "TOY_TEXT": "text", "TOY_MANY": "int[]"}}


def first(declared: Function, decisions: dict[str, str] | None = None, **more: object) -> FunctionPlan:
    return next(f for f in plan(declared, decisions, **more).functions if f.name == declared.name)


def roles(found: FunctionPlan) -> dict[str, str]:
    return {p.name: p.role for p in found.params}


# -- what a declaration decides by itself


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("int x", "value"),
        ("toyBox x", "value"),
        ("toyPoint x", "value"),
        ("const char * x", "string"),
        ("void * x", "address"),
        ("const void * x", "address"),
        ("const toyPoint * x", "record"),
        ("out toyPoint * x", "out"),
        ("out int * x", "out"),
        ("out toyBox * x", "out"),
        ("out const toyPoint * x", "record"),
    ],
)
def test_declaration_decides_by_itself(text: str, role: str) -> None:
    assert roles(first(function("toyF", text))) == {"x": role}


@pytest.mark.parametrize(
    "text",
    ["int * x", "toyBox * x", "toyPoint * x", "const int * x", "char * x", "out void * x", "out char * x", "toyDone x"],
)
def test_what_stays_open_is_a_gap(text: str) -> None:
    """Nothing is guessed: such a parameter needs a decision, and the error names function, type and parameter."""
    with pytest.raises(lower.LowerError) as error:
        plan(function("toyF", text))
    type_ = text.removeprefix("out ").rsplit(" ", 1)[0]
    assert error.value.gaps == [f"toyF({type_} x)"]
    assert f"no decision for toyF({type_} x)" in str(error.value)


# -- decisions: (parameters, decisions, role of each parameter, which are in the Python signature)

WORDS = {
    "in": (["int * x"], {"x": "in"}, "ref", "x"),
    "in record": (["toyPoint * x"], {"x": "in"}, "record", "x"),
    "in address": (["out void * x"], {"x": "in"}, "address", "x"),
    "out": (["int * x"], {"x": "out"}, "out", ""),
    "inout": (["int * x"], {"x": "inout"}, "inout", "x"),
    "address const": (["void * x"], {"x": "address const"}, "address", "x"),
    "null": (["void * x"], {"x": "null"}, "null", ""),
    "array": (["int * x", "int n"], {"x": "array n"}, "array count", "x n"),
    "array less": (["int * x", "int n"], {"x": "array n-1"}, "array count", "x n"),
    "array fixed": (["int * x"], {"x": "array 4"}, "array", "x"),
    "array keep": (
        ["int n", "void ** x", "toyBox * box"],
        {"x": "array n keep box", "box": "out"},
        "count array out",
        "n x",
    ),
    "array inout count": (["int * x", "int * n"], {"x": "array n", "n": "inout"}, "array inout", "x n"),
    "inout_array": (["toyPoint * x", "int n"], {"x": "inout_array n"}, "inout_array count", "x n"),
    "out_array": (["int * x", "int n"], {"x": "out_array n"}, "out_array value", "n"),
    "out_array used": (["int * x", "int n", "int * m"], {"x": "out_array n used m"}, "out_array value used_count", "n"),
    "out_array per": (["int * x", "int n", "int m"], {"x": "out_array n/m"}, "out_array value value", "n m"),
    "fill": (["int * x", "int * n"], {"x": "fill n"}, "fill fill_count", ""),
    "borrow": (["const int ** x", "int * n"], {"x": "borrow n"}, "borrow borrow_count", ""),
    "borrow_bytes": (["void ** x", "size_t * n"], {"x": "borrow_bytes n"}, "borrow_bytes borrow_count", ""),
    "text": (["char * x", "int n"], {"x": "text n"}, "text value", "n"),
    "bytes": (["char * x", "size_t * n"], {"x": "bytes n", "n": "in"}, "bytes ref", "n"),
    "fixed_text": (["char * x"], {"x": "fixed_text 8"}, "fixed_text", ""),
    "fixed_bytes": (["char * x"], {"x": "fixed_bytes 8"}, "fixed_bytes", ""),
    "sized_text": (["char * x"], {"x": "sized_text toySize"}, "sized_text", ""),
    "sized_bytes": (["char * x"], {"x": "sized_bytes toySize"}, "sized_bytes", ""),
    "sized_array": (["int * x"], {"x": "sized_array toySize"}, "sized_array", ""),
    "out_pointer": (["void * x"], {"x": "out_pointer"}, "out_pointer", ""),
    "on_failure": (["int * x"], {"x": "on_failure"}, "on_failure", ""),
    "tagged": (["toyKind k", "void * x"], {"x": "tagged k"}, "value tagged", "k x"),
    "out_tagged": (
        ["toyKind k", "void * x", "size_t * s"],
        {"x": "out_tagged k s", "s": "null"},
        "value out_tagged null",
        "k",
    ),
    "out_tagged_array": (
        ["toyKind * k", "int n", "void ** x"],
        {"k": "array n", "x": "out_tagged_array k n"},
        "array count out_tagged_array",
        "k n",
    ),
    "kernel_params": (["toyBox f", "void ** x"], {"x": "kernel_params f toySize"}, "value kernel_params", "f x"),
    "callback": (["toyDone x", "void * u"], {"x": "callback u once"}, "callback user_data", "x u"),
    "callback key": (
        ["toyDone x", "void * u", "toyBox * b"],
        {"x": "callback u key b", "b": "out"},
        "callback user_data out",
        "x u",
    ),
    "callback inline": (["int (*)(int) x"], {"x": "callback - call"}, "callback", "x"),
    "keep": (["toyPoint * x"], {"x": "keep forever -"}, "keep", "x"),
}


@pytest.mark.parametrize("word", WORDS)
def test_decision_becomes_roles(word: str) -> None:
    texts, decisions, expected, signature = WORDS[word]
    found = first(function("toyF", *texts), decisions, others=[function("toySize", "out size_t * n")], tags=TAGS)
    assert " ".join(p.role for p in found.params) == expected
    assert " ".join(p.name for p in found.signature) == signature


def test_counts_and_options_are_taken_apart() -> None:
    found = first(
        function("toyF", "int * a", "int * b", "int n", "int * c", "int m", "int * used"),
        {"a": "array n-2", "b": "out_array n/m", "c": "out_array 4 used used"},
    )
    a, b, n, c, _, _ = found.params
    assert (a.count, a.less, a.options) == ("n", 2, ())
    assert (b.count, b.options) == ("n", ("per", "m"))
    assert (c.count, c.options) == ("4", ("used", "used"))
    assert n == Parameter("n", "int", Value("i32", size=4), "count")
    assert a.target == Value("i32", size=4)


# -- rules


def test_rule_decides_and_a_line_of_its_own_wins() -> None:
    rules = [Rule("p*", "out", "int *"), Rule("*", "in", "int *", "toyG*")]
    declared = function("toyF", "int * pA", "int * pB")
    other = function("toyGet", "int * x")
    found = plan(declared, {"pB": "inout"}, rules=rules, others=[other]).functions
    assert [roles(f) for f in found] == [{"pA": "out", "pB": "inout"}, {"x": "ref"}]


# -- whole functions


def test_statuses_results_and_gil() -> None:
    busy = first(function("toyF", "out int * x"), answers={"TOY_BUSY": "False"}, hold_gil={"toyF": "why"})
    assert (busy.answers, busy.hold_gil, busy.result, busy.returns_status) == ((("TOY_BUSY", "False"),), True, "", True)
    assert first(function("toyF"), result="status").result == "status"
    size = first(function("toyF", returns="size_t"))
    assert (size.result, size.returns_status, size.returns) == ("value", False, Value("u64"))
    assert not first(function("toyF")).hold_gil


def test_optional_parameters_are_the_last() -> None:
    found = first(function("toyF", "int a", "out int * b", "int c"), optional=("c",))
    assert found.optional == 1


def test_versioned_function_has_its_symbol_as_an_alias() -> None:
    """Unless another function has that public name; since and page come from the facts."""
    new = function("toyF", symbol="toyF_v2", group="TOY_MEM")
    kept = function("toyG_v2", symbol="toyG_v2")
    taken = function("toyG", symbol="toyG_v3")
    info = lower.lower(library(new, kept, taken), policy(), {"toyF_v2": "1.2"})
    aliases = {f.name: (f.aliases, f.since) for f in info.functions}
    assert aliases == {"toyF": (("toyF_v2",), "1.2"), "toyG_v2": ((), ""), "toyG": (("toyG_v3",), "")}


def test_index_is_the_place_in_the_table() -> None:
    """A skipped function has a place in the table, and no plan."""
    declared = [function(name) for name in ("toyA", "toyB", "toyC")]
    skip = {"toyB": FunctionPolicy(skip="why")}
    found = lower.lower(library(*declared), policy(skip), {})
    assert [(f.name, f.index) for f in found.functions] == [("toyA", 0), ("toyC", 2)]


def test_callbacks_have_user_pointers_and_texts() -> None:
    found = plan(function("toyF"), callbacks={"toyLog": {"text": "text length"}})
    assert {c.name: (c.user, c.texts) for c in found.callbacks} == {
        "toyDone": (1, {}),
        "toyLog": (0, {1: 2}),
        "toyPlain": (-1, {}),
    }


def test_inline_callback_is_named_after_its_place() -> None:
    found = plan(function("toyF", "void (*)(void) x", "int (*)(int, void *) y"), dict.fromkeys("xy", "callback - call"))
    inline = {c.name: [p.type for p in c.params] for c in found.callbacks if c.name.startswith("toyF")}
    assert inline == {"toyF_x": [], "toyF_y": ["int", "void *"]}


def test_user_pointer_that_nobody_knows_is_a_gap() -> None:
    """Two pointers to something unknown and no usual name: `[callback.NAME]` has to say which."""
    declared = function("toyF", "int (*)(void *, void *) x")
    with pytest.raises(
        lower.LowerError, match=r"no decision for \[callback.toyF_x\]: which parameter is the user pointer"
    ):
        plan(declared, {"x": "callback - call"})
    found = plan(declared, {"x": "callback - call"}, callbacks={"toyF_x": {"arg1": "user"}})
    assert next(c.user for c in found.callbacks if c.name == "toyF_x") == 1


def test_records_link_their_fields() -> None:
    (record,) = plan(function("toyF"), records={"toyPoint": RecordPolicy({"at": "count n"})}).records
    assert [(f.name, f.offset, f.link) for f in record.fields] == [("n", 0, ""), ("at", 8, "n")]


def test_tags_are_types() -> None:
    found = plan(function("toyF"), tags=TAGS).tags["toyKind"]
    assert found == {
        "TOY_INT": Value("i32", size=4),
        "TOY_TEXT": Value("text", size=1, count=4096),
        "TOY_MANY": Value("i32", size=4, count=-1),
    }


def test_library_that_uses_another_shares_its_handles() -> None:
    base = Types(library(typedefs=(Typedef("baseBox", "toyBox_st *"),), opaque=("toyBox_st",)))
    found = lower.lower(library(function("toyF", "toyBox x")), policy(), {}, base)
    assert found.handles == (("baseBox", "toyBox_st", "cubind.toy"), ("toyLid", "toyLid_st", "cubind.toy"))
    assert found.functions[0].params[0].value == Value("handle", "baseBox")


def test_other_version_leaves_unused_decisions_alone() -> None:
    """A policy is written for the target: for other versions what it says too much is no error, what is open is."""
    decided = policy({"toyGone": FunctionPolicy()}, errors={**ERRORS, "TOY_ODD": "X"}, rules=[Rule("x", "in")])
    assert lower.lower(library(), decided, {}, strict=False).functions == ()
    with pytest.raises(lower.LowerError, match="no decision for"):
        lower.lower(library(function("toyF", "int * p")), decided, {}, strict=False)
