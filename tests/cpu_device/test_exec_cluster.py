"""Clusters: CTAs that run together, their barrier, each other's shared memory, and launches with cluster sizes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cpu_device.exec_access import HEAD, Fault, LoadError, machine
from tests.cpu_device.exec_kernels import CLUSTERS
from tests.cpu_device.test_ptx_parser import compile_cuda
from tests.helpers.cpu import on_cpu

RNG = np.random.default_rng(5)
HOPPER = HEAD.replace("sm_80", "sm_90")


@pytest.fixture(scope="module", params=(90, 120))
def compiled(request):
    pytest.importorskip("nvidia.cu13", reason="NVRTC compiles the kernels")
    return machine().load(compile_cuda("clusters", CLUSTERS, request.param), cc=120)


def words(address, n, dtype="u4"):
    return np.frombuffer(machine().read(address, n * np.dtype(dtype).itemsize), dtype)


@pytest.mark.parametrize("threads", (1, 2))
@pytest.mark.parametrize("size", (1, 2, 8, 16))
def test_sums_out_of_other_blocks(compiled, size, threads):
    x = RNG.integers(-1000, 1000, 16 * 96).astype("i4")
    out = machine().buffer(bytes(4 * 16))
    compiled.run("sums", 16, 96, machine().buffer(x.tobytes()), out, cluster=(size, 1, 1), threads=threads)
    assert words(out, 16, "i4").tolist() == np.repeat(x.reshape(16 // size, -1).sum(1), size).tolist()


def test_special_registers_of_a_compiled_size(compiled):
    out = machine().buffer(bytes(4 * 8 * 16))
    compiled.run("fixed", (8, 2), 32, out)
    want = [[k % 4, 4, k % 4, 4, 128, k % 8 // 4, 2, 1] for k in range(16)]
    assert words(out, 128).reshape(16, 8).tolist() == want
    with pytest.raises(Fault) as refused:
        compiled.run("fixed", 8, 32, out, cluster=(2, 1, 1))
    assert refused.value.code == 912


def test_atomics_in_other_blocks(compiled):
    x = RNG.integers(0, 8 * 32, 3000).astype("u4")
    out = machine().buffer(bytes(4 * 256))
    compiled.run("spread", 8, 32, machine().buffer(x.tobytes()), out, len(x), shared=128, cluster=(8, 1, 1))
    assert words(out, 256).tolist() == np.bincount(x, minlength=256).tolist()


def test_split_barrier_and_a_ring(compiled):
    out = machine().buffer(bytes(32))
    compiled.run("ring", 4, 33, out, cluster=(4, 1, 1))
    assert words(out, 8).tolist() == [103, 1, 100, 1, 101, 1, 102, 1]


def test_shared_memory_of_a_block_that_ended(compiled):
    with pytest.raises(Fault) as gone:
        compiled.run("leaves", 2, 32, machine().buffer(bytes(8)), cluster=(2, 1, 1))
    assert gone.value.code == 700 and "rank 1 has ended" in gone.value.nearest


def kernel(body, declarations="", directives=""):
    return f"""{HOPPER}
