"""The generator's commands.

python -m generator add VERSION        pin the wheels, parse the headers, merge the facts, emit, say what changed
python -m generator emit [--check]     facts + policy → generated files; --check only compares
python -m generator diff A B           what changed between two CUDA versions
python -m generator gaps [VERSION]     what no policy decides yet
python -m generator explain NAME       what is known and decided about a function, enum or record
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import database, headers, pins, pipeline, policy, report
from .emit import abi_header
from .emit.declare import EmitError
from .headers import HeadersError
from .lower import LowerError
from .policy import PolicyError
from .typetable import Types, UnknownTypeError
from .writer import write_if_changed


class NotAddedError(Exception):
    """Headers that do not parse; nothing of their version was written."""


_MEND = "run `python -m generator emit` and commit what it changes"


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m generator", description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, default=pipeline.ROOT, help="folder of versions.toml, policy/ and api/")
    parser.add_argument("--out", type=Path, default=pipeline.OUT, help="repository that the files are written to")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("add", help="add a CUDA version").add_argument("version")
    commands.add_parser("emit", help="write the generated files").add_argument("--check", action="store_true")
    diff = commands.add_parser("diff", help="compare two versions")
    diff.add_argument("old")
    diff.add_argument("new")
    commands.add_parser("gaps", help="list what is not decided").add_argument("version", nargs="?")
    commands.add_parser("explain", help="say what is known about a name").add_argument("name")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except (
        HeadersError,
        PolicyError,
        LowerError,
        EmitError,
        NotAddedError,
        UnknownTypeError,
        database.DatabaseError,
        report.NotKnownError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    match options.command:
        case "add":
            return _add(options.root, options.out, options.version)
        case "emit":
            return _check(options.root, options.out) if options.check else _emit(options.root, options.out)
        case "diff":
            print(report.diff(options.root, options.old, options.new))
            return 0
        case "gaps":
            gaps = report.gaps(options.root, options.version or pipeline.target(options.root))
            print("\n".join(gaps) if gaps else "nothing is open")
            return 1 if gaps else 0
        case _:
            print(report.explain(options.root, options.name))
            return 0


def _add(root: Path, out: Path, version: str) -> int:
    file = root / headers.VERSIONS_FILE
    before = file.read_text()
    try:
        release = pins.pinned(version, root)
        merged = _merged(root, version)
    except Exception:
        write_if_changed(file, before)
        raise
    # nothing is written before everything has parsed: there is no half-added version
    for facts in merged:
        write_if_changed(database.path_of(root, facts.library), database.dumps(facts))
    print(f"added CUDA {version}" + (f" from {len(release.wheels)} wheels" if release.wheels else ""))
    older = {v for facts in merged for v in facts.versions if database.version_key(v) < database.version_key(version)}
    if older:
        print(report.diff(root, max(older, key=database.version_key), version))
    gaps = report.gaps(root, version)
    print("\n".join([f"{len(gaps)} parameters are not decided:", *gaps]) if gaps else "every parameter is decided")
    return _emit(root, out) if version == pipeline.target(root) and not gaps else 0


def _merged(root: Path, version: str) -> list[database.Database]:
    """The facts of every library with this version in them.  NotAddedError where headers do not parse."""
    from .parse import ParseError, parse  # the only command that needs libclang

    found = []
    for name in policy.libraries(root):
        info = policy.load(root, name).info
        try:
            library = parse(report.source_of(info), version, headers.include_dirs(version, root, library=name))
        except ParseError as error:
            raise NotAddedError(f"{name} {version}: {error}") from error
        abi_header.emit(library, info, Types(library))  # refuses what cannot be put into C
        facts = database.load(root, name) if database.path_of(root, name).exists() else database.Database(name)
        facts.merge(library)
        found.append(facts)
    return found


def _emit(root: Path, out: Path) -> int:
    changed = pipeline.write(out, pipeline.outputs(root))
    print("\n".join(f"wrote {path}" for path in changed) if changed else "nothing changed")
    return 0


def _check(root: Path, out: Path) -> int:
    texts = pipeline.outputs(root)
    differing = [*pipeline.differing(out, texts), *pipeline.stale(out, texts)]
    for path in differing:
        print(f"{path} is not what the facts and policies give", file=sys.stderr)
    if differing:
        print(f"error: {_MEND}", file=sys.stderr)
        return 1
    print(f"{len(texts)} generated files are what the facts and policies give")
    return 0


if __name__ == "__main__":
    sys.exit(main())
