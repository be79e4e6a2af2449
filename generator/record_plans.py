"""Records as Python classes see them: anonymous members belong to the record around them, nested ones get a name."""

from __future__ import annotations

from dataclasses import replace

from . import ctype, ir
from .decide import Context
from .plan import FieldPlan, RecordPlan
from .typetable import Types, Value


def records(ctx: Context) -> list[RecordPlan]:
    plans: list[RecordPlan] = []
    for record in ctx.library.records:
        _add_record(ctx, record, record.name, record.name, "", plans, nested=False)
    return plans


def _add_record(
    ctx: Context, record: ir.Record, name: str, c_type: str, c_path: str, plans: list[RecordPlan], nested: bool
) -> None:
    decided = ctx.policy.records.get(name)
    fields: list[FieldPlan] = []
    position = len(plans)
    _add_fields(ctx, record, name, c_type, c_path, 0, fields, plans)
    words = dict(decided.fields) if decided else {}
    fields = [_field_with_policy(ctx, name, f, words, {g.name for g in fields}) for f in fields]
    for unused in words:
        ctx.problems.append(f"policy: record {name} has no field {unused!r}")
    tag = record.tag if record.tag and not nested else name
    plan = RecordPlan(name, tag, c_type, c_path, record.union, record.size, record.align, tuple(fields), nested)
    plans.insert(position, plan)


def _field_with_policy(ctx: Context, record: str, f: FieldPlan, words: dict[str, str], known: set[str]) -> FieldPlan:
    decision = words.pop(f.name, "")
    if not decision:
        return f
    word, _, rest = decision.partition(" ")
    if decision == "text":
        return replace(f, text=True)
    if word in ("count", "user") and rest in known:
        return replace(f, link=rest)
    ctx.problems.append(
        f"policy: record {record}.{f.name}: {decision!r} is none of 'count FIELD', 'user FIELD', 'text'"
    )
    return f


def _add_fields(
    ctx: Context,
    record: ir.Record,
    name: str,
    c_type: str,
    c_path: str,
    base: int,
    fields: list[FieldPlan],
    plans: list[RecordPlan],
) -> None:
    for f in record.fields:
        path = f"{c_path}.{f.name}" if c_path else f.name
        if f.record is None:
            value = ctx.types.resolve(f.type)
            fields.append(FieldPlan(f.name, path, value, base + f.offset, element=_element(ctx.types, f.type, value)))
        elif not f.name:
            # members of an anonymous struct or union are members of the record around it, as in C
            _add_fields(ctx, f.record, name, c_type, c_path, base + f.offset, fields, plans)
        else:
            inner = f"{name}_{f.name}"
            _add_record(ctx, f.record, inner, c_type, path, plans, nested=True)
            count = ctype.parse("void " + f.type).count if f.type else 0
            fields.append(FieldPlan(f.name, path, Value("record", inner, f.record.size, count), base + f.offset))


def _element(types: Types, text: str, value: Value) -> Value | None:
    """What a field that is a pointer to numbers, enums or handles points to."""
    if value.kind != "ptr" or value.name or value.count:
        return None
    c = types.expand(ctype.parse(text))
    element = types.value(c.pointee) if c.pointers else value
    return (
        element
        if element.size > 1 and (element.is_integer or element.is_float or element.kind in ("enum", "handle"))
        else None
    )
