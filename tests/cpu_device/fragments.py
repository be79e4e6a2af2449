"""Matrix fragments as the PTX ISA lays them out: element i of a lane's fragment to its row and column."""

import numpy as np

BITS = {"f16": 16, "bf16": 16, "tf32": 32, "f32": 32, "s32": 32, "f64": 64, "e4m3": 8, "e5m2": 8}
BITS |= {"s8": 8, "u8": 8, "s4": 4, "u4": 4, "b1": 1}


def word_bits(type_: str) -> int:
    return 64 if type_ == "f64" else 32


def multiplicand(rows: int, k: int, type_: str) -> list[list[tuple[int, int]]]:
    """By lane: the places of its elements in a matrix of `rows` x k.  B has its columns as rows."""
    per = word_bits(type_) // BITS[type_]  # elements of a register
    count = rows * k // 32

    def place(lane: int, i: int) -> tuple[int, int]:
        group, thread = lane >> 2, lane % 4
        if rows == 8:  # register after register along k
            return group, 4 * per * (i // per) + per * thread + i % per
        row = group if (i // per) % 2 == 0 else group + 8
        return row, per * thread + i % per + (0 if i < 2 * per else 4 * per * (i // (2 * per)))

    return [[place(lane, i) for i in range(count)] for lane in range(32)]


def accumulator(rows: int, columns: int) -> list[list[tuple[int, int]]]:
    count = rows * columns // 32
    assert columns == 8

    def place(lane: int, i: int) -> tuple[int, int]:
        return (lane >> 2) + 8 * (i // 2), 2 * (lane % 4) + i % 2

    return [[place(lane, i) for i in range(count)] for lane in range(32)]


def pack(matrix: np.ndarray, places: list[list[tuple[int, int]]], type_: str) -> bytes:
    """Bit patterns of a matrix as registers: register after register, each of 32 lanes."""
    bits, word = BITS[type_], word_bits(type_)
    per = word // bits
    registers = np.zeros((len(places[0]) // per, 32), f"u{word // 8}")
    for lane, elements in enumerate(places):
        for i, (row, column) in enumerate(elements):
            registers[i // per, lane] |= registers.dtype.type(int(matrix[row, column]) << bits * (i % per))
    return registers.tobytes()


def unpack(data: bytes, places: list[list[tuple[int, int]]], type_: str, shape: tuple[int, int]) -> np.ndarray:
    bits, word = BITS[type_], word_bits(type_)
    per = word // bits
    registers = np.frombuffer(data, f"u{word // 8}").reshape(-1, 32)
    matrix = np.zeros(shape, "u8")
    for lane, elements in enumerate(places):
        for i, (row, column) in enumerate(elements):
            matrix[row, column] = int(registers[i // per, lane]) >> bits * (i % per) & (1 << bits) - 1
    return matrix


def encode(values: np.ndarray, type_: str) -> np.ndarray:
    """Numbers to bit patterns of a type; floating-point ones must be representable, or are rounded as NumPy does."""
    values = np.asarray(values)
    if type_ == "f16":
        return values.astype("f2").view("u2").astype("u8")
    if type_ == "bf16":
        return (values.astype("f4").view("u4") >> 16).astype("u8")
    if type_ in ("f32", "tf32"):
        return values.astype("f4").view("u4").astype("u8")
    if type_ == "f64":
        return values.astype("f8").view("u8")
    if type_ in ("e4m3", "e5m2"):
        table = small_floats(type_)
        return np.array([[int(np.flatnonzero(table == v)[0]) for v in row] for row in values], "u8")
    return values.astype("i8").view("u8") & np.uint64((1 << BITS[type_]) - 1)


def decode(patterns: np.ndarray, type_: str) -> np.ndarray:
    if type_ == "f16":
        return patterns.astype("u2").view("f2").astype("f8")
    if type_ == "bf16":
        return (patterns.astype("u4") << 16).view("f4").astype("f8")
    if type_ == "f32":
        return patterns.astype("u4").view("f4").astype("f8")
    if type_ == "tf32":
        return (patterns.astype("u4") & 0xFFFFE000).view("f4").astype("f8")
    if type_ == "f64":
        return patterns.astype("u8").view("f8")
    if type_ in ("e4m3", "e5m2"):
        return small_floats(type_)[patterns.astype("i8")]
    signed = patterns.astype("i8")
    bits = BITS[type_]
    return np.where(signed >> bits - 1 & 1, signed - (1 << bits), signed) if type_[0] == "s" else signed


def small_floats(type_: str) -> np.ndarray:
    """The values of all patterns of an 8-bit format."""
    exponent, mantissa = (4, 3) if type_ == "e4m3" else (5, 2)
    bias = (1 << exponent - 1) - 1
    values = []
    for v in range(256):
        e, m = v >> mantissa & (1 << exponent) - 1, v & (1 << mantissa) - 1
        x = (m + (1 << mantissa if e else 0)) * 2.0 ** ((e or 1) - bias - mantissa)
        if type_ == "e4m3" and v & 0x7F == 0x7F:
            x = np.nan
        if type_ == "e5m2" and e == 31:
            x = np.nan if m else np.inf
        values.append(-x if v & 0x80 else x)
    return np.array(values)
