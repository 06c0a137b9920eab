"""Every claim gets the verdict that its seeds allow: never more, and at one error rate over all claims and looks."""

import math

import numpy as np
import pytest
from claimed import LIFT, WIGGLE, Scores, asking, claim, judged, more, only, pair, study
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import Planted
from scipy import stats

from lab.analysis.claims import spreads, verdicts
from lab.analysis.rows import gather
from lab.analysis.sequential import overall
from lab.records.store import Store


@pytest.mark.parametrize("method", ["paired_permutation", "paired_t", "bootstrap"])
@pytest.mark.parametrize(
    ("gap", "sign", "by", "expected"),
    [
        (0.1, ">", 0.0, "supported"),
        (0.1, "<", 0.0, "refuted"),
        (-0.1, ">", 0.0, "refuted"),
        (-0.1, "<", 0.0, "supported"),
        (0.1, ">", 0.05, "supported"),
        (0.1, ">", 0.1, "undecided"),
        (0.1, ">", 0.2, "refuted"),
        (-0.1, "<", 0.2, "refuted"),
        (0.0, "==", 0.05, "supported"),
        (0.0, "==", 0.005, "undecided"),
        (0.1, "==", 0.05, "refuted"),
        (-0.1, "==", 0.05, "refuted"),
        (0.001, ">", 0.0, "undecided"),
    ],
)
def test_a_claim_is_judged_by_its_direction_and_its_margin(method, gap, sign, by, expected):
    verdict = only(judged(pair(gap), more("a", "b", sign=sign, by=by), method=method))
    assert verdict.verdict == expected
    assert verdict.effect.n == 8
    assert verdict.effect.mean == pytest.approx(gap + np.mean(WIGGLE))
    assert verdict.effect.low < verdict.effect.mean < verdict.effect.high


@pytest.mark.parametrize("method", ["paired_permutation", "paired_t", "bootstrap"])
@pytest.mark.parametrize("by", [0.0, 0.08, 0.09, 0.1, 0.11, 0.2])
def test_a_claim_is_decided_just_when_its_interval_lies_beyond_the_margin(method, by):
    verdict = only(judged(pair(0.1), more("a", "b", by=by), method=method))
    beyond = verdict.effect.low > by or verdict.effect.high < by
    assert (verdict.verdict != "undecided") == beyond


def test_the_numbers_are_those_of_the_t_test():
    scores = pair(0.02)
    verdict = only(judged(scores, more("a", "b"), method="paired_t"))
    told = stats.ttest_rel(scores["a"], scores["b"])
    assert verdict.p == pytest.approx(told.pvalue)
    interval = told.confidence_interval(0.95)
    assert (verdict.effect.low, verdict.effect.high) == pytest.approx((interval.low, interval.high))
    assert verdict.effect.method == "paired t-test over 8 seeds"


def test_equivalence_is_told_by_two_one_sided_tests():
    verdict = only(judged(pair(0.0), more("a", "b", sign="==", by=0.02), method="paired_t"))
    values = np.array(WIGGLE)
    chances = [
        stats.ttest_1samp(values, -0.02, alternative="greater").pvalue,
        stats.ttest_1samp(values, 0.02, alternative="less").pvalue,
    ]
    assert verdict.p == pytest.approx(max(chances))
    assert verdict.effect.confidence == pytest.approx(0.9)
    assert (-0.02 < verdict.effect.low < verdict.effect.high < 0.02) == (verdict.verdict == "supported")


def test_a_cell_is_held_against_a_number():
    scores = {"a": [0.85, 0.86, 0.84, 0.855, 0.845, 0.85, 0.86, 0.85]}
    low, high = (claim(f"over {line}", {"a": 1.0}, against=line, noun="cell") for line in (0.84, 0.9))
    found = judged(scores, low, high, method="paired_t")
    assert [each.verdict for each in found] == ["supported", "refuted"]
    told = stats.ttest_1samp(scores["a"], 0.84)
    assert found[0].p == pytest.approx(told.pvalue)
    assert found[0].effect.mean == pytest.approx(0.85125)
    assert found[0].effect.method == "one-sample t-test over 8 seeds"
    assert found[0].is_level


def test_a_cell_is_held_against_what_the_data_of_each_seed_know():
    known = [0.8 + 0.01 * seed for seed in range(8)]
    scores = {"a": [0.05 + line + each for line, each in zip(known, WIGGLE, strict=True)]}
    better, double = (
        claim("better", {"a": 1.0}, known="last value"),
        claim("double", {"a": 1.0}, known="last value", times=2.0),
    )
    found = judged(scores, better, double, lines=[{"acc: last value": line} for line in known])
    assert [each.verdict for each in found] == ["supported", "refuted"]
    assert found[0].effect.mean == pytest.approx(0.05 + np.mean(WIGGLE))
    assert found[1].effect.mean == pytest.approx(0.05 + np.mean(WIGGLE) - np.mean(known))
    assert not found[0].is_level


