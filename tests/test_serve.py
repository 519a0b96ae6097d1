"""`tintype serve`: the page as people use it, in Chromium."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
from pages import photograph
from PIL import ExifTags, Image
from playwright.sync_api import expect
from served import (
    HEIGHT,
    KINDS,
    WIDTH,
    chroma,
    picture,
    serving,
    status,
    visiting,
    write_models,
    write_photograph,
)

from tintype import scans
from tintype.page import layout
from tintype.page import photograph as page_photograph


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def address(folders):
    with serving(list(folders.values())) as address:
        yield address


@pytest.fixture
def visit(browser, address):
    with visiting(browser, address) as visit:
        yield visit


@pytest.fixture
def photo(tmp_path) -> Path:
    return write_photograph(tmp_path / "grandmother.png")


def test_a_photograph_is_shown_before_and_after_by_each_model(visit, photo):
    expect(visit.page.get_by_role("heading", name="Before and after")).not_to_be_visible()
    visit.drop(photo)
    expect(visit.note()).to_have_text(f"grandmother.png: {WIDTH} x {HEIGHT} pixels.")
    afters = []
    for name in KINDS:
        before, after = visit.pictures(name)
        assert np.array_equal(before, np.array(Image.open(photo)))
        assert chroma(before).max() == 0 < chroma(after).mean()
        afters.append(after)
    assert len({after.tobytes() for after in afters}) == len(KINDS)
    visit.page.get_by_label("second", exact=True).uncheck()
    expect(visit.slider("second")).not_to_be_visible()
    visit.page.locator("#photograph").get_by_label("Clear").click()
    expect(visit.page.get_by_role("heading", name="Before and after")).not_to_be_visible()


def test_one_control_moves_the_lines_of_all_pictures_by_keyboard(visit, photo):
    visit.drop(photo)
    visit.pictures("many")
    clips = visit.page.locator("img.fixed")
    expect(clips.first).to_have_css("clip-path", re.compile("50%"))
    visit.page.get_by_label("slider for All lines").press("Home")
    for name in KINDS:
        clip = visit.slider(name).locator("img.fixed")
        expect(clip).to_have_css("clip-path", re.compile(r" 0(\.0\d*)?%\)$"))


def test_a_click_changes_the_colours_near_it_and_can_be_undone(visit, photo, tmp_path):
    visit.drop(photo)
    image = visit.page.locator("#clickable img")
    expect(image).to_have_js_property("naturalWidth", WIDTH)
    before, source = visit.hinted(), image.get_attribute("src")
    visit.page.get_by_label("red", exact=True).check()
    expect(visit.page.get_by_label("Colour of the next click")).to_have_css(
        "background-color", "rgb(184, 40, 47)"
    )
    image.scroll_into_view_if_needed()
    box = image.bounding_box()
    image.click(position={"x": box["width"] * 0.75, "y": box["height"] * 0.5})
    expect(image).not_to_have_attribute("src", source)
    change = np.abs(visit.hinted() - before).sum(axis=-1)
    row, column = np.unravel_index(change.argmax(), change.shape)
    assert abs(row - HEIGHT / 2) < 16 and abs(column - WIDTH * 0.75) < 16
    assert change[:, : WIDTH // 4].max() == 0
    clicked = np.array(Image.open(visit.download("Download with these clicks", tmp_path))).astype(int)
    assert np.abs(clicked - before)[:, WIDTH // 2 :].max() > 8  # the colours alone, without the ring
    assert np.abs(clicked - before)[:, : WIDTH // 4].max() == 0
    source = image.get_attribute("src")
    visit.page.get_by_role("button", name="Undo last click").click()
    expect(image).not_to_have_attribute("src", source)
    assert np.array_equal(visit.hinted(), before)


def test_clicks_can_be_placed_without_a_mouse_and_taken_back(visit, photo):
    visit.drop(photo)
    image = visit.page.locator("#clickable img")
    expect(image).to_have_js_property("naturalWidth", WIDTH)
    before, source = visit.hinted(), image.get_attribute("src")
    visit.page.get_by_role("button", name="Without a mouse").press("Enter")
    visit.page.get_by_label("slider for Across").press("Home")
    visit.page.get_by_label("slider for Down").press("End")
    visit.page.get_by_role("button", name="Put the colour there").press("Enter")
    expect(image).not_to_have_attribute("src", source)
    change = np.abs(visit.hinted() - before).sum(axis=-1)
    assert change[-8:, :8].max() > 0 == change[: HEIGHT // 2].max()
    source = image.get_attribute("src")
    visit.page.get_by_role("button", name="Undo all").press("Enter")
    expect(image).not_to_have_attribute("src", source)
    assert np.array_equal(visit.hinted(), before)


def test_colourings_are_drawn_that_differ_and_one_is_chosen(visit, photo, tmp_path):
    visit.drop(photo)
    visit.pictures("many")
    visit.page.get_by_label("number input for How many").fill("3")
    visit.page.get_by_role("button", name="Draw").click()
    drawn = visit.page.locator("#colourings img")
    expect(drawn).to_have_count(3)
    shown = [picture(drawn.nth(at).get_attribute("src")) for at in range(3)]
    assert len({one.tobytes() for one in shown}) == 3
    drawn.nth(1).click()
    (_, after) = visit.pictures("Number 2")
    assert np.array_equal(after, shown[1])
    file = visit.download("Download the chosen one", tmp_path)
    assert file.name == "grandmother-many-2.png"
    assert np.array_equal(np.array(Image.open(file)), after)


def test_the_download_has_the_full_size_the_depth_and_the_words_of_the_original(visit, tmp_path):
    pixels = np.linspace(0, 65535, 1300 * 1700).reshape(1300, 1700).astype(np.uint16)
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Anna"
    file = tmp_path / "wide scan.tif"
    scans.write(file, scans.Scan(np.repeat(pixels[..., None], 3, axis=2), exif))
    visit.drop(file)
    (before, _) = visit.pictures("first")
    assert max(before.shape) == 1024
    done = scans.read(visit.download("Download first, full size", tmp_path))
    assert done.pixels.shape == (1300, 1700, 3) and done.pixels.dtype == np.uint16
    assert done.exif[ExifTags.Base.Artist] == "Anna"
    assert sorted(path.name for path in tmp_path.glob("wide*")) == ["wide scan-first.tif", "wide scan.tif"]


def test_saturation_0_is_grey(visit, photo):
    visit.drop(photo)
    visit.pictures("many")
    after = visit.slider("first").locator("img.fixed")
    source = after.get_attribute("src")
    visit.page.get_by_label("slider for Saturation").press("Home")
    visit.page.get_by_label("slider for Saturation").dispatch_event("pointerup")
    expect(visit.slider("first").locator("img.fixed")).not_to_have_attribute("src", source)
    assert chroma(visit.pictures("first")[1]).max() <= 1


def test_a_colour_picture_is_coloured_only_when_asked_again(visit, tmp_path):
    Image.fromarray(photograph(3, HEIGHT, WIDTH)).save(tmp_path / "holiday.png")
    visit.drop(tmp_path / "holiday.png")
    expect(visit.note()).to_contain_text("It has colours already")
    expect(visit.page.get_by_role("heading", name="Before and after")).not_to_be_visible()
    visit.page.get_by_role("button", name="Colour it anew").click()
    before, after = visit.pictures("first")
    assert chroma(before).max() > 8 and not np.array_equal(before, after)


def _large(path: Path) -> None:
    Image.new("L", (9000, 7000)).save(path)


@pytest.mark.parametrize(
    ("name", "write", "reason"),
    [
        ("notes.txt", lambda path: path.write_text("dear diary"), "no picture, or damaged"),
        ("<b>bold</b>.png", lambda path: path.write_bytes(b"\x89PNG\r\n"), "no picture, or damaged"),
        ("large.png", _large, "9000 x 7000 pixels; at most 60,000,000 are read"),
        ("tiny.png", lambda path: Image.new("L", (7, 30)).save(path), "7 x 30 pixels; at least 8 a side"),
    ],
    ids=["text", "cut", "large", "tiny"],
)
def test_what_cannot_be_coloured_is_a_sentence(visit, photo, tmp_path, name, write, reason):
    visit.drop(photo)
    visit.pictures("many")
    file = tmp_path / name.replace("/", "_")
    write(file)
    visit.page.locator("#photograph").get_by_label("Clear").click()
    visit.drop(file)
    expect(visit.note()).to_contain_text(f"can't be coloured: {reason}")
    expect(visit.page.get_by_role("heading", name="Before and after")).not_to_be_visible()
    assert visit.page.locator("b").count() == 0


def test_what_a_model_does_not_take_is_not_asked_for(browser, folders, photo):
    with serving([folders["first"]]) as address, visiting(browser, address) as visit:
        visit.drop(photo)
        visit.pictures("first")
        for absent in ("Put a colour right", "Other colourings"):
            expect(visit.page.get_by_role("heading", name=absent)).to_have_count(0)
        expect(visit.page.locator("#clickable")).to_have_count(0)
        expect(visit.page.get_by_role("checkbox")).to_have_count(0)
        expect(visit.page.get_by_role("button", name="full size")).to_have_count(1)


def test_a_phone_in_the_dark_shows_it_all_without_scrolling_sideways(browser, address, photo):
    phone = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark", "has_touch": True}
    with visiting(browser, address, **phone) as visit:
        visit.drop(photo)
        visit.pictures("many")
        visit.page.get_by_role("button", name="Draw").tap()
        expect(visit.page.locator("#colourings img")).to_have_count(4)
        assert visit.page.evaluate("document.documentElement.scrollWidth") == 360
        expect(visit.note()).to_have_css("color", re.compile(r"rgb\(2\d\d, 2\d\d, 2\d\d\)"))
        background = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert max(map(int, re.findall(r"\d+", background)[:3])) < 40
        for name in ("first", "second"):
            left, right = (visit.slider(name).bounding_box()[key] for key in ("x", "width"))
            assert left >= 0 and left + right <= 360


def test_uploads_are_private_and_deleted_after_a_while(browser, folders, photo, monkeypatch):
    for name in ("KEPT", "CHECKED"):
        monkeypatch.setattr(layout, name, 1)
    with serving([folders["first"]]) as address, visiting(browser, address) as visit:
        visit.drop(photo)
        source = visit.slider("first").locator("img.fixed").get_attribute("src")
        folder = Path("/" + source.partition("file=/")[2]).parents[1]
        assert folder.stat().st_mode & 0o077 == 0
        for _ in range(100):
            if not [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]:
                break
            time.sleep(0.1)
        visit.page.get_by_role("button", name="full size").click()
        expect(visit.page.get_by_text("the photograph was deleted meanwhile; drop it again")).to_be_visible()
    assert not folder.exists()


def test_a_file_that_is_too_large_is_refused_before_it_is_read(browser, folders, photo, monkeypatch):
    monkeypatch.setattr(page_photograph, "MAX_BYTES", 1000)
    with serving([folders["first"]]) as address:
        with visiting(browser, address) as visit:
            visit.drop(photo)
            expect(visit.page.get_by_text("exceed the maximum allowed size")).to_be_visible()
        head = b"--x\r\nContent-Disposition: form-data; name=files; filename=a\r\n\r\n"
        body = head + bytes(5000) + b"\r\n--x--"
        assert status(address + "/gradio_api/upload", body, "multipart/form-data; boundary=x") == 413
