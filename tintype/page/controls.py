"""What the sections of the page have in common: the photograph, how handlers run, buttons to download."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import gradio as gr
import numpy as np

from tintype.console import UserError
from tintype.images import UnreadablePicture
from tintype.page.choice import Offered
from tintype.page.photograph import Photograph, Wish, to_file, written

PRIVATE = {"api_visibility": "private"}
# One at a time: a network uses all cores as it is.
COMPUTES = PRIVATE | {"concurrency_id": "network", "concurrency_limit": 1}
TALLEST = 640  # pixels of the screen for a picture
REACHES = {"near": 256, "middle": 112, "far": 72}  # of a click: `Wish.size`
_SAVE = """file => {
    const link = document.createElement("a");
    link.href = file.url;
    link.download = file.orig_name;
    link.click();
}"""


@dataclass
class Shared:
    """What the sections have in common. folder: where pictures are written."""

    models: dict[str, Offered]
    folder: Path
    photo: gr.State = field(default_factory=gr.State)
    saturation: gr.Slider = field(init=False)
    fetched: gr.DownloadButton = field(init=False)

    def file(self, picture: np.ndarray) -> Path:
        """A new file of a picture, uint8 (h, w, 3)."""
        return to_file(picture, self.folder)


@dataclass(frozen=True)
class Step:
    """A handler with its inputs and outputs, which other events are followed by."""

    handler: Callable
    inputs: list
    outputs: list


def chained(event, steps: Sequence[Step]) -> None:
    """Have steps follow an event, one after the other."""
    for step in steps:
        event = event.success(step.handler, step.inputs, step.outputs, **COMPUTES)


def slider_of(label: str) -> gr.ImageSlider:
    """A place for a picture before and after."""
    return gr.ImageSlider(
        label=label, format="png", buttons=["fullscreen"], max_height=TALLEST, interactive=False
    )


def chooser(names: list[str]) -> gr.Dropdown:
    """A choice among models; hidden where there is one only."""
    return gr.Dropdown(names, value=names[0], label="Model", visible=len(names) > 1, filterable=False)


def download(shared: Shared, name: gr.State | gr.Dropdown, label: str, **wished) -> None:
    """A button that colours the photograph at its full size and has the browser save it.

    wished: components of a seed, of clicks and of their reach.
    """
    button = gr.Button(label)

    def fetch(photo: Photograph, name: str, saturation: float, *values) -> str:
        given = dict(zip(wished, values, strict=True))
        if "reach" in given:
            given["size"] = REACHES[given.pop("reach")]
        with said(photo):
            return str(written(photo, shared.models[name], Wish(saturation, **given), shared.folder))

    inputs = [shared.photo, name, shared.saturation, *wished.values()]
    done = button.click(fetch, inputs, shared.fetched, show_progress_on=button, **COMPUTES)
    done.success(None, shared.fetched, js=_SAVE)


@contextmanager
def said(photo: Photograph | None) -> Iterator[None]:
    """Have what goes wrong with a photograph be a sentence on the page."""
    try:
        if photo is None:
            raise UserError("this page's photograph was forgotten, as many others came; drop it again")
        photo.file.stat()
        yield
        return
    except FileNotFoundError:
        problem = "the photograph was deleted meanwhile; drop it again"
    except (UserError, UnreadablePicture, ValueError) as error:
        problem = str(error)
    except (MemoryError, OSError) as error:
        problem = f"this machine has no room for that: {getattr(error, 'strerror', None) or 'memory'}"
    raise gr.Error(escape(problem), duration=None, print_exception=False, title="That did not work")
