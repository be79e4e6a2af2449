"""redux, match, vote, elect and activemask against Python over masks of members.

Masks: none of the 2^32 can all be run; these are every single lane, every run of lanes from 0, all but one lane, every pair of
neighbours, alternating lanes, and random ones.
"""

import itertools
import random
import struct
from collections.abc import Callable

import numpy as np
import pytest

from tests.cpu_device.exec_access import machine
from tests.cpu_device.models import signed

FULL = 0xFFFFFFFF
RNG = random.Random(4)
MASKS = [1 << k for k in range(32)] + [(1 << k) - 1 for k in range(1, 33)] + [FULL ^ 1 << k for k in range(32)]
MASKS += (
    [3 << k for k in range(31)] + [0x55555555, 0xAAAAAAAA, 0x0F0F0F0F] + [RNG.getrandbits(32) | 1 for _ in range(64)]
)
Model = Callable[[list[int], list[int]], list[int]]  # values and numbers of the members; results of the members

REDUCTIONS = {"add": sum, "min": min, "max": max}


def bitwise(op: str) -> Model:
    def model(values: list[int], lanes: list[int]) -> list[int]:
        r = values[0]
        for v in values[1:]:
            r = r & v if op == "and" else r | v if op == "or" else r ^ v
        return [r] * len(lanes)

    return model


def reduction(op: str, is_signed: bool) -> Model:
    def model(values: list[int], lanes: list[int]) -> list[int]:
        return [REDUCTIONS[op]([signed(v, 32) if is_signed else v for v in values])] * len(lanes)

    return model


def same(values: list[int], lanes: list[int]) -> list[int]:
    return [sum(1 << n for v, n in zip(values, lanes, strict=True) if v == own) for own in values]


def all_same(values: list[int], lanes: list[int]) -> list[int]:
    mask = sum(1 << n for n in lanes)
    return [mask if len(set(values)) == 1 else 0] * len(lanes)


def voted(name: str) -> Model:
    def model(values: list[int], lanes: list[int]) -> list[int]:
        said = [v & 1 for v in values]
        one = {"all": all(said), "any": any(said), "uni": len(set(said)) == 1}
        whole = sum(1 << n for s, n in zip(said, lanes, strict=True) if s)
        return [whole if name == "ballot" else int(one[name])] * len(lanes)

    return model


def members(values: list[int], lanes: list[int]) -> list[int]:
    return [sum(1 << n for n in lanes)] * len(lanes)


def elected(values: list[int], lanes: list[int]) -> list[int]:
    return [lanes[0] + (100 if n == lanes[0] else 0) for n in lanes]


CASES: list[tuple[str, Model]] = [
    *(
        (f"redux.sync.{op}.{t} %d, %v, %m;", reduction(op, t == "s32"))
        for op, t in itertools.product(REDUCTIONS, ("u32", "s32"))
    ),
    *((f"redux.sync.{op}.b32 %d, %v, %m;", bitwise(op)) for op in ("and", "or", "xor")),
    ("match.any.sync.b32 %d, %v, %m;", same),
    ("match.any.sync.b64 %d, %w, %m;", same),
    ("match.all.sync.b32 %d|%q, %v, %m; @!%q mov.u32 %d, 0;", all_same),
    ("match.all.sync.b64 %d|%q, %w, %m; @!%q mov.u32 %d, 0;", all_same),
    *((f"vote.sync.{op}.pred %q, %p, %m; selp.u32 %d, 1, 0, %q;", voted(op)) for op in ("all", "any", "uni")),
    ("vote.sync.ballot.b32 %d, %p, %m;", voted("ballot")),
    ("activemask.b32 %d;", members),
    ("elect.sync %d|%q, %m; @%q add.u32 %d, %d, 100;", elected),
]


