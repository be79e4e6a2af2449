"""The CPU device's driver API: images, modules, libraries, kernels, linking, launches and their limits, faults."""

from __future__ import annotations

import textwrap

from tests.helpers.cpu import on_cpu


def test_modules() -> None:
    on_cpu("""
    assert d.cuModuleGetFunctionCount(loaded) == 4
    names = sorted(d.cuFuncGetName(f) for f in d.cuModuleEnumerateFunctions(4, loaded))
    assert names == ["count", "fill", "small", "step"], names
    assert kernel("fill") == kernel("fill") and d.cuFuncGetModule(kernel("fill")) == loaded
    assert name(d.cuModuleGetFunction, loaded, "none") == name(d.cuModuleGetGlobal, loaded, "none") == "CUDA_ERROR_NOT_FOUND"
    address, size = d.cuModuleGetGlobal(loaded, "table")
    assert size == 16 and words(address, 4) == [1, 2, 3, 4]
    counter, size = d.cuModuleGetGlobal(loaded, "counter")
    launch("count", 9)
    d.cuCtxSynchronize()
    assert size == 4 and words(counter, 1) == [50]
    other = module()
    assert words(d.cuModuleGetGlobal(other, "counter")[0], 1) == [41]        # variables of its own
    f = d.cuModuleGetFunction(other, "fill")
    d.cuModuleUnload(other)
    assert name(d.cuModuleUnload, other) == name(d.cuModuleGetFunction, other, "fill") == "CUDA_ERROR_INVALID_HANDLE"
    assert name(d.cuFuncGetName, f) == "CUDA_ERROR_INVALID_HANDLE"
    assert name(d.cuMemFree, counter) == "CUDA_ERROR_INVALID_VALUE"
    """)


def test_a_module_unloaded_while_its_kernel_runs() -> None:
    on_cpu("""
    other, p = module(), d.cuMemAlloc(4)
    d.cuMemsetD32(p, 1, 1)
    d.cuLaunchKernel(d.cuModuleGetFunction(other, "step"), 1, 1, 1, 1, 1, 1, 0, None, (p, 2, 1000000))
    d.cuModuleUnload(other)
    d.cuCtxSynchronize()
    assert words(p, 1) == [3]
    """)


def test_images() -> None:
    on_cpu(r"""
    import struct, tempfile, os
    def load(image): return d.cuModuleUnload(d.cuModuleLoadData(image))
    ptx = KERNELS.encode()
    # a fat binary: header, then parts
    def part(kind, payload, architecture=70, flags=0, packed=0, unpacked=0):
        payload += bytes(-len(payload) % 8)
        return struct.pack("<HHIQIIHHIIIQQQ", kind, 0x101, 64, len(payload), packed, 0, 0, 8, architecture, 0, 0, flags, 0, unpacked) + payload
    def fat(*parts):
        return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, sum(map(len, parts))) + b"".join(parts)
    load(fat(part(1, ptx + b"\0")))
    load(fat(part(2, b"\x7fELF" + bytes(200)), part(1, b"not this one", 120), part(1, ptx + b"\0", 75)))
    literals = ptx + b"\0"                     # LZ4 of literals alone, then with a match
    def lz4(data):
        n, out = len(data), bytearray()
        out.append(min(n, 15) << 4)
        rest = n - 15
        while rest >= 0:
            out.append(min(rest, 255)); rest -= 255
        return bytes(out) + data
    packed = lz4(literals)
    load(fat(part(1, packed, 70, 0x2000, len(packed), len(literals))))
    assert name(load, fat(part(1, packed[:-40], 70, 0x2000, len(packed) - 40, len(literals)))) == "CUDA_ERROR_INVALID_IMAGE"
    # a cubin that carries its PTX, with NUL for newline
    names = b"\0.nv_debug_ptx_txt\0"
    body = ptx.replace(b"\n", b"\0")
    sections = struct.pack("<IIQQQQIIQQ", 0, *[0] * 9)
    sections += struct.pack("<IIQQQQIIQQ", 1, 1, 0, 0, 64 + 192 + len(names), len(body), 0, 0, 1, 0)
    sections += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, 64 + 192, len(names), 0, 0, 1, 0)
    header = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 190, 1, 0, 0, 64, 0, 64, 0, 0, 64, 3, 2)
    cubin = header + sections + names + body
    load(cubin)
    load(fat(part(2, cubin)))
    for broken in range(len(header) + len(sections)):
        twisted = bytearray(cubin)
        twisted[broken] ^= 0xFF
        name(load, bytes(twisted))             # any status, no crash
    with tempfile.TemporaryDirectory() as folder:
        for i, image in enumerate((ptx, cubin, fat(part(1, ptx)))):
            path = os.path.join(folder, str(i))
            with open(path, "wb") as file:
                file.write(image)
            d.cuModuleUnload(d.cuModuleLoad(path))
            d.cuLibraryUnload(d.cuLibraryLoadFromFile(path, None, None, None, None, None, None))
        assert name(d.cuModuleLoad, folder + "/none") == "CUDA_ERROR_FILE_NOT_FOUND"
    # nothing that can be run: what to do is in the log
    machine_code = cubin.replace(b".nv_debug_ptx_txt", b".nv_something_els")
    O = d.CUjit_option
    log = bytearray(1000)
    options = [O.CU_JIT_ERROR_LOG_BUFFER, O.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES]
    for image in (machine_code, fat(part(2, machine_code))):
        assert name(d.cuModuleLoadDataEx, image, None, options, [log, len(log)]) == "CUDA_ERROR_NO_BINARY_FOR_GPU"
        assert b"-lineinfo" in log
    for image in (b"hello\0", b"\0", b"\x7fELF" + bytes(100), 0x10):
        assert name(load, image) == "CUDA_ERROR_INVALID_IMAGE", image
    assert name(load, None) == "CUDA_ERROR_INVALID_VALUE"
    """)


