"""Instructions that change no value here: each form is loaded, executed, and what stands around it goes on as before."""

import itertools

import numpy as np
import pytest

from tests.cpu_device.exec_access import machine
from tests.cpu_device.forms import spellings

OPERANDS = {
    "prefetch": "[%p0]", "prefetchu": "[%p0]", "applypriority": "[%p0], 128", "discard": "[%p0], 128", "createpolicy": "%q, 0f3F000000",
    "membar": "", "fence": "", "griddepcontrol": "", "nanosleep": "40", "pmevent": "3", "setmaxnreg": "64",
}  # fmt: skip


def instructions(opcode: str) -> list[str]:
    found = []
    for opcodes, groups in machine().forms():
        for words in spellings(groups) if opcode in opcodes else ():
            operands = OPERANDS[opcode]
            if "tensormap::generic" in words and "acquire" in words:
                operands = "[%p0], 128"
            elif "range" in words:
                operands = "%q, [%p0], 64, 128"
            elif "cvt" in words:
                operands = "%q, %w"
            elif "param" in words:
                operands = "[from]"
            elif "local" in words:
                operands = "[l]"
            found.append(f"{'.'.join((opcode, *words))} {operands};")
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("opcode", list(OPERANDS))
def test_nothing_changes(opcode: str) -> None:
    m = machine()
    hints = instructions(opcode)
    assert hints
    text = [".version 8.8\n.target sm_120a\n.address_size 64"]
    for k, hint in enumerate(hints):
        text.append(f""".visible .entry k{k}(.param .u64 from, .param .u64 to) {{ .reg .b64 %p0, %p1, %q, %w; .reg .b32 %t, %v; .local .b8 l[128];
        ld.param.u64 %p0, [from]; ld.param.u64 %p1, [to]; mov.u32 %t, %tid.x; mad.wide.u32 %p0, %t, 4, %p0; mad.wide.u32 %p1, %t, 4, %p1;
        ld.global.u32 %v, [%p0]; {hint} add.u32 %v, %v, %t; st.global.u32 [%p1], %v; ret; }}""")
    module = m.load("\n".join(text), cc=121)
    values = np.arange(64, dtype="u4") * 1000
    source, target = m.buffer(values.tobytes() + bytes(256)), m.alloc(256)
    for k, hint in enumerate(hints):
        assert m.lib.exec_copy_in(target, bytes(256), 256)
        module.run(f"k{k}", 1, 64, source, target)
        assert np.array_equal(np.frombuffer(m.read(target, 256), "u4"), values + np.arange(64)), hint


def test_barriers_of_every_spelling() -> None:
    """Each thread reads what the next one wrote before the barrier; reductions give what all threads' predicates do."""
    m = machine()
    names = [f"bar{c}.sync 0" for c in ("", ".cta")]
    names += [f"barrier{c}.sync{a} 0" for c, a in itertools.product(("", ".cta"), ("", ".aligned"))]
    names += [f"bar{c}.arrive 1, 128; bar{c}.sync 0" for c in ("", ".cta")]
    names += [
        f"barrier{c}.arrive{a} 1, 128; barrier{c}.sync{a} 0"
        for c, a in itertools.product(("", ".cta"), ("", ".aligned"))
    ]
    red = {"popc.u32": ("%n", 43), "and.pred": ("%q", 0), "or.pred": ("%q", 1)}
    for (operation, (to, _)), name in itertools.product(red.items(), ("bar", "bar.cta", "barrier", "barrier.cta")):
        for aligned in ("", ".aligned") if "barrier" in name else ("",):
            op, type_ = operation.split(".")
            names.append(f"{name}.red.{op}{aligned}.{type_} {to}, 0, %p")
    text = [".version 8.0\n.target sm_80\n.address_size 64"]
    for k, name in enumerate(names):
        text.append(f""".visible .entry k{k}(.param .u64 to) {{ .reg .b64 %o; .reg .b32 %t, %n, %s, %v; .reg .pred %p, %q; .shared .b32 s[64];
        ld.param.u64 %o, [to]; mov.u32 %t, %tid.x; mad.wide.u32 %o, %t, 8, %o; setp.ge.u32 %p, %t, 21; mov.u32 %n, 0; setp.ne.u32 %q, %t, %t;
        mov.u32 %s, s; mad.lo.u32 %s, %t, 4, %s; st.shared.u32 [%s], %t; {name}; @%q mov.u32 %n, 1;
        mov.u32 %s, s; add.u32 %v, %t, 1; and.b32 %v, %v, 63; mad.lo.u32 %s, %v, 4, %s; ld.shared.u32 %v, [%s];
        st.global.v2.u32 [%o], {{%v, %n}}; ret; }}""")
    module, target = m.load("\n".join(text)), m.alloc(512)
    for k, name in enumerate(names):
        module.run(f"k{k}", 1, 64, target)
        got = np.frombuffer(m.read(target, 512), "u4").reshape(64, 2)
        assert np.array_equal(got[:, 0], (np.arange(64) + 1) % 64), name
        want = next((result for operation, (_, result) in red.items() if f".red.{operation.split('.')[0]}" in name), 0)
        assert (got[:, 1] == want).all(), name


def test_addresses_of_every_space() -> None:
    """cvta there and back again, isspacep, and the value at the generic address."""
    m = machine()
    spaces = {
        "global": "g",
        "shared": "s",
        "shared::cta": "s",
        "shared::cluster": "s",
        "local": "l",
        "const": "c",
        "param": "q",
        "param::entry": "q",
    }
    text = [".version 8.8\n.target sm_90\n.address_size 64\n.global .b32 g = 7; .const .b32 c = 7;"]
    for k, (space, name) in enumerate(spaces.items()):
        plain = space.partition("::")[0]
        write = "" if plain in ("global", "const", "param") else f"mov.u32 %v, 7; st.{plain}.u32 [{name}], %v;"
        text.append(f""".visible .entry k{k}(.param .u64 to, .param .b32 q) {{ .reg .b64 %o, %a, %b, %c; .reg .b32 %v, %n; .reg .pred %p; .shared .b32 s; .local .b32 l;
        ld.param.u64 %o, [to]; {write} mov.b64 %a, {name}; cvta.{space}.u64 %b, %a; ld.u32 %v, [%b]; cvta.to.{space}.u64 %c, %b;
        isspacep.{space} %p, %b; selp.u32 %n, 1, 0, %p; setp.eq.u64 %p, %a, %c; @%p add.u32 %n, %n, 2; st.global.v2.u32 [%o], {{%v, %n}}; ret; }}""")
    module, target = m.load("\n".join(text), cc=90), m.alloc(8)
    for k, space in enumerate(spaces):
        module.run(f"k{k}", 1, 1, target, 7)
        assert np.frombuffer(m.read(target, 8), "u4").tolist() == [7, 3], space
