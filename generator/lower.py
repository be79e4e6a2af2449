"""Facts + policy → plan.  The only module that decides what a function takes, returns and raises.

Each pass below is one small step; `lower` at the end lists them in order.  What a header leaves open and no policy
decides is a gap; what a policy says and nothing matches is an error.  Both are collected, so that one run names all.
"""

from __future__ import annotations

import re
from dataclasses import replace

from . import ir, names
from .decide import Context, parameter, place_of
from .plan import CallbackPlan, FunctionPlan, Parameter, Plan, RecordPlan
from .policy import FunctionPolicy, Policy
from .record_plans import records
from .typetable import Types, Value

_ANSWERS = ("", "True", "False", "None")
"""What a status that is no error may return; "" for the outputs."""


class LowerError(Exception):
    """Facts and policy do not fit together.  `problems` lists everything found, `gaps` the open decisions."""

    def __init__(self, library: str, problems: list[str], gaps: list[str]) -> None:
        self.problems, self.gaps = problems, gaps
        text = [f"{library}: {problem}" for problem in problems]
        text += [f"{library}: no decision for {gap}" for gap in gaps]
        super().__init__("\n".join(text))


# -- counts: what the arrays say about the parameters that hold their lengths


def _with_counts(ctx: Context, function: ir.Function, params: list[Parameter]) -> list[Parameter]:
    roles: dict[str, str] = {}
    for p in params:
        if p.role in ("array", "inout_array"):
            roles[p.count] = "count"
        elif p.role == "fill":
            roles[p.count] = "fill_count"
        elif p.role in ("borrow", "borrow_bytes"):
            roles[p.count] = "borrow_count"
        elif p.role == "out_array" and p.options[:1] == ("used",):
            roles[p.options[1]] = "used_count"
    found = []
    for p in params:
        role = roles.get(p.name, p.role)
        if p.name in roles and (place := place_of(function, p.name, p.type)) in ctx.gaps:
            ctx.gaps.remove(place)
        if role == "count" and not p.value.is_integer:
            if p.role != "inout":
                ctx.problems.append(f"{function.name}: {p.name} ({p.type}) cannot hold the length of an array")
            role = p.role
        found.append(replace(p, role=role))
    return found


def _with_user_data(params: list[Parameter]) -> list[Parameter]:
    """The user pointer of a callback is any Python object; it reaches the callable, not C."""
    users = {p.options[0] for p in params if p.role == "callback"}
    return [replace(p, role="user_data") if p.name in users else p for p in params]


# -- callbacks


def _callback_plan(ctx: Context, callback: ir.Callback) -> CallbackPlan:
    values = tuple(ctx.types.resolve(p.type) for p in callback.params)
    texts, user = _callback_decisions(ctx, callback)
    if user < 0:
        user = _user_pointer(ctx, callback, [i for i, v in enumerate(values) if v.kind == "ptr" and not v.name])
    return CallbackPlan(callback.name, ctx.types.resolve(callback.returns), callback.params, values, user, texts)


def _user_pointer(ctx: Context, callback: ir.Callback, pointers: list[int]) -> int:
    """The only pointer to something unknown, or the one that is called as user pointers are; -1 where there is none."""
    named = [i for i in pointers if callback.params[i].name in ("userData", "data", "payload")]
    found = named or pointers
    if len(found) > 1:
        ctx.gaps.append(f"[callback.{callback.name}]: which parameter is the user pointer")
    return found[0] if found else -1


def _callback_decisions(ctx: Context, callback: ir.Callback) -> tuple[dict[int, int], int]:
    """What `[callback.NAME]` says: position of a `char *` → position of its length, and the position of the user pointer.

    `PARAMETER = "text LENGTH"` and `PARAMETER = "user"`.
    """
    at = {p.name: i for i, p in enumerate(callback.params)}
    texts: dict[int, int] = {}
    user = -1
    for name, decision in ctx.policy.callbacks.get(callback.name, {}).items():
        word, _, length = decision.partition(" ")
        if name in at and decision == "user":
            user = at[name]
        elif name in at and word == "text" and length in at:
            texts[at[name]] = at[length]
        else:
            ctx.problems.append(f"policy: [callback.{callback.name}] {name} = {decision!r} fits no parameters")
    return texts, user


def _inline_callback(function: ir.Function, param: ir.Param) -> ir.Callback:
    """A function-pointer type that is spelled in the parameter itself gets the name FUNCTION_PARAMETER."""
    match = re.fullmatch(r"(.+?)\s*\(\*\)\((.*)\)", param.type)
    if not match:
        raise ValueError(param.type)
    params = tuple(ir.Param(f"arg{i}", t.strip()) for i, t in enumerate(match[2].split(",")) if t != "void")
    return ir.Callback(f"{function.name}_{param.name}", match[1], params)


