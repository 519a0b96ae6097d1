"""`tintype serve`: the page as people use it, in Chromium, and what its server refuses."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from pages import grey, photograph
from PIL import ExifTags, Image
from playwright.sync_api import Page, expect

from tintype import full_size, scans
from tintype.__main__ import main
from tintype.colorizer import Colorizer
from tintype.console import UserError
from tintype.files import write_json
from tintype.page import choice, layout, server
from tintype.page import photograph as page_photograph

ROOT = Path(__file__).parents[1]
UNET = {"backbone": "unet", "width": 4, "depth": 2, "output_stride": 2, "head": "l1", "color_space": "lab"}
Z = {"whole": 2, "spatial": 1, "most": 0.1, "others": 0.25, "diversity": 0.2}
KINDS = {
    "first": {},
    "second": {},
    "hinted": {"given": {"hints": {"most": 20, "without": 0.1}}},
    "many": {"given": {"z": Z}},
}
HEIGHT, WIDTH = 160, 240
STRANGERS: list[str] = []  # addresses beyond this machine that the process asked for


def _watch(event: str, arguments: tuple) -> None:
    """An audit hook: sees every connection and every look-up of a name, whoever makes it."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in (*server.LOOPBACK, None, ""):
        STRANGERS.append(host)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    """Networks that learned nothing, of each kind."""
    torch.manual_seed(0)
    folders = {}
    for name, more in KINDS.items():
        folder = tmp_path_factory.mktemp("models") / name
        colorizer = Colorizer(UNET | more, None).eval()
        with torch.no_grad():
            for weights in colorizer.network.parameters():
                weights *= 1.6  # what is told to one that learned nothing hardly counts
        colorizer.save(folder, {})
        folders[name] = str(folder)
    return folders


@contextmanager
def serving(names: list[str]):
    """The page's address, while it is served from a thread."""
    with pytest.MonkeyPatch.context() as patch, server.listening("127.0.0.1", 0) as listener:
        patch.setattr(os, "environ", os.environ.copy())
        with server.application(choice.offered(names)) as page:
            running = server.server(page)
            thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                yield server.address(listener)
            finally:
                running.should_exit = True
                thread.join(20)


@pytest.fixture(scope="module")
def address(folders):
    sys.addaudithook(_watch)
    with serving(list(folders.values())) as address:
        yield address
    assert STRANGERS == []


@dataclass
class Visit:
    """The page in a browser."""

    page: Page
    address: str
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def drop(self, file: Path) -> None:
        self.page.set_input_files("#photograph input[type=file]", file)

    def note(self):
        return self.page.locator("#note").get_by_role("status")

    def slider(self, name: str):
        """The before and the after of a model, once they are there."""
        return self.page.locator(".block", has=self.page.get_by_test_id("block-label").get_by_text(name))

    def pictures(self, name: str) -> list[np.ndarray]:
        images = self.slider(name).get_by_test_id("imageslider-image")
        expect(images).to_have_count(2)
        return [picture(images.nth(at).get_attribute("src")) for at in range(2)]

    def hinted(self) -> np.ndarray:
        return picture(self.page.locator("#clickable img").get_attribute("src"))

    def download(self, button: str, folder: Path) -> Path:
        with self.page.expect_download() as started:
            self.page.get_by_role("button", name=button).click()
        file = folder / started.value.suggested_filename
        started.value.save_as(file)
        return file


@contextmanager
def visiting(browser, address: str, **settings):
    context = browser.new_context(**settings)
    visit = Visit(context.new_page(), address)
    visit.page.on("request", lambda request: visit.asked.append(request.url))
    visit.page.on("console", lambda said: said.type == "error" and visit.errors.append(said.text))
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
    visit.page.goto(address)
    expect(visit.page.locator("#photograph input[type=file]")).to_be_attached()
    yield visit
    context.close()
    assert visit.errors == []
    assert [url for url in visit.asked if not url.startswith((address, "blob:", "data:"))] == []


@pytest.fixture
def visit(browser, address):
    with visiting(browser, address) as visit:
        yield visit


@pytest.fixture
def photo(tmp_path) -> Path:
    file = tmp_path / "grandmother.png"
    Image.fromarray(grey(photograph(3, HEIGHT, WIDTH))).save(file)
    return file


def picture(url: str) -> np.ndarray:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return np.array(Image.open(io.BytesIO(answer.read())).convert("RGB")).astype(int)