@pytest.mark.parametrize(("text", "model"), CASES, ids=[text.partition(" ")[0] for text, _ in CASES])
def test_over_masks(text: str, model: Model) -> None:
    m = machine()
    module = m.load(f""".version 8.0
.target sm_90
.address_size 64
.visible .entry k(.param .u64 from, .param .u64 to, .param .u32 mask) {{ .reg .b64 %f, %o, %w; .reg .b32 %t, %v, %d, %m, %b; .reg .pred %p, %q, %in;
ld.param.u64 %f, [from]; ld.param.u64 %o, [to]; ld.param.u32 %m, [mask]; mov.u32 %t, %tid.x; mad.wide.u32 %f, %t, 4, %f; mad.wide.u32 %o, %t, 4, %o;
ld.global.u32 %v, [%f]; mov.b64 %w, {{7, %v}}; and.b32 %b, %v, 1; setp.ne.u32 %p, %b, 0; mov.u32 %d, 12345;
shr.u32 %b, %m, %t; and.b32 %b, %b, 1; setp.eq.u32 %in, %b, 0; @%in bra OUT; {text} OUT: st.global.u32 [%o], %d; ret; }}""", cc=90)  # fmt: skip
    target = m.alloc(128)
    for mask, kind in itertools.product(MASKS, (1, 2, 1 << 32)):
        values = [RNG.randrange(kind) * 3 for _ in range(32)]
        source = m.buffer(struct.pack("<32I", *(v & FULL for v in values)))
        module.run("k", 1, 32, source, target, mask)
        got = struct.unpack("<32I", m.read(target, 128))
        m.free(source)
        lanes = [n for n in range(32) if mask >> n & 1]
        want = [12345] * 32
        for n, r in zip(lanes, model([values[n] & FULL for n in lanes], lanes), strict=True):
            want[n] = r & FULL
        assert list(got) == want, hex(mask)


def test_before_sync() -> None:
    """vote and shfl without .sync, as PTX ISA 6.3 still had them for sm_70; later modules are refused (test_exec_forms.py)."""
    lanes = np.arange(32)
    values = (lanes * 37 + 11) % 101
    odd = values % 2 == 1
    cases = {
        "vote.ballot.b32 %d, %p;": np.full(32, (odd << lanes).sum()), "vote.all.pred %q, %p; selp.u32 %d, 1, 0, %q;": np.full(32, int(odd.all())),
        "vote.any.pred %q, %p; selp.u32 %d, 1, 0, %q;": np.full(32, int(odd.any())), "vote.uni.pred %q, %p; selp.u32 %d, 1, 0, %q;": np.zeros(32, int),
        "shfl.idx.b32 %d, %v, 5, 31;": np.full(32, values[5]), "shfl.bfly.b32 %d, %v, 3, 31;": values[lanes ^ 3],
        "shfl.up.b32 %d|%q, %v, 2, 0; @!%q mov.u32 %d, 7;": np.where(lanes < 2, 7, values[lanes - 2]),
        "shfl.down.b32 %d, %v, 4, 31;": values[np.where(lanes + 4 < 32, lanes + 4, lanes)],
    }  # fmt: skip
    text = [".version 6.3\n.target sm_70\n.address_size 64"]
    for k, body in enumerate(cases):
        text.append(f""".visible .entry k{k}(.param .u64 from, .param .u64 to) {{ .reg .b64 %f, %t; .reg .b32 %i, %v, %d, %x; .reg .pred %p, %q;
        ld.param.u64 %f, [from]; ld.param.u64 %t, [to]; mov.u32 %i, %tid.x; mad.wide.u32 %f, %i, 4, %f; mad.wide.u32 %t, %i, 4, %t;
        ld.global.u32 %v, [%f]; and.b32 %x, %v, 1; setp.ne.u32 %p, %x, 0; {body} st.global.u32 [%t], %d; ret; }}""")
    m = machine()
    module = m.load("\n".join(text))
    source, target = m.buffer(values.astype("u4").tobytes()), m.alloc(128)
    for k, (body, want) in enumerate(cases.items()):
        module.run(f"k{k}", 1, 32, source, target)
        assert np.array_equal(np.frombuffer(m.read(target, 128), "u4"), want.astype("u4")), body
