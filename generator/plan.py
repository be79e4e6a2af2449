"""What will be emitted: facts and policy brought together, nothing left to decide.

`generator.lower` makes a Plan; the emitters read it and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from . import ir
from .typetable import Types, Value


@dataclass(frozen=True, slots=True)
class LibraryInfo:
    """How a library is found and talked to (the `[library]` table of its policy)."""

    name: str
    title: str
    headers: tuple[str, ...]
    include: tuple[str, ...]
    sonames: tuple[str, ...]
    status: str
    """Enum that functions return (canonical name)."""
    success: str
    missing_status: str
    """What a C-level function returns when the library lacks it."""
    hint: str
    override_env: str
    docs: str
    """Page of a documentation group; `{group}` is replaced by the group's page name."""
    wheel_dirs: tuple[str, ...] = ()
    home_dirs: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    resolver: str = ""
    error_text: str = ""
    uses: str = ""
    """Library whose module defines the handle classes that both share."""
    macro_prefixes: tuple[str, ...] = ()
    typedef_headers: tuple[str, ...] = ()
    per_thread_define: str = ""
    legacy_define: str = ""
    inline: tuple[str, ...] = ()
    """Patterns (`*`, `?`) of functions that the headers define themselves and the library exports too."""
    internal: tuple[str, ...] = ()
    """Patterns (`*`, `?`) of declared functions that are none of the API."""
    stand_in: str = ""
    """The library of our own that is used where the vendor's is not there; a path below the package."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One C parameter and what becomes of it.

    `role` says how its C argument comes about; roles and the words behind them are described in policy/README.md.
    """

    name: str
    type: str
    """C spelling."""
    value: Value
    """The type of the parameter itself."""
    role: str
    target: Value | None = None
    """For pointers: what it points to (an output's type, an array's element)."""
    count: str = ""
    """Parameter that holds the number of elements or bytes; or a literal number."""
    less: int = 0
    """The array has that many elements fewer than `count` says."""
    options: tuple[str, ...] = ()
    """Further words of the decision: a sibling function, an enum parameter, a keep mode ..."""

    @property
    def python(self) -> bool:
        """The parameter is in the Python signature."""
        return self.role not in HIDDEN_ROLES


HIDDEN_ROLES = frozenset({
    "out", "out_array", "used_count", "fill", "fill_count", "borrow", "borrow_bytes", "borrow_count", "text", "bytes",
    "fixed_text", "fixed_bytes", "sized_text", "sized_bytes", "out_tagged", "out_tagged_array", "null",
    "sized_array", "out_pointer", "on_failure",
})  # fmt: skip
"""Roles of parameters that the Python function does not take."""


@dataclass(frozen=True, slots=True)
class FunctionPlan:
    """One function at the Python level."""

    function: ir.Function
    index: int
    """Position in the function table."""
    params: tuple[Parameter, ...]
    returns: Value
    returns_status: bool
    result: str
    """"" for outputs only; "value" to return what C returns; "status" to return the status as an answer;
    "answer" to return True/False by `answers`."""
    answers: tuple[tuple[str, str], ...] = ()
    """Statuses that are no error → Python expression that is returned, or "" to return the outputs."""
    hold_gil: bool = False
    optional: int = 0
    """Trailing Python parameters that may be left out (None)."""
    aliases: tuple[str, ...] = ()
    """Further Python names of the same function (versioned symbols)."""
    since: str = ""
    page: str = ""
    releases: str = ""
    """Parameter whose value ends the life of a callback that was kept under it."""
    older: str = ""
    """Symbol of an earlier form with the same prototype, called where the library has only that."""

    @property
    def name(self) -> str:
        return self.function.name

    @property
    def signature(self) -> tuple[Parameter, ...]:
        return tuple(p for p in self.params if p.python)


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """A field of a Python record class; members of anonymous records are fields of their parent."""

    name: str
    c_path: str
    """Path for offsetof, e.g. `kernel` or `res.array.hArray`."""
    value: Value
    offset: int
    """Offset within the class's own memory, in bytes on 64-bit Linux."""
    link: str = ""
    """Count field of a pointer, user-pointer field of a callback."""
    text: bool = False
    """A char array that holds text."""
    element: Value | None = None
    """What a pointer that is no pointer to records points to, where a list makes sense for it."""


@dataclass(frozen=True, slots=True)
class RecordPlan:
    """A Python record class.  Records without a name of their own are called after their path: `CUDA_RESOURCE_DESC_v1_res`."""

    name: str
    tag: str
    c_type: str
    """C expression of the type for sizeof; for nested records a member path: ("CUDA_RESOURCE_DESC_v1", "res")."""
    c_path: str
    union: bool
    size: int
    align: int
    fields: tuple[FieldPlan, ...]
    nested: bool = False
    home: str = ""
    """Library whose module defines the class; "" for this one."""


@dataclass(frozen=True, slots=True)
class CallbackPlan:
    """A callback typedef; `user` is the position of its user pointer, -1 where it has none."""

    name: str
    returns: Value
    params: tuple[ir.Param, ...]
    values: tuple[Value, ...]
    user: int
    texts: dict[int, int] = field(default_factory=dict)
    """Position of a `char *` that arrives as str → position of its length."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the emitters need for one library."""

    info: LibraryInfo
    version: str
    library: ir.Library
    types: Types
    functions: tuple[FunctionPlan, ...]
    records: tuple[RecordPlan, ...]
    callbacks: tuple[CallbackPlan, ...]
    handles: tuple[tuple[str, str, str], ...]
    """(class name, tag, module that defines it)."""
    streams: frozenset[str]
    """Handle classes with __cuda_stream__."""
    accepts: dict[str, str] = field(default_factory=dict)
    """Handle class → another one whose objects its parameters also take (a CUkernel for a CUfunction)."""
    tags: dict[str, dict[str, Value]] = field(default_factory=dict)
    """enum → member → type of what a `void *` points to for it."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Other public names of types (typedefs, tags) → canonical name."""
    errors: dict[str, str] = field(default_factory=dict)
    """Status name → exception class."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Function that there is no Python function for → the reason."""
    keeps_gil: dict[str, str] = field(default_factory=dict)
    """Function that keeps the GIL → the reason."""
