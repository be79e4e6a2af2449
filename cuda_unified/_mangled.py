"""What the mangled name of a C++ kernel tells: the name as it was written, and the types of its parameters, of which the driver
tells the sizes alone.

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
# Sa Sb Ss Si So Sd: classes of the standard library
_STD = {
    "a": "std::allocator",
    "b": "std::basic_string",
    "s": "std::string",
    "i": "std::istream",
    "o": "std::ostream",
    "d": "std::iostream",
}
_WRITTEN = {
    "v": "void", "w": "wchar_t", "b": "bool", "c": "char", "a": "signed char", "h": "unsigned char", "s": "short",
    "t": "unsigned short", "i": "int", "j": "unsigned int", "l": "long", "m": "unsigned long", "x": "long long",
    "y": "unsigned long long", "n": "__int128", "o": "unsigned __int128", "f": "float", "d": "double",
    "e": "long double", "g": "__float128", "DF16_": "_Float16", "DF16b": "__bf16", "Dh": "half", "Di": "char32_t",
    "Ds": "char16_t", "Du": "char8_t", "Dn": "std::nullptr_t",
}  # fmt: skip
_POINTS = {"P": "*", "R": "&", "O": "&&"}
_SUFFIXES = {"j": "u", "l": "l", "m": "ul", "x": "ll", "y": "ull"}  # of literals


class _Type:
    """A type: the letter of its kind, and how C++ writes it."""

    __slots__ = ("kind", "text")

    def __init__(self, kind: str, text: str) -> None:
        self.kind, self.text = kind, text


# a type, or a pack of template arguments
_Seen = _Type | list[_Type]


def _text(one: _Seen) -> str:
    return ", ".join(t.text for t in one) if isinstance(one, list) else one.text


def _kind(one: _Seen) -> str:
    return "".join(t.kind for t in one) if isinstance(one, list) else one.kind


class _UnreadError(Exception):
    """What is not read here."""


def _is_digit(letter: str) -> bool:
    return letter.isascii() and letter.isdigit()


class _Reader:
    """Reads a name from left to right.  `seen`: what later parts may refer to (S_, S0_ ...), in order."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.seen: list[_Seen] = []
        self.template: list[_Seen] = []
        self.name = ""  # of the function

    def take(self, token: str) -> bool:
        found = self.text.startswith(token, self.at)
        self.at += len(token) * found
        return found

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def see(self, what: _Seen) -> _Seen:
        self.seen.append(what)
        return what

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
        return "(anonymous namespace)" if name.startswith("_GLOBAL__N_") else name

    def nested_name(self, *, is_function: bool = False) -> tuple[str, bool]:
        """Behind N, to its E: how it is written, whether it ends in template arguments.  Each prefix may be referred to."""
        while self.peek() in ("K", "V", "r"):
            self.at += 1
        text, has_arguments = "", True
        while not self.take("E"):
            if self.peek() == "I":
                arguments, written = self.template_arguments()
                self.template = arguments if is_function else self.template
                text, has_arguments = text + written, True
            elif not text and self.peek() in ("S", "T"):
                text = _text(self.reference())  # seen already
                continue
            else:
                text, has_arguments = f"{text}::{self.source_name()}".removeprefix("::"), False
            if not (is_function and self.peek() == "E"):
                self.see(_Type(_RECORD, text))
        return text, has_arguments

    def template_arguments(self) -> tuple[list[_Seen], str]:
        """I, arguments, E; or J, a pack, E; and how they are written."""
        self.at += 1
        found: list[_Seen] = []
        while not self.take("E"):
            if self.peek() == "J":
                found.append(
                    [t for one in self.template_arguments()[0] for t in (one if isinstance(one, list) else [one])]
                )
            elif self.take("L"):
                found.append(_Type(_ANY, self.literal()))
            else:
                found.append(self.type())
        return found, f"<{', '.join(filter(None, map(_text, found)))}>"

    def literal(self) -> str:
        if self.peek() == "_":
            raise _UnreadError
        letter, of = self.peek(), _text(self.type())
        sign = "-" if self.take("n") else ""
        start = self.at
        while self.peek().isalnum() and self.peek() != "E":
            self.at += 1
        digits = self.text[start : self.at]
        if not self.take("E"):
            raise _UnreadError
        if letter == "b":
            return "false" if digits == "0" else "true"
        if letter in "ijlmxy":
            return f"{sign}{digits}{_SUFFIXES.get(letter, '')}"
        return f"({of}){sign}{digits}"

    def number(self, letters: bool) -> int:
        """The index of S_, S0_, ... or T_, T0_, ...: from 0."""
        start = self.at
        while _is_digit(self.peek()) or (letters and self.peek().isascii() and self.peek().isupper()):
            self.at += 1
        digits = self.text[start : self.at]
        if not self.take("_"):
            raise _UnreadError
        return int(digits, 36 if letters else 10) + 1 if digits else 0

    def reference(self) -> _Seen:
        """What was there before: S.. or T.."""
        is_template = self.take("T")
        if not is_template:
            self.take("S")
            if self.peek() in _STD:
                self.at += 1
                return _Type(_RECORD, _STD[self.text[self.at - 1]])
            if self.take("t"):
                return self.see(_Type(_RECORD, f"std::{self.source_name()}"))
        table = self.template if is_template else self.seen
        index = self.number(letters=not is_template)
        if index >= len(table):
            raise _UnreadError
        return self.see(table[index]) if is_template else table[index]

    # ---- types

    def type(self) -> _Seen:
        """One type."""
        if self.peek() in ("K", "V", "r"):
            words = ""
            while self.peek() in ("K", "V", "r"):
                words += {"K": "const ", "V": "volatile ", "r": ""}[self.peek()]
                self.at += 1
            of = self.type()
            text = _text(of)
            behind = f"{text} {words.strip()}" if text.endswith(("*", "&")) else words + text
            return self.see(_Type(_kind(of), behind))
        if self.peek() in _POINTS:
            sign = _POINTS[self.peek()]
            self.at += 1
            text = _text(self.type())
            return self.see(_Type(_POINTER, f"{text}{'' if text.endswith('*') else ' '}{sign}"))
        if self.take("Dp"):
            return self.see(self.type())
        for token, kind in _EXTENDED.items():
            if self.take(token):
                return _Type(kind, _WRITTEN[token])
        if self.take("A"):
            count = self.text[self.at : self.text.find("_", self.at)]
            self.number(letters=False)
            return self.see(_Type(_ANY, f"{_text(self.type())}[{count}]"))
        if self.peek() in _BUILTIN:
            self.at += 1
            letter = self.text[self.at - 1]
            return _Type(_BUILTIN[letter], _WRITTEN[letter])
        return self.class_type()

    def class_type(self) -> _Seen:
        if self.take("N"):
            return _Type(_RECORD, self.nested_name()[0])
        if self.peek() in ("S", "T"):
            of = self.reference()
        elif _is_digit(self.peek()):
            name = self.source_name()
            of = self.see(_Type(_CLASSES.get(name, _RECORD), name))
        else:
            raise _UnreadError
        if self.peek() == "I":
            return self.see(_Type(_RECORD, _text(of) + self.template_arguments()[1]))
        return of

    def function_name(self) -> bool:
        """Reads it into `name`; whether it ends in template arguments."""
        if self.take("N"):
            self.name, is_template = self.nested_name(is_function=True)
            return is_template
        self.name = "std::" * self.take("St") + self.source_name()
        if self.peek() != "I":
            return False
        self.see(_Type(_RECORD, self.name))
        self.template, written = self.template_arguments()
        self.name += written
        return True

    def function(self) -> str:
        """The kinds of the parameters."""
        if self.function_name():
            self.type()  # of the result: templates have it
        found = ""
        while self.peek() and self.peek() != ".":
            found += _kind(self.type())
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
    return b"" if reader.text.endswith("v") and len(found) == 1 else found.encode()


def written(name: str) -> str:
    """The name as C++ writes it, with template arguments and without parameters: `ns::scale<float, 4>`; else as it is."""
    reader = _Reader(name)
    if not reader.take("_Z"):
        return name
    try:
        reader.function_name()
    except (_UnreadError, RecursionError):
        return name
    return reader.name
