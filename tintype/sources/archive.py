"""Pictures in one large archive, zip or tar, which stays whole: they are read where they are in it."""

import bz2
import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import zstandard

from tintype import images
from tintype.console import UserError
from tintype.files import new_file, sha256
from tintype.progress import progress
from tintype.sources import checksums, manifest, members, places, transfer
from tintype.sources.members import Member

_MEGABYTE = 10**6
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError, EOFError),
    *(RuntimeError, struct.error, ValueError, OverflowError),  # numbers and names that make no sense
)
_AGAIN = "where it comes from has a better one, delete its line in checksums.csv, if any, and run again"


def gather(settings: Any, out: Path) -> str:
    """List the pictures in the archive at `settings.url` in `out/manifest.csv`; return the counts in words.

    - The archive is fetched and verified by `transfer.fetch`. What it is, its first bytes say: a zip, a tar,
      or a tar packed by gzip, bzip2, xz or zstd, which is unpacked once, to a plain tar in `data/downloads`.
      No file is taken out of it.
    - A picture is a file with a suffix in `images.SUFFIXES`, in any case. Whether it can be decoded is for
      `prepare` to find out. All else is in `left_out.csv` with its reason.
    - `settings.max_files` counts files and folders. `settings.max_bytes` limits a tar once it is unpacked,
      and the sum of a zip's unpacked files.
    - Group, label and split come from the folders that a picture is in: see `manifest.role`.

    Raises UserError for an archive that cannot be had, or is damaged, of another kind, too large, or without
    pictures; one with names that lead out of it, a name twice, links, devices or encrypted files; and for a
    `held_out` folder without pictures.
    """
    archive = transfer.fetch(settings.url, settings.checksum, settings.bytes)
    try:
        with _damage_explained(archive):
            place = archive if members.is_zip(archive) else _plain_tar(archive, settings)
            pictures, left_out = _sort_out(place, archive, settings)
    except UserError as error:
        if settings.checksum:
            raise
        raise UserError(f"{error}. For another archive there, delete its line in {checksums.NAME}") from None
    if settings.held_out is not None:
        _require_held_out(settings.held_out, [picture.name for picture in pictures], archive)

    def rows() -> Iterator[manifest.Picture]:
        for picture in progress(pictures, f"list {archive.name}", "pictures"):
            try:
                data = places.read(place, picture.name, picture.offset, picture.size)
            except images.UnreadablePicture as error:
                raise _damaged(archive, f"{picture.name}: {error}") from None
            yield manifest.Picture(
                path=picture.name,
                **manifest.about(data),
                source=f"{settings.url}: {picture.name}",
                licence=settings.licence,
                **manifest.role(picture.name, settings.group, settings.held_out),
                place=places.name(place),
                offset=picture.offset,
                bytes=picture.size if picture.offset else 0,
            )

    return manifest.write(out, rows(), left_out)


def _plain_tar(archive: Path, settings: Any) -> Path:
    """The archive itself, or the plain tar that it is unpacked to."""
    opener = _opener(archive)
    with opener(archive, "rb") as stream:
        begins_a_tar = members.begins_a_tar(stream.read(tarfile.BLOCKSIZE))
    if not begins_a_tar:
        with open(archive, "rb") as file:
            head = file.read(16)
        raise UserError(
            f"{archive}: begins with {head!r}, so it is no archive that can be read, which are .zip, .tar, "
            f"and .tar packed by gzip, bzip2, xz or zstd; correct `url`, or if {_AGAIN}"
        )
    tar = archive if opener is open else _unpacked(archive, opener, settings)
    if tar.stat().st_size > settings.max_bytes:
        raise _too_large(archive, settings)
    return tar


