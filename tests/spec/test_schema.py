"""The shipped JSON Schemas are those of the types, and take every file that `lab` takes."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from spec_strategies import BASE, experiments, studies

from lab.spec.change import spelled
from lab.spec.document import parse
from lab.spec.experiment import Experiment
from lab.spec.files import check_study, read_study
from lab.spec.schema import json_schema
from lab.spec.study import Study

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("experiment", "study")
CHECKS = {kind: jsonschema.Draft7Validator(json_schema(kind)) for kind in KINDS}
GENEROUS = settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))


def written(data: object, path: Path) -> Path:
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(data, file)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_the_shipped_schema_is_the_one_of_the_types(kind):
    script = f"import sys; from lab.spec.schema import schema_text; sys.stdout.write(schema_text({kind!r}))"
    fresh = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    shipped = (ROOT / "lab" / "spec" / f"{kind}.schema.json").read_text(encoding="utf-8")
    assert shipped == fresh, "the types have changed: run `lab schema lab/spec`"


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_a_schema(kind):
    jsonschema.Draft7Validator.check_schema(json_schema(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_tells_what_it_means(kind):
    schema = json_schema(kind)
    told = {name for name, value in schema["$defs"].items() if value.get("description")}
    silent = [key for key, value in schema["properties"].items() if not value.get("description")]
    assert [key for key in silent if schema["properties"][key]["$ref"].rsplit("/")[-1] not in told] == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("experiments/*.yaml")), ids=lambda path: path.stem)
def test_the_schema_takes_every_shipped_experiment(path):
    CHECKS["experiment"].validate(parse(path.read_text(), path.name).data)


@pytest.mark.parametrize("path", sorted(ROOT.glob("studies/*.yaml")), ids=lambda path: path.stem)
def test_the_schema_takes_every_shipped_study(path):
    CHECKS["study"].validate(parse(path.read_text(), path.name).data)


@GENEROUS
@given(experiments())
def test_the_schema_takes_every_experiment_the_types_take(said):
    try:
        experiment = Experiment.model_validate(said)
    except ValueError:
        assume(False)
    CHECKS["experiment"].validate(said)
    CHECKS["experiment"].validate(json.loads(json.dumps(spelled(experiment))))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "experiments").mkdir()
    written(BASE, folder / "experiments" / "base.yaml")
    return folder


@GENEROUS
@given(st.data())
def test_the_schema_takes_every_study_that_is_read(folder, data):
    said = data.draw(studies("experiments/base.yaml"))
    path = written(said, folder / "study.yaml")
    profile = next(iter(said.get("profiles", {})), None)
    assume(check_study(path) == [])
    file = read_study(path, profile=profile)
    CHECKS["study"].validate(said)
    assert Study.model_validate(spelled(file.study)) == file.study


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("experiment", "dataset: {kind: pattern}\nmodel: {kind: gin, nrom: 1}"),
        ("experiment", "dataset: {kind: pattern}\nmodel: {kind: gin, mlp_norm: bach}"),
        ("experiment", "dataset: {kind: pattern}\nmodel: {layers: 3}"),
        ("experiment", "dataset: {kind: patern}\nmodel: {kind: gin}"),
        ("experiment", "dataset: {kind: pattern}\nmodel: {kind: gin}\nlr: 3"),
        ("study", "question: q\nbase: b"),
        ("study", "question: q\nbase: b\nscore: valid.ac"),
        ("study", "question: q\nbase: b\nscore: valid.acc\ndesign: gird"),
        ("study", "question: q\nbase: b\nscore: valid.acc\nseeds: 0"),
        ("study", "question: q\nbase: b\nscore: valid.acc\nfactors: {model.mlp_norm: [bach]}"),
        ("study", "question: q\nbase: b\nscore: valid.acc\nprofiles: {quick: {bugdet: 3}}"),
        ("study", "question: q\nbase: b\nscore: valid.acc\nbudget: {per_run: 20x}"),
    ],
)
def test_the_schema_refuses_what_an_editor_should_underline(kind, text):
    assert not CHECKS[kind].is_valid(parse(text, "f.yaml").data)
