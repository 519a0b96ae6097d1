"""What the report's page does in a browser: it opens from the disk, moves, sorts, and can be read by all."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pages
import pytest
from playwright.sync_api import Browser, Page, expect

from tintype.report import page as of_report


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("report")
    (first,) = of_report.write(folder, pages.page())
    return first.as_uri()


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """The page, of which no test may make the console complain or the browser ask for another file."""
    with_page = browser.new_page(viewport={"width": 1280, "height": 900})
    said, asked = [], []
    with_page.on("console", lambda message: said.append(message.text))
    with_page.on("pageerror", lambda error: said.append(str(error)))
    with_page.on("request", lambda request: asked.append(request.url))
    with_page.goto(address)
    yield with_page
    assert said == []
    assert {url for url in asked if not url.startswith("data:")} == {address}
    with_page.close()


def names(page: Page) -> list[str]:
    """The pictures of the gallery in their order, all of them."""
    while page.locator("#pictures-more").is_visible():
        page.locator("#pictures-more").click()
    heads = "heads => heads.map(head => head.firstChild.data)"
    return page.locator("#pictures h3").evaluate_all(heads)


def choose(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.locator(f"#controls [name={name}]").select_option(value)


def share(page: Page) -> float:
    """How much of the first picture's colours is covered, in %, as it is drawn."""
    drawn = page.locator(".slider .coloured").first.evaluate("image => getComputedStyle(image).clipPath")
    found = re.fullmatch(r"inset\(0(?:px)? 0(?:px)? 0(?:px)? ([\d.]+)%\)", drawn)
    assert found, drawn
    return float(found[1])


def test_it_shows_everything_and_asks_for_nothing_else(opened):
    expect(opened).to_have_title(re.compile("Tintype"))
    headings = opened.get_by_role("heading", level=2).all_inner_texts()
    for word in (
        "Figures",
        "Who is better",
        "Pictures",
        "Charts",
        "film",
        "Old pictures",
        "Training",
        "made",
    ):
        assert any(word in heading for heading in headings), word
    text = opened.locator("main").inner_text()
    for part in ("gan, with ciede2000 9.", "Better than mean.", "1,926,657", "make repro", "0" * 64):
        assert part in text, part
    assert "loses 2 (1.5 to 2.5)" in text and "gains 0.5 (\N{MINUS SIGN}0.25 to 1, not significant)" in text
    assert all("not sig" not in one for one in opened.locator(".loss.sure").all_text_contents())
    assert 0 < opened.locator(".loss.sure").count() < opened.locator(".loss").count()
    assert opened.locator("#pictures li").count() == 8
    assert all(opened.locator("img").evaluate_all("all => all.map(one => one.complete)"))
    opened.wait_for_function("[...document.images].every(image => image.naturalWidth === 64)")


def test_a_pointer_and_the_keys_move_a_slider(opened):
    slider = opened.get_by_role("slider", name="photograph 0: black and white against mean")
    assert share(opened) == 50
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    opened.mouse.click(box["x"] + 0.2 * box["width"], box["y"] + box["height"] / 2)
    assert share(opened) == pytest.approx(20, abs=4)
    slider.press("End")
    assert share(opened) == 100
    slider.press("ArrowLeft")
    assert share(opened) == 99
    assert slider.get_attribute("aria-valuetext") == "99 % black and white"


def test_one_slider_moves_all_those_that_come_later_too(opened):
    opened.get_by_label("All sliders").fill("10")
    opened.locator("#pictures-more").click()
    values = opened.locator(".slider input").evaluate_all("all => all.map(one => one.value)")
    assert len(values) > 40 and set(values) == {"10"} and share(opened) == 10


def test_pictures_are_sorted_by_any_figure_of_any_model(opened):
    found = pages.pictures(30, {3: pages.HOSTILE})
    assert names(opened) == [picture.name for picture in found]
    for figure, model in (("ciede2000", "gan"), ("auc_rebalanced", "mean")):
        rising = [one.name for one in sorted(found, key=lambda one: one.figures[model][figure])]
        choose(opened, figure=figure, model=model, order="ascending")
        assert names(opened) == rising
        choose(opened, order="descending")
        assert names(opened) == rising[::-1]
    choose(opened, order="none")
    assert names(opened) == [picture.name for picture in found]


