"""Headers → ir.  The only module that touches libclang.

A library is parsed three times, in C, without any system header but our stubs: as a program sees it; with per-thread
default streams (for the `_ptds`/`_ptsz` symbols); and as the vendor's own library sees it (for legacy symbols).  The
values of macros take a fourth, tiny translation unit.  Any diagnostic of level error stops everything: libclang goes
on after an error and would silently turn unknown types into int.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from clang import cindex
from clang.cindex import Cursor, CursorKind, TranslationUnit, TypeKind

from . import comments, ir
from .ctype import BUILTIN

STUBS = Path(__file__).parent / "stubs"
_MAIN = "cubind_parse.c"
_PER_THREAD_SUFFIXES = ("_ptds", "_ptsz")
_FUNCTION_POINTER = re.compile(r"^PFN_(\w+?)_v(\d+)(_ptds|_ptsz)?$")


class ParseError(Exception):
    """The headers did not parse, or hold something that the facts cannot express."""


@dataclass(frozen=True)
class Source:
    """What to parse for one library (from the `[library]` table of its policy)."""

    name: str
    headers: tuple[str, ...]
    """Headers whose declarations belong to the library (base names)."""
    include: tuple[str, ...]
    """What the translation unit includes, in order."""
    prefixes: tuple[str, ...]
    """Prefixes of the macros that are constants of this library."""
    typedef_headers: tuple[str, ...] = ()
    """Headers with PFN_<function>_v<version> typedefs."""
    per_thread_define: str = ""
    legacy_define: str = ""
    inline: tuple[str, ...] = ()
    """Patterns of functions that the headers define and the library exports too."""
    internal: tuple[str, ...] = ()
    """Patterns of functions that the headers declare for themselves."""


def parse(source: Source, version: str, include_dirs: Iterable[Path]) -> ir.Library:
    """Parses one library's headers.

    `include_dirs` are searched before our stubs.  Raises ParseError naming file, line and what clang said.
    """
    dirs = list(include_dirs)
    plain = _Unit(source, dirs, source.include)
    functions = plain.functions(plain.renames())
    if source.legacy_define:
        known = {f.symbol for f, _ in functions}
        internal = _Unit(source, dirs, source.include, source.legacy_define).functions({})
        functions += [
            (replace(f, legacy=True, group=""), signature)
            for f, signature in internal
            if f.symbol not in known and not f.symbol.endswith(_PER_THREAD_SUFFIXES)
        ]
    found = [f for f, _ in functions]
    if source.typedef_headers:
        types = _Unit(source, dirs, (*source.include, *source.typedef_headers)).function_pointer_types()
        found = _with_resolver_versions(functions, types)
    if source.per_thread_define:
        per_thread = _Unit(source, dirs, source.include, source.per_thread_define)
        found = _with_per_thread(found, {c.spelling for c in per_thread.declared(CursorKind.FUNCTION_DECL)})
    return ir.Library(
        name=source.name,
        version=version,
        functions=tuple(sorted(found, key=lambda f: f.symbol)),
        records=tuple(sorted(plain.records(), key=lambda r: r.name)),
        enums=tuple(sorted(plain.enums(), key=lambda e: e.name)),
        typedefs=tuple(sorted(plain.typedefs(), key=lambda t: t.name)),
        callbacks=tuple(sorted(plain.callbacks(), key=lambda c: c.name)),
        macros=tuple(sorted(_constants(plain, source, dirs), key=lambda m: m.name)),
        opaque=tuple(sorted(plain.opaque())),
    )


def _with_resolver_versions(
    functions: list[tuple[ir.Function, str]], types: dict[str, list[tuple[int, str]]]
) -> list[ir.Function]:
    """Gives each function the name and version under which the library's resolver hands out exactly this prototype.

    Functions of one base name are taken from the newest to the oldest, each getting the largest version that has its
    signature and is not newer than what its successor got: `cuX_v2` and `cuX_v3` may have equal signatures.
    """
    found: dict[str, ir.Function] = {f.symbol: f for f, _ in functions}
    families: dict[str, list[tuple[int, ir.Function, str]]] = {}
    for function, signature in functions:
        match = re.fullmatch(r"(\w+?)(?:_v(\d+))?", function.symbol)
        assert match
        families.setdefault(match[1], []).append((int(match[2] or 1), function, signature))
    for base, family in families.items():
        limit = 1 << 31
        for _, function, signature in sorted(family, key=lambda m: m[0], reverse=True):
            versions = [v for v, s in types.get(base, []) if s == signature and v < limit]
            if versions:
                limit = max(versions)
                found[function.symbol] = replace(function, resolver_name=base, resolver_version=limit)
    return list(found.values())


def _with_per_thread(functions: list[ir.Function], symbols: set[str]) -> list[ir.Function]:
    def variant(function: ir.Function) -> str:
        return next((function.symbol + s for s in _PER_THREAD_SUFFIXES if function.symbol + s in symbols), "")

    return [replace(f, per_thread=variant(f)) for f in functions]


class _Unit:
    """One parsed translation unit, seen through the headers that the library owns."""

    def __init__(self, source: Source, dirs: list[Path], include: Iterable[str], define: str = "") -> None:
        self.owned = {Path(h).name for h in source.headers}
        text = "".join(f'#include "{name}"\n' for name in include)
        self.source = source
        self.tu = _translation_unit(text, dirs, [f"-D{define}"] if define else [])
        self._texts: dict[str, list[str]] = {}
        self._groups: dict[str, list[str]] = {}
        self._types: dict[tuple[CursorKind, str], Cursor] = {}
        self._add_types()

    def declared(self, *kinds: CursorKind) -> Iterator[Cursor]:
        for cursor in self.tu.cursor.get_children():
            if cursor.kind in kinds and self._owns(cursor):
                yield cursor

    def _owns(self, cursor: Cursor) -> bool:
        file = cursor.location.file
        return file is not None and Path(file.name).name in self.owned

    # -- functions

    def renames(self) -> dict[str, str]:
        """symbol → public name, from macros such as `#define cuMemAlloc cuMemAlloc_v2` and `__CUDA_API_PTDS(x)` ones."""
        names: dict[str, str] = {}
        for macro in self.declared(CursorKind.MACRO_DEFINITION):
            words = [t.spelling for t in macro.get_tokens()][1:]
            target = words[0] if len(words) == 1 else words[2] if len(words) == 4 and words[1] == "(" else ""
            if re.fullmatch(r"[A-Za-z_]\w*", target) and target != macro.spelling:
                names[target] = macro.spelling
        return names

    def functions(self, renames: dict[str, str]) -> list[tuple[ir.Function, str]]:
        """The declared functions, each with its canonical type (for comparing signatures)."""
        found: dict[str, tuple[ir.Function, str]] = {}
        for cursor in self.declared(CursorKind.FUNCTION_DECL):
            name = cursor.spelling
            if cursor.storage_class == cindex.StorageClass.STATIC and not _matches(name, self.source.inline):
                continue
            if _matches(name, self.source.internal):
                continue
            function = ir.Function(
                name=renames.get(name, name),
                symbol=name,
                returns=_spell(cursor.result_type),
                params=self._params(cursor),
                header=Path(cursor.location.file.name).name,
                group=self._group(cursor),
                deprecated=cursor.availability == cindex.AvailabilityKind.DEPRECATED,
            )
            found[name] = (function, cursor.type.get_canonical().spelling)
        return list(found.values())

    def _params(self, cursor: Cursor) -> tuple[ir.Param, ...]:
        returned = self._documented_outputs(cursor)
        params = [c for c in cursor.get_children() if c.kind == CursorKind.PARM_DECL]
        return tuple(
            ir.Param(p.spelling or f"arg{i}", _spell_param(p.type), out=p.spelling in returned)
            for i, p in enumerate(params)
        )

    def function_pointer_types(self) -> dict[str, list[tuple[int, str]]]:
        """function → [(version, canonical type)] from the PFN_ typedefs, which lie in headers of their own."""
        types: dict[str, list[tuple[int, str]]] = {}
        for cursor in self.tu.cursor.get_children():
            match = _FUNCTION_POINTER.match(cursor.spelling) if cursor.kind == CursorKind.TYPEDEF_DECL else None
            if match and not match[3]:
                pointee = cursor.underlying_typedef_type.get_canonical().get_pointee().spelling
                types.setdefault(match[1], []).append((int(match[2]), pointee))
        return types

    # -- documentation: two facts are taken from it, never its words

    def _lines(self, cursor: Cursor) -> list[str]:
        name = cursor.location.file.name
        if name not in self._texts:
            self._texts[name] = Path(name).read_text(errors="replace").splitlines()
        return self._texts[name]

    def _documented_outputs(self, cursor: Cursor) -> set[str]:
        comment = str(cursor.raw_comment or "") or comments.above(self._lines(cursor), cursor.extent.start.line)
        return comments.returned(comment)

    def _group(self, cursor: Cursor) -> str:
        """The innermost documentation group that is open where the function is declared."""
        name = cursor.location.file.name
        if name not in self._groups:
            self._groups[name] = comments.open_groups(self._lines(cursor))
        line: int = cursor.location.line
        return self._groups[name][line - 1]

    # -- types

    def _add_types(self) -> None:
        kinds = (CursorKind.STRUCT_DECL, CursorKind.UNION_DECL, CursorKind.ENUM_DECL, CursorKind.TYPEDEF_DECL)
        for cursor in self.declared(*kinds):
            key = (cursor.kind, cursor.get_usr())
            if key not in self._types or (cursor.is_definition() and not self._types[key].is_definition()):
                self._types[key] = cursor

    def _of(self, *kinds: CursorKind) -> Iterator[Cursor]:
        return (c for (kind, _), c in self._types.items() if kind in kinds)

    def _typedef_names(self) -> dict[str, str]:
        """USR of a record or enum → the first typedef that names it directly."""
        names: dict[str, str] = {}
        for cursor in self._of(CursorKind.TYPEDEF_DECL):
            target = cursor.underlying_typedef_type
            while target.kind == TypeKind.ELABORATED:
                target = target.get_named_type()
            if target.kind in (TypeKind.RECORD, TypeKind.ENUM):
                names.setdefault(target.get_declaration().get_usr(), cursor.spelling)
        return names

    def records(self) -> Iterator[ir.Record]:
        names = self._typedef_names()
        for cursor in self._of(CursorKind.STRUCT_DECL, CursorKind.UNION_DECL):
            if cursor.is_definition():
                tag = _tag(cursor)
                yield _record(cursor, names.get(cursor.get_usr(), tag), tag)

    def enums(self) -> Iterator[ir.Enum]:
        names = self._typedef_names()
        for cursor in self._of(CursorKind.ENUM_DECL):
            tag = _tag(cursor)
            name = names.get(cursor.get_usr(), tag)
            if cursor.is_definition() and name:
                yield ir.Enum(name, tag, _is_signed(cursor, name), _enumerators(cursor))

    def unnamed_enumerators(self) -> Iterator[ir.Macro]:
        """The enumerators of enums that nothing names: constants, as macros are."""
        names = self._typedef_names()
        for cursor in self._of(CursorKind.ENUM_DECL):
            if not names.get(cursor.get_usr(), _tag(cursor)):
                yield from (ir.Macro(name, value) for name, value in _enumerators(cursor))

    def typedefs(self) -> Iterator[ir.Typedef]:
        first = set(self._typedef_names().values())
        yield from self._foreign_typedefs()
        for cursor in self._of(CursorKind.TYPEDEF_DECL):
            target = _spell(cursor.underlying_typedef_type)
            if cursor.spelling not in first and cursor.spelling != target and not _is_function_pointer(cursor):
                if re.match(rf"(const )?{cursor.spelling}\b", target):
                    raise ParseError(
                        f"{_where(cursor)}: typedef {cursor.spelling}: a pointer to a record of the same name"
                    )
                yield ir.Typedef(cursor.spelling, target)

    def _foreign_typedefs(self) -> Iterator[ir.Typedef]:
        """Names that belong to other headers (GLuint, EGLint, VdpDevice) and that the library's own functions use."""
        foreign = {
            c.spelling: c
            for c in self.tu.cursor.get_children()
            if c.kind == CursorKind.TYPEDEF_DECL and not self._owns(c) and c.spelling not in BUILTIN
        }
        used: set[str] = set()
        for cursor in self.declared(CursorKind.FUNCTION_DECL, CursorKind.STRUCT_DECL, CursorKind.UNION_DECL):
            for child in cursor.walk_preorder():
                if child.kind == CursorKind.TYPE_REF:
                    used.add(child.spelling)
        for name in sorted(used & set(foreign)):
            target = foreign[name].underlying_typedef_type.get_canonical()
            # a pointer to a function of another library is only ever handed through
            plain = (
                target.kind not in (TypeKind.FUNCTIONPROTO, TypeKind.FUNCTIONNOPROTO) and "(*)" not in target.spelling
            )
            yield ir.Typedef(name, _spell(target) if plain else "void")

    def callbacks(self) -> Iterator[ir.Callback]:
        for cursor in self._of(CursorKind.TYPEDEF_DECL):
            if _is_function_pointer(cursor):
                params = [c for c in cursor.get_children() if c.kind == CursorKind.PARM_DECL]
                yield ir.Callback(
                    cursor.spelling,
                    _spell(cursor.underlying_typedef_type).partition("(*)")[0].strip(),
                    tuple(ir.Param(p.spelling or f"arg{i}", _spell_param(p.type)) for i, p in enumerate(params)),
                )

    def opaque(self) -> set[str]:
        """Tags without a definition, also those that only the type of a field mentions."""
        records = self._of(CursorKind.STRUCT_DECL, CursorKind.UNION_DECL)
        mentioned = (c for record in records for c in record.walk_preorder() if c.kind == CursorKind.STRUCT_DECL)
        return {c.spelling for c in mentioned if not c.is_definition() and c.get_definition() is None}


