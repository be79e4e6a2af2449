"""C types: spellings taken apart, and what they are to a binding."""

from __future__ import annotations

import pytest
from small import function, library

from generator import ctype
from generator.ctype import CType
from generator.ir import Callback, Enum, Field, Library, Record, Typedef
from generator.typetable import Types, UnknownTypeError, Value

# -- spellings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int", CType("int")),
        ("unsigned long long", CType("unsigned long long")),
        ("const unsigned int *", CType("unsigned int", 1, const=True)),
        ("toyBox *", CType("toyBox", 1)),
        ("const toyBox **", CType("toyBox", 2, const=True)),
        ("const char * const *", CType("char", 2, const=True)),
        ("void * const *", CType("void", 2)),
        ("char[64]", CType("char", dims=(64,))),
        ("int [2][3]", CType("int", dims=(2, 3))),
        ("toyBox *[4]", CType("toyBox", 1, dims=(4,))),
    ],
)
def test_spelling_is_taken_apart(text: str, expected: CType) -> None:
    assert ctype.parse(text) == expected


@pytest.mark.parametrize("text", ["int (*)(void *)", "", "int[]", "toy::Box", "a b"])
def test_what_is_no_plain_type_is_refused(text: str) -> None:
    """Function pointers above all: they are handled by who expects them."""
    with pytest.raises(ValueError, match="not a plain C type"):
        ctype.parse(text)


def test_parts_of_a_type() -> None:
    assert ctype.parse("const toyBox **").pointee == CType("toyBox", 1, const=True)
    assert ctype.parse("int[2][3]").element == CType("int")
    assert ctype.parse("int[2][3]").count == 6
    assert ctype.parse("int *").count == 0


# -- values

POINT = Record("toyPoint_v1", "toyPoint_st", False, 8, 4, (Field("x", "int", 0, 4), Field("y", "int", 4, 4)))
LIBRARY = Library(
    "toy",
    "1.0",
    records=(POINT,),
    enums=(Enum("toyKind", "toyKind_enum", True, (("TOY_A", -1),)), Enum("toyFlags", "", False, (("TOY_B", 1 << 31),))),
    typedefs=(
        Typedef("toyBox", "toyBox_st *"),
        Typedef("toyGrid", "toyPtr[2]"),
        Typedef("toyPoint", "toyPoint_v1"),
        Typedef("toyPointer", "const toyPoint *"),
        Typedef("toyPtr", "toyPtr_v1"),
        Typedef("toyPtr_v1", "unsigned long long"),
        Typedef("toyQueue", "toyBox_st *"),
        Typedef("toyView", "const toyOther_st *"),
    ),
    callbacks=(Callback("toyDone", "void", ()),),
    opaque=("toyBox_st", "toyOther_st"),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("void", Value("none", size=0)),
        ("size_t", Value("u64")),
        ("toyPtr", Value("u64")),
        ("toyGrid", Value("u64", count=2)),
        ("toyGrid[3]", Value("u64", count=6)),
        ("float", Value("f32", size=4)),
        ("toyKind_enum", Value("enum", "toyKind", 4)),
        ("toyFlags[4]", Value("enum", "toyFlags", 4, 4)),
        ("toyPoint", Value("record", "toyPoint_v1", 8)),
        ("toyPoint_st[2]", Value("record", "toyPoint_v1", 8, 2)),
        ("const toyPoint *", Value("ptr", "toyPoint_v1")),
        ("toyPointer", Value("ptr", "toyPoint_v1")),
        ("toyPointer *", Value("ptr")),
        ("toyBox", Value("handle", "toyBox")),
        ("toyQueue", Value("handle", "toyBox")),
        ("toyBox_st *", Value("handle", "toyBox")),
        ("toyView", Value("handle", "toyOther_st")),
        ("toyBox *", Value("ptr")),
        ("const char *", Value("cstr")),
        ("char *", Value("ptr")),
        ("void *", Value("ptr")),
        ("toyDone", Value("func", "toyDone")),
        ("int (*)(void *)", Value("func")),
    ],
)
def test_type_is_a_kind_of_value(text: str, expected: Value) -> None:
    assert Types(LIBRARY).resolve(text) == expected


def test_unknown_type_is_named() -> None:
    with pytest.raises(UnknownTypeError, match=r"toy 1\.0: nothing declares 'toyNothing'"):
        Types(LIBRARY).resolve("toyNothing")


def test_unknown_type_behind_pointers_is_an_address() -> None:
    """Nothing has to be known about what a pointer points to; that it exists is checked where it is spelled."""
    assert Types(LIBRARY).resolve("toyNothing **") == Value("ptr")


def test_typedef_of_itself_is_refused() -> None:
    """Facts that say `typedef struct X *X` would not come to an end."""
    types = Types(Library("toy", "1.0", typedefs=(Typedef("toyA", "toyB *"), Typedef("toyB", "toyA"))))
    with pytest.raises(UnknownTypeError, match="toyA"):
        types.resolve("toyA")


def test_aliases_lead_to_the_canonical_name() -> None:
    """Typedefs and tags of records, enums, handles and callbacks; not integers, arrays and pointers."""
    assert Types(LIBRARY).aliases() == {
        "toyPoint": "toyPoint_v1",
        "toyPoint_st": "toyPoint_v1",
        "toyQueue": "toyBox",
        "toyKind_enum": "toyKind",
        "toyView": "toyOther_st",
    }
    assert list(Types(LIBRARY).integer_typedefs()) == ["toyPtr", "toyPtr_v1"]


def test_shared_handle_has_the_other_librarys_name() -> None:
    """The tag decides: libraries that share one share the class."""
    types = Types(LIBRARY, {"toyBox_st": "baseBox", "toyElse_st": "baseElse"})
    assert types.handles == {"toyBox_st": "baseBox", "toyOther_st": "toyOther_st"}
    assert types.resolve("toyQueue") == Value("handle", "baseBox")
    assert types.aliases()["toyBox"] == "baseBox"


def test_integers_and_floats() -> None:
    types = Types(library(function("toyF")))
    assert types.resolve("toyPtr").is_integer and not types.resolve("toyPtr").is_float
    assert types.resolve("double").is_float
    assert not types.resolve("toyStatus").is_integer
