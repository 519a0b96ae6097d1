"""How the report shows real black-and-white pictures: a sheet that stays legible, and the gap in words."""

import re

import numpy as np
import pages
import pandas as pd
import pytest

from stages.report import real_sheet
from tintype import real_bw
from tintype.images import encode_png
from tintype.report import assembly, cells, sheets
from tintype.report import page as of_report
from tintype.store import SHOWN, Split


def written(folder, models: tuple[str, ...]) -> None:
    """The gap's table of each model, as its stage writes it."""
    for model, rows in pages.gaps().groupby("model"):
        if model in models:
            (folder / model).mkdir(parents=True)
            rows.drop(columns="model").to_csv(folder / model / "gap.csv", index=False)


def test_the_gaps_of_all_models_are_in_one_table_in_their_order(tmp_path):
    written(tmp_path, ("cnn", "gan"))
    found = assembly.gaps(tmp_path, ["gan", "cnn"])
    assert found.columns[0] == "model" and list(found["model"].unique()) == ["gan", "cnn"]
    expected = pages.gaps().set_index(["model", "figure"])
    pd.testing.assert_frame_equal(
        found.set_index(["model", "figure"]).loc[expected.index, expected.columns], expected
    )


def test_a_row_a_model_has_its_figures_on_real_pictures_with_their_intervals():
    table = assembly.of_real(pages.gaps())
    assert table["model"].tolist() == ["cnn", "gan"]
    assert table[["pictures", "photographs"]].to_numpy().tolist() == [[63, 63]] * 2
    ends = table[["colorfulness", "colorfulness_low", "colorfulness_high"]].to_numpy().tolist()
    assert ends == [[30, 25, 35]] * 2
    assert "pictures_low" not in table and "gap" not in table


def test_a_gap_is_sure_where_its_interval_excludes_zero():
    first, second = cells.gaps(pages.gaps())
    assert (first["model"], second["model"]) == ("cnn", "gan")
    assert first["pictures"] == {"real": 63, "films": 75, "truth": 25, "training": 1000}
    assert [(line["name"], line["sure"]) for line in first["lines"]] == [
        ("colorfulness", True),
        ("grey", False),
        ("lightness_shift", False),
    ]
    line = first["lines"][0]
    assert line["gap"]["text"] == "9" and line["gap"]["range"] == "8 to 10"
    assert first["lines"][2]["truth"] == {"text": "", "range": "", "sort": ""}
    negative = pages.gaps().assign(gap_low=-3.0, gap_high=-1.0)
    assert all(line["sure"] for of in cells.gaps(negative) for line in of["lines"])
    unknown = pages.gaps().assign(gap_low=np.nan, gap_high=np.nan)
    assert not any(line["sure"] for of in cells.gaps(unknown) for line in of["lines"])
    assert cells.gaps(pages.gaps()[:0]) == []


def section(text: str) -> str:
    return re.search(r'<section aria-labelledby="gaps">.*?</section>', text, re.S)[0]


def test_the_page_shows_the_gap_of_each_model_with_what_is_beyond_chance_in_bold(tmp_path):
    (path,) = of_report.write(tmp_path, pages.page())
    text = section(path.read_text(encoding="utf-8"))
    assert text.count("<table") == 2
    assert [re.sub("<.*?>", " ", bold).split() for bold in re.findall("<strong>(.*?)</strong>", text)] == [
        ["9", "8", "to", "10"]
    ] * 2
    assert "75 of 9 photographs" in text and "1000 of 11 photographs" in text
    few = "The aged test photographs, their true colours and training pictures come from fewer than twenty"
    assert few in " ".join(text.split()), "the 63 old pictures are not few"
    assert "up to about 3 in N" in text


def test_every_figure_of_the_gap_is_explained(tmp_path):
    named = list(real_bw.statistics(pd.DataFrame({"colorfulness": [1.0]})))
    counts = pages.gaps()[:2]
    rows = pages.gaps().iloc[[2] * len(named)].assign(figure=named)
    (path,) = of_report.write(tmp_path, pages.bare(pictures=[], gaps=pd.concat([counts, rows])))
    text = section(path.read_text(encoding="utf-8"))
    for name in named:
        assert re.search(rf"<dt>{name}</dt><dd>\w.{{15,}}</dd>", text, re.S), name


def test_a_page_without_gaps_has_no_section_of_them(tmp_path):
    (path,) = of_report.write(tmp_path, pages.bare(pictures=[]))
    assert "gaps" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [3, 40])
def test_the_sheet_has_all_models_and_as_many_pictures_as_can_be_seen(tmp_path, make_store, number):
    (tmp_path / "bw").mkdir()
    records = [np.full((4, 20, 30), 100 + place, np.uint8) for place in range(number)]
    make_store(tmp_path / "bw", "all", records)
    models = {"cnn": 0, "gan": 100, "ebgan": 200}
    for model, tone in models.items():
        (tmp_path / model).mkdir()
        for place in range(number):
            encode_png(tmp_path / model / f"{place:04d}-x.png", np.full((20, 30, 3), tone + place, np.uint8))
    sheet = real_sheet(Split(tmp_path / "bw", "all"), tmp_path, list(models))
    shown = real_bw.spread(number, SHOWN)
    assert len(shown) == min(number, SHOWN) and shown[0] == 0 and shown[-1] == number - 1
    expected = sheets.grid(
        [[np.full((20, 30, 3), tone + n, np.uint8) for tone in models.values()] for n in shown]
    )
    below = sheet[-len(expected) :]
    np.testing.assert_array_equal(below[:, -expected.shape[1] + 4 :], expected[:, 4:])
    assert sheet.shape[1] == 4 * 30 + 5 * 4
