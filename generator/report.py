"""What the commands print: gaps, differences between versions, and everything known about one name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from . import database, ir, lower, pipeline, policy
from .emit.docs import c_signature
from .plan import FunctionPlan, LibraryInfo, Plan, RecordPlan
from .typetable import Types

if TYPE_CHECKING:
    from .parse import Source


class NotKnownError(Exception):
    """A name that no library declares."""


def source_of(info: LibraryInfo) -> Source:
    """What the parser needs to know about a library."""
    from .parse import Source

    return Source(
        name=info.name,
        headers=info.headers,
        include=info.include,
        prefixes=info.macro_prefixes,
        typedef_headers=info.typedef_headers,
        per_thread_define=info.per_thread_define,
        legacy_define=info.legacy_define,
        inline=info.inline,
        internal=info.internal,
    )


# -- gaps


def gaps(root: Path, version: str) -> list[str]:
    """Parameters that no rule decides, one line each.  Policies are written for the target version: only there is what
    they say and nothing matches an error, too."""
    found: list[str] = []
    strict = version == pipeline.target(root)
    types: dict[str, Types] = {}
    for name in policy.libraries(root):
        decided = policy.load(root, name)
        library = database.load(root, name).library_at(version)
        types[name] = Types(library)
        try:
            lower.lower(library, decided, {}, types.get(decided.info.uses), strict)
        except lower.LowerError as error:
            found += [f"{name}: {gap}" for gap in error.gaps] + [f"{name}: {problem}" for problem in error.problems]
    return found


# -- diff


def diff(root: Path, old: str, new: str) -> str:
    """Declarations added, removed and changed, library by library; a version that no library has is an error."""
    lines: list[str] = []
    databases = {name: database.load(root, name) for name in policy.libraries(root)}
    known = {version for facts in databases.values() for version in facts.versions}
    for name, facts in databases.items():
        if absent := [v for v in (old, new) if v not in facts.versions and v in known]:
            lines.append(f"{name}: no facts of CUDA {' and '.join(absent)}")
            continue
        changes = list(_changes(facts.library_at(old), facts.library_at(new)))
        lines.append(f"{name}: {old} -> {new}: {len(changes)} changes")
        lines += [f"  {change}" for change in changes]
    return "\n".join(lines)


def _changes(old: ir.Library, new: ir.Library) -> Iterator[str]:
    yield from _compare("function", _functions(old), _functions(new))
    yield from _compare("record", {r.name: r for r in old.records}, {r.name: r for r in new.records})
    yield from _compare("callback", {c.name: c for c in old.callbacks}, {c.name: c for c in new.callbacks})
    yield from _compare("typedef", {t.name: t for t in old.typedefs}, {t.name: t for t in new.typedefs})
    yield from _compare("enumerator", _enumerators(old), _enumerators(new))
    yield from _compare("macro", {m.name: m.value for m in old.macros}, {m.name: m.value for m in new.macros})


def _functions(library: ir.Library) -> dict[str, object]:
    return {f.symbol: (f.name, f.returns, tuple(p.type for p in f.params)) for f in library.functions if not f.legacy}


def _enumerators(library: ir.Library) -> dict[str, object]:
    return {f"{e.name}.{name}": value for e in library.enums for name, value in e.values}


def _compare(kind: str, old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[str]:
    for name in sorted(new.keys() - old.keys()):
        yield f"+ {kind} {name}"
    for name in sorted(old.keys() - new.keys()):
        yield f"- {kind} {name}"
    for name in sorted(old.keys() & new.keys()):
        if old[name] != new[name]:
            yield f"~ {kind} {name}{_what(old[name], new[name])}"


def _what(old: object, new: object) -> str:
    if isinstance(old, ir.Record) and isinstance(new, ir.Record) and old.size != new.size:
        return f" ({old.size} -> {new.size} bytes)"
    if isinstance(old, int):
        return f" ({old} -> {new})"
    return ""


# -- explain


def explain(root: Path, name: str) -> str:
    """Everything known and decided about one name.  Raises NotKnownError."""
    found: list[str] = []
    for one in pipeline.lowered(root, pipeline.target(root)):
        plan = one.plan
        found += [
            line
            for f in plan.functions
            if name in (f.name, f.function.symbol)
            for line in _function(plan, f, one.facts)
        ]
        canonical = plan.aliases.get(name, name)
        found += [line for r in plan.records if r.name == canonical for line in _record(r)]
        found += [line for e in plan.library.enums if e.name == canonical for line in _enum(plan, e)]
        handles = [
            f"{h} is a handle: an opaque pointer to struct {tag}; the class is {home}.{h}"
            for h, tag, home in plan.handles
            if h == canonical
        ]
        found += handles
    if not found:
        raise NotKnownError(f"no library declares {name!r}")
    return "\n".join(found)


def _function(plan: Plan, f: FunctionPlan, facts: database.Database) -> Iterable[str]:
    yield c_signature(f)
    yield f"  library     {plan.info.name}, {f.function.header}" + (f", since CUDA {f.since}" if f.since else "")
    if f.function.resolver_version:
        asked = f"{f.function.resolver_name} {f.function.resolver_version}"
        yield f"  symbol      {f.function.symbol}, asked of {plan.info.resolver} as {asked}"
    if f.function.per_thread:
        yield f"  per thread  {f.function.per_thread}"
    for p in f.params:
        target = f" -> {p.target.kind} {p.target.name}".rstrip() if p.target else ""
        words = " ".join([p.role, p.count + (f"-{p.less}" if p.less else ""), *p.options]).strip()
        yield f"  {p.type} {p.name}{target}: {words}"
    yield f"  Python      {f.name}({', '.join(p.name for p in f.signature)}) -> {_returns(f)}"
    yield f"  GIL         {'held' if f.hold_gil else 'released'}"
    for status, value in f.answers:
        yield f"  answer      {status} is no error: {'returns ' + value if value else 'the outputs are returned'}"
    for form, versions in facts.entries["function", f.function.symbol]:
        which = database.ranges(versions, facts.versions) or "in all known versions"
        yield f"  declared    {which} ({len(form['params'])} parameters)"


def _returns(f: FunctionPlan) -> str:
    names = [
        p.name
        for p in f.params
        if not p.python and p.role.startswith(("out", "fill", "borrow", "text", "bytes", "fixed", "sized"))
    ]
    names = [n for n in names if not n.endswith("count")] + [p.name for p in f.params if p.role == "inout"]
    return f.result or ", ".join(names) or "None"


def _record(r: RecordPlan) -> Iterable[str]:
    yield f"{'union' if r.union else 'struct'} {r.name}: {r.size} bytes, aligned to {r.align}"
    for f in r.fields:
        type_ = f"{f.value.kind} {f.value.name}".rstrip() + (f"[{f.value.count}]" if f.value.count else "")
        yield f"  {f.offset:4d}  {f.name}: {type_}" + (f" (linked to {f.link})" if f.link else "")


def _enum(plan: Plan, e: ir.Enum) -> Iterable[str]:
    yield f"enum {e.name}: {len(e.values)} members"
    for name, value in e.values:
        yield f"  {value:6d}  {name}" + (
            f" -> {plan.errors[name]}" if e.name == plan.info.status and name in plan.errors else ""
        )
