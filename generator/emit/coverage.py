"""`COVERAGE.md`: what is bound, and where the bindings differ from the plain C declarations, for people to read."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from ..database import Database
from ..names import emitted_functions
from ..plan import FunctionPlan, Plan
from ..writer import Writer, stamp

Libraries = Sequence[tuple[Plan, Database]]

_WIDTH = 120

_NOTES = """\
- A *declaration* is an exported symbol. The *older versions* among them (`cuMemAlloc`, where the headers mean
  `cuMemAlloc_v2`) are for programs that were built long ago; they are not bound, but for those with a version in their
  name that no other function has (`cuCtxCreate_v2`).
- *Enumerators*, *constants* and *other names* of types are names of the module, as in C.
- *Records* are structs and unions, with those that are part of another one and have no name of their own.
- *Per-thread variants* are called in place of the function where `cubind.per_thread_default_stream(True)` was.
- A function that this installed library lacks raises `SymbolNotFoundError` when it is called."""


def emit(libraries: Libraries) -> str:
    """The text of the page.  Each library comes with its plan and its facts of all known versions."""
    version = libraries[0][0].version
    w = Writer()
    w.line(f"<!-- {stamp('', 'api/*.jsonl and policy/*.toml').strip()} -->")
    w.line(f"# What is bound\nEverything that the headers of CUDA {version} declare for host programs.\n")
    _summary(w, libraries)
    w.line(f"\n{_NOTES}")
    _not_bound(w, libraries)
    _by_version(w, libraries)
    _gil(w, libraries)
    _deprecated(w, libraries)
    _versioned(w, libraries)
    return w.text()


def _heading(w: Writer, title: str, text: str) -> None:
    w.line(f"\n## {title}")
    w.line(_filled(text))


def _filled(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _row(w: Writer, cells: Iterable[object]) -> None:
    w.line(f"| {' | '.join(map(str, cells))} |")


def _table_head(w: Writer, cells: Sequence[str]) -> None:
    _row(w, cells)
    _row(w, ["---", *(["---:"] * (len(cells) - 1))])


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


# -- numbers


def _summary(w: Writer, libraries: Libraries) -> None:
    _table_head(w, ["", *(plan.info.name for plan, _ in libraries), "together"])
    columns = [_numbers(plan) for plan, _ in libraries]
    for title in columns[0]:
        counts = [column[title] for column in columns]
        _row(w, [title, *counts, sum(counts)])


def _numbers(plan: Plan) -> dict[str, int]:
    library, functions = plan.library, plan.functions
    emitted = emitted_functions(library)
    return {
        "functions declared": len(library.functions),
        "– older versions, not bound": len(library.functions) - len(emitted),
        "– skipped, see below": len(plan.skipped),
        "**functions bound**": len(functions),
        "– bound under a second name with the version": sum(len(f.aliases) for f in functions),
        "– with a per-thread variant": sum(bool(f.function.per_thread) for f in functions),
        "– that keep the GIL": sum(f.hold_gil for f in functions),
        "– deprecated by CUDA": sum(f.function.deprecated for f in functions),
        "enums": len(library.enums),
        "enumerators": sum(len(e.values) for e in library.enums),
        "records": len(plan.records),
        "– their fields": sum(len(r.fields) for r in plan.records),
        "handle classes": len(plan.handles),
        "– shared with another library": sum(module != f"cubind.{plan.info.name}" for _, _, module in plan.handles),
        "callback types": len(plan.callbacks),
        "integer types": len(list(plan.types.integer_typedefs())),
        "constants": len(library.macros),
        "other names of types": len(plan.aliases),
    }


# -- lists


def _not_bound(w: Writer, libraries: Libraries) -> None:
    skipped = [(plan, name, why) for plan, _ in libraries for name, why in sorted(plan.skipped.items())]
    _heading(w, "Skipped functions", "These have no Python function. At the C level all of them are there.")
    if not skipped:
        w.line("\nNone.")
        return
    w.line()
    _table_head(w, ["function", "library", "reason"])
    for plan, name, why in skipped:
        _row(w, [f"`{name}`", plan.info.name, why])


def _since(plan: Plan, facts: Database) -> dict[str, list[FunctionPlan]]:
    """Version → functions whose declaration it brought, over the versions that are known."""
    found: dict[str, list[FunctionPlan]] = {version: [] for version in facts.versions}
    for f in plan.functions:
        found[facts.since("function", f.function.symbol)].append(f)
    return found


def _by_version(w: Writer, libraries: Libraries) -> None:
    since = {plan.info.name: _since(plan, facts) for plan, facts in libraries}
    versions = libraries[0][1].versions
    _heading(
        w,
        "Functions by version",
        f"The versions whose headers are known are {', '.join(versions)}. A function belongs to the first of them with "
        f"exactly its symbol; what {versions[0]} has may be older.",
    )
    w.line()
    _table_head(w, ["CUDA", *since, "together"])
    for version in versions:
        counts = [len(by_version.get(version, [])) for by_version in since.values()]
        _row(w, [version, *counts, sum(counts)])
    for version in reversed(versions[1:]):
        w.line(f"\n### New in CUDA {version}")
        lists = [f"{name}: {_names(f.name for f in new[version])}" for name, new in since.items() if new.get(version)]
        w.line("\n\n".join(map(_filled, lists)))


def _gil(w: Writer, libraries: Libraries) -> None:
    _heading(w, "Functions that keep the GIL", "Every other call releases it.")
    w.line()
    _row(w, ["reason", "functions"])
    _row(w, ["---", "---"])
    for plan, _ in libraries:
        reasons: dict[str, list[str]] = {}
        for f in plan.functions:
            if f.hold_gil:
                reasons.setdefault(plan.keeps_gil[f.name], []).append(f.name)
        for why, names in sorted(reasons.items()):
            _row(w, [f"{plan.info.name}: {why}", _names(names)])


def _deprecated(w: Writer, libraries: Libraries) -> None:
    _heading(w, "Deprecated functions", "The headers mark them so. They are bound, and type checkers can warn of them.")
    _listed(
        w,
        libraries,
        {plan.info.name: [f.name for f in plan.functions if f.function.deprecated] for plan, _ in libraries},
    )


def _versioned(w: Writer, libraries: Libraries) -> None:
    _heading(
        w,
        "Versioned names",
        "The public name means the newest symbol, as in the headers; the symbol's own name is another name of the same "
        "function.",
    )
    _listed(
        w, libraries, {plan.info.name: [name for f in plan.functions for name in f.aliases] for plan, _ in libraries}
    )


def _listed(w: Writer, libraries: Libraries, names: dict[str, list[str]]) -> None:
    for plan, _ in libraries:
        found = names[plan.info.name]
        w.line("\n" + _filled(f"{plan.info.name}: {_names(found) if found else 'none'}"))
