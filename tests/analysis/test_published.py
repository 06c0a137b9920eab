"""Worked examples from textbooks, recomputed: what they print is what a report would say."""

import numpy as np
import pytest
from grids import full, table

from lab.analysis.anova import AnovaTable, anova
from lab.analysis.effects import effects_in
from lab.analysis.interactions import interactions_in
from lab.analysis.mixed import mixed_model

SLEEP = [[0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0], [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]]
"""Hours of sleep gained with two drugs, ten patients (Student 1908; `sleep` in R)."""

RADAR = {
    ("low", 1): [90, 96, 100, 92], ("low", 2): [86, 84, 92, 81],
    ("medium", 1): [102, 106, 105, 96], ("medium", 2): [87, 90, 97, 80],
    ("high", 1): [114, 112, 108, 98], ("high", 2): [93, 91, 95, 83],
}  # fmt: skip
"""Target intensity by ground clutter and filter, four operators as blocks (Montgomery, section 5.6)."""

ETCH = [[550, 604], [1037, 1052], [633, 601], [1075, 1063], [669, 650], [749, 868], [642, 635], [729, 860]]
"""Etch rate in a 2^3 factorial of gap, flow and power, two replicates (Montgomery, section 6.3)."""

BATTERY = [
    [130, 155, 74, 180], [34, 40, 80, 75], [20, 70, 82, 58],
    [150, 188, 159, 126], [136, 122, 106, 115], [25, 70, 58, 45],
    [138, 110, 168, 160], [174, 120, 150, 139], [96, 104, 82, 60],
]  # fmt: skip
"""Battery life by material and temperature, four replicates (Montgomery, section 5.3)."""


def squares(told: AnovaTable) -> dict[str, float]:
    return {line.name: line.squares for line in (*told.terms, told.seed, told.error)}


def test_students_sleep_data_give_the_t_that_r_prints() -> None:
    (effect,) = effects_in(table(full(drug=[1, 2]), SLEEP))
    told = effect.difference
    assert told.mean == pytest.approx(1.58)
    assert told.mean / told.error == pytest.approx(4.0621, abs=5e-5)
    assert told.freedom == 9
    assert told.p == pytest.approx(0.002833, abs=5e-7)
    assert (told.low, told.high) == pytest.approx((0.7001142, 2.4598858), abs=5e-8)


def test_the_radar_experiment_in_blocks_gives_the_printed_table() -> None:
    told = anova(table(full(clutter=["low", "medium", "high"], filter=[1, 2]), list(RADAR.values())))
    assert told is not None
    expected = {"clutter": 335.58, "filter": 1066.67, "clutter x filter": 77.08, "seed": 402.17, "error": 166.33}
    assert squares(told) == pytest.approx(expected, abs=0.006)
    assert told.total == pytest.approx(2047.83, abs=0.006)
    assert told.error.freedom == 15
    assert [line.f for line in told.terms] == pytest.approx([15.13, 96.19, 3.48], abs=0.006)
    assert [line.p for line in told.terms[:2]] == pytest.approx([0.0003, 0.0000], abs=6e-5)


def test_the_operators_variance_is_what_their_mean_square_makes_it() -> None:
    scores = table(full(clutter=["low", "medium", "high"], filter=[1, 2]), list(RADAR.values()))
    told, model = anova(scores), mixed_model(scores)
    assert told is not None
    assert model is not None
    assert told.shares.seeds == pytest.approx((402.17 / 3 - 166.33 / 15) / 6, abs=0.005)
    assert model.seed_sd**2 == pytest.approx(told.shares.seeds, rel=1e-3)
    assert model.residual_sd**2 == pytest.approx(166.33 / 15, rel=1e-3)


def test_the_plasma_etch_effects_are_the_printed_ones() -> None:
    scores = table(full(gap=[-1, 1], flow=[-1, 1], power=[-1, 1]), ETCH)
    mains = {effect.factor: effect.difference.mean for effect in effects_in(scores)}
    assert mains == pytest.approx({"gap": -101.625, "flow": 7.375, "power": 306.125})
    halves = {each.factors: each.difference.mean / 2 for each in interactions_in(scores)}  # the book halves them
    expected = {("gap", "flow"): -24.875, ("gap", "power"): -153.625, ("flow", "power"): -2.125}
    assert halves == pytest.approx(expected)


def test_the_plasma_etch_sums_of_squares_are_the_printed_ones() -> None:
    told = anova(table(full(gap=[-1, 1], flow=[-1, 1], power=[-1, 1]), ETCH))
    assert told is not None
    found = squares(told)
    without_blocks = found.pop("seed") + found.pop("error")  # the book's replicates are no blocks
    assert without_blocks == pytest.approx(18020.5)
    expected = {"gap": 41310.5625, "flow": 217.5625, "power": 374850.0625}
    expected |= {"gap x flow": 2475.0625, "gap x power": 94402.5625, "flow x power": 18.0625}
    assert found == pytest.approx(expected)
    assert told.higher.squares == pytest.approx(126.5625)
    assert told.total == pytest.approx(531420.9375)


def test_the_battery_table_is_the_printed_one() -> None:
    told = anova(table(full(material=[1, 2, 3], temperature=[15, 70, 125]), BATTERY))
    assert told is not None
    found = squares(told)
    without_blocks = found.pop("seed") + found.pop("error")
    assert without_blocks == pytest.approx(18230.75)
    expected = {"material": 10683.72, "temperature": 39118.72, "material x temperature": 9613.78}
    assert found == pytest.approx(expected, abs=0.006)
    assert told.total == pytest.approx(77646.97, abs=0.006)
    f = [line.squares / line.freedom / (without_blocks / 27) for line in told.terms]
    assert f == pytest.approx([7.91, 28.97, 3.56], abs=0.006)


def test_the_radar_effects_have_seeds_as_their_sample() -> None:
    effect = effects_in(table(full(clutter=["low", "medium", "high"], filter=[1, 2]), list(RADAR.values())))[2]
    by_operator = [np.mean([RADAR[c, 2][o] - RADAR[c, 1][o] for c in ("low", "medium", "high")]) for o in range(4)]
    assert effect.evidence.values == pytest.approx(by_operator)
    assert effect.difference.n == 4
