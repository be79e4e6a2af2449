"""The CPU device's execution for tests: modules loaded, kernels run over buffers, faults read.

Only ptx/, memory/ and exec/ are in it, with the objects that the device itself is made of; no driver API.
"""

import ctypes
import functools
import os
import platform
import runpy
import shutil
import struct
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
DEVICE = HERE.parent.parent / "cpu_device"
HEAD = ".version 8.7\n.target sm_80\n.address_size 64\n"
LEVELS = ("base", "v2", "v3", "v4") if platform.machine() in ("x86_64", "AMD64") else ("base",)

KEYS = (
    "status",
    "what",
    "kernel",
    "block",
    "thread",
    "ptx_line",
    "ptx_text",
    "source_file",
    "source_line",
    "address",
    "nearest",
    "notes",
)


@functools.cache
def compile_machine() -> Path:
    build = runpy.run_path(str(DEVICE / "build.py"))
    objects = build["default_objects"]()
    folder = Path(tempfile.mkdtemp(prefix="exec-"))
    jobs = [
        (source, objects / source.parent.name / f"{source.stem}{suffix}.o", flags)
        for name in ("exec", "ptx", "memory")
        for source in sorted((DEVICE / "src" / name).glob("*.cpp"))
        for suffix, flags in build["variants"](source)
    ]
    api = folder / "exec_api.o"
    jobs.append((HERE / "exec_api.cpp", api, ["-O1", "-fvisibility=default", f"-I{DEVICE / 'src'}"]))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda job: build["compile_one"](*job), jobs))
    library = folder / "exec_api.so"
    linked = [str(job[1]) for job in jobs]
    subprocess.run(
        [*build["compiler"](), "-shared", "-pthread", *linked, "-Wl,-z,defs", "-o", str(library)], check=True
    )
    return library


def machine(level: str = "v4") -> "Machine":
    return machine_of(level)


@functools.cache
def machine_of(level: str) -> "Machine":
    """A machine of its own with the handlers of a level, or of the best one below it that this processor has."""
    library = compile_machine()
    own = library.with_name(f"exec_api-{level}.so")
    shutil.copy(library, own)
    os.environ["CPU_DEVICE_LEVEL"] = level
    try:
        made = Machine(own)
        made.level = made.lib.exec_level().decode()
    finally:
        del os.environ["CPU_DEVICE_LEVEL"]
    return made


def levels() -> list[str]:
    """Those that this processor has."""
    return [level for level in LEVELS if machine(level).level == level]


class LoadError(Exception):
    def __init__(self, status, log):
        super().__init__(f"{status}: {log}")
        self.status, self.log = status, log


class Fault(Exception):
    """A launch that failed; what the machine says about it as attributes."""

    def __init__(self, status, fields):
        super().__init__(f"{status}: {fields}")
        self.code = status
        for key in KEYS:
            setattr(self, key, fields.get(key, ""))


