"""The CPU device's driver API: several PTX texts become one image; what a module alone lacks; shared memory of large modules."""

from __future__ import annotations

import textwrap

from tests.helpers.cpu import on_cpu

HEAD = ".version 7.8\n.target sm_80\n.address_size 64\n"

HELPERS = f"""
HEAD = {HEAD!r}
""" + textwrap.dedent(r"""
    T, O = d.CUjitInputType, d.CUjit_option

    def link(*texts, options=(), values=(), kind=T.CU_JIT_INPUT_PTX):
        "Status, error log and image."
        log = bytearray(4000)
        keys = [O.CU_JIT_ERROR_LOG_BUFFER, O.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, *options]
        state = d.cuLinkCreate(None, keys, [log, len(log), *values])
        image = None
        try:
            for k, text in enumerate(texts):
                data = text if isinstance(text, bytes) else (HEAD + text).encode() + b"\0"
                d.cuLinkAddData(state, kind, data, len(data), "part%d" % k, None, None, None)
            image = d.cuLinkComplete(state)
            status = "CUDA_SUCCESS"
            image = d.cuModuleLoadData(image[0] if isinstance(image, tuple) else image)
        except cubind.CudaError as error:
            status = error.name
        d.cuLinkDestroy(state)
        return status, log[:log.index(0)].decode(), image

    def result(image, kernel="go", n=1, shared=0):
        p = d.cuMemAlloc(4 * n)
        d.cuMemsetD32(p, 0, n)
        d.cuLaunchKernel(d.cuModuleGetFunction(image, kernel), 1, 1, 1, 1, 1, 1, shared, None, (p,))
        d.cuCtxSynchronize()
        return words(p, n)

    def store(name, body, declarations="", linkage=".visible"):
        "A kernel that stores %v, which `body` makes."
        return declarations + linkage + " .entry " + name + "(.param .u64 p)\n{ .reg .b32 %v, %w; .reg .b64 %p, %a;\n" + body + \
            "\nld.param.u64 %p, [p]; st.global.u32 [%p], %v; ret; }\n"

    def function(name, value, linkage=".visible"):
        return linkage + " .func (.reg .b32 r) " + name + "()\n{ mov.b32 r, " + str(value) + "; ret; }\n"

    CALL = "call (%v), f, ();"
    EXTERN = ".extern .func (.reg .b32 r) f();\n"
    """)


def on_links(script: str) -> str:
    return on_cpu(HELPERS + textwrap.dedent(script))


def test_functions_and_variables_of_other_modules() -> None:
    on_links(r"""
    status, log, image = link(store("go", CALL, EXTERN), function("f", 77))
    assert (status, log) == ("CUDA_SUCCESS", "") and result(image) == [77]
    extern = ".extern .global .align 4 .b32 table[3];\n.extern .const .align 4 .b32 c;\n"
    use = "ld.global.u32 %v, [table+8]; ld.const.u32 %w, [c]; add.u32 %v, %v, %w;"
    data = ".visible .global .align 4 .b32 table[3] = {1, 2, 30};\n.visible .const .align 4 .b32 c = 12;\n"
    for parts in ((store("go", use, extern), data), (data, store("go", use, extern))):
        status, log, image = link(*parts)
        assert status == "CUDA_SUCCESS", log
        assert result(image) == [42]
        address, size = d.cuModuleGetGlobal(image, "table")
        assert size == 12 and words(address, 3) == [1, 2, 30]
    # shared memory that another module defines, and dynamic shared memory of two modules
    use = "mov.u32 %w, 5; st.shared.u32 [room+4], %w; ld.shared.u32 %v, [room+4];"
    status, log, image = link(store("go", use, ".extern .shared .align 4 .b8 room[16];\n"), ".visible .shared .align 4 .b8 room[16];\n")
    assert status == "CUDA_SUCCESS" and result(image) == [5], log
    assert d.cuFuncGetAttribute(d.CUfunction_attribute.CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, d.cuModuleGetFunction(image, "go")) == 16
    dynamic = ".extern .shared .align 4 .b8 room[];\n"
    status, log, image = link(store("go", use, dynamic), store("other", use, dynamic))
    assert status == "CUDA_SUCCESS" and result(image, shared=64) == result(image, "other", shared=64) == [5], log
    # the image is one that libraries take too
    library = d.cuLinkCreate(None, None, None)
    for k, text in enumerate((store("go", CALL, EXTERN), function("f", 78))):
        data = (HEAD + text).encode()
        d.cuLinkAddData(library, T.CU_JIT_INPUT_PTX, data, len(data), None, None, None, None)
    image = d.cuLinkComplete(library)
    made = d.cuLibraryLoadData(image[0] if isinstance(image, tuple) else image, None, None, None, None, None, None)
    d.cuLinkDestroy(library)
    assert d.cuLibraryGetKernelCount(made) == 1
    """)


