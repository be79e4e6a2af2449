"""Code: compiled, linked, loaded; its kernels and variables."""

from __future__ import annotations

import os
import pickle
import tempfile
from typing import Any

import cuda_unified as cu

device = cu.Device(0)
FOLDER = tempfile.TemporaryDirectory()
os.environ["CUDA_UNIFIED_CACHE_DIR"] = FOLDER.name
PTX = ".version 7.0\n.target sm_75\n.address_size 64\n"
ENTRY = PTX + ".visible .global .u32 number = 7;\n.visible .entry k(.param .u32 a) { ret; }\n"
OTHER = PTX + ".visible .entry other() { ret; }\n"
MANAGED = '__managed__ int shared = 3; __constant__ int limit = 4; extern "C" __global__ void k(int *p) { *p = shared + limit; }'
TEMPLATE = "template <class T> __global__ void set(T *p, T v) { *p = v; }"


def loading() -> None:
    with cu.Module(ENTRY) as module:
        assert module.kernels == ("k",)


def kernels() -> None:
    module = cu.Module(ENTRY)
    assert module.kernel("k").parameters and module._kernel_handle("k")
    try:
        module.kernel("none")
    except cu.NotFoundError as error:
        if error.code != 500:
            raise


def variables() -> None:
    assert cu.Module(ENTRY).get_global("number").size == 4


def linking() -> None:
    code = cu.Linker(ENTRY, OTHER).link()
    assert set(code.module().kernels) == {"k", "other"}


def program() -> None:
    module = cu.Program(TEMPLATE).compile(name_expressions=["set<float>", "set<int>"]).module()
    assert module.kernel("set<int>").cxx_name == "set<int>"
    module.close()


def compiled_once() -> None:
    kernel = cu.compile_kernel(TEMPLATE, "set<double>")
    assert kernel.num_regs >= 0 and kernel.owner


def managed() -> None:
    module = cu.compile(MANAGED)
    assert module.get_managed("shared").size == 4 and module.get_global("limit").size == 4


def pickled() -> None:
    again = pickle.loads(pickle.dumps(cu.Module(ENTRY)))
    assert again.kernels == ("k",)


def attributes() -> None:
    kernel = cu.Module(ENTRY).kernel("k")
    kernel.attributes.max_dynamic_shared_size_bytes = 49152
    assert kernel.attributes.max_dynamic_shared_size_bytes == 49152
    assert dict(kernel.attributes)["num_regs"] >= 0


def occupancy() -> None:
    kernel = cu.Module(ENTRY).kernel("k")
    assert kernel.occupancy.max_active_blocks(64) and kernel.occupancy.max_potential_block_size()
    assert cu.LaunchConfig.for_size(100, kernel).block


def foreign() -> None:
    module = cu.Module(ENTRY)
    again = cu.Module.from_handle(module.handle, owner=module)
    assert cu.Kernel.from_handle(again.kernel("k").handle, owner=again).name in ("k", "?")


OPERATIONS: dict[str, Any] = {
    "loading": loading,
    "kernels": kernels,
    "variables": variables,
    "linking": linking,
    "program": program,
    "compiled once": compiled_once,
    "managed": managed,
    "pickled": pickled,
    "attributes": attributes,
    "occupancy": occupancy,
    "foreign": foreign,
}
# a kernel of which the driver tells no name is "?"
QUIET = {"foreign": {"cuKernelGetName"}}