class Machine:
    def __init__(self, library):
        self.lib = lib = ctypes.CDLL(str(library))
        lib.exec_load.restype = ctypes.c_void_p
        lib.exec_alloc.restype = lib.exec_recorded.restype = lib.exec_counted.restype = ctypes.c_uint64
        lib.exec_level.restype = lib.exec_opcodes.restype = lib.exec_forms.restype = ctypes.c_char_p
        lib.exec_alloc.argtypes = [ctypes.c_uint64]
        lib.exec_free.argtypes = [ctypes.c_uint64]
        lib.exec_unload.argtypes = [ctypes.c_void_p]
        lib.exec_copy_in.argtypes = [ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64]
        lib.exec_copy_out.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64]

    def load(self, text, cc=89):
        data = text.encode() if isinstance(text, str) else bytes(text)
        status, log = ctypes.c_int(), ctypes.create_string_buffer(1 << 16)
        handle = self.lib.exec_load(
            data, ctypes.c_size_t(len(data)), cc, ctypes.byref(status), log, ctypes.c_size_t(len(log))
        )
        if not handle:
            raise LoadError(status.value, log.value.decode(errors="replace"))
        self.lib.exec_watch(ctypes.c_void_p(handle))
        return Module(self, handle)

    def lane_instructions(self, module, work):
        """How many instructions the lanes of a module execute while `work` is done."""
        self.lib.exec_count(ctypes.c_void_p(module.handle))
        work()
        return self.lib.exec_counted()

    def opcodes(self):
        return self.lib.exec_opcodes().decode().split()

    def forms(self):
        """(opcodes, groups of modifiers) of the table of forms."""
        rows = (line.split("\t") for line in self.lib.exec_forms().decode().splitlines())
        return [(opcodes.split(), words.split()) for opcodes, words in rows]

    def executed(self):
        """(form, shapes of its operands) of the instructions that kernels have executed so far."""
        text = ctypes.create_string_buffer(self.lib.exec_recorded(None, ctypes.c_size_t(0)) + 1)
        self.lib.exec_recorded(text, ctypes.c_size_t(len(text)))
        return {tuple(line.split("\t")) for line in text.value.decode().splitlines()}

    def alloc(self, size):
        address = self.lib.exec_alloc(size)
        assert address
        return address

    def free(self, address):
        assert self.lib.exec_free(address)

    def add_object(self, handle, fields):
        """A texture or surface object; exec_api.cpp says what the numbers are."""
        self.lib.exec_add_object(ctypes.c_uint64(handle), (ctypes.c_uint64 * len(fields))(*fields))

    def remove_object(self, handle):
        self.lib.exec_remove_object(ctypes.c_uint64(handle))

    def buffer(self, data):
        """A device buffer with these bytes; its address."""
        data = bytes(data)
        address = self.alloc(max(len(data), 1))
        if data:
            assert self.lib.exec_copy_in(address, data, len(data))
        return address

    def read(self, address, size):
        out = ctypes.create_string_buffer(max(size, 1))
        assert self.lib.exec_copy_out(out, address, size)
        return out.raw[:size]

    def fault(self, status):
        text = ctypes.create_string_buffer(1 << 14)
        self.lib.exec_fault(text, ctypes.c_size_t(len(text)))
        fields = {}
        for line in text.value.decode(errors="replace").splitlines():
            key, _, value = line.partition(": ")
            fields.setdefault(key.rstrip(":"), value)
        for key in ("status", "ptx_line", "source_line", "address"):
            fields[key] = int(fields[key])
        for key in ("block", "thread"):
            fields[key] = tuple(map(int, fields[key].split()))
        return Fault(status, fields)


class Module:
    def __init__(self, machine, handle):
        self.machine, self.handle = machine, handle

    def __del__(self):
        self.machine.lib.exec_unload(self.handle)

    def global_(self, name):
        address, size = ctypes.c_uint64(), ctypes.c_uint64()
        assert self.machine.lib.exec_global(
            ctypes.c_void_p(self.handle), name.encode(), ctypes.byref(address), ctypes.byref(size)
        )
        return address.value, size.value

    def params(self, name):
        pairs = (ctypes.c_uint32 * 512)()
        n = self.machine.lib.exec_params(ctypes.c_void_p(self.handle), name.encode(), pairs, 256)
        assert n >= 0, name
        return [(pairs[2 * k], pairs[2 * k + 1]) for k in range(n)]

    def run(
        self,
        name,
        grid,
        block,
        *args,
        shared=0,
        cooperative=False,
        threads=1,
        steps=0,
        deterministic=False,
        cluster=(0, 0, 0),
        races=False,
        uninitialised=False,
    ):
        """Runs a kernel; arguments are ints, floats (f32 or f64 by the parameter's size) or bytes."""

        def three(v):
            v = (v,) if isinstance(v, int) else tuple(v)
            return v + (1,) * (3 - len(v))

        places = self.params(name)
        assert len(places) == len(args), (places, args)
        block_bytes = bytearray(max((o + s for o, s in places), default=0))
        for (offset, size), value in zip(places, args):
            if isinstance(value, float):
                value = struct.pack("<f" if size == 4 else "<d", value)
            elif isinstance(value, int):
                value = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
            block_bytes[offset : offset + size] = value
        sizes = (ctypes.c_uint32 * 9)(*three(grid), *three(block), *three(cluster))
        options = (ctypes.c_uint64 * 7)(shared, cooperative, threads, steps, deterministic, races, uninitialised)
        status = self.machine.lib.exec_run(
            ctypes.c_void_p(self.handle),
            name.encode(),
            sizes,
            options,
            bytes(block_bytes),
            ctypes.c_size_t(len(block_bytes)),
        )
        if status:
            raise self.machine.fault(status)
