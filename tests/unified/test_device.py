"""Devices, contexts and what they tell."""

from __future__ import annotations

import pickle
import re
import threading

import pytest

import cubind
import cuda_unified as cu
from cubind import driver
from tests.helpers import fakes

TWO = {"CUBIND_DEVICE": "cpu", "CPU_DEVICE_COUNT": "2"}


def test_one_object_a_device(device: cu.Device) -> None:
    assert cu.Device(0) is device and cu.Device(device) is device and cu.Device(ordinal=0) is device
    assert cu.Device.all()[0] is device and len(cu.Device.all()) == driver.cuDeviceGetCount()
    assert pickle.loads(pickle.dumps(device)) is device
    assert (int(device), repr(device), device.ordinal, device.handle) == (0, "Device(0)", 0, 0)
    assert hash(device) == hash(cu.Device(0)) and device == cu.Device(0) and device != 0


@pytest.mark.parametrize("ordinal", [-1, 99, 2**40])
def test_no_such_device(ordinal: int) -> None:
    with pytest.raises((cu.InvalidDeviceError, ValueError), match=str(ordinal)):
        cu.Device(ordinal)


@pytest.mark.parametrize("wrong", ["0", 1.5, (0,)])
def test_no_ordinal(wrong: object) -> None:
    with pytest.raises(TypeError, match="ordinal"):
        cu.Device(wrong)
    with pytest.raises(TypeError):
        cu.Device(0, 1)


