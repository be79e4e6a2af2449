"""Writes OPCODES.md, the PTX instructions that the CPU device has, from its opcode tables; `--check` compares instead.

The tables are compiled in: a small program (coverage.cpp) is linked with the device's objects and prints them.
"""

import subprocess
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import build  # the module beside this one

PAGE = build.ROOT / "OPCODES.md"
HEAD = """# PTX instructions
Written by `python cpu_device/coverage.py` from the opcode tables (src/exec/opcodes_*.cpp, requirements.cpp); not edited by hand.

A module whose `.version` or `.target` is older than an instruction needs is refused when it is loaded, with the line.
`a` behind a target means that the module's target must be one with features of its own, as sm_90a.
"""


def tables():
    """Rows of the tables by kind, as the compiled device has them."""
    objects = build.default_objects()
    jobs = [
        (source, objects / source.parent.name / f"{source.stem}{suffix}.o", flags)
        for name in ("exec", "ptx", "memory")
        for source in sorted((build.SOURCES / name).glob("*.cpp"))
        for suffix, flags in build.variants(source)
    ]
    with tempfile.TemporaryDirectory() as folder:
        main, program = Path(folder) / "coverage.o", Path(folder) / "coverage"
        jobs.append((build.ROOT / "coverage.cpp", main, ["-O0", f"-I{build.SOURCES}"]))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda job: build.compile_one(*job), jobs))
        subprocess.run([*build.compiler(), "-pthread", *(str(job[1]) for job in jobs), "-o", str(program)], check=True)
        text = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    rows = defaultdict(list)
    for line in text.splitlines():
        kind, *fields = line.split("\t")
        rows[kind].append(fields)
    return rows


def since(ptx, target, specific="0"):
    """ "7.8, sm_90"."""
    words = [f"{int(ptx) // 10}.{int(ptx) % 10}"] if int(ptx) else []
    if int(target):
        words.append(f"sm_{target}{'a' if specific == '1' else ''}")
    return ", ".join(words)


def forms(rows):
    """Modifiers that came later, grouped by when."""
    groups = defaultdict(list)
    for _, words, ptx, target, specific in rows:
        name = "".join(f".{word}" for word in words.lstrip(">^").split()) or "all of it"
        groups[since(ptx, target, specific)].append(name)
    return "; ".join(f"{' '.join(names)}: {when}" for when, names in groups.items())


def page(rows):
    """The text of OPCODES.md."""
    later = defaultdict(list)
    for row in rows["form"]:
        later[row[0]].append(row)
    lines = [HEAD, "| instruction | types | since | later forms |", "| --- | --- | --- | --- |"]
    for name, types, ptx, target in sorted(rows["opcode"]):
        lines.append(f"| {name} | {types} | {since(ptx, target)} | {forms(later[name])} |")
    lines += [
        "",
        "## Matrix products",
        "Order and precision of the sums: src/exec/matrix_products.cpp; the layout of fragments: src/exec/matrix.hpp.",
    ]
    lines += ["", "| instruction | shape | A and B | C and D | since |", "| --- | --- | --- | --- | --- |"]
    for name, shape, inputs, sums, ptx, target, word in rows["shape"]:
        lines.append(
            f"| {name} | {shape} | {inputs}{f' (.{word}.popc)' if word else ''} | {sums} | {since(ptx, target)} |"
        )
    lines += [
        "",
        "## Refused by name",
        "`CUDA_ERROR_NOT_SUPPORTED` when the module is loaded.",
        "",
        "| instruction | what it is for |",
        "| --- | --- |",
    ]
    lines += [f"| {name} | {why} |" for name, why in rows["refused"]]
    lines += [
        "",
        "Of instructions that are there, refused as well: sparse and block-scaled mma, ldmatrix and stmatrix of 8-bit",
        "elements, cvt with stochastic rounding (.rs), fma.oob, generic addresses of 32 bits (cvta.u32).",
        "Everything else that is not listed is unknown: `CUDA_ERROR_INVALID_PTX`.",
    ]
    return "\n".join(lines) + "\n"


def main():
    text = page(tables())
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text() != text:
            sys.exit("cpu_device/OPCODES.md is not what the tables say: run python cpu_device/coverage.py")
        return
    if not PAGE.exists() or PAGE.read_text() != text:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
