"""What is in a zip or a plain tar, and what of it is taken for a picture; nothing is unpacked."""

import io
import re
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tintype import images
from tintype.sources import places

MAX_HEADER = 2**20  # bytes of a tar's; names take a few hundred
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # with files in it, and without
_ODD_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


class Member(NamedTuple):
    name: str  # with forward slashes, no "./" in front
    size: int  # bytes, once unpacked
    offset: int = 0  # of its first byte in a tar
    is_folder: bool = False
    is_sparse: bool = False  # in pieces, without its holes
    odd: str = ""  # what it is, where it is neither folder nor readable file


def is_zip(place: Path) -> bool:
    """Whether a file begins like a zip, whatever its name."""
    with open(place, "rb") as file:
        return file.read(4) in _ZIP


def begins_a_tar(block: bytes) -> bool:
    """Whether the first 512 bytes of a file are a tar's."""
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return block == bytes(tarfile.BLOCKSIZE)  # a tar without files
    return True


def listed(place: Path) -> Iterator[Member]:
    """What is in a zip or plain tar, in its order.

    Raises many kinds of exceptions for a damaged file, tarfile.ReadError for a tar without an end.
    """
    return _in_zip(place) if is_zip(place) else in_tar(place)


def _in_zip(place: Path) -> Iterator[Member]:
    with zipfile.ZipFile(place) as archive:
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            odd = "encrypted" if info.flag_bits & 1 else _ODD_KINDS.get(kind, "")
            is_folder = info.filename.endswith("/")
            yield Member(info.filename.removeprefix("./"), info.file_size, is_folder=is_folder, odd=odd)


class _Headers(io.FileIO):
    """A tar of which only headers are read: by itself, tarfile takes one of any size into memory."""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size)


def in_tar(place: Path, start: int = 0, size: int | None = None) -> Iterator[Member]:
    """What is in a plain tar, or in the one of `size` bytes that begins at byte `start` of it.

    Raises as `listed` does.
    """
    settings = {"mode": "r:", "encoding": "utf-8", "errors": "surrogateescape"}
    with _Headers(place) as file:
        file.seek(start)
        with tarfile.open(fileobj=file, **settings) as archive:
            for info in archive:
                name = info.name.removeprefix("./")
                yield Member(
                    name, info.size, info.offset_data, info.isdir(), info.issparse(), _odd_kind(info)
                )
                archive.members.clear()  # which tarfile keeps for what nobody asks here
            # tarfile takes damage for the end, which is a block of zeros.
            is_inside = size is None or archive.offset + tarfile.BLOCKSIZE <= start + size
            file.seek(archive.offset)
            if not is_inside or file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError(f"neither header nor end at byte {archive.offset}")


def _odd_kind(info: tarfile.TarInfo) -> str:
    if info.size < 0:
        return "of a negative size"
    if info.isreg() or info.isdir():
        return ""
    if info.islnk():
        return "a hard link"
    if info.issym():
        return "a symbolic link"
    return "a pipe" if info.isfifo() else "a device" if info.isdev() else f"of the unknown type {info.type!r}"


def refused(member: Member) -> str:
    """What is wrong with a member that no honest archive of pictures has; "" for what may be there."""
    pure = PurePosixPath(member.name)
    if member.odd:
        return member.odd
    if pure.is_absolute() or re.match("[A-Za-z]:", member.name):
        return "an absolute name"
    if ".." in pure.parts:
        return "a name that leads out of the archive"
    if "\\" in member.name:
        return "a name with a backslash"
    return "" if member.is_folder or pure.name else "a file without a name"


def left_out(member: Member) -> str:
    """Why a file is not listed as a picture; "" for a picture."""
    pure = PurePosixPath(member.name)
    try:
        member.name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if re.search(r"[\x00-\x1f\x7f]", member.name):
        return "a control character is in its name"
    if "__MACOSX" in pure.parts or pure.name.startswith("._"):
        return "what macOS notes about a file, not the file"
    if pure.suffix.lower() not in images.SUFFIXES:
        return "not named like a picture"
    if member.is_sparse:
        return "stored as a sparse file, in pieces"
    return f"more than {places.MAX_BYTES:,} bytes" if member.size > places.MAX_BYTES else ""
