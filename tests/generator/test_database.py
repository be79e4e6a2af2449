"""Facts on disk: versions merged and told apart, and a text that depends on nothing but the facts."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from small import function, library

from generator import database
from generator.database import Database, DatabaseError
from generator.ir import Enum, Library, Macro

OLD = library(function("toyF", "int x"), function("toyGone"), version="1.2", enums=(), macros=(Macro("TOY_V", 12),))
MIDDLE = library(function("toyF", "int x"), function("toyNew", "int y"), version="1.10", enums=())
NEW = library(function("toyF", "long x"), function("toyNew", "int y"), version="2.0", enums=())


def facts(*libraries: Library) -> Database:
    found = Database("toy")
    for one in libraries:
        found.merge(one)
    return found


def test_each_version_comes_back() -> None:
    """What was merged is what is read, of each version, after a way through the text."""
    found = database.loads(database.dumps(facts(OLD, MIDDLE, NEW)))
    assert found.versions == ["1.2", "1.10", "2.0"]
    for one in (OLD, MIDDLE, NEW):
        assert found.library_at(one.version) == one


def test_equal_facts_are_equal_bytes() -> None:
    """The order of adding, adding again and a way through the file change nothing."""
    text = database.dumps(facts(OLD, MIDDLE, NEW))
    for order in itertools.permutations((OLD, MIDDLE, NEW)):
        assert database.dumps(facts(*order)) == text
    assert database.dumps(facts(OLD, MIDDLE, NEW, OLD, MIDDLE)) == text
    assert database.dumps(database.loads(text)) == text


def test_lines_are_one_declaration_each() -> None:
    text = database.dumps(facts(OLD, NEW))
    assert text.splitlines()[0] == '{"library":"toy","versions":["1.2","2.0"]}'
    gone = '{"kind":"function","key":"toyGone","forms":[{"name":"toyGone","returns":"toyStatus","params":[],'
    assert gone + '"header":"toy.h","in":"1.2"}]}' in text.splitlines()
    (changed,) = [line for line in text.splitlines() if '"key":"toyF"' in line]
    assert changed.index('"int"') < changed.index('"in":"1.2"') < changed.index('"long"') < changed.index('"in":"2.0"')


def test_removed_version_is_forgotten() -> None:
    found = facts(OLD, MIDDLE, NEW)
    found.remove("1.2")
    assert database.dumps(found) == database.dumps(facts(MIDDLE, NEW))
    with pytest.raises(DatabaseError, match=r"toy: no facts of CUDA 1\.2 \(known: 1\.10, 2\.0\); run `.* add 1\.2`"):
        found.library_at("1.2")


def test_version_that_is_added_again_replaces_what_was_known() -> None:
    found = facts(OLD, NEW)
    found.merge(replace(OLD, functions=OLD.functions[:1]))
    assert found.library_at("1.2").functions == OLD.functions[:1]


def test_since_is_the_first_known_version() -> None:
    found = facts(NEW, MIDDLE, OLD)
    assert [found.since("function", name) for name in ("toyF", "toyNew", "toyGone")] == ["1.2", "1.10", "1.2"]


# -- enumerators


def enums(version: str, *values: tuple[str, int]) -> Library:
    return Library("toy", version, enums=(Enum("toyKind", "", False, values),))


FIRST = enums("1.0", ("TOY_A", 0), ("TOY_OLD", 1), ("TOY_MAX", 2))
SECOND = enums("2.0", ("TOY_A", 0), ("TOY_B", 1), ("TOY_MID", 2), ("TOY_OLDER", 1), ("TOY_MAX", 3))
THIRD = enums("3.0", ("TOY_Z", 9), ("TOY_A", 0), ("TOY_B", 1), ("TOY_ALIAS", 0), ("TOY_MAX", 10))


def test_enumerators_have_ranges_of_their_own() -> None:
    """A changed value is another enumerator of the same name."""
    (line,) = [line for line in database.dumps(facts(FIRST, SECOND, THIRD)).splitlines() if '"values"' in line]
    assert line.endswith(
        '"values":[["TOY_Z",9,"3.0"],["TOY_A",0],["TOY_B",1,"2.0-3.0"],["TOY_ALIAS",0,"3.0"],["TOY_MAX",10,"3.0"],'
        '["TOY_OLDER",1,"2.0"],["TOY_MID",2,"2.0"],["TOY_MAX",3,"2.0"],["TOY_OLD",1,"1.0"],["TOY_MAX",2,"1.0"]]}'
    )


def test_enumerators_keep_the_newest_order_however_they_are_added() -> None:
    text = database.dumps(facts(FIRST, SECOND, THIRD))
    for order in itertools.permutations((FIRST, SECOND, THIRD)):
        assert database.dumps(facts(*order)) == text
        assert database.dumps(facts(*order, SECOND)) == text
    assert facts(THIRD, FIRST, SECOND).library_at("3.0") == THIRD
    assert set(facts(THIRD, FIRST, SECOND).library_at("1.0").enums[0].values) == set(FIRST.enums[0].values)


# -- ranges


@pytest.mark.parametrize(
    ("versions", "text"),
    [
        ({"1.0", "1.9", "1.10", "2.0"}, ""),
        ({"1.0"}, "1.0"),
        ({"1.9", "1.10"}, "1.9-1.10"),
        ({"1.0", "1.10", "2.0"}, "1.0,1.10-2.0"),
    ],
)
def test_ranges_over_the_known_versions(versions: set[str], text: str) -> None:
    known = ["1.0", "1.9", "1.10", "2.0"]
    assert database.ranges(versions, known) == text
    assert database.from_ranges(text, known) == versions


# -- bad files


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("{", 3),
        ('{"kind": "function"}', 3),
        ('{"kind":"macro","key":"A","forms":[{"name":"A","value":1,"in":"9.9"}]}', 3),
        ("[]", 3),
    ],
)
def test_bad_line_is_named(line: str, number: int) -> None:
    good = database.dumps(facts(MIDDLE)).splitlines()[:2]
    with pytest.raises(DatabaseError, match=rf"line {number}: not a line of a facts file"):
        database.loads("\n".join([*good, line]))


def test_bad_file_and_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"toy\.jsonl is missing; run `python -m generator add VERSION`"):
        database.load(tmp_path, "toy")
    (tmp_path / "api").mkdir()
    database.path_of(tmp_path, "toy").write_text("")
    with pytest.raises(DatabaseError, match=r"toy\.jsonl: line 1: "):
        database.load(tmp_path, "toy")
