"""What a person reads when a file is wrong: tests/snapshots/mistakes has files and the texts they are answered with."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from spec_strategies import BASE, experiments, studies

from lab.errors import LabError, LabErrors
from lab.spec.files import check_study, kind_of, read_experiment, read_study

SNAPSHOTS = Path(__file__).resolve().parents[1] / "snapshots" / "mistakes"
FILES = sorted(SNAPSHOTS.glob("*.yaml"))
JUNK = st.sampled_from(
    [None, True, -1, 0, 1.5, 10**9, "", "x", "all", [], [[]], [None], {}, {"x": 1}, {"kind": "x"}, "../x"]
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("wrong")
    (root / "experiments").mkdir()
    (root / "experiments" / "gin.yaml").write_text("dataset: {kind: pattern}\nmodel: {kind: gin}\n")
    for file in FILES:
        shutil.copy(file, root / file.name)
    return root


def answer(path: Path) -> str:
    """What `lab check` says of a file."""
    if kind_of(path) == "study":
        return str(LabErrors(check_study(path)))
    with pytest.raises(LabError) as caught:
        read_experiment(path)
    return str(caught.value)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_wrong_file_is_answered_as_it_was(project, file):
    told, expected = answer(project / file.name) + "\n", file.with_suffix(".txt")
    if "LAB_UPDATE_SNAPSHOTS" in os.environ:
        expected.write_text(told, encoding="utf-8")
    assert told == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_mistake_has_a_file_a_line_and_a_key(project, file):
    for line in answer(project / file.name).splitlines():
        if not line.startswith("    "):
            name, number, key = line.split(":")[:3]
            assert name == file.name
            assert int(number) > 0
            assert key.strip()


def problems_of(path: Path) -> tuple[LabError, ...]:
    try:
        read_experiment(path)
    except LabError as error:
        return error.problems
    return ()


def mangled(draw, data):
    """The same data with one value of it replaced by something else."""
    if not isinstance(data, (dict, list)) or not data or draw(st.integers(0, 3)) == 0:
        return draw(JUNK)
    keys = list(data) if isinstance(data, dict) else range(len(data))
    chosen = draw(st.sampled_from(keys))
    items = [(key, mangled(draw, data[key]) if key == chosen else data[key]) for key in keys]
    return dict(items) if isinstance(data, dict) else [value for _, value in items]


CALM = settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))


@CALM
@given(st.data())
def test_a_study_with_any_value_replaced_is_read_or_told_with_its_place(project, data):
    said = mangled(data.draw, data.draw(studies("experiments/gin.yaml")))
    path = project / "mangled.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(said, file)
    assert all(problem.where.file for problem in check_study(path))


@CALM
@given(st.data())
def test_an_experiment_with_any_value_replaced_is_read_or_told_with_its_place(project, data):
    said = mangled(data.draw, data.draw(experiments().map(lambda drawn: BASE | drawn)))
    path = project / "mangled.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(said, file)
    assert all(problem.where.file for problem in problems_of(path))


def test_all_profiles_are_told_in_the_order_of_their_lines(project):
    lines = [int(line.split(":")[1]) for line in answer(project / "profiles.yaml").splitlines() if line[0] != " "]
    assert lines == sorted(lines)
    with pytest.raises(LabError, match="no profile 'quik'"):
        read_study(project / "profiles.yaml", profile="quik")
