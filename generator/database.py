"""The facts on disk: `api/<library>.jsonl`, one declaration a line, sorted, all known CUDA versions merged.

The first line names the library and the versions known.  Every other line is

    {"kind": "function", "key": "cuMemAlloc_v2", "forms": [{... , "in": "12.0-13.5"}]}

A form is what some versions declare; `in` gives the versions as ranges over the known ones and is left out where it is
all of them.  An enumeration has its enumerators beside its forms, each with its own range, since enumerations grow with
every version.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import ir

Json = dict[str, Any]


class DatabaseError(Exception):
    """A facts file that cannot be read, or a version that it does not hold."""


def version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@dataclass
class Database:
    """The facts of one library: (kind, key) → [(what is declared, in which versions)]."""

    library: str
    versions: list[str] = field(default_factory=list)
    entries: dict[tuple[str, str], list[tuple[Json, set[str]]]] = field(default_factory=dict)
    enumerators: dict[str, dict[tuple[str, int], set[str]]] = field(default_factory=dict)
    """enumeration → (name, value) → versions; what the order is does not depend on which version was added when."""

    def merge(self, library: ir.Library) -> None:
        """Adds one version's facts, replacing what was known of that version."""
        self.remove(library.version)
        self.versions = sorted({*self.versions, library.version}, key=version_key)
        for enum in library.enums:
            self._merge_enumerators(enum, library.version)
        for kind, key, form in _forms(library):
            known = self.entries.setdefault((kind, key), [])
            for other, versions in known:
                if other == form:
                    versions.add(library.version)
                    break
            else:
                known.append((form, {library.version}))

    def _merge_enumerators(self, enum: ir.Enum, version: str) -> None:
        """The newest version's enumerators in its order, then those that are gone, the latest first."""
        found = {value: set(versions) for value, versions in self.enumerators.get(enum.name, {}).items()}
        newest = max({version}.union(*found.values()), key=version_key)
        for value in enum.values:
            found.setdefault(value, set()).add(version)
        order = list(dict.fromkeys([*enum.values, *found])) if version == newest else list(found)
        gone = [value for value in order if newest not in found[value]]
        gone.sort(key=lambda value: (value[1], value[0]))
        gone.sort(key=lambda value: max(version_key(v) for v in found[value]), reverse=True)
        kept = [value for value in order if newest in found[value]]
        self.enumerators[enum.name] = {value: found[value] for value in (*kept, *gone)}

    def remove(self, version: str) -> None:
        """Forgets one version."""
        for name, values in list(self.enumerators.items()):
            self.enumerators[name] = {value: v - {version} for value, v in values.items() if v - {version}}
        self.versions = [v for v in self.versions if v != version]
        for key in list(self.entries):
            kept = [(form, versions - {version}) for form, versions in self.entries[key] if versions - {version}]
            if kept:
                self.entries[key] = kept
            else:
                del self.entries[key]

    def library_at(self, version: str) -> ir.Library:
        """The facts of one version.  DatabaseError if that version was never added."""
        if version not in self.versions:
            raise DatabaseError(
                f"{self.library}: no facts of CUDA {version} (known: {', '.join(self.versions)}); "
                f"run `python -m generator add {version}`"
            )
        found: dict[str, list[Any]] = {}
        for (kind, _), forms in sorted(self.entries.items()):
            for form, versions in forms:
                if version in versions:
                    found.setdefault(kind, []).append(_READERS[kind](form))
        return ir.Library(
            name=self.library,
            version=version,
            functions=tuple(found.get("function", [])),
            records=tuple(found.get("record", [])),
            enums=tuple(
                ir.Enum(e["name"], e["tag"], e["signed"], self._values(e["name"], version))
                for e in found.get("enum", [])
            ),
            typedefs=tuple(found.get("typedef", [])),
            callbacks=tuple(found.get("callback", [])),
            macros=tuple(found.get("macro", [])),
            opaque=tuple(sorted(found.get("opaque", []))),
        )

    def _values(self, enum: str, version: str) -> tuple[tuple[str, int], ...]:
        return tuple(value for value, versions in self.enumerators[enum].items() if version in versions)

    def since(self, kind: str, key: str) -> str:
        """The first known version with this declaration."""
        return min((v for _, versions in self.entries[kind, key] for v in versions), key=version_key)


# -- declarations ↔ JSON


def _params(params: Iterable[ir.Param]) -> list[list[str]]:
    return [[p.name, p.type, "out"] if p.out else [p.name, p.type] for p in params]


def _read_params(rows: list[list[str]]) -> tuple[ir.Param, ...]:
    return tuple(ir.Param(row[0], row[1], out=len(row) > 2) for row in rows)


def _record(record: ir.Record) -> Json:
    return {
        "name": record.name,
        "tag": record.tag,
        "union": record.union,
        "size": record.size,
        "align": record.align,
        "fields": [
            [f.name, f.type, f.offset, f.size] + ([_record(f.record)] if f.record else []) for f in record.fields
        ],
    }


def _read_field(row: list[Any]) -> ir.Field:
    return ir.Field(row[0], row[1], row[2], row[3], _read_record(row[4]) if len(row) > 4 else None)


def _read_record(form: Json) -> ir.Record:
    fields = tuple(_read_field(row) for row in form["fields"])
    return ir.Record(form["name"], form["tag"], form["union"], form["size"], form["align"], fields)