def _with_callbacks(ctx: Context, function: ir.Function, params: list[Parameter]) -> list[Parameter]:
    found = []
    for p in params:
        callback = p
        if p.role == "callback" and p.value.kind == "func" and not p.value.name:
            inline = _inline_callback(function, ir.Param(p.name, p.type))
            ctx.callbacks[inline.name] = _callback_plan(ctx, inline)
            callback = replace(p, value=Value("func", inline.name))
        found.append(callback)
    return found


# -- functions


def _function(ctx: Context, function: ir.Function, index: int, public: set[str]) -> FunctionPlan:
    decided = ctx.policy.functions.get(function.name, FunctionPolicy())
    params = [parameter(ctx, function, p) for p in function.params]
    params = _with_counts(ctx, function, params)
    params = _with_user_data(params)
    params = _with_callbacks(ctx, function, params)
    _check_function(ctx, function, params, decided)
    returns = ctx.types.resolve(function.returns)
    is_status = returns.kind == "enum" and returns.name == ctx.policy.info.status
    aliases = (function.symbol,) if function.symbol != function.name and function.symbol not in public else ()
    hold = decided.hold_gil or ctx.policy.hold_gil.get(function.name, "")
    return FunctionPlan(
        function=function,
        index=index,
        params=tuple(params),
        returns=returns,
        returns_status=is_status,
        result=decided.result or ("" if is_status else "value"),
        answers=tuple(decided.answers.items()),
        hold_gil=bool(hold),
        optional=_optional(ctx, function, params, decided),
        aliases=aliases,
        since=ctx.since.get(function.symbol, ""),
        page=names.page(ctx.policy.info.docs, function.group),
        releases=decided.releases,
        older=decided.older if decided.older != function.symbol else "",
    )


def _check_older(ctx: Context, function: ir.Function, older: str) -> list[str]:
    """An earlier form is called through the same pointer: only one of the same prototype will do."""
    if not older:
        return []
    found = next((f for f in ctx.library.functions if f.symbol == older), None)
    if not found:
        return [f"older: {ctx.library.name} has no symbol {older}"]
    if function.per_thread or found.per_thread:
        return [f"older: {older}: there is a per-thread variant, which would be missing"]
    same = found.returns == function.returns and [p.type for p in found.params] == [p.type for p in function.params]
    return [] if same else [f"older: the prototype of {older} is another one"]


def _check_function(ctx: Context, function: ir.Function, params: list[Parameter], decided: FunctionPolicy) -> None:
    """What is said about a function fits its parameters, its statuses and the tags."""
    at = {p.name: p for p in params}
    wrong = [f"has no parameter {name!r}" for name in (*decided.params, decided.releases) if name and name not in at]
    status = ctx.types.enums.get(ctx.policy.info.status)
    statuses = dict(status.values) if status else {}
    wrong += [f"answers: {ctx.policy.info.status} has no {name}" for name in decided.answers if name not in statuses]
    wrong += [
        f"answers: {v!r} is none of '', 'True', 'False', 'None'" for v in decided.answers.values() if v not in _ANSWERS
    ]
    wrong += _check_older(ctx, function, decided.older)
    if decided.result not in ("", "status"):
        wrong.append(f"result: {decided.result!r} is not 'status'")
    for p in params:
        if p.role in ("tagged", "out_tagged", "out_tagged_array") and p.options[0] in at:
            attribute = at[p.options[0]]
            enum = attribute.value if attribute.value.kind == "enum" else attribute.target
            if not enum or enum.kind != "enum" or enum.name not in ctx.policy.tags:
                wrong.append(f"{p.name}: there is no [tags] of the type of {attribute.name}")
    ctx.problems += [f"policy: {function.name}: {text}" for text in wrong]


def _optional(ctx: Context, function: ir.Function, params: list[Parameter], decided: FunctionPolicy) -> int:
    trailing = [p.name for p in params if p.python][len([p for p in params if p.python]) - len(decided.optional) :]
    if trailing != list(decided.optional):
        ctx.problems.append(
            f"policy: {function.name}: optional {list(decided.optional)} are not its last parameters {trailing}"
        )
    return len(decided.optional)


# -- the whole


def _tags(ctx: Context) -> dict[str, dict[str, Value]]:
    found: dict[str, dict[str, Value]] = {}
    for enum, members in ctx.policy.tags.items():
        declared = ctx.types.enums.get(enum)
        if declared is None:
            ctx.problems.append(f"policy: [tags.{enum}] names no enum")
            continue
        values = {name for name, _ in declared.values}
        found[enum] = {}
        for member, type_ in members.items():
            if member not in values:
                ctx.problems.append(f"policy: [tags.{enum}] {member} is no enumerator")
            else:
                found[enum][member] = _tag_value(ctx, type_)
    return found


