"""The fake driver library: every symbol that the facts know, as C.

behaviour.c has those that do something; the stubs made here are weak, so those win.  No header is needed: the names and the
versions that the resolver hands out come from generator/api/driver.jsonl.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from generator import database, pipeline
from generator.ir import Function
from generator.writer import Writer

HERE = Path(__file__).resolve().parent
ABI = pipeline.OUT / pipeline.PACKAGE / "_abi"
SONAME = "libcuda.so.1"


def stubs(functions: list[Function]) -> str:
    """C source of a stub a symbol, and of the resolver's table."""
    w = Writer()
    w.line("#include <stddef.h>")
    w.line('#define STUB __attribute__((weak, visibility("default"))) int')
    for symbol in sorted({s for f in functions for s in (f.symbol, f.per_thread) if s}):
        w.line(f"STUB {symbol}(void) {{ return 0; }}")
    w.line("struct known { const char *name; int version; void *function, *per_thread; };")
    w.line("const struct known fake_known[] = {")
    known = [f for f in functions if f.resolver_name]
    with w.indented():
        for f in sorted(known, key=lambda f: (f.resolver_name, f.resolver_version)):
            per_thread = f"(void *){f.per_thread}" if f.per_thread else "NULL"
            w.line(f'{{"{f.resolver_name}", {f.resolver_version}, (void *){f.symbol}, {per_thread}}},')
    w.line("};")
    w.line(f"const size_t fake_n_known = {len(known)};")
    return w.text()


def build(folder: Path) -> Path:
    """Compiles the library into `folder`, unless it is there and newer than what it is made from; returns its path."""
    library = folder / SONAME
    sources = [HERE / "behaviour.c", Path(__file__), database.path_of(pipeline.ROOT, "driver"), *ABI.glob("*.h")]
    if library.exists() and library.stat().st_mtime > max(p.stat().st_mtime for p in sources):
        return library
    folder.mkdir(parents=True, exist_ok=True)
    facts = database.load(pipeline.ROOT, "driver").library_at(pipeline.target(pipeline.ROOT))
    generated = folder / "stubs.c"
    generated.write_text(stubs(list(facts.functions)))
    fresh = library.with_suffix(".new")
    options = ["-O2", "-fPIC", "-shared", "-fvisibility=hidden", f"-I{ABI}", f"-Wl,-soname,{SONAME}"]
    subprocess.run(["gcc", *options, str(HERE / "behaviour.c"), str(generated), "-o", str(fresh)], check=True)
    fresh.replace(library)
    return library