def test_prototypes_that_differ() -> None:
    """Alignments, .reg and types of one size are no hindrance, nor is a result that one side does not have; sizes and numbers are."""
    on_links(r"""
    def caller(declared, call):
        return store("go", "{ .param .b32 a; .param .align 8 .b8 s[8]; .param .b64 r; mov.u32 %w, 5; st.param.b32 [a], %w; st.param.b32 [s+4], %w;"
                     + call + " }", ".extern .func " + declared + ";\n")
    def run(declared, call, defined, body):
        ours, theirs = caller(declared, call), ".visible .func " + defined + " { .reg .b32 %x; .reg .b64 %y; " + body + " ret; }\n"
        answers = set()
        for parts, k in (((ours, theirs), 0), ((theirs, ours), 1)):
            info = bytearray(500)
            options = [O.CU_JIT_INFO_LOG_BUFFER, O.CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES]
            status, log, image = link(*parts, options=options, values=[info, len(info)])
            warning = info[:info.index(0)].decode()
            where = f" in 'part{k}', first specified in 'part{1 - k}'\n"
            for message, level in ((log, "error   : "), (warning, "warning : ")):
                assert message in ("", level + "Prototype doesn't match for 'f'" + where), message
            answers.add((status, bool(log), bool(warning), result(image)[0] if image else None))
        assert len(answers) == 1, answers
        return answers.pop()
    good, no = "CUDA_SUCCESS", "CUDA_ERROR_NO_BINARY_FOR_GPU"
    by_value, plus = "(.param .b32 r) f(.param .b32 p)", "ld.param.b32 %x, [p]; add.u32 %x, %x, 1; st.param.b32 [r], %x;"
    call = "call (%v), f, (a);"
    assert run(by_value, call, "(.param .b32 z) f(.param .b32 y)", plus.replace("[p]", "[y]").replace("[r]", "[z]")) == (good, False, False, 6)
    assert run("(.reg .b32 r) f(.reg .b32 p)", "call (%v), f, (%w);", by_value, plus) == (good, False, False, 6)
    in_struct = "ld.param.b32 %x, [p+4]; st.param.b32 [r], %x;"
    for ours, theirs in ((8, 4), (4, 8)):
        assert run(f"(.param .b32 r) f(.param .align {ours} .b8 p[8])", "call (%v), f, (s);",
                   f"(.param .b32 r) f(.param .align {theirs} .b8 p[8])", in_struct) == (good, False, False, 5)
    # types of one size: with a word
    assert run(by_value, call, "(.param .f32 r) f(.param .s32 p)", plus) == (good, False, True, 6)
    assert run("(.param .b32 r) f(.param .b64 p)", "call (%v), f, (s);", "(.param .b32 r) f(.param .align 4 .b8 p[8])", in_struct) == (good, False, True, 5)
    # a result that is not there has no particular value
    status, error, warned, _ = run("(.param .b64 r) f(.param .b32 p)", "call (r), f, (a); mov.u32 %v, 9;", "f(.param .b32 p)", "")
    assert (status, error, warned, _) == (good, False, True, 9)
    assert run("f(.param .b32 p)", "call f, (a); mov.u32 %v, 8;", by_value, plus) == (good, False, True, 8)
    # other sizes and numbers
    for defined in ("(.param .b64 r) f(.param .b32 p)", "(.param .b32 r) f(.param .b64 p)", "(.param .b32 r) f(.param .b32 p, .param .b32 q)",
                    "(.param .b32 r) f()", "(.param .b32 r) f(.param .align 4 .b8 p[8])"):
        assert run(by_value, call, defined, "") == (no, True, False, None), defined
    # in one module a call is what its function is
    alone = (HEAD + ".func f() { ret; }\n" + store("go", "call (%v), f, ();")).encode() + b"\0"
    assert name(d.cuModuleLoadData, alone) == "CUDA_ERROR_INVALID_PTX"
    """)