def test_what_the_data_do_not_know_leaves_a_claim_undecided():
    asked = claim("better", {"a": 1.0}, known="lst value")
    lines = [{"acc: last value": 0.8, "acc: chance": 0.5, "loss: nothing": 1.0}] * 8
    told = only(judged({"a": [0.9] * 8}, asked, lines=lines))
    assert told.verdict == "undecided"
    assert told.reason == "the data know no `lst value` of valid.acc: they know chance, last value"
    assert "they know nothing of it" in only(judged({"a": [0.9] * 8}, asked)).reason


def test_half_is_judged_whatever_the_size_of_the_whole_in_each_seed():
    whole = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]
    scores = {"some": [0.4 * x for x in whole], "whole": whole}
    less, more = (claim(f"some < {part} * whole", {"some": 1.0, "whole": -part}, sign="<") for part in (0.5, 0.3))
    found = judged(scores, less, more)
    assert [each.verdict for each in found] == ["supported", "refuted"]
    assert not found[0].is_level


def test_an_interaction_is_a_difference_of_differences():
    both = [lift + 0.3 + wiggle for lift, wiggle in zip(LIFT, WIGGLE, strict=True)]
    scores = {"both": both, "one": [x + 0.1 for x in LIFT], "other": [x + 0.1 for x in LIFT], "none": LIFT}
    weights = {"both": 1.0, "one": -1.0, "other": -1.0, "none": 1.0}
    verdict = only(judged(scores, claim("interaction(x, y) > 0", weights, noun="four")))
    assert verdict.verdict == "supported"
    assert verdict.effect.mean == pytest.approx(0.1 + np.mean(WIGGLE))


def test_levels_are_averaged_over_pairs_seed_by_seed():
    generator = np.random.default_rng(0)
    scores = {name: list(generator.normal(0.5, 0.1, 8)) for name in "abcd"}
    verdict = only(judged(scores, claim("x", {"a": 0.5, "b": -0.5, "c": 0.5, "d": -0.5}), method="paired_t"))
    a, b, c, d = (np.array(scores[name]) for name in "abcd")
    assert verdict.p == pytest.approx(stats.ttest_1samp((a - b + c - d) / 2, 0).pvalue)


# -- several claims, several looks ----------------------------------------------------------------------------------


def graded() -> Scores:
    """Three cells over a fourth: clearly better, better, hardly better."""
    generator = np.random.default_rng(3)
    base = generator.normal(0.5, 0.1, 10)
    gaps = {"clear": 0.2, "some": 0.06, "little": 0.01}
    return {name: list(base + gap + generator.normal(0, 0.05, 10)) for name, gap in gaps.items()} | {"base": list(base)}


def test_alpha_is_shared_by_holm():
    scores = graded()
    names = ("clear", "some", "little")
    found = judged(scores, *(more(name, "base", name=name) for name in names), method="paired_t")
    raw = [stats.ttest_rel(scores[name], scores["base"]).pvalue for name in names]
    assert raw == sorted(raw)
    assert found[0].p == pytest.approx(min(1, 3 * raw[0]))
    assert found[1].p == pytest.approx(max(3 * raw[0], 2 * raw[1]))
    assert [each.effect.confidence for each in found] == pytest.approx([1 - 0.05 / 3, 1 - 0.05 / 2, 1 - 0.05])
    alone = judged(scores, *(more(name, "base", name=name) for name in names), method="paired_t", adjust="none")
    assert [each.p for each in alone] == pytest.approx(raw)


def test_a_claim_may_fail_for_company_alone():
    scores = pair(0.0125)
    claims = [more("a", "b", name=f"claim {number}") for number in range(6)]
    assert only(judged(scores, claims[0], method="paired_t")).verdict == "supported"
    assert {each.verdict for each in judged(scores, *claims, method="paired_t")} == {"undecided"}


def test_a_claim_that_was_decided_at_a_look_stays_decided():
    early = [0.1 + each for each in WIGGLE[:4]]
    scores = {"a": [*early, -0.3, 0.4, -0.2, 0.1], "b": [0.0] * 8}
    verdict = only(judged(scores, more("a", "b"), looks=(4, 6, 8)))
    assert (verdict.verdict, verdict.effect.n, verdict.reason) == ("supported", 4, "decided with 4 seeds")
    assert only(judged({"a": scores["a"][:4], "b": [0.0] * 4}, more("a", "b"), looks=(4, 6, 8))).verdict == "supported"
    assert only(judged(scores, more("a", "b"), method="paired_t")).verdict == "undecided"