@pytest.mark.parametrize("figure", pages.FIGURES)
def test_the_best_the_worst_and_the_most_disagreeing_are_chosen_by_the_direction_of_the_figure(
    opened, figure
):
    def badness(picture):
        value = picture.figures["cnn"][figure]
        return {"ciede2000": value, "auc_rebalanced": -value, "colorfulness": abs(value - 20)}[figure]

    def apart(picture):  # a floor always disagrees
        return abs(picture.figures["cnn"][figure] - picture.figures["gan"][figure])

    found = pages.pictures(30, {3: pages.HOSTILE})
    choose(opened, figure=figure, model="cnn", show="best")
    assert names(opened) == [one.name for one in sorted(found, key=badness)[:20]]
    choose(opened, show="worst")
    worst = sorted(found, key=badness, reverse=True)[:20]
    assert names(opened) == [one.name for one in worst]
    choose(opened, order="ascending")
    assert names(opened) == [one.name for one in sorted(worst, key=lambda one: one.figures["cnn"][figure])]
    choose(opened, show="disagree", order="none")
    assert names(opened) == [one.name for one in sorted(found, key=apart, reverse=True)[:20]]


def test_a_group_is_chosen_and_the_best_of_each_row_is_marked(opened):
    choose(opened, group="garden", figure="ciede2000")
    found = [one for one in pages.pictures(30, {3: pages.HOSTILE}) if one.group == "garden"]
    assert names(opened) == [one.name for one in found]
    best = [min(("mean", "cnn", "gan"), key=lambda model: one.figures[model]["ciede2000"]) for one in found]
    marked = opened.locator("figcaption p:has(.best) .model").all_inner_texts()
    assert marked == best


def test_more_pictures_come_when_asked_for_and_take_the_focus(opened):
    expect(opened.get_by_role("status")).to_have_text("8 of 30 pictures are shown.")
    opened.get_by_role("button", name="Show more pictures").press("Enter")
    expect(opened.get_by_role("status")).to_have_text("16 of 30 pictures are shown.")
    assert opened.evaluate("document.activeElement.closest('li').querySelector('h3').textContent") == (
        "photograph 8street"
    )
    assert names(opened)[-1] == "photograph 29" and not opened.locator("#pictures-more").is_visible()


def test_a_table_is_sorted_by_its_headings_the_truth_staying_below(opened):
    values = pages.table()[:3].set_index("model")
    heads = opened.get_by_role("table", name="Each model on the test pictures")
    for figure, best_first in (("auc_rebalanced", False), ("ciede2000", True)):
        for ascending in (best_first, not best_first):
            heads.get_by_role("button", name=figure).click()
            rows = heads.locator("tbody th .model").all_inner_texts()
            assert rows == list(values.sort_values(figure, ascending=ascending).index)
            told = heads.get_by_role("columnheader", name=figure).get_attribute("aria-sort")
            assert told == ("ascending" if ascending else "descending")
    assert heads.locator("[aria-sort]").count() == 1
    heads.get_by_role("button", name="parameters").press("Enter")
    assert heads.locator("tbody th .model").all_inner_texts()[-1] == "mean", "which has none"
    assert heads.locator("tfoot th").all_inner_texts() == ["truth"]


def test_names_are_shown_as_they_are_and_never_run(opened):
    names(opened)
    assert opened.evaluate("window.hacked") is None
    assert opened.get_by_role("img", name=f"{pages.HOSTILE}, coloured by cnn", exact=True).count() == 2
    assert opened.get_by_role("heading", name=pages.HOSTILE).count() == 2
    assert opened.locator("th", has_text=pages.HOSTILE).count() == 1
    assert "</pre><script>" in opened.locator("pre").last.text_content()
    assert opened.locator("script:not([type])").count() == 1