.visible .entry k(.param .u64 dst) {directives} {{
.reg .b64 %o, %off, %l<8>; .reg .b32 %i, %d, %r, %b, %x<8>; .reg .pred %p<8>; .shared .align 8 .b32 s[64]; {declarations}
ld.param.u64 %o, [dst]; mov.u32 %i, %tid.x; mov.u32 %r, %cluster_ctarank; mov.u32 %b, %ctaid.x; mov.u32 %d, 0;
{body}
mov.u32 %x7, %ntid.x; mad.lo.u32 %x7, %x7, %b, %i; mul.wide.u32 %off, %x7, 4; add.u64 %o, %o, %off;
st.global.u32 [%o], %d; ret; }}"""


def run(body, grid=4, block=32, cluster=(4, 1, 1), **more):
    m = machine()
    out = m.buffer(bytes(4 * int(np.prod(grid)) * block))
    m.load(kernel(body, **more), cc=90).run("k", grid, block, out, cluster=cluster)
    return words(out, int(np.prod(grid)) * block).tolist()


MEET = "barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;"


def test_ranks_in_three_dimensions():
    body = """mov.u32 %x0, %cluster_ctaid.x; mov.u32 %x1, %cluster_ctaid.y; mov.u32 %x2, %cluster_ctaid.z;
        mov.u32 %x3, %ctaid.x; mov.u32 %x4, %ctaid.y; mov.u32 %x5, %ctaid.z; mad.lo.u32 %b, %x4, 4, %x3;
        mad.lo.u32 %b, %x5, 16, %b; shl.b32 %x1, %x1, 4; shl.b32 %x2, %x2, 8; or.b32 %d, %x0, %x1; or.b32 %d, %d, %x2;
        shl.b32 %r, %r, 12; or.b32 %d, %d, %r; mov.u32 %x0, %cluster_nctarank; shl.b32 %x0, %x0, 20; or.b32 %d, %d, %x0;"""
    got = run(body, grid=(4, 4, 2), block=1, cluster=(2, 2, 2))
    want = []
    for z in range(2):
        for y in range(4):
            for x in range(4):
                at = (x % 2, y % 2, z % 2)
                rank = at[0] + 2 * at[1] + 4 * at[2]
                want.append(at[0] | at[1] << 4 | at[2] << 8 | rank << 12 | 8 << 20)
    assert got == want


def test_addresses():
    """mapa and getctarank, shared::cluster and generic; isspacep of the own and of another CTA's memory."""
    body = f"""mov.u32 %x0, s; mul.lo.u32 %x1, %r, 10; st.shared.u32 [%x0+4], %x1; {MEET}
        xor.b32 %x2, %r, 1; mapa.shared::cluster.u32 %x3, %x0, %x2; ld.shared::cluster.u32 %x4, [%x3+4];
        getctarank.shared::cluster.u32 %x5, %x3; cvt.u64.u32 %l0, %x0; cvta.shared.u64 %l1, %l0;
        mapa.u64 %l2, %l1, %x2; ld.u32 %x6, [%l2+4]; add.u32 %d, %x4, %x6; shl.b32 %x5, %x5, 8; or.b32 %d, %d, %x5;
        isspacep.shared::cta %p0, %l1; isspacep.shared::cta %p1, %l2; isspacep.shared::cluster %p2, %l2;
        isspacep.global %p3, %l2; isspacep.shared::cluster %p4, %o; mapa.u64 %l3, %l1, %r; isspacep.shared %p5, %l3;
        @%p0 or.b32 %d, %d, 0x10000; @%p1 or.b32 %d, %d, 0x20000; @%p2 or.b32 %d, %d, 0x40000;
        @%p3 or.b32 %d, %d, 0x80000; @%p4 or.b32 %d, %d, 0x100000; @%p5 or.b32 %d, %d, 0x200000; {MEET}"""
    assert run(body, block=1) == [2 * 10 * (r ^ 1) | (r ^ 1) << 8 | 0x250000 for r in range(4)]


