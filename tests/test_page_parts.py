"""What the report's page promises of its bytes and of its parts: sizes, further pages, cells, charts."""

import io
import re
from dataclasses import replace

import numpy as np
import pages
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect

from tintype.console import UserError
from tintype.report import cells, charts, gallery, plots, tables
from tintype.report import page as of_report


def decoded(webp: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(webp)) as image:
        assert image.format == "WEBP"
        return np.asarray(image.convert("RGB"))


def test_a_picture_stays_what_it_is_and_is_shrunk_where_it_is_larger():
    some = pages.photograph(1, 60, 90, detail=1.4)
    shown = decoded(gallery.encoded(some))
    assert shown.shape == some.shape
    assert np.abs(shown.astype(int) - some).mean() < 6
    assert decoded(gallery.encoded(some, 45)).shape == (30, 45, 3)
    assert decoded(gallery.encoded(pages.photograph(1, 600, 300))).shape == (256, 128, 3)
    assert gallery.encoded(some.copy()) == gallery.encoded(some)


@pytest.mark.parametrize("detail", [0.0, 1.0, 1.4])
@pytest.mark.parametrize("longest", [256, 512])
def test_the_most_detailed_picture_takes_no_more_than_its_share(longest, detail):
    share = longest**2 * 1.36 / 8
    noise = pages.photograph(2, longest, longest, detail)
    assert share / 6 < len(gallery.encoded(noise, longest)) <= share


def test_a_page_of_200_detailed_pictures_and_5_models_is_smaller_than_25_mb(tmp_path):
    models = ("random", "cnn", "gan", "ebgan", "other")
    shots = [gallery.encoded(pages.photograph(seed, 256, 256, 1.4)) for seed in range(7)]
    assert np.mean([len(shot) for shot in shots]) > 8000, "as much as photographs take"
    full = [
        replace(one, grey=shots[5], truth=shots[6], coloured=dict(zip(models, shots[:5], strict=True)))
        for one in pages.pictures(of_report.PER_PAGE, models=models)
    ]
    (path,) = of_report.write(tmp_path, pages.page(pictures=full))
    assert 15e6 < path.stat().st_size < 25e6


def test_pictures_that_are_too_large_for_one_page_are_fewer_on_it(tmp_path):
    large = b"".join([pages.pictures(1)[0].grey, bytes(300_000)])
    full = [replace(one, grey=large) for one in pages.pictures(100)]
    old = [of_report.Old(f"old {number}", large, {"cnn": large}) for number in range(20)]
    found = of_report.write(tmp_path, pages.bare(pictures=full, old=old))
    assert len(found) == 3 and all(path.stat().st_size < 25e6 for path in found)
    texts = [path.read_text(encoding="utf-8") for path in found]
    assert sum(len(re.findall(r'id="picture-\d', text)) for text in texts) == 100
    assert sum(len(re.findall(r'id="old-\d', text)) for text in texts) == 20


def test_equal_pages_have_equal_bytes_and_others_do_not(tmp_path):
    first = of_report.write(tmp_path / "1", pages.page())[0].read_bytes()
    assert of_report.write(tmp_path / "elsewhere", pages.page())[0].read_bytes() == first
    other = of_report.write(tmp_path / "3", pages.page(params="seed: 2\n"))[0].read_bytes()
    assert other != first and str(tmp_path).encode() not in first


def test_a_page_of_nothing_but_a_table_can_be_written(tmp_path):
    (path,) = of_report.write(tmp_path, pages.bare(pictures=[], notes=[], verdict=[]))
    text = path.read_text(encoding="utf-8")
    assert "There are no test pictures" in text and "Old pictures" not in text


def test_every_figure_that_a_table_may_have_is_explained(tmp_path):
    nets = {name: f"{name}_net" for name in tables.NETS}
    names = [nets.get(name, name) for name in tables.BETTER]
    (path,) = of_report.write(tmp_path, pages.bare(pictures=[], table=pages.table(names)))
    text = path.read_text(encoding="utf-8")
    for name in names:
        assert re.search(rf"<dt>{name}<.*?</dt>\s*<dd>\w.{{15,}}</dd>", text), name


def test_larger_sets_go_on_on_further_pages(browser, tmp_path):
    (tmp_path / "pages").mkdir()
    for left in ("pages/4.html", "notes.html"):
        (tmp_path / left).write_text("")
    number = 2 * of_report.PER_PAGE + 1
    found = of_report.write(tmp_path, pages.bare(pictures=pages.pictures(number)))
    names = ["index.html", "pages/2.html", "pages/3.html"]
    assert found == [tmp_path / name for name in names]
    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.html")}
    assert there == {*names, "notes.html"}
    page = browser.new_page()
    page.goto(found[0].as_uri())
    assert page.get_by_role("link", name="← Page").count() == 0
    for place, start in ((2, 200), (3, 400)):
        page.get_by_role("navigation", name="Pages of pictures, above").get_by_role(
            "link", name=f"Page {place} →"
        ).click()
        assert page.url.endswith(f"pages/{place}.html#gallery")
        expect(page.locator("#pictures h3").first).to_contain_text(f"photograph {start}")
        assert page.locator(".pages [aria-current=page]").first.inner_text() == str(place)
    assert (
        page.get_by_role("link", name="Page 4 →").count() == 0 and page.locator("#pictures li").count() == 1
    )
    page.get_by_role("link", name="Tintype: which model colours best?").click()
    assert page.url.endswith("index.html")
    page.close()