def test_facts(device: cu.Device) -> None:
    assert device.name and re.fullmatch(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", device.uuid)
    assert re.fullmatch(r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9]", device.pci_bus_id)
    major, minor = device.compute_capability
    assert device.arch == f"sm_{major}{minor}" and str(device.compute_capability) == f"{major}.{minor}"
    free, total = device.memory_info
    assert 0 < free <= total and device.memory_info.total == total
    assert device.is_cpu == cubind.cpu.in_use()
    assert -1 not in device.stream_priorities or device.stream_priorities[-1] >= 0


def test_complaint_11_every_attribute(device: cu.Device) -> None:
    """Also those that came last: they are taken from the enum, not from a list written by hand."""
    prefix = "CU_DEVICE_ATTRIBUTE_"
    known = {n.removeprefix(prefix).lower() for n in driver.CUdevice_attribute.__members__} - {"max"}
    assert set(dir(device.properties)) == known and len(known) > 150
    found = device.properties.items()
    assert found["max_threads_per_block"] == 1024 == device.properties.max_threads_per_block
    for name, value in found.items():
        member = driver.CUdevice_attribute.__members__[prefix + name.upper()]
        assert driver.cuDeviceGetAttribute(member, 0) == value
    with pytest.raises(AttributeError, match="max_threads"):
        _ = device.properties.max_threads


def test_limits(device: cu.Device) -> None:
    before = device.limits.stack_size
    device.limits.stack_size = 4096
    try:
        assert device.limits.stack_size >= 4096
    finally:
        device.limits.stack_size = before
    assert "printf_fifo_size" in dir(device.limits)
    with pytest.raises(AttributeError, match="no limit 'stack'"):
        device.limits.stack = 1


def test_complaint_48_scoped_activation(device: cu.Device) -> None:
    """`with device:` makes it current here, nests, and leaves everything as it was."""

    def current() -> int:
        return int(driver.cuCtxGetCurrent() or 0)

    own = device.create_context()
    outside = current()
    with device:
        primary = current()
        assert primary == device.context.address
        with own:
            assert current() == own.address and cu.Device() is device
            with device as same:
                assert same is device and current() == primary
            assert current() == own.address
        with pytest.raises(ZeroDivisionError), own:
            raise ZeroDivisionError
        assert current() == primary
        seen = []
        thread = threading.Thread(target=lambda: seen.append(current()))
        thread.start()
        thread.join()
        assert seen == [0]
    assert current() == outside
    own.close()
    own.close()
    assert own.is_closed and "closed" in repr(own)
    with pytest.raises(cu.ClosedError, match="Context"), own:
        pass
    with pytest.raises(ValueError, match="primary"):
        device.context.close()


def test_own_context(device: cu.Device) -> None:
    context = device.create_context()
    assert context != device.context and context.device is device and context.is_owned
    stream = context.stream()
    event = stream.record()
    event.sync()
    assert (stream.context, event.context, stream.device) == (context, context, device)
    context.sync()
    context.close()
    with pytest.raises(cu.ClosedError):
        stream.sync()
    stream.close()  # what is gone with its context is not destroyed again


def test_complaint_46_objects_are_on_their_own_device() -> None:
    """Whatever is current: a stream of device 1 that was made while device 0 was current is on device 1."""
    script = """
        import cuda_unified as cu
        from cubind import driver
        zero, one = cu.Device.all()
        with zero:
            stream, event, buffer = one.stream(), one.event(), one.allocate(64)
            assert int(driver.cuStreamGetDevice(stream.handle)) == 1
            assert driver.cuPointerGetAttribute(driver.CUpointer_attribute.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, buffer.pointer) == 1
            assert cu.Device() is zero and cu.Device.current() is zero
            with one:
                assert cu.Device.current() is one and cu.Device() is one and cu.current_stream().device is one
            try: zero.stream().record(event)
            except cu.DeviceMismatchError as error: assert "of device 1, primary" in str(error) and "of device 0" in str(error), error
            else: raise SystemExit("recorded")
            stream.record(event); stream.wait(zero.stream().record()); stream.wait(zero.stream()); event.sync()
            assert one.default_stream.device is one and zero.default_stream.device is zero
        assert cu.Device() is zero
        assert zero.can_access_peer(one) in (True, False)
        assert (one in zero.peers) == zero.can_access_peer(one)
        if zero.can_access_peer(one):
            zero.enable_peer_access(one); zero.enable_peer_access(one); zero.disable_peer_access(one)
            try: zero.disable_peer_access(one)
            except cu.PeerAccessError: pass
            else: raise SystemExit("twice")
        print("fine")
    """
    assert fakes.run(script, PYTHONPATH=faults_root(), **TWO).strip() == "fine"


def faults_root() -> str:
    return str(fakes.PACKAGE.parents[1])


def test_complaint_60_asking_for_a_device_makes_no_context() -> None:
    script = """
        import cuda_unified as cu
        from cubind import driver
        assert cu.Device.is_available() and not cu.Device.is_available(7) and not cu.Device.is_available(-1)
        assert not cu.Device(0).is_active and cu.Device(0).name and not cu.Device(0).is_active
        assert driver.cuDevicePrimaryCtxGetState(0)[1] == 0
        cu.Device(0).stream()
        assert cu.Device(0).is_active and driver.cuDevicePrimaryCtxGetState(0)[1] == 1
        print("fine")
    """
    assert fakes.run(script, PYTHONPATH=faults_root(), CUBIND_DEVICE="cpu").strip() == "fine"


def test_no_driver_at_all() -> None:
    """Complaints 31 and 60."""
    script = """
        import cuda_unified as cu
        assert not cu.Device.is_available()
        try: cu.Device(0)
        except cu.LibraryNotFoundError as error: print(type(error).__name__, isinstance(error, cu.CudaError))
    """
    assert fakes.run(script, PYTHONPATH=faults_root()).split() == ["LibraryNotFoundError", "True"]


@pytest.mark.parametrize("use", ["device.name", "device.properties.max_threads_per_block", "cu.memory_report()"])
def test_the_warning_of_the_cpu_device_is_at_the_programs_line(use: str) -> None:
    script = f"""
import warnings
import cuda_unified as cu
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    device = cu.Device(0)
    device.sync()
    {use}
print(*[(w.filename, w.lineno) for w in caught])
"""
    if not cu.Device(0).is_cpu:
        pytest.skip("there is a GPU")
    assert fakes.run(script, PYTHONPATH=faults_root(), CUBIND_DEVICE="auto").strip() == "('<string>', 8)"
