"""Verdicts are told with what they rest on, what was expected, and what was done to the claims meanwhile."""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from claimed import asking, claim, more
from planted import Planted
from rich.console import Console

from lab.analysis.outline import Outline
from lab.analysis.rows import gather
from lab.plan.asked import Asked
from lab.records.store import Store
from lab.report.claim_words import amendments, rule
from lab.report.claims_ahead import claims_ahead, out_of_reach
from lab.report.data import report_data
from lab.report.report import Report, study_report
from lab.report.text import report_text
from lab.report.verdicts import verdicts_sheet

LEVELS = {"norm": ["none", "batch", "layer"]}
WIGGLE = [0.002, -0.001, 0.0, 0.001, -0.002, 0.0015, -0.0005, 0.001]


def reported(root: Path, *claims: Asked, seeds: int = 8, looks: tuple[int, ...] = (), **said: object) -> Report:
    """Three cells: the base, one that is 0.1 better, and one that is like the base; claims speak of `none`, ..."""
    ids = dict(zip(LEVELS["norm"], Planted(Store(root / "names"), LEVELS, seeds=1).ids, strict=True))
    renamed = [replace(c, weights={ids[name]: weight for name, weight in c.weights.items()}) for c in claims]
    asked = asking({"": [0.0] * seeds}, *renamed, looks=looks, **said)
    study = Planted(Store(root), LEVELS, seeds=seeds, claims=asked.outline())
    for cell, gap in zip(study.ids, (0.0, 0.1, 0.0), strict=True):
        for seed in range(seeds):
            wiggle = WIGGLE[(seed * (1 + 2 * study.ids.index(cell))) % 8]
            study.score(cell, seed, 0.8 + gap + 0.01 * seed + wiggle)
    return study_report(study.store, "planted")


