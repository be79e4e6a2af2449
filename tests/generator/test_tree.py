"""What holds of the generator's own source, and of the files beside it."""

from __future__ import annotations

import ast
import builtins
import importlib
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from generator import database, pipeline, policy, words

ROOT = pipeline.ROOT
MODULES = sorted([*ROOT.glob("*.py"), *(ROOT / "emit").glob("*.py")])
LIBRARIES = policy.libraries(ROOT)

ALLOWED = {
    "emit/coverage.py": {
        "cuMemAlloc": "an example in the page's text, of a name and its symbol",
        "cuMemAlloc_v2": "the same",
        "cuCtxCreate_v2": "an example in the page's text, of an old version that is still called",
    },
}
"""file → name of the API → why the source has to say it."""


# -- no name of the API in the source: it is data, in api/ and policy/


@cache
def declared() -> frozenset[str]:
    """Every name that the facts of any version declare: functions, symbols, types, tags, values, constants."""
    found: set[str] = set()
    for library in LIBRARIES:
        facts = database.load(ROOT, library)
        for (_, key), forms in facts.entries.items():
            found |= {key, *(form.get(word, "") for form, _ in forms for word in ("name", "tag", "symbol"))}
        found |= {name for values in facts.enumerators.values() for name, _ in values}
    return frozenset(found - {""})


def _strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every text in the code that is no documentation, with its line; parts of f-strings and of patterns too."""
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    documentation = {id(s.value) for body in bodies for s in body if isinstance(s, ast.Expr)}
    yield from ((node.lineno, node.value) for node in texts if id(node) not in documentation)


def _named(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    quoted = {word for _, text in _strings(tree) for word in re.findall(r"[A-Za-z_]\w*", text)}
    return quoted & declared()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_source_names_nothing_of_the_api(path: Path) -> None:
    """No `if name == "cuX"`: what is special about a function is said in its policy."""
    name = str(path.relative_to(ROOT))
    assert _named(path) == set(ALLOWED.get(name, {})), "move it into a policy, or allow it with its reason"


def test_the_search_would_find_one(tmp_path: Path) -> None:
    """In a comparison, inside an f-string and in a pattern; not in documentation."""
    name = next(f for f in sorted(declared()) if f.startswith("cu"))
    for text in (f'x = f.name == "{name}"', f'f"a {name}(%s)"', f're.match(r"({name}|x)", y)'):
        path = tmp_path / "a.py"
        path.write_text(f'"""About {name}."""\n{text}\n')
        assert _named(path) == {name}
    path.write_text(f'"""About {name}."""\n')
    assert _named(path) == set()


# -- documentation


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path.name} begins with no docstring"


def test_every_word_of_a_decision_is_described() -> None:
    """policy/README.md has each word that the generator takes, and no other in its table."""
    text = (ROOT / "policy" / "README.md").read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    described = {word.split()[0] for row in rows for word in re.findall(r"`([^`]+)`", row)}
    assert described == {form.split()[0] for form in words.FORMS}


# -- errors.toml and the exceptions of the package


def _classes() -> dict[str, type]:
    """The exception classes of bindings/cubind/_errors.py, loaded by path: nothing of the package is imported."""
    path = pipeline.OUT / "bindings" / "cubind" / "_errors.py"
    spec = importlib.util.spec_from_file_location("cubind_errors_alone", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: getattr(module, name) for name in module.__all__}


ERRORS = tomllib.loads((ROOT / "policy" / "errors.toml").read_text())
CLASSES = _classes()


def test_classes_are_the_same_in_both() -> None:
    """errors.toml has every class of the package but the root, and but those that no status is: said in python only."""
    assert set(ERRORS["class"]) - set(CLASSES) == set()
    assert set(CLASSES) - set(ERRORS["class"]) == {policy.ROOT_CLASS}


@pytest.mark.parametrize("name", ERRORS["class"])
def test_class_is_as_declared(name: str) -> None:
    """Parent, builtin and the first line of the documentation."""
    table, class_ = ERRORS["class"][name], CLASSES[name]
    bases = [table["parent"], *([table["builtin"]] if "builtin" in table else [])]
    assert [base.__name__ for base in class_.__bases__] == bases
    assert class_.__doc__ and class_.__doc__.splitlines()[0] == table["doc"]
    assert "builtin" not in table or isinstance(getattr(builtins, table["builtin"]), type)


def test_every_class_has_a_status_or_a_reason() -> None:
    """Classes that no status has are raised by the package itself, or are parents of others."""
    used = {class_ for statuses in ERRORS["status"].values() for class_ in statuses.values()}
    parents = {table["parent"] for table in ERRORS["class"].values()}
    alone = set(ERRORS["class"]) - used - parents
    package = pipeline.OUT / "bindings" / "cubind"
    text = "".join(
        path.read_text() for path in (*package.glob("_*.c"), *package.glob("_*.py")) if path.name != "_errors.py"
    )
    assert {name for name in alone if f'"{name}"' not in text} == set()
