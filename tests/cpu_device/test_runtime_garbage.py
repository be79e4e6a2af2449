"""Any number as a handle, pointer, size or enum: every function of the runtime answers with a status and lives on."""

from __future__ import annotations

import json

import pytest

from tests.cpu_device.test_runtime_symbols import PLAN
from tests.helpers.cpu_runtime import on_runtime

# Functions are called through ctypes, so that no layer above the C ABI looks at the arguments first.  Results have room; what C
# reads through a pointer is room too, of random bytes; the rest is random, or a handle that is good, or was, or of another kind.
FUZZ = """
import json, os, random, sys
from cubind import cpu
c = ctypes.CDLL(os.environ.get("CUBIND_RUNTIME_LIBRARY") or cpu.libdir() + "/libcudart.so.13")
functions = json.loads(sys.argv[2])
random.seed(int(sys.argv[1]))
room = (ctypes.c_uint8 * 65536)()
text = ctypes.create_string_buffer(b"nothing")
dead_stream, dead_event, dead_library, freed = r.cudaStreamCreate(), r.cudaEventCreate(), library(), r.cudaMalloc(100)
r.cudaStreamDestroy(dead_stream), r.cudaEventDestroy(dead_event), r.cudaLibraryUnload(dead_library), r.cudaFree(freed)
small = kernel("small")
good = [r.cudaStreamCreate(), r.cudaEventCreate(), loaded, small, r.cudaGetFuncBySymbol(int(small)), r.cudaDeviceGetDefaultMemPool(0),
        r.cudaMalloc(1000), r.cudaMallocManaged(1000, 1)]
odd = [0, 1, 2, 3, 7, 0xFF, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
numbers = [int(x) for x in good + [dead_stream, dead_event, dead_library, freed]] + odd

def number():
    return random.choice(numbers) if random.random() < 0.8 else random.getrandbits(random.choice((8, 16, 32, 47, 64)))

seen, answered = set(), set()
names = sorted(functions)
for turn in range(8000):
    function = random.choice(names)
    for i in range(0, 512, 8):
        room[i : i + 8] = number().to_bytes(8, "little")
    values = []
    for kind in functions[function]:
        if kind == "o": values.append(random.choice((ctypes.addressof(room), ctypes.addressof(room) + 8192, 0)))
        elif kind == "t": values.append(random.choice((ctypes.addressof(text), 0)))
        elif kind == "s": values.append(random.randrange(4))
        elif kind == "0": values.append(0)
        else: values.append(number())
    code = getattr(c, function)(*map(ctypes.c_uint64, values))
    assert 0 <= code < 1000, (function, values, code)
    seen.add(code)
    if code == 0: answered.add(function)
    c.cudaSetDevice(0)
    if turn % 50 == 0:
        r.cudaDeviceSynchronize()
        r.cudaFree(r.cudaMalloc(64))
assert {0, 1, 400, 801} <= seen, seen
assert len(answered) > 40, answered
r.cudaDeviceSynchronize()
"""
# they call what they are given, write where they are told, or end what the others work with
NOT_CALLED = {"cudaDeviceReset", "cudaMemcpy", "cudaMemcpyAsync", "cudaMemcpy2D", "cudaMemcpy2DAsync"}
# what a record of theirs points to is the program's: C reads it without a question, here as on a GPU
RECORDS = (
    "Params *",
    "NodeParams",
    "Config_t",
    "BatchOp",
    "void **",
    "LogIterator",
    "ResourceDesc",
    "Async",
    "Callback",
    "HostFn",
)


def kind_of(type_: str, name: str) -> str | None:
    """How an argument is made up; None where it cannot be."""
    if any(word in type_ for word in RECORDS) and not (type_ == "void **" and name.lower().endswith(("ptr", "out"))):
        return "0" if type_.endswith("*") or "Fn" in type_ or "allback" in type_ else None
    if type_ == "const char *":
        return "t"
    if name.startswith("num") and not type_.endswith("*"):
        return "s"
    if type_ == "void *":
        return "o" if name in ("value", "data", "shareableHandle") else "n"
    if type_.startswith("const void *"):
        return "n"
    if type_.endswith("*"):
        return "o"
    return None if type_ in PLAN.types.records else "n"


def functions() -> dict[str, list[str]]:
    found = {}
    for plan in PLAN.library.functions:
        kinds = [kind_of(p.type, p.name) for p in plan.params]
        if plan.returns == PLAN.info.status and None not in kinds and plan.name not in NOT_CALLED:
            found[plan.symbol] = [kind for kind in kinds if kind]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_garbage(seed: int) -> None:
    chosen = functions()
    assert len(chosen) > 280
    on_runtime(FUZZ, str(seed), json.dumps(chosen), timeout=120, CPU_DEVICE_MEMORY="512")
