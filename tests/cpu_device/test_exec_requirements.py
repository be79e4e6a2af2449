"""Which PTX version and target an instruction needs: what a vendor's assembler answers, form by form, and OPCODES.md."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cpu_device.exec_access import DEVICE, LoadError, machine

INVALID_PTX, NOT_SUPPORTED = 218, 801
REGISTERS = """.reg .pred %p,%q,%p1; .reg .b16 %h<9>; .reg .b32 %r<40>; .reg .b64 %d<20>; .reg .f32 %f<20>; .reg .f64 %fd<20>;"""
# Instruction, the oldest .version and the oldest .target that it is accepted with; 6.3 and sm_75 where older ones were not tried.
FORMS = [
    ("add.f32.f16 %f0,%h0,%f1", "8.6", "sm_100"),
    ("add.rn.sat.f32.bf16 %f0,%h0,%f1", "8.6", "sm_100"),
    ("sub.f32.bf16 %f0,%h0,%f1", "8.6", "sm_100"),
    ("fma.rn.f32.f16 %f0,%h0,%h1,%f1", "8.6", "sm_100"),
    ("fma.rn.f32.bf16 %f0,%h0,%h1,%f1", "8.6", "sm_100"),
    ("add.f32x2 %d0,%d1,%d2", "8.6", "sm_100"),
    ("mul.f32x2 %d0,%d1,%d2", "8.6", "sm_100"),
    ("fma.rn.f32x2 %d0,%d1,%d2,%d3", "8.6", "sm_100"),
    ("add.bf16 %h0,%h1,%h2", "7.8", "sm_90"),
    ("add.f16 %h0,%h1,%h2", "6.3", "sm_75"),
    ("sub.bf16x2 %r0,%r1,%r2", "7.8", "sm_90"),
    ("mul.bf16 %h0,%h1,%h2", "7.8", "sm_90"),
    ("fma.rn.bf16 %h0,%h1,%h2,%h3", "7.0", "sm_80"),
    ("fma.rn.relu.f16 %h0,%h1,%h2,%h3", "7.0", "sm_80"),
    ("neg.f16 %h0,%h1", "6.3", "sm_75"),
    ("neg.bf16 %h0,%h1", "7.0", "sm_80"),
    ("abs.bf16x2 %r0,%r1", "7.0", "sm_80"),
    ("abs.f16 %h0,%h1", "6.5", "sm_75"),
    ("min.f16 %h0,%h1,%h2", "7.0", "sm_80"),
    ("min.NaN.f16 %h0,%h1,%h2", "7.0", "sm_80"),
    ("min.xorsign.abs.f16 %h0,%h1,%h2", "7.2", "sm_86"),
    ("min.bf16 %h0,%h1,%h2", "7.0", "sm_80"),
    ("min.NaN.f32 %f0,%f1,%f2", "7.0", "sm_80"),
    ("min.xorsign.abs.f32 %f0,%f1,%f2", "7.2", "sm_86"),
    ("min.f32 %f0,%f1,%f2,%f3", "8.8", "sm_100"),
    ("min.u16x2 %r0,%r1,%r2", "8.0", "sm_90"),
    ("min.relu.s32 %r0,%r1,%r2", "8.0", "sm_90"),
    ("min.relu.s16x2 %r0,%r1,%r2", "8.0", "sm_90"),
    ("add.u16x2 %r0,%r1,%r2", "8.0", "sm_90"),
    ("add.s16x2 %r0,%r1,%r2", "8.0", "sm_90"),
    ("tanh.approx.f32 %f0,%f1", "7.0", "sm_75"),
    ("tanh.approx.f16 %h0,%h1", "7.0", "sm_75"),
    ("tanh.approx.bf16 %h0,%h1", "7.8", "sm_90"),
    ("ex2.approx.f16 %h0,%h1", "7.0", "sm_75"),
    ("ex2.approx.ftz.bf16 %h0,%h1", "7.8", "sm_90"),
    ("lop3.b32 %r0,%r1,%r2,%r3,0x40", "6.3", "sm_75"),
    ("lop3.or.b32 %r0|%p,%r1,%r2,%r3,0x40,%q", "8.2", "sm_75"),
    ("lop3.and.b32 _|%p,%r1,%r2,%r3,0x40,%q", "8.2", "sm_75"),
    ("set.eq.u32.f16 %r0,%h1,%h2", "6.5", "sm_75"),
    ("set.eq.f16.f16 %h0,%h1,%h2", "6.3", "sm_75"),
    ("set.eq.f16x2.f16x2 %r0,%r1,%r2", "6.3", "sm_75"),
    ("set.lt.bf16x2.bf16x2 %r0,%r1,%r2", "7.8", "sm_90"),
    ("set.lt.and.f16x2.f16x2 %r0,%r1,%r2,%p", "6.3", "sm_75"),
    ("set.lt.u32.bf16 %r0,%h1,%h2", "7.8", "sm_90"),
    ("set.lt.bf16.bf16 %h0,%h1,%h2", "7.8", "sm_90"),
    ("set.lt.u16.f16 %h0,%h1,%h2", "6.5", "sm_75"),
    ("set.lt.u32.f16x2 %r0,%r1,%r2", "6.5", "sm_75"),
    ("set.lt.f16.f32 %h0,%f1,%f2", "6.3", "sm_75"),
    ("setp.lt.f16 %p,%h1,%h2", "6.3", "sm_75"),
    ("setp.lt.f16x2 %p|%q,%r1,%r2", "6.3", "sm_75"),
    ("setp.lt.f16x2 %p,%r1,%r2", "6.3", "sm_75"),
    ("setp.lt.bf16 %p,%h1,%h2", "7.8", "sm_90"),
    ("setp.lt.bf16x2 %p|%q,%r1,%r2", "7.8", "sm_90"),
    ("setp.lt.and.f16x2 %p|%q,%r1,%r2,%p1", "6.3", "sm_75"),
    ("redux.sync.add.s32 %r0,%r1,-1", "7.0", "sm_80"),
    ("redux.sync.min.f32 %f0,%f1,-1", "8.6", "sm_100a"),
    ("redux.sync.max.NaN.f32 %f0,%f1,-1", "8.6", "sm_100a"),
    ("cvt.rn.bf16.f32 %h0,%f1", "7.0", "sm_80"),
    ("cvt.rn.bf16x2.f32 %r0,%f1,%f2", "7.0", "sm_80"),
    ("cvt.rn.f16x2.f32 %r0,%f1,%f2", "7.0", "sm_80"),
    ("cvt.rn.relu.f16.f32 %h0,%f1", "7.0", "sm_80"),
    ("cvt.rn.relu.f16x2.f32 %r0,%f1,%f2", "7.0", "sm_80"),
    ("cvt.rn.satfinite.f16.f32 %h0,%f1", "8.1", "sm_75"),
    ("cvt.rn.satfinite.f16x2.f32 %r0,%f1,%f2", "8.1", "sm_80"),
    ("cvt.rn.satfinite.bf16x2.f32 %r0,%f1,%f2", "8.1", "sm_80"),
    ("cvt.rn.satfinite.bf16.f32 %h0,%f1", "8.1", "sm_80"),
    ("cvt.rz.bf16.f32 %h0,%f1", "7.0", "sm_80"),
    ("cvt.rna.tf32.f32 %r0,%f1", "7.0", "sm_80"),
    ("cvt.rna.satfinite.tf32.f32 %r0,%f1", "8.1", "sm_80"),
    ("cvt.rn.tf32.f32 %r0,%f1", "7.8", "sm_90"),
    ("cvt.rz.tf32.f32 %r0,%f1", "7.8", "sm_90"),
    ("cvt.rn.relu.tf32.f32 %r0,%f1", "7.8", "sm_90"),
    ("cvt.rn.satfinite.tf32.f32 %r0,%f1", "8.6", "sm_100"),
    ("cvt.rz.satfinite.tf32.f32 %r0,%f1", "8.6", "sm_100"),
    ("cvt.rn.relu.satfinite.tf32.f32 %r0,%f1", "8.6", "sm_100"),
    ("cvt.rn.satfinite.e4m3x2.f32 %h0,%f1,%f2", "7.8", "sm_89"),
    ("cvt.rn.satfinite.relu.e5m2x2.f32 %h0,%f1,%f2", "7.8", "sm_89"),
    ("cvt.rn.satfinite.e4m3x2.f16x2 %h0,%r1", "7.8", "sm_89"),
    ("cvt.rn.f16x2.e4m3x2 %r0,%h1", "7.8", "sm_89"),
    ("cvt.rn.relu.f16x2.e5m2x2 %r0,%h1", "7.8", "sm_89"),
    ("cvt.rn.satfinite.e2m3x2.f32 %h0,%f1,%f2", "8.6", "sm_100a"),
    ("cvt.rn.satfinite.e3m2x2.f32 %h0,%f1,%f2", "8.6", "sm_100a"),
    ("cvt.rn.f16x2.e2m3x2 %r0,%h1", "8.6", "sm_100a"),
    ("cvt.rn.f16x2.e3m2x2 %r0,%h1", "8.6", "sm_100a"),
    ("cvt.rz.satfinite.ue8m0x2.f32 %h0,%f1,%f2", "8.6", "sm_100a"),
    ("cvt.rp.satfinite.ue8m0x2.f32 %h0,%f1,%f2", "8.6", "sm_100a"),
    ("cvt.rp.ue8m0x2.f32 %h0,%f1,%f2", "8.6", "sm_100a"),
    ("cvt.rz.ue8m0x2.bf16x2 %h0,%r1", "8.6", "sm_100a"),
    ("cvt.rn.bf16x2.ue8m0x2 %r0,%h1", "8.6", "sm_100a"),
    ("cvt.f32.bf16 %f0,%h1", "7.1", "sm_80"),
    ("cvt.f64.bf16 %fd0,%h1", "7.8", "sm_90"),
    ("cvt.rn.bf16.f64 %h0,%fd1", "7.8", "sm_90"),
    ("cvt.rn.bf16.s32 %h0,%r1", "7.8", "sm_90"),
    ("cvt.rni.s32.bf16 %r0,%h1", "7.8", "sm_90"),
    ("cvt.rn.f16.bf16 %h0,%h1", "7.8", "sm_90"),
    ("cvt.rn.bf16.f16 %h0,%h1", "7.8", "sm_90"),
    ("cvt.rni.bf16.bf16 %h0,%h1", "7.8", "sm_90"),
    ("cvt.rni.f16.f16 %h0,%h1", "6.3", "sm_75"),
    ("cvt.pack.sat.u16.s32 %r0,%r1,%r2", "6.5", "sm_75"),
    ("cvt.pack.sat.s8.s32.b32 %r0,%r1,%r2,%r3", "6.5", "sm_75"),
    ("cvt.pack.sat.s4.s32.b32 %r0,%r1,%r2,%r3", "6.5", "sm_75"),
    ("cvt.pack.sat.u2.s32.b32 %r0,%r1,%r2,%r3", "6.5", "sm_75"),
    ("dp2a.lo.s32.u32 %r0,%r1,%r2,%r3", "6.3", "sm_75"),
    ("dp4a.s32.u32 %r0,%r1,%r2,%r3", "6.3", "sm_75"),
    ("fns.b32 %r0,%r1,%r2,%r3", "6.3", "sm_75"),
    ("bmsk.clamp.b32 %r0,%r1,%r2", "7.6", "sm_75"),
    ("szext.wrap.u32 %r0,%r1,%r2", "7.6", "sm_75"),
    ("isspacep.global %p,%d0", "6.3", "sm_75"),
    ("isspacep.param %p,%d0", "7.7", "sm_75"),
    ("isspacep.param::entry %p,%d0", "8.3", "sm_75"),
    ("isspacep.const %p,%d0", "6.3", "sm_75"),
    ("isspacep.shared::cta %p,%d0", "7.8", "sm_75"),
    ("isspacep.shared::cluster %p,%d0", "7.8", "sm_90"),
    ("isspacep.shared %p,%r0", "6.3", "sm_75"),
    ("brkpt", "6.3", "sm_75"),
    ("bar.warp.sync -1", "6.3", "sm_75"),
    ("setmaxnreg.inc.sync.aligned.u32 64", "8.0", "sm_90a"),
    ("griddepcontrol.wait", "7.8", "sm_90"),
    ("griddepcontrol.launch_dependents", "7.8", "sm_90"),
    ("createpolicy.fractional.L2::evict_last.b64 %d0,1.0", "7.4", "sm_80"),
    ("createpolicy.fractional.L2::evict_first.L2::evict_unchanged.b64 %d0,0.5", "7.4", "sm_80"),
    ("createpolicy.range.global.L2::evict_last.L2::evict_first.b64 %d0,[%d1],%r0,%r1", "7.4", "sm_80"),
    ("createpolicy.cvt.L2.b64 %d0,%d1", "7.4", "sm_80"),
    ("applypriority.global.L2::evict_normal [%d0],128", "7.4", "sm_80"),
    ("discard.global.L2 [%d0],128", "7.4", "sm_80"),
    ("prefetch.global.L2 [%d0]", "6.3", "sm_75"),
    ("prefetch.global.L2::evict_last [%d0]", "7.4", "sm_80"),
    ("prefetch.L1 [%d0]", "6.3", "sm_75"),
    ("prefetchu.L1 [%d0]", "6.3", "sm_75"),
    ("ld.global.L2::cache_hint.u32 %r0,[%d0],%d1", "7.4", "sm_80"),
    ("st.global.L2::cache_hint.u32 [%d0],%r0,%d1", "7.4", "sm_80"),
    ("ld.global.L1::evict_last.L2::128B.u32 %r0,[%d0]", "7.4", "sm_75"),
    ("ld.global.nc.L1::no_allocate.v4.f32 {%f0,%f1,%f2,%f3},[%d0]", "7.4", "sm_75"),
    ("ld.global.v8.f32 {%f0,%f1,%f2,%f3,%f4,%f5,%f6,%f7},[%d0]", "8.8", "sm_100"),
    ("ld.global.v4.f64 {%fd0,%fd1,%fd2,%fd3},[%d0]", "8.8", "sm_100"),
    ("ld.global.b128 %Q0,[%d0]", "8.3", "sm_75"),
    ("atom.global.cas.b128 %Q0,[%d0],%Q1,%Q2", "8.3", "sm_90"),
    ("atom.global.exch.b128 %Q0,[%d0],%Q1", "8.3", "sm_90"),
    ("atom.global.cas.b16 %h0,[%d0],%h1,%h2", "6.3", "sm_75"),
    ("atom.add.noftz.f16 %h0,[%d0],%h1", "6.3", "sm_75"),
    ("atom.add.noftz.f16x2 %r0,[%d0],%r1", "6.3", "sm_75"),
    ("atom.add.noftz.bf16 %h0,[%d0],%h1", "7.8", "sm_90"),
    ("atom.global.v2.f32.add {%f0,%f1},[%d0],{%f2,%f3}", "8.1", "sm_90"),
    ("atom.global.add.v2.f32 {%f0,%f1},[%d0],{%f2,%f3}", "8.1", "sm_90"),
    ("atom.global.v4.f32.add {%f0,%f1,%f4,%f5},[%d0],{%f2,%f3,%f6,%f7}", "8.1", "sm_90"),
    (
        "atom.global.v8.f16.add.noftz {%h0,%h1,%h2,%h3,%h4,%h5,%h6,%h7},[%d0],{%h0,%h1,%h2,%h3,%h4,%h5,%h6,%h7}",
        "8.1",
        "sm_90",
    ),
    ("atom.global.v2.f16x2.min.noftz {%r0,%r1},[%d0],{%r2,%r3}", "8.1", "sm_90"),
    ("atom.global.v4.bf16x2.max.noftz {%r0,%r1,%r2,%r3},[%d0],{%r2,%r3,%r5,%r6}", "8.1", "sm_90"),
    ("red.global.add.v2.f32 [%d0],{%f2,%f3}", "8.1", "sm_90"),
    ("red.global.v4.f32.add [%d0],{%f2,%f3,%f4,%f5}", "8.1", "sm_90"),
    ("red.global.v2.bf16x2.add.noftz [%d0],{%r2,%r3}", "8.1", "sm_90"),
    ("red.global.v4.f16.max.noftz [%d0],{%h2,%h3,%h4,%h5}", "8.1", "sm_90"),
    ("atom.global.add.L2::cache_hint.u32 %r0,[%d0],%r1,%d2", "7.4", "sm_80"),
    ("red.global.add.noftz.L2::cache_hint.bf16x2 [%d0],%r1,%d2", "7.8", "sm_90"),
    ("atom.global.relaxed.gpu.add.u32 %r0,[%d0],%r1", "6.3", "sm_75"),
    ("vadd.s32.u32.s32 %r0,%r1,%r2", "6.3", "sm_75"),
    ("vadd.s32.u32.s32.sat.add %r0,%r1.b0,%r2.h1,%r3", "6.3", "sm_75"),
    ("vmad.s32.s32.u32.shr7 %r0,%r1,%r2,%r3", "6.3", "sm_75"),
    ("vset.u32.s32.lt %r0,%r1,%r2", "6.3", "sm_75"),
    ("vadd2.s32.s32.s32 %r0,%r1,%r2,%r3", "6.3", "sm_75"),
    ("vadd4.s32.s32.s32.sat %r0,%r1,%r2,%r3", "6.3", "sm_75"),
    ("vset4.u32.u32.lt %r0,%r1,%r2,%r3", "6.3", "sm_75"),
    ("vavrg2.u32.u32.u32 %r0,%r1,%r2,%r3", "6.3", "sm_75"),
    ("vabsdiff4.u32.u32.u32.add %r0,%r1,%r2,%r3", "6.3", "sm_75"),
    ("mov.b128 %Q0,{%d0,%d1}", "8.3", "sm_75"),
    ("activemask.b32 %r0", "6.3", "sm_75"),
    ("match.any.sync.b32 %r0,%r1,-1", "6.3", "sm_75"),
    ("nanosleep.u32 20", "6.3", "sm_75"),
    ("elect.sync %r0|%p,-1", "8.0", "sm_90"),
    ("fence.acq_rel.gpu", "6.3", "sm_75"),
    ("copysign.f32 %f0,%f1,%f2", "6.3", "sm_75"),
    ("testp.finite.f32 %p,%f0", "6.3", "sm_75"),
    ("abs.ftz.f16 %h0,%h1", "6.5", "sm_75"),
    ("sad.u64 %d0,%d1,%d2,%d3", "6.3", "sm_75"),
    ("sub.f32.f16 %f0,%h0,%f1", "8.6", "sm_100"),
    ("vote.sync.ballot.b32 %r0,%p,-1", "6.3", "sm_75"),
    ("membar.gl", "6.3", "sm_75"),
    ("pmevent 3", "6.3", "sm_75"),
    ("pmevent.mask 3", "6.3", "sm_75"),
    ("prmt.b32.f4e %r0,%r1,%r2,%r3", "6.3", "sm_75"),
    ("shf.l.wrap.b32 %r0,%r1,%r2,%r3", "6.3", "sm_75"),
    ("bfind.shiftamt.u32 %r0,%r1", "6.3", "sm_75"),
    ("popc.b64 %r0,%d0", "6.3", "sm_75"),
    ("slct.f32.f32 %f0,%f1,%f2,%f3", "6.3", "sm_75"),
    ("add.sat.s32 %r0,%r1,%r2", "6.3", "sm_75"),
    ("sub.f16x2 %r0,%r1,%r2", "6.3", "sm_75"),
    ("mul.f32 %f0,%f1,%f2", "6.3", "sm_75"),
    ("movmatrix.sync.aligned.m8n8.trans.b16 %r0,%r1", "7.8", "sm_75"),
    ("ld.mmio.relaxed.sys.global.u32 %r0,[%d0]", "8.2", "sm_75"),
    ("rsqrt.approx.ftz.f64 %fd0,%fd1", "6.3", "sm_75"),
    ("div.full.f32 %f0,%f1,%f2", "6.3", "sm_75"),
    ("div.rn.f32 %f0,%f1,%f2", "6.3", "sm_75"),
    ("sqrt.rn.f32 %f0,%f1", "6.3", "sm_75"),
    ("mad.rn.f32 %f0,%f1,%f2,%f3", "6.3", "sm_75"),
]
VERSIONS = ["6.3", "6.4", "6.5", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "7.7", "7.8", "8.0", "8.1", "8.2", "8.3", "8.5", "8.6",
            "8.7", "8.8"]  # fmt: skip
TARGETS = ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_90a", "sm_100", "sm_100a"]


def load(instruction: str, version: str, target: str) -> None:
    wide = ".reg .b128 %Q<4>;" if "%Q" in instruction else ""
    machine().load(
        f""".version {version}
