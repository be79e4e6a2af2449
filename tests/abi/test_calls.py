"""Every Python function is called into a library that records: each argument as C got it, each output as Python got it.

What is expected comes from the facts (types and sizes) and from what policy/README.md says about each role.
"""

from __future__ import annotations

import pytest

from generator import names
from generator.plan import FunctionPlan
from tests.helpers.bench import Benches
from tests.helpers.plans import functions
from tests.helpers.scenes import perform, scenes, signature


def _every(*roles: str) -> pytest.MarkDecorator:
    """Every function, or those with a parameter of one of these roles."""
    found = [
        pytest.param(name, f, id=f.function.symbol) for name, f in functions() if not roles or _roles(f) & {*roles}
    ]
    return pytest.mark.parametrize(("library", "function"), found)


def _roles(function: FunctionPlan) -> set[str]:
    return {p.role for p in function.params} | {p.value.kind for p in function.params}


@_every()
def test_values(benches: Benches, library: str, function: FunctionPlan) -> None:
    """Positional arguments, one for each C parameter that is no output; outputs come back in C order."""
    bench = benches.of[library]
    for scene in scenes(bench.plan, function, bench.values()):
        perform(scene, bench.recorder, bench.target(function))


@_every()
def test_keywords(benches: Benches, library: str, function: FunctionPlan) -> None:
    """By keyword, through the function's other name where it has one."""
    bench = benches.of[library]
    target = bench.target(function)
    assert signature(target) == [names.parameter(p.name) for p in function.params if p.python]
    for alias in function.aliases:
        target = getattr(bench.module, alias)
    scene = next(scenes(bench.plan, function, bench.values()))
    perform(scene, bench.recorder, target, keywords=True)


@_every()
def test_none(benches: Benches, library: str, function: FunctionPlan) -> None:
    """None for every pointer, handle and array: NULL; for their lengths: 0."""
    bench = benches.of[library]
    perform(next(scenes(bench.plan, function, bench.values(), "none")), bench.recorder, bench.target(function))


@_every("address", "handle", "record", "keep", "array", "inout_array", "count")
def test_other_forms(benches: Benches, library: str, function: FunctionPlan) -> None:
    """Memory for addresses and arrays, addresses for records and handles, None for lengths that the arrays tell."""
    bench = benches.of[library]
    perform(next(scenes(bench.plan, function, bench.values(), "other")), bench.recorder, bench.target(function))


@_every("out", "fill", "borrow", "borrow_bytes", "text", "sized_text")
def test_empty_outputs(benches: Benches, library: str, function: FunctionPlan) -> None:
    """C says that there is nothing: None, handles of 0, empty lists and texts."""
    bench = benches.of[library]
    perform(next(scenes(bench.plan, function, bench.values(), "empty")), bench.recorder, bench.target(function))
