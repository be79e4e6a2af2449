"""What a client sees when its kernel goes wrong: the driver's error in the client's own exception, the report on stderr."""

import pytest
from processes import run


def test_cuda_core():
    result = run("""
        from cuda.core import Device, LaunchConfig, Program, ProgramOptions, launch
        device = Device(0)
        device.set_current()
        stream = device.create_stream()
        source = 'extern "C" __global__ void beyond(int *p) { p[threadIdx.x] = 1; }'
        options = ProgramOptions(arch=f"sm_{device.arch}", lineinfo=True)
        kernel = Program(source, "c++", options).compile("ptx").get_kernel("beyond")
        buffer = device.allocate(64, stream=stream)
        launch(stream, LaunchConfig(grid=1, block=17), kernel, buffer)
        try:
            stream.sync()
        except Exception as error:
            print(error)
        """)
    assert "CUDA_ERROR_ILLEGAL_ADDRESS" in result.stdout
    for word in ("beyond", "thread (16, 0, 0)", "allocation of 64 bytes"):
        assert word in result.stderr, result.stderr


def test_numba():
    result = run("""
        import warnings
        warnings.simplefilter("ignore")
        import numpy as np
        from numba import cuda

        @cuda.jit
        def beyond(x):
            x[1000 + cuda.threadIdx.x] = 1

        try:
            beyond[1, 1](cuda.to_device(np.zeros(10)))
            cuda.synchronize()
        except Exception as error:
            print(error)
        """)
    assert "CUDA_ERROR_ILLEGAL_ADDRESS" in result.stdout
    for word in ("write of 8 bytes", "beyond", "thread (0, 0, 0)"):
        assert word in result.stderr, result.stderr


# Triton reads the source of its kernels from a file
KERNELS = """
import triton, triton.language as tl
@triton.jit
def beyond(x, block: tl.constexpr):
    tl.store(x + tl.arange(0, block), 1.0)
"""


def test_triton(tmp_path):
    pytest.importorskip("triton", reason="Triton is not installed")
    (tmp_path / "kernels.py").write_text(KERNELS)
    result = run(
        """
        import kernels
        from cuda.core import Device, LegacyPinnedMemoryResource
        Device(0).set_current()
        class Tensor:
            dtype, buffer = "fp32", LegacyPinnedMemoryResource().allocate(400)
            def data_ptr(self):
                return int(self.buffer.handle)
        kernels.beyond[(1,)](Tensor(), block=128)
        try:
            Device(0).default_stream.sync()
        except Exception as error:
            print(error)
        """,
        PYTHONPATH=str(tmp_path),
    )
    assert "CUDA_ERROR_ILLEGAL_ADDRESS" in result.stdout
    for word in ("kernel beyond", "thread (100, 0, 0)", "st.global.b32", "allocation of 400 bytes"):
        assert word in result.stderr, result.stderr
