"""What raises: every failing status of every library, every wrong argument of every function.  Nothing leaks on the way."""

from __future__ import annotations

import gc
import sys
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from generator import names, policy
from generator.pipeline import ROOT
from generator.plan import FunctionPlan, Plan
from tests.helpers.bench import Bench, Benches
from tests.helpers.parts import Scene
from tests.helpers.parts_out import OnFailure
from tests.helpers.plans import functions, plans
from tests.helpers.recorder import Call
from tests.helpers.scenes import answer_of, call, given, handler, scenes

CLASSES: dict[str, dict[str, str]] = tomllib.loads((ROOT / "policy" / "errors.toml").read_text())["status"]
"""Status enum → status → class, as the file says."""


def _mark(chosen: Callable[[FunctionPlan], Any] = lambda f: True) -> pytest.MarkDecorator:
    found = [pytest.param(name, f, id=f.function.symbol) for name, f in functions() if chosen(f)]
    return pytest.mark.parametrize(("library", "function"), found)


def _raises(f: FunctionPlan) -> bool:
    return f.returns_status and f.result != "status"


def _status(plan: Plan) -> tuple[str, int]:
    """The first failing status."""
    return next((name, value) for name, value in plan.types.enums[plan.info.status].values if value)


def _class(benches: Benches, plan: Plan, status: str) -> type[Exception]:
    found: type[Exception] = getattr(benches.cubind, CLASSES[plan.info.status].get(status, policy.ROOT_CLASS))
    return found


def _check(benches: Benches, plan: Plan, error: Any, status: tuple[str, int], function: str) -> None:
    """The exception says which status, and which function."""
    name, value = status
    assert type(error) is _class(benches, plan, name)
    assert isinstance(error, benches.cubind.CudaError)
    assert isinstance(error.code, getattr(benches.of[plan.info.name].module, plan.info.status))
    assert (error.code, error.name, error.function) == (value, name, function)


def _fail(bench: Bench, scene: Scene, status: int) -> Any:
    """The exception of a call that fails."""
    symbol = scene.function.function.symbol
    with bench.recorder.during(handler(scene, symbol, None, status)), pytest.raises(bench.errors) as caught:
        call(scene, bench.target(scene.function))
    assert scene.call == 1, "called again after a failure"
    return caught.value


@_mark(_raises)
def test_failing_call(benches: Benches, library: str, function: FunctionPlan) -> None:
    """Complaint 8."""
    bench = benches.of[library]
    status = _status(bench.plan)
    scene = next(scenes(bench.plan, function, bench.values()))
    error = _fail(bench, scene, status[1])
    _check(benches, bench.plan, error, status, function.name)
    notes = [p for p in function.params if p.role == "on_failure"]
    assert len(getattr(error, "__notes__", ())) == len(notes)
    for p, note in zip(notes, getattr(error, "__notes__", ()), strict=True):
        part = scene.parts[p.name]
        assert isinstance(part, OnFailure)
        assert note.startswith(f"{p.name}: ")
        assert str(part.sample.python) in note


SAMPLE_ROLES = ("value", "out", "fill", "array", "callback", "sized_bytes", "string")


def _samples(plan: Plan) -> list[FunctionPlan]:
    """One function with each of some roles: those have different ways out."""
    found = []
    for role in SAMPLE_ROLES:
        found += [f for f in plan.functions if _raises(f) and any(p.role == role for p in f.params)][:1]
    return found


STATUSES = [
    pytest.param(name, (status, value), id=status)
    for name, plan in plans().items()
    for status, value in plan.types.enums[plan.info.status].values
    if value
]


@pytest.mark.parametrize(("library", "status"), STATUSES)
def test_every_status(benches: Benches, library: str, status: tuple[str, int]) -> None:
    """The class that policy/errors.toml names."""
    bench = benches.of[library]
    for function in _samples(bench.plan):
        if status[0] not in dict(function.answers):
            scene = next(scenes(bench.plan, function, bench.values()))
            _check(benches, bench.plan, _fail(bench, scene, status[1]), status, function.name)


def test_unknown_status(benches: Benches) -> None:
    """A status of a later version is a CudaError with an open enum value."""
    for bench in benches.of.values():
        for function in _samples(bench.plan):
            error = _fail(bench, next(scenes(bench.plan, function, bench.values())), 54321)
            assert type(error) is benches.cubind.CudaError
            assert (int(error.code), error.name) == (54321, None)


@_mark(lambda f: f.answers)
def test_answers(benches: Benches, library: str, function: FunctionPlan) -> None:
    """A status that answers a question is returned as False, or is no failure: the outputs are returned."""
    bench = benches.of[library]
    enum = dict(bench.plan.types.enums[bench.plan.info.status].values)
    for status, value in function.answers:
        scene = next(scenes(bench.plan, function, bench.values()))
        with bench.recorder.during(handler(scene, function.function.symbol, None, enum[status])):
            result = call(scene, bench.target(function))
        if value:
            assert result is {"False": False, "None": None}[value]
        else:
            (check,) = [check for part in scene.parts.values() for check in part.results()]
            check(result)


def _second(f: FunctionPlan) -> bool:
    return any(p.role.startswith(("fill", "sized_")) for p in f.params)


