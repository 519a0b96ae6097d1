"""Pictures that another system coloured, to be scored beside the models.

    python -m tintype.external --data data/prepared/photos --out to-colour

writes the grey test pictures, and those that the report shows, as PNG files. Colour them with any system,
keep the names, and name the folder of the results in params.yaml: `evaluate.models: {ddcolor: coloured}`.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tintype.batch import Batch
from tintype.color import lab_to_rgb, rgb_to_lab, to_uint8
from tintype.console import UserError, run
from tintype.files import new_folder
from tintype.images import SUFFIXES, UnreadablePicture, decode, encode_png
from tintype.scoring import BATCH
from tintype.store import Split

SHOWN = "shown"  # the folder, in that of the test tiles, of the larger regions that the report shows
_STRETCH = 1.05  # how much further a side may be scaled than the other, before it is another picture


def names(split: Split) -> list[str]:
    """What each picture of a split is called: its path without its suffix; a tile's with its corner, -64-128.

    Raises UserError where two have one name, such as a.jpg and a.png.
    """
    tiles = split.index["photograph"].duplicated().any()
    found = []
    for photograph, left, top in split.index[["photograph", "left", "top"]].itertuples(index=False):
        path = PurePosixPath(photograph)
        found.append(str(path.with_name(f"{path.stem}-{left}-{top}" if tiles else path.stem)))
    names, counts = np.unique(found, return_counts=True)
    if (counts > 1).any():
        twice = names[counts > 1][0]
        raise UserError(f"two test pictures are called {twice}, but for their suffix; rename one of them")
    return found


def answers(folder: Path, split: Split, device: torch.device | str = "cpu") -> Iterator[tuple[Batch, Tensor]]:
    """The batches of a split, in its order, with the colours that a folder's pictures have: Lab (N, 3, H, W).

    Of what the other system made, ab counts; lightness is the true one, as for every model. A picture of
    another size is scaled to that of the test picture. Raises UserError at once where there are none for some
    test pictures, naming them, or two of one name; and later where one cannot be read or has another shape.
    """
    shown = _is_shown(split)
    files = _found(folder / SHOWN if shown else folder, names(split))
    size = 1 if shown else BATCH  # what is shown differs in size
    return (_batch(split, files, start, size, device) for start in range(0, len(split), size))


def _batch(
    split: Split, files: list[Path], start: int, size: int, device: torch.device | str
) -> tuple[Batch, Tensor]:
    numbers = np.arange(start, min(start + size, len(split)))
    batch = Batch.read(split, numbers, device)
    pictures = np.stack([_read(files[number], batch.L.shape[-2:]) for number in numbers])
    rgb = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2) / 255
    return batch, torch.cat([batch.L, rgb_to_lab(rgb)[:, 1:]], dim=1)


def _is_shown(split: Split) -> bool:
    return (split.index["split"] == "test_region").all()


def _found(folder: Path, wanted: list[str]) -> list[Path]:
    """The folder's picture of each name."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; evaluate.models names it as one of coloured pictures")
    files: dict[str, Path] = {}
    for file in sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES):
        name = file.relative_to(folder).with_suffix("").as_posix()
        if name in files:
            raise UserError(f"{file}: {files[name].name} has the same name; keep one of the two")
        files[name] = file
    if missing := [name for name in wanted if name not in files]:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise UserError(
            f"{folder}: of {len(wanted)} pictures {len(missing)} are missing: {', '.join(missing[:5])}{more}"
            "; `python -m tintype.external` writes the grey ones to colour"
        )
    return [files[name] for name in wanted]


def _read(file: Path, size: tuple[int, int]) -> np.ndarray:
    """A picture, uint8 (*size, 3)."""
    try:
        picture = decode(file)
    except UnreadablePicture as error:
        raise UserError(f"{file}: not a picture that can be read: {error}") from None
    scale = size[0] / picture.shape[0], size[1] / picture.shape[1]
    if max(scale) > _STRETCH * min(scale):
        found, wanted = (f"{width} x {height}" for height, width in (picture.shape[:2], size))
        raise UserError(
            f"{file}: {found} pixels, where the test picture has {wanted}: it was cut or stretched"
        )
    if picture.shape[:2] == tuple(size):
        return picture
    return np.asarray(Image.fromarray(picture).resize(size[::-1], Image.Resampling.LANCZOS))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tintype.external", description="Write the grey test pictures, for another system."
    )
    parser.add_argument("--data", type=Path, required=True, help="prepared photographs")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    args = parser.parse_args()
    with new_folder(args.out) as out:
        for split in (Split(args.data, "test"), Split.shown(args.data)):
            folder = out / SHOWN if _is_shown(split) else out
            for number, name in enumerate(names(split)):
                file = folder / f"{name}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                encode_png(file, to_uint8(lab_to_rgb(Batch.read(split, np.array([number])).grey))[0])
    print(f"{args.out}: the grey pictures; colour them into a folder with the same names and folders")


if __name__ == "__main__":
    run(main)
