"""PNG and GIF files from NumPy arrays, with the standard library alone: for the examples that show something."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]


def write_png(path: str | Path, pixels: Bytes) -> None:
    """Writes uint8[height, width, 3], red, green and blue.  https://www.w3.org/TR/png-3/"""
    height, width, channels = pixels.shape
    if channels != 3 or pixels.dtype != "uint8":
        raise ValueError(f"uint8[height, width, 3] is wanted, not {pixels.dtype}{list(pixels.shape)}")

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.tobytes() for row in pixels)  # each row begins with its filter: none
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits of red, green, blue; not interlaced
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b""))
    Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


# rows of three dots, the highest first, 4 for the left one
_DIGITS = {
    "0": (7, 5, 5, 5, 7), "1": (2, 6, 2, 2, 7), "2": (7, 1, 7, 4, 7), "3": (7, 1, 7, 1, 7), "4": (5, 5, 7, 1, 1),
    "5": (7, 4, 7, 1, 7), "6": (7, 4, 7, 5, 7), "7": (7, 1, 1, 1, 1), "8": (7, 5, 7, 5, 7), "9": (7, 5, 7, 1, 7),
    "-": (0, 0, 7, 0, 0), ".": (0, 0, 0, 0, 2),
}  # fmt: skip


def draw_number(pixels: Bytes, number: float, x: int, y: int, anchor: float = 0.5, dot: int = 2) -> None:
    """Draws a number in black, y its middle; anchor: how much of it lies left of x, 0 to 1.  dot: its pixels."""
    text = f"{number:g}"
    left, top = x - int(anchor * (4 * len(text) - 1) * dot), y - 5 * dot // 2
    for i, character in enumerate(text):
        for row, dots in enumerate(_DIGITS[character]):
            for column in range(3):
                if dots & 4 >> column:
                    at_y, at_x = top + row * dot, left + (4 * i + column) * dot
                    pixels[at_y : at_y + dot, at_x : at_x + dot] = 0


def write_gif(path: str | Path, frames: Iterable[Bytes], palette: Bytes, hundredths: int = 5) -> None:
    """Writes an animation that repeats: uint8[height, width] frames of indices into a palette, uint8[256, 3].

    hundredths: of a second for each frame.  https://www.w3.org/Graphics/GIF/spec-gif89a.txt
    """
    frames = list(frames)
    height, width = frames[0].shape
    with Path(path).open("wb") as file:
        file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0) + palette.tobytes())
        file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0")  # again and again
        for frame in frames:
            file.write(struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 0, hundredths, 0, 0))
            file.write(struct.pack("<BHHHHBB", 0x2C, 0, 0, width, height, 0, 8))
            data = _lzw(frame.tobytes())
            file.write(b"".join(bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255)))
            file.write(b"\0")
        file.write(b"\x3b")


def _lzw(data: bytes) -> bytes:
    """The compression of GIF for 8-bit pixels: codes of 9 to 12 bits, the least significant bit first."""
    clear, end = 256, 257
    first = {bytes([i]): i for i in range(256)}
    table, width, bits, room = dict(first), 9, clear, 9  # the first code clears the table
    known = b""

    for i in range(len(data)):
        longer = known + data[i : i + 1]
        if longer in table:
            known = longer
            continue
        bits |= table[known] << room
        room += width
        table[longer] = len(table) + 2  # two codes mean no bytes
        if len(table) + 1 >= 1 << width:
            width += 1
        if width > 12:
            bits, room = bits | clear << room, room + 12
            table, width = dict(first), 9
        known = data[i : i + 1]
    bits |= (table[known] << room) | (end << (room + width))
    return bits.to_bytes((room + 2 * width + 7) // 8, "little")