@_mark(_second)
def test_second_call_fails(benches: Benches, library: str, function: FunctionPlan) -> None:
    """The call that fills fails after the one that asked for the size, and the other way round."""
    bench = benches.of[library]
    status = _status(bench.plan)
    for at in range(2):
        scene = next(scenes(bench.plan, function, bench.values()))
        plain = handler(scene, function.function.symbol, None)

        def failing(one: Call, at: int = at, plain: Callable[[Call], int | bytes] = plain) -> int | bytes:
            return plain(one) or (status[1] if len(bench.recorder.calls) == at + 1 else 0)

        with bench.recorder.during(failing) as calls, pytest.raises(bench.errors) as caught:
            call(scene, bench.target(function))
        assert len(calls) == at + 1
        failed = next(f.name for f in bench.plan.functions if f.function.symbol == calls[-1].symbol)
        _check(benches, bench.plan, caught.value, status, failed)


# -- wrong arguments: the library is not called


def _refuses(bench: Bench, scene: Scene, error: type[Exception], changes: dict[str, Any], said: str) -> None:
    """A call with other arguments raises; `...` leaves one out."""
    name = scene.function.name
    arguments = {key: value for key, value in {**given(scene), **changes}.items() if value is not ...}
    with bench.recorder.during(lambda one: scene.also[one.symbol](one)), pytest.raises(error) as caught:
        bench.target(scene.function)(**arguments)
    text = str(caught.value)
    assert type(caught.value) is error
    assert text.startswith(f"{name}()"), text
    assert said in text, text


@_mark(lambda f: f.signature)
def test_wrong_type(benches: Benches, library: str, function: FunctionPlan) -> None:
    """An object of no use, in the place of each parameter in turn."""
    bench = benches.of[library]
    for p in function.signature:
        if p.role != "user_data":
            scene = next(scenes(bench.plan, function, bench.values()))
            name = names.parameter(p.name)
            _refuses(bench, scene, TypeError, {name: object()}, f"'{name}'")


@_mark(lambda f: f.signature)
def test_out_of_range(benches: Benches, library: str, function: FunctionPlan) -> None:
    """An integer that is one too large or too small for its C type."""
    bench = benches.of[library]
    for p in function.signature:
        value = p.target if p.role in ("ref", "inout") else p.value
        if value and value.is_integer and p.role in ("value", "ref", "inout"):
            bits = 8 * value.size
            least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if value.kind[0] == "i" else (0, (1 << bits) - 1)
            scene = next(scenes(bench.plan, function, bench.values()))
            name = names.parameter(p.name)
            for wrong in (least - 1, most + 1):
                _refuses(bench, scene, OverflowError, {name: wrong}, f"'{name}'")


@_mark()
def test_wrong_number_of_arguments(benches: Benches, library: str, function: FunctionPlan) -> None:
    """One too many, each required one missing, a name that is none, and one given twice."""
    bench = benches.of[library]
    scene = next(scenes(bench.plan, function, bench.values()))
    arguments = given(scene)
    target = bench.target(function)
    _refuses(bench, scene, TypeError, {"no_such_name": 1}, "'no_such_name'")
    for name in list(arguments)[: len(arguments) - function.optional]:
        _refuses(bench, scene, TypeError, {name: ...}, f"'{name}'")
    with bench.recorder.during() as calls, pytest.raises(TypeError, match=rf"^{function.name}\(\) takes"):
        target(*arguments.values(), None)
    for name, value in list(arguments.items())[:1]:
        with pytest.raises(TypeError, match=rf"^{function.name}\(\) got multiple values for argument '{name}'"):
            target(value, **arguments)
    assert not calls


# -- leaks


@pytest.fixture(scope="module")
def frozen() -> Iterator[None]:
    """A full collection, which empties free lists too, does not look at what was there before: it takes no time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def _blocks() -> int:
    gc.collect()
    return sys.getallocatedblocks()


@pytest.mark.usefixtures("frozen")
@_mark()
def test_no_leaks(benches: Benches, library: str, function: FunctionPlan) -> None:
    """Many calls, failing and not, keep no argument and no memory of Python's."""
    bench = benches.of[library]
    kept = any(p.role in ("callback", "keep") for p in function.params)
    for status in (_status(bench.plan)[1], 0):
        if kept and not status:
            continue  # what CUDA may call later is kept, and meant to be
        scene = next(scenes(bench.plan, function, bench.values()))
        # numbers and enumerators are shared with the rest of the process
        arguments = [one for one in given(scene).values() if not isinstance(one, int)]
        _repeat(bench, scene, status, 3)
        blocks = _blocks()
        before = [sys.getrefcount(one) for one in arguments]
        _repeat(bench, scene, status, 150)
        assert _blocks() - blocks < 100
        assert [sys.getrefcount(one) for one in arguments] == before


def _repeat(bench: Bench, scene: Scene, status: int, n: int) -> None:
    symbol, target, arguments = (
        scene.function.function.symbol,
        bench.target(scene.function),
        list(given(scene).values()),
    )
    answer = answer_of(scene)
    failed = 0
    with bench.recorder.during() as calls:
        for _ in range(n):
            bench.recorder.answer(handler(scene, symbol, answer, status))
            try:
                target(*arguments)
            except bench.errors:
                failed += 1
            for part in scene.parts.values():
                part.again()
            calls.clear()
    assert failed == (n if status and _raises(scene.function) else 0)
