"""Modules: loading, kernels, variables, and how long all that lives."""

from __future__ import annotations

import gc
import pickle
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cuda_unified as cu
from cubind import driver
from cuda_unified.symbols import Symbols, mangled_like, same_expression
from tests.helpers import fakes
from tests.unified.running import one_number, variable

SOURCE = """
__constant__ float weights[4] = {1, 2, 3, 4};
__device__ int counter = 5;
__device__ double table[3] = {1.5, 2.5, 3.5};
__managed__ int shared_number = 9;
namespace ns {
    __device__ int inner = 6;
    template <class T> __device__ T constant = T(7.5);
    template <class T> __global__ void fill(T *x) { *x = constant<T> + inner; }
}
extern "C" __global__ void count(int *x) { *x = atomicAdd(&counter, 1) + int(table[0]) + int(weights[3]); }
__global__ void plain(int *x) { *x = shared_number; }
"""
BAD = ".version 7.0\n.target sm_75\n.address_size 64\n.visible .entry k() {\n  nonsense;\n}\n"


@pytest.fixture(scope="module")
def code() -> cu.ObjectCode:
    names = ["ns::fill<float>", "&ns::inner", "&ns::constant<float>"]
    return cu.Program(SOURCE, name_expressions=names, cache=False).compile()


@pytest.fixture
def module(device: cu.Device, code: cu.ObjectCode) -> cu.Module:
    return code.module()


# ---- loading ---------------------------------------------------------------------------------------------------------


