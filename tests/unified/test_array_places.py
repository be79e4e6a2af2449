"""Arrays on several devices, in contexts of their own, in the child of a fork."""

import pytest

import cuda_unified as cu
from tests.unified.array_tools import run


def test_two_devices():
    """Arrays are on their own device, whatever is current."""
    out = run(
        """
import numpy as np
import cuda_unified as cu
from tests.unified.dlpack_tools import look
first, second = cu.Device(0), cu.Device(1)
there = np.arange(12, dtype="f4").reshape(3, 4)
a = cu.from_host(there, second)
assert a.device is second and a.__dlpack_device__() == (2, 1)
assert a.__cuda_array_interface__["stream"] == second.default_stream.address
b = cu.from_dlpack(a)
assert b.device is second and b.context is second.context
assert cu.as_array(type("C", (), {"__cuda_array_interface__": a.__cuda_array_interface__})()).device is second
c = cu.from_dlpack(a, device=first)
assert c.device is first and np.array_equal(c.to_host(), there)
assert np.array_equal(cu.from_dlpack(a[:, ::2], device=first).to_host(), there[:, ::2])
assert a.to_device(0).device is first and a.to_device("cpu").device == "cpu"
try: cu.from_dlpack(a, device=first, copy=False)
except BufferError as error: assert "Device(1)" in str(error), error
else: raise AssertionError
try: a.__dlpack__(dl_device=(2, 0))
except BufferError: pass
else: raise AssertionError
assert look(a.__dlpack__(dl_device=(2, 1))).tensor.data == a.pointer
one, two = first.default_stream, second.default_stream  # handle 1 both, and not one stream
from tests.unified.array_tools import held
with held(two):
    b = cu.zeros((3, 4), device=first).copy_from(a)
    assert not one.record().done
assert np.array_equal(b.to_host(), there)
with first: assert cu.zeros_like(a).device is second and a.T.copy().device is second
with second: assert cu.empty(3).device is second
print("done")
""",
        CUBIND_DEVICE="cpu",
        CPU_DEVICE_COUNT="2",
    )
    assert out == "done\n"


def test_the_child_of_a_fork():
    """A device's arrays are refused there, the host's work on, and nothing of the parent's is freed."""
    out = run(
        """
import os, sys
import numpy as np
import cuda_unified as cu
a, h = cu.full(4, 7, "int32"), cu.full(4, 5, "int32", device="cpu")
pinned = cu.zeros(4, "int32", resource=cu.PinnedResource())
capsule, imported = a.__dlpack__(), cu.from_dlpack(a)
cu.Device(0).sync()
child = os.fork()
if not child:
    code = 1
    try:
        for use in (a.to_host, a.__dlpack__, lambda: a.__cuda_array_interface__, lambda: memoryview(pinned), lambda: a.fill(1),
                    lambda: a.__dlpack__(stream=-1), lambda: cu.empty(3), lambda: cu.as_array(imported).copy(), a[0].item):
            try: use()
            except cu.ForkError: continue
            raise AssertionError(use)
        assert np.from_dlpack(h).tolist() == h.to_host().tolist() == [5] * 4
        assert a[1:].shape == (3,)
        del a, capsule, imported, pinned
        code = 0
    finally:
        os._exit(code)
assert os.waitpid(child, 0)[1] == 0
assert a.to_host().tolist() == [7] * 4
print("done")
"""
    )
    assert out == "done\n"


def test_a_context_of_its_own(device):
    context = device.create_context() if hasattr(device, "create_context") else None
    if context is None:
        pytest.skip("Device.create_context is missing")
    stream = context.stream()
    a = cu.zeros(3, "int32", device=device)
    device.sync()
    assert a.copy_from(cu.full(3, 4, "int32", device="cpu"), stream=stream).to_host(stream=stream).tolist() == [4] * 3
    capsule = a.__dlpack__(stream=stream.address)
    assert "dltensor" in repr(capsule)
    stream.close()
    assert a.to_host().tolist() == [4] * 3  # the stream that it remembers is closed
    assert a.__dlpack__() and a.__cuda_array_interface__["stream"] == 1
    context.close()
