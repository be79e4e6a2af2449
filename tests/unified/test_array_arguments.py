"""Functions whose arguments become Arrays, and the protocols that arguments can have."""

import numpy as np
import pytest

import cuda_unified as cu
from cuda_unified.protocols import SupportsCudaArrayInterface, SupportsCudaStream, SupportsDLPack


@cu.array_arguments("x", 2)
def sizes(a, x, y=None, *rest, key=0):
    """What it is."""
    return a, x, y, rest, key


def test_by_name_and_position(device):
    host = np.arange(6, dtype="int16")
    a, x, y, rest, key = sizes(host, host, memoryview(host), 5, key=6)
    assert a is host and type(x) is cu.Array and type(y) is cu.Array and (rest, key) == ((5,), 6)
    assert x.pointer == y.pointer == host.ctypes.data and x.dtype == "int16"
    there = cu.from_host(host)
    assert sizes(1, x=there)[1] is there and sizes(1, x=None)[1:3] == (None, None)
    assert sizes.__name__ == "sizes" and sizes.__doc__ == "What it is."


def test_in_the_order_of_a_stream(device):
    @cu.array_arguments(0, stream="stream")
    def stream_of(x, stream=None):
        return x.stream

    class Producer:
        """Its array comes from a stream of its own."""

        def __init__(self, array):
            self.array = array

        @property
        def __cuda_array_interface__(self):
            return self.array.__cuda_array_interface__

    with device.stream() as first, device.stream() as second:
        producer = Producer(cu.zeros(8, "float32", stream=first))
        assert stream_of(producer, second) == second
        assert stream_of(producer, stream=None) == cu.current_stream()


def test_what_is_refused():
    with pytest.raises(TypeError, match=r"argument x: .*float"):
        sizes(1, 2.5)
    with pytest.raises(TypeError, match="missing"):
        sizes()
    for wrong in ("z", "rest", 7, -1, 1.5):
        with pytest.raises(TypeError, match=rf"f\(\) has no parameter {wrong!r}: it has x"):

            @cu.array_arguments(wrong)
            def f(x, *rest):
                pass


def test_protocols(device):
    with device.stream() as stream:
        assert isinstance(stream, SupportsCudaStream) and not isinstance(device, SupportsCudaStream)
    array = cu.zeros(4, "float32")
    assert isinstance(array, SupportsDLPack) and isinstance(np.zeros(3), SupportsDLPack)
    assert isinstance(array, SupportsCudaArrayInterface) and not isinstance(np.zeros(3), SupportsCudaArrayInterface)