def test_a_claim_is_told_as_it_stood_when_it_was_decided_first():
    verdict = only(judged(pair(0.1), more("a", "b"), looks=(4, 6, 8)))
    assert (verdict.effect.n, verdict.reason, verdict.seeds) == (4, "decided with 4 seeds", 8)
    assert verdict.effect.low > 0


def test_looking_more_often_asks_for_more_at_each_look():
    scores = pair(0.0105)
    assert only(judged(scores, more("a", "b"), method="paired_t")).verdict == "supported"
    later = only(judged(scores, more("a", "b"), looks=(8, 10, 12, 14, 16)))
    assert later.verdict == "undecided"
    assert later.effect.confidence > 0.95
    assert later.effect.method == "paired t-test over 8 seeds, one of 5 looks"


def test_the_chance_of_a_look_counts_all_looks_on_the_sides_that_its_test_has():
    scores, looks = pair(0.003), (8, 10, 12)
    direction = only(judged(scores, more("a", "b"), method="paired_t"))
    equality = only(judged(scores, more("a", "b", sign="==", by=0.015), method="paired_t"))
    assert only(judged(scores, more("a", "b"), looks=looks)).p == overall(direction.p, looks, sides=2)
    looked = only(judged(scores, more("a", "b", sign="==", by=0.015), looks=looks))
    assert looked.p == overall(equality.p, looks, sides=1) != overall(equality.p, looks, sides=2)


def test_seeds_after_a_hole_do_not_count_as_a_look():
    wiggle = WIGGLE * 2
    scores = pair(0.1, wiggle)
    scores["a"][10] = None
    verdict = only(judged(scores, more("a", "b", by=0.099), looks=(8, 12, 16)))
    assert (verdict.verdict, verdict.effect.n) == ("undecided", 8)


def test_an_undecided_claim_tells_how_many_seeds_would_decide_it():
    verdict = only(judged(pair(0.008), more("a", "b"), method="paired_t"))
    assert verdict.verdict == "undecided"
    assert verdict.reason == f"about {verdict.more_seeds} more seeds would decide it"
    generator = np.random.default_rng(0)
    sd, seeds = verdict.effect.sd, 8 + verdict.more_seeds
    draws = generator.normal(verdict.effect.mean, sd, (4000, seeds))
    found = np.mean(stats.ttest_1samp(draws, 0, axis=1).pvalue <= 0.05)
    assert 0.77 < found < 0.87


def test_a_claim_whose_effect_lies_on_its_margin_is_out_of_reach():
    verdict = only(judged(pair(0.1, [0.01, -0.01] * 4), more("a", "b", by=0.1)))
    assert verdict.more_seeds is None
    assert verdict.reason == "no number of seeds within reach would decide it"


def test_the_end_of_an_extension_is_told():
    verdict = only(judged(pair(0.004), more("a", "b"), looks=(8, 10)))
    assert verdict.reason.endswith("more than the 10 a cell may get")


def test_spreads_are_those_of_the_differences():
    rows, outline = study(pair(0.1), asking(pair(0.1), more("a", "b", name="x"), claim("y", {"a": 1.0}, against=3)))
    told = spreads(rows, outline)
    assert told["x"] == pytest.approx(np.std(WIGGLE, ddof=1))
    assert spreads([], outline) == {}


# -- through the store ----------------------------------------------------------------------------------------------


def test_another_metric_counts_at_the_epoch_of_the_score(tmp_path):
    bare = Planted(Store(tmp_path), {"norm": ["none", "batch"]}, seeds=6)
    base, other = bare.ids
    losses, accuracies = more(base, other, metric="train.loss"), more(base, other, name="acc")
    asked = asking({base: [0.0] * 6}, losses, accuracies, method="paired_t")
    said = Planted(Store(tmp_path), {"norm": ["none", "batch"]}, seeds=6, claims=asked.outline())
    for cell, gap in ((base, 0.0), (other, -1.0)):
        for seed in range(6):
            loss = (99.0, 2.0 + gap + 0.01 * seed * (gap + 2), 50.0)
            said.score(cell, seed, 0.5, history={"valid.acc": (0.1, 0.7 + 0.01 * gap * seed, 0.2), "train.loss": loss})
    results = gather(said.store, "planted")
    first, second = verdicts(results.rows, results.outline)
    assert (first.metric, first.verdict) == ("train.loss", "supported")
    assert first.effect.mean == pytest.approx(np.mean([1.0 + 0.01 * seed for seed in range(6)]))
    assert second.effect.mean == pytest.approx(np.mean([0.01 * seed for seed in range(6)]))