def _record(cursor: Cursor, name: str, tag: str) -> ir.Record:
    kind = cursor.type
    fields = []
    for child in kind.get_fields():
        if child.is_bitfield():
            raise ParseError(
                f"{_where(child)}: bit-field {name}.{child.spelling}: the facts cannot express bit-fields yet"
            )
        fields.append(_field(child, kind))
    return ir.Record(name, tag, cursor.kind == CursorKind.UNION_DECL, kind.get_size(), kind.get_align(), tuple(fields))


def _field(child: Cursor, parent: cindex.Type) -> ir.Field:
    spelling = "" if _unnamed(child.spelling) else child.spelling
    offset = child.get_field_offsetof() // 8
    kind, suffix = child.type, ""
    if kind.kind == TypeKind.CONSTANTARRAY:
        element = kind.element_type
        declaration = element.get_declaration()
        suffix = f"[{kind.element_count}]"
    else:
        declaration = kind.get_declaration()
    if declaration.kind in (CursorKind.STRUCT_DECL, CursorKind.UNION_DECL) and _is_nested(declaration):
        tag = _tag(declaration)
        return ir.Field(spelling, suffix, offset, kind.get_size(), _record(declaration, tag, tag))
    return ir.Field(spelling, _spell(kind), offset, kind.get_size())


