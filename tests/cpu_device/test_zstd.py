"""The decoder of Zstandard data against the reference implementation, and on damaged data."""

from __future__ import annotations

import ctypes
import random
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from tests.helpers.cpu import KERNELS

HERE = Path(__file__).parent
SOURCES = HERE.parent.parent / "cpu_device" / "src" / "zstd"

Expand = Callable[[bytes, int], "bytes | None"]


def compile_decoder(folder: Path, name: str, *options: str) -> Path:
    sources = [*SOURCES.glob("*.cpp"), HERE / "zstd_api.cpp"]
    command = [
        "g++",
        "-std=c++17",
        "-Wall",
        "-Wextra",
        "-Werror",
        *options,
        *map(str, sources),
        "-o",
        str(folder / name),
    ]
    subprocess.run(command, check=True)
    return folder / name


@pytest.fixture(scope="module")
def expand(tmp_path_factory: pytest.TempPathFactory) -> Expand:
    library = ctypes.CDLL(str(compile_decoder(tmp_path_factory.mktemp("zstd"), "zstd.so", "-O1", "-fPIC", "-shared")))
    library.zstd_expand.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]

    def run(packed: bytes, size: int) -> bytes | None:
        out = ctypes.create_string_buffer(size + 1)
        return out.raw[:size] if library.zstd_expand(packed, len(packed), out, size) else None

    return run


def contents() -> dict[str, bytes]:
    """Data that makes an encoder use all it has: literals of each kind, codes of each kind, far and near matches."""
    choose = random.Random(11)
    text = KERNELS.encode()
    words = [bytes(choose.choices(b"abcdefgh.%_ ", k=choose.randint(2, 9))) for _ in range(200)]
    skewed = choose.choices(range(256), weights=[2 ** -(i / 9) for i in range(256)], k=50_000)
    return {
        "nothing": b"",
        "one": b"x",
        "few": b"abcabcabcabcabd",
        "text": text,
        "text, long": b"".join(text.replace(b"fill", b"fill%d" % i) for i in range(120)),
        "words": b" ".join(choose.choices(words, k=60_000)),
        "one value": bytes(400_000),
        "noise": choose.randbytes(300_000),
        "skewed": bytes(skewed),
        "two values": bytes(choose.choices(b"ab", weights=[30, 1], k=200_000)),
        "noise again": (noise := choose.randbytes(150_000)) + bytes(1000) + noise + noise[::-1] + noise[:70_000],
        "counted": b"".join(struct.pack("<I", i * 3) for i in range(40_000)),
    }


CONTENTS = contents()


@pytest.mark.parametrize("which", CONTENTS)
def test_what_the_reference_compressed(expand: Expand, which: str) -> None:
    data = CONTENTS[which]
    for level in (-50, -5, -1, 1, 2, 3, 5, 7, 9, 13, 17, 19, 22):
        for checksum, sized in ((False, True), (True, True), (True, False)):
            if level > 13 and (checksum, sized) != (True, True) and len(data) > 100_000:
                continue
            packer = zstandard.ZstdCompressor(level=level, write_checksum=checksum, write_content_size=sized)
            assert expand(packer.compress(data), len(data)) == data, (level, checksum, sized)


@pytest.mark.parametrize("strategy", range(1, 10))
def test_strategies_windows_and_streams(expand: Expand, strategy: int) -> None:
    data = CONTENTS["words"][:200_000] + CONTENTS["text, long"][:100_000]
    for window in (10, 14, 17, 20, 27):
        parameters = zstandard.ZstdCompressionParameters(
            window_log=window, chain_log=12, hash_log=12, search_log=3, min_match=3 + strategy % 4, strategy=strategy,
            write_checksum=True, enable_ldm=window == 27,
        )  # fmt: skip
        packer = zstandard.ZstdCompressor(compression_params=parameters)
        assert expand(packer.compress(data), len(data)) == data
        # as a stream, flushed at odd places: small blocks, no size in the header
        stream, packed = packer.compressobj(), b""
        for at in range(0, len(data), 7919):
            packed += stream.compress(data[at : at + 7919])
            packed += stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        packed += stream.flush()
        assert expand(packed, len(data)) == data


