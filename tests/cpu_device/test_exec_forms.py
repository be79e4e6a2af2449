"""Every form that the device's tables have was executed by a test of this run; forms that go together with nothing are refused."""

from collections import defaultdict
from pathlib import Path

import pytest

from tests.cpu_device.exec_access import LEVELS, LoadError, machine
from tests.cpu_device.forms import all_forms, executed


def test_every_form_was_executed(request: pytest.FixtureRequest) -> None:
    files = {item.path.name for item in request.session.items}
    if any(file.name not in files for file in Path(__file__).parent.glob("test_exec_*.py")):
        pytest.skip("only together with all tests of instructions")
    machines = [machine(level) for level in LEVELS]
    missing = defaultdict(set)
    for opcode, types, modifier in all_forms(machines[-1]) - executed(machines):
        missing[opcode].add(".".join((opcode, *filter(None, (modifier, *types)))))
    assert not missing, "no test executes\n" + "\n".join(
        f"{len(v)} of {k}: {sorted(v)[:12]}" for k, v in missing.items()
    )


@pytest.mark.parametrize(
    "instruction",
    ["add.rn.u32 _, 1, 2", "add.sat.u32 _, 1, 2", "add.relu.f32 _, 0, 0", "mul.ftz.f64 _, 0, 0", "min.rn.f32 _, 0, 0", "div.approx.f64 _, 0, 0",
     "ex2.rn.f32 _, 0", "sin.f32 _, 0", "setp.hi.s32 %p, 1, 2", "setp.equ.u32 %p, 1, 2", "setp.lt.b32 %p, 1, 2", "not.u32 _, 1", "mov.f16 _, 1",
     "bmsk.wrap.f64 _, 1, 1", "nanosleep.e4m3 1", "activemask.u32 _", "cvt.u8.rni.rzi.f32 _, 0", "cvt.f32.f64 _, 0", "cvt.f32.u32.rni _, 0",
     "cvt.rni.f32.u8 _, 0", "ld.acq_rel.gpu.u32 _, [0]", "ld.v8.u64 {_,_,_,_,_,_,_,_}, [0]", "ld.v2.b128 {_,_}, [0]", "ld.wt.u32 _, [0]",
     "st.nc.u32 [0], 1", "st.acquire.gpu.u32 [0], 1", "atom.nc.add.u32 _, [0], 1", "red.acquire.gpu.add.u32 [0], 1", "membar.gpu", "fence.add.gpu",
     # caches, state spaces, orders: what goes with which
     "ld.shared.L1::evict_last.u32 _, [0]", "ld.local.L2::128B.u32 _, [0]", "ld.const.L2::cache_hint.u32 _, [0], %d", "ld.volatile.local.u32 _, [0]",
     "ld.volatile.global.ca.u32 _, [0]", "ld.volatile.L1::evict_first.u32 _, [0]", "ld.ca.L1::evict_last.u32 _, [0]", "ld.L2::evict_last.u32 _, [0]",
     "ld.global.lu.nc.u32 _, [0]", "ld.weak.global.nc.u32 _, [0]", "ld.nc.u32 _, [0]", "ld.relaxed.gpu.local.u32 _, [0]", "ld.acquire.gpu.ca.u32 _, [0]",
     "ld.relaxed.gpu.shared.L2::64B.u32 _, [0]", "ld.mmio.relaxed.sys.v2.u32 {_,_}, [0]", "ld.mmio.acquire.sys.u32 _, [0]", "ld.shared.v4.b64 {_,_,_,_}, [0]",
     "ld.shared.u32 _, [0].unified", "st.u32 [0].unified, 1", "st.shared.L2::cache_hint.u32 [0], 1, %d", "st.wb.L1::evict_last.u32 [0], 1",
     "st.volatile.cg.u32 [0], 1", "st.release.gpu.local.u32 [0], 1", "st.L2::evict_first.v8.b16 [0], {1,1,1,1,1,1,1,1}", "st.volatile.L2::cache_hint.u32 [0], 1, %d",
     "atom.shared.add.L2::cache_hint.u32 _, [0], 1, %d", "atom.cas.L2::cache_hint.b32 _, [0], 1, 2, %d", "atom.shared.add.v2.f32 {_,_}, [0], {%f,%f}",
     "red.shared::cluster.or.L2::cache_hint.b32 [0], 1, %d", "cvt.sat.u32.u16 _, %h", "cvt.sat.s8.s8 _, %h", "cvt.rn.bf16.u8 _, %h", "cvt.rzi.s8.bf16 _, %h",
     "suld.b.1d.wb.b32.trap _, [%d, {1}]", "sust.b.2d.ca.b32.trap [%d, {1,1}], 1", "sured.b.add.1d.s64.trap [%d, {1}], %d", "sured.b.and.1d.u32.trap [%d, {1}], 1",
     "sured.b.add.a1d.u32.trap [%d, {1,1}], 1", "txq.level.array_size.b32 _, [%d], 1", "suq.normalized_coords.b32 _, [%d]",
     "mbarrier.arrive.b64 [0]", "mbarrier.arrive.release.b64 _, [0]", "mbarrier.arrive.cta.b64 _, [0]", "mbarrier.arrive.noComplete.release.cluster.b64 _, [0], 1",
     "mbarrier.arrive.expect_tx.noComplete.b64 _, [0], 1", "mbarrier.try_wait.acquire.b64 %p, [0], %d", "mbarrier.expect_tx.cluster.b64 [0], 16",
     "cp.async.ca.global.shared [%d], [%d], 4", "cp.async.bulk.global.shared::cta.mbarrier::complete_tx::bytes [0], [0], 16, [0]",
     "cp.async.bulk.shared::cta.global.bulk_group [0], [0], 16", "bar.sync 16", "bar.arrive 1", "barrier.arrive.aligned 1", "vote.any.pred %p, %p",
     "shfl.up.b32 _, 1, 1, 0", "match.any.sync.b32 _|%p, 1, -1", "fence.proxy.async.shared", "createpolicy.fractional.L2::evict_last.L2::evict_last.b64 %d",
     "discard.local.L2 [0], 128", "shfl.up.u32 _, 1, 1, 1", "redux.sync.add.b32 _, 1, 1", "bar.sync.popc 0", "ldmatrix.sync.aligned.row.m8n8.x1.b16 {_}, [0]"],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(instruction: str) -> None:
    text = f".version 8.8\n.target sm_100a\n.address_size 64\n.visible .entry k() {{ .reg .pred %p; .reg .b64 %d; .reg .b32 %f; .reg .b16 %h;\n{instruction}; ret; }}"
    with pytest.raises(LoadError) as refused:
        machine().load(text, cc=121)
    assert refused.value.status == 218 and "ptx:5:" in refused.value.log
