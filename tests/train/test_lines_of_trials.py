"""Known scores stand beside a trial only where they speak of the entries that it scores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from lab.data.batch import Dataset
from lab.data.links.lines import link_lines
from lab.data.windows import WindowSplit
from lab.spec.experiment import Experiment
from lab.train.build import known_scores
from lab.train.tasks.known_lines import known_lines

pytestmark = pytest.mark.torch

DATA = {"kind": "psbm_links", "nodes": 12, "train": 3, "valid": 2, "test": 2, "length": 20, "window": 3}
BEST = "auc: best possible"


def said(entries: str, data: dict[str, Any] = DATA) -> Experiment:
    model = {"kind": "link_baseline"}
    return Experiment.model_validate({"dataset": data, "model": model, "training": {"score_entries": entries}})


def built(data: dict[str, Any] = DATA) -> Dataset:
    spec = said("default", data).dataset
    made = spec.build(0)
    return replace(made, lines=spec.lines(made))


@pytest.mark.parametrize("entries", ["default", "upper", "offdiag"])
def test_both_triangles_of_symmetric_graphs_have_the_same_lines(entries: str) -> None:
    data = built()
    assert known_lines(said(entries), data) == data.lines


def test_a_diagonal_that_is_scored_has_ceilings_of_its_own_and_no_line_of_pairs() -> None:
    data = built()
    told = known_lines(said("full"), data)
    assert told.keys() < data.lines.keys()
    assert not [name for name in told if name.startswith(("valid.", "test."))]
    assert told[BEST] > data.lines[BEST]
    assert told["nll: best possible"] == pytest.approx(data.lines["nll: best possible"] * 11 / 12)
    assert told["ap: best possible"] == data.lines["ap: best possible"]
    assert told["auc: chance"] == 0.5


def test_a_claim_may_name_only_what_is_told_beside_its_trials() -> None:
    told = known_scores(said("full"))
    assert BEST in told
    assert "test.auc: copy last" not in told
    assert "test.auc: copy last" in known_scores(said("offdiag"))


def test_a_ceiling_that_is_unknown_stays_so() -> None:
    unknown = DATA | {"propensity": 0.5}
    assert known_lines(said("full", unknown), built(unknown)).keys() == {"auc: chance", "auc_macro: chance"}


def test_one_triangle_of_directed_graphs_has_no_line_of_both() -> None:
    random = torch.Generator().manual_seed(0)
    graphs = (torch.rand(1, 40, 8, 8, generator=random) < 0.3).to(torch.uint8)
    starts = torch.tensor([[0, first] for first in range(30)])
    split = WindowSplit(torch.zeros(1, 40, 8, 1), graphs, graphs, starts, 3)
    data = replace(built(), splits=dict.fromkeys(("train", "valid", "test"), split))
    data = replace(data, lines=link_lines(data))
    assert known_lines(said("default"), data) == known_lines(said("offdiag"), data) == data.lines
    assert known_lines(said("upper"), data).keys() == {"auc: chance", "auc_macro: chance"}
