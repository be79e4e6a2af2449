"""Pointer, string and callback fields of records: what they accept and what they keep alive."""

from __future__ import annotations

import copy
import ctypes
import gc
import struct
import sys
import weakref
from typing import Any

import numpy as np
import pytest

from cubind import driver, runtime

Memcpy = driver.CUDA_MEMCPY2D
HostNode = driver.CUDA_HOST_NODE_PARAMS_v2
Attribute = driver.CUlaunchAttribute


class Buffer(bytearray):
    """A bytearray that can be watched."""


def address(memory: Any) -> int:
    return ctypes.addressof((ctypes.c_char * len(memory)).from_buffer(memory))


def stress() -> None:
    """Anything that was freed is written over."""
    gc.collect()
    for _ in range(20):
        _ = [bytearray(b"\xdd" * 64) for _ in range(200)]


# ---- addresses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [0x1234, np.uint64(0x1234), driver.CUevent(0x1234), ctypes.c_void_p(0x1234)])
def test_addresses(given: Any) -> None:
    assert Memcpy(srcHost=given).srcHost == 0x1234


def test_no_address() -> None:
    copied = Memcpy(srcHost=0x1234)
    copied.srcHost = None
    assert copied.srcHost == 0
    for wrong in ("str", 1.5, True, [1], object()):
        with pytest.raises(TypeError, match=r"CUDA_MEMCPY2D_v2\.srcHost: expected an address"):
            copied.srcHost = wrong
    for wrong in (-1, 2**64):
        with pytest.raises(OverflowError):
            copied.srcHost = wrong
    with pytest.raises(BufferError, match="not contiguous"):
        copied.srcHost = np.arange(8)[::2]


def test_buffers_are_kept_alive_and_let_go() -> None:
    """Complaint 16."""
    memory = Buffer(16)
    watch = weakref.ref(memory)
    copied = Memcpy(srcHost=memory)
    assert copied.srcHost == address(memory)
    del memory
    stress()
    assert watch() is not None
    copied.srcHost = None
    assert watch() is None


def test_a_buffer_cannot_be_resized_while_a_record_points_to_it() -> None:
    memory = bytearray(16)
    copied = Memcpy(dstHost=memory)
    with pytest.raises(BufferError):
        memory.append(1)
    del copied
    memory.append(1)


def test_read_only_memory_and_arrays() -> None:
    array = np.arange(4.0)
    assert Memcpy(srcHost=array).srcHost == array.ctypes.data
    array.flags.writeable = False
    assert Memcpy(srcHost=array).srcHost == array.ctypes.data
    assert Memcpy(srcHost=b"read-only").srcHost


def test_records_are_kept_alive() -> None:
    """Complaint 16."""
    sizes = driver.CUlaunchConfig()
    count = sys.getrefcount(sizes)
    copied = Memcpy(srcHost=sizes)
    assert copied.srcHost == sizes.ptr
    assert sys.getrefcount(sizes) == count + 1
    copied.srcHost = 0
    assert sys.getrefcount(sizes) == count


def test_a_view_keeps_in_its_owner() -> None:
    memory = Buffer(16)
    watch = weakref.ref(memory)
    params = driver.CUgraphNodeParams()
    params.memcpy.copyParams.srcHost = memory
    del memory
    stress()
    assert watch() is not None
    assert params.memcpy.copyParams.srcHost == address(watch())
    del params
    gc.collect()
    assert watch() is None


def test_copies_and_assignments_keep_too() -> None:
    """Complaint 16."""
    memory = Buffer(16)
    count = sys.getrefcount(memory)
    first = Memcpy(srcHost=memory)
    second = copy.copy(first)
    node = driver.CUgraphNodeParams(memcpy={"copyParams": driver.CUDA_MEMCPY3D(srcHost=memory)})
    del first
    stress()
    assert second.srcHost == address(memory)
    node.memcpy = {}
    del second, node
    gc.collect()
    assert sys.getrefcount(memory) == count


def pointing(memory: Buffer) -> Any:
    return Memcpy(srcHost=memory)


def looking(memory: Buffer) -> Any:
    return driver.CUuuid.from_buffer(memory)


@pytest.mark.parametrize("record", [pointing, looking])
def test_cycles_are_collected(record: Any) -> None:
    memory = Buffer(16)
    memory.owner = record(memory)
    watch = weakref.ref(memory)
    del memory
    gc.collect()
    assert watch() is None


def test_arrays_of_pointers() -> None:
    memory, frame = Buffer(8), driver.CUeglFrame_v1()
    watch = weakref.ref(memory)
    frame.frame.pPitch = (memory, None, 5)
    assert frame.frame.pPitch == (address(memory), 0, 5)
    del memory
    stress()
    assert watch() is not None
    frame.frame.pPitch = (0, 0, 0)
    gc.collect()
    assert watch() is None


