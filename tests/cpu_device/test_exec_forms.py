"""Every form that the device's tables have was executed by a test of this run; forms that go together with nothing are refused."""

from collections import defaultdict
from pathlib import Path

import pytest

from tests.cpu_device.exec_access import LEVELS, LoadError, machine
from tests.cpu_device.forms import all_forms, executed

# Tested through the driver's functions, which make their objects: test_exec_textures.py.
BY_DRIVER = {"tex", "tld4", "txq", "suld", "sust", "sured", "suq"}


def test_every_form_was_executed(request: pytest.FixtureRequest) -> None:
    files = {item.path.name for item in request.session.items}
    if any(file.name not in files for file in Path(__file__).parent.glob("test_exec_*.py")):
        pytest.skip("only together with all tests of instructions")
    machines = [machine(level) for level in LEVELS]
    missing = defaultdict(set)
    for opcode, types, modifier in all_forms(machines[-1]) - executed(machines):
        if opcode not in BY_DRIVER:
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
     "discard.local.L2 [0], 128", "shfl.up.u32 _, 1, 1, 1", "redux.sync.add.b32 _, 1, 1", "bar.sync.popc 0", "ldmatrix.sync.aligned.row.m8n8.x1.b16 {_}, [0]"],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(instruction: str) -> None:
    text = f".version 8.8\n.target sm_100a\n.address_size 64\n.visible .entry k() {{ .reg .pred %p;\n{instruction}; ret; }}"
    with pytest.raises(LoadError) as refused:
        machine().load(text, cc=121)
    assert refused.value.status == 218 and "ptx:5:" in refused.value.log
