"""ImageNet's classification set of 2012 (ILSVRC, Russakovsky et al., IJCV 2015), from the user's own copy.

Nothing is downloaded, copied or unpacked: the publisher's tars are read where they are, and so are folders.
"""

import itertools
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tintype import images
from tintype.console import UserError
from tintype.files import project_root
from tintype.progress import progress
from tintype.sources import manifest, members, places, user_folder

TARS = {"train": "ILSVRC2012_img_train.tar", "val": "ILSVRC2012_img_val.tar"}  # train: of a tar per class
HOMES = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")  # of the folders train and val; two are as Kaggle has it
VAL5K = 5000
LICENCE = "ImageNet terms of access: non-commercial research and education, https://image-net.org/download"

_CLASS = re.compile("n[0-9]{8}")  # a WordNet ID
_PICTURE = re.compile(r"[\w-]+\.jpe?g", re.ASCII | re.IGNORECASE)
_INDEX = re.compile("0|[1-9][0-9]{0,5}")

LeftOut = list[tuple[str, str]]


class _Span(NamedTuple):
    """Where a file is in a tar, in bytes."""

    offset: int = 0
    bytes: int = 0


class _File(NamedTuple):
    path: str  # as in the manifest
    place: Path
    label: str
    span: _Span

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name


def gather(settings: Any, out: Path) -> str:
    """List the training pictures and a test split in `out/manifest.csv`; return the counts in words.

    - `settings.path`: a folder with the publisher's tars (TARS), or with folders `train/WNID/*.JPEG` and
      `val/*.JPEG` or `val/WNID/*.JPEG`, there or in one of HOMES. Where there are both, the tar is read.
    - `settings.test`: which validation pictures are the test split. "val5k": the first 5,000 by their file
      names, as in DDColor (Kang et al., ICCV 2023). "ctest10k" (Larsson et al., ECCV 2016): those in the file
      `settings.names`, one a line: a path or file name, with its suffix or without, or an index from 0. What
      follows in the line is ignored, such as a class.
    - The other validation pictures are not listed.

    Raises UserError for pictures and names that are not there, and for tars that are damaged, packed, or hold
    links.
    """
    root, _ = user_folder.locate(settings.path)
    train, val = _find(root)
    left_out: LeftOut = []
    validation = sorted(_validation(val, left_out), key=lambda file: file.name)
    test = sorted(_test(validation, val, settings))
    training = _training(train, left_out)
    first = next(training, None)
    if first is None:
        raise UserError(f"path: {train}: no training picture in it; they are called WNID/NAME.JPEG")

    def pictures() -> Iterator[manifest.Picture]:
        for file in progress(itertools.chain([first], training, test), "list", "pictures"):
            try:
                data = places.read(file.place, file.path, *file.span)
            except images.UnreadablePicture as error:
                left_out.append((file.path, str(error)))
                continue
            yield manifest.Picture(
                path=file.path,
                **manifest.about(data),
                source="ImageNet, ILSVRC2012",
                licence=LICENCE,
                group=file.path,
                label=file.label,
                split="test" if file.path.startswith("val/") else "",
                place=places.name(file.place),
                **file.span._asdict(),
            )

    line = manifest.write(out, pictures(), left_out)
    return f"{line}; {len(test)} of {len(validation)} validation pictures are the test split, others unlisted"


def _find(root: Path) -> list[Path]:
    """The tar or folder of the training pictures, and that of the validation pictures."""
    found = []
    for part, tar in TARS.items():
        folders = [root / home / part for home in HOMES]
        there = [root / tar] if os.path.isfile(root / tar) else [*filter(os.path.isdir, folders)]
        if not there:
            wanted = ", ".join([tar, *(f"{path.relative_to(root).as_posix()}/" for path in folders)])
            raise UserError(
                f"path: {root}: there is none of {wanted}; name the folder that holds one of them"
            )
        found.append(there[0])
    return found


