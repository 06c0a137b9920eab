"""A file of one's own adds to the menu, and a broken one is told with its own line."""

import pytest

from lab.errors import LabError
from lab.spec import experiment, study
from lab.spec.files import read_experiment, read_study
from lab.spec.plugins import FAMILIES, load_plugins
from lab.spec.tables import show

MEAN = '''"""A plug-in."""
from typing import Annotated, Literal
from lab.spec.models import ModelSpec
from lab.spec.spec import Factor

class Mean(ModelSpec):
    """Average over the neighbours."""
    kind: Literal["mean"] = "mean"
    gate: Annotated[bool, Factor(off=False)] = True
    """Scale the average."""
'''


@pytest.fixture
def root(tmp_path):
    """A project whose plug-ins leave the menu again."""
    before = [dict(family.members) for family in FAMILIES]
    (tmp_path / "experiments").mkdir()
    (tmp_path / "mean.py").write_text(MEAN)
    yield tmp_path
    for family, members in zip(FAMILIES, before, strict=True):
        family.members.clear()
        family.members.update(members)
    experiment.rebuild()
    study.rebuild()


def told(root, source: str) -> str:
    (root / "mine.py").write_text(source)
    with pytest.raises(LabError) as caught:
        load_plugins(["mine.py"], root)
    return str(caught.value)


def test_an_experiment_may_order_from_its_plug_in(root):
    path = root / "experiments" / "mean.yaml"
    path.write_text("dataset: {kind: pattern}\nmodel: {kind: mean, gate: false}\nplugins: [mean.py]\n")
    assert read_experiment(path).get("model.gate") is False
    assert show("mean")[0].rows == (("gate", "true | false", "true", "false", "Scale the average."),)


def test_a_study_may_bring_a_plug_in_to_a_plain_base(root):
    (root / "experiments" / "gin.yaml").write_text("dataset: {kind: pattern}\nmodel: {kind: gin}\n")
    (root / "s.yaml").write_text(
        "question: q\nbase: experiments/gin.yaml\nscore: valid.acc\nplugins: [mean.py]\n"
        "factors: {model: [{kind: mean}, {kind: mean, gate: false}]}\n"
    )
    assert read_study(root / "s.yaml").base.plugins == ("mean.py",)


def test_an_option_of_a_plug_in_is_checked_like_any_other(root):
    path = root / "experiments" / "mean.yaml"
    path.write_text("dataset: {kind: pattern}\nmodel: {kind: mean, gaet: false}\nplugins: [mean.py]\n")
    with pytest.raises(LabError, match=r"mean.yaml:2: model.gaet: 'mean' has no option 'gaet'\n +did you mean 'gate'"):
        read_experiment(path)


def test_one_file_may_be_loaded_again_and_again(root):
    load_plugins(["mean.py"], root)
    load_plugins(["mean.py", "./mean.py"], root)
    (root / "mean.py").write_text(MEAN.replace("bool, Factor(off=False)] = True", "bool, Factor(off=True)] = False"))
    load_plugins(["mean.py"], root)
    assert show("mean")[0].rows[0][2:4] == ("false", "true")


def test_two_files_may_not_offer_one_kind(root):
    load_plugins(["mean.py"], root)
    assert "mine.py:6: two models are called 'mean'" in told(root, MEAN)
    assert "mine.py:6: two models are called 'gin'" in told(root, MEAN.replace('"mean"', '"gin"'))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1\ndef f(:\n", "mine.py:2: does not parse: invalid syntax"),
        ("def f():\n    1 / 0\n\nf()\n", "mine.py:2: fails when it is loaded: ZeroDivisionError: division by zero"),
        ("import no_such_module\n", "mine.py:1: fails when it is loaded: ModuleNotFoundError"),
        ("import sys\nsys.exit(3)\n", "mine.py:2: fails when it is loaded: SystemExit: 3"),
        (MEAN.replace("[bool,", "[int,").replace("True", "1"), "mine.py:6: fails when it is loaded: TypeError: Mean"),
        ("x = '\0'\n", "mine.py"),
    ],
    ids=["syntax", "raises", "import", "exit", "factor", "null byte"],
)  # fmt: skip
def test_a_broken_plug_in_is_told_with_its_line(root, source, said):
    assert said in told(root, source)


def test_a_plug_in_that_fails_half_way_leaves_the_menu_as_it_was(root):
    menus = [dict(family.members) for family in FAMILIES]
    assert "ZeroDivisionError" in told(root, MEAN + "1 / 0\n")
    assert [dict(family.members) for family in FAMILIES] == menus


@pytest.mark.parametrize("said", ["../mine.py", "/tmp/mine.py", "outside.py", "missing.py", "notes.txt", "experiments"])
def test_only_python_files_of_the_project_are_loaded(root, tmp_path_factory, said):
    (tmp_path_factory.mktemp("elsewhere") / "mine.py").write_text(MEAN)
    (root / "outside.py").symlink_to(tmp_path_factory.getbasetemp() / "elsewhere0" / "mine.py")
    (root / "notes.txt").write_text(MEAN)
    with pytest.raises(LabError, match=r"leads out of the project|is not a Python file"):
        load_plugins([said], root)
