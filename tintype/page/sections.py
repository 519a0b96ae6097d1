"""The parts of the page below the photograph: models side by side, clicks of colour, several colourings."""

from collections.abc import Iterator

import gradio as gr

from tintype.console import UserError
from tintype.page.controls import (
    COMPUTES,
    PRIVATE,
    REACHES,
    Shared,
    Step,
    chained,
    chooser,
    download,
    said,
    slider_of,
)
from tintype.page.photograph import MOST_CLICKS, Click, Photograph, Wish, coloured, marked, reduced, rgb_of

DRAWN = 4  # colourings at a time
THUMBNAIL = 512  # pixels of the longer side
REACH = "middle"  # a key of REACHES
COLOURS = {
    "skin": "#c99a7c",
    "sky": "#7ba3d0",
    "leaves": "#6b8f3f",
    "water": "#4f8a94",
    "wood": "#8b6242",
    "brick": "#a6523c",
    "sand": "#d1b382",
    "red": "#b8282f",
    "blue": "#2f4fa8",
    "yellow": "#d8b02a",
    "grey": "#808080",
}


def all_of(shared: Shared) -> list[Step]:
    """Build the sections, those that some model has a use for; what has to follow a new photograph."""
    names = list(shared.models)
    with gr.Row():
        chosen = gr.CheckboxGroup(
            names,
            value=[name for name in names if shared.models[name].compared],
            label="Models",
            visible=len(names) > 1,
            scale=2,
            min_width=300,
        )
        shared.saturation = gr.Slider(0, 2, 1, step=0.1, label="Saturation", scale=1, min_width=300)
    shared.fetched = gr.DownloadButton(visible="hidden")
    steps = [_side_by_side(shared, chosen)]
    if hinted := [name for name in names if shared.models[name].takes_hints]:
        steps.append(_clicks(shared, hinted))
    if drawn := [name for name in names if shared.models[name].takes_z]:
        steps.append(_colourings(shared, drawn))
    return steps


def _side_by_side(shared: Shared, chosen: gr.CheckboxGroup) -> Step:
    gr.Markdown("## Before and after\nDrag the line across a picture, or all lines at once.")
    line = gr.Slider(0, 100, 50, step=1, label="All lines, in % from the left", buttons=[])
    columns, sliders = {}, {}
    with gr.Row(elem_id="side-by-side"):
        for name, model in shared.models.items():
            with gr.Column(min_width=300, visible=model.compared) as columns[name]:
                sliders[name] = slider_of(name)
                gr.Markdown(model.words)
                download(shared, gr.State(name), f"Download {name}, full size")

    def show(photo: Photograph | None, names: list[str], saturation: float) -> Iterator[dict]:
        yield dict.fromkeys(sliders.values())
        for name in [name for name in sliders if name in names and photo]:
            with said(photo):
                colours = coloured(photo.shown, shared.models[name], Wish(saturation))
            yield {sliders[name]: (photo.before, shared.file(colours))}

    def choose(names: list[str]) -> list[dict]:
        return [gr.update(visible=name in names) for name in columns]

    def move(place: float) -> list[dict]:
        return [gr.update(slider_position=place) for _ in sliders]

    all_sliders = [*sliders.values()]
    line.input(move, line, all_sliders, show_progress="hidden", trigger_mode="always_last", **PRIVATE)
    step = Step(show, [shared.photo, chosen, shared.saturation], all_sliders)
    chained(chosen.change(choose, chosen, [*columns.values()], **PRIVATE), [step])
    chained(shared.saturation.release(None), [step])
    return step


