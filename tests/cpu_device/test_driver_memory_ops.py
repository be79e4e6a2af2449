"""Operations of streams on words of memory: waits, writes, batches, reductions; in streams, captures and graphs."""

from __future__ import annotations

import textwrap

from tests.helpers.cpu import on_cpu

HELPERS = """
import threading, time
GEQ, EQ, AND, NOR, FLUSH = 0, 1, 2, 3, 1 << 30
T = d.CUstreamBatchMemOpType
W32, S32, W64, S64, FENCE, REDUCE = 1, 2, 4, 5, 6, 8
def wait(kind, p, value, flags): return {"waitValue": {"operation": kind, "address": p, "value64": value, "flags": flags}}
def write(kind, p, value): return {"writeValue": {"operation": kind, "address": p, "value64": value}}
def fence(flags=0): return {"memoryBarrier": {"operation": FENCE, "flags": flags}}
def reduce(how, kind, p, value):
    return {"atomicReduction": {"operation": REDUCE, "reductionOp": how, "dataType": kind, "address": p, "value": value}}
def ops(*fields): return [d.CUstreamBatchMemOpParams(**f) for f in fields]
def batch(stream, *fields): d.cuStreamBatchMemOp(stream, None, ops(*fields), 0)
def word(p, n=4):
    room = bytearray(n)
    d.cuMemcpyDtoHAsync(room, p, n, side)
    d.cuStreamSynchronize(side)
    return int.from_bytes(room, "little")
side, s, t = (d.cuStreamCreate(1) for _ in range(3))
p = d.cuMemAlloc(64)
d.cuMemsetD32(p, 0, 16)
d.cuCtxSynchronize()  # the streams do not wait for the legacy default stream
"""


def run(script: str, **changes: str) -> None:
    on_cpu(HELPERS + textwrap.dedent(script), **changes)


def test_a_wait_is_met_by_a_write_a_kernel_or_a_copy() -> None:
    run("""
    def write_value(): d.cuStreamWriteValue32(t, p, 7, 0)
    def by_kernel(): launch("fill", p, 7, 1, stream=t)
    def by_copy(): d.cuMemcpyHtoDAsync(p, (7).to_bytes(4, "little"), 4, t)
    for meet in (write_value, by_kernel, by_copy):
        d.cuMemsetD32Async(p, 0, 2, side); d.cuStreamSynchronize(side)
        d.cuStreamWaitValue32(s, p, 7, EQ)
        d.cuStreamWriteValue64(s, p + 8, 1 << 40, 0)
        time.sleep(0.01)
        assert not d.cuStreamQuery(s) and word(p + 8, 8) != 1 << 40
        meet()
        d.cuStreamSynchronize(s)
        assert word(p + 8, 8) == 1 << 40
        d.cuMemsetD32Async(p + 8, 0, 2, side)
    assert d.cuDeviceGetAttribute(d.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS, 0) == 1
    """)


def test_what_each_condition_means() -> None:
    run("""
    cases = [(GEQ, lambda v, w, n: (v - w) % 2**n < 2**(n - 1)), (EQ, lambda v, w, n: v == w),
             (AND, lambda v, w, n: v & w != 0), (NOR, lambda v, w, n: ~(v | w) % 2**n != 0)]
    for size, waits, writes in ((4, d.cuStreamWaitValue32, d.cuStreamWriteValue32), (8, d.cuStreamWaitValue64, d.cuStreamWriteValue64)):
        n = 8 * size
        odd = [0, 1, 2, 5, 2**(n - 1) - 1, 2**(n - 1), 2**(n - 1) + 1, 2**n - 2, 2**n - 1]
        for flags, model in cases:
            for value in odd:
                for wanted in odd:
                    writes(s, p, value, 0)
                    d.cuStreamSynchronize(s)
                    waits(s, p, wanted, flags)
                    expected = model(value, wanted, n)
                    if expected:
                        d.cuStreamSynchronize(s)
                        continue
                    if (value, wanted) in ((odd[3], odd[7]), (odd[0], odd[2])):   # a few: they take time
                        time.sleep(0.002)
                        assert not d.cuStreamQuery(s), (flags, value, wanted)
                    meets = [v for v in odd if model(v, wanted, n)]
                    if not meets:                                                  # AND with nothing, NOR with everything
                        assert (flags, wanted) in ((AND, 0), (NOR, 2**n - 1))
                        cubind.cpu.interrupt()
                        assert name(d.cuStreamSynchronize, s) == "CUDA_ERROR_LAUNCH_FAILED"
                        d.cuDevicePrimaryCtxReset(0)
                        d.cuCtxSetCurrent(d.cuDevicePrimaryCtxRetain(0))
                        side, s, t = (d.cuStreamCreate(1) for _ in range(3))
                        p = d.cuMemAlloc(64)
                        continue
                    writes(side, p, meets[0], 0)
                    d.cuStreamSynchronize(s)
    """)


