"""Kernels: handles, parameters, attributes, occupancy, and what C++ names tell."""

from __future__ import annotations

import re
import weakref
from typing import Any

import pytest

import cuda_unified as cu
from cubind import driver
from cuda_unified._declared import kinds as both
from cuda_unified._declared import of_ptx
from cuda_unified._mangled import kinds, written
from tests.unified.kernels import Library, ptx


@pytest.fixture(scope="module")
def library(device: Any) -> Library:
    return Library()


def test_parameters(library: Library) -> None:
    assert library["nothing"].parameters == ()
    assert library["three"].parameters == ((0, 8), (8, 4), (12, 4))
    mixed = library["mixed"].parameters
    assert mixed is not None
    assert [p.offset for p in mixed] == [0, 8, 10, 12, 16, 24, 28]
    assert [p.size for p in mixed] == [8, 1, 2, 3, 8, 1, 4]
    assert len(library["forty"].parameters or ()) == 40


def test_identity(library: Library) -> None:
    kernel, same, other = library["three"], library["three"], library["nothing"]
    assert kernel is not same
    assert kernel == same
    assert hash(kernel) == hash(same)
    assert kernel != other
    assert kernel != "three"
    assert len({kernel, same, other}) == 2
    assert (kernel.name, repr(kernel)) == ("three", "<Kernel three>")
    assert kernel.handle == driver.CUkernel(kernel.address)
    assert weakref.ref(kernel)() is kernel
    assert kernel.owner is library


def test_from_handle(library: Library, device: Any) -> None:
    handle = library["three"].handle
    with device:
        function = driver.cuKernelGetFunction(handle)
    for kernel in (
        cu.Kernel.from_handle(handle),
        cu.Kernel.from_handle(int(handle)),
        cu.Kernel.from_handle(function),
        cu.Kernel.from_handle(int(function), is_function=True, owner=library),
    ):
        assert kernel.parameters == library["three"].parameters
        assert kernel.name == "three"
        assert kernel.max_threads_per_block == library["three"].max_threads_per_block
    assert cu.Kernel.from_handle(function).is_function
    assert cu.Kernel.from_handle(function).handle == function
    assert cu.Kernel.from_handle(function) != cu.Kernel.from_handle(int(function))
    for wrong in ("three", 1.5, None, True, driver.CUstream(4096)):
        with pytest.raises(TypeError, match="from_handle"):
            cu.Kernel.from_handle(wrong)
    with pytest.raises(TypeError, match="from_handle"):
        cu.Kernel.from_handle(function, is_function=False)
    with pytest.raises(ValueError, match="not 0"):
        cu.Kernel.from_handle(0)
    with pytest.raises(TypeError):
        cu.Kernel()


def test_kernels_of_both_kinds_are_launched(library: Library, device: Any) -> None:
    stream = device.stream()
    with device:
        function = driver.cuKernelGetFunction(library["nothing"].handle)
    cu.Kernel.from_handle(function)[1, 1, stream]()
    cu.Kernel.from_handle(library["nothing"].handle)[1, 1, stream]()
    stream.sync()


# ---- attributes


def test_attributes_are_the_drivers(library: Library) -> None:
    kernel = library["narrow"]
    known = dict(kernel.attributes)
    assert {"max_threads_per_block", "num_regs", "shared_size_bytes", "max_dynamic_shared_size_bytes"} <= set(known)
    for name, value in known.items():
        member = getattr(driver.CUfunction_attribute, f"CU_FUNC_ATTRIBUTE_{name.upper()}")
        assert value == driver.cuKernelGetAttribute(member, kernel.handle, 0), name
        assert known[name] == kernel.attributes[name] == getattr(kernel.attributes[0], name)
    assert known["max_threads_per_block"] == kernel.max_threads_per_block == 64
    assert kernel.num_regs == known["num_regs"] > 0
    assert f"num_regs = {known['num_regs']}" in repr(kernel.attributes)


