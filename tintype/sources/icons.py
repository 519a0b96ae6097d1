"""Characters whose hair and shirt take any colour: pairs of an uncoloured drawing and an icon, in a table.

The table is `Metadata.csv`, one row for an icon, with the columns

- input: the file with the drawing, the same for all icons of a character;
- output: the file with the icon;
- hair, shirt: their colours in the icon, one word each.

Files are named from the table's folder. Other columns are ignored.
"""

import csv
import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from tintype import conditions
from tintype.console import UserError
from tintype.images import UnreadablePicture, encode_png
from tintype.progress import progress
from tintype.sources import icon_drawing, manifest, places, user_folder

TABLE = "Metadata.csv"
FILES, ATTRIBUTES = ["input", "output"], ["hair", "shirt"]


def gather(settings: Any, out: Path) -> str:
    """List the icons of `Metadata.csv` in the folder `settings.path`, which are read where they are.

    Where the path is null, ten drawn characters in 25 colourings each are put into `out`, with their table:
    also an example of the form. A picture's condition is its hair and shirt. Its group is its drawing, so
    that a character never parts into training and test. Returns the counts in words.

    Raises UserError, with the line of the table, for what is wrong with it, and for files that are missing.
    """
    if settings.path is None:
        _draw(out)
        root, place, source = out, "", "drawn by tintype.sources.icon_drawing"
    else:
        root, place = user_folder.locate(settings.path)
        source = f"folder {root.name}"
    listed = _pictures(root, {"source": source, "licence": settings.licence, "place": place})
    pictures = sorted(progress(listed, "list", "icons"))
    if not pictures:
        raise UserError(f"{root / TABLE}: no row below the heading; give each icon a row")
    return manifest.write(out, pictures)


def _draw(out: Path) -> None:
    rows = []
    for number, character in enumerate(progress(icon_drawing.CHARACTERS, "draw", "characters")):
        drawing = f"characters/{number:02d}.png"
        encode_png(out / drawing, icon_drawing.outline(character))
        for hair, shirt in itertools.product(icon_drawing.HAIR, icon_drawing.SHIRT):
            icon = f"icons/{number:02d}-{hair}-{shirt}.png"
            encode_png(out / icon, icon_drawing.draw(character, hair, shirt))
            rows.append((drawing, icon, hair, shirt))
    with open(out / TABLE, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([FILES + ATTRIBUTES, *rows])


def _pictures(root: Path, common: dict[str, str]) -> Iterator[manifest.Picture]:
    drawings: dict[str, str] = {}  # path -> sha256, as many icons share one
    lines: dict[str, int] = {}  # path of an icon -> where it is listed
    for line, row in _rows(root / TABLE):
        try:
            drawing, icon = (_inside(root, name, row[name]) for name in FILES)
            if lines.setdefault(icon, line) != line:
                raise UserError(f"output: {icon} is listed in line {lines[icon]}, too; remove one of the two")
            if icon == drawing:
                raise UserError(f"output: {icon} is its own input; name the uncoloured drawing there")
            if drawing not in drawings:
                drawings[drawing] = hashlib.sha256(_read(root, "input", drawing)).hexdigest()
            about = manifest.about(_read(root, "output", icon))
            condition = conditions.write({name: row[name] for name in ATTRIBUTES})
        except UserError as error:
            raise UserError(f"{root / TABLE}, line {line}: {error}") from None
        yield manifest.Picture(
            path=icon,
            **about,
            group=drawing,
            condition=condition,
            input=drawing,
            input_sha256=drawings[drawing],
            **common,
        )


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row of the table, none of its wanted fields empty, with the number of its line in the file."""
    wanted = FILES + ATTRIBUTES
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:  # -sig: a mark that spreadsheets write
            rows = csv.DictReader(file, strict=True)
            head = list(rows.fieldnames or [])
            if wrong := [name for name in wanted if head.count(name) != 1]:
                raise UserError(
                    f"{table}: the column {wrong[0]} must be there once; found: {', '.join(head)}; the first "
                    f"line names the columns, separated by commas: {', '.join(wanted)}"
                )
            for row in rows:
                where = f"{table}, line {rows.line_num}"
                if None in row:
                    raise UserError(f"{where}: more fields than columns; put a field with a comma in quotes")
                if empty := [name for name in wanted if not row[name]]:
                    raise UserError(f"{where}: {empty[0]} is empty; fill it in, or remove the row")
                yield rows.line_num, row
    except FileNotFoundError:
        raise UserError(
            f"{table}: no such file; it lists the icons. For an example, put `path: null` and run the stage"
        ) from None
    except (csv.Error, UnicodeError) as error:
        raise UserError(f"{table}: no comma-separated values in UTF-8 ({error}); save it as such") from None


def _inside(root: Path, column: str, path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or user_folder.leads_out(root, path):
        raise UserError(
            f"{column}: {path} is not inside the folder; put the file there, and name it from the folder on, "
            f"with forward slashes and without '..'"
        )
    return pure.as_posix()


def _read(root: Path, column: str, path: str) -> bytes:
    try:
        return places.read(root, path)
    except UnreadablePicture as error:
        raise UserError(f"{column}: {path}: {error}; put it into {root}, or correct the name") from None