def test_bad_ptx_is_explained_in_the_log() -> None:
    on_cpu(r"""
    O = d.CUjit_option
    bad = KERNELS.replace("mad.lo.s32 %i", "mad.lo.s32 %nowhere").encode() + b"\0"
    for size in (2000, 20, 1, 0):
        log, info = bytearray(b"x" * 2001), bytearray(b"x" * 2001)
        options = [O.CU_JIT_ERROR_LOG_BUFFER, O.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, O.CU_JIT_INFO_LOG_BUFFER, O.CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES]
        assert name(d.cuModuleLoadDataEx, bad, None, options, [log, size, info, size]) == "CUDA_ERROR_INVALID_PTX"
        assert log[size:] == b"x" * (2001 - size)
        if size == 2000:
            text = log[:log.index(0)].decode()
            assert "%nowhere" in text and str(KERNELS[:KERNELS.index("mad.lo.s32")].count("\n") + 1) in text, text
    assert name(d.cuModuleLoadDataEx, bad, None, [999], [0]) == "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuLibraryLoadData, bad, None, None, None, None, None, None) == "CUDA_ERROR_INVALID_PTX"
    """)


def test_libraries_and_kernels() -> None:
    on_cpu("""
    library = d.cuLibraryLoadData(KERNELS.encode() + b"\\0", None, None, None, None, None, None)
    assert d.cuLibraryGetKernelCount(library) == 4 == len(d.cuLibraryEnumerateKernels(4, library))
    k = d.cuLibraryGetKernel(library, "fill")
    assert k == d.cuLibraryGetKernel(library, "fill") and d.cuKernelGetName(k) == "fill" and d.cuKernelGetLibrary(k) == library
    assert [d.cuKernelGetParamInfo(k, i) for i in range(3)] == [(0, 8), (8, 4), (12, 4)]
    assert name(d.cuKernelGetParamInfo, k, 3) == "CUDA_ERROR_INVALID_VALUE"
    assert d.cuKernelGetAttribute(d.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, k, 0) == 1024
    p = d.cuMemAlloc(400)
    config = d.CUlaunchConfig(gridDimX=1, gridDimY=1, gridDimZ=1, blockDimX=128, blockDimY=1, blockDimZ=1)
    d.cuLaunchKernelEx(config, k, (p, 6, 100))
    d.cuCtxSynchronize()
    assert set(words(p, 100)) == {6}
    f = d.cuKernelGetFunction(k)
    assert d.cuFuncGetModule(f) == d.cuLibraryGetModule(library)
    counter, size = d.cuLibraryGetGlobal(library, "counter")
    assert size == 4 and words(counter, 1) == [41]
    assert name(d.cuLibraryGetManaged, library, "counter") == name(d.cuLibraryGetKernel, library, "x") == "CUDA_ERROR_NOT_FOUND"
    # another context has variables of its own
    made = d.cuCtxCreate(None, 0, 0)
    other, _ = d.cuLibraryGetGlobal(library, "counter")
    assert other != counter
    d.cuLaunchKernel(d.cuLibraryGetKernel(library, "count"), 1, 1, 1, 1, 1, 1, 0, None, (1,))
    d.cuCtxSynchronize()
    assert words(other, 1) == [42]
    d.cuCtxDestroy(made)
    assert words(counter, 1) == [41]
    d.cuLibraryUnload(library)
    assert name(d.cuLibraryUnload, library) == name(d.cuKernelGetName, k) == name(d.cuKernelGetFunction, k) == "CUDA_ERROR_INVALID_HANDLE"
    """)


