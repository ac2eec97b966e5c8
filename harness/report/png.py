"""
Small pictures as data URIs: a byte for each pixel and a palette, written without any library for pictures.

A reconstruction of 60 pixels is a few kilobytes that way, and the page scales it without smoothing: what a reader sees
are the pixels that were scored.
"""

import base64
import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = {
    "grey": "000000 ffffff",
    "viridis": (
        "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b addc30 "
        "d8e219 fde725"
    ),
    "diverging": "053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f",
}
"""Anchors of the colour maps, first to last: those of Matplotlib's `gray` and `viridis`, and ColorBrewer's RdBu."""

_LEVELS = 255
"""The last entry of the palette is transparent: pixels that were not scored."""


def uri(data: bytes) -> str:
    """PNG bytes as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def encode(image: "NDArray[np.float64]", limits: tuple[float, float], colours: str) -> bytes:
    """
    Draw an image with a colour map.

    Args:
        image: `(h, w)`; what is not finite becomes transparent.
        limits: values of the first and the last colour.
        colours: name of the colour map.

    Returns:
        The bytes of an 8-bit PNG with a palette.
    """
    import numpy as np

    low, high = limits
    with np.errstate(invalid="ignore"):
        scaled = np.clip((image - low) / ((high - low) or 1.0), 0, 1) * (_LEVELS - 1)
    index = np.where(np.isfinite(image), np.nan_to_num(scaled).round(), _LEVELS).astype(np.uint8)
    height, width = index.shape
    lines = np.zeros((height, width + 1), dtype=np.uint8)  # each line begins with its filter: none
    lines[:, 1:] = index
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = (
        (b"IHDR", header),
        (b"PLTE", palette(colours)),
        (b"tRNS", b"\xff" * _LEVELS + b"\x00"),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    return SIGNATURE + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@cache
def palette(colours: str) -> bytes:
    """256 colours as RGB bytes, the last one for what is transparent."""
    import numpy as np

    anchors = np.array([list(bytes.fromhex(colour)) for colour in COLOURS[colours].split()], dtype=np.float64)
    places, wanted = np.linspace(0, 1, len(anchors)), np.linspace(0, 1, _LEVELS)
    drawn = np.stack([np.interp(wanted, places, channel) for channel in anchors.T], axis=1)
    return bytes(drawn.round().astype(np.uint8).tobytes()) + b"\x80\x80\x80"


def bar(colours: str) -> str:
    """The colour map itself, left to right, as a data URI."""
    import numpy as np

    return uri(encode(np.linspace(0, 1, _LEVELS)[None, :], (0.0, 1.0), colours))
