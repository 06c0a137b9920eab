"""Which rules watch a run, as files say it: all, none, some, or all with changes; mistakes are told at their place."""

from pathlib import Path

import jsonschema
import pytest

from lab.spec.experiment import Experiment
from lab.spec.files import check_study, read_study
from lab.spec.rules import house_rules
from lab.spec.schema import json_schema

BASE = {"dataset": {"kind": "pattern"}, "model": {"kind": "gin"}}
STUDY = """question: Is it well?
base: experiments/base.yaml
score: valid.acc
factors: {model.layers: [1, 2]}
seeds: 2
"""
FORMS = [
    "all",
    "off",
    ["vanishing", {"kind": "grad_spike", "z": 5}],
    ["all", {"kind": "grad_spike", "z": 5}],
    {"seesaw": "off", "update_high": {"over": 0.3}},
]


def kinds(**said: object) -> list[str]:
    return [rule.kind for rule in Experiment.model_validate(BASE | said).rules]


def test_a_file_that_says_nothing_has_all_the_rules_of_the_house() -> None:
    assert kinds() == kinds(rules="all") == list(house_rules())
    assert kinds(rules="off") == []


def test_a_list_is_those_rules_and_a_mapping_is_all_with_changes() -> None:
    assert kinds(rules=["vanishing", {"kind": "grad_spike", "z": 5}]) == ["vanishing", "grad_spike"]
    assert sorted(kinds(rules=FORMS[3])) == sorted(house_rules()), "what is written out replaces its like among all"
    changed = Experiment.model_validate(BASE | {"rules": FORMS[-1]}).rules
    assert [rule.kind for rule in changed] == [kind for kind in house_rules() if kind != "seesaw"]
    assert next(rule.over for rule in changed if rule.kind == "update_high") == 0.3


def test_rules_are_no_part_of_what_a_cell_is() -> None:
    assert Experiment.model_validate(BASE | {"rules": "off"}).id == Experiment.model_validate(BASE).id


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("kind", ["experiment", "study"])
def test_an_editor_takes_every_form(form: object, kind: str) -> None:
    said = {"question": "?", "base": "b.yaml", "score": "valid.acc", "factors": {}} if kind == "study" else BASE
    jsonschema.Draft7Validator(json_schema(kind)).validate(said | {"rules": form})


@pytest.fixture
def study(tmp_path: Path):
    (tmp_path / "experiments").mkdir()
    (tmp_path / "studies").mkdir()
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "experiments/base.yaml").write_text("dataset: {kind: pattern}\nmodel: {kind: gin}\n")

    def written(more: str) -> Path:
        path = tmp_path / "studies/s.yaml"
        path.write_text(STUDY + more)
        return path

    return written


@pytest.mark.parametrize(
    ("said", "complaint", "hint"),
    [
        ("rules: al\n", "'al' says no rules", "say all, off, a list"),
        ("rules: {seesaw: {mov: 0.3}}\n", "'seesaw' has no option 'mov'", "did you mean 'move'"),
        ("rules: {update_high: {over: -1}}\n", "-1 is out of range", "it must be above 0"),
        ("rules: {vanishig: {}}\n", "there is no rule 'vanishig'", "did you mean 'vanishing'"),
        ("rules: {sesaw: off}\n", "there is no rule 'sesaw'", "did you mean 'seesaw'"),
        ("rules: {seesaw: 3}\n", "'seesaw' is neither off nor a mapping of options", "say all, off"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_its_mend(study, said: str, complaint: str, hint: str) -> None:
    problems = check_study(study(said))
    told = [problem for problem in problems if complaint in problem.what]
    assert told, [problem.what for problem in problems]
    assert told[0].where.line == 6
    assert hint in told[0].hint


def test_a_profile_changes_thresholds_rule_by_rule(study) -> None:
    path = study("rules: {seesaw: off}\nprofiles: {strict: {rules: {update_high: {over: 0.1, action: stop}}}}\n")
    rules = {rule.kind: rule for rule in read_study(path, profile="strict").study.rules}
    assert "seesaw" not in rules
    assert (rules["update_high"].over, rules["update_high"].action) == (0.1, "stop")
