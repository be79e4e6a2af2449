"""Writes cuda_unified/__init__.pyi: type checkers do not look into a table of names.

python tools/names.py [--check]
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "cuda_unified" / "__init__.pyi"


def text() -> str:
    """The stub that fits `cuda_unified._HOME` and `cuda_unified.errors`."""
    sys.path[:0] = [str(ROOT), str(ROOT / "bindings")]
    import cuda_unified
    from cuda_unified import errors

    lines = ["# Written by `python tools/names.py` from __init__.py; not edited by hand.", ""]
    homes: dict[str, list[str]] = {}
    for name, home in cuda_unified._HOME.items():
        homes.setdefault(home, []).append(name)
    own = [name for name in errors.__all__ if getattr(errors, name).__module__ == "cuda_unified"]
    lines += [f"from cubind import {name} as {name}" for name in sorted({*errors.__all__} - {*own})] + [""]
    homes["errors"] = own
    for home in sorted(homes):
        lines += [f"from .{home} import {name} as {name}" for name in sorted(homes[home])]
    return "\n".join(lines) + "\n"


def main(*args: str) -> int:
    """Writes the stub, or says whether it is current."""
    if args == ("--check",):
        current = STUB.exists() and STUB.read_text() == text()
        print("current" if current else "run: python tools/names.py")
        return 0 if current else 1
    STUB.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