def _training(train: Path, left_out: LeftOut) -> Iterator[_File]:
    """The training pictures in the order of their paths, a class at a time."""
    is_tar = train.is_file()
    for name, span in sorted((_tar(train) if is_tar else _folder(train)).items()):
        wnid = name.removesuffix(".tar") if is_tar else name
        if not _CLASS.fullmatch(wnid):
            left_out.append(
                (manifest.printable(f"train/{name}"), "not named like a class, such as n01440764")
            )
        elif is_tar:
            yield from _files(_tar(train, span, name), f"train/{wnid}", train, wnid, left_out)
        else:
            yield from _files(_folder(train / name), f"train/{name}", train.parent, wnid, left_out)


def _validation(val: Path, left_out: LeftOut) -> Iterator[_File]:
    if val.is_file():
        yield from _files(_tar(val), "val", val, "", left_out)
        return
    entries = _folder(val)
    for wnid in filter(_CLASS.fullmatch, list(entries)):
        del entries[wnid]
        yield from _files(_folder(val / wnid), f"val/{wnid}", val.parent, wnid, left_out)
    yield from _files(entries, "val", val.parent, "", left_out)


def _files(
    entries: dict[str, _Span], folder: str, place: Path, label: str, left_out: LeftOut
) -> Iterator[_File]:
    for name, span in sorted(entries.items()):
        if _PICTURE.fullmatch(name):
            yield _File(f"{folder}/{name}", place, label, span)
        else:
            left_out.append((manifest.printable(f"{folder}/{name}"), "not named like a picture of ImageNet"))


def _test(validation: list[_File], val: Path, settings: Any) -> list[_File]:
    if settings.test == "val5k":
        if len(validation) < VAL5K:
            raise UserError(
                f"path: {val} has {len(validation)} pictures; val5k is the first {VAL5K} of ImageNet's 50000"
            )
        return validation[:VAL5K]
    if settings.names is None:
        raise UserError("names: null; ctest10k is made of the pictures that a file names: put its path here")
    path = project_root() / os.path.expanduser(settings.names)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        remedy = "an array becomes text by numpy.savetxt(path, array, '%d')"
        raise UserError(f"names: {path}: not a text file with a picture in each line; {remedy}") from None
    except OSError as error:
        raise UserError(f"names: {path}: {error.strerror}; name the file that lists the pictures") from None
    wanted = {_stem(line.split()[0]): line for line in lines if line.strip()}
    there = {_stem(file.name): file for file in validation}
    missing = [line for stem, line in wanted.items() if stem not in there]
    if missing or not wanted:
        raise UserError(
            f"names: {path}: {len(missing)} of its {len(wanted)} pictures are not in {val}: "
            f"{'; '.join(line[:80] for line in missing[:3])}; a line is a name such as "
            f"ILSVRC2012_val_00010001.JPEG, or its index, which is 10000"
        )
    return [there[stem] for stem in wanted]


def _stem(text: str) -> str:
    """What a path, a file name or an index from 0 have in common."""
    name = re.sub(r"\.jpe?g$", "", re.split(r"[/\\]", text)[-1], flags=re.IGNORECASE)
    return f"ILSVRC2012_val_{int(name) + 1:08d}" if _INDEX.fullmatch(name) else name


def _folder(folder: Path) -> dict[str, _Span]:
    try:
        return dict.fromkeys(os.listdir(folder), _Span())
    except OSError as error:
        raise UserError(f"path: {folder}: the folder cannot be read: {error.strerror}") from None


def _tar(path: Path, within: _Span | None = None, name: str = "") -> dict[str, _Span]:
    """The files in a tar, or in the tar `name` inside it; offsets count from the start of `path`."""
    what = f"path: {path}" + (f", {name} in it" if within else "")
    damaged = UserError(f"{what}: damaged, or no plain tar; get it again from where it came")
    start, size = within or (0, path.stat().st_size)
    found = {}
    try:
        for member in members.in_tar(path, start, size):
            if member.odd or member.is_sparse:
                odd = member.odd or "in pieces"
                raise UserError(f"{what}: {member.name!r} is {odd}; get it as published")
            if not member.is_folder:
                found[PurePosixPath(member.name).name] = _Span(member.offset, member.size)
    except (tarfile.TarError, ValueError):
        raise damaged from None
    except OSError as error:
        raise UserError(f"{what}: cannot be read: {error.strerror}") from None
    return found