def text(report: Report, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(report_text(report))
    return out.getvalue()


EXAMPLES = (
    more("batch", "none", name="norm_helps", say="norm: batch > none", by=0.05, expects="+0.08 in the notes"),
    more("batch", "none", name="norm_hurts", say="norm: batch < none", sign="<", why="one seed was read"),
    more("layer", "none", name="same", say="norm: layer == none", sign="==", by=0.01),
    claim("line", {"none": 1.0}, say="reference > 0.82", against=0.82, noun="cell"),
    more("batch", "layer", name="mixed", say="norm: batch > layer", confounded="the width changed as well"),
)


def test_each_claim_is_shown_with_its_verdict_its_numbers_and_its_reason(tmp_path):
    shown = " ".join(text(reported(tmp_path, *EXAMPLES)).split())
    assert "supported norm_helps" in shown
    assert "norm: batch > none, by 0.05" in shown
    assert "expected: +0.08 in the notes" in shown
    assert "refuted norm_hurts" in shown
    assert "why: one seed was read" in shown
    assert "norm: layer == none, within 0.01" in shown
    assert "undecided line" in shown
    assert "more seeds would decide it" in shown
    assert "not testable here mixed" in shown
    assert "the width changed as well" in shown
    assert "shared among 4 claims (Holm)" in shown


@pytest.mark.parametrize("width", [80, 100, 140])
def test_nothing_is_wider_than_the_page(tmp_path, width):
    shown = text(reported(tmp_path, *EXAMPLES), width)
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown


def test_claims_stand_before_scores(tmp_path):
    shown = text(reported(tmp_path, *EXAMPLES))
    assert shown.index("Claims") < shown.index("Score by cell")
    assert "Claims" not in text(reported(tmp_path / "none"))


def test_the_data_of_a_report_has_it_all(tmp_path):
    report = reported(tmp_path, *EXAMPLES)
    data = json.loads(json.dumps(report_data(report), allow_nan=False))["claims"]
    assert [each["verdict"] for each in data["verdicts"]] == [
        "supported", "refuted", "supported", "undecided", "not testable here",
    ]  # fmt: skip
    assert data["verdicts"][0]["effect"]["n"] == 8
    assert data["verdicts"][4]["p"] is None
    assert (data["rate"], data["looks"], data["amendments"]) == (0.05, [8], [])


def test_a_page_has_the_same_verdicts(tmp_path):
    sheet = verdicts_sheet(reported(tmp_path, *EXAMPLES))
    assert [row[2].text for row in sheet.rows][:2] == ["supported", "refuted"]
    assert {len(row) for row in sheet.rows} == {len(sheet.heads)}
    assert "one seed was read" in [row[-1].text for row in sheet.rows]
    assert "Holm" in sheet.note


def test_a_difference_has_a_sign_and_a_mean_has_none(tmp_path):
    sheet = verdicts_sheet(reported(tmp_path, *EXAMPLES))
    seen = {row[0].text: row[3].text for row in sheet.rows}
    assert seen["norm_helps"].startswith("+0.1")
    assert seen["line"].startswith("0.83")


def edited(report: Report, *history: Mapping[str, object]) -> list[str]:
    return list(amendments(replace(report.outline.asking, history=history)))


def test_edits_of_claims_are_told(tmp_path):
    report = reported(tmp_path, *EXAMPLES)
    assert edited(report, {"hash": "a", "trials_done": 0, "trials": 32}) == []
    first = {"hash": "a", "trials_done": 3, "trials": 32}
    assert edited(report, first) == ["claims written after 3 of 32 trials"]
    later = [{"hash": "b", "trials_done": 12, "trials": 32}, {"hash": "", "trials_done": 1, "trials": 1}]
    assert edited(report, {**first, "trials_done": 0}, *later) == [
        "claims edited after 12 of 32 trials",
        "claims withdrawn after 1 of 1 trial",
    ]


def test_an_edit_shows_in_the_report_of_a_study_that_was_run_again(tmp_path):
    report = reported(tmp_path, EXAMPLES[0])
    reworded = replace(report.outline.asking, hash="another")
    Planted(Store(tmp_path), LEVELS, seeds=8, claims=reworded.outline())
    assert "claims edited after 24 of 24 trials" in text(study_report(Store(tmp_path), "planted"))


def test_withdrawn_claims_leave_a_line(tmp_path):
    reported(tmp_path, EXAMPLES[0])
    Planted(Store(tmp_path), LEVELS, seeds=8)
    assert "claims withdrawn after 24 of 24 trials" in text(study_report(Store(tmp_path), "planted"))


def test_the_rule_says_what_all_verdicts_risk(tmp_path):
    report = reported(tmp_path, *EXAMPLES)
    asked = report.outline.asking
    assert rule(asked).startswith("paired permutation tests; a wrong verdict in 5 % of studies at most")
    looking = rule(replace(asked, looks=(8, 10, 12)))
    assert "t-tests at 8, 10, 12 seeds, each look at 2.6" in looking
    assert "over all looks" in looking
    assert "changed once after verdicts were in: 10 % in all" in rule(replace(asked, rounds=2))
    assert "changed 2 times" in rule(replace(asked, rounds=3))
    assert "each claim for itself" in rule(replace(asked, test=asked.test.model_copy(update={"adjust": "none"})))


# -- before a run ---------------------------------------------------------------------------------------------------


def outline(root: Path, *claims: Asked, **said: object) -> tuple[Store, Outline]:
    report = reported(root, *claims, **said)
    return Store(root), report.outline


def test_a_plan_tells_what_each_claim_can_show(tmp_path):
    store, told = outline(tmp_path, *EXAMPLES)
    known = claims_ahead(gather(store, "planted").rows, told)
    fresh = claims_ahead([], told)
    assert (
        fresh[0].sentence
        == "norm_helps: 1 cell pair, n = 8 seeds; smallest visible effect 1.5 sd (alpha 0.0125, power 0.8)"
    )
    assert known[0].sentence.startswith("norm_helps: 1 cell pair, n = 8 seeds; smallest visible effect 0.00")
    assert "sd 0.00" in known[0].sentence
    assert fresh[2].sentence == "same: 1 cell pair, n = 8 seeds (sd not known yet, alpha 0.0125, power 0.8)"
    assert "to show it within 0.01 takes" in known[2].sentence
    assert fresh[3].sentence.startswith("line: 1 cell, n = 8 seeds")
    assert fresh[4].sentence == "mixed: not testable here"
    assert json.dumps([each.data for each in known])


def test_an_extension_shows_its_range_and_its_stricter_looks(tmp_path):
    _, told = outline(tmp_path, EXAMPLES[0], looks=(8, 10, 12))
    (ahead,) = claims_ahead([], told)
    assert "n = 8 to 12 seeds" in ahead.sentence
    assert 0.02 < ahead.alpha < 0.03


def test_an_equivalence_that_the_seeds_cannot_show_is_warned_of(tmp_path):
    tight, wide = replace(EXAMPLES[2], by=0.0005), replace(EXAMPLES[2], by=0.01, name="wide")
    store, told = outline(tmp_path, tight, wide)
    (warning,) = out_of_reach(claims_ahead(gather(store, "planted").rows, told))
    assert warning.startswith("claim same within 0.0005 needs about ")
    assert warning.endswith("8 leave it undecided")
    assert list(out_of_reach(claims_ahead([], told))) == []


def test_claims_that_an_exact_test_cannot_decide_by_themselves_are_warned_of(tmp_path):
    many = [replace(EXAMPLES[0], name=f"norm_helps_{number}") for number in range(7)]
    _, few = outline(tmp_path / "few", *many[:6])
    _, told = outline(tmp_path / "exact", *many, EXAMPLES[2])
    _, by_t = outline(tmp_path / "t", *many, EXAMPLES[2], method="paired_t")
    (warning,) = out_of_reach(claims_ahead([], told))
    assert warning.startswith("7 claims cannot be decided unless others are first: with 8 seeds")
    assert "p = 0.007812 at least, and 0.00625 is asked; take 9 seeds" in warning
    assert list(out_of_reach(claims_ahead([], by_t))) == []
    assert list(out_of_reach(claims_ahead([], few))) == []
