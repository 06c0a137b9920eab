"""Files become an Experiment and a Study with its base: from any folder, under any profile, or not at all."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from ruamel.yaml import YAML
from spec_strategies import experiments

from lab.errors import LabError
from lab.spec.change import spelled
from lab.spec.experiment import Experiment
from lab.spec.files import check_study, kind_of, read_experiment, read_study, study_of_experiment
from lab.spec.project import project_root

GIN = "dataset: {kind: pattern}\nmodel: {kind: gin}\n"
STUDY = """question: Does it?
base: experiments/gin.yaml
score: valid.loss
factors:
  model.mlp_norm: all
  model.layers: [2, 3]
seeds: 4
profiles:
  quick:
    set:
      model.width: 8
      training.epochs: 2
    factors:
      model.layers: null
      model.residual: off
    seeds: {values: 2, pair: [init]}
    probes: [{kind: gradients}]
  bad:
    factors: {model.layres: [1]}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "studies").mkdir()
    (tmp_path / "experiments" / "gin.yaml").write_text(GIN)
    (tmp_path / "studies" / "norms.yaml").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(root: Path, text: str) -> Path:
    path = root / "studies" / "s.yaml"
    path.write_text(text)
    return path


def mistakes(path: Path, profile: str | None = None) -> list[str]:
    with pytest.raises(LabError) as caught:
        read_study(path, profile=profile)
    return [str(problem).split("\n")[0] for problem in caught.value.problems]


def test_a_study_is_read_with_its_base(root):
    file = read_study(Path("studies/norms.yaml"))
    assert (file.name, file.file, file.text) == ("norms", "studies/norms.yaml", STUDY)
    assert file.base == Experiment.model_validate({"dataset": {"kind": "pattern"}, "model": {"kind": "gin"}})
    assert file.study.factors["model.layers"].values == (2, 3)
    assert str(file.places.at("factors", "model.layers")) == "studies/norms.yaml:6: factors.model.layers"


def test_a_study_reads_the_same_from_any_folder(root, tmp_path_factory, monkeypatch):
    here = read_study("studies/norms.yaml", profile="quick")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert read_study(root / "studies" / "norms.yaml", profile="quick") == here


def test_a_profile_merges_replaces_removes_and_changes_the_base(root):
    file = read_study("studies/norms.yaml", profile="quick")
    assert file.name == "norms-quick"
    assert list(file.study.factors) == ["model.mlp_norm", "model.residual"]
    assert file.study.seeds.values == (0, 1)
    assert (file.base.get("model.width"), file.base.get("training.epochs")) == (8, 2)
    assert file.places.at("factors", "model.residual").line == 15
    assert file.places.at("factors", "model.mlp_norm").line == 5


def test_what_a_study_says_of_every_run_is_in_its_base(root):
    base = read_study("studies/norms.yaml", profile="quick").base
    assert [probe.kind for probe in base.probes] == ["gradients"]
    assert base.training.unpaired == ("data_order", "dropout", "negatives")
    assert read_study("studies/norms.yaml").base.training.unpaired == ()


def test_the_goal_is_the_score_s_own_unless_it_is_said(root):
    assert read_study("studies/norms.yaml").study.score.goal == "min"
    said = written(root, STUDY.replace("score: valid.loss", "score: {name: valid.loss, goal: max}"))
    assert read_study(said).study.score.goal == "max"
    searched = STUDY + "design: {search: {objectives: [valid.acc, cost.params]}}\n"
    block = read_study(written(root, searched)).study.design.blocks[0]
    assert [score.goal for score in block.objectives] == ["max", "min"]


def test_an_unknown_profile_is_told_with_the_nearest(root):
    assert mistakes(Path("studies/norms.yaml"), "quik") == [
        "studies/norms.yaml:8: profiles: there is no profile 'quik'"
    ]


def test_checking_a_study_checks_each_of_its_profiles(root):
    assert [str(problem).split("\n")[0] for problem in check_study("studies/norms.yaml")] == [
        "studies/norms.yaml:19: profiles.bad.factors.model.layres: 'gin' has no option 'layres'"
    ]
    twice = STUDY.replace("model.mlp_norm: all", "model.mlp_norm: [bach]")
    assert len(check_study(written(root, twice))) == 2