def test_attributes_and_occupancy() -> None:
    on_cpu("""
    A = d.CUfunction_attribute
    f, small = kernel("fill"), kernel("small")
    get = d.cuFuncGetAttribute
    assert get(A.CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, small) == 64 and get(A.CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, small) == 1024
    assert get(A.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, small) == 47 * 1024
    assert name(d.cuFuncSetAttribute, small, A.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 99 * 1024) == "CUDA_ERROR_INVALID_VALUE"
    launch("small")
    bad = "CUDA_ERROR_INVALID_VALUE"
    assert name(lambda: launch("small", shared=60 * 1024)) == bad
    d.cuFuncSetAttribute(small, A.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 60 * 1024)
    launch("small", shared=60 * 1024)
    assert name(lambda: launch("small", shared=60 * 1024 + 1)) == bad
    assert name(get, 99, f) == name(d.cuFuncSetAttribute, f, A.CU_FUNC_ATTRIBUTE_NUM_REGS, 4) == bad
    assert d.cuFuncGetParamInfo(f, 1) == (8, 4) and name(d.cuFuncGetParamInfo, f, 9) == bad
    assert d.cuOccupancyMaxActiveBlocksPerMultiprocessor(f, 1024, 0) == 1
    assert d.cuOccupancyMaxActiveBlocksPerMultiprocessor(f, 32, 0) == 24
    assert d.cuOccupancyMaxActiveBlocksPerMultiprocessor(f, 32, 40 * 1024) == 2
    assert d.cuOccupancyMaxActiveBlocksPerMultiprocessor(small, 65, 0) == 0
    grid, block = d.cuOccupancyMaxPotentialBlockSize(f, None, 0, 0)
    assert block in (512, 768) and grid >= 1
    """)


def test_registers_and_constants_of_a_kernel() -> None:
    """A CTA of every size that a kernel may have fits a multiprocessor."""
    on_cpu("""
    many = "".join(f"add.u32 %r{i + 1}, %r{i}, 1;" for i in range(300))
    text = ".version 7.0\\n.target sm_70\\n.address_size 64\\n.const .align 8 .b8 c[80];\\n.const .b32 e = 5;\\n" + "".join(
        f".visible .entry {name}() {limits} {{ .reg .b32 %r<301>; mov.u32 %r0, 0; {many} ret; }}\\n"
        for name, limits in {"free": "", "small": ".maxntid 128, 1, 1", "one": ".reqntid 32, 1, 1", "asked": ".maxnreg 40"}.items())
    loaded = module(text)
    A = d.CUfunction_attribute
    for which, registers in {"free": 64, "small": 255, "one": 255, "asked": 40}.items():
        f = kernel(which)
        assert d.cuFuncGetAttribute(A.CU_FUNC_ATTRIBUTE_NUM_REGS, f) == registers, which
        assert d.cuFuncGetAttribute(A.CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES, f) == 84
        most = d.cuFuncGetAttribute(A.CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, f)
        assert d.cuOccupancyMaxActiveBlocksPerMultiprocessor(f, most, 0) >= 1
    # the limit of a load or a link is for those that say nothing; lines stay as they are
    J, L, T = [d.CUjit_option.CU_JIT_MAX_REGISTERS], [d.CUjitInputType.CU_JIT_INPUT_PTX], text.encode() + b"\\0"
    def registers():
        return [d.cuFuncGetAttribute(A.CU_FUNC_ATTRIBUTE_NUM_REGS, kernel(which)) for which in ("free", "small", "asked")]
    loaded = d.cuModuleLoadDataEx(T, 1, J, [48])
    assert registers() == [48, 48, 40]
    library = d.cuLibraryLoadData(T, J, [30], 1, None, None, 0)
    assert d.cuKernelGetAttribute(A.CU_FUNC_ATTRIBUTE_NUM_REGS, d.cuLibraryGetKernel(library, "free"), 0) == 30
    for of_link, of_input, want in ((56, None, 56), (56, 32, 32), (None, 24, 24)):
        link = d.cuLinkCreate(1, J, [of_link]) if of_link else d.cuLinkCreate(0, None, None)
        d.cuLinkAddData(link, L[0], T, len(T), "part", *((1, J, [of_input]) if of_input else (0, None, None)))
        loaded = d.cuModuleLoadData(d.cuLinkComplete(link))
        assert registers() == [want, want, 40]
        d.cuLinkDestroy(link)
    """)