def _opener(archive: Path) -> Callable[[Path, str], BinaryIO]:
    with open(archive, "rb") as file:
        head = file.read(8)
    by_magic = {
        b"\x1f\x8b": gzip.open,
        b"BZh": bz2.open,
        b"\xfd7zXZ\0": lzma.open,
        b"\x28\xb5\x2f\xfd": _open_zstd,
    }
    return next((opener for magic, opener in by_magic.items() if head.startswith(magic)), open)


def _open_zstd(archive: Path, mode: str) -> BinaryIO:
    return zstandard.ZstdDecompressor().stream_reader(open(archive, mode), read_across_frames=True)


def _unpacked(archive: Path, opener: Callable[[Path, str], BinaryIO], settings: Any) -> Path:
    tar = transfer.folder_of(settings.url) / f"{archive.name}.tar"
    note = tar.with_name(f"{tar.name}.txt")
    made_from = sha256(archive)
    if tar.exists() and note.exists() and note.read_text() == _note(made_from, tar):
        return tar
    with new_file(tar) as unfinished:
        with opener(archive, "rb") as stream, open(unfinished, "wb") as file:
            blocks = iter(lambda: stream.read(_MEGABYTE), b"")
            for block in progress(blocks, f"unpack {archive.name}", "MB"):
                if file.tell() + len(block) > settings.max_bytes:
                    raise _too_large(archive, settings)
                file.write(block)
        _sort_out(unfinished, archive, settings)  # here, so that nothing stays of what is refused
    with new_file(note) as unfinished:
        unfinished.write_text(_note(made_from, tar))
    return tar


def _note(made_from: str, tar: Path) -> str:
    return f"{tar.stat().st_size} bytes, from an archive with sha256 {made_from}\n"


def _sort_out(place: Path, archive: Path, settings: Any) -> tuple[list[Member], list[tuple[str, str]]]:
    """The pictures in the order of their names, and what is left out; raises UserError to refuse all."""
    pictures, left_out, names, total = [], [], set(), 0
    for count, member in enumerate(members.listed(place), start=1):
        pure = PurePosixPath(member.name)
        if problem := members.refused(member) or ("there twice" if pure in names else ""):
            raise UserError(
                f"{archive}: {manifest.printable(member.name)} is {problem}, so nothing of this archive is "
                f"taken; pack the pictures again without that, or name another archive as `url`"
            )
        total += member.size
        if count > settings.max_files:
            raise UserError(
                f"{archive}: more than {settings.max_files:,} files and folders in it; if that is right, "
                f"raise `max_files`"
            )
        if total > settings.max_bytes:
            raise _too_large(archive, settings)
        if member.is_folder:
            continue
        names.add(pure)
        if reason := members.left_out(member):
            left_out.append((manifest.printable(member.name), reason))
        else:
            pictures.append(member)
    if not pictures:
        suffixes = ", ".join(sorted(images.SUFFIXES))
        raise UserError(f"{archive}: no picture in it; pictures are named {suffixes}")
    return sorted(pictures), left_out


def _require_held_out(held_out: str, paths: list[str], archive: Path) -> None:
    if any(manifest.role(path, "picture", held_out)["split"] for path in paths):
        return
    folders = {str(folder) for path in paths for folder in PurePosixPath(path).parents}
    some = sorted(folders - {"."}, key=lambda folder: (folder.count("/"), folder))[:8]
    raise UserError(
        f"held_out: {held_out!r}: no picture below that in {archive}; name one of its folders "
        f"({', '.join(some) or 'it has none'}), or put null"
    )


def _too_large(archive: Path, settings: Any) -> UserError:
    return UserError(
        f"{archive}: unpacks to more than {settings.max_bytes:,} bytes; if that is right, raise `max_bytes`"
    )


def _damaged(archive: Path, problem: object) -> UserError:
    return UserError(f"{archive}: damaged or cut short ({problem}); if {_AGAIN}")


@contextmanager
def _damage_explained(archive: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise _damaged(archive, error) from None
    except OSError as error:
        if error.errno is not None:  # the system's: a full disk, say
            raise
        raise _damaged(archive, error) from None