def test_every_attribute_that_the_driver_declares_is_here() -> None:
    """Complaint 11: attributes written by hand were missing."""
    prefix = "CU_FUNC_ATTRIBUTE_"
    declared = {
        name.removeprefix(prefix).lower() for name in dir(driver.CUfunction_attribute) if name.startswith(prefix)
    }
    from cuda_unified.kernel import KernelAttributes

    assert declared - {"max"} <= set(dir(KernelAttributes))


@pytest.mark.parametrize(
    ("name", "value", "default"),
    [
        ("max_dynamic_shared_size_bytes", 60000, 49152),
        ("preferred_shared_memory_carveout", 50, -1),
        ("cluster_scheduling_policy_preference", 2, 0),
    ],
)
def test_attributes_are_set(library: Library, name: str, value: int, default: int) -> None:
    for kernel in (library["shape"], function_of(library["shape"])):
        setattr(kernel.attributes, name, value)
        assert getattr(kernel.attributes, name) == getattr(library["shape"].attributes, name) == value
        setattr(kernel.attributes[cu.Device(0)], name, default)
        assert getattr(kernel.attributes, name) == default


def function_of(kernel: cu.Kernel) -> cu.Kernel:
    with cu.Device(0):
        return cu.Kernel.from_handle(driver.cuKernelGetFunction(kernel.handle), owner=kernel)


def test_what_cannot_be_set(library: Library) -> None:
    attributes = library["shape"].attributes
    for name in ("num_regs", "max_threads_per_block", "shared_memory_mode"):
        with pytest.raises(AttributeError, match=f"{name} of a kernel can be read, not set"):
            setattr(attributes, name, 1)
    with pytest.raises(AttributeError, match="no attribute 'registers'"):
        attributes.registers = 1
    with pytest.raises(TypeError, match="shape: max_dynamic_shared_size_bytes is an int, not float"):
        attributes.max_dynamic_shared_size_bytes = 1.5
    with pytest.raises(ValueError, match="32 bits"):
        attributes.max_dynamic_shared_size_bytes = 2**31
    with pytest.raises(AttributeError):
        library["shape"].occupancy.block = 1
    with pytest.raises(cu.CudaError) as caught:
        attributes.max_dynamic_shared_size_bytes = 10**9
    error = caught.value
    assert error.function == "cuKernelSetAttribute"
    assert "with the" in (caught.value.hint or "") and "bytes" in (caught.value.hint or "")
    for text in ("kernel=shape", "attribute=max_dynamic_shared_size_bytes", "value=1000000000", "device=0"):
        assert text in error.arguments


# ---- occupancy


def test_occupancy_is_the_drivers(library: Library, device: Any) -> None:
    kernel = library["shape"]
    occupancy = kernel.occupancy
    with device:
        for block, shared in ((32, 0), (256, 1024), (1024, 40000)):
            want = driver.cuOccupancyMaxActiveBlocksPerMultiprocessor(kernel.handle, block, shared)
            assert occupancy.max_active_blocks(block, shared) == want
    assert occupancy.max_active_blocks(32) > occupancy.max_active_blocks(32, 40000) > 0
    best = occupancy.max_potential_block_size()
    assert best.block % 32 == 0
    assert 32 <= best.block <= 1024
    assert best.grid >= 1
    assert occupancy.max_potential_block_size(block_limit=64).block <= 64
    asked: list[int] = []

    def shared(block: int) -> int:
        asked.append(block)
        return block * 16

    by_function = occupancy.max_potential_block_size(shared)
    assert by_function.block in asked
    assert occupancy.available_dynamic_shared_memory(2, 64) > 0
    assert library["narrow"].occupancy[device].max_potential_block_size().block <= 64


