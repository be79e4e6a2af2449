"""`add`, `diff`, `gaps` and `explain`: what they write, what they print, and what they say about mistakes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from roots import change, contents, make_root, run

from generator import database, headers, pins

Out = pytest.CaptureFixture[str]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "root")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def added(root: Path, out: Path, capsys: Out) -> Path:
    """The root with its first version added."""
    assert run(root, out, "add", "1.0") == 0
    capsys.readouterr()
    return root


def add_version(root: Path, version: str) -> Path:
    """Another version in versions.toml, with a header folder of its own."""
    folder = root / f"include{version}"
    shutil.copytree(root / "include", folder)
    text = (root / "versions.toml").read_text()
    (root / "versions.toml").write_text(f'{text}\n[cuda."{version}"]\ninclude = ["{folder.name}"]\n')
    return folder / "toy.h"


# -- add


def test_add_writes_facts_and_emits(root: Path, out: Path, capsys: Out) -> None:
    """For the target version: facts, then every generated file; and says that nothing is open."""
    assert run(root, out, "add", "1.0") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("added CUDA 1.0\nevery parameter is decided\nwrote bindings/cubind/_abi/cubind_toy.h\n")
    assert database.load(root, "toy").versions == ["1.0"]
    assert (out / "bindings/cubind/toy.pyx").is_file()


def test_add_of_another_version_says_what_changed(added: Path, out: Path, capsys: Out) -> None:
    """And leaves the generated files alone: they are of the target version."""
    header = add_version(added, "1.1")
    change(header, "toyStatus toyGone(void);", "toyStatus toyFresh(int *room);")
    before = contents(out)
    assert run(added, out, "add", "1.1") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        "added CUDA 1.1",
        "toy: 1.0 -> 1.1: 2 changes",
        "  + function toyFresh",
        "  - function toyGone",
        "1 parameters are not decided:",
        "toy: toyFresh(int * room)",
    ]
    assert contents(out) == before
    assert database.load(added, "toy").versions == ["1.0", "1.1"]


def test_add_again_changes_nothing(added: Path, out: Path, capsys: Out) -> None:
    before = contents(added, out)
    assert run(added, out, "add", "1.0") == 0
    assert capsys.readouterr().out.endswith("nothing changed\n")
    assert contents(added, out) == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("toyStatus toyGone(void);", "toyStatus toyGone(toyNothing x);", r"toy 1\.1: .*toy\.h:\d+: unknown type name"),
        ("int x, y;", "int x : 4, y;", r"toy 1\.1: .*toy\.h:\d+: bit-field toyPoint\.x"),
        ("#include <stddef.h>", "#include <nowhere.h>", r"toy 1\.1: .*toy\.h:\d+: 'nowhere\.h' file not found"),
        (
            "typedef struct toyPoint_st {",
            "#pragma pack(1)\nstruct toyPacked { char a; int b; };\n#pragma pack()\ntypedef struct toyPoint_st {",
            "toyPacked is packed",
        ),
        (
            "toyStatus toyGone(void);",
            "struct otherRecord; toyStatus toyGone(const struct otherRecord_st { int x; } **r);",
            "otherRecord_st",
        ),
    ],
)
def test_add_of_a_broken_header_writes_nothing(
    added: Path, out: Path, capsys: Out, old: str, new: str, message: str
) -> None:
    """Not the facts, not a generated file: the text names library, version, file and line."""
    change(add_version(added, "1.1"), old, new)
    before = contents(added, out)
    assert run(added, out, "add", "1.1") == 1
    assert re.match(f"error: .*{message}", capsys.readouterr().err)
    assert contents(added, out) == before


def test_add_takes_back_the_pins_of_headers_that_do_not_parse(
    added: Path, out: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    """versions.toml is written when wheels are resolved, before anything is parsed."""

    def resolve(version: str, root: Path) -> headers.Release:
        change(add_version(root, version), "toyStatus toyGone(void);", "toyStatus toyGone(toyNothing);")
        return headers.load(root).release(version)

    monkeypatch.setattr(pins, "resolve", resolve)
    before = (added / "versions.toml").read_text()
    assert run(added, out, "add", "1.1") == 1
    assert (added / "versions.toml").read_text() == before


def test_add_of_an_older_version_goes_in_between(added: Path, out: Path, capsys: Out) -> None:
    """Versions are ordered as numbers; an older one is compared with what came before it, and emits nothing."""
    add_version(added, "0.9")
    assert run(added, out, "add", "0.9") == 0
    assert capsys.readouterr().out == "added CUDA 0.9\nevery parameter is decided\n"
    assert database.load(added, "toy").versions == ["0.9", "1.0"]


def test_new_library_beside_one_that_is_known(added: Path, out: Path, capsys: Out) -> None:
    """A library that joins later has no facts of older versions: said, not an error."""
    add_version(added, "1.1")
    assert run(added, out, "add", "1.1") == 0
    text = (added / "policy" / "toy.toml").read_text()
    head = text[: text.index("[handles]")].replace('name = "toy"', 'name = "late"').replace('["toy.h"]', '["late.h"]')
    head = re.sub(r"(resolver|typedef_headers|legacy_define|per_thread_define) = .*\n", "", head)
    (added / "policy" / "late.toml").write_text(head.replace("toyStatus", "lateStatus").replace("TOY_", "LATE_"))
    values = "LATE_SUCCESS = 0, LATE_ERROR_MISSING = 1"
    for folder in ("include", "include1.1"):
        text = f"typedef enum lateStatus {{ {values} }} lateStatus;\nlateStatus lateStart(void);\n"
        (added / folder / "late.h").write_text(text)
    with (added / "policy" / "errors.toml").open("a") as errors:
        errors.write('[status.lateStatus]\nLATE_ERROR_MISSING = "SymbolNotFoundError"\n')
    capsys.readouterr()
    assert run(added, out, "add", "1.1") == 0
    printed = capsys.readouterr().out
    assert "late: no facts of CUDA 1.0\ntoy: 1.0 -> 1.1: 0 changes\n" in printed
    assert run(added, out, "emit") == 1
    assert "late: no facts of CUDA 1.0 (known: 1.1); run `python -m generator add 1.0`" in capsys.readouterr().err
    assert run(added, out, "add", "1.0") == 0
    assert (out / "bindings/cubind/late.pyx").is_file()


# -- diff


def test_diff_names_every_kind_of_change(added: Path, out: Path, capsys: Out) -> None:
    header = add_version(added, "1.1")
    for old, new in (
        ("toyHalf(double value)", "toyHalf(float value)"),
        ("int x, y;", "int x, y, z;"),
        ("typedef double (*toyCurve)(double at);", "typedef double (*toyCurve)(float at);"),
        ("typedef unsigned long long toyPtr;", "typedef unsigned long toyPtr;"),
        ("TOY_ERROR_UNKNOWN = 999", "TOY_ERROR_UNKNOWN = 998, TOY_ERROR_NEW"),
        ("TOY_VERSION 1020", "TOY_VERSION 1030"),
    ):
        change(header, old, new)
    assert run(added, out, "add", "1.1") == 0
    capsys.readouterr()
    assert run(added, out, "diff", "1.0", "1.1") == 0
    assert capsys.readouterr().out.splitlines() == [
        "toy: 1.0 -> 1.1: 8 changes",
        "  ~ function toyHalf",
        "  ~ record toyEvent (112 -> 136 bytes)",
        "  ~ record toyPoint (8 -> 12 bytes)",
        "  ~ callback toyCurve",
        "  ~ typedef toyPtr",
        "  + enumerator toyStatus.TOY_ERROR_NEW",
        "  ~ enumerator toyStatus.TOY_ERROR_UNKNOWN (999 -> 998)",
        "  ~ macro TOY_VERSION (1020 -> 1030)",
    ]


# -- gaps


def test_gaps_says_that_nothing_is_open(added: Path, out: Path, capsys: Out) -> None:
    assert run(added, out, "gaps") == 0
    assert capsys.readouterr().out == "nothing is open\n"


def test_gaps_lists_what_is_open_and_emit_refuses(added: Path, out: Path, capsys: Out) -> None:
    """Without a decision, and with one that fits nothing."""
    change(added / "policy" / "toy.toml", 'toyTry.result = "out"\n', 'toyTry.odd = "out"\n')
    assert run(added, out, "gaps") == 1
    expected = ["toy: toyTry(int * result)", "toy: policy: toyTry: has no parameter 'odd'"]
    assert capsys.readouterr().out.splitlines() == expected
    before = contents(out)
    assert run(added, out, "emit") == 1
    assert "toy 1.0: no decision for toyTry(int * result)" in capsys.readouterr().err
    assert contents(out) == before


# -- explain


def test_explain_function(added: Path, out: Path, capsys: Out) -> None:
    """Under the public name and under the symbol: where it is, what each parameter is, what Python sees."""
    assert run(added, out, "explain", "toyDivisors") == 0
    assert capsys.readouterr().out.splitlines() == [
        "toyStatus toyDivisors(int of, int room, int *values, int *found)",
        "  library     toy, toy.h",
        "  int of: value",
        "  int room: value",
        "  int * values -> i32: out_array room used found",
        "  int * found -> i32: used_count",
        "  Python      toyDivisors(of, room) -> values",
        "  GIL         released",
        "  declared    in all known versions (4 parameters)",
    ]
    for name in ("toyBoxCreate", "toyBoxCreate_v2"):
        assert run(added, out, "explain", name) == 0
        assert "symbol      toyBoxCreate_v2, asked of toyGetSymbol as toyBoxCreate 1020" in capsys.readouterr().out
    run(added, out, "explain", "toyReady")
    assert "answer      TOY_NOT_READY is no error: returns False" in capsys.readouterr().out
    run(added, out, "explain", "toyTick")
    assert "per thread  toyTick_ptsz" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("toyWord", ["union toyWord: 4 bytes, aligned to 4", "     0  whole: u32", "     0  bytes: u8[4]"]),
        ("toyPoint_st", ["struct toyPoint: 8 bytes, aligned to 4"]),
        ("toyEvent", ["    56  points: ptr toyPoint (linked to count)"]),
        ("toyStatus", ["enum toyStatus: 6 members", "       2  TOY_ERROR_NO_MEMORY -> OutOfMemoryError"]),
        ("toyKind", ["      -1  TOY_KIND_NONE"]),
        (
            "toyStream",
            ["toyQueue is a handle: an opaque pointer to struct toyStream_st; the class is cubind.toy.toyQueue"],
        ),
    ],
)
def test_explain_types(added: Path, out: Path, capsys: Out, name: str, lines: list[str]) -> None:
    assert run(added, out, "explain", name) == 0
    printed = capsys.readouterr().out.splitlines()
    assert all(line in printed for line in lines), printed


# -- names that nothing has


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "toyNothing"], "error: no library declares 'toyNothing'\n"),
        (["diff", "1.0", "9.9"], "error: toy: no facts of CUDA 9.9 (known: 1.0); run `python -m generator add 9.9`\n"),
        (["gaps", "9.9"], "error: toy: no facts of CUDA 9.9 (known: 1.0); run `python -m generator add 9.9`\n"),
        (["add", "nonsense"], "error: 'nonsense' is not a CUDA version. Give major and minor only, such as 13.3.\n"),
        (["add", "7.5"], "error: CUDA 7.5: versions.toml does not say which wheels CUDA 7 needs."),
    ],
)
def test_unknown_name_is_said_clearly(added: Path, out: Path, capsys: Out, arguments: list[str], message: str) -> None:
    """Exit status 1, the name, and what there is instead; nothing is written."""
    before = contents(added, out)
    assert run(added, out, *arguments) == 1
    assert capsys.readouterr().err.startswith(message)
    assert contents(added, out) == before


def test_unknown_command_is_a_usage_error(root: Path, out: Path, capsys: Out) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(root, out, "guess")
    assert stopped.value.code == 2
    assert "add,emit,diff,gaps,explain" in capsys.readouterr().err.replace(" ", "").replace("'", "")