# ---- arrays of records behind a pointer ------------------------------------------------------------------------------


def test_lists_of_records_set_their_count() -> None:
    config = driver.CUlaunchConfig(attrs=[{"id": 1, "value": {"priority": 7}}, Attribute(id=2)], gridDimX=4)
    assert config.numAttrs == 2
    stress()
    first = Attribute.from_ptr(config.attrs)
    assert (first.id, first.value.priority) == (1, 7)
    assert Attribute.from_ptr(config.attrs + first.nbytes).id == 2
    config.attrs = []
    assert (config.attrs, config.numAttrs) == (0, 0)


def test_a_count_that_is_given_wins() -> None:
    for config in (
        driver.CUlaunchConfig(numAttrs=1, attrs=[{}, {}]),
        driver.CUlaunchConfig(attrs=[{}, {}], numAttrs=1),
    ):
        assert config.numAttrs == 1
    as_none = runtime.cudaLaunchConfig_t(attrs=None, numAttrs=3)
    assert (as_none.attrs, as_none.numAttrs) == (0, 3)


def test_elements_of_another_class() -> None:
    config = driver.CUlaunchConfig()
    with pytest.raises(
        TypeError, match=r"CUlaunchConfig\.attrs: element 1: expected CUlaunchAttribute or dict, not 'int'"
    ):
        config.attrs = [{}, 1]
    with pytest.raises(TypeError, match=r"CUlaunchConfig\.attrs: expected CUlaunchAttribute, an address"):
        config.attrs = driver.CUuuid()
    assert (config.attrs, config.numAttrs) == (0, 0)


def test_what_elements_point_to_is_kept() -> None:
    memory = Buffer(8)
    watch = weakref.ref(memory)
    window = {"accessPolicyWindow": {"base_ptr": memory}}
    config = driver.CUlaunchConfig(attrs=[{"value": window}])
    del memory, window
    stress()
    assert watch() is not None
    del config
    gc.collect()
    assert watch() is None


# ---- callbacks -----------------------------------------------------------------------------------------------------


def call(node: Any) -> None:
    """As the driver would."""
    function, user = struct.unpack_from("QQ", bytes(node))
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(function)(user)


def test_callables_and_their_user_data() -> None:
    got: list[Any] = []
    node = HostNode(fn=got.append, userData="data")
    assert (node.fn, node.userData) == (got.append, "data")
    for data in ("data", 5, None, [1], node):
        node.userData = data
        stress()
        call(node)
        assert got[-1] is data
    node.fn = lambda data: got.append(("other", data))
    call(node)
    assert got[-1] == ("other", node)
    node.fn = None
    assert node.fn == 0


def test_the_order_of_function_and_data_does_not_matter() -> None:
    got: list[Any] = []
    for node in (HostNode(fn=got.append, userData=[1]), HostNode(userData=[2], fn=got.append)):
        call(node)
    assert got == [[1], [2]]


def test_a_c_function_takes_an_address() -> None:
    got: list[Any] = []
    function = driver.CUhostFn(got.append)
    node = HostNode(fn=function, userData=7)
    call(node)
    assert got == [7]
    assert node.fn == ctypes.cast(function, ctypes.c_void_p).value
    with pytest.raises(TypeError, match=r"userData: expected an address"):
        node.userData = object()
    for wrong in ("x", 1.5, driver.CUevent(1), driver.CUuuid()):
        with pytest.raises(TypeError, match=r"CUDA_HOST_NODE_PARAMS_v2\.fn: "):
            node.fn = wrong


def test_callbacks_in_views_and_copies() -> None:
    got: list[Any] = []
    node = driver.CUgraphNodeParams()
    node.host.fn = got.append
    node.host.userData = "deep"
    copied = copy.copy(node)
    del node
    stress()
    call(copied.host)
    assert got == ["deep"]
    assert copied.host.userData == "deep"
    copied.asBytes = bytes(232)
    assert copied.host.fn == 0, "what another member of the union wrote counts"


def test_a_callback_that_outlives_its_record_does_nothing() -> None:
    got: list[Any] = []
    node = HostNode(fn=got.append, userData=1)
    stale = bytes(node)
    del node
    gc.collect()
    call(stale)
    assert got == []


def test_callbacks_in_cycles_are_collected() -> None:
    class Owner:
        pass

    owner = Owner()
    owner.node = HostNode(userData=owner)
    owner.node.fn = lambda data, node=owner.node: None
    watch = weakref.ref(owner)
    del owner
    gc.collect()
    assert watch() is None


def test_showing_a_record_that_leads_to_itself() -> None:
    node = HostNode(fn=print)
    node.userData = node
    assert "userData=CUDA_HOST_NODE_PARAMS_v2(...)" in repr(node)
