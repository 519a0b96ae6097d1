"""The kinds of values that `params.yaml` has, for its schema."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Unit = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]  # of a running mean, which at 1 would never move
Zoom = Annotated[float, Field(ge=0.25, le=4)]  # further, and a tile shows specks or blur instead of a picture
Width = Annotated[int, Field(ge=4)]  # channels; fewer cannot carry lightness, two colours and an edge
Text = Annotated[str, Field(min_length=1)]
from_list = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
# Python has 1 == 1.0 == True, and so has a Literal of whole numbers.
only_int = BeforeValidator(lambda value: value if type(value) is int else None)
OutputStride = Annotated[Literal[1, 2, 4], only_int]
Film = Literal[
    "lab", "luma601", "luma709", "average", "panchromatic", "orthochromatic", "red", "green", "blue"
]
Conversion = Literal[Film, "canny", "xdog"]


def files(folder: str, *others: str) -> tuple[str, ...]:
    """What may be named in params.yaml: the files of a folder, less those that are something else."""
    files = (Path(__file__).parent / folder).glob("*.py")
    return tuple(sorted({file.stem for file in files} - {"__init__", *others}))


# Of a key that may be left out, as most may not: left out, it is not in what is saved with a model either.
left_out = Field(default=None, exclude_if=lambda value: value is None)


class Section(BaseModel):
    """A mapping in `params.yaml` whose keys are all known, and all required but for those `left_out`."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)