.target {target}
.address_size 64
.visible .entry k() {{ {REGISTERS} {wide}
{instruction};
ret; }}""",
        cc=100,
    )


@pytest.mark.parametrize(("instruction", "version", "target"), FORMS, ids=[form[0].split(" ")[0] for form in FORMS])
def test_oldest_version_and_target(instruction: str, version: str, target: str) -> None:
    load(instruction, version, target)
    older = []
    if version != "6.3":
        older.append((VERSIONS[VERSIONS.index(version) - 1], target))
    if target != "sm_75":
        below = TARGETS[TARGETS.index(target) - 1]
        if target == "sm_100" and below == "sm_90a":
            below = "sm_90"
        older.append((version, below))
    for v, t in older:
        with pytest.raises(LoadError) as error:
            load(instruction, v, t)
        assert error.value.status == INVALID_PTX
        assert re.match(r"ptx:5:1: error: .*needs ", error.value.log), (v, t)
        assert instruction in error.value.log


@pytest.mark.parametrize(
    "instruction",
    ["wgmma.fence.sync.aligned", "tcgen05.fence::before_thread_sync", "tensormap.replace.tile.rank.global.b1024.b32 [%d0], 3",
     "multimem.ld_reduce.global.add.u32 %r0, [%d0]"],
)  # fmt: skip
def test_refused_by_name(instruction: str) -> None:
    with pytest.raises(LoadError) as error:
        load(instruction, "8.8", "sm_100a")
    assert error.value.status == NOT_SUPPORTED
    opcode = instruction.split(".", 1)[0]
    assert re.match(rf"ptx:5:1: error: {opcode} is not supported by the CPU device", error.value.log)


def test_unknown_instruction() -> None:
    with pytest.raises(LoadError) as error:
        load("frobnicate.u32 %r0, %r1", "8.8", "sm_100a")
    assert error.value.status == INVALID_PTX
    assert "unknown instruction frobnicate" in error.value.log


def test_the_page_of_opcodes_is_current() -> None:
    done = subprocess.run(
        [sys.executable, str(DEVICE / "coverage.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "| mma | m16n8k16 | f16 | f16 f32 | 7.0, sm_80 |" in Path(DEVICE / "OPCODES.md").read_text()
