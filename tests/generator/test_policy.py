"""Policy files as data, and what is refused in them: the text says which file, which place and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator import policy
from generator.policy import PolicyError, Rule

LIBRARY = """
[library]
name = "toy"
title = "the toy library"
headers = ["toy.h"]
include = ["toy.h"]
sonames = ["libtoy.so.1"]
status = "toyStatus"
success = "TOY_SUCCESS"
missing_status = "TOY_BAD"
hint = "build it"
override_env = "TOY"
docs = ""
"""
ERRORS = (
    '[class.InvalidValueError]\ndoc = "x"\nparent = "CudaError"\n[status.toyStatus]\nTOY_BAD = "InvalidValueError"\n'
)


def root(folder: Path, text: str = LIBRARY, errors: str | None = ERRORS, name: str = "toy") -> Path:
    (folder / "policy").mkdir(exist_ok=True)
    (folder / "policy" / f"{name}.toml").write_text(text)
    if errors is not None:
        (folder / "policy" / "errors.toml").write_text(errors)
    return folder


def test_everything_is_read(tmp_path: Path) -> None:
    """Each table of policy/README.md lands where the passes look for it."""
    text = """
[handles]
streams = ["toyStream"]
accepts = { toyFunction = "toyKernel" }
[callback]
toyLog.text = "text length"
[[gil.hold]]
why = "no lock"
functions = ["toyA", "toyB"]
[[rule]]
name = "p*"
type = "int *"
function = "toy*Get"
as = "out"
[params]
toyA.x = "in"
toyA.y = "out"
[function]
toyA.optional = ["y"]
toyB.skip = "why not"
[tags.toyKind]
TOY_INT = "int"
[record.toyPoint]
at = "count n"
"""
    found = policy.load(root(tmp_path, LIBRARY + text), "toy")
    assert found.info.headers == ("toy.h",)
    assert found.rules == [Rule("p*", "out", "int *", "toy*Get")]
    assert found.functions["toyA"] == policy.FunctionPolicy(params={"x": "in", "y": "out"}, optional=("y",))
    assert found.functions["toyB"].skip == "why not"
    assert found.records == {"toyPoint": policy.RecordPolicy({"at": "count n"})}
    assert found.tags == {"toyKind": {"TOY_INT": "int"}}
    assert (found.streams, found.accepts) == (frozenset({"toyStream"}), {"toyFunction": "toyKernel"})
    assert found.callbacks == {"toyLog": {"text": "text length"}}
    assert found.hold_gil == {"toyA": "no lock", "toyB": "no lock"}
    assert found.errors == {"TOY_BAD": "InvalidValueError"}


def test_unclassified_status_is_the_root_class(tmp_path: Path) -> None:
    more = '[unclassified.toyStatus]\nTOY_ODD = "it says nothing"\n'
    found = policy.load(root(tmp_path, errors=ERRORS + more), "toy")
    assert found.errors == {"TOY_BAD": "InvalidValueError", "TOY_ODD": policy.ROOT_CLASS}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 1\n" + LIBRARY, "toy.toml: the top level has unknown keys colour; known are callback, "),
        (LIBRARY + "colour = 1", r"toy.toml: \[library\] has unknown keys colour"),
        (LIBRARY.replace('hint = "build it"\n', ""), r"toy.toml: \[library\] is incomplete: .*'hint'"),
        ("", r"toy.toml: \[library\] is incomplete: .*'name'"),
        (LIBRARY + "[function]\ntoyA.colour = 1", r"toy.toml: \[function.toyA\] has unknown keys colour"),
        (LIBRARY + '[[rule]]\nname = "x"\nas = "in"\ncolour = 1', r"toy.toml: a \[\[rule\]\] has unknown keys colour"),
        (LIBRARY + '[[rule]]\nname = "x"', r"toy.toml: a \[\[rule\]\] needs `name` and `as`"),
        (LIBRARY + "[handles]\ncolour = 1", r"toy.toml: \[handles\] has unknown keys colour"),
        (LIBRARY + "[gil]\nrelease = 1", r"toy.toml: \[gil\] has unknown keys release"),
        (LIBRARY + '[[gil.hold]]\nfunctions = ["toyA"]', r"toy.toml: a \[\[gil.hold\]\] needs `why` and `functions`"),
        (LIBRARY + "[params", "toy.toml: .*at (line 1[45]|end of document)"),
    ],
)
def test_bad_policy_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        policy.load(root(tmp_path, text), "toy")


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"toy\.toml: no such policy; write one"):
        policy.load(tmp_path, "toy")
    with pytest.raises(
        PolicyError, match=r"errors\.toml: missing; it says which exception each status of toyStatus is"
    ):
        policy.load(root(tmp_path, errors=None), "toy")


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        (
            ERRORS.replace('"InvalidValueError"', '"OddError"'),
            r"errors.toml: toyStatus.TOY_BAD: there is no \[class.Odd",
        ),
        ("colour = 1\n" + ERRORS, "errors.toml: the top level has unknown keys colour"),
        ("[class", "errors.toml: "),
    ],
)
def test_bad_errors_are_refused(tmp_path: Path, errors: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        policy.load(root(tmp_path, errors=errors), "toy")


def test_libraries_come_after_those_that_they_use(tmp_path: Path) -> None:
    """Also along a chain; a name that has no policy, and a circle, are errors."""
    for name, uses in (("a", "b"), ("b", "c"), ("c", ""), ("d", "")):
        root(tmp_path, f'[library]\nname = "{name}"\nuses = "{uses}"\n', name=name)
    found = policy.libraries(tmp_path)
    assert found == ["c", "b", "a", "d"] or found.index("c") < found.index("b") < found.index("a")
    assert set(found) == {"a", "b", "c", "d"}
    root(tmp_path, '[library]\nname = "c"\nuses = "a"\n', name="c")
    with pytest.raises(PolicyError, match=r"a\.toml: \[library\] uses 'b'"):
        policy.libraries(tmp_path)
    root(tmp_path, '[library]\nname = "c"\nuses = "nowhere"\n', name="c")
    with pytest.raises(PolicyError, match=r"uses 'b'|uses 'nowhere'"):
        policy.libraries(tmp_path)
