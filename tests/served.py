"""The page of `tintype serve` to test with: tiny networks, a server in a thread, a visitor in Chromium."""

import io
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from pages import grey, photograph
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tintype.colorizer import Colorizer
from tintype.page import choice, server

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


def write_models(folder: Path) -> dict[str, str]:
    """Networks that learned nothing, of each kind: their folders."""
    torch.manual_seed(0)
    for name, more in KINDS.items():
        colorizer = Colorizer(UNET | more, None).eval()
        with torch.no_grad():
            for weights in colorizer.network.parameters():
                weights *= 1.6  # what is told to one that learned nothing hardly counts
        colorizer.save(folder / name, {})
    return {name: str(folder / name) for name in KINDS}


def write_photograph(file: Path) -> Path:
    """A grey one."""
    Image.fromarray(grey(photograph(3, HEIGHT, WIDTH))).save(file)
    return file


@contextmanager
def serving(names: list[str]) -> Iterator[str]:
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


@dataclass
class Visit:
    """The page in a browser."""

    page: Page
    address: str
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def drop(self, file: Path) -> None:
        self.page.set_input_files("#photograph input[type=file]", file)

    def note(self) -> Locator:
        return self.page.locator("#note").get_by_role("status")

    def slider(self, name: str) -> Locator:
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
def visiting(browser: Browser, address: str, **settings) -> Iterator[Visit]:
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


def picture(url: str) -> np.ndarray:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return np.array(Image.open(io.BytesIO(answer.read())).convert("RGB")).astype(int)


def chroma(pixels: np.ndarray) -> np.ndarray:
    return np.ptp(pixels, axis=-1)


def status(url: str | urllib.request.Request, body: bytes | None = None, kind="application/json") -> int:
    request = url if isinstance(url, urllib.request.Request) else urllib.request.Request(url, body)
    if body is not None:
        request.add_header("Content-Type", kind)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