def test_arrivals_from_other_blocks():
    """Every thread arrives at the mbarrier of block 0, with an arrival, a drop, or bytes that it stores there."""
    body = f"""mov.u32 %x0, s; setp.ne.u32 %p0, %i, 0; @%p0 bra A; mbarrier.init.shared.b64 [%x0], 128;
        mbarrier.init.shared.b64 [%x0+8], 1; setp.ne.u32 %p1, %r, 0;
        @!%p1 mbarrier.arrive.expect_tx.relaxed.cluster.shared::cta.b64 _, [%x0+8], 64;
        fence.mbarrier_init.release.cluster; A: {MEET}
        mapa.shared::cluster.u32 %x1, %x0, 0; setp.lt.u32 %p2, %i, 16; @!%p2 bra B;
        mbarrier.arrive_drop.release.cluster.shared::cluster.b64 _, [%x1]; bra C;
        B: mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%x1], 1; C: @%p0 bra D;
        mad.lo.u32 %x2, %r, 16, %x1; mov.b64 %l0, {{%r, %b}}; add.u64 %l1, %l0, 7;
        st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.b64 [%x2+16], {{%l0, %l1}}, [%x1+8];
        D: setp.ne.u32 %p1, %r, 0; @%p1 bra E;
        W: mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p3, [%x0], 0, 100; @!%p3 bra W;
        V: mbarrier.test_wait.parity.acquire.cluster.shared::cta.b64 %p3, [%x0+8], 0; @!%p3 bra V;
        and.b32 %x3, %i, 15; mad.lo.u32 %x3, %x3, 4, %x0; ld.shared.u32 %d, [%x3+16];
        mbarrier.arrive.shared.b64 %l2, [%x0]; mbarrier.pending_count.b64 %x4, %l2; mad.lo.u32 %d, %x4, 1000, %d;
        E: {MEET}"""
    got = run(body)
    stored = [word for r in range(4) for word in (r, r, r + 7, r)]
    # 64 threads dropped out of 128; the 32 of block 0 arrive one after the other in the next phase
    assert [g % 1000 for g in got[:32]] == stored + stored
    assert sorted(g // 1000 for g in got[:32]) == list(range(33, 65)) and not any(got[32:])


def test_barrier_counts_threads_that_ended():
    body = f"""setp.ge.u32 %p0, %i, 40; @%p0 exit; mov.u32 %x0, s; st.shared.u32 [%x0], %b; {MEET}
        mapa.shared::cluster.u32 %x1, %x0, 0; ld.shared::cluster.u32 %d, [%x1]; add.u32 %d, %d, 1; {MEET}"""
    assert run(body, block=64) == ([1] * 40 + [0] * 24) * 4


@pytest.mark.parametrize(
    ("body", "code", "what"),
    [
        ("barrier.cluster.wait;", 715, "without barrier.cluster.arrive"),
        ("barrier.cluster.arrive; barrier.cluster.arrive;", 715, "a second time"),
        # one CTA never comes: it waits at a barrier of its own instead
        (
            "setp.eq.u32 %p0, %r, 1; @%p0 bra E; "
            + MEET
            + "bra F; E: setp.lt.u32 %p1, %i, 16; @%p1 bar.sync 1, 64; F:",
            719,
            "barrier that not all threads reach",
        ),
        ("mov.u32 %x0, s; mapa.shared::cluster.u32 %x1, %x0, 4;", 715, "rank 4 in a cluster of 4"),
        ("mapa.u64 %l0, %o, 0;", 717, "outside shared memory"),
        ("mov.u32 %x0, s; add.u32 %x0, %x0, 0x2000000; ld.shared.u32 %d, [%x0];", 700, "outside shared"),
        ("mov.u32 %x0, 0x9000000; ld.shared::cluster.u32 %d, [%x0];", 700, "outside shared"),
        ("mov.u32 %x0, s; mapa.shared::cluster.u32 %x0, %x0, 1; ld.shared::cluster.u32 %d, [%x0+256];", 700, "outside"),
    ],
)
def test_defects(body, code, what):
    with pytest.raises(Fault) as fault:
        run(body, block=32)
    assert fault.value.code == code and what in fault.value.what, fault.value


def test_sizes_that_are_refused():
    text = kernel("")
    m = machine()
    out = m.buffer(bytes(4096))
    module = m.load(text, cc=90)
    for grid, cluster, code in ((8, (3, 1, 1), 1), (32, (32, 1, 1), 912), (16, (4, 2, 1), 1), ((4, 6), (2, 4, 1), 1)):
        with pytest.raises(Fault) as fault:
            module.run("k", grid, 1, out, cluster=cluster)
        assert fault.value.code == code, (grid, cluster)
    explicit = m.load(kernel("", directives=".explicitcluster"), cc=90)
    with pytest.raises(Fault) as fault:
        explicit.run("k", 4, 1, out)
    assert fault.value.code == 912
    explicit.run("k", 4, 1, out, cluster=(2, 1, 1))


def test_orders_that_do_not_exist():
    for bad in ("barrier.cluster.arrive.acquire;", "barrier.cluster.wait.release;", "barrier.cluster.sync;"):
        with pytest.raises(LoadError):
            machine().load(kernel(bad), cc=90)


def test_through_the_driver() -> None:
    on_cpu(
        f"""
    text = {kernel("mov.u32 %d, %cluster_nctarank;")!r}
    fixed = text.replace("entry k(.param .u64 dst)", "entry k(.param .u64 dst) .reqnctapercluster 2, 1, 1")
    f, g = (d.cuModuleGetFunction(module(t), "k") for t in (text, fixed))
    A = d.CUfunction_attribute
    p = d.cuMemAlloc(64)
    def config(grid, *size):
        attributes = []
        if size:
            one = d.CUlaunchAttribute(id=d.CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
            one.value.clusterDim.x, one.value.clusterDim.y, one.value.clusterDim.z = size
            attributes = [one]
        return d.CUlaunchConfig(gridDimX=grid, gridDimY=1, gridDimZ=1, blockDimX=1, blockDimY=1, blockDimZ=1,
                                attrs=attributes, numAttrs=len(attributes))
    def go(f, grid, *size):
        answer = name(d.cuLaunchKernelEx, config(grid, *size), f, (p,))
        d.cuCtxSynchronize()
        return answer, words(p, grid)
    assert go(f, 4, 4, 1, 1) == ("CUDA_SUCCESS", [4] * 4)
    assert go(f, 4) == ("CUDA_SUCCESS", [1] * 4) and go(g, 4) == ("CUDA_SUCCESS", [2] * 4)
    assert go(g, 4, 4, 1, 1)[0] == "CUDA_ERROR_INVALID_CLUSTER_SIZE" and go(g, 3)[0] == "CUDA_ERROR_INVALID_VALUE"
    assert go(f, 16, 16, 1, 1)[0] == "CUDA_ERROR_INVALID_CLUSTER_SIZE"
    d.cuFuncSetAttribute(f, A.CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 1)
    assert go(f, 16, 16, 1, 1) == ("CUDA_SUCCESS", [16] * 16)
    assert d.cuOccupancyMaxPotentialClusterSize(f, config(16)) == 16 and d.cuOccupancyMaxPotentialClusterSize(g, config(16)) == 8
    active = d.cuOccupancyMaxActiveClusters(f, config(16, 4, 1, 1))
    assert active >= 2 and active // 2 == d.cuOccupancyMaxActiveClusters(f, config(16, 8, 1, 1)), active
    assert name(d.cuOccupancyMaxActiveClusters, f, config(16)) == "CUDA_ERROR_INVALID_CLUSTER_SIZE"
    assert name(d.cuOccupancyMaxActiveClusters, g, config(16, 4, 1, 1)) == "CUDA_ERROR_INVALID_CLUSTER_SIZE"
    sides = [A.CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH, A.CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT,
             A.CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH]
    assert [d.cuFuncGetAttribute(s, g) for s in sides] == [2, 1, 1] and [d.cuFuncGetAttribute(s, f) for s in sides] == [0] * 3
    assert name(d.cuFuncSetAttribute, g, sides[0], 4) == "CUDA_ERROR_NOT_PERMITTED"
    for side, n in zip(sides, (4, 1, 1)):
        d.cuFuncSetAttribute(f, side, n)
    assert go(f, 4) == ("CUDA_SUCCESS", [4] * 4)
    """,
        CPU_DEVICE_CC="9.0",
    )
