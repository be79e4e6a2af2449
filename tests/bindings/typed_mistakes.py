"""Six mistakes that a type checker must find, and nothing else; checked, never run (test_stubs.py)."""

from cubind import driver, runtime

stream = driver.cuStreamCreate(0)
event = driver.cuEventCreate(0)

driver.cuStreamSynchronize(event)  # error: [arg-type]
driver.cuMemcpyHtoD("0x7000", b"data", 4)  # error: [arg-type]
driver.CUmemLocation(kind=1)  # error: [call-arg]
size: str = driver.cuDeviceTotalMem(0)  # error: [assignment]
kind = runtime.cudaMemcpyKind.cudaMemcpyDown  # error: [attr-defined]
ok = driver.cuInit(0) == driver.CUresult.CUDA_SUCCESS  # error: [func-returns-value]
