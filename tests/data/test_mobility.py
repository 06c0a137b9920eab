"""Mobility is read as it was published, and a file that is not is told in one sentence."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from lab.data.links.mobility import read
from lab.data.load import load_dataset
from lab.errors import LabError
from lab.spec.datasets import Mobility, MobilityCases
from lab.testing import check_dataset

pytestmark = pytest.mark.torch

PUBLISHED = (
    Path(os.environ.get("LAB_REFERENCE", "../shared/reference")).absolute().parent / "data" / "england_covid.json"
)
published = pytest.mark.skipif(not PUBLISHED.exists(), reason="no england_covid.json beside LAB_REFERENCE")
DAYS, REGIONS = 40, 4


def small(days: int = DAYS) -> dict[str, object]:
    """A ring whose edges turn around every other day, one with itself each day."""
    ways = {0: [[0, 1], [1, 2], [2, 3], [3, 3]], 1: [[1, 0], [2, 1], [3, 2], [3, 3]]}
    return {
        "edge_mapping": {
            "edge_index": {str(day): ways[day % 2] for day in range(days)},
            "edge_weight": {str(day): [10.0, 20.0, 30.0, 40.0] for day in range(days)},
        },
        "time_periods": days,
        "y": [[day + region for region in range(REGIONS)] for day in range(days)],
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "days.json"
    path.write_text(json.dumps(small()))
    return path


def test_edges_lead_one_way_and_regions_are_not_joined_to_themselves(file: Path) -> None:
    split = Mobility(path=str(file)).build(0).splits["train"]
    batch = split.batch(torch.tensor([0]), REGIONS)
    assert batch.y[0].tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    assert torch.equal(batch.adjacency[0, 0], batch.y[0].T)
    assert batch.x.shape == (1, 5, REGIONS, 3)


def test_days_of_one_part_are_not_in_another(file: Path) -> None:
    spec = Mobility(path=str(file))
    assert spec.parts(DAYS) == {"train": (0, 24), "valid": (24, 32), "test": (32, 40)}
    built = spec.build(0)
    assert [len(built.splits[name]) for name in ("train", "valid", "test")] == [19, 3, 3]
    check_dataset(spec)


def test_weights_are_shares_of_the_largest_or_their_logarithms(file: Path) -> None:
    share, log = (
        Mobility(path=str(file), weights=each).build(0).splits["train"].batch(torch.tensor([0]), REGIONS)
        for each in ("share", "log")
    )
    assert share.adjacency[0, 0, 2, 3].item() == 1.0
    assert share.adjacency[0, 0, 0, 1].item() == pytest.approx(1 / 3)
    assert 0.6 < log.adjacency[0, 0, 0, 1].item() < 0.8
    assert torch.equal(share.y, log.y)
    assert set(share.y.unique().tolist()) == {0, 1}


def test_features_are_scaled_by_training_days_only(file: Path) -> None:
    told = small()
    cases = told["y"]
    assert isinstance(cases, list)
    later = file.with_name("later.json")
    later.write_text(json.dumps({**told, "y": [*cases[:24], *[[900] * REGIONS] * 16]}))
    one, other = (Mobility(path=str(path), features="cases").build(0).splits["train"] for path in (file, later))
    assert torch.equal(one.x[0, :24], other.x[0, :24])


def test_lines_of_directed_graphs_speak_of_ordered_pairs(file: Path) -> None:
    spec = Mobility(path=str(file))
    lines = spec.lines(spec.build(0))
    assert lines["test.ap: chance"] == pytest.approx(3 / 12)
    assert lines["test.auc: copy last"] == pytest.approx(1 / 3)  # every edge has just turned around
    assert lines["test.auc: successor lookup"] == 1.0


def test_cases_are_forecast_over_the_graph_of_each_day(file: Path) -> None:
    spec = MobilityCases(path=str(file), weights="none")
    built = spec.build(0)
    batch = built.splits["train"].batch(torch.tensor([0]), REGIONS)
    assert built.task == "forecast"
    assert batch.adjacency.shape == (1, 7, REGIONS, REGIONS)
    mean, std = built.scale.mean[0], built.scale.std[0]
    assert (batch.y[0] * std + mean).round().int().tolist() == [[day + r for r in range(4)] for day in (7, 8, 9)]
    check_dataset(spec)
    assert spec.lines(built)["test.mae: last value"] == pytest.approx(2.0, abs=1e-5)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda text: text[: len(text) // 2], "broken off or no JSON"),
        (lambda text: "day,region\n1,2\n", "broken off or no JSON"),
        (lambda text: json.dumps([1, 2]), "not laid out"),
        (lambda text: json.dumps({"y": small()["y"]}), "not laid out"),
        (lambda text: json.dumps({**small(), "y": [1, 2, 3]}), "not days x regions"),
        (lambda text: json.dumps({**small(), "y": [[0, 0]] * DAYS}), "joins region 3, of 2"),
        (lambda text: json.dumps({**small(30), "y": small()["y"]}), "not laid out"),
        (lambda text: text.replace("[3, 3]", "[3]"), "not laid out"),
    ],
    ids=["truncated", "csv", "list", "no edges", "flat cases", "too few regions", "missing days", "half an edge"],
)
def test_a_file_that_cannot_be_read_is_told_with_its_path_and_a_mend(file: Path, spoil: object, told: str) -> None:
    file.write_text(spoil(file.read_text()))  # type: ignore[operator]
    with pytest.raises(LabError, match=told) as caught:
        read(str(file))
    assert str(file) in caught.value.what
    assert "edge_mapping" in caught.value.hint


def test_a_missing_file_and_a_window_too_long_are_told(file: Path, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="there is no file"):
        Mobility(path=str(tmp_path / "none.json")).build(0)
    with pytest.raises(LabError, match="8 days has no window of 20"):
        Mobility(path=str(file), window=20).build(0)


def test_another_content_under_the_same_name_is_another_data_set(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    spec = Mobility(path=str(file), features="cases")
    first = load_dataset(spec, 0)
    told = small()
    cases = told["y"]
    assert isinstance(cases, list)
    file.write_text(json.dumps({**told, "y": cases[::-1]}))
    assert load_dataset(spec, 0).sha256 != first.sha256


@published
def test_the_published_days_are_what_they_are_known_to_be() -> None:
    record = read(str(PUBLISHED))
    assert record.moves.shape == (61, 129, 129)
    edges = record.moves > 0
    assert edges.mean((1, 2)).min() == pytest.approx(0.05 - 1 / 129, abs=0.01)
    assert edges.mean((1, 2)).max() == pytest.approx(0.13 - 1 / 129, abs=0.01)
    assert (edges[:-1] & edges[1:]).sum() / edges[:-1].sum() == pytest.approx(0.89, abs=0.01)
    lines = Mobility(path=str(PUBLISHED)).lines(Mobility(path=str(PUBLISHED)).build(0))
    assert lines["test.auc: copy last"] == pytest.approx(0.939, abs=0.002)
    assert lines["test.auc: pair marginal"] > 0.99  # who is joined hardly changes: macro AUC and AP tell more