def test_every_small_size(expand: Expand) -> None:
    text, noise = CONTENTS["words"], CONTENTS["skewed"]
    for n in [
        *range(300),
        *range(1020, 1030),
        *range(16380, 16390),
        65535,
        65536,
        65791,
        65792,
        131071,
        131072,
        131073,
    ]:
        for data in (text[:n], noise[:n]):
            packed = zstandard.ZstdCompressor(level=n % 19 + 1, write_checksum=n % 2 == 0).compress(data)
            assert expand(packed, len(data)) == data


def test_frames_one_after_the_other(expand: Expand) -> None:
    one, two = CONTENTS["text"], CONTENTS["few"]
    skipped = struct.pack("<II", 0x184D2A53, 5) + b"12345" + struct.pack("<II", 0x184D2A5F, 0)
    packed = skipped + zstandard.compress(one) + skipped + zstandard.compress(two) + skipped
    assert expand(packed, len(one) + len(two)) == one + two
    assert expand(skipped, 0) == b""
    assert expand(packed[:-1], len(one) + len(two)) is None
    assert expand(struct.pack("<II", 0x184D2A53, 0xFFFFFFFF), 0) is None


def test_what_does_not_fit_is_refused(expand: Expand) -> None:
    data = CONTENTS["text"]
    packed = zstandard.ZstdCompressor(write_checksum=True).compress(data)
    for size in (0, 1, len(data) - 1, len(data) + 1, 2 * len(data)):
        assert expand(packed, size) is None
    assert expand(packed[:-4] + bytes(4), len(data)) is None  # the checksum
    assert expand(packed[:-1], len(data)) is None
    assert expand(packed + b"\0", len(data)) is None
    dictionary = zstandard.ZstdCompressionDict(data)
    assert (
        expand(
            zstandard.ZstdCompressor(
                dict_data=zstandard.train_dictionary(2000, [data[i : i + 90] for i in range(2000)])
            ).compress(data),
            len(data),
        )
        is None
    )
    raw = zstandard.ZstdCompressor(dict_data=dictionary).compress(data)  # a match before the first byte
    assert expand(raw, len(data)) is None
    # one block of one byte, repeated: 128 KB at most
    for size, good in ((1 << 17, True), ((1 << 17) + 1, False)):
        frame = struct.pack("<IBB", 0xFD2FB528, 0, 0x50) + (size << 3 | 3).to_bytes(3, "little") + b"r"
        assert (expand(frame, size) == b"r" * size) is good
    reserved = struct.pack("<IBB", 0xFD2FB528, 0, 0x50) + (1 << 3 | 7).to_bytes(3, "little") + b"r"
    assert expand(reserved, 1) is None


def test_a_bit_that_changes_does_not_pass(expand: Expand) -> None:
    """With a checksum: only bits that mean nothing may change."""
    data = CONTENTS["text"]
    packed = zstandard.ZstdCompressor(level=19, write_checksum=True).compress(data)
    for bit in range(8 * len(packed)):
        broken = bytearray(packed)
        broken[bit // 8] ^= 1 << bit % 8
        assert expand(bytes(broken), len(data)) in (None, data), bit


def test_damaged_data_under_sanitizers(tmp_path: Path) -> None:
    options = ["-O1", "-g1", "-DZSTD_MAIN", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    program = compile_decoder(tmp_path, "zstd", *options)
    cases = [
        ("text", 19, 3000),
        ("text", -5, 2000),
        ("few", 3, 3000),
        ("words", 12, 20),
        ("skewed", 3, 40),
        ("two values", 19, 100),
    ]
    for which, level, turns in cases:
        data, file = CONTENTS[which], tmp_path / "data.zst"
        file.write_bytes(zstandard.ZstdCompressor(level=level, write_checksum=False).compress(data))
        done = subprocess.run(
            [program, file, str(len(data)), str(turns)], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr[:3000]
        accepted, refused = map(int, done.stdout.split())
        assert accepted + refused >= turns and refused > accepted // 4, (which, level, done.stdout)
