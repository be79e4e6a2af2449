"""What people decided: policy/<library>.toml and policy/errors.toml as plain data.

An unknown key is an error here; a rule, parameter or name that matches nothing is an error in `generator.lower`, which
marks what it used.  policy/README.md describes every key and every word of a decision.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .plan import LibraryInfo

ROOT_CLASS = "CudaError"


class PolicyError(Exception):
    """A policy file that says something impossible; the message names file, place and what to do."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A decision for every parameter of one type and name: `name` may have `*` and `?`."""

    name: str
    decision: str
    type: str = ""
    function: str = "*"


@dataclass(frozen=True, slots=True)
class FunctionPolicy:
    """What is decided about one function; `params` maps parameter names to decisions."""

    params: dict[str, str] = field(default_factory=dict)
    result: str = ""
    answers: dict[str, str] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    hold_gil: str = ""
    """The reason why the GIL is kept."""
    releases: str = ""
    """Parameter whose value ends the life of a callback that was kept under it."""
    skip: str = ""
    """The reason why there is no Python function."""
    older: str = ""
    """Symbol of an earlier form with the same prototype, called where the library has only that."""


@dataclass(frozen=True, slots=True)
class RecordPolicy:
    """field → "count FIELD" | "user FIELD" | "text"."""

    fields: dict[str, str] = field(default_factory=dict)


@dataclass
class Policy:
    """Everything decided about one library."""

    path: Path
    info: LibraryInfo
    rules: list[Rule]
    functions: dict[str, FunctionPolicy]
    records: dict[str, RecordPolicy]
    tags: dict[str, dict[str, str]]
    streams: frozenset[str]
    accepts: dict[str, str]
    callbacks: dict[str, dict[str, str]]
    hold_gil: dict[str, str]
    """function → reason."""
    errors: dict[str, str] = field(default_factory=dict)


_TOP = {"library", "rule", "function", "params", "record", "tags", "handles", "callback", "gil"}


def load(root: Path, library: str) -> Policy:
    """Reads `policy/<library>.toml` and the status → class table of `policy/errors.toml`.  Raises PolicyError."""
    path = root / "policy" / f"{library}.toml"
    data = _read(path)
    _check_keys(path, "the top level", data, _TOP)
    info = _info(path, data.get("library", {}))
    handles, gil = data.get("handles", {}), data.get("gil", {})
    _check_keys(path, "[handles]", handles, {"streams", "accepts"})
    _check_keys(path, "[gil]", gil, {"hold"})
    functions = {name: _function(path, name, table) for name, table in data.get("function", {}).items()}
    for name, params in data.get("params", {}).items():
        known = functions.get(name, FunctionPolicy())
        functions[name] = replace(known, params={**known.params, **params})
    errors = _errors(root, info.status)
    return Policy(
        path=path,
        info=info,
        rules=[_rule(path, table) for table in data.get("rule", [])],
        functions=functions,
        records={name: RecordPolicy(dict(table)) for name, table in data.get("record", {}).items()},
        tags={name: dict(table) for name, table in data.get("tags", {}).items()},
        streams=frozenset(handles.get("streams", [])),
        accepts=dict(handles.get("accepts", {})),
        callbacks={name: dict(table) for name, table in data.get("callback", {}).items()},
        hold_gil={name: why for table in gil.get("hold", []) for name, why in _hold(path, table)},
        errors=errors,
    )


def libraries(root: Path) -> list[str]:
    """The libraries that have a policy, those first that others use."""
    names = sorted(p.stem for p in (root / "policy").glob("*.toml") if p.stem != "errors")
    uses = {name: _read(root / "policy" / f"{name}.toml").get("library", {}).get("uses", "") for name in names}
    found: list[str] = []
    while len(found) < len(names):
        ready = [name for name in names if name not in found and (not uses[name] or uses[name] in found)]
        if not ready:
            name = next(name for name in names if name not in found)
            raise PolicyError(f"{name}.toml: [library] uses {uses[name]!r}, which has no policy or uses {name} itself")
        found.append(ready[0])
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise PolicyError(f"{path.name}: no such policy; write one (policy/README.md says how)") from None
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{path.name}: {error}") from error


def _check_keys(path: Path, where: str, table: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise PolicyError(
            f"{path.name}: {where} has unknown keys {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        )


def _info(path: Path, table: dict[str, Any]) -> LibraryInfo:
    known = {f.name for f in fields(LibraryInfo)}
    _check_keys(path, "[library]", table, known)
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    try:
        return LibraryInfo(**values)
    except TypeError as error:
        raise PolicyError(f"{path.name}: [library] is incomplete: {error}") from error


def _function(path: Path, name: str, table: dict[str, Any]) -> FunctionPolicy:
    known = {f.name for f in fields(FunctionPolicy)}
    _check_keys(path, f"[function.{name}]", table, known)
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    return FunctionPolicy(**values)


def _rule(path: Path, table: dict[str, Any]) -> Rule:
    _check_keys(path, "a [[rule]]", table, {"name", "type", "function", "as"})
    if "name" not in table or "as" not in table:
        raise PolicyError(f"{path.name}: a [[rule]] needs `name` and `as`: {table}")
    return Rule(table["name"], table["as"], table.get("type", ""), table.get("function", "*"))


def _hold(path: Path, table: dict[str, Any]) -> list[tuple[str, str]]:
    _check_keys(path, "a [[gil.hold]]", table, {"why", "functions"})
    if not table.get("why") or not table.get("functions"):
        raise PolicyError(f"{path.name}: a [[gil.hold]] needs `why` and `functions`: {table}")
    return [(name, table["why"]) for name in table["functions"]]


def _errors(root: Path, status: str) -> dict[str, str]:
    """Status name → exception class, from policy/errors.toml; what is unclassified there is the root class."""
    path = root / "policy" / "errors.toml"
    if not path.exists():
        raise PolicyError(f"{path.name}: missing; it says which exception each status of {status} is")
    data = _read(path)
    _check_keys(path, "the top level", data, {"class", "status", "unclassified"})
    known = set(data.get("class", {})) | {ROOT_CLASS}
    found = {
        **dict.fromkeys(data.get("unclassified", {}).get(status, {}), ROOT_CLASS),
        **data.get("status", {}).get(status, {}),
    }
    for name, class_ in found.items():
        if class_ not in known:
            raise PolicyError(f"{path.name}: {status}.{name}: there is no [class.{class_}]")
    return found