# -- what must not matter, and how often verdicts are wrong ----------------------------------------------------------

VALUES = st.lists(st.floats(-1, 1, width=32).map(lambda x: round(x, 3)), min_size=4, max_size=7)
CALM = settings(deadline=None, max_examples=60)


@CALM
@given(VALUES, st.sampled_from([">", "<", "=="]), st.floats(-5, 5), st.randoms(use_true_random=False))
def test_order_names_and_a_common_shift_change_no_verdict(values, sign, shift, random):
    scores = {"a": values, "b": [0.3 * seed for seed in range(len(values))]}
    asked = more("a", "b", sign=sign, by=0.25)
    verdict = only(judged(scores, asked, method="paired_t"))
    rows, outline = study(scores, asking(scores, asked, method="paired_t"))
    random.shuffle(rows)
    assert verdicts(rows, outline) == (verdict,)
    renamed = {"x": scores["a"], "y": scores["b"]}
    assert only(judged(renamed, more("x", "y", sign=sign, by=0.25), method="paired_t")) == verdict
    moved = {name: [value + shift for value in cell] for name, cell in scores.items()}
    told = only(judged(moved, asked, method="paired_t"))
    assert told.effect.mean == pytest.approx(verdict.effect.mean, abs=1e-9)
    assert told.verdict == verdict.verdict or abs(told.p - 0.05) < 1e-6


@CALM
@given(VALUES, st.floats(0, 0.5), st.sampled_from(["paired_t", "paired_permutation"]))
def test_a_claim_and_its_mirror_image_share_their_verdict(values, by, method):
    scores = {"a": values, "b": [0.0] * len(values)}
    one = only(judged(scores, more("a", "b", sign=">", by=by), method=method))
    other = only(judged(scores, more("b", "a", sign="<", by=by), method=method))
    assert (one.verdict, one.p) == (other.verdict, pytest.approx(other.p, nan_ok=True))
    same = [only(judged(scores, more(*ends, sign="==", by=by), method=method)).p for ends in ("ab", "ba")]
    assert same[0] == pytest.approx(same[1], nan_ok=True)


@CALM
@given(VALUES, VALUES)
def test_a_claim_is_never_surer_for_having_company(values, others):
    size = min(len(values), len(others))
    scores = {"a": values[:size], "c": others[:size], "b": [0.0] * size}
    alone = only(judged(scores, more("a", "b"), method="paired_t"))
    both = judged(scores, more("a", "b"), more("c", "b", name="other"), method="paired_t")[0]
    assert math.isnan(alone.p) or both.p >= alone.p - 1e-12
    assert alone.verdict == both.verdict or both.verdict == "undecided"


def wrong(studies: int, generator: np.random.Generator, seeds: int, **how) -> float:
    """The share of studies of nothing but noise in which some claim is decided."""
    claims = [more(name, "base", name=name) for name in "abc"]
    told = 0
    for _ in range(studies):
        scores = {name: list(generator.normal(size=seeds)) for name in ("base", "a", "b", "c")}
        told += any(each.verdict != "undecided" for each in judged(scores, *claims, **how))
    return told / studies


LUCK = 2.5 * (0.05 * 0.95 / 500) ** 0.5


@pytest.mark.parametrize("method", ["paired_t", "paired_permutation"])
def test_noise_decides_a_claim_in_5_percent_of_studies_at_most(method):
    assert wrong(500, np.random.default_rng(1), 8, method=method) <= 0.05 + LUCK


def test_noise_decides_a_claim_in_5_percent_of_studies_at_most_however_often_is_looked():
    looks = tuple(range(4, 17, 2))
    generator = np.random.default_rng(2)
    assert wrong(500, generator, 16, looks=looks) <= 0.05 + LUCK
    naive = 0
    for _ in range(500):
        values = generator.normal(size=16)
        naive += any(stats.ttest_1samp(values[:look], 0).pvalue <= 0.05 for look in looks)
    assert naive / 500 > 0.1  # what looking as often without a rule would do


def test_a_difference_at_the_margin_passes_for_none_in_5_percent_of_studies_at_most():
    generator = np.random.default_rng(4)
    for looks in ((8,), (4, 6, 8)):
        told = 0
        for _ in range(500):
            scores = {"a": list(1 + generator.normal(size=8)), "b": [0.0] * 8}
            verdict = only(judged(scores, more("a", "b", sign="==", by=1.0), looks=looks, method="paired_t"))
            told += verdict.verdict == "supported"
        assert told / 500 <= 0.05 + LUCK