def test_names_that_are_a_modules_own() -> None:
    on_links(r"""
    # each module has an f, a table and a section of its own
    def part(kernel, value):
        own = f".global .align 4 .b32 table = {value};\n" + function("f", value, "")
        own += '.file 1 "source.cu"\n.section .debug_str { $L_one: .b8 1, 2 }\n'
        return store(kernel, ".loc 1 7 0\n" + CALL + " ld.global.u32 %w, [table]; mad.lo.u32 %v, %v, 1000, %w;", own)
    status, log, image = link(part("a", 3), part("b", 4), part("c", 5))
    assert status == "CUDA_SUCCESS", log
    assert [result(image, k) for k in "abc"] == [[3003], [4004], [5005]]
    # a module's own f is none that others can call
    status, log, image = link(store("go", CALL, EXTERN), function("f", 9, ""))
    assert status == "CUDA_ERROR_NO_BINARY_FOR_GPU" and "'f'" in log and "part0" in log, (status, log)
    """)


def test_weak_and_common() -> None:
    on_links(r"""
    strong, weak, other = function("f", 1), function("f", 2, ".weak"), function("f", 3, ".weak")
    caller = store("go", CALL, EXTERN)
    for parts, value in (((caller, weak), 2), ((caller, weak, strong), 1), ((strong, caller, weak), 1), ((other, weak, caller), 3)):
        status, log, image = link(*parts)
        assert status == "CUDA_SUCCESS" and result(image) == [value], (parts, log)
        assert d.cuModuleGetFunctionCount(image) == 1
    status, log, image = link(store("go", "mov.u32 %v, 1;", linkage=".weak"), store("go", "mov.u32 %v, 2;", linkage=".weak"))
    assert status == "CUDA_SUCCESS" and d.cuModuleGetFunctionCount(image) == 1 and result(image) == [1]
    status, log, image = link(".weak .global .b32 x, y;\n", ".weak .global .b32 x;\n", ".weak .global .b32 x, z;\n")
    assert status == "CUDA_ERROR_NO_BINARY_FOR_GPU" and "declared together" in log, log
    # one that is common has the largest size; a definition is stronger
    use = store("go", "ld.global.u32 %v, [x+4];", ".common .global .align 4 .b8 x[8];\n")
    status, log, image = link(".common .global .align 4 .b8 x[400];\n", use)
    assert status == "CUDA_SUCCESS" and d.cuModuleGetGlobal(image, "x")[1] == 400, log
    status, log, image = link(use, ".visible .global .align 4 .b32 x[2] = {5, 6};\n")
    assert status == "CUDA_SUCCESS" and result(image) == [6], log
    """)


