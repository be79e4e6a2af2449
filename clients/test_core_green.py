"""cuda-core: a device's resources and green contexts, in a process that has 16 multiprocessors."""

from processes import run


def test_a_kernel_in_a_green_context():
    run(
        """
        import numpy as np
        from cuda.core import (ContextOptions, Device, LaunchConfig, LegacyPinnedMemoryResource, Program, ProgramOptions,
            SMResourceOptions, launch)

        device = Device(0)
        device.set_current()
        whole = device.resources.sm
        assert (whole.sm_count, whole.min_partition_size, whole.coscheduled_alignment) == (16, 4, 2)
        groups, rest = whole.split(SMResourceOptions(count=6))
        assert [group.sm_count for group in groups] == [6] and rest.sm_count == 10
        source = 'extern "C" __global__ void twice(int *p) { p[blockIdx.x] = 2 * blockIdx.x; }'
        kernel = Program(source, "c++", ProgramOptions(arch=f"sm_{device.arch}")).compile("ptx").get_kernel("twice")
        buffer = LegacyPinnedMemoryResource().allocate(400)
        out = np.from_dlpack(buffer).view(np.int32)
        out[:] = -1
        context = device.create_context(ContextOptions(resources=groups))
        stream, other = context.create_stream(), device.create_stream()
        assert stream.resources.sm.sm_count == 6 and stream.context.handle == context.handle
        launch(stream, LaunchConfig(grid=100, block=1), kernel, buffer)
        other.wait(stream.record())
        other.sync()
        assert (out == 2 * np.arange(100)).all()
        """,
        CPU_DEVICE_THREADS="16",
        CPU_DEVICE_CC="8.9",
    )