def chroma(pixels: np.ndarray) -> np.ndarray:
    return np.ptp(pixels, axis=-1)


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
        expect(visit.slider(name).locator("img.fixed")).to_have_css(
            "clip-path", re.compile(r" 0(\.0\d*)?%\)$")
        )


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
    visit.page.get_by_role("button", name="Undo last click").click()
    expect(image).to_have_attribute("src", source)


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
    visit.page.get_by_role("button", name="Undo all").press("Enter")
    expect(image).to_have_attribute("src", source)


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
    before, after = visit.pictures("Number 2")
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
            assert 0 <= left and left + right <= 360


def test_uploads_are_private_and_deleted_after_a_while(browser, folders, photo, monkeypatch):
    for name in ("KEPT", "CHECKED"):
        monkeypatch.setattr(layout, name, 1)
    with serving([folders["first"]]) as address, visiting(browser, address) as visit:
        visit.drop(photo)
        source = visit.slider("first").locator("img.fixed").get_attribute("src")
        folder = Path("/" + source.partition("file=/")[2]).parents[1]
        assert folder.stat().st_mode & 0o077 == 0
        for _ in range(100):
            if not [path for path in folder.rglob("*") if path.is_file()]:
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
            expect(visit.page.get_by_text("exceeds the maximum")).to_be_visible()
        body = (
            b"--x\r\nContent-Disposition: form-data; name=files; filename=a\r\n\r\n"
            + bytes(5000)
            + b"\r\n--x--"
        )
        assert status(address + "/gradio_api/upload", body, "multipart/form-data; boundary=x") == 413


@pytest.mark.parametrize(
    "path",
    [
        *("/gradio_api/info", "/gradio_api/openapi.json", "/openapi.json", "/docs", "/monitoring"),
        *("/gradio_api/file=http://example.com/a.png", "/gradio_api/proxy=http://example.com/", "/login"),
        *("/gradio_api/deep_link", "/gradio_api/runs", "/gradio_api/token", "/gradio_api/call/opened"),
    ],
)
def test_paths_that_the_page_does_not_need_are_refused(address, path):
    assert status(address + path) == 404
    assert status(address + path, b"{}") == 404


def test_files_of_this_machine_are_refused(address, photo):
    assert status(f"{address}/gradio_api/file={photo}") == 403
    assert status(f"{address}/gradio_api/file={ROOT / 'README.md'}") == 403
    for place in (str(photo), "http://example.com/a.png"):
        said = called(address, {"path": place, "meta": {"_type": "gradio.FileData"}})
        assert '"success":false' in said and "pixels" not in said


def test_pages_elsewhere_reach_it_neither_by_a_name_of_theirs_nor_in_a_frame(address):
    port = address.rpartition(":")[2]
    for host, expected in ((f"evil.example:{port}", 421), (f"localhost:{port}", 200)):
        request = urllib.request.Request(address, headers={"Host": host})
        assert status(request) == expected
    with urllib.request.urlopen(address, timeout=30) as answer:
        policy = answer.headers["content-security-policy"]
    assert "default-src 'self';" in policy and "frame-ancestors 'none'" in policy


