"""A small library as facts, made by hand: one declaration for each thing that C headers do to a generator."""

from __future__ import annotations

from typing import Any

from generator.ir import Callback, Enum, Field, Function, Library, Macro, Param, Record, Typedef
from generator.plan import LibraryInfo


def _function(name: str, returns: str, *params: str, symbol: str = "", legacy: bool = False, **extra: Any) -> Function:
    """Parameters are written as in C, the name last: "const char * text"."""
    split = (text.rsplit(" ", 1) for text in params)
    listed = tuple(Param(name, type_) for type_, name in split)
    return Function(name, symbol or name, returns, listed, "toy.h", legacy=legacy, **extra)


_PART = Record("", "", False, 2, 1, (Field("device", "unsigned char", 0, 1), Field("part", "unsigned char", 1, 1)))
_PLACE = Record("", "", True, 4, 4, (Field("id", "int", 0, 4), Field("near", "", 0, 2, _PART)))
_PAIR = Record("", "pair_s", False, 16, 8, (Field("key", "toyPtr", 0, 8), Field("next", "toyChain *", 8, 8)))

TOY = Library(
    name="toy",
    version="1.5",
    functions=(
        _function(
            "toyAlloc",
            "toyStatus",
            "toyPtr * out",
            "size_t size",
            symbol="toyAlloc_v2",
            resolver_name="toyAlloc",
            resolver_version=3020,
        ),
        _function("toyAlloc", "toyStatus", "unsigned int * out", symbol="toyAlloc", legacy=True),
        _function("toyDraw", "toyStatus", "GLuint buffer", "const GLImage * images", per_thread="toyDraw_ptsz"),
        _function("toyGone", "toyStatus"),
        _function("toyGoneDesc", "toyDesc", "int x"),
        _function("toyGoneText", "const char *", "toyStatus status"),
        _function("toyLaunch", "toyStatus", "toyStream stream", "toyFn fn", "void * user"),
        _function("toyMakeDesc", "toyDesc", "toyDesc from", "toyMode mode"),
        _function("toyNames", "toyStatus", "const char *const * names", "int count", "size_t * total"),
        _function("toyOld_v2", "toyStatus", "toyStream * in", legacy=True),
        _function("toyReset", "void", "int (*)(void *, void *) check"),
        _function("toyGetUuid", "toyStatus", "toyUuid * uuid", "toyLocation location"),
    ),
    records=(
        Record(
            "toyChain",
            "toyChain_st",
            False,
            48,
            8,
            (Field("pairs", "[2]", 0, 32, _PAIR), Field("whole", "toyWhole *", 32, 8), Field("from", "char[8]", 40, 8)),
        ),
        Record("toyDesc", "toyDesc", False, 8, 4, (Field("x", "int", 0, 4), Field("mode", "toyMode", 4, 4))),
        Record(
            "toyLocation_v1",
            "toyLocation_st",
            False,
            8,
            4,
            (Field("mode", "toyMode", 0, 4), Field("", "", 4, 4, _PLACE)),
        ),
        Record("toyMap", "toyMap_st", False, 128, 64, (Field("words", "unsigned long long[16]", 0, 128),)),
        Record("toyUuid", "toyUuid_st", False, 16, 1, (Field("bytes", "char[16]", 0, 16),)),
        Record(
            "toyWhole",
            "",
            True,
            256,
            64,
            (
                Field("map", "toyMap", 0, 128),
                Field("chain", "toyChain_st", 0, 48),
                Field("fn", "toyFn", 0, 8),
                Field("grid", "int[2][3]", 0, 24),
                Field("all", "toyDesc[32]", 0, 256),
            ),
        ),
    ),
    enums=(
        Enum("toyMode", "toyMode", True, (("TOY_MODE_NONE", -1), ("TOY_MODE_LOW", -(1 << 31)), ("TOY_MODE_ON", 1))),
        Enum(
            "toyStatus",
            "toyStatus_enum",
            False,
            (("TOY_SUCCESS", 0), ("TOY_FIRST", 0), ("TOY_MISSING", 500), ("TOY_ALL", 0xFFFFFFFF)),
        ),
    ),
    typedefs=(
        Typedef("GLImage", "void *"),
        Typedef("GLuint", "unsigned int"),
        Typedef("toyConstStream", "const toyStream_st *"),
        Typedef("toyLocation", "toyLocation_v1"),
        Typedef("toyPtr", "toyPtr_v2"),
        Typedef("toyPtr_v2", "uint64_t"),
        Typedef("toyStream", "toyStream_st *"),
    ),
    callbacks=(Callback("toyFn", "toyStatus", (Param("user", "void *"), Param("location", "const toyLocation *"))),),
    macros=(Macro("TOY_ANY", 0xFFFFFFFF), Macro("TOY_BIG", 1 << 40), Macro("TOY_NONE", -1), Macro("TOY_SIZE", 16)),
    opaque=("toyStream_st",),
)

EXTRA = Library(
    name="extra",
    version="1.5",
    functions=(_function("extraSync", "extraStatus", "extraStream stream", "toyUuid * uuid"),),
    records=(Record("toyUuid", "toyUuid_st", False, 16, 1, (Field("bytes", "char[16]", 0, 16),)),),
    enums=(Enum("extraStatus", "extraStatus", False, (("extraSuccess", 0), ("extraMissing", 7))),),
    typedefs=(Typedef("extraStream", "toyStream_st *"), Typedef("extraUuid", "toyUuid_st")),
    opaque=("toyStream_st",),
)
"""Another library that shares a handle and a record with the first."""


def info(name: str, status: str, success: str, missing: str, uses: str = "") -> LibraryInfo:
    return LibraryInfo(
        name=name,
        title=f"the {name} library",
        headers=(f"{name}.h",),
        include=(f"{name}.h",),
        sonames=(f"lib{name}.so.1",),
        status=status,
        success=success,
        missing_status=missing,
        hint='install "it"',
        override_env=f"CUBIND_{name.upper()}_LIBRARY",
        docs="",
        wheel_dirs=("a/lib", "b/lib"),
        uses=uses,
    )


TOY_INFO = info("toy", "toyStatus", "TOY_SUCCESS", "TOY_MISSING")
EXTRA_INFO = info("extra", "extraStatus", "extraSuccess", "extraMissing", uses="toy")