def test_limits_of_launches() -> None:
    on_cpu("""
    bad = "CUDA_ERROR_INVALID_VALUE"
    f, p = kernel("fill"), d.cuMemAlloc(4096)
    def status(grid, block, shared=0, arguments=(p, 1, 1), which=f):
        return name(d.cuLaunchKernel, which, *grid, *block, shared, None, arguments)
    for grid, block in (((0, 1, 1), (1, 1, 1)), ((1, 1, 1), (1, 0, 1)), ((1, 65536, 1), (1, 1, 1)), ((1, 1, 65536), (1, 1, 1)),
                        ((2**31, 1, 1), (1, 1, 1)), ((1, 1, 1), (1025, 1, 1)), ((1, 1, 1), (1, 1, 65)), ((1, 1, 1), (32, 33, 1))):
        assert status(grid, block) == bad, (grid, block)
    one = (1, 1, 1)
    assert status(one, (65, 1, 1), which=kernel("small"), arguments=()) == bad       # .maxntid
    assert status(one, one, 2**31) == status(one, one, arguments=None) == bad
    assert status((3, 2, 2), (4, 4, 4)) == "CUDA_SUCCESS"
    # the block of parameters itself
    import ctypes, struct
    block = struct.pack("<QII", p, 1234, 1)
    room, size = ctypes.create_string_buffer(block, 16), ctypes.c_size_t(16)
    extra = (ctypes.c_void_p * 5)(1, ctypes.addressof(room), 2, ctypes.addressof(size), 0)
    d.cuLaunchKernel(f, *one, *one, 0, None, None, ctypes.addressof(extra))
    d.cuCtxSynchronize()
    assert words(p, 1) == [1234]
    size.value = 12
    assert name(d.cuLaunchKernel, f, *one, *one, 0, None, None, ctypes.addressof(extra)) == bad
    # cooperative and cluster launches
    d.cuLaunchCooperativeKernel(f, 2, 1, 1, 32, 1, 1, 0, None, (p, 5, 64))
    assert name(d.cuLaunchCooperativeKernel, f, 100000, 1, 1, 1024, 1, 1, 0, None, (p, 5, 64)) == "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE"
    d.cuCtxSynchronize()
    assert words(p, 64) == [5] * 64
    def cluster(x, grid=16):
        attribute = d.CUlaunchAttribute(id=d.CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
        attribute.value.clusterDim.x, attribute.value.clusterDim.y, attribute.value.clusterDim.z = x, 1, 1
        config = d.CUlaunchConfig(gridDimX=grid, gridDimY=1, gridDimZ=1, blockDimX=32, blockDimY=1, blockDimZ=1, attrs=[attribute], numAttrs=1)
        return name(d.cuLaunchKernelEx, config, f, (p, 6, 512))
    assert [cluster(x) for x in (1, 2, 8)] == ["CUDA_SUCCESS"] * 3
    assert (cluster(16), cluster(3), cluster(0)) == ("CUDA_ERROR_INVALID_CLUSTER_SIZE", bad, bad)
    d.cuCtxSynchronize()
    assert words(p, 512) == [6] * 512
    """)


CALLER = """.version 7.0
.target sm_70
.address_size 64
.extern .func (.param .b32 r) twice(.param .b32 x);
.visible .entry go(.param .u64 p)
{
    .reg .b32 %v;
    .reg .b64 %p;
    ld.param.u64 %p, [p];
    ld.u32 %v, [%p];
    {
    .param .b32 a;
    .param .b32 b;
    st.param.b32 [a], %v;
    call (b), twice, (a);
    ld.param.b32 %v, [b];
    }
    st.u32 [%p], %v;
    ret;
}
"""

CALLED = """.version 7.8
.target sm_80
.address_size 64
.visible .func (.param .b32 r) twice(.param .b32 x)
{
    .reg .b32 %v;
    ld.param.b32 %v, [x];
    add.u32 %v, %v, %v;
    st.param.b32 [r], %v;
    ret;
}
"""


