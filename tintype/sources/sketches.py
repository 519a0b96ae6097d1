"""Pairs of a drawing and the same in colour: side by side in one file, or under one name in two folders."""

import io
import itertools
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from tintype import images
from tintype.console import UserError
from tintype.images import UnreadablePicture
from tintype.progress import progress
from tintype.sources import manifest, places, user_folder

LOOK_AT = 50  # pairs that tell which half is in colour
SURE = 0.9  # of these must agree
MAX_DISTORTION = 1.02  # between the aspect ratios of a drawing and its colour picture

LeftOut = list[tuple[str, str]]


def gather(settings: Any, out: Path) -> str:
    """List the pairs below the folder `settings.path`, which are read where they are; return counts in words.

    - `settings.sketches` null: each file is a pair, whose halves are side by side. `settings.colour` says
      which is in colour, "left" or "right"; with "auto", it is the half with the higher mean chroma (max -
      min of R, G, B) in at least 90 % of the first 50 pairs, and the returned line says which.
    - Else `settings.colour` is the subfolder of the colour pictures, and `settings.sketches` that of the
      drawings. The two of a pair have the same path below these, but for the suffix, and nearly the same
      aspect ratio.
    - What is no pair is in `left_out.csv` with its reason; `user_folder.walk` says what is looked at.

    Raises UserError for a path or subfolder that is no folder, another value of `settings.colour`, halves
    that leave open which is in colour, two files of one name, and where there is no pair.
    """
    root, place = user_folder.locate(settings.path)
    left_out: LeftOut = []
    if settings.sketches is None:
        paths = sorted(user_folder.walk(root, left_out))
        side = _colour_side(settings.colour, root, paths, left_out)
        pairs, found = _halves(root, paths, side, left_out), f", colour on the {side}"
    else:
        pairs, found = _matched(root, settings.colour, settings.sketches, left_out), ""
    common = {"source": f"folder {root.name}", "licence": settings.licence, "place": place}
    pictures = (manifest.Picture(**pair, group=pair["path"], **common) for pair in pairs)
    first = next(pictures, None)
    if first is None:
        raise _no_pair(root, left_out)
    return manifest.write(out, itertools.chain([first], pictures), left_out) + found


def _no_pair(root: Path, left_out: LeftOut) -> UserError:
    reasons = "".join(f"; {path}: {reason}" for path, reason in sorted(left_out)[:3])
    return UserError(f"path: {root}: no pair of drawing and colour picture that can be read{reasons}")


def _colour_side(colour: str, root: Path, paths: list[str], left_out: LeftOut) -> str:
    if colour in ("left", "right"):
        return colour
    if colour != "auto":
        raise UserError(
            f"colour: found {colour!r}, allowed: left, right, auto; or, where drawings are files of their "
            f"own, name their subfolder under `sketches`"
        )
    pairs, left, right = 0, 0, 0
    look_at = itertools.islice(_chroma(root, paths), LOOK_AT)
    for on_left, on_right in progress(look_at, "compare halves", "pairs", min(LOOK_AT, len(paths))):
        pairs, left, right = pairs + 1, left + (on_left > on_right), right + (on_right > on_left)
    if not pairs:
        raise _no_pair(root, left_out)
    if max(left, right) < SURE * pairs:
        raise UserError(
            f"colour: auto: of the first {pairs} pairs in {root}, {left} have more colour on the left and "
            f"{right} on the right; write `colour: left` or `colour: right`"
        )
    return "left" if left > right else "right"


def _chroma(root: Path, paths: list[str]) -> Iterator[tuple[float, float]]:
    """The mean chroma of the left and the right half of each pair that can be decoded."""
    for path in paths:
        try:
            picture = images.decode(io.BytesIO(places.read(root, path)), at_least=(512, 256))
        except UnreadablePicture:
            continue
        chroma = picture.max(axis=2) - picture.min(axis=2)
        half = chroma.shape[1] // 2
        if half:
            yield float(chroma[:, :half].mean()), float(chroma[:, -half:].mean())


def _halves(root: Path, paths: list[str], side: str, left_out: LeftOut) -> Iterator[dict[str, Any]]:
    for path in progress(paths, "list", "pairs"):
        try:
            about = manifest.about(places.read(root, path))
        except UnreadablePicture as error:
            left_out.append((path, str(error)))
            continue
        if about["width"] % 2:
            left_out.append((path, f"{about['width']} pixels wide: an odd number has no halves"))
            continue
        yield {"path": path, **about, "width": about["width"] // 2, "colour_side": side}


def _matched(root: Path, colour: str, sketches: str, left_out: LeftOut) -> Iterator[dict[str, Any]]:
    folders = PurePosixPath(colour), PurePosixPath(sketches)
    if folders[0].is_relative_to(folders[1]) or folders[1].is_relative_to(folders[0]):
        raise UserError(
            f"colour: {colour!r} and sketches: {sketches!r} overlap; name two, neither in the other"
        )
    pictures = _by_name(root, "colour", colour, left_out)
    drawings = _by_name(root, "sketches", sketches, left_out)
    for files, others, missing in (
        (pictures, drawings, f"no drawing of its name in {sketches}"),
        (drawings, pictures, f"no picture of its name in {colour}"),
    ):
        left_out += [(file, missing) for name, file in files.items() if name not in others]
    pairs = sorted((pictures[name], drawings[name]) for name in pictures.keys() & drawings)
    for path, drawing in progress(pairs, "list", "pairs"):
        try:
            about, other = (manifest.about(places.read(root, file)) for file in (path, drawing))
        except UnreadablePicture as error:
            left_out.append((path, f"{path} or {drawing}: {error}"))
            continue
        if _distortion(about, other) > MAX_DISTORTION:
            sizes = " and ".join(f"{some['width']} x {some['height']}" for some in (about, other))
            left_out.append((path, f"it and {drawing} differ in shape: {sizes} pixels"))
            continue
        yield {"path": path, **about, "input": drawing, "input_sha256": other["sha256"]}


def _by_name(root: Path, key: str, folder: str, left_out: LeftOut) -> dict[str, str]:
    """The pictures in a subfolder: path from there, without suffix -> path from `root`."""
    start = PurePosixPath(folder).as_posix()
    # Where a link is on the way, or `..`, the path ends elsewhere than it says.
    if not (root / start).is_dir() or os.path.realpath(root / start) != f"{os.path.realpath(root)}/{start}":
        entries = [entry for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False)]
        there = ", ".join(sorted(entry.name for entry in entries)) or "none"
        raise UserError(f"{key}: {folder!r} is no subfolder of {root}; there are: {there}")
    named: dict[str, str] = {}
    for path in sorted(user_folder.walk(root, left_out, start)):
        name = PurePosixPath(path).relative_to(start).with_suffix("").as_posix()
        if name in named:
            raise UserError(f"{key}: {named[name]} and {path} in {root} have one name; keep one of them")
        named[name] = path
    return named


def _distortion(one: dict[str, Any], other: dict[str, Any]) -> float:
    """By what factor the aspect ratios differ; 1 where a size is unknown, for then `prepare` has to tell."""
    across = one["width"] * other["height"]
    down = other["width"] * one["height"]
    return max(across / down, down / across) if across and down else 1