_FUNCTION_DEFAULTS: Json = {
    "group": "",
    "deprecated": False,
    "legacy": False,
    "per_thread": "",
    "resolver_name": "",
    "resolver_version": 0,
}


def _function(function: ir.Function) -> Json:
    form: Json = {
        "name": function.name,
        "returns": function.returns,
        "params": _params(function.params),
        "header": function.header,
    }
    for key, default in _FUNCTION_DEFAULTS.items():
        value = getattr(function, key)
        if value != default:
            form[key] = value
    if function.symbol != function.name:
        form["symbol"] = function.symbol
    return form


def _read_function(form: Json) -> ir.Function:
    extra: Json = {key: form.get(key, default) for key, default in _FUNCTION_DEFAULTS.items()}
    symbol: str = form["symbol"] if "symbol" in form else form["name"]
    return ir.Function(
        form["name"],
        symbol,
        form["returns"],
        _read_params(form["params"]),
        form["header"],
        **extra,
    )


def _forms(library: ir.Library) -> Iterable[tuple[str, str, Json]]:
    for f in library.functions:
        yield "function", f.symbol, _function(f)
    for r in library.records:
        yield "record", r.name, _record(r)
    for e in library.enums:
        yield "enum", e.name, {"name": e.name, "tag": e.tag, "signed": e.signed}
    for t in library.typedefs:
        yield "typedef", t.name, {"name": t.name, "type": t.type}
    for c in library.callbacks:
        yield "callback", c.name, {"name": c.name, "returns": c.returns, "params": _params(c.params)}
    for m in library.macros:
        yield "macro", m.name, {"name": m.name, "value": m.value}
    for tag in library.opaque:
        yield "opaque", tag, {"name": tag}


_READERS: dict[str, Callable[[Json], Any]] = {
    "function": _read_function,
    "record": _read_record,
    "enum": lambda form: form,
    "typedef": lambda form: ir.Typedef(form["name"], form["type"]),
    "callback": lambda form: ir.Callback(form["name"], form["returns"], _read_params(form["params"])),
    "macro": lambda form: ir.Macro(form["name"], form["value"]),
    "opaque": lambda form: form["name"],
}


# -- version ranges


def ranges(versions: set[str], known: list[str]) -> str:
    """{12.0, 12.9, 13.5} over known [12.0, 12.9, 13.0, 13.5] → "12.0-12.9,13.5"; "" for all."""
    if versions >= set(known):
        return ""
    parts: list[str] = []
    start: int | None = None
    for i, version in enumerate([*known, ""]):
        if version in versions:
            start = i if start is None else start
        elif start is not None:
            parts.append(known[start] if start == i - 1 else f"{known[start]}-{known[i - 1]}")
            start = None
    return ",".join(parts)


def from_ranges(text: str, known: list[str]) -> set[str]:
    """The inverse of `ranges`."""
    if not text:
        return set(known)
    found: set[str] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found |= set(known[known.index(first) : known.index(last or first) + 1])
    return found


# -- files


def path_of(root: Path, library: str) -> Path:
    return root / "api" / f"{library}.jsonl"


def dumps(database: Database) -> str:
    """The file's text; equal facts give equal bytes."""
    lines: list[Json] = [{"library": database.library, "versions": database.versions}]
    for (kind, key), forms in sorted(database.entries.items()):
        line: Json = {
            "kind": kind,
            "key": key,
            "forms": [_with_range(f, v, database.versions) for f, v in _in_order(forms)],
        }
        if kind == "enum":
            values = database.enumerators[key].items()
            line["values"] = [_without_empty([n, v, ranges(vs, database.versions)]) for (n, v), vs in values]
        lines.append(line)
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def _without_empty(row: list[Any]) -> list[Any]:
    return row if row[-1] else row[:-1]


def _in_order(forms: list[tuple[Json, set[str]]]) -> list[tuple[Json, set[str]]]:
    return sorted(forms, key=lambda form: min(version_key(v) for v in form[1]))


def _with_range(form: Json, versions: set[str], known: list[str]) -> Json:
    text = ranges(versions, known)
    return {**form, "in": text} if text else form


def loads(text: str) -> Database:
    """Reads a file's text.  DatabaseError with the line number where it is not what `dumps` writes."""
    lines = text.splitlines()
    number = 1
    try:
        head = json.loads(lines[0])
        database = Database(head["library"], head["versions"])
        for number, row in enumerate(lines[1:], 2):  # noqa: B007 - the error below names it
            line = json.loads(row)
            known = database.versions
            forms = [
                ({k: v for k, v in f.items() if k != "in"}, from_ranges(f.get("in", ""), known)) for f in line["forms"]
            ]
            database.entries[line["kind"], line["key"]] = forms
            if "values" in line:
                rows = ((r[0], r[1], r[2] if len(r) > 2 else "") for r in line["values"])
                database.enumerators[line["key"]] = {(n, v): from_ranges(r, known) for n, v, r in rows}
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise DatabaseError(f"line {number}: not a line of a facts file: {error!r}") from error
    return database


def load(root: Path, library: str) -> Database:
    """The committed facts of one library."""
    path = path_of(root, library)
    try:
        return loads(path.read_text())
    except FileNotFoundError:
        raise DatabaseError(
            f"no facts of library {library!r}: {path.name} is missing; run `python -m generator add VERSION`"
        ) from None
    except DatabaseError as error:
        raise DatabaseError(f"{path.name}: {error}") from error
