"""The analysis of variance agrees with statsmodels, balanced or not, and says what it cannot tell."""

import numpy as np
import pandas as pd
import pytest
from grids import full, noisy, rows_of, table
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from lab.analysis.anova import Kind, anova

CELLS = full(a=[0, 1, 2], b=["x", "y"], c=[True, False])
TWO_WAY = "score ~ C(seed, Sum) + (C(a, Sum) + C(b, Sum) + C(c, Sum)) ** 2"
WHOLE = "score ~ C(seed, Sum) + C(a, Sum) * C(b, Sum) * C(c, Sum)"


def planted(cell: dict[str, object]) -> float:
    return 0.5 * int(str(cell["a"])) + (0.8 if cell["b"] == "y" and cell["c"] else 0.0)


def with_holes(share: float, seed: int = 0) -> np.ndarray:
    scores = noisy(CELLS, 6, planted, seed=seed)
    scores[np.random.default_rng(seed).random(scores.shape) < share] = np.nan
    return scores


def frame(scores: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame([{"score": row.score, "seed": row.seed, **row.levels} for row in rows_of(CELLS, scores)])


@pytest.mark.parametrize("share", [0.0, 0.15, 0.3])
@pytest.mark.parametrize(("kind", "number"), [("II", 2), ("III", 3)])
def test_sums_of_squares_agree_with_statsmodels(share: float, kind: Kind, number: int) -> None:
    scores = with_holes(share)
    told = anova(table(CELLS, scores), kind=kind)
    assert told is not None
    data = frame(scores)
    whole = ols(WHOLE, data).fit()
    expected = anova_lm(ols(TWO_WAY, data).fit(), typ=number)
    for line in told.terms:
        row = expected.loc[":".join(f"C({factor}, Sum)" for factor in line.factors)]
        assert (line.squares, line.freedom) == (pytest.approx(row["sum_sq"]), row["df"])
    assert (told.error.squares, told.error.freedom) == (pytest.approx(whole.ssr), whole.df_resid)


def test_a_whole_two_way_table_agrees_with_statsmodels_to_its_p() -> None:
    cells = full(a=[0, 1, 2], b=[0, 1])
    scores = noisy(cells, 5, lambda cell: 0.7 * int(str(cell["a"])), seed=3)
    told = anova(table(cells, scores))
    data = pd.DataFrame([{"score": row.score, "seed": row.seed, **row.levels} for row in rows_of(cells, scores)])
    expected = anova_lm(ols("score ~ C(seed) + C(a) * C(b)", data).fit(), typ=2)
    assert told is not None
    lines = [told.seed, *told.terms]
    assert [line.squares for line in lines] == pytest.approx(expected["sum_sq"].tolist()[:-1])
    assert [line.f for line in lines] == pytest.approx(expected["F"].tolist()[:-1])
    assert [line.p for line in lines] == pytest.approx(expected["PR(>F)"].tolist()[:-1])


def test_a_balanced_table_adds_up() -> None:
    told = anova(table(CELLS, with_holes(0.0)))
    assert told is not None
    lines = [*told.terms, told.higher, told.seed, told.error]
    assert sum(line.squares for line in lines) == pytest.approx(told.total)
    assert sum(line.share for line in lines) == pytest.approx(1.0)
    assert sum(line.freedom for line in lines) == 12 * 6 - 1
    assert told.is_balanced
    for line in told.terms:
        assert line.partial_eta == pytest.approx(line.squares / (line.squares + told.error.squares))
        assert line.f == pytest.approx(line.squares / line.freedom / (told.error.squares / told.error.freedom))


def test_more_seeds_than_cells_and_more_cells_than_seeds_are_one_and_the_same_sum() -> None:
    """Blocks are swept out by the smaller side: both ways agree with least squares."""
    for cells, seeds in ((full(a=[0, 1], b=[0, 1]), 9), (full(a=[0, 1, 2], b=[0, 1, 2]), 4)):
        scores = noisy(cells, seeds, lambda cell: 0.0, seed=5)
        scores[np.random.default_rng(1).random(scores.shape) < 0.2] = np.nan
        told = anova(table(cells, scores))
        data = pd.DataFrame(
            [{"score": row.score, "seed": row.seed, "cell": row.cell} for row in rows_of(cells, scores)]
        )
        expected = anova_lm(ols("score ~ C(seed) + C(cell)", data).fit(), typ=2)
        assert told is not None
        assert told.seed.squares == pytest.approx(expected.loc["C(seed)", "sum_sq"])
        assert told.error.squares == pytest.approx(expected.loc["Residual", "sum_sq"])


def test_variances_are_recovered_without_bias() -> None:
    cells = full(a=[0, 1, 2, 3], b=[0, 1])
    told = []
    for seed in range(200):
        scores = noisy(cells, 6, lambda cell: float(str(cell["a"])), seed=seed, sd=0.5)
        scores[np.random.default_rng(seed).random(scores.shape) < 0.1] = np.nan
        found = anova(table(cells, scores))
        assert found is not None
        told.append(found.shares)
    between = 2 * np.var([0, 1, 2, 3], ddof=0) * 4 / 7  # eight cell means about their mean, over seven
    assert np.mean([each.cells for each in told]) == pytest.approx(between, rel=0.05)
    assert np.mean([each.seeds for each in told]) == pytest.approx(1.0, rel=0.15)
    assert np.mean([each.noise for each in told]) == pytest.approx(0.25, rel=0.05)
    assert np.mean([each.paired_away for each in told]) == pytest.approx(0.8, abs=0.05)


def test_cells_that_do_not_differ_have_no_variance_on_average() -> None:
    cells = full(a=[0, 1, 2, 3], b=[0, 1])
    told = [anova(table(cells, noisy(cells, 4, lambda cell: 0.0, seed=seed))) for seed in range(200)]
    found = np.array([each.shares.cells for each in told if each is not None])
    assert (found == 0).mean() > 0.35, "half of what is estimated without bias lies below zero"
    assert found.mean() < 0.1


def test_pure_noise_is_seed_noise_and_a_pure_effect_is_none() -> None:
    cells = full(a=[0, 1], b=[0, 1])
    noise = anova(table(cells, noisy(cells, 12, lambda cell: 0.0)))
    effect = anova(table(cells, noisy(cells, 12, lambda cell: 100.0 * int(str(cell["a"])))))
    assert noise is not None
    assert effect is not None
    assert noise.shares.seed_share > 0.9
    assert effect.shares.seed_share < 0.01


def test_one_change_at_a_time_shows_main_effects_and_no_interaction() -> None:
    cells = [{"a": 0, "b": 0}, {"a": 1, "b": 0}, {"a": 0, "b": 1}]
    told = anova(table(cells, noisy(cells, 6, lambda cell: float(str(cell["a"])))))
    assert told is not None
    assert [line.name for line in told.terms] == ["a", "b"]
    assert [line.freedom for line in told.terms] == [1, 1]


def test_factors_that_move_together_are_told_as_mixed_up() -> None:
    cells = [{"a": 0, "b": 0}, {"a": 1, "b": 1}]
    told = anova(table(cells, noisy(cells, 5, lambda cell: 0.0)))
    assert told is not None
    assert [line.freedom for line in told.terms] == [0, 0]
    assert "a, b" in told.notes[-1]


def test_what_one_seed_or_one_cell_cannot_tell_is_no_table() -> None:
    cells = full(a=[0, 1], b=[0, 1])
    assert anova(table(cells, noisy(cells, 1, lambda cell: 0.0))) is None
    assert anova(table([{"a": 0}], [[1.0, 2.0, 3.0]])) is None
    assert anova(table(cells, np.full((4, 2), np.nan))) is None


def test_differences_without_noise_are_certain() -> None:
    told = anova(table(full(a=[0, 1]), [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]]))
    assert told is not None
    assert told.terms[0].p == pytest.approx(0.0, abs=1e-12)
    assert told.terms[0].partial_eta == pytest.approx(1.0)


def test_a_term_of_nothing_but_noise_is_marked_in_5_percent_of_studies() -> None:
    cells = full(a=[0, 1, 2], b=[0, 1])
    marked = [anova(table(cells, noisy(cells, 4, lambda cell: 0.0, seed=seed))) for seed in range(500)]
    shares = np.mean([[line.p <= 0.05 for line in told.terms] for told in marked if told is not None], axis=0)
    assert (abs(shares - 0.05) < 0.03).all()
