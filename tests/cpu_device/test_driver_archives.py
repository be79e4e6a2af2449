"""Archives given to cuLinkAdd*: what members that have PTX define, and the part of the device runtime that runs here."""

from __future__ import annotations

import textwrap

from tests.helpers.cpu import on_cpu

ARCHIVES = r"""
def archive(*members):
    names, table, out = {}, b"", b"!<arch>\n"
    for name, _ in members:
        if len(name) > 15:
            names[name] = f"/{len(table)}"
            table += name.encode() + b"/\n"
    def member(field, data):
        header = f"{field:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}".encode() + b"`\n"
        return header + data + b"\n" * (len(data) % 2)
    out += member("/", b"\0\0\0\0")
    out += member("//", table) if table else b""
    for name, data in members:
        out += member(names.get(name, name + "/"), data)
    return out

T = d.CUjitInputType
def linked(*inputs):
    link = d.cuLinkCreate(None, None, None)
    try:
        for data in inputs:
            kind = T.CU_JIT_INPUT_LIBRARY if data[:1] == b"!" else T.CU_JIT_INPUT_PTX
            d.cuLinkAddData(link, kind, data, len(data), "part", None, None, None)
        return d.cuModuleLoadData(d.cuLinkComplete(link))
    finally:
        d.cuLinkDestroy(link)

HEAD = b".version 7.0\n.target sm_70\n.address_size 64\n"
TWICE = HEAD + b".visible .func (.param .b32 r) twice(.param .b32 v)\n{ .reg .b32 %v; ld.param.b32 %v, [v]; add.u32 %v, %v, %v;\n" \
    b"st.param.b32 [r], %v; ret; }\n"
USER = HEAD + b'''.extern .func (.param .b32 r) twice(.param .b32 v);
.visible .entry k(.param .u64 p)
{ .reg .b32 %v; .reg .b64 %p; ld.param.u64 %p, [p]; ld.global.u32 %v, [%p];
{ .param .b32 a; .param .b32 b; st.param.b32 [a], %v; call.uni (b), twice, (a); ld.param.b32 %v, [b]; }
st.global.u32 [%p], %v; ret; }
'''
SASS = b"\x7fELF" + bytes(range(61))
"""


def run(script: str) -> None:
    on_cpu(ARCHIVES + textwrap.dedent(script))


def test_members_with_ptx_are_linked() -> None:
    run("""
    p = d.cuMemAlloc(4)
    for members in ([("twice.ptx", TWICE)], [("sass.o", SASS), ("a_name_of_more_than_fifteen.o", TWICE), ("b.txt", b"odd")]):
        k = d.cuModuleGetFunction(linked(USER, archive(*members)), "k")
        d.cuMemsetD32(p, 21, 1)
        d.cuLaunchKernel(k, 1, 1, 1, 1, 1, 1, 0, None, (p,))
        back = bytearray(4)
        d.cuMemcpyDtoH(back, p, 4)
        assert int.from_bytes(back, "little") == 42
    # machine code defines nothing: the function is missing
    assert name(linked, USER, archive(("sass.o", SASS))) in ("CUDA_ERROR_NO_BINARY_FOR_GPU", "CUDA_ERROR_INVALID_PTX")
    """)


def test_the_grid_barrier_of_the_device_runtime() -> None:
    run("""
    SYNC = HEAD + b'''.extern .func (.param .b64 h) cudaCGGetIntrinsicHandle(.param .b32 s);
    .extern .func (.param .b32 r) cudaCGSynchronize(.param .b64 h, .param .b32 f);
    .visible .entry k(.param .u64 p, .param .u64 out)
    { .reg .b32 %i, %t, %n, %v, %s, %turn; .reg .b64 %p, %q, %o, %h; .reg .pred %more;
    ld.param.u64 %p, [p]; ld.param.u64 %q, [out]; mov.u32 %i, %ctaid.x; mov.u32 %t, %tid.x; mov.u32 %n, %ntid.x; mad.lo.u32 %i, %i, %n, %t;
    { .param .b32 a; .param .b64 b; st.param.b32 [a], 1; call.uni (b), cudaCGGetIntrinsicHandle, (a); ld.param.b64 %h, [b]; }
    mul.wide.u32 %o, %i, 4; add.u64 %q, %q, %o; mov.u32 %turn, 0; mov.u32 %s, 0;
    TURN: atom.global.add.u32 %v, [%p], 1;
    { .param .b64 a; .param .b32 b; .param .b32 c; st.param.b64 [a], %h; st.param.b32 [b], 0;
      call.uni (c), cudaCGSynchronize, (a, b); ld.param.b32 %n, [c]; }
    ld.volatile.global.u32 %v, [%p]; add.u32 %s, %s, %v; add.u32 %s, %s, %n;
    { .param .b64 a; .param .b32 b; .param .b32 c; st.param.b64 [a], %h; st.param.b32 [b], 0;
      call.uni (c), cudaCGSynchronize, (a, b); ld.param.b32 %n, [c]; }
    add.u32 %turn, %turn, 1; setp.lt.u32 %more, %turn, 3; @%more bra TURN;
    st.global.u32 [%q], %s; ret; }
    '''
    runtime = archive(("cuda_device_runtime.o", SASS))
    k = d.cuModuleGetFunction(linked(SYNC, runtime, runtime), "k")
    p, out, back = d.cuMemAlloc(4), d.cuMemAlloc(4 * 640), bytearray(4 * 640)
    def sums(launch, ctas):
        d.cuMemsetD32(p, 0, 1)
        launch(k, ctas, 1, 1, 64, 1, 1, 0, None, (p, out))
        d.cuMemcpyDtoH(back, out, 256 * ctas)
        return set(memoryview(back).cast("I")[:64 * ctas])
    for ctas in (1, 7, 10):
        assert sums(d.cuLaunchCooperativeKernel, ctas) == {(1 + 2 + 3) * 64 * ctas}
    # without a cooperative launch there is no grid to wait for: both calls of each turn say so and return
    seen = sums(d.cuLaunchKernel, 1)
    assert all(3 <= s <= 3 + 3 * 64 * 3 for s in seen)
    """)


def test_damaged_archives_are_refused() -> None:
    run("""
    whole = archive(("a_name_of_more_than_fifteen.o", TWICE), ("b.txt", b"odd"))
    refused = 0
    for cut in range(8, len(whole)):
        try:
            linked(USER, whole[:cut])
        except cubind.CudaError as error:
            refused += error.name == "CUDA_ERROR_INVALID_IMAGE"
    assert refused > len(whole) - 80
    import random
    r = random.Random(1)
    for _ in range(200):
        broken = bytearray(whole)
        for _ in range(4):
            broken[r.randrange(8, 200)] = r.randrange(256)
        try:
            linked(USER, bytes(broken))
        except cubind.CudaError:
            pass
    """)
