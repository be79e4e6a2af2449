"""What CUDA goes on using after a call is kept until the function that policy names for it has succeeded."""

from __future__ import annotations

import weakref
from typing import Any

import pytest

from generator.plan import FunctionPlan
from tests.helpers.bench import Bench, Benches
from tests.helpers.parts import Scene
from tests.helpers.parts_special import Callback
from tests.helpers.plans import functions
from tests.helpers.recorder import Call, number
from tests.helpers.scenes import call, scenes


def _key(function: FunctionPlan) -> str:
    """The parameter under whose value something is kept."""
    keys = {p.options[2] for p in function.params if p.role == "callback" and p.options[1] == "key"}
    keys |= {p.options[1] for p in function.params if p.role == "array" and p.options[:1] == ("keep",)}
    return next(iter(keys), "")


def _releasing(bench: Bench, function: FunctionPlan) -> list[FunctionPlan]:
    """The functions that take such a value and end that life."""
    p = next(p for p in function.params if p.name == _key(function))
    found = [f for f in bench.plan.functions if any(q.name == f.releases and _type(q) == _type(p) for q in f.params)]
    assert found, "nothing gives it back"
    return found


def _type(p: Any) -> Any:
    return p.target if p.target and p.target.kind == "handle" else p.value


class Watched(bytearray):
    """Memory, or a user object, that can be watched."""


def _watch(scene: Scene) -> weakref.ref[Watched]:
    """Puts one object where CUDA will go on using it."""
    watched = Watched(b"0123456789abcdef")
    for part in scene.parts.values():
        if isinstance(part, Callback):
            part.user = watched
            scene.parts[part.p.options[0]].given = watched
        elif part.p.role == "array" and part.p.options[:1] == ("keep",):
            part.given = [watched for _ in part.given]
    return weakref.ref(watched)


def _take(bench: Bench, function: FunctionPlan) -> tuple[weakref.ref[Watched], bytes]:
    """A call that takes something; the object to watch, and the key."""
    scene = next(scenes(bench.plan, function, bench.values()))
    found = _watch(scene)
    part: Any = scene.parts[_key(function)]

    def taken(one: Call) -> int:
        if part.p.role == "out":
            part.seen(one.arguments[[p.name for p in function.params].index(part.p.name)])
        return 0

    with bench.recorder.during(taken):
        call(scene, bench.target(function))
    for one in scene.parts.values():
        one.given = None
        if isinstance(one, Callback):
            one.user = None
    return found, part.sample.raw


@pytest.mark.parametrize(
    ("library", "function"), [pytest.param(name, f, id=f.function.symbol) for name, f in functions() if _key(f)]
)
def test_kept_until_released(benches: Benches, library: str, function: FunctionPlan) -> None:
    bench = benches.of[library]
    for release in _releasing(bench, function):
        kept, key = _take(bench, function)
        assert kept()
        for status in (1, 0):

            def answer(one: Call, status: int = status) -> int:
                return status

            scene = next(scenes(bench.plan, release, bench.values()))
            scene.parts[release.releases].given = number(key)
            with bench.recorder.during(answer):
                try:
                    call(scene, bench.target(release))
                except bench.errors:
                    assert status
            assert bool(kept()) == bool(status), "kept" if kept() else "gone before the library was done with it"
