"""One parameter, one decision: what a declaration says by itself, and what a policy makes of it."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field

from . import ctype, ir, words
from .plan import CallbackPlan, Parameter
from .policy import FunctionPolicy, Policy
from .typetable import Types, Value

_COUNTED = ("array", "inout_array", "out_array", "fill", "borrow", "borrow_bytes", "text", "bytes")
"""Words that are followed by the number of elements."""


@dataclass
class Context:
    """What the passes share: the facts, the decisions, and what was found wrong on the way."""

    library: ir.Library
    policy: Policy
    types: Types
    since: dict[str, str]
    problems: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    used_rules: set[int] = field(default_factory=set)
    callbacks: dict[str, CallbackPlan] = field(default_factory=dict)


def _default(param: ir.Param, value: Value, target: Value | None, c: ctype.CType | None) -> str:
    """The decision that the declaration itself makes; "" where it leaves the meaning of a pointer open."""
    if c is None or value.kind == "func":
        return ""
    if value.kind not in ("ptr", "cstr") or not target:
        return "in"
    if value.kind == "cstr":
        return "in"
    if target.kind == "none" and not param.out:
        return "address"
    if c.const and c.pointers == 1:
        # what is const is never an output, whatever the documentation says
        return "in" if target.kind == "record" else ""
    return "out" if param.out and target.kind not in ("none", "i8") else ""


def _decide(ctx: Context, function: ir.Function, param: ir.Param, value: Value, target: Value | None) -> str:
    own = ctx.policy.functions.get(function.name, FunctionPolicy()).params.get(param.name)
    for i, rule in enumerate(ctx.policy.rules):
        if rule.type and rule.type != param.type:
            continue
        if fnmatch.fnmatchcase(param.name, rule.name) and fnmatch.fnmatchcase(function.name, rule.function):
            ctx.used_rules.add(i)
            if own is None:
                return rule.decision
    if own is not None:
        return own
    try:
        c: ctype.CType | None = ctype.parse(param.type)
    except ValueError:
        c = None
    return _default(param, value, target, c)


def _target(types: Types, param: ir.Param, value: Value) -> Value | None:
    """What a pointer parameter points to; None for what is no pointer (a handle is a value)."""
    if value.kind == "cstr":
        return Value("i8", size=1)
    if value.kind != "ptr":
        return None
    c = types.expand(ctype.parse(param.type))
    return types.value(c.pointee) if c.pointers else None


def place_of(function: ir.Function, name: str, type_: str) -> str:
    return f"{function.name}({type_} {name})"


def parameter(ctx: Context, function: ir.Function, param: ir.Param) -> Parameter:
    value = ctx.types.resolve(param.type)
    target = _target(ctx.types, param, value)
    decision = _decide(ctx, function, param, value, target)
    place = place_of(function, param.name, param.type)
    if not decision:
        ctx.gaps.append(place)
        return Parameter(param.name, param.type, value, "in", target)
    for name in words.functions(decision):
        if name not in {f.name for f in ctx.library.functions}:
            ctx.problems.append(f"policy: {place}: {name!r} names no function of the library")
    if wrong := words.problem(decision, [p.name for p in function.params]):
        ctx.problems.append(f"{place}: {wrong}")
        return Parameter(param.name, param.type, value, "in", target)
    word, *rest = decision.split()
    if word in _COUNTED and (match := words.COUNT.match(rest[0])):
        per = ("per", match["per"]) if match["per"] else ()
        options = (*per, *rest[1:])
        return Parameter(param.name, param.type, value, word, target, match["name"], int(match["less"] or 0), options)
    return Parameter(param.name, param.type, value, _role(word, value, target), target, options=tuple(rest))


def _role(word: str, value: Value, target: Value | None) -> str:
    """The role behind a word: "in" means different things for a value, a string, a record and a pointer to a scalar."""
    if word != "in":
        return word
    if value.kind == "cstr":
        return "string"
    if target is None:
        return "value"
    return {"record": "record", "none": "address"}.get(target.kind, "ref")