def test_batches_and_reductions() -> None:
    run("""
    batch(s, write(S32, p, 0xFFFFFFFF), fence(), fence(1), write(S64, p + 8, 5), reduce(0, 14, p, 3), reduce(0, 22, p + 8, 2**64 - 6),
          reduce(6, 14, p, 0xF0), reduce(5, 14, p, 0xB2), wait(W32, p, 0xB2, EQ), reduce(6, 22, p + 8, 0), reduce(5, 22, p + 8, 2**63),
          write(S32, p + 16, 9))
    d.cuStreamSynchronize(s)
    found = [word(p), word(p + 4), word(p + 8, 8), word(p + 16)]
    assert found == [0xF2 & 0xB2, 0, 2**63, 9], found
    many = [reduce(0, 14, p + 20, 1)] * 256
    batch(s, *many)
    d.cuStreamSynchronize(s)
    assert word(p + 20) == 256
    bad = {
        "CUDA_ERROR_INVALID_VALUE": [many * 2, [{"pad": [7, 0, 0, 0, 0, 0]}], [{"pad": [99, 0, 0, 0, 0, 0]}], [reduce(1, 14, p, 1)], [reduce(0, 15, p, 1)], [fence(2)], [wait(W32, p, 1, 4)],
                                     [wait(W32, p + 1, 1, EQ)], [wait(W64, p + 4, 1, EQ)], [write(S32, 0, 1)], [write(S32, p + 64, 1)],
                                     [write(S32, p, 1), write(S32, 16, 1)], []],
        "CUDA_ERROR_NOT_SUPPORTED": [[wait(W32, p, 1, EQ | FLUSH)], [{"flushRemoteWrites": {"operation": 3}}]],
    }
    d.cuStreamWriteValue32(s, p, 77, 0)
    for status, lists in bad.items():
        for fields in lists:
            assert name(batch, s, *fields) == status, fields
    assert name(d.cuStreamWriteValue32, s, p, 1, 1) == "CUDA_ERROR_NOT_SUPPORTED"
    assert name(d.cuStreamWriteValue32, s, p, 1, 2) == "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuStreamWriteValue32, s, d.cuMemAllocManaged(4, 1), 1, 0) == "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuStreamBatchMemOp, s, 1, ops(fence()), 1) == "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuStreamWaitValue32, 12345, p, 1, EQ) == "CUDA_ERROR_INVALID_HANDLE"
    d.cuStreamSynchronize(s)
    assert word(p) == 77
    """)


def test_the_host_meets_a_wait_in_pinned_memory() -> None:
    run("""
    import ctypes
    h = d.cuMemHostAlloc(8, d.CU_MEMHOSTALLOC_DEVICEMAP)
    flag = ctypes.c_uint32.from_address(h)
    flag.value = 0
    d.cuStreamWaitValue32(s, d.cuMemHostGetDevicePointer(h, 0), 3, GEQ)
    threading.Timer(0.05, lambda: setattr(flag, "value", 4)).start()
    d.cuStreamSynchronize(s)
    assert flag.value == 4
    """)


