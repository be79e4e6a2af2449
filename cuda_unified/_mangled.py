"""What the mangled name of a C++ kernel tells about its parameters: the driver tells their sizes, not their types.

Names are mangled as the Itanium C++ ABI says.  Where a name has what is not read here (expressions, local classes, lambdas),
nothing is known, and all is as for a kernel that is extern "C".

https://itanium-cxx-abi.github.io/cxx-abi/abi.html#mangling
"""

from __future__ import annotations

# Letters of the kinds: `enum kind` of src/launch.h.  A pack of template arguments is a list of them.
_ANY, _POINTER, _RECORD = "?", "p", "s"
_BUILTIN = {
    **dict.fromkeys("aslxni", "i"),  # signed char, short, long, long long, __int128, int
    **dict.fromkeys("htmyoj", "u"),
    **dict.fromkeys("fdeg", "f"),
    **dict.fromkeys("cwv", _ANY),  # plain char and wchar_t may be signed or not
    "b": "b",
}
_EXTENDED = {"DF16_": "f", "DF16b": "B", "Dh": "f", "Di": _ANY, "Ds": _ANY, "Du": _ANY, "Dn": _POINTER}
_CLASSES = {"__half": "f", "__nv_bfloat16": "B"}
_STD = "absiod"  # Sa Sb Ss Si So Sd: classes of the standard library


class _UnreadError(Exception):
    """What is not read here."""


def _is_digit(letter: str) -> bool:
    return letter.isascii() and letter.isdigit()


class _Reader:
    """Reads a name from left to right.  `seen`: the kinds of what later parts may refer to (S_, S0_ ...), in order."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.seen: list[str | list[str]] = []
        self.template: list[str | list[str]] = []

    def take(self, token: str) -> bool:
        found = self.text.startswith(token, self.at)
        self.at += len(token) * found
        return found

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def see(self, kind: str | list[str]) -> str | list[str]:
        self.seen.append(kind)
        return kind

    # ---- names

    def source_name(self) -> str:
        self.take("L")  # internal linkage
        start = self.at
        while _is_digit(self.peek()):
            self.at += 1
        length = int(self.text[start : self.at] or 0)
        name = self.text[self.at : self.at + length]
        self.at += length
        if not length or len(name) < length or self.peek() == "B":
            raise _UnreadError
        return name

    def nested_name(self, *, is_function: bool = False) -> bool:
        """Behind N, to its E; whether it ends in template arguments.  Each prefix may be referred to later."""
        while self.peek() in ("K", "V", "r"):
            self.at += 1
        has_arguments = first = True
        while not self.take("E"):
            if self.peek() == "I":
                arguments = self.template_arguments()
                self.template = arguments if is_function else self.template
                has_arguments = True
            elif first and self.peek() in ("S", "T"):
                self.reference()  # seen already
                first = False
                continue
            else:
                self.source_name()
                has_arguments = False
            first = False
            if not (is_function and self.peek() == "E"):
                self.see(_RECORD)
        return has_arguments

    def template_arguments(self) -> list[str | list[str]]:
        """I, arguments, E; or J, a pack, E."""
        self.at += 1
        found: list[str | list[str]] = []
        while not self.take("E"):
            if self.peek() == "J":
                found.append([str(one) for one in self.template_arguments()])
            elif self.take("L"):
                self.literal()
                found.append(_ANY)
            else:
                found.append(self.type())
        return found

    def literal(self) -> None:
        if self.peek() == "_":
            raise _UnreadError
        self.type()
        self.take("n")
        while self.peek().isalnum() and self.peek() != "E":
            self.at += 1
        if not self.take("E"):
            raise _UnreadError

    def number(self, letters: bool) -> int:
        """The index of S_, S0_, ... or T_, T0_, ...: from 0."""
        start = self.at
        while _is_digit(self.peek()) or (letters and self.peek().isascii() and self.peek().isupper()):
            self.at += 1
        digits = self.text[start : self.at]
        if not self.take("_"):
            raise _UnreadError
        return int(digits, 36 if letters else 10) + 1 if digits else 0

    def reference(self) -> str | list[str]:
        """What was there before: S.. or T.."""
        is_template = self.take("T")
        if not is_template:
            self.take("S")
            if self.peek() and self.peek() in _STD:
                self.at += 1
                return _RECORD
            if self.take("t"):
                self.source_name()
                return self.see(_RECORD)
        table = self.template if is_template else self.seen
        index = self.number(letters=not is_template)
        if index >= len(table):
            raise _UnreadError
        return self.see(table[index]) if is_template else table[index]

    # ---- types

    def type(self) -> str | list[str]:
        """The kind of one type."""
        if self.peek() in ("K", "V", "r"):
            while self.peek() in ("K", "V", "r"):
                self.at += 1
            return self.see(self.type())
        if self.peek() in ("P", "R", "O"):
            self.at += 1
            self.type()
            return self.see(_POINTER)
        if self.take("Dp"):
            return self.see(self.type())
        for token, kind in _EXTENDED.items():
            if self.take(token):
                return kind
        if self.take("A"):
            self.number(letters=False)
            self.type()
            return self.see(_ANY)
        if self.peek() in _BUILTIN:
            self.at += 1
            return _BUILTIN[self.text[self.at - 1]]
        return self.class_type()

    def class_type(self) -> str | list[str]:
        if self.take("N"):
            self.nested_name()
            return _RECORD
        if self.peek() in ("S", "T"):
            kind = self.reference()
        elif _is_digit(self.peek()):
            kind = self.see(_CLASSES.get(self.source_name(), _RECORD))
        else:
            raise _UnreadError
        if self.peek() == "I":
            self.template_arguments()
            return self.see(_RECORD)
        return kind

    def function(self) -> list[str]:
        """The kinds of the parameters."""
        if self.take("N"):
            is_template = self.nested_name(is_function=True)
        else:
            self.take("St")
            self.source_name()
            is_template = self.peek() == "I"
            if is_template:
                self.see(_RECORD)
                self.template = self.template_arguments()
        if is_template:
            self.type()  # of the result: templates have it
        found: list[str] = []
        while self.peek() and self.peek() != ".":
            kind = self.type()
            found += kind if isinstance(kind, list) else [kind]
        return found


def kinds(name: str) -> bytes | None:
    """One letter for each parameter, '?' where its type is not known; None: nothing is."""
    reader = _Reader(name)
    if not reader.take("_Z"):
        return None
    try:
        found = reader.function()
    except (_UnreadError, RecursionError):
        return None
    return b"" if reader.text.endswith("v") and len(found) == 1 else "".join(found).encode()
