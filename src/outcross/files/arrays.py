"""Arrays of numbers in .npy and .npz files. The size in a header is checked before memory is allocated for it.

Files are read and never mapped into memory. If a mapped file is truncated, the process ends with SIGBUS.
"""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from outcross.errors import BadInput, MachineGaveOut, first_words, is_of_the_machine
from outcross.files import inputs


@dataclass(frozen=True)
class Header:
    """The header of a .npy file."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype
    start: int
    """The byte at which the values begin."""

    @property
    def size(self) -> int:
        """Size of the values, in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class ArrayFile:
    """The array of a .npy file. Rows are read from the file when a slice is requested."""

    path: Path
    header: Header

    @property
    def shape(self) -> tuple[int, ...]:
        return self.header.shape

    @property
    def dtype(self) -> np.dtype:
        return self.header.dtype

    @property
    def ndim(self) -> int:
        return len(self.header.shape)

    def __len__(self) -> int:
        return self.header.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Read a slice of rows with step 1. Raises BadInput if the file has become shorter."""
        first, last, _ = rows.indices(len(self))
        shape = (max(0, last - first), *self.shape[1:])
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        inputs.check_memory(self.path, math.prod(shape) * self.dtype.itemsize, "holds rows that take")
        with inputs.opened(self.path) as file:
            file.seek(self.header.start + first * row)
            return _array(file.read(shape[0] * row), Header(shape, False, self.dtype, 0), self.path)


def load(path: Path) -> Mapping[str, np.ndarray | ArrayFile]:
    """Read the arrays of a .npz file by name, or the array of a .npy file under the name "".

    Raises BadInput if the file is incomplete, contains objects, or would take too much memory.
    """
    try:
        with inputs.opened(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy warns about headers that Python 2 wrote, although it reads them
            start = file.read(4)
            file.seek(0)
            return _of_archive(file, path) if start == b"PK\x03\x04" else {"": _of_file(file, path)}
    except (BadInput, MachineGaveOut):
        raise
    except Exception as error:  # a damaged header can raise any error of Python's tokeniser
        if is_of_the_machine(error):
            raise MachineGaveOut(f"{path} cannot be read: {first_words(error)}; free memory or open files") from None
        raise BadInput(f"{path} is not a whole .npy or .npz file of numbers: {first_words(error, 120)}") from None


def _of_file(file: BinaryIO, path: Path) -> np.ndarray | ArrayFile:
    header = _header(file)
    _check_whole(header, inputs.check(path) - header.start)
    if header.shape and not header.is_fortran:
        return ArrayFile(path, header)
    inputs.check_memory(path, header.size, "holds an array by columns (Fortran order) that takes")
    return _array(file.read(header.size), header, path)


def _of_archive(file: BinaryIO, path: Path) -> dict[str, np.ndarray]:
    """The arrays of a zip file. Its directory declares the size of each, and no more than that is unpacked."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        inputs.check_memory(path, sum(member.file_size for member in members))
        if not members:
            raise ValueError("it contains no array")
        return {member.filename.removesuffix(".npy"): _of_member(archive, member, path) for member in members}


def _of_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> np.ndarray:
    content = archive.read(member)
    file = io.BytesIO(content)
    header = _header(file)
    _check_whole(header, len(content) - header.start)
    return _array(memoryview(content)[header.start : header.start + header.size], header, path)


def _header(file: BinaryIO) -> Header:
    """Read the header of a .npy file. Raises ValueError if there is none, or if the values are objects or structures."""
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} is of structured arrays")
    reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, is_fortran, dtype = reader(file)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded when allow_pickle=False")
    if any(length < 0 for length in shape):
        raise ValueError(f"its shape is {shape}")
    return Header(tuple(int(length) for length in shape), bool(is_fortran) and len(shape) > 1, dtype, file.tell())


def _check_whole(header: Header, size: int) -> None:
    if header.size > size:
        raise ValueError(f"it is cut off: it has {size:,} bytes of values for {header.dtype} of shape {header.shape}")


def _array(content: bytes | memoryview, header: Header, path: Path) -> np.ndarray:
    """The values, in the byte order of this machine."""
    if len(content) < header.size:
        raise BadInput(f"{path} became shorter while it was read; give a file that nothing writes to")
    if header.size == 0:
        return np.zeros(header.shape, header.dtype.newbyteorder("="))
    array = np.frombuffer(content, header.dtype, count=math.prod(header.shape))
    array = array.reshape(header.shape, order="F" if header.is_fortran else "C")
    return array.astype(header.dtype.newbyteorder("="), copy=False)
