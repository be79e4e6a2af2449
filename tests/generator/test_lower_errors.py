"""Decisions that fit nothing: each is an error whose text names what was said and where."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from small import ERRORS, INFO, RecordPolicy, Rule, function, library, plan, policy

from generator import lower
from generator.policy import FunctionPolicy

F = function("toyF", "toyKind k", "int * x", "int n", "void * p", "toyDone d")
DECIDED = {"x": "in", "d": "callback p call"}
TAGS = {"toyKind": {"TOY_INT": "int"}}


def problems(decisions: dict[str, str] | None = None, **more: object) -> str:
    with pytest.raises(lower.LowerError) as error:
        plan(F, {**DECIDED, **(decisions or {})}, **more)
    assert not error.value.gaps
    assert str(error.value).startswith("toy 1.0: ")
    return "\n".join(error.value.problems)


# -- words


@pytest.mark.parametrize(
    ("decision", "text"),
    [
        ("outt", "'outt' is no decision"),
        ("in out", "'in out' is no decision"),
        ("array", "'array' is no decision"),
        ("array n forever x", "'array n forever x' is no decision"),
        ("array m", "'m' names no parameter of the function"),
        ("array n-x", "'n-x' names no parameter of the function"),
        ("array n keep box", "'box' names no parameter of the function"),
        ("out_array n/m", "'n/m' names no parameter of the function"),
        ("out_array n used m", "'m' names no parameter of the function"),
        ("fill m", "'m' names no parameter of the function"),
        ("borrow 4", "'4' names no parameter of the function"),
        ("text m", "'m' names no parameter of the function"),
        ("fixed_text n", "'n' is no number"),
        ("sized_text toyNothing", "'toyNothing' names no function of the library"),
        ("kernel_params m toyF", "'m' names no parameter of the function"),
        ("kernel_params n toyNothing", "'toyNothing' names no function of the library"),
        ("tagged m", "'m' names no parameter of the function"),
        ("out_tagged k m", "'m' names no parameter of the function"),
        ("callback m call", "'m' names no parameter of the function"),
        ("callback n sometimes", "'callback n sometimes' is no decision"),
        ("callback n key", "'callback n key' is no decision"),
        ("callback - once", "'-' names no parameter of the function"),
        ("keep forever n", "'keep forever n' is no decision"),
        ("keep graph m", "'m' names no parameter of the function"),
    ],
)
def test_decision_that_is_none(decision: str, text: str) -> None:
    """A word that is unknown, or followed by the wrong number or kind of words, with function, type and parameter."""
    assert f"toyF(int * x): {text}" in problems({"x": decision}, tags=TAGS)


def test_count_has_to_be_an_integer() -> None:
    assert "toyF: p (void *) cannot hold the length of an array" in problems({"x": "array p", "p": "in"})


def test_attribute_has_to_be_an_enum_with_tags() -> None:
    assert "policy: toyF: x: there is no [tags] of the type of n" in problems({"x": "tagged n"}, tags=TAGS)
    assert "policy: toyF: x: there is no [tags] of the type of k" in problems({"x": "out_tagged k"})


# -- names that nothing has


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"rules": [Rule("q*", "in", "int *")]}, "the rule int * q* as 'in' matches no parameter"),
        ({"rules": [Rule("x", "in", "long *")]}, "the rule long * x as 'in' matches no parameter"),
        ({"hold_gil": {"toyNothing": "why"}}, "there is no function 'toyNothing' in toy 1.0"),
        ({"records": {"toyNothing": RecordPolicy()}}, "[record.toyNothing] names no record"),
        ({"records": {"toyPoint": RecordPolicy({"z": "text"})}}, "record toyPoint has no field 'z'"),
        ({"records": {"toyPoint": RecordPolicy({"at": "count m"})}}, "record toyPoint.at: 'count m' is none of "),
        ({"tags": {"toyNothing": {}}}, "[tags.toyNothing] names no enum"),
        ({"tags": {"toyKind": {"TOY_ODD": "int"}}}, "[tags.toyKind] TOY_ODD is no enumerator"),
        ({"callbacks": {"toyNothing": {}}}, "[callback.toyNothing] names no callback type"),
        ({"callbacks": {"toyLog": {"text": "text size"}}}, "[callback.toyLog] text = 'text size' fits no parameters"),
        ({"callbacks": {"toyLog": {"odd": "user"}}}, "[callback.toyLog] odd = 'user' fits no parameters"),
        ({"streams": frozenset({"toyStream"})}, "[handles] streams: no handle class 'toyStream'"),
        ({"accepts": {"toyBox": "toyTop"}}, "[handles] accepts: no handle class 'toyTop'"),
        ({"optional": ("x",)}, "toyF: optional ['x'] are not its last parameters ['d']"),
        ({"releases": "token"}, "toyF: has no parameter 'token'"),
        ({"answers": {"TOY_ODD": "False"}}, "toyF: answers: toyStatus has no TOY_ODD"),
        ({"older": "toyGone"}, "toyF: older: toy has no symbol toyGone"),
        (
            {"older": "toyOther", "others": [function("toyOther", "int n")]},
            "toyF: older: the prototype of toyOther is another one",
        ),
        (
            {"older": "toyOld", "others": [function("toyOld", "int n", per_thread="toyOld_ptsz")]},
            "toyF: older: toyOld: there is a per-thread variant, which would be missing",
        ),
        ({"answers": {"TOY_BUSY": "Maybe"}}, "toyF: answers: 'Maybe' is none of '', 'True', 'False', 'None'"),
        ({"result": "odd"}, "toyF: result: 'odd' is not 'status'"),
    ],
)
def test_name_that_nothing_has(more: dict[str, object], text: str) -> None:
    """Said once, with the place in the policy."""
    assert problems(**more).count(f"policy: {text}") == 1


def test_parameter_and_function_that_are_not_there() -> None:
    assert "policy: toyF: has no parameter 'y'" in problems({"y": "in"})
    decided = policy({"toyNothing": FunctionPolicy(params={"x": "in"})})
    with pytest.raises(lower.LowerError, match=r"policy: there is no function 'toyNothing' in toy 1\.0"):
        lower.lower(library(), decided, {})


# -- statuses


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"errors": {**ERRORS, "TOY_ODD": "X"}}, "policy/errors.toml: toyStatus has no TOY_ODD"),
        ({"errors": {"TOY_BAD": "X"}}, "policy/errors.toml: toyStatus.TOY_BUSY has no exception class"),
        ({"info": replace(INFO, status="toyOdd")}, "policy: [library] status: there is no enum 'toyOdd'"),
        ({"info": replace(INFO, success="TOY_BAD")}, "policy: [library] success: toyStatus.TOY_BAD is not 0"),
    ],
)
def test_statuses_do_not_fit(more: dict[str, object], text: str) -> None:
    """Every failing status has a class, every class a status, and success is 0."""
    assert text in problems(**more)


def test_status_that_answers_needs_no_class() -> None:
    plan(F, DECIDED, answers={"TOY_BUSY": "False"}, errors={"TOY_BAD": "X"})


def test_everything_is_said_at_once() -> None:
    """One run names every problem and every gap."""
    declared = [function("toyF", "int * a"), function("toyG", "int * b", "int * c")]
    decided = policy({"toyG": FunctionPolicy(params={"b": "outt", "d": "in"})}, rules=[Rule("q", "in")])
    with pytest.raises(lower.LowerError) as error:
        lower.lower(library(*declared), decided, {})
    assert error.value.gaps == ["toyF(int * a)", "toyG(int * c)"]
    assert len(error.value.problems) == 3
    lines = str(error.value).splitlines()
    assert len(lines) == 5 and all(re.match(r"toy 1\.0: ", line) for line in lines)
