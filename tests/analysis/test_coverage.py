"""Intervals cover what they say they do: the simulation of benchmarks/coverage.py, in small."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "coverage.py"
STUDIES = 600
NOISE = 2.6 * (0.05 * 0.95 / STUDIES) ** 0.5
"""How far off 95 % so few studies may be, once in a hundred."""


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_simulation", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def shares(
    simulation: ModuleType, worlds: tuple[str, ...], seeds: tuple[int, ...]
) -> dict[tuple[str, int, str, str], float]:
    found = simulation.coverages(STUDIES, worlds, seeds)
    return {(each.world, each.seeds, each.what, each.method): each.share for each in found}


@pytest.mark.parametrize("world", ["normal", "seed x factor", "holes"])
def test_t_intervals_of_effects_and_interactions_hold_the_truth_in_95_percent_of_studies(
    simulation: ModuleType, world: str
) -> None:
    for (_, _, _, method), share in shares(simulation, (world,), (3, 5)).items():
        if method == "t":
            assert abs(share - 0.95) < NOISE


def test_under_skewed_noise_in_every_trial_t_covers_too(simulation: ModuleType) -> None:
    found = shares(simulation, ("skewed",), (5,))
    assert 0.93 <= found["skewed", 5, "main effect", "t"] <= 0.995


def test_the_studentised_bootstrap_covers_and_the_others_fall_short_as_the_page_says(simulation: ModuleType) -> None:
    found = shares(simulation, ("normal",), (5,))
    assert abs(found["normal", 5, "main effect", "studentised"] - 0.95) < NOISE
    assert found["normal", 5, "main effect", "bca"] < 0.91
    assert found["normal", 5, "main effect", "percentile"] < 0.91


def test_where_nothing_differs_little_is_found(simulation: ModuleType) -> None:
    for each in simulation.error_rates(300, (5,)):
        assert each.share <= 0.05 + 2.6 * (0.05 * 0.95 / 300) ** 0.5, each.what
    for each in simulation.equivalence_rates(2000, (5, 8)):
        assert each.share == pytest.approx(0.05, abs=0.013), each.what


def test_the_noise_has_the_moments_the_worlds_speak_of(simulation: ModuleType) -> None:
    generator = np.random.default_rng(0)
    drawn = simulation._lognormal(1.0, (1000, 1000), generator)
    assert drawn.mean() == pytest.approx(0.0, abs=0.01)
    assert drawn.std() == pytest.approx(1.0, abs=0.05)
