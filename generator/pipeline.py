"""From a folder of facts and policies to the texts of all generated files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import database, headers, lower, policy
from .emit import abi_header, coverage, cpu_exports, cy_layer, error_table, py_layer, stub, tables, types_pxd
from .plan import Plan
from .writer import STAMP, write_if_changed

ROOT = Path(__file__).parent
OUT = ROOT.parent
PACKAGE = Path("bindings/cubind")
CPU_DEVICE = Path("cpu_device/src")


@dataclass(frozen=True)
class Lowered:
    """One library: its facts of all versions, and its plan for one."""

    facts: database.Database
    plan: Plan
    used: Plan | None


def target(root: Path) -> str:
    """The CUDA version that is emitted."""
    return headers.load(root).target


def lowered(root: Path, version: str, strict: bool = True) -> Iterator[Lowered]:
    """Every library that has a policy, each after the one that it uses."""
    plans: dict[str, Plan] = {}
    for name in policy.libraries(root):
        decided = policy.load(root, name)
        facts = database.load(root, name)
        library = facts.library_at(version)
        used = plans.get(decided.info.uses)
        plans[name] = lower.lower(library, decided, since_texts(facts, version), used.types if used else None, strict)
        yield Lowered(facts, plans[name], used)


def since_numbers(facts: database.Database, version: str) -> dict[str, int]:
    """Symbol → version that brought it as CUDA numbers it (13.4 → 13040); left out where nobody knows.

    The driver's resolver versions say it exactly; otherwise it is the first known version, unless that is the oldest one.
    """
    found: dict[str, int] = {}
    for function in facts.library_at(version).functions:
        first = facts.since("function", function.symbol)
        if function.resolver_version:
            found[function.symbol] = function.resolver_version
        elif first != facts.versions[0]:
            major, minor = database.version_key(first)[:2]
            found[function.symbol] = major * 1000 + minor * 10
    return found


def since_texts(facts: database.Database, version: str) -> dict[str, str]:
    """The same as text: 13040 → "13.4"."""
    return {symbol: f"{v // 1000}.{v % 1000 // 10}" for symbol, v in since_numbers(facts, version).items()}


def outputs(root: Path) -> dict[Path, str]:
    """Every generated file, by its path below the repository's root."""
    version = target(root)
    found: dict[Path, str] = {}
    libraries = list(lowered(root, version))
    shared = abi_header.shared_names([one.plan.library for one in libraries])
    for one in libraries:
        found |= _library(one, version, shared)
    found[PACKAGE / "_error_table.py"] = error_table.emit([one.plan for one in libraries])
    found[Path("COVERAGE.md")] = coverage.emit([(one.plan, one.facts) for one in libraries])
    return found


def _library(one: Lowered, version: str, shared: frozenset[str]) -> dict[Path, str]:
    plan, info = one.plan, one.plan.info
    base = one.used.types if one.used else None
    texts = {
        f"_abi/cubind_{info.name}.h": abi_header.emit(plan.library, info, plan.types, shared),
        f"_abi/cubind_{info.name}_symbols.h": abi_header.emit_symbols(
            plan.library, info, since_numbers(one.facts, version), {f.function.symbol: f.older for f in plan.functions}
        ),
        f"_abi/{info.name}.pxd": types_pxd.emit(plan.library, info, plan.types, base),
        f"_tables/{info.name}.h": tables.emit(plan),
        f"{info.name}.pyx": py_layer.emit(plan),
        f"{info.name}.pyi": stub.emit(plan, one.used),
        f"cy{info.name}.pxd": cy_layer.emit_pxd(plan.library, info, plan.types),
        f"cy{info.name}.pyx": cy_layer.emit_pyx(plan.library, info, plan.types),
    }
    found = {PACKAGE / name: text for name, text in texts.items()}
    if info.stand_in:
        exports = cpu_exports.emit(plan.library, info, plan.types)
        found |= {CPU_DEVICE / info.name / name: text for name, text in exports.items()}
    return found


def stale(out: Path, texts: dict[Path, str]) -> list[Path]:
    """Generated files in the tree that nothing emits any more."""
    folders = [out / PACKAGE, out / CPU_DEVICE]
    suffixes = (".h", ".hpp", ".cpp", ".pxd", ".pyx", ".pyi", ".py")
    files = [p for folder in folders for p in folder.rglob("*") if p.suffix in suffixes and p.is_file()]
    return [p.relative_to(out) for p in files if p.relative_to(out) not in texts and STAMP in p.read_text()[:300]]


def differing(out: Path, texts: dict[Path, str]) -> list[Path]:
    """Files that are not what would be emitted."""
    return [path for path, text in texts.items() if not (out / path).is_file() or (out / path).read_text() != text]


def write(out: Path, texts: dict[Path, str]) -> list[Path]:
    """Writes what changed and removes what is stale; returns the paths."""
    changed = [path for path, text in texts.items() if write_if_changed(out / path, text)]
    for path in stale(out, texts):
        (out / path).unlink()
        changed.append(path)
    return changed
