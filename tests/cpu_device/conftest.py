"""The PTX parser as fixtures: one build a session with optimisation, one with sanitizers."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cpu_device.parser_access import Parser, compile_parser


@pytest.fixture(scope="session")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Parser:
    return Parser(compile_parser(tmp_path_factory.mktemp("parser"), "parser.so", "-O2", "-fPIC", "-shared"))


@pytest.fixture(scope="session")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = ["-O1", "-g1", "-DPTX_MAIN", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    return compile_parser(tmp_path_factory.mktemp("sanitized"), "parser", *options)


@pytest.fixture
def survive(sanitized: Path, tmp_path: Path) -> Callable[..., list[int]]:
    """Runs the sanitized parser over a text; returns how many texts were good, bad, and bad without a word."""

    def run(mode: str, text: str | bytes, number: int = 1) -> list[int]:
        file = tmp_path / "text.ptx"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        command = [str(sanitized), mode, str(file), str(number)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr[:3000]
        return [int(word) for word in done.stdout.split()]

    return run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The test that looks at what all others have executed is the last one."""
    items.sort(key=lambda item: item.path.name == "test_exec_forms.py")