def test_an_address_that_is_taken_is_named_with_what_to_do():
    with server.listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(
            UserError, match=rf"127\.0\.0\.1, port {port}: Address already in use; .*--port 7860"
        ):
            main(["serve", "--port", str(port)])
    with pytest.raises(UserError, match=r"cannot serve at 192\.0\.2\.1, port 7999"):
        server.listening("192.0.2.1", 7999)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with models: of photographs, told this or that, of drawings, and one without colours."""
    monkeypatch.chdir(tmp_path)
    drawing = {"backbone": "transposed_unet", "width": 4, "depth": 2, "head": "l1"}
    kinds = {name: UNET for name in ("a", "b", "c", "d")} | {
        "told": UNET | {"given": {"condition": True}},
        "h": UNET | KINDS["hinted"],
        "sketch": drawing | {"color_space": "drawing"},
        "z": UNET | KINDS["many"],
        "grey": UNET | {"color_space": "lightness"},
    }
    for name, generator in kinds.items():
        told = {"hair": ["red", "brown"]} if name == "told" else None
        Colorizer(generator, None, told).eval().save(tmp_path / "models" / name, {})
    for name, value in (("b", 9.0), ("d", 8.5), ("sketch", 1.0)):
        write_json(tmp_path / f"reports/metrics/{name}.json", {"ciede2000": value})
    (tmp_path / "models/broken").mkdir()
    (tmp_path / "models/broken/model.safetensors").write_bytes(b"no")
    return tmp_path


def test_by_default_the_best_models_of_photographs_and_one_of_each_other_kind_are_offered(project):
    found = choice.offered([])
    assert [(model.name, model.compared) for model in found] == [
        *(("d", True), ("b", True), ("a", True), ("h", False), ("z", False))
    ]
    assert found[0].words.endswith("off by 8.5 on average (CIEDE2000; 0 is perfect).")
    assert found[3].takes_hints and not found[3].takes_z and found[4].takes_z
    named = choice.offered(["z", str(project / "models/c")])
    assert [(model.name, model.compared) for model in named] == [("z", True), ("c", True)]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["sketch"], "found sketch, which colours drawings; allowed: models of photographs"),
        (["told"], "found told, which has to be told a condition"),
        (["grey"], "found grey, which knows no colours"),
        (["a", "a"], "found two that are called 'a'"),
        (["e"], "found 'e', allowed: a model's folder, or one of these"),
        (["broken"], "not a model written by Tintype"),
    ],
)
def test_models_that_cannot_be_offered_are_refused(project, names, reason):
    with pytest.raises(UserError, match=re.escape(reason)):
        choice.offered(names)


def test_without_models_it_says_how_to_get_some(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="make repro"):
        choice.offered([])


def test_clicks_fall_on_the_pixels_that_the_network_sees_and_the_latest_holds():
    pixels = np.full((400, 600), 250, np.uint8)  # a border of paper, 60 pixels wide
    pixels[60:-60, 60:-60] = np.random.default_rng(0).integers(20, 180, (280, 480))
    seen = []
    full_size.colorize(pixels, lambda batch: seen.append(batch.input.shape[-2:]) or batch.ab)
    (size,) = seen
    blue, red = (40, 60, 200), (200, 40, 60)
    inside = page_photograph.Click(0.5, 0.25, blue)
    later, border = page_photograph.Click(0.5, 0.25, red), page_photograph.Click(0.02, 0.5, blue)
    planes = page_photograph.planes(pixels, (inside, border), size)
    rows, columns = planes[0, 2].nonzero(as_tuple=True)
    assert len(rows) == 9
    assert abs(rows.float().mean() / size[0] - 0.5) < 0.01
    assert abs(columns.float().mean() / size[1] - (0.25 * 600 - 60) / 480) < 0.01
    assert torch.allclose(
        planes[0, :2, rows[0], columns[0]], torch.tensor(page_photograph.ab_of(blue)).float()
    )
    again = page_photograph.planes(pixels, (inside, later), size)
    assert torch.allclose(again[0, :2, rows[0], columns[0]], torch.tensor(page_photograph.ab_of(red)).float())


@pytest.mark.parametrize("text", ["#b8282f", "rgb(184, 40, 47)", "rgba(184.2, 39.8, 47, 1)"])
def test_colours_of_the_picker_are_understood(text):
    assert page_photograph.rgb_of(text) == (184, 40, 47)


@pytest.mark.parametrize("text", ["", "red", "#12345", "rgb(1, 2)", "rgb(1e9, 0, 0)"])
def test_other_colours_are_refused(text):
    with pytest.raises(ValueError, match="allowed: a colour such as"):
        page_photograph.rgb_of(text)


@pytest.mark.slow
def test_the_command_serves_until_ctrl_c_and_leaves_nothing(folders, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    with server.listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "tintype", "serve", "--port", str(port), "--model", folders["first"]]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        try:
            line = process.stdout.readline()
            assert line == f"http://127.0.0.1:{port}: first; Ctrl-C ends it.\n"
            assert status(f"http://127.0.0.1:{port}/") == 200
            stream = urllib.request.urlopen(f"http://127.0.0.1:{port}/gradio_api/heartbeat/x", timeout=30)
            assert list(tmp_path.glob("tintype-*"))
        finally:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        stream.close()
    assert process.returncode == 130
    assert said == "stopped\n"
    assert list(tmp_path.iterdir()) == []


def status(url: str | urllib.request.Request, body: bytes | None = None, kind="application/json") -> int:
    request = url if isinstance(url, urllib.request.Request) else urllib.request.Request(url, body)
    if body is not None:
        request.add_header("Content-Type", kind)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def called(address: str, given: object) -> str:
    """What the server says to an upload that a browser did not make."""
    with urllib.request.urlopen(address + "/config", timeout=30) as answer:
        handlers = json.load(answer)["dependencies"]
    (opened,) = [one["id"] for one in handlers if [target[1] for target in one["targets"]] == ["upload"]]
    body = json.dumps({"data": [given], "fn_index": opened, "session_hash": "stranger"}).encode()
    assert status(address + "/gradio_api/queue/join", body) == 200
    with urllib.request.urlopen(
        address + "/gradio_api/queue/data?session_hash=stranger", timeout=30
    ) as answer:
        for line in answer:
            if b"process_completed" in line:
                return line.decode()
    raise AssertionError("no answer")