def test_what_cannot_be_linked() -> None:
    on_links(r"""
    no = "CUDA_ERROR_NO_BINARY_FOR_GPU"
    caller = store("go", CALL, EXTERN)
    status, log, image = link(caller)
    assert status == no and "Undefined reference to 'f' in 'part0'" in log, (status, log)
    status, log, image = link(store("go", "mov.u64 %a, x; mov.u32 %v, 1;", ".extern .global .align 4 .b32 x;\n"))
    assert status == no and "Undefined reference to 'x'" in log
    status, log, image = link(caller, function("f", 1), function("f", 2))
    assert status == no and "Multiple definition of 'f' in 'part2', first defined in 'part1'" in log, log
    status, log, image = link(".extern .global .align 4 .b32 x[2];\n", ".visible .global .align 4 .b32 x[3];\n")
    assert status == no and "Size" in log and "'x'" in log
    status, log, image = link(store("go", "mov.u64 %a, f; mov.u32 %v, 1;", ".extern .global .align 4 .b32 f;\n"), function("f", 1))
    assert status == no and "Kind" in log
    # what is declared and not used does no harm, nor does what the device has itself
    status, log, image = link(store("go", "mov.u32 %v, 1;", EXTERN + ".extern .global .align 4 .b32 x;\n.extern .func (.param .b32 r) vprintf(.param .b64 a, .param .b64 b);\n"))
    assert status == "CUDA_SUCCESS" and result(image) == [1], log
    status, log, image = link("this is no PTX")
    assert status == "CUDA_ERROR_INVALID_PTX" and log.startswith("part0:4:"), log
    assert link(b"hello\0")[0] == "CUDA_ERROR_INVALID_IMAGE"
    status, log, image = link(b"\xed\x43\x4e\x7f" + bytes(100))
    assert status == no and "LTO" in log, (status, log)
    for arguments in ({"kind": T.CU_JIT_INPUT_NVVM}, {"options": [O.CU_JIT_LTO], "values": [1]}):
        status, log, image = link(caller, **arguments)
        assert status == "CUDA_ERROR_NOT_SUPPORTED" and "LTO" in log, (status, log)
    empty = d.cuLinkCreate(None, None, None)
    assert name(d.cuLinkComplete, empty) == "CUDA_ERROR_INVALID_IMAGE"
    # a link that failed fails again, and takes no more
    bad = d.cuLinkCreate(None, None, None)
    data = (HEAD + caller).encode()
    d.cuLinkAddData(bad, T.CU_JIT_INPUT_PTX, data, len(data), None, None, None, None)
    assert name(d.cuLinkComplete, bad) == name(d.cuLinkComplete, bad) == no
    assert name(d.cuLinkAddData, bad, T.CU_JIT_INPUT_PTX, data, len(data), None, None, None, None) == "CUDA_ERROR_INVALID_VALUE"
    """)


def test_a_module_that_lacks_something() -> None:
    on_links(r"""
    log = bytearray(1000)
    keys, values = [O.CU_JIT_ERROR_LOG_BUFFER, O.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES], [log, len(log)]
    x = ".extern .global .align 4 .b32 x;\n"
    for text, what in ((store("go", CALL, EXTERN), "function 'f'"), (store("go", "mov.u64 %a, f; mov.u32 %v, 1;", EXTERN), "function 'f'"),
                       (store("go", "ld.global.u32 %v, [x];", x), "variable 'x'"), (x + ".global .u64 y = x;\n", "variable 'x'"),
                       (store("go", "mov.u64 %a, x; mov.u32 %v, 1;", x), "variable 'x'")):
        assert name(d.cuModuleLoadDataEx, (HEAD + text).encode() + b"\0", None, keys, values) == "CUDA_ERROR_INVALID_PTX", text
        assert ("unresolved extern " + what).encode() in log, (text, log)
    module(HEAD + x + EXTERN + store("go", "mov.u32 %v, 1;"))
    """)


def test_shared_memory_of_a_kernel_is_what_it_can_reach() -> None:
    on_links(r"""
    def room(k, n=40000): return f".shared .align 16 .b8 room{k}[{n}];\n"
    def kernel(k, called=""):
        return store(f"go{k}", f"mov.u32 %w, {k}; st.shared.u32 [room{k}+39996], %w; {called} ld.shared.u32 %v, [room{k}+39996];")
    both = ".func both()\n{ .reg .b32 %w; mov.u32 %w, 9; st.shared.u32 [common], %w; ret; }\n"
    text = HEAD + "".join(map(room, range(20))) + ".shared .align 4 .b8 common[100];\n" + room(99) + both
    text += "".join(kernel(k, "call both, ();" if k in (3, 4) else "") for k in range(20))
    # the kernel that names a pointer to a variable reaches it
    text += ".global .u64 pointers[2] = {generic(room7), generic(common)};\n"
    text += store("reader", "mov.u64 %a, pointers; ld.global.u64 %a, [%a]; mov.u32 %w, 6; st.u32 [%a+100], %w; ld.u32 %v, [%a+100];")
    image = module(text)
    size = d.CUfunction_attribute.CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES
    for k in range(20):
        f = d.cuModuleGetFunction(image, f"go{k}")
        n = d.cuFuncGetAttribute(size, f)
        assert n == (40112 if k in (3, 4, 7) else 40000), (k, n)  # a variable has one place in all kernels
        assert result(image, f"go{k}") == [k]
    assert d.cuFuncGetAttribute(size, d.cuModuleGetFunction(image, "reader")) == 40112
    assert result(image, "reader") == [6]
    """)