def test_occupancy_of_clusters(library: Library, device: Any) -> None:
    kernel, config = library["nothing"], cu.LaunchConfig(8, 32, cluster=2)
    for ours, low in (
        (kernel.occupancy.max_potential_cluster_size, driver.cuOccupancyMaxPotentialClusterSize),
        (kernel.occupancy.max_active_clusters, driver.cuOccupancyMaxActiveClusters),
    ):
        try:
            with device:
                want = low(kernel.handle, config.record())
        except cu.CudaError as error:
            with pytest.raises(type(error), match="kernel=nothing, config=LaunchConfig"):
                ours(config)
        else:
            assert ours(config) == want


def test_what_occupancy_refuses(library: Library) -> None:
    with pytest.raises(cu.CudaError) as caught:
        library["nothing"].occupancy.max_active_blocks(0)
    assert "kernel=nothing, block=0" in caught.value.arguments


# ---- names

CPP = """
struct Pod { int a; float b; };
enum Plain { A, B };
enum class Wide : long long { X };
namespace ns {
    template <class T, int N> struct Vec { T v[N]; };
    template <class T> struct Outer { struct Inner { T x; }; T y; };
    template <class T, class U> __global__ void many(T *a, U b, const T *c, T d, Vec<U, 3> e, U *f, T g, U h) {}
    __global__ void plain(Vec<float, 2> a, Vec<float, 2> *b, Outer<int>::Inner c, const volatile double *d, bool e) {}
    namespace { __global__ void hidden(int a, float b) {} }
}
template <class... A> __global__ void pack(int n, A... a) {}
template <class... A> __global__ void pointers(A *...a, float z) {}
template <template <class, int> class V, class T, bool Z, char Q>
__global__ void templates(V<T, 2> a, V<T, 2> b, T c, T *d, V<T, 2> *e) {}
template <Wide F, Plain E> __global__ void literals(double d, Wide a, Plain b) {}
__global__ void builtins(char a, signed char b, unsigned char c, short d, unsigned short e, int f, unsigned g, long h,
                         unsigned long i, long long j, unsigned long long k, float l, double m, bool n, Pod o, Plain p,
                         Wide q, void *r, float (*s)[3], wchar_t t, char16_t u) {}
__global__ void none() {}
template <class T> __global__ void nothing() {}
template <class T> __global__ void repeated(T a, Pod b, Pod c, Pod *d, Pod **e, T f, const Pod *g, const T *h) {}
template <int N> __global__ void arrays(float (*a)[N], float b, int c) {}
typedef void (*function)(int, float);
__global__ void callback(function f, int b) {}
"""
NAMES = (
    "ns::many<float, int>", "ns::many<double, unsigned long long>", "ns::many<unsigned short, Pod>", "&ns::plain",
    "&ns::hidden", "pack<float, double, int *, Pod>", "pack<>", "pointers<int>", "templates<ns::Vec, float, true, 'c'>",
    "literals<Wide::X, A>", "&builtins", "&none", "nothing<int>", "repeated<float>", "repeated<Pod>", "arrays<3>",
    "&callback", "repeated<ns::Vec<int, 4>>", "repeated<ns::Outer<ns::Vec<float, 1>>::Inner>",
)  # fmt: skip
UNREAD = {"arrays<3>", "&callback"}


def declared(text: str, name: str) -> list[str]:
    """The types of a kernel's parameters, as PTX has them; "b" for a class."""
    head = re.search(rf"\.entry {re.escape(name)}\((.*?)\)", text, re.DOTALL)
    assert head
    return re.findall(r"\.param (?:\.align \d+ )?\.([usbf])\d+ \S+_param_\d+", head[1])


@pytest.mark.parametrize("expression", NAMES)
def test_kinds_agree_with_what_the_compiler_says(expression: str) -> None:
    code, names = ptx(CPP, NAMES)
    read, types = kinds(names[expression]), declared(code.decode(errors="replace"), names[expression])
    if expression in UNREAD:
        assert read is None
        return
    assert read is not None
    assert len(read) == len(types)
    for kind, type_ in zip(read.decode(), types, strict=True):
        assert (kind == "f") == (type_ == "f"), (read, types)
        if type_ == "b":
            assert kind == "s", (read, types)


