"""The words of a decision: what may follow which, and whether the names in it are those of something.

policy/README.md says what each form means.  In a form, a word in capitals stands for a name or a number.
"""

from __future__ import annotations

import re
from collections.abc import Collection

COUNT = re.compile(r"(?P<name>[A-Za-z_]\w*|\d+)(?:-(?P<less>\d+)|/(?P<per>[A-Za-z_]\w*))?$")

FORMS = (
    "in", "out", "inout", "null", "out_pointer", "on_failure", "address", "address const",
    "array COUNT", "array COUNT keep PARAMETER", "inout_array COUNT", "out_array COUNT", "out_array COUNT used PARAMETER",
    "fill PARAMETER", "borrow PARAMETER", "borrow_bytes PARAMETER", "text COUNT", "bytes COUNT",
    "fixed_text SIZE", "fixed_bytes SIZE", "sized_text FUNCTION", "sized_text FUNCTION empty",
    "sized_bytes FUNCTION", "sized_array FUNCTION",
    "tagged PARAMETER", "tagged PARAMETER PARAMETER", "out_tagged PARAMETER", "out_tagged PARAMETER PARAMETER",
    "out_tagged_array PARAMETER PARAMETER", "out_tagged_array PARAMETER PARAMETER PARAMETER",
    "kernel_params PARAMETER FUNCTION", "kernel_params PARAMETER FUNCTION FUNCTION",
    "callback - call", "callback PARAMETER call", "callback PARAMETER once", "callback PARAMETER forever",
    "callback PARAMETER stream PARAMETER", "callback PARAMETER graph PARAMETER", "callback PARAMETER key PARAMETER",
    "keep once -", "keep forever -", "keep stream PARAMETER", "keep graph PARAMETER", "keep key PARAMETER",
)  # fmt: skip


def problem(decision: str, parameters: Collection[str]) -> str:
    """What is wrong with a decision about one of a function's parameters; "" where nothing is."""
    form = _form(decision)
    if not form:
        return f"{decision!r} is no decision (policy/README.md lists them)"
    for kind, word in zip(form, decision.split(), strict=True):
        if kind == "SIZE" and not word.isdigit():
            return f"{word!r} is no number"
        known = _is_count(word, parameters) if kind == "COUNT" else kind != "PARAMETER" or word in parameters
        if not known:
            return f"{word!r} names no parameter of the function"
    return ""


def functions(decision: str) -> list[str]:
    """The other functions that a decision names."""
    pairs = zip(_form(decision), decision.split(), strict=False)
    return [word for kind, word in pairs if kind == "FUNCTION"]


def _form(decision: str) -> list[str]:
    """The form that a decision has; none if it has none."""
    words = decision.split()
    return next((form for form in map(str.split, FORMS) if _fits(form, words)), [])


def _fits(form: list[str], words: list[str]) -> bool:
    """The form has as many words, and its small ones are the same."""
    return len(form) == len(words) and all(a.isupper() or a == b for a, b in zip(form, words, strict=True))


def _is_count(word: str, parameters: Collection[str]) -> bool:
    match = COUNT.match(word)
    if not match or (match["per"] and match["per"] not in parameters):
        return False
    return match["name"].isdigit() or match["name"] in parameters
