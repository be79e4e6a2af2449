"""Every naming rule: which functions are emitted in which order, and what things are called."""

from __future__ import annotations

import re

from . import ir

PYTHON_KEYWORDS = frozenset(
    [
        "False",
        "None",
        "True",
        "and",
        "as",
        "assert",
        "async",
        "await",
        "break",
        "class",
        "continue",
        "def",
        "del",
        "elif",
        "else",
        "except",
        "finally",
        "for",
        "from",
        "global",
        "if",
        "import",
        "in",
        "is",
        "lambda",
        "nonlocal",
        "not",
        "or",
        "pass",
        "raise",
        "return",
        "try",
        "while",
        "with",
        "yield",
    ]
)


def emitted_functions(library: ir.Library) -> tuple[ir.Function, ...]:
    """The functions of the bindings, by symbol: their order is the order of the function table and of every index.

    Legacy symbols are left out, but for those with a version in their name (cuCtxCreate_v2) that programs still call.
    """
    public = {f.name for f in library.functions if not f.legacy}
    chosen = [
        f for f in library.functions
        if not f.legacy or (re.search(r"_v([2-9]|[1-9]\d+)$", f.symbol) and f.symbol not in public)
    ]  # fmt: skip
    return tuple(sorted(chosen, key=lambda f: f.symbol))


def page(template: str, group: str) -> str:
    """The vendor's page about a documentation group (`group__CUDA__MEM.html`)."""
    return template.replace("{group}", group.replace("_", "__")) if group or "{group}" not in template else ""


def parameter(name: str) -> str:
    """A parameter's Python name: the C name, with an underscore where Python has a keyword (`from_`)."""
    return name + "_" if name in PYTHON_KEYWORDS else name