def _clicks(shared: Shared, names: list[str]) -> Step:
    gr.Markdown("## Put a colour right\nChoose a colour, then click where it belongs; as often as you like.")
    clicks = gr.State(())
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            picture = gr.Image(
                label=f"Click into the picture ({names[0]})",
                alt_text="The photograph in colour, with a ring at each click",
                elem_id="clickable",
                format="png",
                interactive=False,
                buttons=["fullscreen"],
            )
        with gr.Column(scale=1, min_width=300):
            model = chooser(names)
            common = gr.Radio([*COLOURS], value="skin", label="Common colours", elem_id="common")
            picker = gr.ColorPicker(COLOURS["skin"], label="Colour of the next click")
            reach = gr.Radio([*REACHES], value=REACH, label="How far its colour spreads")
            with gr.Row():
                undo = gr.Button("Undo last click", min_width=130)
                clear = gr.Button("Undo all", min_width=130)
            with gr.Accordion("Without a mouse", open=False):
                across = gr.Slider(0, 100, 50, step=0.5, label="Across the picture, in %")
                down = gr.Slider(0, 100, 50, step=0.5, label="Down the picture, in %")
                add = gr.Button("Put the colour there")
            download(shared, model, "Download with these clicks, full size", clicks=clicks, reach=reach)

    def show(photo: Photograph | None, name: str, saturation: float, far: str, given: tuple) -> dict:
        if photo is None:
            return gr.update(value=None)
        with said(photo):
            wish = Wish(saturation, clicks=given, size=REACHES[far])
            colours = coloured(photo.shown, shared.models[name], wish)
        return gr.update(value=shared.file(marked(colours, given)), label=f"Click into the picture ({name})")

    def begin(photo: Photograph | None, name: str, saturation: float, far: str) -> tuple:
        return show(photo, name, saturation, far, ()), ()

    def clicked(photo: Photograph, given: tuple, colour: str, event: gr.SelectData) -> tuple:
        with said(photo):
            height, width = photo.shown.shape[:2]
            x, y = (float(value) for value in event.index)
            return _more(given, y / height, x / width, colour)

    def placed(photo: Photograph, given: tuple, colour: str, x: float, y: float) -> tuple:
        with said(photo):
            return _more(given, y / 100, x / 100, colour)

    again = Step(show, [shared.photo, model, shared.saturation, reach, clicks], [picture])
    quick = PRIVATE | {"show_progress": "hidden", "trigger_mode": "multiple"}
    for change in (
        picture.select(clicked, [shared.photo, clicks, picker], clicks, **quick),
        add.click(placed, [shared.photo, clicks, picker, across, down], clicks, **quick),
        undo.click(lambda given: given[:-1], clicks, clicks, **quick),
        clear.click(tuple, None, clicks, **quick),
        model.change(None),
        reach.change(None),
        shared.saturation.release(None),
    ):
        chained(change, [again])
    common.input(COLOURS.get, common, picker, **PRIVATE)
    return Step(begin, again.inputs[:-1], [picture, clicks])


def _colourings(shared: Shared, names: list[str]) -> Step:
    gr.Markdown(
        "## Other colourings\nOf a dress or a car, many colours are likely. Draw some, and choose one."
    )
    seeds, seed = gr.State(()), gr.State()
    with gr.Row():
        model = chooser(names)
        number = gr.Slider(2, 8, DRAWN, step=1, label="How many")
        draw = gr.Button("Draw", variant="primary")
    gallery = gr.Gallery(
        label=f"Colourings ({names[0]})",
        elem_id="colourings",
        format="png",
        object_fit="contain",
        height="auto",
        allow_preview=False,
        interactive=False,
        buttons=[],
        visible=False,
    )
    with gr.Row(visible=False) as chosen:
        with gr.Column(scale=2, min_width=300):
            slider = slider_of("The chosen one")
        with gr.Column(scale=1, min_width=300):
            download(shared, model, "Download the chosen one, full size", seed=seed)

    def drawn(photo: Photograph, name: str, some: int, before: tuple, saturation: float) -> Iterator[dict]:
        first = before[-1] + 1 if before else 1
        new, shown = tuple(range(first, first + int(some))), []
        for one in new:
            with said(photo):
                colours = coloured(photo.shown, shared.models[name], Wish(saturation, one))
            shown.append((shared.file(reduced(colours, THUMBNAIL)), f"Number {one}"))
            label = f"Colourings ({name})"
            yield {
                gallery: gr.update(value=shown, visible=True, selected_index=None, label=label),
                seeds: new,
            }

    def choose(photo: Photograph, name: str, numbers: tuple, saturation: float, event: gr.SelectData) -> dict:
        with said(photo):
            one = numbers[int(event.index)]
            colours = coloured(photo.shown, shared.models[name], Wish(saturation, one))
        shown = gr.update(value=(photo.before, shared.file(colours)), label=f"Number {one}")
        return {seed: one, slider: shown, chosen: gr.update(visible=True)}

    def begin() -> dict:
        return {gallery: gr.update(value=None, visible=False), chosen: gr.update(visible=False), seeds: ()}

    places = [gallery, seeds, seed, slider, chosen]
    draw.click(drawn, [shared.photo, model, number, seeds, shared.saturation], places, **COMPUTES)
    gallery.select(choose, [shared.photo, model, seeds, shared.saturation], places, **COMPUTES)
    model.change(begin, None, places, **PRIVATE)
    return Step(begin, [], places)


def _more(given: tuple, down: float, across: float, colour: str) -> tuple:
    """The clicks with one more."""
    if len(given) >= MOST_CLICKS:
        raise UserError(f"there are {MOST_CLICKS} clicks already; undo one first")
    last = 1 - 1e-6
    return (*given, Click(min(max(down, 0), last), min(max(across, 0), last), rgb_of(colour)))