def test_linking() -> None:
    script = r"""
    parts = [CALLER, CALLED]
    T = d.CUjitInputType
    for order in ((0, 1), (1, 0)):
        link = d.cuLinkCreate(None, None, None)
        for i in order:
            data = parts[i].encode() + b"\0"
            d.cuLinkAddData(link, T.CU_JIT_INPUT_PTX, data, len(data), "part", None, None, None)
        image = d.cuLinkComplete(link)
        loaded = d.cuModuleLoadData(image[0] if isinstance(image, tuple) else image)
        p = d.cuMemAlloc(4)
        d.cuMemsetD32(p, 21, 1)
        d.cuLaunchKernel(d.cuModuleGetFunction(loaded, "go"), 1, 1, 1, 1, 1, 1, 0, None, (p,))
        d.cuCtxSynchronize()
        assert words(p, 1) == [42]
        d.cuLinkDestroy(link)
        assert name(d.cuLinkDestroy, link) == "CUDA_ERROR_INVALID_HANDLE"
    """
    on_cpu(f"CALLER = {CALLER!r}\nCALLED = {CALLED!r}\n" + textwrap.dedent(script))


def test_a_fault_stays() -> None:
    printed = on_cpu("""
    from cubind import cpu
    assert cpu.last_report() == "" and cpu.in_use()
    s, p = d.cuStreamCreate(1), d.cuMemAlloc(400)
    launch("fill", p, 1, 104, block=128, stream=s)
    name(lambda: launch("fill", p, 9, 1, stream=s))   # not done any more
    bad = "CUDA_ERROR_ILLEGAL_ADDRESS"
    assert name(d.cuStreamSynchronize, s) == bad
    for call in (d.cuCtxSynchronize, lambda: d.cuMemAlloc(4), lambda: d.cuStreamQuery(s), lambda: launch("small"), lambda: words(p, 1),
                 lambda: d.cuMemFree(p), lambda: d.cuEventCreate(0)):
        assert name(call) == bad
    print(cpu.last_report())
    assert d.cuDeviceGetCount() == 1 and d.cuCtxGetCurrent() == context
    # another context is not touched, and this one is well again when it begins anew
    made = d.cuCtxCreate(None, 0, 0)
    d.cuMemFree(d.cuMemAlloc(4))
    d.cuCtxDestroy(made)
    d.cuDevicePrimaryCtxReset(0)
    d.cuMemFree(d.cuMemAlloc(4))
    q = d.cuMemAlloc(400)
    loaded = module()
    d.cuLaunchKernel(d.cuModuleGetFunction(loaded, "fill"), 1, 1, 1, 128, 1, 1, 0, None, (q, 2, 100))
    d.cuCtxSynchronize()
    assert words(q, 100) == [2] * 100
    """)
    assert "CUDA_ERROR_ILLEGAL_ADDRESS" in printed
    for word in ("kernel fill", "block (0, 0, 0)", "thread (100, 0, 0)", "st.global.u32 [%p], %v", "400"):
        assert word in printed, (word, printed)


def test_use_after_free_is_named() -> None:
    printed = on_cpu("""
    from cubind import cpu
    p = d.cuMemAlloc(400)
    d.cuMemFree(p)
    launch("fill", p, 1, 100, block=128)
    assert name(d.cuCtxSynchronize) == "CUDA_ERROR_ILLEGAL_ADDRESS"
    print(cpu.last_report())
    """)
    assert "freed" in printed, printed


def test_attributes_of_a_librarys_kernel_are_a_devices() -> None:
    on_cpu(
        """
        F = d.CUfunction_attribute
        library = d.cuLibraryLoadData(KERNELS.encode() + b"\\0", None, None, None, None, None, None)
        k = d.cuLibraryGetKernel(library, "small")
        SHARED, CARVEOUT = F.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, F.CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT
        before = d.cuKernelGetAttribute(SHARED, k, 1)
        d.cuKernelSetAttribute(SHARED, 60000, k, 0)
        d.cuKernelSetAttribute(CARVEOUT, 30, k, 1)
        assert [d.cuKernelGetAttribute(SHARED, k, i) for i in (0, 1)] == [60000, before]
        assert [d.cuKernelGetAttribute(CARVEOUT, k, i) for i in (0, 1)] == [-1, 30]
        f = d.cuKernelGetFunction(k)
        assert d.cuFuncGetAttribute(SHARED, f) == 60000
        # a launch on each device has that device's limits
        def launch_on(device):
            c = d.cuDevicePrimaryCtxRetain(device)
            d.cuCtxSetCurrent(c)
            return name(d.cuLaunchKernel, k, 1, 1, 1, 32, 1, 1, 55000, None, ())
        assert [launch_on(i) for i in (0, 1)] == ["CUDA_SUCCESS", "CUDA_ERROR_INVALID_VALUE"]
        for bad in (2, -1, 99):
            assert name(d.cuKernelSetAttribute, SHARED, 1, k, bad) == "CUDA_ERROR_INVALID_DEVICE"
        """,
        CPU_DEVICE_COUNT="2",
    )