def _tag_value(ctx: Context, text: str) -> Value:
    """The type behind one attribute: a C type, "T[]" for as many as fit, or "text"."""
    if text == "text":
        return Value("text", size=1, count=4096)
    if text.endswith("[]"):
        element = ctx.types.resolve(text.removesuffix("[]").strip())
        return Value(element.kind, element.name, element.size, count=-1)
    return ctx.types.resolve(text)


def _check_unused(ctx: Context, functions: tuple[ir.Function, ...], record_plans: list[RecordPlan]) -> None:
    known = {f.name for f in functions}
    for name in (*ctx.policy.functions, *ctx.policy.hold_gil):
        if name not in known:
            ctx.problems.append(f"policy: there is no function {name!r} in {ctx.library.name} {ctx.library.version}")
    for i, rule in enumerate(ctx.policy.rules):
        if i not in ctx.used_rules:
            ctx.problems.append(f"policy: the rule {rule.type} {rule.name} as {rule.decision!r} matches no parameter")
    for name in ctx.policy.records:
        if name not in {p.name for p in record_plans}:
            ctx.problems.append(f"policy: [record.{name}] names no record")
    for name in ctx.policy.callbacks:
        if name not in ctx.callbacks:
            ctx.problems.append(f"policy: [callback.{name}] names no callback type")
    for name in {n for pair in ctx.policy.accepts.items() for n in pair} - set(ctx.types.handles.values()):
        ctx.problems.append(f"policy: [handles] accepts: no handle class {name!r}")
    for name in ctx.policy.streams - set(ctx.types.handles.values()):
        ctx.problems.append(f"policy: [handles] streams: no handle class {name!r}")


def _check_errors(ctx: Context) -> None:
    """Every failing status has an exception class, and every class named belongs to a status."""
    status = ctx.types.enums.get(ctx.policy.info.status)
    if status is None:
        ctx.problems.append(f"policy: [library] status: there is no enum {ctx.policy.info.status!r}")
        return
    names_ = {name for name, _ in status.values}
    for name in sorted(set(ctx.policy.errors) - names_):
        ctx.problems.append(f"policy/errors.toml: {status.name} has no {name}")
    if dict(status.values).get(ctx.policy.info.success) != 0:
        ctx.problems.append(f"policy: [library] success: {status.name}.{ctx.policy.info.success} is not 0")
    answered = {ctx.policy.info.success} | {a for f in ctx.policy.functions.values() for a in f.answers}
    for name in sorted(names_ - set(ctx.policy.errors) - answered):
        ctx.problems.append(f"policy/errors.toml: {status.name}.{name} has no exception class")


def lower(
    library: ir.Library, policy: Policy, since: dict[str, str], used: Types | None = None, strict: bool = True
) -> Plan:
    """Brings facts and policy together.

    `since` maps symbols to the CUDA version that brought them; `used` are the types of the library named by `uses`.  With
    `strict` off (another version than the policy was written for) unused decisions are accepted; gaps never are.
    Raises LowerError naming every problem and every gap.
    """
    own = Types(library)
    shared = {tag: name for tag, name in used.handles.items() if tag in own.opaque} if used else {}
    types = Types(library, shared)
    ctx = Context(library, policy, types, since)
    declared = names.emitted_functions(library)
    public = {f.name for f in declared}
    skipped = {name for name, p in policy.functions.items() if p.skip}
    functions = [_function(ctx, f, i, public) for i, f in enumerate(declared) if f.name not in skipped]
    record_plans = [replace(r, home=used.library.name) if used and r.name in used.records else r for r in records(ctx)]
    for callback in library.callbacks:
        ctx.callbacks[callback.name] = _callback_plan(ctx, callback)
    tags = _tags(ctx)
    if strict:
        _check_unused(ctx, declared, record_plans)
        _check_errors(ctx)
    problems = ctx.problems if strict else [p for p in ctx.problems if not p.startswith("policy")]
    if problems or ctx.gaps:
        raise LowerError(f"{library.name} {library.version}", problems, ctx.gaps)
    home = dict.fromkeys(shared.values(), f"cubind.{used.library.name}") if used else {}
    return Plan(
        info=policy.info,
        version=library.version,
        library=library,
        types=types,
        functions=tuple(functions),
        records=tuple(record_plans),
        callbacks=tuple(ctx.callbacks[name] for name in sorted(ctx.callbacks)),
        handles=tuple((name, tag, home.get(name, f"cubind.{policy.info.name}")) for tag, name in types.handles.items()),
        streams=policy.streams,
        accepts=policy.accepts,
        tags=tags,
        aliases=types.aliases(),
        errors=policy.errors,
        skipped={name: p.skip for name, p in policy.functions.items() if p.skip},
        keeps_gil={**policy.hold_gil, **{name: p.hold_gil for name, p in policy.functions.items() if p.hold_gil}},
    )
