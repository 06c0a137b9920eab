"""Claims that no number of the study may decide: with holes, confounded, about changes that change nothing."""

import math

import numpy as np
import pytest
from claimed import LIFT, WIGGLE, claim, judged, more, only, pair


def test_missing_trials_leave_a_claim_undecided_however_clear_the_others_are():
    scores = {"a": [1.0, 1.1, 1.2, None, None, 1.1, 1.0, 1.2], "b": [0.0, 0.1, 0.2, 0.1, None, None, None, 0.2]}
    verdict = only(judged(scores, more("a", "b")))
    assert (verdict.verdict, verdict.reason) == ("undecided", "5 of 16 trials are missing")
    assert math.isnan(verdict.p)
    assert (verdict.effect.n, verdict.more_seeds) == (4, None)


def test_a_single_missing_trial_is_enough():
    scores = pair(0.5) | {"b": [None, *LIFT[1:]]}
    assert only(judged(scores, more("a", "b"))).reason == "1 of 16 trials is missing"


def test_failed_and_pruned_trials_leave_a_claim_undecided():
    scores = pair(0.5) | {"b": ["diverged", "diverged", "pruned", math.nan, *LIFT[4:]]}
    verdict = only(judged(scores, more("a", "b")))
    assert verdict.verdict == "undecided"
    assert verdict.reason == "4 of 16 trials gave no score (2 diverged, 1 pruned, 1 no score)"


def test_holes_in_other_cells_do_not_matter():
    scores = {**pair(0.5), "c": [None] * 8}
    assert only(judged(scores, more("a", "b"))).verdict == "supported"


def test_a_confounded_claim_is_not_tested_and_takes_no_share_of_alpha():
    clear, confounded = more("a", "b"), more("a", "b", name="other", confounded="both changed at once")
    alone, other = judged(pair(0.02), clear, confounded)
    assert (other.verdict, other.reason) == ("not testable here", "both changed at once")
    assert math.isnan(other.p)
    assert other.effect.mean == pytest.approx(0.02 + np.mean(WIGGLE))
    assert alone == only(judged(pair(0.02), clear))


@pytest.mark.parametrize("sign", [">", "<"])
def test_levels_that_change_nothing_bit_for_bit_are_no_test_of_a_difference(sign):
    same = claim("same", {"a": 0.5, "b": -0.5, "c": 0.5, "d": -0.5}, sign=sign, by=0.01)
    verdict = only(judged(dict.fromkeys("abcd", LIFT), same))
    assert verdict.verdict == "not testable here"
    assert "changes nothing" in verdict.reason


@pytest.mark.parametrize("method", ["paired_permutation", "paired_t", "bootstrap"])
def test_levels_that_change_nothing_bit_for_bit_are_the_same(method):
    same = claim("same", {"a": 1.0, "b": -1.0}, sign="==", by=0.01)
    verdict = only(judged({"a": LIFT, "b": LIFT}, same, method=method))
    assert verdict.verdict == "supported"
    assert "changes nothing" in verdict.reason
    assert (verdict.effect.low, verdict.effect.mean, verdict.effect.high) == (0, 0, 0)
    few = only(judged({"a": LIFT[:2], "b": LIFT[:2]}, same))
    assert few.verdict == "undecided"


def test_equal_scores_against_a_number_are_no_reason_for_doubt():
    scores = {"a": [0.5] * 8}
    found = judged(scores, claim("x", {"a": 1.0}, against=0.4), claim("y", {"a": 1.0}, against=0.6), method="paired_t")
    assert [each.verdict for each in found] == ["supported", "refuted"]


def test_too_few_seeds_for_a_method_decide_nothing():
    scores = pair(0.5, WIGGLE[:3])
    assert only(judged(scores, more("a", "b"), method="bootstrap")).reason.startswith("3 seeds are too few")
    verdict = only(judged(scores, more("a", "b")))
    assert (verdict.verdict, verdict.p) == ("undecided", 0.25)
    assert verdict.effect.low == -math.inf
