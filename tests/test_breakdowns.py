"""What breakdowns promise: each picture in one part, figures of that part alone, losses that are paired."""

import numpy as np
import pandas as pd
import pytest
from scored import rows

from tintype.report import breakdowns, tables


def index(some: pd.DataFrame, labels: list[str] | None = None) -> pd.DataFrame:
    groups = some["photograph"].str[-1]
    return some[["photograph"]].assign(group=groups, label=labels if labels else "")


def test_every_picture_is_in_one_part_and_the_figures_are_those_of_its_pictures():
    some = rows().assign(true_colorfulness=np.tile([3.0, 20, 44.9, 45], 30))
    parts = breakdowns.parts(index(some), some)
    assert list(parts) == ["group", "colourfulness"]
    table = breakdowns.by_part({"a": some}, parts)
    for breakdown, belongs in parts.items():
        rows_of = table[(table["breakdown"] == breakdown) & (table["figure"] == "ciede2000")]
        assert rows_of["pictures"].sum() == len(some)
        for row in rows_of.itertuples():
            here = some[(belongs == row.part).to_numpy()]
            assert row.value == pytest.approx(here["ciede2000"].mean(), abs=1e-6)
            if here["photograph"].nunique() >= breakdowns.LEAST:
                assert row.low <= row.value <= row.high
    colours = table[table["breakdown"] == "colourfulness"]["part"].unique().tolist()
    assert colours == [
        "not (0 to 15)",
        "slightly (15 to 33)",
        "moderately (33 to 45)",
        "averagely (45 to 59)",
    ]


def test_labels_go_before_groups_and_a_part_of_few_photographs_has_no_interval():
    some = rows(photographs=9, tiles=2)
    parts = breakdowns.parts(index(some, ["cat"] * 8 + ["dog"] * 10), some)
    assert list(parts) == ["label", "colourfulness"]
    table = breakdowns.by_part({"a": some}, parts).set_index("part")
    assert (table.loc["cat", "photographs"] == 4).all() and (table.loc["dog", "photographs"] == 5).all()
    assert table.loc["cat", "low"].isna().all() and table.loc["dog", "low"].notna().all()


def test_a_films_loss_is_the_paired_difference_to_the_film_of_training():
    own = rows()
    films = {
        "lab": own,
        "blue": own.assign(ciede2000=own["ciede2000"] + 2, auc_rebalanced=own["auc_rebalanced"] - 3),
    }
    both = pd.concat([some.assign(film=name) for name, some in films.items()], ignore_index=True)
    table = breakdowns.by_film({"a": both}, "lab").set_index(["film", "figure"])
    assert table.loc["lab", "loss"].isna().all()
    for figure, loss in {"ciede2000": 2, "auc_rebalanced": 3, "delta_colorfulness_per_image": 0}.items():
        row = table.loc[("blue", figure)]
        # Every picture loses alike: paired, nothing is left of what tells pictures apart.
        assert row[["loss", "loss_low", "loss_high"]].tolist() == pytest.approx([loss] * 3, abs=1e-6)
        if figure != "delta_colorfulness_per_image":
            assert row["high"] - row["low"] > 1
    assert table.loc[("blue", "ciede2000"), "value"] == pytest.approx(
        tables.summary(films["blue"])["ciede2000"]
    )


def test_without_films_there_is_a_table_without_rows():
    empty = pd.DataFrame(columns=["photograph", "left", "top", "film"])
    assert len(breakdowns.by_film({"a": empty}, "lab")) == 0
