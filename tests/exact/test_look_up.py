"""The table of walk vectors as a model: what it gets right, and which vectors lie close."""

from __future__ import annotations

from fractions import Fraction

import pytest

from lab.exact.lattices import line, pyramid
from lab.exact.look_up import look_up, nearest
from lab.exact.walks import walk_vector

TOLD = {  # powers: learnt on base 10, right and known on base 11, right on base 14
    5: (0.845, 0.825, 1.00, 0.780),
    6: (0.913, 0.887, 0.99, 0.823),
    7: (0.952, 0.911, 0.94, 0.825),
    8: (0.976, 0.899, 0.81, 0.801),
    9: (0.994, 0.841, 0.58, 0.742),
    10: (1.000, 0.783, 0.35, 0.713),
}


@pytest.mark.parametrize("powers", TOLD)
def test_looking_up_reaches_what_is_known_of_it(powers: int) -> None:
    learnt, found, known, farther = TOLD[powers]
    near = look_up([pyramid(10)], [pyramid(11)], powers)
    far = look_up([pyramid(10)], [pyramid(14)], powers)
    assert near.learnt == pytest.approx(learnt, abs=5e-4)
    assert near.found == pytest.approx(found, abs=1e-3)
    assert near.known == pytest.approx(known, abs=5e-3)
    assert far.found == pytest.approx(farther, abs=5e-4)


def test_what_was_never_seen_is_answered_with_no() -> None:
    told = look_up([line(2)], [pyramid(4)], 3)
    assert told.known < 0.5
    assert look_up([line(3)], [line(3)], 3).learnt == 1.0


def test_more_training_graphs_know_more() -> None:
    alone = look_up([pyramid(10)], [pyramid(14)], 9)
    more = look_up([pyramid(10), pyramid(12), pyramid(13)], [pyramid(14)], 9)
    assert more.known > alone.known
    assert more.found > alone.found


def test_the_published_close_pair_is_among_the_close_ones() -> None:
    close = nearest(pyramid(10), 5, 400)
    assert [each.squared for each in close] == sorted(each.squared for each in close)
    (told,) = [each for each in close if each.squared == pytest.approx(7.1166e-6, rel=1e-4)]
    assert told.alike[3:] == pytest.approx((1 / 64, 0.012442131), abs=1e-8)
    assert told.apart[3:] == pytest.approx((1 / 72, 0.014467594), abs=2e-9)
    assert close[0].squared > 0


def test_two_listed_vectors_that_differ_in_the_last_float_only_are_one_vector() -> None:
    wanted = (0, 0, 0, 1 / 72, 0.0144675925925)
    vectors = {each.apart for each in nearest(pyramid(10), 5, 10_000)}
    near = [v for v in vectors if all(abs(a - b) < 1e-7 for a, b in zip(v, wanted, strict=True))]
    assert len(near) == 1


@pytest.mark.parametrize(
    ("source", "target", "vector"),
    [
        ((4, 2), (7, 5), (0, 0, 0, Fraction(1, 216), Fraction(1, 108))),
        ((4, 2), (7, 4), (0, 0, 0, Fraction(3, 216), Fraction(1, 81))),
        ((8, 7), (9, 9), (0, 0, Fraction(1, 12), Fraction(1, 24), Fraction(101, 1728))),
        ((8, 7), (6, 6), (0, 0, Fraction(5, 72), Fraction(29, 864), Fraction(43, 864))),
    ],
)
def test_single_pairs_have_the_published_walk_vectors(
    source: tuple[int, int], target: tuple[int, int], vector: tuple[Fraction, ...]
) -> None:
    ours = pyramid(10)
    assert walk_vector(ours, ours.at(*source), ours.at(*target), 4) == vector
