"""Pictures in a folder of the user's and in its subfolders, read where they are: nothing is copied."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tintype import images
from tintype.console import UserError
from tintype.progress import progress
from tintype.sources import manifest, places, user_folder


def gather(settings: Any, out: Path) -> str:
    """List the pictures below the folder `settings.path` in `out/manifest.csv`; return the counts in words.

    - A picture is a file with a suffix in `images.SUFFIXES`, in any case. Whether it can be decoded is for
      `prepare` to find out. All else is in `left_out.csv` with its reason.
    - Linked folders are not entered, so there is no way out of the folder, and no loop. A linked file counts
      where the link ends at a file inside the folder.
    - `settings.path` starts at the project's folder where it is relative; `~` is the user's home.
    - Group, label and split come from the folders that a picture is in: see `manifest.role`.

    Raises UserError for a path that is no folder, a folder without pictures, and a `held_out` folder without.
    """
    root, place = user_folder.locate(settings.path)
    left_out: list[tuple[str, str]] = []
    paths = sorted(user_folder.walk(root, left_out))
    _require_pictures((_role(path, settings)["split"] for path in paths), settings, root)
    splits = set()

    def pictures() -> Iterator[manifest.Picture]:
        for path in progress(paths, "list", "pictures"):
            try:
                data = places.read(root, path)
            except images.UnreadablePicture as error:
                left_out.append((path, str(error)))
                continue
            role = _role(path, settings)
            splits.add(role["split"])
            yield manifest.Picture(
                path=path,
                **manifest.about(data),
                source=f"folder {root.name}",
                licence=settings.licence,
                **role,
                place=place,
            )

    line = manifest.write(out, pictures(), left_out)
    _require_pictures(splits, settings, root)
    return line


def _role(path: str, settings: Any) -> dict[str, str]:
    return manifest.role(path, settings.group, settings.held_out)


def _require_pictures(splits: Iterable[str], settings: Any, root: Path) -> None:
    splits = set(splits)
    if not splits:
        suffixes = ", ".join(sorted(images.SUFFIXES))
        raise UserError(f"path: {root}: no picture that can be read in it; pictures are named {suffixes}")
    if settings.held_out is not None and "test" not in splits:
        raise UserError(
            f"held_out: {settings.held_out!r}: no picture below that in {root}; name one of its subfolders, "
            f"as a path from there, or put null"
        )