def _is_nested(declaration: Cursor) -> bool:
    """Defined inside another record: it has no name, or a tag that nothing outside uses."""
    parent = declaration.lexical_parent
    return parent is not None and parent.kind in (CursorKind.STRUCT_DECL, CursorKind.UNION_DECL)


def _unnamed(spelling: str) -> bool:
    return not spelling or "(anonymous" in spelling or "(unnamed" in spelling


def _tag(cursor: Cursor) -> str:
    """The tag; "" for `typedef struct {...} X`, whose cursor is spelled X although no `struct X` exists."""
    return "" if re.search(r"@[SUE]A@", cursor.get_usr()) or _unnamed(cursor.spelling) else str(cursor.spelling)


def _is_signed(cursor: Cursor, name: str) -> bool:
    kind = cursor.enum_type.get_canonical().kind
    if kind not in (TypeKind.INT, TypeKind.UINT):
        raise ParseError(f"{_where(cursor)}: enum {name}: its values need more than 32 bits, or fewer")
    return bool(kind == TypeKind.INT)


def _enumerators(cursor: Cursor) -> tuple[tuple[str, int], ...]:
    """libclang hands out values as signed numbers."""
    mask = 0xFFFFFFFF if cursor.enum_type.get_canonical().kind == TypeKind.UINT else -1
    return tuple((c.spelling, c.enum_value & mask) for c in cursor.get_children())


