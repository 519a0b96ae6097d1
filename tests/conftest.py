"""What all tests share."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, sync_playwright

from tintype import store
from tintype.files import sha256

# Tests are small, and two threads that wait for each other on a busy machine take longer than one.
torch.set_num_threads(1)
# What a shell starts in the background ignores Ctrl-C, and so would the programs that tests start and stop.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, in which tests look at pages as people do."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        reason = "no Chromium on this machine: `apt-get install chromium`, or `make browser`, installs it"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with sync_playwright() as playwright:
        # Root, as which containers run, has no sandbox; and the pages are our own.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """Where tests of params write a file to be read."""
    return tmp_path_factory.mktemp("params") / "params.yaml"


@pytest.fixture(scope="session")
def squeezenet() -> torch.nn.Module:
    """torchvision's SqueezeNet of random weights, on which LPIPS can be computed."""
    import torchvision  # here, because it takes seconds, and few tests need it

    with torch.random.fork_rng():
        torch.manual_seed(1)
        return torchvision.models.squeezenet1_1(weights=None).eval()


@pytest.fixture
def make_store():
    """A function that writes a store of one split: `make_store(folder, "train", records)`.

    A fourth argument says of each record its photograph, and its tile's left and top in it.
    """

    def make(
        folder: Path, split: str, records: list[np.ndarray], places: list[tuple[str, int, int]] | None = None
    ) -> None:
        places = places or [("a", 0, 0)] * len(records)
        (offsets, _), rows = store.write_shard(folder, "0000000.bin", records), []
        for record, offset, (photograph, *corner) in zip(records, offsets, places, strict=True):
            _, height, width = record.shape
            rows.append((split, photograph, "", "", "", *corner, 0, width, height, "0000000.bin", offset))
        store.write_csv(folder / store.INDEX, store.COLUMNS, rows)
        store.write_contents(folder, {name: sha256(folder / name) for name in ("0000000.bin", store.INDEX)})

    return make
