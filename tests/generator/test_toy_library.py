"""A made-up library from its header to calls in Python, by the committed generator as it is: facts, policy, C, build.

toy_library/ holds what a person would write for a new library: the header and its policy; and, as the vendor's part, the
library in C.  calls.py calls every function.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest
from roots import TOY, make_root, run

from generator import database, ir, names, policy, words
from generator.writer import STAMP

REPOSITORY = Path(__file__).parents[2]
CORE = REPOSITORY / "bindings" / "cubind"
CALLS = [node.name for node in ast.parse((TOY / "calls.py").read_text()).body if isinstance(node, ast.FunctionDef)]
CALLS.remove("raises")


@dataclass(frozen=True)
class Built:
    """The toy's facts and policy in `root`, the package with it below `out`."""

    root: Path
    out: Path

    def python(self, code: str) -> str:
        """What a program prints that imports the package."""
        environment = {**os.environ, "PYTHONPATH": f"{self.out / 'bindings'}:{TOY}"}
        environment["CUBIND_TOY_LIBRARY"] = str(self.out / "libtoy.so.1")
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def functions(self) -> tuple[ir.Function, ...]:
        return names.emitted_functions(database.load(self.root, "toy").library_at("1.0"))


def _build(*arguments: object, cwd: Path | None = None) -> None:
    done = subprocess.run([str(a) for a in arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}"


def _copy_core(package: Path) -> None:
    """The hand-written part of the package, with the core as it is built."""
    built = list(CORE.glob("_core*.so"))
    if not built:
        pytest.skip("cubind is not built: run `make build`")
    for path in (*CORE.glob("*.py"), *CORE.glob("*.h"), *CORE.glob("_core.pxd"), *built, CORE / "_abi" / "__init__.py"):
        if path.suffix == ".so" or STAMP not in path.read_text()[:300]:
            target = package / path.relative_to(CORE)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """`add`, then what setup.py would do: the package with the toy in it, and libtoy.so.1 beside."""
    out = tmp_path_factory.mktemp("toy")
    root = make_root(tmp_path_factory.mktemp("root"))
    assert run(root, out, "add", "1.0") == 0
    package = out / "bindings" / "cubind"
    _copy_core(package)
    modules = ["cubind/toy.pyx", "cubind/cytoy.pyx"]
    _build(sys.executable, "-m", "cython", "-3", "-I.", *modules, cwd=package.parent)
    include = [f"-I{package}", f"-I{package / '_abi'}", f"-I{sysconfig.get_paths()['include']}", f"-I{TOY / 'include'}"]
    options = ["-O0", "-shared", "-fPIC", "-w", "-fvisibility=hidden", "-DPy_LIMITED_API=0x030B0000", *include]
    for module in modules:
        source = package.parent / Path(module).with_suffix(".c")
        _build("gcc", *options, source, "-o", source.with_suffix(".abi3.so"))
    _build("gcc", "-O0", "-shared", "-fPIC", "-w", f"-I{TOY / 'include'}", TOY / "toy.c", "-o", out / "libtoy.so.1")
    return Built(root, out)


@pytest.mark.parametrize("name", CALLS)
def test_calls(built: Built, name: str) -> None:
    """Each subject of toy_library/calls.py, in a process of its own."""
    built.python(f"import calls; calls.{name}()")


def test_c_level_is_importable(built: Built) -> None:
    """The C level of the toy builds and exports every function, under its public name and its symbol."""
    exported = built.python("import cubind.cytoy as c; print(*c.__pyx_capi__)").split()
    assert set(exported) == {name for f in built.functions() for name in (f.name, f.symbol)}


def test_emit_finds_the_tree_as_add_left_it(built: Built) -> None:
    """`add` of the target version emits: there is nothing left to write, nor to remove."""
    assert run(built.root, built.out, "emit", "--check") == 0


def test_every_function_is_called(built: Built) -> None:
    """calls.py leaves out none but what the policy skips."""
    text = (TOY / "calls.py").read_text()
    skipped = {name for name, p in policy.load(built.root, "toy").functions.items() if p.skip}
    expected = {f.name for f in built.functions()} - skipped
    assert not {name for name in expected if not re.search(rf"\btoy\.{name}\b", text)}


def test_every_word_is_decided_somewhere() -> None:
    """The toy's policy has each word of a decision, each way of keeping, and each key of a function."""
    text = (TOY / "toy.toml").read_text()
    decisions = [word for text in re.findall(r'= "(.+)"', text) for word in text.split()]
    assert not {form.split()[0] for form in words.FORMS} - set(decisions)
    for how in ("call", "once", "stream", "graph", "key", "forever"):
        assert re.search(rf'"callback \S+ {how}\b', text), how
    for key in ("answers", "result", "optional", "releases", "skip"):
        assert f".{key} = " in text, key
