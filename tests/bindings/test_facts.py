"""What the modules say about types, against the committed facts of the headers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from cubind import driver, nvjitlink, nvrtc, nvvm, runtime
from generator import database, headers, ir, names

ROOT = Path(headers.__file__).parent

VERSION = headers.load().target
MODULES = {"driver": driver, "runtime": runtime, "nvrtc": nvrtc, "nvjitlink": nvjitlink, "nvvm": nvvm}
ADDRESS = driver.CUuuid.__base__.ptr.__get__
"""`.ptr` of any record: the address, also where the record has a field of that name."""
each_library = pytest.mark.parametrize("name", MODULES)


def facts(name: str) -> ir.Library:
    return database.load(ROOT, name).library_at(VERSION)


def flat(record: ir.Record, base: int = 0) -> Iterator[tuple[str, tuple[int, int], ir.Field]]:
    """The members as Python has them: those of anonymous members are the record's own."""
    for field in record.fields:
        if field.name:
            yield names.parameter(field.name), (base + field.offset, field.size), field
        else:
            assert field.record is not None
            yield from flat(field.record, base + field.offset)


def with_nested(record: ir.Record, name: str) -> Iterator[tuple[str, ir.Record]]:
    """A record and the definitions inside it, under the names that their classes have."""
    yield name, record
    for field_name, _, field in flat(record):
        if field.record is not None:
            yield from with_nested(field.record, f"{name}_{field_name}")


def test_the_version_is_the_one_of_the_facts() -> None:
    major, minor = map(int, VERSION.split("."))
    assert driver.CUDA_VERSION == runtime.CUDART_VERSION == major * 1000 + minor * 10


@each_library
def test_every_enumerator(name: str) -> None:
    module, n = MODULES[name], 0
    for enum in facts(name).enums:
        found = getattr(module, enum.name)
        assert dict(enum.values) == {key: int(member) for key, member in found.__members__.items()}
        assert list(found.__members__) == [key for key, _ in enum.values]
        for key, value in enum.values:
            assert getattr(module, key) == value, key
            n += 1
    assert n > {"driver": 900, "runtime": 600, "nvrtc": 15, "nvjitlink": 25, "nvvm": 10}[name]


@each_library
def test_every_enum_has_the_sign_of_c(name: str) -> None:
    for enum in facts(name).enums:
        found = getattr(MODULES[name], enum.name)
        highest, wrong = (2**31 - 1, 2**31) if enum.signed else (2**32 - 1, -1)
        assert found(highest) == highest
        with pytest.raises(ValueError, match="32-bit"):
            found(wrong)


@each_library
def test_every_record(name: str) -> None:
    n = 0
    for record in facts(name).records:
        for class_name, definition in with_nested(record, record.name):
            check_record(MODULES[name], class_name, definition)
            n += 1
    assert n >= {"driver": 140, "runtime": 130, "nvrtc": 1, "nvjitlink": 0, "nvvm": 0}[name]


def check_record(module: ModuleType, class_name: str, record: ir.Record) -> None:
    found = getattr(module, class_name)
    expected = {name: place for name, place, _ in flat(record)}
    assert dict(found.__layout__) == expected, class_name
    one = found()
    assert one.nbytes == record.size == len(bytes(one)), class_name
    assert ADDRESS(one) % record.align == 0
    for field in expected:
        getattr(one, field)
    assert repr(one) == f"{found.__name__}()"


@each_library
def test_every_name_of_a_type(name: str) -> None:
    """Typedefs lead to the class of what they stand for."""
    library = facts(name)
    canonical = {d.name for d in (*library.records, *library.enums)}
    aliases = [t for t in library.typedefs if t.type in canonical]
    for alias in aliases:
        assert getattr(MODULES[name], alias.name) is getattr(MODULES[name], alias.type)
    assert len(aliases) >= {"driver": 30, "runtime": 0, "nvrtc": 0, "nvjitlink": 0, "nvvm": 0}[name]


@each_library
def test_every_constant(name: str) -> None:
    module, n = MODULES[name], 0
    for macro in facts(name).macros:
        assert getattr(module, macro.name) == macro.value, macro.name
        n += 1
    assert n >= {"driver": 41, "runtime": 41, "nvrtc": 3, "nvjitlink": 0, "nvvm": 0}[name]


@each_library
def test_every_public_function(name: str) -> None:
    """Complaints 10, 11 and 54."""
    module = MODULES[name]
    missing = {f.name for f in facts(name).functions if not f.legacy} - set(module.__all__)
    assert missing == set()
