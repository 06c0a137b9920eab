"""The mixed model: statsmodels' own fit in the units of the score, and least squares where it fails."""

import numpy as np
import pandas as pd
import pytest
from grids import full, noisy, rows_of, table
from statsmodels.formula.api import mixedlm

from lab.analysis.anova import anova
from lab.analysis.effects import effects_in
from lab.analysis.mixed import MixedModel, mixed_model

CELLS = full(a=[0, 1, 2], b=[0, 1])


def planted(cell: dict[str, object]) -> float:
    return 0.5 * int(str(cell["a"])) + 0.3 * int(str(cell["b"]))


def fitted(scores: np.ndarray) -> MixedModel:
    model = mixed_model(table(CELLS, scores))
    assert model is not None
    return model


@pytest.mark.parametrize("share", [0.0, 0.15])
def test_it_agrees_with_statsmodels_formula(share: float) -> None:
    scores = noisy(CELLS, 8, planted, seed=2, sd=0.01)
    scores[np.random.default_rng(0).random(scores.shape) < share] = np.nan
    model = fitted(scores)
    rows = rows_of(CELLS, scores)
    data = pd.DataFrame([{"score": 100 * row.score, "seed": row.seed, **row.levels} for row in rows])
    expected = mixedlm("score ~ C(a, Sum) * C(b, Sum)", data, groups=data["seed"]).fit()
    gap = -expected.params["C(b, Sum)[S.0]"] * 2 / 100
    assert model.converged
    assert model.effects[-1].mean == pytest.approx(gap, rel=1e-3)
    assert model.effects[-1].error == pytest.approx(2 * expected.bse["C(b, Sum)[S.0]"] / 100, rel=1e-2)
    assert model.residual_sd == pytest.approx(np.sqrt(expected.scale) / 100, rel=1e-2)
    assert model.seed_sd == pytest.approx(np.sqrt(expected.cov_re.iloc[0, 0]) / 100, rel=2e-2)


def test_in_a_balanced_study_means_are_those_of_the_pairs_and_variances_those_of_the_table() -> None:
    scores = table(CELLS, noisy(CELLS, 10, planted, seed=4))
    model, variance = mixed_model(scores), anova(scores)
    assert model is not None
    assert variance is not None
    assert [each.mean for each in model.effects] == pytest.approx([each.difference.mean for each in effects_in(scores)])
    assert model.seed_sd**2 == pytest.approx(variance.shares.seeds, rel=1e-2)
    assert model.residual_sd**2 == pytest.approx(variance.shares.noise, rel=1e-2)
    assert model.seed_share == pytest.approx(variance.shares.paired_away, rel=1e-2)


def test_seeds_that_do_nothing_are_no_failure() -> None:
    generator = np.random.default_rng(1)
    flat = generator.normal(size=(6, 8))
    flat -= flat.mean(axis=0)  # no seed is above another
    model = fitted(flat)
    assert model.seed_sd == pytest.approx(0.0, abs=0.05)
    assert len(model.effects) == 3


def test_where_there_is_no_noise_to_model_least_squares_take_over_and_it_is_told() -> None:
    luck = np.array([0.1, -0.3, 0.6, 0.1, -0.5, 0.4])
    model = fitted(np.array([planted(cell) + luck for cell in CELLS]))
    assert not model.converged
    assert "no noise to model" in model.reason
    assert "fixed effect" in model.method
    assert [each.mean for each in model.effects] == pytest.approx([0.5, 1.0, 0.3])
    assert model.seed_sd == pytest.approx(luck.std(ddof=1))
    assert model.residual_sd == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("ratio", [0.01, 1.0, 100.0])
def test_the_seeds_may_matter_much_or_little(ratio: float) -> None:
    generator = np.random.default_rng(7)
    scores = ratio * generator.normal(size=30) + generator.normal(size=(6, 30))
    model, variance = fitted(scores), anova(table(CELLS, scores))
    assert variance is not None
    assert model.residual_sd**2 == pytest.approx(variance.shares.noise, rel=0.02)
    assert model.seed_sd**2 == pytest.approx(variance.shares.seeds, rel=0.02, abs=0.01)


def test_an_interaction_that_holes_leave_open_is_left_out_and_told() -> None:
    scores = noisy(CELLS, 6, planted)
    scores[5] = np.nan
    model = fitted(scores)
    assert "interactions are left out" in model.reason
    assert "main effects;" in model.method


def test_too_little_gives_no_model() -> None:
    assert mixed_model(table(CELLS, noisy(CELLS, 1, planted))) is None
    assert mixed_model(table([{"a": 0, "b": 0}, {"a": 1, "b": 1}], [[1.0, 2.0, 3.0], [2.0, 2.5, 4.0]])) is None
    assert mixed_model(table(CELLS, np.full((6, 4), 0.5))) is None
