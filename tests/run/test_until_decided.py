"""`lab run --until-decided` with models that are really trained."""

import json

import pytest

from lab.__main__ import main
from lab.records.store import Store

pytestmark = [pytest.mark.torch, pytest.mark.slow]

STUDY = """
factors: {model.mlp_norm: [batch, none]}
seeds: 3
test: {method: paired_t}
claims:
  open: "model.mlp_norm: batch > none"
  clear: "reference > 0.1"
"""


def claims_told(capsys) -> dict:
    capsys.readouterr()
    assert main(["report", "question", "--json"]) == 0
    return json.loads(capsys.readouterr().out)["claims"]


def test_claims_get_seeds_until_they_are_decided_or_have_the_most_and_edits_are_told(tiny, capsys):
    tiny.study(STUDY)
    assert main(["run", "studies/question.yaml", "--until-decided", "--max-seeds", "5", "-j", "1"]) == 0
    told = claims_told(capsys)
    verdicts = {each["name"]: each for each in told["verdicts"]}
    assert verdicts["clear"]["verdict"] == "supported"
    assert (told["looks"], told["rate"], told["amendments"]) == ([3, 5], 0.05, [])
    seeds = 5 if verdicts["open"]["verdict"] == "undecided" else verdicts["open"]["effect"]["n"]
    trials = Store("mlruns").trials("question")
    assert len(trials) == 2 * seeds

    tiny.study(STUDY.replace("0.1", "0.2"))
    assert main(["run", "studies/question.yaml", "-j", "1"]) == 0
    assert Store("mlruns").trials("question") == trials
    assert claims_told(capsys)["amendments"] == [f"claims edited after {2 * seeds} of {2 * seeds} trials"]
