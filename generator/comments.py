"""What the comments of a header say: two facts are taken from them, never their words."""

from __future__ import annotations

import re

_PARAM = re.compile(r"[\\@]param\s*(\[[^\]]*\])?\s*(\w+)\s*[-–:]*\s*(\w*)")


def above(lines: list[str], line: int) -> str:
    """The comment above a line (counted from 1), also where clang loses it behind a preprocessor line."""
    end = line - 2
    while end >= 0 and (not lines[end].strip() or lines[end].lstrip().startswith("#")):
        end -= 1
    if end < 0 or not lines[end].rstrip().endswith("*/"):
        return ""
    start = end
    while start > 0 and "/*" not in lines[start]:
        start -= 1
    return "\n".join(lines[start : end + 1])


def returned(comment: str) -> set[str]:
    """The parameters that are documented as returned (`[out]`, "Returned ...")."""
    out = set()
    for direction, name, word in _PARAM.findall(comment):
        if "out" in direction or (not direction and word.lower() in {"returned", "returns", "output"}):
            out.add(name)
    return out


def open_groups(lines: list[str]) -> list[str]:
    """For each line the documentation group that is open there ("" for none)."""
    groups: list[str] = []
    stack: list[str] = []
    pending = ""
    for line in lines:
        named = re.search(r"[\\@](?:defgroup|addtogroup)\s+(\w+)", line)
        if named:
            pending = named[1]
        if "@{" in line or "\\{" in line:
            stack.append(pending)
        if ("@}" in line or "\\}" in line) and stack:
            stack.pop()
            pending = ""
        groups.append(stack[-1] if stack else pending)
    return groups
