"""Facts and policies in a line each, for tests of one step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from generator import lower
from generator.ir import Callback, Enum, Field, Function, Library, Param, Record, Typedef
from generator.plan import LibraryInfo, Plan
from generator.policy import FunctionPolicy, Policy, RecordPolicy, Rule

INFO = LibraryInfo(
    name="toy",
    title="the toy library",
    headers=("toy.h",),
    include=("toy.h",),
    sonames=("libtoy.so.1",),
    status="toyStatus",
    success="TOY_SUCCESS",
    missing_status="TOY_BAD",
    hint="",
    override_env="",
    docs="",
)
STATUS = Enum("toyStatus", "toyStatus", False, (("TOY_SUCCESS", 0), ("TOY_BAD", 1), ("TOY_BUSY", 2)))
KIND = Enum("toyKind", "toyKind", False, (("TOY_INT", 0), ("TOY_TEXT", 1), ("TOY_MANY", 2)))
POINT = Record("toyPoint", "toyPoint_st", False, 16, 8, (Field("n", "int", 0, 4), Field("at", "int *", 8, 8)))
ERRORS = {"TOY_BAD": "InvalidValueError", "TOY_BUSY": "NotReadyError"}


def params(*texts: str) -> tuple[Param, ...]:
    """Parameters as in C, the name last; "out T * name" for one that is documented as returned."""
    split = ((text.removeprefix("out ").rsplit(" ", 1), text.startswith("out ")) for text in texts)
    return tuple(Param(name, type_, out=out) for (type_, name), out in split)


def function(name: str, *texts: str, returns: str = "toyStatus", **more: Any) -> Function:
    return Function(name, more.pop("symbol", name), returns, params(*texts), "toy.h", **more)


def library(*functions: Function, version: str = "1.0", **more: Any) -> Library:
    """A library of these functions, with a status, an enum, a record, two handles and three callbacks."""
    callbacks = (
        Callback("toyDone", "void", params("toyBox box", "void * userData")),
        Callback("toyLog", "void", params("void * data", "char * text", "size_t length")),
        Callback("toyPlain", "int", params("int x")),
    )
    facts: dict[str, Any] = {
        "records": (POINT,),
        "enums": (KIND, STATUS),
        "typedefs": (Typedef("toyBox", "toyBox_st *"), Typedef("toyLid", "toyLid_st *"), Typedef("toyPtr", "size_t")),
        "callbacks": callbacks,
        "opaque": ("toyBox_st", "toyLid_st"),
    }
    return Library("toy", version, functions=functions, **{**facts, **more})


def policy(functions: dict[str, FunctionPolicy] | None = None, **more: Any) -> Policy:
    given: dict[str, Any] = {
        "rules": [],
        "records": {},
        "tags": {},
        "streams": frozenset(),
        "accepts": {},
        "callbacks": {},
        "hold_gil": {},
        "errors": ERRORS,
        "info": INFO,
    }
    return Policy(path=Path("toy.toml"), functions=functions or {}, **{**given, **more})


def plan(declared: Function, decisions: dict[str, str] | None = None, **more: Any) -> Plan:
    """The plan of one function whose parameters are decided so; `more` is of the function's policy or of the policy."""
    own = {key: more.pop(key) for key in ("result", "answers", "optional", "releases", "skip", "older") if key in more}
    others = more.pop("others", ())
    decided = policy({declared.name: FunctionPolicy(params=decisions or {}, **own)}, **more)
    return lower.lower(library(declared, *others), decided, {})


__all__ = ["RecordPolicy", "Rule", "function", "library", "params", "plan", "policy"]
