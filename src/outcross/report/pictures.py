"""Grids of pictures that every generation decodes from the same latents, with one row per generation."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outcross.report.study import ShownPictures, Study

ROWS = 24
"""Maximum number of generations of one arm that are shown: the first ones, and the last."""
SIZE = 48
"""Approximate width of a picture on the page, in pixels. Larger pictures keep their size."""


@dataclass(frozen=True)
class PictureRow:
    """The pictures of one generation, or human ones."""

    title: str
    address: str
    """A data URL that contains the picture file."""
    alt: str
    width: int
    height: int


@dataclass(frozen=True)
class Grid:
    """The pictures of an arm."""

    arm: str
    rows: tuple[PictureRow, ...]
    left_out: int
    """Number of generations that are not shown."""


def grids(study: Study, room: int) -> tuple[Grid, ...]:
    """The grids of the arms, each for the arm's first seed, as many as fit into `room` bytes."""
    grids_of_arms: list[Grid] = []
    for arm in study.arms:
        own = [picture for picture in study.pictures if picture.arm == arm]
        if own and (grid := _grid(arm, own)) is not None:
            room -= sum(len(row.address) for row in grid.rows)
            if room < 0 and grids_of_arms:
                break
            grids_of_arms.append(grid)
    return tuple(grids_of_arms)


def _grid(arm: str, own: Sequence[ShownPictures]) -> Grid | None:
    first = min(pictures.seed for pictures in own)
    seeded = sorted(
        (pictures for pictures in own if pictures.seed == first), key=lambda pictures: (pictures.generation, not pictures.is_human)
    )
    shown = seeded if len(seeded) <= ROWS else [*seeded[: ROWS - 1], seeded[-1]]
    return Grid(arm, tuple(_row(pictures) for pictures in shown), len(seeded) - len(shown))


def _row(pictures: ShownPictures) -> PictureRow:
    count, height, width = pictures.pixels.shape
    strip = np.full((height, count * (width + 1) - 1), 128, dtype=np.uint8)  # a grey line between two pictures
    for i, picture in enumerate(pictures.pixels):
        strip[:, i * (width + 1) : i * (width + 1) + width] = picture
    title = "people" if pictures.is_human else f"generation {pictures.generation}"
    who = (
        "by people, from the training set"
        if pictures.is_human
        else f"that generation {pictures.generation} decodes from the same latents as every other generation"
    )
    scale = max(1, round(SIZE / width))
    return PictureRow(title, address(png(strip)), f"{count} pictures {who}", strip.shape[1] * scale, height * scale)


def address(content: bytes) -> str:
    """A PNG file as a data URL."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def png(pixels: np.ndarray) -> bytes:
    """A PNG file (RFC 2083) of grey pixels (height, width) in bytes, where 255 is white. It has no time stamp, so equal pixels give equal files.

    >>> png(np.zeros((1, 1), dtype=np.uint8))[:8]
    b'\\x89PNG\\r\\n\\x1a\\n'
    """
    height, width = pixels.shape
    lines = np.zeros((height, width + 1), dtype=np.uint8)  # each line begins with its filter; 0 means none
    lines[:, 1:] = pixels
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)  # 8 bits of grey, not interlaced
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