def test_forms_of_code(device: cu.Device, code: cu.ObjectCode, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(code.code)
    code.save(tmp_path / "saved")
    forms: list[Any] = [
        code,
        code.code,
        bytearray(code.code),
        memoryview(code.code),
        tmp_path / "raw",
        tmp_path / "saved",
    ]
    if code.kind == "ptx":
        forms.append(code.text)
    for form in forms:
        module = cu.Module(form)
        assert not module.is_loaded
        assert one_number(module, "count") == 5 + 1 + 4
        assert module.is_loaded


def test_names_that_are_given_with_the_code(device: cu.Device, code: cu.ObjectCode, tmp_path: Path) -> None:
    """The way back for code that was kept without them."""
    (tmp_path / "raw").write_bytes(code.code)
    given = {"the filler": code.lowered_names["ns::fill<float>"]}
    for again in (
        cu.ObjectCode.from_bytes(code.code, lowered_names=given),
        cu.ObjectCode.from_file(tmp_path / "raw", lowered_names=given),
    ):
        assert one_number(again.module(), "the filler", np.float32) == 13.5


@pytest.mark.parametrize("form", ["k.ptx", "x\ny", b"", b"\x7fELF", 5, None])
def test_what_is_no_code(form: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        cu.Module(form)


def test_invalid_ptx(device: cu.Device) -> None:
    module = cu.Module(BAD)
    for _ in range(2):
        with pytest.raises(cu.InvalidPtxError) as caught:
            _ = module.handle
        error = caught.value
        assert error.function == "cuLibraryLoadData"
        assert error.code == driver.CUresult.CUDA_ERROR_INVALID_PTX
        assert "nonsense" in (error.log or "")
        assert "nonsense" in str(error)
        assert not module.is_loaded


def test_a_cubin_that_no_device_here_runs(device: cu.Device) -> None:
    other = "sm_75" if device.arch != "sm_75" else "sm_80"
    module = cu.Program("__global__ void k() {}", arch=other).compile("cubin").module()
    with pytest.raises((cu.NoBinaryForDeviceError, cu.InvalidImageError)) as caught:
        _ = module.handle
    assert f"arch={other}" in str(caught.value)


def test_loaded_once(device: cu.Device, code: cu.ObjectCode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when many threads are first at the same time."""
    calls = []
    real = driver.cuLibraryLoadData
    monkeypatch.setattr(driver, "cuLibraryLoadData", lambda *a: calls.append(1) or real(*a))
    module = code.module()
    handles = []
    barrier = threading.Barrier(8)

    def use() -> None:
        barrier.wait()
        handles.append(int(module.handle))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(handles)) == 1
    assert len(handles) == 8
    assert len(calls) == 1


def test_a_module_of_a_foreign_handle(device: cu.Device, code: cu.ObjectCode) -> None:
    assert code.kind in ("ptx", "cubin")
    data = code.code + b"\0"
    library = driver.cuLibraryLoadData(data, [], [], None, [], [], None)

    class Owner:
        pass

    owner = Owner()
    for handle in (library, int(library)):
        module = cu.Module.from_handle(handle, owner=owner, lowered_names=code.lowered_names)
        assert one_number(module, "ns::fill<float>", np.float32) == 13.5
        assert module.handle == library
        assert module.code is None
        assert module.constants == ()
        before = sys.getrefcount(owner)
        del module
        gc.collect()
        assert sys.getrefcount(owner) == before - 1
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(cu.Module.from_handle(library))
    driver.cuLibraryUnload(library)  # nobody else did


def test_pickled_by_its_code(device: cu.Device, module: cu.Module) -> None:
    again = pickle.loads(pickle.dumps(module))
    assert not again.is_loaded
    assert one_number(again, "ns::fill<float>", np.float32) == 13.5
    assert again.handle != module.handle


# ---- kernels ---------------------------------------------------------------------------------------------------------


def test_kernels(module: cu.Module) -> None:
    fill = module.code.lowered_names["ns::fill<float>"]  # type: ignore[union-attr]
    assert sorted(module.kernels) == sorted(["count", "_Z5plainPi", fill])
    assert sorted(module.symbols.kernels) == sorted(module.kernels)
    assert module._kernel_handle("ns::fill<float>") == module._kernel_handle(fill) == module._kernel_handle("ns::fill")
    assert module._kernel_handle("plain") == module._kernel_handle("_Z5plainPi")


def test_what_a_kernel_is_made_from(module: cu.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = module.kernel("plain")
    assert (kernel.address, kernel.name) == (module._kernel_handle("plain"), "_Z5plainPi")
    assert module["plain"] == kernel
    assert module["plain"].owner is kernel.owner
    unloaded = []
    monkeypatch.setattr(driver, "cuLibraryUnload", unloaded.append)
    library = module.handle
    module.close()
    gc.collect()
    assert unloaded == [], "the kernel needs it"
    del kernel
    gc.collect()
    assert unloaded == [library]
    monkeypatch.undo()
    driver.cuLibraryUnload(library)


# ---- variables -------------------------------------------------------------------------------------------------------


def test_variables(module: cu.Module, device: cu.Device) -> None:
    weights = module.get_global("weights")
    assert variable(weights, np.float32).tolist() == [1, 2, 3, 4]
    assert (weights.size, weights.device, weights.context) == (16, device, device.context)
    assert variable(module.get_global("table", device), np.float64).tolist() == [1.5, 2.5, 3.5]
    assert variable(module.get_global("&ns::inner"), np.int32).tolist() == [6]
    assert variable(module.get_global("ns::inner"), np.int32).tolist() == [6]
    assert variable(module.get_global("ns::constant<float>"), np.float32).tolist() == [7.5]


def test_kernels_see_what_is_written(module: cu.Module, device: cu.Device) -> None:
    with device:
        for name, value in (("counter", np.array([100], np.int32)), ("weights", np.array([0, 0, 0, 50], np.float32))):
            buffer = module.get_global(name)
            driver.cuMemcpyHtoD(buffer.pointer, value, value.nbytes)
    assert one_number(module, "count") == 100 + 1 + 50
    assert one_number(module, "count") == 101 + 1 + 50
    assert variable(module.get_global("counter"), np.int32).tolist() == [102]


def test_modules_have_their_own_variables(code: cu.ObjectCode, device: cu.Device) -> None:
    one, two = code.module(), code.module()
    assert [one_number(one, "count") for _ in range(3)] == [10, 11, 12]
    assert one_number(two, "count") == 10


def test_managed_variables(module: cu.Module) -> None:
    buffer = module.get_managed("shared_number")
    assert buffer.size == 4
    assert one_number(module, "plain") == 9
    with pytest.raises(cu.NotFoundError, match="there is no managed variable 'counter'"):
        module.get_managed("counter")


def test_variables_that_are_not_there(module: cu.Module) -> None:
    with pytest.raises(cu.NotFoundError, match=r"there is no variable 'nothing'; there are .*counter"):
        module.get_global("nothing")
    with pytest.raises(cu.NotFoundError, match=r"name_expressions=\['&ns::other<3>'\]"):
        module.get_global("ns::other<3>")
    with pytest.raises(TypeError, match="the name of a variable is a str"):
        module.get_global(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("target", ["ptx", "cubin"])
def test_names_in_the_code(target: str) -> None:
    names = ["ns::fill<float>", "&ns::inner"]
    code = cu.Program(SOURCE, arch=80, name_expressions=names).compile(target)
    module = cu.Module(code)
    assert set(module.globals) >= {"counter", "table", "_ZN2ns5innerE"}
    assert module.constants == ("weights",)
    assert module.managed == ("shared_number",)
    assert set(module.symbols.kernels) == {"count", "_Z5plainPi", code.lowered_names["ns::fill<float>"]}
    assert not module.is_loaded, "reading the names does not need the driver"


def test_names_in_damaged_code() -> None:
    cubin = cu.Program(SOURCE, arch=80).compile("cubin").code
    for size in (20, 64, 500, len(cubin) // 2, len(cubin) - 100):
        symbols = cu.Module(cubin[:size]).symbols
        assert isinstance(symbols, Symbols)
    rng = np.random.default_rng(0)
    for _ in range(50):
        noisy = bytearray(cubin)
        for at in rng.integers(20, len(noisy), 40):
            noisy[at] = rng.integers(256)
        assert isinstance(cu.Module(bytes(noisy)).symbols, Symbols)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("f<int>", " f < int > ", True),
        ("&a::b", "a::b", True),
        ("f<unsigned  int, 3>", "f<unsigned int,3>", True),
        ("f<unsigned int>", "f<unsignedint>", False),
        ("f<1>", "f<2>", False),
    ],
)
def test_the_same_expression(one: str, other: str, same: bool) -> None:
    assert same_expression(one, other) is same


@pytest.mark.parametrize(
    ("symbol", "name", "like"),
    [
        ("_Z5plainPi", "plain", True),
        ("_Z4fillIfEvPT_", "fill", True),
        ("_ZN2ns1fEv", "ns::f", True),
        ("_ZN2ns1fIiEEvv", "ns::f", True),
        ("_ZN2ns1f1gEv", "ns::f", False),
        ("_Z5plainPi", "pla", False),
        ("_Z5plainPi", "plain<int>", False),
        ("plain", "plain", False),
    ],
)
def test_mangled_names(symbol: str, name: str, like: bool) -> None:
    assert mangled_like(symbol, name) is like


# ---- the end ---------------------------------------------------------------------------------------------------------


def test_close(device: cu.Device, code: cu.ObjectCode, monkeypatch: pytest.MonkeyPatch) -> None:
    unloaded = []
    real = driver.cuLibraryUnload
    monkeypatch.setattr(driver, "cuLibraryUnload", lambda handle: unloaded.append(handle) or real(handle))
    with code.module() as module:
        handle = module.handle
    assert unloaded == [handle]
    module.close()
    assert module.is_closed
    assert "closed" in repr(module)
    for use in (
        lambda: module.handle,
        lambda: module.kernels,
        lambda: module._kernel_handle("count"),
        lambda: module.get_global("counter"),
        lambda: pickle.dumps(module),
    ):
        with pytest.raises(cu.ClosedError):
            use()
    unused = code.module()
    unused.close()
    assert unloaded == [handle], "what was not loaded is not unloaded"


def test_variables_keep_the_code(device: cu.Device, code: cu.ObjectCode, monkeypatch: pytest.MonkeyPatch) -> None:
    unloaded = []
    real = driver.cuLibraryUnload
    monkeypatch.setattr(driver, "cuLibraryUnload", lambda handle: unloaded.append(handle) or real(handle))
    module = code.module()
    weights = module.get_global("weights")
    module.close()
    del module
    gc.collect()
    assert unloaded == []
    assert variable(weights, np.float32).tolist() == [1, 2, 3, 4]
    del weights
    gc.collect()
    assert len(unloaded) == 1


def test_the_kernel_of_some_code_is_of_one_module(code: cu.ObjectCode) -> None:
    fresh = cu.ObjectCode.unpack(code.pack())
    assert fresh.kernel("count") == fresh.kernel("count")
    assert fresh.kernel("count").owner is fresh.kernel("count").owner
    assert pickle.loads(pickle.dumps(fresh)) == fresh, "without the module"


@pytest.mark.parametrize("keep", ["module", "buffer", "module, buffer"])
def test_complaint_40_exit_with_modules_alive(keep: str) -> None:
    assert fakes.run(
        f"""
            import sys, os
            import cuda_unified as cu
            module = cu.compile('__device__ int v; extern "C" __global__ void k() {{ v = 1; }}')
            buffer = module.get_global("v")
            sys.kept = [{keep}]
            if os.fork() == 0:
                try:
                    module.kernels
                except cu.ForkError:
                    print("refused", flush=True)
                del module, buffer
                sys.kept.clear()
                sys.exit()
            os.wait()
            module._kernel_handle("k")
            print("fine")
            """,
        PYTHONPATH=str(fakes.PACKAGE.parents[1]),
        CUBIND_DEVICE="cpu",
        CUDA_UNIFIED_CACHE="0",
    ).split() == ["refused", "fine"]