def test_a_wait_that_nothing_meets_can_be_ended() -> None:
    run("""
    d.cuStreamWaitValue32(s, p, 1, EQ)
    threading.Timer(0.1, cubind.cpu.interrupt).start()
    assert name(d.cuStreamSynchronize, s) == "CUDA_ERROR_LAUNCH_FAILED"
    # a context that ends does not wait for ever either
    d.cuDevicePrimaryCtxReset(0)
    d.cuCtxSetCurrent(d.cuDevicePrimaryCtxRetain(0))
    s, p = d.cuStreamCreate(1), d.cuMemAlloc(4)
    d.cuMemsetD32(p, 0, 1)
    d.cuCtxSynchronize()                               # the stream waits for no other
    d.cuStreamWaitValue32(s, p, 1, EQ)
    start = time.monotonic()
    d.cuDevicePrimaryCtxReset(0)
    assert time.monotonic() - start < 20
    """)


def test_memory_freed_under_a_wait() -> None:
    run("""
    q = d.cuMemAllocAsync(4, side)
    d.cuMemsetD32Async(q, 0, 1, side)
    d.cuStreamSynchronize(side)
    d.cuStreamWaitValue32(s, q, 1, EQ)
    d.cuMemFreeAsync(q, side)
    d.cuStreamSynchronize(side)
    d.cuMemPoolTrimTo(d.cuDeviceGetDefaultMemPool(0), 0)
    assert name(d.cuStreamSynchronize, s) == "CUDA_ERROR_ILLEGAL_ADDRESS"
    """)


def test_captured_and_added_to_graphs() -> None:
    run("""
    d.cuStreamBeginCapture(s, 2)
    d.cuStreamWaitValue32(s, p, 5, GEQ)
    batch(s, write(S32, p + 4, 6), fence(), reduce(0, 14, p + 8, 10))
    graph = d.cuStreamEndCapture(s)
    nodes = d.cuGraphGetNodes(graph)
    kind = d.CUgraphNodeType.CU_GRAPH_NODE_TYPE_BATCH_MEM_OP
    assert [d.cuGraphNodeGetType(n) for n in nodes] == [kind] * 2
    got = d.cuGraphBatchMemOpNodeGetParams(nodes[1])
    assert (got.count, got.flags, int(got.ctx)) == (3, 0, int(context))
    executable = d.cuGraphInstantiate(graph, 0)
    d.cuGraphLaunch(executable, s)
    time.sleep(0.01)
    assert not d.cuStreamQuery(s)
    d.cuStreamWriteValue32(t, p, 5, 0)
    d.cuStreamSynchronize(s)
    assert [word(p + 4), word(p + 8)] == [6, 10]
    # other operations for the executable, then for the graph's node
    P = d.CUDA_BATCH_MEM_OP_NODE_PARAMS
    d.cuGraphExecBatchMemOpNodeSetParams(executable, nodes[1], P(ctx=context, count=1, paramArray=ops(write(S32, p + 4, 60))))
    d.cuGraphLaunch(executable, s)
    d.cuStreamSynchronize(s)
    assert [word(p + 4), word(p + 8)] == [60, 10]
    d.cuGraphBatchMemOpNodeSetParams(nodes[1], P(ctx=context, count=1, paramArray=ops(write(S64, p + 16, 61))))
    d.cuGraphExecUpdate(executable, graph)
    d.cuGraphLaunch(executable, s)
    d.cuStreamSynchronize(s)
    assert [word(p + 4), word(p + 16, 8)] == [60, 61]
    # made by hand, with a node that depends on it
    other = d.cuGraphCreate(0)
    first = d.cuGraphAddBatchMemOpNode(other, None, 0, P(ctx=context, count=2, paramArray=ops(write(S32, p, 1), write(S32, p + 4, 2))))
    second = d.cuGraphAddBatchMemOpNode(other, [first], 1, P(ctx=context, count=1, paramArray=ops(reduce(0, 14, p, 40))))
    copy = d.cuGraphClone(other)
    for made in (other, copy):
        e = d.cuGraphInstantiate(made, 0)
        d.cuGraphLaunch(e, s)
        d.cuStreamSynchronize(s)
        assert [word(p), word(p + 4)] == [41, 2]
        d.cuGraphExecDestroy(e)
    bad = P(ctx=context, count=1, paramArray=ops(write(S32, 64, 1)))
    assert name(d.cuGraphAddBatchMemOpNode, other, None, 0, bad) == "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuGraphBatchMemOpNodeSetParams, first, bad) == "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuGraphAddBatchMemOpNode, other, None, 0, None) == "CUDA_ERROR_INVALID_VALUE"
    """)
