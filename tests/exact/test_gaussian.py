"""Scores of normal forecasts, and that they are scores which forecasts of models have too."""

import numpy as np
import pytest

from lab.exact import gaussian
from lab.spec import forecast_scores


def test_intervals_of_known_lines_are_those_that_models_are_scored_on():
    assert gaussian.LEVELS is forecast_scores.LEVELS  # one place, so that no line can speak of another interval
    told = gaussian.scores(np.zeros(3), np.zeros(3), np.ones(3))
    assert told.keys() <= forecast_scores.SCORES.keys()
    assert {name for name in told if name.startswith("coverage_")} == {f"coverage_{each}" for each in gaussian.LEVELS}


def test_a_forecast_of_the_very_density_covers_what_it_says():
    random = np.random.default_rng(0)
    mean, std = random.normal(size=20_000), random.uniform(0.5, 2.0, size=20_000)
    told = gaussian.scores(mean + std * random.normal(size=20_000), mean, std)
    assert all(told[f"coverage_{each}"] == pytest.approx(each / 100, abs=0.012) for each in gaussian.LEVELS)
    assert told["calibration"] < 0.01
