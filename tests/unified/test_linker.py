"""The driver's linker: pieces of code that refer to each other."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import pytest

import cuda_unified as cu
from cubind import driver
from cuda_unified.jit import JitLogs, JitOptions, jit_options
from tests.unified.running import one_number

USES = 'extern __device__ int added(int, int);\nextern "C" __global__ void k(int *x) { *x = added(40, 2); }'
HAS = "__device__ int added(int a, int b) { return a + b; }"
PTX = ".version 7.0\n.target sm_75\n.address_size 64\n.visible .entry other() { ret; }\n"


def piece(source: str, **options: Any) -> cu.ObjectCode:
    return cu.Program(source, relocatable=True, **options).compile()


def test_two_pieces(device: cu.Device) -> None:
    linker = cu.Linker(piece(USES), piece(HAS))
    code = linker.link("both")
    assert code.name == "both"
    assert code.arch == device.arch
    assert code.kind == ("ptx" if device.is_cpu else "cubin")
    assert one_number(code.module(), "k") == 42
    assert one_number(linker.link().module(), "k") == 42, "again"
    assert linker.error_log == ""


def test_pieces_in_every_form(device: cu.Device, tmp_path: Path) -> None:
    uses, has = piece(USES), piece(HAS)
    (tmp_path / "uses").write_bytes(uses.code)
    has.save(tmp_path / "has")
    first: Any = uses.text if uses.kind == "ptx" else uses.code
    for pieces in ((first, has), (uses.code, bytearray(has.code)), (tmp_path / "uses", tmp_path / "has")):
        linker = cu.Linker()
        for p in pieces:
            assert linker.add(p) is linker
        assert one_number(linker.link().module(), "k") == 42


def test_name_expressions_of_all_pieces(device: cu.Device) -> None:
    template = "template <int n> __global__ void put(int *x) { *x = n; }"
    pieces = [piece(template, name_expressions=[f"put<{n}>"]) for n in (3, 4)]
    module = cu.Linker(*pieces).link().module()
    assert [one_number(module, f"put<{n}>") for n in (3, 4)] == [3, 4]


def test_a_definition_that_is_missing(device: cu.Device) -> None:
    """A GPU's driver says so when it links, the CPU device at the latest when the code is loaded."""
    with pytest.raises((cu.LinkError, cu.InvalidPtxError)) as caught:
        _ = cu.Linker(piece(USES)).link().module().handle
    assert "_Z5addedii" in (caught.value.log or "")


def test_a_definition_that_is_there_twice(device: cu.Device) -> None:
    linker = cu.Linker(piece(USES), piece(HAS), piece(HAS, name="again.cu"))
    with pytest.raises((cu.LinkError, cu.InvalidPtxError)) as caught:
        _ = linker.link().module().handle
    assert "_Z5addedii" in (caught.value.log or "")


