"""Read sizes from the headers of AV1 and HEVC, whatever their container says, and colours of AV1.

Sources: AV1 bitstream specification, sections 5.3 and 5.5; ITU-T H.265, sections 7.3.1 and 7.3.2.2.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

MAX_UNITS = 10_000
"""Units of one item that are looked at; a still picture has a handful."""

MAX_HEADER_BYTES = 1000

UNKNOWN_COLOURS = 2
"""In place of the number of primaries or of a transfer (ITU-T H.273)."""

_AV1_SEQUENCE_HEADER = 1
_HEVC_SEQUENCE_PARAMETERS = 33


@dataclass(frozen=True)
class Av1Sequence:
    """The header of an AV1 sequence.

    Attributes:
        width, height: the largest of its pictures, in pixels.
        primaries, transfer: numbers of its colours (ITU-T H.273), or UNKNOWN_COLOURS.
    """

    width: int
    height: int
    primaries: int
    transfer: int


class BitReader:
    """Read numbers bit by bit; IndexError behind the end."""

    def __init__(self, data: bytes):
        self._bits, self._left = int.from_bytes(data), 8 * len(data)

    def read(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise IndexError
        return self._bits >> self._left & ((1 << count) - 1)

    def read_exp_golomb(self) -> int:
        """Read an unsigned number of variable length: `ue(v)` of HEVC, `uvlc()` of AV1."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 32:
                raise IndexError
        return (1 << zeros) - 1 + self.read(zeros)


def iterate_av1_sequences(data: bytes) -> Iterator[Av1Sequence]:
    """Yield every sequence header in AV1 data.

    Raises:
        IndexError: the data ends too soon, or has more than MAX_UNITS units.
    """
    for start, end, head in _iterate_units(data, _locate_av1_unit):
        if head >> 3 & 15 == _AV1_SEQUENCE_HEADER:
            yield _read_av1_sequence(BitReader(data[start:end]))


def _iterate_units(
    data: bytes, locate: Callable[[bytes, int], tuple[int, int]]
) -> Iterator[tuple[int, int, int]]:
    """Yield where the content of every unit starts, where it ends or MAX_HEADER_BYTES do, and the
    unit's first byte.

    Args:
        locate: returns start and size of the content of the unit at a position.

    Raises:
        IndexError: the data ends too soon, or has more than MAX_UNITS units.
    """
    position = 0
    for _ in range(MAX_UNITS):
        if position >= len(data):
            return
        start, size = locate(data, position)
        yield start, start + min(size, MAX_HEADER_BYTES), data[position]
        position = start + size
    raise IndexError


def _locate_av1_unit(data: bytes, position: int) -> tuple[int, int]:
    head = data[position]
    start = position + (2 if head & 4 else 1)
    if not head & 2:
        return start, len(data) - start
    size, start = _read_leb128(data, start)
    return start, size


def _read_leb128(data: bytes, position: int) -> tuple[int, int]:
    """Return a number of variable length, and the position behind it."""
    value = 0
    for number in range(8):
        byte = data[position + number]
        value |= (byte & 127) << 7 * number
        if byte < 128:
            return value, position + number + 1
    raise IndexError


def _read_av1_sequence(bits: BitReader) -> Av1Sequence:
    profile = bits.read(3)
    bits.read(1)  # still picture
    is_reduced = bits.read(1)  # as many still pictures are
    if is_reduced:
        bits.read(5)
    else:
        _skip_av1_operating_points(bits)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    width, height = bits.read(width_bits) + 1, bits.read(height_bits) + 1
    if not is_reduced and bits.read(1):  # numbers of frames
        bits.read(7)
    bits.read(3)  # tools within a frame
    if not is_reduced:
        _skip_av1_tools(bits)
    bits.read(3)  # filters
    return Av1Sequence(width, height, *_read_av1_colours(bits, profile))


def _skip_av1_tools(bits: BitReader) -> None:
    """Skip the tools between frames, and those for screen content."""
    bits.read(4)
    has_order = bits.read(1)
    bits.read(2 * has_order)
    is_chosen_per_frame = bits.read(1)
    if (is_chosen_per_frame or bits.read(1)) and not bits.read(1):
        bits.read(1)
    bits.read(3 * has_order)


def _read_av1_colours(bits: BitReader, profile: int) -> tuple[int, int]:
    """Return the numbers of primaries and transfer."""
    if bits.read(1) and profile == 2:  # more than 8 bits
        bits.read(1)
    if profile != 1:
        bits.read(1)  # grey
    return (bits.read(8), bits.read(8)) if bits.read(1) else (UNKNOWN_COLOURS, UNKNOWN_COLOURS)


def _skip_av1_operating_points(bits: BitReader) -> None:
    delay_bits = 0
    if bits.read(1):  # timing
        bits.read(64)
        if bits.read(1):
            bits.read_exp_golomb()
        if bits.read(1):  # decoder model
            delay_bits = bits.read(5) + 1
            bits.read(42)
    has_display_delay = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read(1)
        if delay_bits and bits.read(1):
            bits.read(2 * delay_bits + 1)
        if has_display_delay and bits.read(1):
            bits.read(4)


def iterate_hevc_sizes(data: bytes, length_size: int) -> Iterator[tuple[int, int]]:
    """Yield width and height of every set of sequence parameters in HEVC data.

    Args:
        length_size: bytes of the length before each unit.

    Raises:
        IndexError: the data ends too soon, or has more than MAX_UNITS units.
    """

    def locate(data: bytes, position: int) -> tuple[int, int]:
        start = position + length_size
        return start, int.from_bytes(data[position:start])

    for start, end, _ in _iterate_units(data, locate):
        yield from read_hevc_sizes(data[start:end])


def read_hevc_sizes(unit: bytes) -> list[tuple[int, int]]:
    """Return width and height if a unit is a set of sequence parameters; else nothing.

    Raises:
        IndexError: it ends too soon.
    """
    if len(unit) < 3 or unit[0] >> 1 & 63 != _HEVC_SEQUENCE_PARAMETERS:
        return []
    # A byte of 3 keeps two zeros from looking like the beginning of a unit.
    bits = BitReader(unit[2:].replace(b"\0\0\3", b"\0\0"))
    bits.read(4)
    sub_layers = bits.read(3)
    bits.read(1 + 88 + 8)  # profile, tier and level
    present = [(bits.read(1), bits.read(1)) for _ in range(8 if sub_layers else 0)][:sub_layers]
    for has_profile, has_level in present:
        bits.read(88 * has_profile + 8 * has_level)
    bits.read_exp_golomb()
    if bits.read_exp_golomb() == 3:  # 4:4:4
        bits.read(1)
    return [(bits.read_exp_golomb(), bits.read_exp_golomb())]
