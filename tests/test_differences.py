"""What paired differences promise: nobody is called better by chance, and what is said is in the numbers."""

import numpy as np
import pandas as pd
import pytest
from scored import rows

from tintype.console import UserError
from tintype.report import differences, seeds, tables

FLOORS = ["grey"]


def noisy(some: pd.DataFrame, seed: int, name: str = "ciede2000") -> pd.DataFrame:
    return some.assign(**{name: some[name] + np.random.default_rng(seed).normal(0, 3, len(some))})


def one(table: pd.DataFrame, figure: str) -> pd.Series:
    return table[table["figure"] == figure].iloc[0]


def test_a_difference_far_below_the_spread_of_pictures_is_found_because_it_is_paired():
    models = {"a": rows(), "b": noisy(rows(ciede2000=-1.0), 1)}
    apart = tables.intervals(models["a"])["ciede2000"], tables.intervals(models["b"])["ciede2000"]
    assert apart[1][1] > apart[0][0], "their intervals overlap"
    row = one(differences.paired(models), "ciede2000")
    expected = tables.summary(models["a"])["ciede2000"] - tables.summary(models["b"])["ciede2000"]
    assert row["difference"] == pytest.approx(expected, abs=2e-6)
    assert 0 < row["low"] < row["difference"] < row["high"] and row["better"] == "b", "lower is better"
    gain = models["b"]["ciede2000"] - models["a"]["ciede2000"]
    assert (row["won"], row["lost"]) == ((gain > 0).sum(), (gain < 0).sum()) and row["pictures"] == 120


def test_higher_is_better_where_it_is_and_the_rebalanced_auc_is_that_of_all_pixels():
    models = {"a": rows(auc_rebalanced=2.0), "b": noisy(rows(), 2, "auc_rebalanced")}
    row = one(differences.paired(models), "auc_rebalanced")
    summaries = [tables.summary(some)["auc_rebalanced"] for some in models.values()]
    assert row["difference"] == pytest.approx(summaries[0] - summaries[1], abs=2e-6)
    assert row["better"] == "a" and row["won"] > row["lost"]


def test_of_equal_models_five_in_a_hundred_are_called_better():
    called = 0
    for seed in range(200):
        a, b = (noisy(rows(40, 1), 2 * seed + k) for k in (0, 1))
        called += one(differences.paired({"a": a, "b": b}), "ciede2000")["better"] != ""
    assert 2 <= called <= 24, "ten expected"


def test_the_same_pictures_win_and_lose_nothing():
    table = differences.paired({"a": rows(), "b": rows()})
    assert (table["difference"] == 0).all() and (table["won"] + table["lost"] == 0).all()
    assert (table["better"] == "").all()


def test_rows_in_another_order_are_paired_by_picture_and_other_pictures_refused():
    shuffled = rows(ciede2000=-1.0).sample(frac=1, random_state=0)
    assert one(differences.paired({"a": rows(), "b": shuffled}), "ciede2000")["won"] == 0
    with pytest.raises(UserError, match="a and b were scored on different pictures"):
        differences.paired({"a": rows(), "b": rows(photographs=29)})


def test_one_photograph_shows_nothing():
    row = one(differences.paired({"a": rows(1), "b": rows(1, ciede2000=-9.0)}), "ciede2000")
    assert np.isnan(row["low"]) and row["better"] == "" and row["lost"] == 4


def test_seeds_of_a_model_count_as_their_mean():
    trainings = {"a-1": rows(ciede2000=-3.0), "a-2": rows(ciede2000=1.0), "b": rows()}
    row = one(differences.paired(seeds.pooled(trainings, {"a-1": 1, "a-2": 2})), "ciede2000")
    assert row["difference"] == pytest.approx(-1.0) and row["pictures"] == row["won"] == 120


def test_differences_turn_round():
    table = differences.paired({"a": rows(), "b": rows(ciede2000=-1.0), "c": rows(ciede2000=2.0)})
    turned = differences.of(table, "b", "ciede2000").set_index("other")
    assert turned["difference"].to_dict() == pytest.approx({"a": -1.0, "c": -3.0})
    assert turned.loc["a", "won"] == 120 and turned.loc["a", "lost"] == 0
    assert (turned["low"] <= turned["high"]).all()


def said(models: dict[str, pd.DataFrame]) -> list[str]:
    return differences.verdict(tables.comparison(models), differences.paired(models), FLOORS)


def test_the_verdict_names_the_best_and_tells_chance_from_difference():
    models = {
        "grey": rows(ciede2000=5.0),
        "good": noisy(rows(ciede2000=-2.0), 1),
        "twin": noisy(rows(ciede2000=-2.0), 2),
        "poor": noisy(rows(ciede2000=2.0), 3),
    }
    choice, nearest, *_ = said(models)
    best = min(("good", "twin"), key=lambda name: models[name]["ciede2000"].mean())
    other = {"good": "twin", "twin": "good"}[best]
    expected = f"{best} is nearest to the truth, but not significantly nearer than {other}."
    assert choice == f"Use {best} or {other}: {expected}"
    assert nearest.startswith(f"Nearest to the truth: {best}, ciede2000 ")
    gain = models["poor"]["ciede2000"] - models[best]["ciede2000"]
    assert f"; ahead of poor by {gain.mean():.3g} [" in nearest
    assert f"(better on {(gain > 0).sum()} of 120);" in nearest
    assert f"; ahead of {other} by " in nearest and nearest.count("not significant") == 1


def test_a_model_that_another_excels_is_not_recommended_even_if_the_best_does_not_excel_it():
    rng = np.random.default_rng(0)
    each = np.repeat(rng.normal(0, 12, 30), 4)  # what suits the best on some photographs, and not on others
    some = rows()
    models = {
        "best": some.assign(ciede2000=some["ciede2000"] - 3 + each - each.mean()),
        "next": some.assign(ciede2000=some["ciede2000"] - 1),
        "last": some,
    }
    choice = said(models)[0]
    assert choice.startswith("Use best or next: best is nearest")
    assert choice.endswith("not significantly nearer than next and last.")


def test_the_verdict_is_plain_where_one_model_is_best():
    models = {"grey": rows(ciede2000=5.0), "good": rows(ciede2000=-2.0), "poor": noisy(rows(), 1)}
    best = "Use good: it is nearest to the truth, significantly nearer than every other model."
    assert said(models)[0] == best
    assert said({"grey": rows(ciede2000=5.0), "good": rows()})[0] == "Use good: it is the only model."


def test_a_model_that_a_floor_beats_is_not_recommended():
    choice, nearest, *_ = said({"grey": rows(ciede2000=-9.0), "poor": noisy(rows(), 1)})
    assert choice == "Use none of them: grey alone is nearer to the truth than poor, significantly so."
    assert "; behind grey by 8." in nearest and "(better on 0 of 120)" in nearest


def test_a_floor_that_is_not_surely_beaten_is_named():
    assert said({"grey": noisy(rows(), 2), "one": noisy(rows(), 1)})[0].endswith(
        "; that it is nearer than grey is not shown."
    )


def test_no_difference_is_written_without_a_sign():
    assert "ahead of b by 0 [0, 0]" in said({"a": rows(), "b": rows()})[1]


def test_few_photographs_come_with_a_warning_and_floors_alone_with_no_model():
    assert "come from 5 photographs" in said({"grey": rows(5), "a": rows(5, ciede2000=-1.0)})[-1]
    assert not any("too narrow" in sentence for sentence in said({"grey": rows(), "a": rows()}))
    assert said({"grey": rows()}) == ["There are only floors: nothing was trained that could be used."]
