"""The symbols that we look up, against what the real libraries export; and what `cimport` offers, against a snapshot."""

from __future__ import annotations

import importlib
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from generator import database, headers, ir, names
from tests.helpers.fakes import PACKAGE

FACTS = Path(headers.__file__).parent
VERSION = headers.load().target
WHEEL = Path(sysconfig.get_path("purelib")) / "nvidia" / "cu13" / "lib"
SNAPSHOTS = Path(__file__).parent / "capi"
MODULES = ("driver", "runtime", "nvrtc", "nvjitlink", "nvvm")
LIBRARIES = {
    "runtime": "libcudart.so.13",
    "nvrtc": "libnvrtc.so.13",
    "nvjitlink": "libnvJitLink.so.13",
    "nvvm": "libnvvm.so.4",
}

# exported, and yet no part of the bindings: names → why
NOT_OURS = {
    "runtime": {
        r"__cuda\w+": "what nvcc puts into programs; not for others",
        r"cudaSubgrid(Create|WorkerGridCreate|WorksetCreate)": "no header declares them",
    },
    "nvrtc": {r"__nvrtc(CPEx|NvvmHandle)": "for the vendor's own tools; no header declares them"},
    "nvjitlink": {
        r"__nvJitLink\w+_\d+_\d+": "the same functions, for programs that were built with the header of that version",
        r"__nvJitLinkAPI": "no header declares it",
    },
    "nvvm": {r"__nvvmHandle(Target)?|nvvmDisableConcurrentAPI": "for the vendor's own tools; no header declares them"},
}
ROW = re.compile(r'\{"(\w+)", (?:"(\w+)"|NULL), (\d+), (?:"(\w+)"|NULL), (\d+), (?:"(\w+)"|NULL)\}')


def facts(name: str) -> ir.Library:
    return database.load(FACTS, name).library_at(VERSION)


def table(name: str) -> list[tuple[str, str, int, str, int, str]]:
    """The rows of the table that the bindings use: symbol, name for the resolver, version, per-thread symbol, since, older."""
    text = (PACKAGE / "_abi" / f"cubind_{name}_symbols.h").read_text()
    return [(a, b, int(c), d, int(e), f) for a, b, c, d, e, f in ROW.findall(text)]


def exported(name: str) -> set[str]:
    path = WHEEL / LIBRARIES[name]
    if not path.exists():
        pytest.skip(f"{path.name} is not installed: no wheel of it in this environment")
    run = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True, timeout=60)
    return {re.sub("@.*", "", line.split()[-1]) for line in run.stdout.splitlines()}


@pytest.mark.parametrize("name", MODULES)
def test_the_table_has_the_functions_of_the_facts(name: str) -> None:
    rows, functions = table(name), names.emitted_functions(facts(name))
    found = [(symbol, base, version, per_thread) for symbol, base, version, per_thread, *_ in rows]
    assert found == [(f.symbol, f.resolver_name, f.resolver_version, f.per_thread) for f in functions]
    assert len({row[0] for row in rows}) == len(rows)


@pytest.mark.parametrize("name", LIBRARIES)
def test_every_symbol_is_exported(name: str) -> None:
    """Complaint 10."""
    rows, there = table(name), exported(name)
    assert {symbol for symbol, *_ in rows} - there == set()
    assert {
        symbol for _, _, _, per_thread, _, older in rows for symbol in (per_thread, older) if symbol
    } - there == set()


@pytest.mark.parametrize("name", LIBRARIES)
def test_every_other_exported_symbol_has_a_reason(name: str) -> None:
    ours = {symbol for row in table(name) for symbol in (row[0], row[3])}
    others = exported(name) - ours - {LIBRARIES[name]}
    reasons = {pattern: {s for s in others if re.fullmatch(pattern, s)} for pattern in NOT_OURS[name]}
    assert others - set().union(*reasons.values()) == set()
    assert [pattern for pattern, symbols in reasons.items() if not symbols] == [], "reasons that nothing needs"


# ---- the C level -----------------------------------------------------------------------------------------------------


def snapshot(name: str) -> str:
    """What an extension that cimports the module depends on: names and signatures."""
    module = importlib.import_module(f"cubind.cy{name}")
    signatures = {key: re.search(r'"(.*)"', repr(capsule)) for key, capsule in module.__pyx_capi__.items()}
    return "".join(f"{key}: {found[1]}\n" for key, found in sorted(signatures.items()) if found)


@pytest.mark.parametrize("name", MODULES)
def test_what_cimport_offers_does_not_change(name: str) -> None:
    known = (SNAPSHOTS / f"cy{name}.txt").read_text().splitlines()
    found = snapshot(name).splitlines()
    gone = set(known) - set(found)
    accept = "if that is meant, accept it: python tests/bindings/test_symbols.py"
    assert not gone, f"extensions that are built against cubind.cy{name} need these: {sorted(gone)[:5]} ...; {accept}"
    assert not set(found) - set(known), f"new functions in cubind.cy{name}; {accept}"


@pytest.mark.parametrize("name", MODULES)
def test_cimport_offers_every_function(name: str) -> None:
    offered = {line.split(":")[0] for line in snapshot(name).splitlines()}
    library = facts(name)
    assert {f.name for f in library.functions if not f.legacy} - offered == set()
    assert {symbol for symbol, *_ in table(name)} - offered == set()


if __name__ == "__main__":
    SNAPSHOTS.mkdir(exist_ok=True)
    for each in MODULES:
        (SNAPSHOTS / f"cy{each}.txt").write_text(snapshot(each))
        print(f"accepted {SNAPSHOTS / f'cy{each}.txt'}")
