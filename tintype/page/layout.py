"""What is on the page: the photograph, and below it the sections that show it in colour."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import gradio as gr

from tintype.images import UnreadablePicture
from tintype.page import photograph, sections
from tintype.page.choice import Offered
from tintype.page.controls import COMPUTES, PRIVATE, Shared, Step, chained
from tintype.page.photograph import MAX_BYTES, MAX_PIXELS, Photograph

KEPT = 3600  # seconds after which uploads and answers are deleted
CHECKED = 300
INTRODUCTION = f"""\
# Tintype
Drop a black-and-white photograph to see it in colour. The colours are guesses of networks that learned from
other photographs: likely ones, not the true ones. What you drop stays on this machine, and is deleted after
{KEPT // 60} minutes.
"""
CSS = """
.gradio-container { max-width: 1320px !important; margin: 0 auto !important; }
.gradio-container .prose { max-width: 60rem; }
.tintype-note { font-size: 1rem; line-height: 1.5; margin: 0; }
.tintype-note.problem { border-left: 4px solid #c0392b; padding-left: .7rem; }
#side-by-side { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 290px), 1fr)); }
#clickable img { cursor: crosshair; }
#note .html-container { padding: 0; }
#colourings .grid-wrap { min-height: 0 !important; max-height: none !important; }
#colourings .grid-container { grid-template: none / repeat(auto-fill, minmax(min(45%, 260px), 1fr)); }
""" + "".join(
    f"#common label:nth-child({place}) {{ border-left: .8rem solid {colour}; }}\n"
    for place, colour in enumerate(sections.COLOURS.values(), 1)
)


def theme() -> gr.themes.Base:
    """Fonts of the reader's own machine: others would have to be fetched."""
    sans, mono = ("system-ui", "sans-serif"), ("ui-monospace", "monospace")
    return gr.themes.Default(primary_hue="amber", neutral_hue="stone", font=sans, font_mono=mono)


def build(models: Sequence[Offered], folder: Path) -> gr.Blocks:
    """The page. folder: where pictures are written."""
    with gr.Blocks(title="Tintype", analytics_enabled=False, delete_cache=(CHECKED, KEPT)) as page:
        gr.Markdown(INTRODUCTION)
        file = gr.File(label="Photograph", height=140, elem_id="photograph")
        note = gr.HTML(_note(_LIMITS), elem_id="note", padding=False)
        anyway = gr.Button("Colour it anew", visible=False, variant="primary")
        with gr.Column(visible=False) as results:
            shared = Shared({model.name: model for model in models}, folder)
            parts = sections.all_of(shared)
        _wire(file, note, anyway, results, shared, parts)
    return page


def _wire(
    file: gr.File, note: gr.HTML, anyway: gr.Button, results: gr.Column, shared: Shared, parts: list[Step]
) -> None:
    """Have an upload open a photograph; where it has colours, a click on `anyway`."""
    photo, waiting = shared.photo, gr.State()

    def opened(upload: str | None) -> list:
        """The photograph, or the one that waits for a yes; then the note, the yes, and the results' place."""
        found, problem, said = None, False, _LIMITS
        if upload is not None:
            try:
                found = photograph.opened(Path(upload), shared.folder)
                said = _described(found)
            except (UnreadablePicture, MemoryError, OSError) as error:
                reason = str(error) if isinstance(error, UnreadablePicture) else "it could not be read"
                problem, said = True, f"{Path(upload).name} can't be coloured: {reason}."
        coloured = found is not None and found.coloured
        return [
            None if coloured else found,
            found if coloured else None,
            _note(said, problem),
            gr.update(visible=coloured),
            gr.update(visible=found is not None and not coloured),
        ]

    def agreed(found: Photograph | None) -> list:
        return [found, None, gr.update(visible=False), gr.update(visible=found is not None)]

    places = [photo, waiting, note, anyway, results]
    for happens in (file.upload, file.clear):
        event = happens(opened, file, places, **COMPUTES)
        chained(event, parts)
    chained(anyway.click(agreed, waiting, [photo, waiting, anyway, results], **PRIVATE), parts)


_LIMITS = f"JPEG, PNG, TIFF and others; up to {MAX_BYTES >> 20} MB and {MAX_PIXELS // 10**6} megapixels."


def _described(found: Photograph) -> str:
    said = f"{found.file.name}: {found.width} x {found.height} pixels."
    if found.coloured:
        said += " It has colours already. They can be replaced by new ones, from its lightness alone."
    return said


def _note(text: str, problem: bool = False) -> str:
    return f'<p class="tintype-note{" problem" * problem}" role="status">{escape(text)}</p>'
