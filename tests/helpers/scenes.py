"""From a function's plan to calls of it: every form of its arguments, and what must be seen on both sides."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from generator import names
from generator.plan import FunctionPlan, Parameter, Plan
from generator.typetable import Value

from .parts import Check, Part, Scene
from .parts_out import part
from .recorder import Call, Recorder
from .values import Sample, Values

FORMS: dict[str, Callable[[Part], None]] = {
    "values": lambda _: None,
    "none": lambda p: p.use_none(),
    "other": lambda p: p.use_other(),
    "empty": lambda p: p.use_empty(),
}


def scenes(plan: Plan, function: FunctionPlan, values: Values, form: str = "values") -> Iterator[Scene]:
    """One scene; or one for each enumerator that decides what a pointer points to."""
    for tags in _tags(plan, function):
        scene = Scene(plan, function, values, tags)
        scene.lengths = _lengths(scene)
        for p in function.params:
            scene.parts[p.name] = part(scene, p.name)
        for each in (FORMS[form], lambda p: p.settle()):
            for one in scene.parts.values():
                each(one)
        yield scene


def _tags(plan: Plan, function: FunctionPlan) -> Iterator[dict[str, str]]:
    deciding = {p.options[0] for p in function.params if p.role in ("tagged", "out_tagged", "out_tagged_array")}
    if not deciding:
        yield {}
        return
    (name,) = deciding
    p = next(p for p in function.params if p.name == name)
    enum = p.value if p.value.kind == "enum" else p.target
    assert enum
    for member in plan.tags[enum.name]:
        yield {name: member}


def _lengths(scene: Scene) -> dict[str, int]:
    """Small numbers that differ, for what holds lengths; sizes that fit, for what holds sizes."""
    found: dict[str, int] = {}
    for p in scene.function.params:
        if p.count and not p.count.isdigit():
            found.setdefault(p.count, 4 + len(found))
        if p.options[:1] == ("per",):
            found[p.count], found[p.options[1]] = 10, 4
        if p.role == "out_tagged_array":
            found.setdefault(p.options[1], 4)
        sizes = {"tagged": 1, "out_tagged": 1, "out_tagged_array": 2}.get(p.role)
        if sizes and p.options[sizes:] and scene.param(p.options[sizes]).python:
            found[p.options[sizes]] = _size(_kind(scene, p))
    return found


def _kind(scene: Scene, p: Parameter) -> Value:
    enum = scene.param(p.options[0])
    value = enum.value if enum.value.kind == "enum" else enum.target
    assert value
    return scene.plan.tags[value.name][scene.tags[enum.name]]


def _size(kind: Value) -> int:
    return kind.count if kind.kind == "text" else 3 * kind.size if kind.count < 0 else kind.size


# -- calls


def given(scene: Scene) -> dict[str, Any]:
    """The Python arguments, in order."""
    return {names.parameter(p.name): scene.parts[p.name].given for p in scene.function.params if p.python}


def call(scene: Scene, target: Callable[..., Any], keywords: bool = False) -> Any:
    """Calls with a scene's arguments."""
    arguments = given(scene)
    return target(**arguments) if keywords else target(*arguments.values())


def handler(scene: Scene, symbol: str, answer: Sample | None, status: int = 0) -> Callable[[Call], int | bytes]:
    """What happens in C during a scene: compares, writes and returns the status, or another answer."""
    scene.call = 0

    def answered(call: Call) -> int | bytes:
        if call.symbol != symbol and call.symbol in scene.also:
            return scene.also[call.symbol](call)
        assert call.symbol == symbol, f"{call.symbol} was called instead of {symbol}"
        assert scene.call < scene.times, f"{symbol} was called more than {scene.times} times"
        assert call.gil == scene.function.hold_gil, f"the GIL was {'held' if call.gil else 'released'}"
        scene.arguments = call.arguments
        for p, raw in zip(scene.function.params, call.arguments, strict=True):
            try:
                scene.parts[p.name].seen(raw)
            except AssertionError as error:
                error.add_note(f"parameter {p.name} ({p.type}, {p.role}) of {symbol}")
                raise
        scene.call += 1
        return answer.raw if answer else status

    return answered


def answer_of(scene: Scene) -> Sample | None:
    """What C returns, where that is no status that says success or failure."""
    function = scene.function
    return scene.values.make(function.returns) if function.result in ("status", "value") else None


def perform(
    scene: Scene, recorder: Recorder, target: Callable[..., Any], symbol: str = "", keywords: bool = False
) -> None:
    """Calls, and checks everything: arguments, how often which symbol was reached, results, what changed."""
    symbol = symbol or scene.function.function.symbol
    answer = answer_of(scene)
    with recorder.during(handler(scene, symbol, answer)):
        result = call(scene, target, keywords)
    assert scene.call == scene.times, f"{symbol} was called {scene.call} times, not {scene.times}"
    checks: list[Check] = [answer.check_python] if answer else []
    checks += [_is_true] if any(value for _, value in scene.function.answers) else []
    checks += [check for p in scene.function.params for check in scene.parts[p.name].results()]
    _compare(result, checks)
    for one in scene.parts.values():
        one.after()


def _is_true(found: object) -> None:
    assert found is True


def _compare(result: Any, checks: list[Check]) -> None:
    if not checks:
        assert result is None
    elif len(checks) == 1:
        checks[0](result)
    else:
        assert isinstance(result, tuple)
        assert len(result) == len(checks)
        for check, one in zip(checks, result, strict=True):
            check(one)


def signature(target: Callable[..., Any]) -> list[str]:
    """The names of the parameters, as Python sees them."""
    return list(inspect.signature(target).parameters)