def _is_function_pointer(cursor: Cursor) -> bool:
    kind = cursor.underlying_typedef_type
    while kind.kind == TypeKind.ELABORATED:
        kind = kind.get_named_type()
    return bool(kind.kind == TypeKind.POINTER and kind.get_pointee().get_canonical().kind == TypeKind.FUNCTIONPROTO)


def _spell(kind: cindex.Type) -> str:
    """C spelling without elaborating words, attributes or paths; function pointers keep their declarator."""
    text = re.sub(r"\b(struct|union|enum)\s+", "", kind.spelling)
    if "/" in text or "(anonymous" in text or "(unnamed" in text:
        raise ParseError(f"type without a name of its own: {kind.spelling}")
    return re.sub(r"\*\s+(?=\*)", "*", text.replace("*const", "* const").strip())


def _spell_param(kind: cindex.Type) -> str:
    """The type of a parameter: what is written as an array is a pointer."""
    canonical = kind.get_canonical()
    if canonical.kind not in (TypeKind.CONSTANTARRAY, TypeKind.INCOMPLETEARRAY):
        return _spell(kind)
    element = kind.element_type if kind.kind == canonical.kind else canonical.element_type
    text = _spell(element)
    return f"{text}{'' if text.endswith('*') else ' '}*"


def _where(cursor: Cursor) -> str:
    return f"{cursor.location.file.name}:{cursor.location.line}"