def test_what_ptx_declares() -> None:
    code, names = ptx(CPP, NAMES)
    assert of_ptx(names["&builtins"], code) == b"nnnnnnnnnnnffnsnnnnnn"
    assert both(names["&builtins"], code) == b"niuiuiuiuiuffbssspp" + b"nn"
    assert both(names["arrays<3>"], code) == b"nfn"
    assert both(names["&none"], code) == b""
    assert both("absent", code) is None
    assert both(names["&builtins"]) == kinds(names["&builtins"])
    one = """
    .visible .entry one(
        .param .u64 .ptr .global .align 4 one_0, .param .b32 one_1,
        .param .align 2 .b8 one_2[2], .param .align 4 .b8 one_3 [ 12 ], .param .f16 one_4
    )
    { ret; }
    .visible .entry none { ret; }
    .visible .entry empty() { ret; }
    """
    assert of_ptx("one", one) == b"p??s?"
    assert of_ptx("none", one) == of_ptx("empty", one) == b""
    assert of_ptx("on", one) is None
    assert both("one", one[: one.index("one_3")]) is None


def test_kinds_of_all_builtin_types() -> None:
    _, names = ptx(CPP, NAMES)
    assert kinds(names["&builtins"]) == b"?iuiuiuiuiuffbssspp??"
    assert kinds(names["ns::many<double, unsigned long long>"]) == b"pupfspfu"
    assert kinds("_Z1k6__half13__nv_bfloat16DF16_DF16b") == b"fBfB"
    assert kinds("_Z1kPDv4_fi") is None


@pytest.mark.parametrize(
    "name", ["", "_Z", "_Z9", "_Z99short", "_Z1kS_", "_Z1kT_", "_ZN", "_Z1kI", "_Z1k" + "P" * 5000, "_Z1kS", "_Z1kKE", "_Z0v",
             "saxpy", "_Z1kILi", "_Z1kIiE", "_Z1kNS_", "_Z-1k", "_Z1kDp", "_Z1kA_", "_Z1kAzz_i", "_Z1k\N{SUPERSCRIPT TWO}i"]
)  # fmt: skip
def test_garbage_is_not_read(name: str) -> None:
    assert kinds(name) is None


@pytest.mark.parametrize(
    ("name", "as_written"),
    [
        ("saxpy", "saxpy"),
        ("_Z5plainPfi", "plain"),
        ("_ZN2ns5scaleIfLi4EEEvPT_", "ns::scale<float, 4>"),
        ("_Z6simpleIPKcEvPT_", "simple<const char *>"),
        ("_Z6simpleIN2ns5Outer2InEEvPT_", "simple<ns::Outer::In>"),
        ("_Z4litsILb1ELj7ELln3ELx5EEvi", "lits<true, 7u, -3l, 5ll>"),
        ("_ZN2ns4packIJifPfEEEvDpT_", "ns::pack<int, float, float *>"),
        ("_ZN2ns12_GLOBAL__N_14anonIiEEvT_", "ns::(anonymous namespace)::anon<int>"),
        ("_Z6simpleIA4_iEvPT_", "simple<int[4]>"),
        ("_Z3twoISt4pairIifES1_EvPT_T0_", "two<std::pair<int, float>, std::pair<int, float>>"),
        ("_Z6simpleIVKfEvPT_", "simple<volatile const float>"),
        ("_ZZ4mainENKUlvE_clEv", "_ZZ4mainENKUlvE_clEv"),  # a lambda: not read, and shown as it is
        ("_Z", "_Z"),
        ("_Z999k", "_Z999k"),
        ("_Z1kI" + "P" * 5000 + "fEvv", "_Z1kI" + "P" * 5000 + "fEvv"),
    ],
)
def test_names_as_cxx_writes_them(name: str, as_written: str) -> None:
    assert written(name) == as_written