def test_code_that_is_damaged(device: cu.Device) -> None:
    with pytest.raises(cu.LinkError) as caught:
        cu.Linker(PTX, cu.ObjectCode(PTX.replace("ret;", "ret retire").encode(), "ptx", "bad one")).link()
    error = caught.value
    assert error.function in ("cuLinkAddData", "cuLinkComplete")
    assert "retire" in (error.log or "")
    assert isinstance(error.code, driver.CUresult)
    assert "retire" in str(error)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ("k.ptx", ValueError, "give a file as pathlib.Path"),
        ("nothing\nthat is code", ValueError, "neither PTX"),
        (b"", ValueError, "neither PTX"),
        (5, TypeError, "not int"),
        (None, TypeError, "not NoneType"),
        (Path("/no/such/file"), FileNotFoundError, "file"),
    ],
)
def test_what_is_no_code(given: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        cu.Linker(given)


def test_code_for_other_linkers() -> None:
    ltoir = cu.Program(HAS, lto=True, arch=80).compile()
    with pytest.raises(cu.NotSupportedError, match="cannot be linked by the driver"):
        cu.Linker(ltoir, by="driver")
    with pytest.raises(cu.NotSupportedError, match="cannot be linked by the linkers here"):
        cu.Linker(cu.ObjectCode(b"BC", "optixir"))
    with pytest.raises(cu.NotSupportedError, match="is not loaded as it is: link it first"):
        ltoir.module()


def test_nothing_to_link() -> None:
    with pytest.raises(ValueError, match="nothing to link"):
        cu.Linker().link()


# ---- options of the driver's compiler --------------------------------------------------------------------------------

EVERY = {
    "max_registers": (32, "CU_JIT_MAX_REGISTERS", 32),
    "threads_per_block": (64, "CU_JIT_THREADS_PER_BLOCK", 64),
    "max_threads_per_block": (128, "CU_JIT_MAX_THREADS_PER_BLOCK", 128),
    "min_blocks_per_multiprocessor": (2, "CU_JIT_MIN_CTA_PER_SM", 2),
    "override_directives": (True, "CU_JIT_OVERRIDE_DIRECTIVE_VALUES", 1),
    "optimization_level": (3, "CU_JIT_OPTIMIZATION_LEVEL", 3),
    "debug": (False, "CU_JIT_GENERATE_DEBUG_INFO", 0),
    "lineinfo": (True, "CU_JIT_GENERATE_LINE_INFO", 1),
    "verbose": (True, "CU_JIT_LOG_VERBOSE", 1),
    "cache_mode": ("ca", "CU_JIT_CACHE_MODE", 2),
    "target": ("sm_90a", "CU_JIT_TARGET", int(driver.CUjit_target.CU_TARGET_COMPUTE_90A)),
    "fallback": ("binary", "CU_JIT_FALLBACK_STRATEGY", 1),
    "position_independent": (True, "CU_JIT_POSITION_INDEPENDENT_CODE", 1),
    "split_compile": (0, "CU_JIT_SPLIT_COMPILE", 0),
    "loader_threads": (2, "CU_JIT_BINARY_LOADER_THREAD_COUNT", 2),
}


@pytest.mark.parametrize("name", EVERY)
def test_options(name: str) -> None:
    given, option, value = EVERY[name]
    assert JitOptions(**{name: given}).pairs() == [(getattr(driver.CUjit_option, option), value)]


def test_every_option_is_tested() -> None:
    assert set(EVERY) | {"log_size"} == set(JitOptions.__dataclass_fields__)
    assert JitOptions().pairs() == []


def test_options_reach_the_driver(device: cu.Device) -> None:
    options = {name: given for name, (given, _, _) in EVERY.items() if name not in ("target", "debug", "fallback")}
    assert one_number(cu.Linker(piece(USES), piece(HAS), **options).link().module(max_registers=40), "k") == 42
    code = cu.Linker(piece(USES), piece(HAS), log_size=0, options={"lineinfo": True}).link()
    assert one_number(code.module(options=JitOptions(log_size=0)), "k") == 42


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"max_registers": -1}, ValueError),
        ({"max_registers": "5"}, TypeError),
        ({"max_registers": True}, TypeError),
        ({"debug": "yes"}, TypeError),
        ({"cache_mode": "l1"}, ValueError),
        ({"fallback": 0}, ValueError),
        ({"optimization_level": 5}, ValueError),
        ({"target": "sm90"}, ValueError),
        ({"log_size": -1}, ValueError),
        ({"registers": 5}, TypeError),
    ],
    ids=str,
)
def test_wrong_options(given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=f"{next(iter(given))}|arch"):
        cu.Linker(**given)


def test_a_target_that_the_interface_does_not_know() -> None:
    with pytest.raises(ValueError, match="has no CU_TARGET_COMPUTE_99"):
        JitOptions(target=99).pairs()


def test_options_together() -> None:
    both = jit_options(JitOptions(debug=True), {"verbose": True})
    assert (both.debug, both.verbose) == (True, True)
    assert jit_options({"debug": True}, {"debug": False}).debug is False
    with pytest.raises(TypeError, match="a JitOptions or a dict"):
        cu.Linker(options=5)  # type: ignore[arg-type]


def test_logs_end_at_their_first_zero() -> None:
    logs = JitLogs(JitOptions(log_size=8))
    logs._info[:] = array("B", b"ab\n\0junk")
    assert (logs.info, logs.error) == ("ab", "")