def _constants(unit: _Unit, source: Source, dirs: list[Path]) -> Iterator[ir.Macro]:
    yield from _macro_values(unit, source, dirs)
    yield from unit.unnamed_enumerators()


def _macro_values(unit: _Unit, source: Source, dirs: list[Path]) -> Iterator[ir.Macro]:
    """Values of the object-like macros that are integer constants: each is asked for by an enumerator of its own."""
    names = sorted({
        m.spelling for m in unit.declared(CursorKind.MACRO_DEFINITION)
        if m.spelling.startswith(source.prefixes) and len(list(m.get_tokens())) > 1
    })  # fmt: skip
    functions = {c.spelling for c in unit.declared(CursorKind.FUNCTION_DECL)}
    text = "".join(f'#include "{name}"\n' for name in source.include)
    first = text.count("\n") + 1
    # what is no expression is an error of its own line; the cast takes handles such as ((CUstream)0x1)
    text += "".join(f"#ifdef {n}\nenum {{ cubind_value_{n} = (long long)({n}) }};\n#endif\n" for n in names)
    tu = _translation_unit(text, dirs, ["-Wno-everything", "-ferror-limit=0"], errors_from=first)
    bad = {d.location.line for d in tu.diagnostics if d.severity >= cindex.Diagnostic.Error}
    typedefs = {c.spelling for c in tu.cursor.get_children() if c.kind == CursorKind.TYPEDEF_DECL}
    for cursor in tu.cursor.get_children():
        if cursor.kind != CursorKind.ENUM_DECL or cursor.location.file.name != _MAIN:
            continue
        for value in cursor.get_children():
            name = value.spelling.removeprefix("cubind_value_")
            if value.location.line not in bad and name not in functions and name not in typedefs:
                yield ir.Macro(name, value.enum_value)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _translation_unit(text: str, dirs: list[Path], extra: list[str], errors_from: int = 0) -> TranslationUnit:
    """Parses `text`; an error anywhere but at or behind line `errors_from` of it is fatal."""
    arguments = ["-x", "c", "-std=gnu11", "-nostdinc", *extra]
    for folder in dirs:
        arguments += ["-I", str(folder)]
    arguments += ["-isystem", str(STUBS)]
    options = TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD | TranslationUnit.PARSE_SKIP_FUNCTION_BODIES
    try:
        tu = cindex.Index.create().parse(_MAIN, arguments, [(_MAIN, text)], options)
    except cindex.TranslationUnitLoadError as error:
        raise ParseError(f"libclang could not parse at all: {error}; arguments: {' '.join(arguments)}") from error
    for diagnostic in tu.diagnostics:
        if diagnostic.severity < cindex.Diagnostic.Error:
            continue
        file = diagnostic.location.file
        own = file is not None and file.name == _MAIN
        if own and errors_from and diagnostic.location.line >= errors_from:
            continue
        place = f"{file.name}:{diagnostic.location.line}" if file else "command line"
        raise ParseError(
            f"{place}: {diagnostic.spelling}. A missing header belongs to a wheel that versions.toml must name, "
            f"or, if it is a system header, into {STUBS.name}/"
        )
    return tu