def test_only_the_pages_own_script_and_style_are_let_through(opened, browser, address, tmp_path):
    policy = opened.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy and "*" not in policy and "http" not in policy
    text = Path(address.removeprefix("file://")).read_text(encoding="utf-8")
    changed = tmp_path / "changed.html"
    changed.write_text(text.replace("<main", "<script>window.hacked = 1</script><main", 1), encoding="utf-8")
    other = browser.new_page()
    other.goto(changed.as_uri())
    assert other.evaluate("window.hacked") is None
    other.close()


def test_a_phone_never_has_to_move_the_page_sideways(opened):
    opened.set_viewport_size({"width": 360, "height": 740})
    opened.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    choose(opened, show="disagree")
    assert opened.evaluate("document.documentElement.scrollWidth") == 360
    box = opened.get_by_role("region", name="Each model on the test pictures")
    assert box.evaluate("box => box.scrollWidth > box.clientWidth && box.tabIndex === 0")
    columns = (
        opened.locator("#pictures li")
        .first.locator("figure")
        .evaluate_all("all => new Set(all.map(one => one.offsetLeft)).size")
    )
    assert columns == 2, "two pictures beside each other"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_on_dark_and_on_light(opened, scheme):
    opened.emulate_media(color_scheme=scheme)
    paper = pages.luminance(opened, "body", "backgroundColor")
    assert paper > 0.85 if scheme == "light" else paper < 0.02
    for place in (
        "h1",
        ".answer .first",
        "td .range",
        ".notes",
        ".chart text",
        "strong.clear",
        "figcaption dt",
    ):
        ink = pages.luminance(opened, place, "fill" if "chart" in place else "color")
        card = pages.luminance(opened, ".panel", "backgroundColor")
        assert pages.contrast(ink, paper) > 4.5 and pages.contrast(ink, card) > 4.5, place
    for place in range(3):
        shown = f"getComputedStyle(document.documentElement).getPropertyValue('--series-{place}')"
        opened.evaluate(f"document.querySelector('h1').style.color = {shown}")
        assert pages.contrast(pages.luminance(opened, "h1", "color"), paper) > 3, place


def test_headings_names_and_landmarks_are_there_for_those_who_do_not_see_the_page(opened):
    names(opened)
    assert opened.locator("img:not([alt]), img[alt='']").count() == 0
    assert opened.get_by_role("main").count() == 1 and opened.get_by_role("banner").count() == 1
    expect(opened.get_by_role("navigation", name="Sections")).to_be_visible()
    levels = opened.locator("h1, h2, h3").evaluate_all("all => all.map(one => Number(one.tagName[1]))")
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for table in opened.locator("table").all():
        assert table.locator("caption").text_content().strip()
        assert table.locator("th:not([scope])").count() == 0
    ranges = opened.locator(".slider input").evaluate_all("all => all.map(one => one.ariaLabel)")
    # The hostile picture is among the test pictures and among the old ones.
    assert len(ranges) == 30 * 3 + 2 and len(set(ranges)) == len(ranges) - 2
    used = opened.locator("[id]").evaluate_all("all => all.map(one => one.id)")
    assert len(used) == len(set(used))
    for link in opened.locator("a[href^='#']").all():
        assert opened.locator(link.get_attribute("href")).count() == 1


def test_the_keyboard_reaches_everything_and_shows_where_it_is(opened):
    opened.keyboard.press("Tab")
    expect(opened.get_by_role("link", name="Skip to the content")).to_be_focused()
    outline = "one => getComputedStyle(one).outlineStyle"
    assert opened.locator(":focus").evaluate(outline) == "solid"
    opened.keyboard.press("Enter")
    expect(opened.get_by_role("main")).to_be_focused()
    opened.keyboard.press("Tab")
    expect(opened.get_by_role("region", name="Each model on the test pictures")).to_be_focused()
    opened.keyboard.press("Tab")
    button = opened.get_by_role("button", name="model", exact=True).first
    expect(button).to_be_focused()
    assert button.evaluate(outline) == "solid"
    slider = opened.locator(".slider input").first
    slider.focus()
    slider.press("ArrowRight")
    assert slider.evaluate("one => getComputedStyle(one.parentElement).outlineStyle") == "solid"
