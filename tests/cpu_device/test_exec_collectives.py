"""redux, match, vote, elect and activemask against Python over masks of members.

Masks: none of the 2^32 can all be run; these are every single lane, every run of lanes from 0, all but one lane, every pair of
neighbours, alternating lanes, and random ones.
"""

import itertools
import random
import struct
from collections.abc import Callable

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