def test_a_conditional_factor_may_belong_to_another_kind_that_the_study_switches_to(root):
    text = STUDY + "design: grid\n"
    text = text.replace(
        "model.layers: [2, 3]", "model.kind: all\n  model.heads: {values: [1, 7], when: model.layers > 1}"
    )
    assert mistakes(written(root, text.replace("model.kind: all", "training.compile: all"))) == [
        "studies/s.yaml:7: factors.model.heads: 'gin' has no option 'heads'"
    ]
    assert read_study(written(root, text)).study.factors["model.heads"].values == (1, 7)


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ("experiments/gni.yaml", "base: there is no file 'experiments/gni.yaml'"),
        ("../gin.yaml", "base: '../gin.yaml' leads out of the project"),
        ("/etc/passwd", "base: '/etc/passwd' leads out of the project"),
        ("experiments/link.yaml", "base: 'experiments/link.yaml' leads out of the project"),
        ("experiments/loop.yaml", "loop.yaml"),
        ("experiments", "base: there is no file 'experiments'"),
        ("studies/norms.yaml", "base: 'studies/norms.yaml' is a study, not an experiment"),
        ("[1]", "base: [1] is not text"),
    ],
)
def test_a_base_must_be_an_experiment_of_the_project(root, tmp_path_factory, base, told):
    (tmp_path_factory.mktemp("outside") / "gin.yaml").write_text(GIN)
    (root / "experiments" / "link.yaml").symlink_to(tmp_path_factory.getbasetemp() / "outside0" / "gin.yaml")
    (root / "experiments" / "loop.yaml").symlink_to(root / "experiments" / "loop.yaml")
    (problem,) = mistakes(written(root, STUDY.replace("experiments/gin.yaml", base)))
    assert told in problem


def test_mistakes_of_the_base_are_told_with_its_own_lines(root):
    (root / "experiments" / "gin.yaml").write_text(GIN + "training:\n  lr: fast\n")
    assert mistakes(written(root, STUDY.replace("seeds: 4", "seeds: 0"))) == [
        "experiments/gin.yaml:4: training.lr: 'fast' is not a number",
        "studies/s.yaml:7: seeds: at least one seed is needed",
    ]


@pytest.mark.parametrize("name", ["../x", "a b", "", ".hidden", "a/b", "x" * 200, "é"])
def test_a_study_s_name_must_be_able_to_name_a_folder(root, name):
    assert "cannot name a folder" in mistakes(written(root, f"{STUDY}study: {name!r}\n"))[0]
    assert "cannot name a folder" in mistakes(written(root, STUDY.replace("quick", repr(name))), name)[0]


def test_an_experiment_is_a_study_of_one_cell(root):
    assert (kind_of("experiments/gin.yaml"), kind_of("studies/norms.yaml")) == ("experiment", "study")
    file = study_of_experiment("experiments/gin.yaml")
    assert file.base == read_experiment("experiments/gin.yaml")
    assert (file.name, file.study.seeds.values, file.study.score.name) == ("gin", (0,), "valid.acc")
    assert file.study.factors == {}


def test_the_project_s_folder_is_the_nearest_that_looks_like_one(root, tmp_path_factory, monkeypatch):
    assert project_root(root / "studies" / "norms.yaml") == root
    (root / "studies" / "pyproject.toml").touch()
    assert project_root(root / "studies" / "norms.yaml") == root / "studies"
    lone = tmp_path_factory.mktemp("lone")
    monkeypatch.chdir(root)
    assert project_root(lone / "a.yaml") == root


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(experiments())
def test_an_experiment_survives_being_written_and_read(tmp_path_factory, said):
    try:
        experiment = Experiment.model_validate(said)
    except ValueError:
        assume(False)
    path = tmp_path_factory.getbasetemp() / "again.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(spelled(experiment), file)
    again = read_experiment(path)
    assert again == experiment
    assert again.id == experiment.id


def test_nothing_of_the_menu_loads_a_heavy_library():
    script = (
        "import importlib, pkgutil, sys, lab.spec\n"
        "for module in pkgutil.walk_packages(lab.spec.__path__, 'lab.spec.'):\n"
        "    importlib.import_module(module.name)\n"
        "print(*{'torch', 'torch_geometric', 'mlflow', 'optuna', 'pandas', 'numpy', 'rich'} & sys.modules.keys())"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.split() == []
