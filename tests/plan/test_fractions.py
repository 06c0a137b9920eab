from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.plan.fractions import Fraction, smallest_fraction

PUBLISHED = [
    # factors, resolution, runs, words of length 3 and 4: the minimum-aberration designs of the tables
    (3, 3, 4, (1, 0)),
    (4, 4, 8, (0, 1)),
    (5, 3, 8, (2, 1)),
    (5, 5, 16, (0, 0)),
    (6, 3, 8, (4, 3)),
    (6, 4, 16, (0, 3)),
    (7, 3, 8, (7, 7)),
    (7, 4, 16, (0, 7)),
    (8, 3, 16, (0, 14)),
    (8, 4, 16, (0, 14)),
    (8, 5, 64, (0, 0)),
    (9, 3, 16, (4, 14)),
    (9, 4, 32, (0, 6)),
    (10, 4, 32, (0, 10)),
    (11, 5, 128, (0, 0)),
    (15, 3, 16, (35, 105)),
    (16, 4, 32, (0, 140)),
]


@pytest.mark.parametrize(("count", "resolution", "runs", "words"), PUBLISHED)
def test_finds_the_published_fractions(count, resolution, runs, words):
    fraction = smallest_fraction(count, resolution=resolution)
    assert fraction.size == runs
    assert fraction.resolution is not None
    assert fraction.resolution >= resolution
    assert (*fraction.word_lengths, 0)[2:4] == words


@pytest.mark.parametrize(
    ("count", "resolution", "generators"),
    [
        (4, 4, {"D": "ABC"}),
        (5, 3, {"D": "AB", "E": "AC"}),
        (5, 5, {"E": "ABCD"}),
        (7, 3, {"D": "AB", "E": "AC", "F": "BC", "G": "ABC"}),
        (8, 4, {"E": "ABC", "F": "ABD", "G": "ACD", "H": "BCD"}),
    ],
)
def test_generators_are_those_of_the_textbook(count, resolution, generators):
    fraction = smallest_fraction(count, resolution=resolution)
    told = {"ABCDEFGH"[index]: "".join("ABCDEFGH"[free] for free, _ in effect) for index, effect in fraction.generators}
    assert told == generators


def test_three_level_fractions_are_as_small_as_the_geometry_allows():
    assert smallest_fraction(4, levels=3, resolution=3).size == 9
    assert smallest_fraction(13, levels=3, resolution=3).size == 27
    assert smallest_fraction(4, levels=3, resolution=4).size == 27
    assert smallest_fraction(10, levels=3, resolution=4).size == 81


def test_a_saturated_fraction_mixes_each_main_effect_with_three_interactions():
    groups = smallest_fraction(7, resolution=3).aliases()
    assert len(groups) == 7
    assert all([len(effect) for effect in group] == [1, 2, 2, 2] for group in groups)


def test_resolution_five_leaves_low_effects_alone():
    assert smallest_fraction(5, resolution=5).aliases() == ()


def test_the_whole_grid_is_run_where_no_fraction_will_do():
    fraction = smallest_fraction(3, resolution=4)
    assert fraction.size == 8
    assert fraction.resolution is None
    assert fraction.generators == fraction.aliases() == ()


shapes = st.one_of(
    st.tuples(st.integers(2, 9), st.just(2), st.integers(3, 6)),
    st.tuples(st.integers(2, 5), st.just(3), st.integers(3, 4)),
    st.tuples(st.integers(2, 3), st.just(5), st.just(3)),
)


@given(shapes)
@settings(max_examples=40, deadline=None)
def test_every_pair_of_main_effects_is_balanced(shape):
    count, levels, resolution = shape
    fraction = smallest_fraction(count, levels=levels, resolution=resolution)
    runs = list(fraction.runs())
    assert len(set(runs)) == len(runs) == fraction.size
    assert runs[0] == (0,) * count
    for one, other in combinations(range(count), 2):
        met = [(run[one], run[other]) for run in runs]
        assert {met.count(pair) for pair in product(range(levels), repeat=2)} == {fraction.size // levels**2}


@given(shapes)
@settings(max_examples=25, deadline=None)
def test_resolution_and_words_are_those_counted_by_hand(shape):
    count, levels, resolution = shape
    fraction = smallest_fraction(count, levels=levels, resolution=resolution)
    words = [0] * count
    for powers in product(range(levels), repeat=count):
        if any(powers) and is_constant(fraction, powers):
            words[sum(map(bool, powers)) - 1] += 1
    assert fraction.word_lengths == tuple(words)
    assert fraction.resolution is None or fraction.resolution >= resolution


@given(shapes)
@settings(max_examples=25, deadline=None)
def test_effects_are_aliased_exactly_when_they_contrast_the_same_runs(shape):
    count, levels, resolution = shape
    fraction = smallest_fraction(count, levels=levels, resolution=resolution)
    effects = [((index, 1),) for index in range(count)]
    effects += [
        ((one, 1), (other, power)) for one, other in combinations(range(count), 2) for power in range(1, levels)
    ]
    told = {frozenset(pair) for group in fraction.aliases() for pair in combinations(group, 2)}
    splits = {effect: split(fraction, effect) for effect in effects}
    for one, other in combinations(effects, 2):
        assert (frozenset((one, other)) in told) == (splits[one] == splits[other])


def is_constant(fraction: Fraction, powers: tuple[int, ...]) -> bool:
    return len({sum(map(int.__mul__, run, powers)) % fraction.levels for run in fraction.runs()}) == 1


def split(fraction: Fraction, effect: tuple[tuple[int, int], ...]) -> set[frozenset[int]]:
    """How an effect parts the runs, whatever the parts are called."""
    parts: dict[int, set[int]] = {}
    for number, run in enumerate(fraction.runs()):
        parts.setdefault(sum(power * run[index] for index, power in effect) % fraction.levels, set()).add(number)
    return {frozenset(part) for part in parts.values()}