def test_directions_are_those_of_the_table():
    assert cells.better("psnr") == {"unit": "dB", "better": "up"}
    assert cells.better("lpips_vgg") == {"unit": "", "better": "down"}
    assert cells.better("colorfulness") == {"unit": "", "better": "truth"}
    assert cells.better("colorfulness_ratio") == {"unit": "", "better": 1.0}
    assert cells.is_figure("fid_x") and not cells.is_figure("auc_rebalanced_weight")


def test_a_cell_has_a_text_an_interval_and_a_number_to_sort_by():
    assert cells.cell(-1.23456, -2.0, 0.5) == {
        "text": "\N{MINUS SIGN}1.235",
        "range": "\N{MINUS SIGN}2 to 0.5",
        "sort": -1.23456,
    }
    assert cells.cell(1_926_657)["text"] == cells.cell(1_926_657.0)["text"] == "1,926,657"
    assert cells.cell(np.nan) == {"text": "", "range": "", "sort": ""}
    assert cells.cell("not available", "not available", "not available")["text"] == "not available"


def test_of_many_parts_those_with_the_most_pictures_are_shown_in_their_order():
    number = cells.PARTS + 2
    counts = [5] * number
    counts[0], counts[7], counts[-1] = 1, 1, 9
    rows = pd.DataFrame({"part": [f"p{i:02d}" for i in range(number)], "pictures": counts})
    rows = rows.assign(model="cnn", figure="psnr", value=1.0, low=0.0, high=2.0)
    rows = rows.assign(photographs=9)
    (grid,) = cells.grids(rows, "part")
    assert grid["left_out"] == 2
    assert [line["head"] for line in grid["lines"]] == [f"p{i:02d}" for i in range(number) if i not in (0, 7)]


def test_a_chart_has_texts_and_the_colours_of_the_page_and_no_style():
    shown = charts.bars(pages.table()) + charts.scatters(pages.table())
    drawn = charts.curves(pages.table(), pages.curves())
    assert [len(some) for some in drawn] == [1, 1]
    for chart in [*shown, *drawn[0], *drawn[1]]:
        assert "style" not in chart.svg and "<text" in chart.svg and "currentColor" in chart.svg
        assert re.findall(r'"#[0-9a-f]{3,6}"', chart.svg) == [], "a colour that the page does not know"
        referred = set(re.findall(r'(?:href="|url\()#([\w-]+)', chart.svg))
        assert referred and referred == set(re.findall(r' id="([\w-]+)"', chart.svg))
    captions = [chart.caption for chart in shown]
    assert captions[:3] == [f"{name} of each model" for name in pages.FIGURES]
    assert "ciede2000 against parameters; better is up" in captions
    assert "ciede2000 against colorfulness; better is up" in captions


def test_a_model_has_one_colour_in_every_chart():
    only_gan = {"gan": pages.curves()["gan"]}
    ((chart,), _) = charts.curves(pages.table(), only_gan)
    assert "var(--series-1)" in chart.svg and "var(--series-0)" not in chart.svg
    assert plots.model_colours(pages.MODELS)["gan"] == plots.COLOURS[1]


def test_in_a_scatter_better_is_up_and_a_figure_that_no_model_has_is_explained(tmp_path):
    def height(value: float) -> float:
        table = pages.table().iloc[[1, 2]].assign(ciede2000=[value, 10.0])
        drawn = charts.inline(plots.scatter, table, "colorfulness", "ciede2000", "colour")
        return float(re.search(r'<use [^>]*y="([\d.]+)"[^>]*fill="var\(--series-0\)"', drawn)[1])

    assert height(6.0) < height(14.0), "y counts from the top"
    with pytest.raises(UserError, match="no model has both colorfulness and psnr"):
        plots.scatter(tmp_path / "1.png", pages.table(), "colorfulness", "psnr", "colour")
    assert not list(tmp_path.iterdir())


def test_names_in_charts_are_escaped():
    table = pages.table()
    table.loc[1, "model"] = "<script>alert(1)</script>"
    for chart in charts.bars(table) + charts.scatters(table):
        assert "<script" not in chart.svg and "&lt;script&gt;" in chart.svg
