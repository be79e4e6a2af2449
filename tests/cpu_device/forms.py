"""Which forms of instructions there are, by the device's own tables, and which of them tests have executed.

A form is an opcode with its types and one of its modifiers (or none): (add, (f32,), rz); of the opcodes in WHOLE it is the opcode with
its types and all of its modifiers together.
"""

import itertools
import re
from collections.abc import Iterable, Iterator

from tests.cpu_device.exec_access import Machine

Words = tuple[str, ...]
Form = tuple[str, Words, str]
TYPE = re.compile(r"pred|b1|[bus]\d+|b?f16|bf16x2|f16x2|tf32|f32|f64|[us]16x2|f32x2|u?e\dm\d(x2)?|[us][24]")
# opcodes whose modifiers change what each other means: every combination is a form
WHOLE = {"mma", "wmma", "tex", "tld4", "txq", "suld", "sust", "sured", "suq"}


def is_type(word: str) -> bool:
    return TYPE.fullmatch(word) is not None


def forms_of(opcode: str, modifiers: Iterable[str]) -> set[Form]:
    """Those that an instruction has."""
    words = tuple(modifiers)
    types = tuple(w for w in words if is_type(w))
    others = [w for w in words if not is_type(w)]
    if opcode in WHOLE:  # in any order, but the layouts are of the operands in theirs
        layouts = [w for w in others if w in ("row", "col")]
        return {(opcode, types, ".".join([*sorted(w for w in others if w not in ("row", "col")), *layouts]))}
    return {(opcode, types, w) for w in others} | {(opcode, types, "")}


def choices(group: str) -> list[str]:
    """The words of a group; "" where there may be none."""
    return [*([""] if group.endswith("?") else []), *group.rstrip("?").split("|")]


def spellings(groups: list[str]) -> Iterator[Words]:
    """All types of a line of the table, and each of its modifiers with them, with as few others as there can be."""
    kinds = [choices(g) for g in groups]
    places = [k for k, words in enumerate(kinds) if is_type(words[-1])]
    for types in itertools.product(*(kinds[k] for k in places)):
        base = [words[0] for words in kinds]
        for k, t in zip(places, types, strict=True):
            base[k] = t
        yield tuple(filter(None, base))
        for k, words in enumerate(kinds):
            for word in words[1:] if k not in places else ():
                yield tuple(filter(None, [*base[:k], word, *base[k + 1 :]]))


def combinations(groups: list[str]) -> Iterator[Words]:
    """All that a line of the table allows."""
    for words in itertools.product(*map(choices, groups)):
        yield tuple(filter(None, words))


def all_forms(machine: Machine) -> set[Form]:
    forms: set[Form] = set()
    for opcodes, groups in machine.forms():
        for opcode in opcodes:
            for words in combinations(groups) if opcode in WHOLE else spellings(groups):
                forms |= forms_of(opcode, words)
    listed = {form[0] for form in forms}
    return forms | {(opcode, (), "") for opcode in machine.opcodes() if opcode not in listed}


def executed(machines: Iterable[Machine]) -> set[Form]:
    forms: set[Form] = set()
    for form, _ in itertools.chain.from_iterable(m.executed() for m in machines):
        opcode, *modifiers = form.split(".")
        forms |= forms_of(opcode, modifiers)
    return forms
