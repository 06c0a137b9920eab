"""The task of predicting links: entries, thresholds, single classes, and runs whose scores are not numbers."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
import torch
from sklearn import metrics
from small_trial import Diary, experiment, run
from torch import Tensor

from lab.data.batch import Dataset, Shape
from lab.data.batching import Prepared
from lab.data.windows import WindowSplit
from lab.errors import LabError
from lab.spec.experiment import Experiment, Training
from lab.spec.tasks import TASKS
from lab.train.learner import Learner
from lab.train.loop import Member, train
from lab.train.scoring import score
from lab.train.streams import Streams
from lab.train.tasks import PredictLinks, task_of

pytestmark = pytest.mark.torch

NODES, WINDOW = 8, 3
SMALL = {"kind": "psbm_links", "nodes": 10, "train": 4, "valid": 2, "test": 2, "length": 24, "window": 4}


def links_of(sequences: int, *, directed: bool = False, seed: int = 0, density: float = 0.3) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    edges = torch.rand(sequences, 14, NODES, NODES, generator=random) < density
    graphs = edges if directed else edges.triu(1) | edges.triu(1).mT
    return graphs.to(torch.uint8)


def split_of(graphs: Tensor) -> WindowSplit:
    starts = torch.tensor([[one, first] for one in range(len(graphs)) for first in range(10)])
    x = torch.zeros(*graphs.shape[:3], 1)
    return WindowSplit(x, graphs, graphs, starts, WINDOW)


def dataset_of(**graphs: Tensor) -> Dataset:
    splits = {"train": links_of(4), "valid": links_of(2, seed=1), "test": links_of(2, seed=2)} | graphs
    shape = Shape(nodes=NODES, features=1, pairs=1, window=WINDOW)
    return Dataset(shape, {name: split_of(each) for name, each in splits.items()}, "predict_links")


def task(dataset: Dataset | None = None, /, answer: Any = "logits", **training: Any) -> PredictLinks:
    return PredictLinks(dataset or dataset_of(), answer, Training.model_validate(training))


class Says(torch.nn.Module):
    """Answers every window with a function of it."""

    def __init__(self, say: Any) -> None:
        super().__init__()
        self.say = say
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, batch: Any) -> Tensor:
        return self.scale * self.say(batch)


def mean_of_window(batch: Any) -> Tensor:
    return batch.adjacency.float().mean(1) * 4 - 2


def scored(own: PredictLinks, say: Any = mean_of_window) -> Mapping[str, float]:
    dataset, model = own.dataset, Says(say)
    said = Experiment.model_validate({"dataset": SMALL, "model": {"kind": "link_baseline"}, "training": {"batch": 7}})
    learner = Learner.of(said, model, Streams(0, "", frozenset()))
    splits = {name: Prepared(split, model, 0) for name, split in dataset.splits.items()}
    return score(learner, splits, own).scores


def test_every_score_that_is_promised_is_told() -> None:
    own = task(replace(dataset_of(), lines={"auc: best possible": 0.9}))
    told = scored(own)
    assert {name.removeprefix("valid.") for name in told if name.startswith("valid.")} == set(
        TASKS["predict_links"].scores
    )
    assert all(math.isfinite(value) for value in told.values())


def test_skill_is_told_only_where_the_best_is_known() -> None:
    assert "valid.skill" not in scored(task())


def test_all_windows_are_ranked_together_whatever_the_batches() -> None:
    own = task()
    split = own.dataset.splits["test"]
    whole = split.batch(torch.arange(len(split)), NODES)
    upper = np.triu(np.ones((NODES, NODES), dtype=bool), 1)
    said, links = mean_of_window(whole).numpy()[:, upper].ravel(), whole.y.numpy()[:, upper].ravel()
    told = scored(own)
    assert told["test.auc"] == pytest.approx(metrics.roc_auc_score(links, said))
    assert told["test.ap"] == pytest.approx(metrics.average_precision_score(links, said))


def test_thresholds_are_those_of_the_validation_graphs() -> None:
    def by_density(batch: Any) -> Tensor:
        return batch.adjacency[:, -1].float() + batch.y.float() * 0.5 * (batch.y.float().mean() > 0.4)

    own = task(dataset_of(valid=links_of(2, seed=1, density=0.9), test=links_of(2, seed=2, density=0.1)))
    alone = dict.fromkeys(("train", "valid", "test"), own.dataset.splits["test"])
    with_valid, by_itself = scored(own, by_density), scored(task(replace(own.dataset, splits=alone)), by_density)
    assert with_valid["test.best_f1"] < by_itself["test.best_f1"]


@pytest.mark.parametrize(("directed", "entries"), [(False, "upper"), (True, "offdiag")])
def test_entries_below_the_diagonal_count_where_edges_have_a_direction(directed: bool, entries: str) -> None:
    assert task(dataset_of(train=links_of(4, directed=directed))).scored == entries
    assert task(score_entries="full").scored == "full"


def test_the_diagonal_earns_a_model_that_ranks_it_last_a_little() -> None:
    def random(batch: Any) -> Tensor:
        noise = torch.rand(batch.y.shape, generator=torch.Generator().manual_seed(int(batch.ids[0])))
        return (noise + noise.mT) - 9 * torch.eye(NODES)

    off, full = (scored(task(score_entries=entries), random)["train.auc"] for entries in ("offdiag", "full"))
    pairs = (
        NODES * (NODES - 1) * (1 - links_of(4)[:, WINDOW:, ~torch.eye(NODES, dtype=torch.bool)].float().mean().item())
    )
    assert full == pytest.approx((pairs * off + NODES) / (pairs + NODES), abs=0.005)


@pytest.mark.parametrize(("how", "auc"), [("skip", math.nan), ("zero", 0.0)])
def test_a_split_of_one_class_has_no_auc_or_counts_as_nothing(how: str, auc: float) -> None:
    told = scored(task(dataset_of(valid=torch.zeros_like(links_of(2))), single_class=how))
    for name in ("valid.auc", "valid.ap", "valid.auc_macro", "valid.doc_auc"):
        assert told[name] == pytest.approx(auc, nan_ok=True), name
    assert told["valid.n_undefined"] == 20
    assert told["valid.best_f1"] == 0
    assert math.isfinite(told["test.auc"])


def test_a_split_of_one_class_ends_the_run_where_that_is_asked_for() -> None:
    with pytest.raises(LabError, match="20 graphs of the valid split"):
        scored(task(dataset_of(valid=torch.zeros_like(links_of(2))), single_class="raise"))


def test_answers_that_are_not_numbers_have_scores_that_are_not_numbers() -> None:
    told = scored(task(), lambda batch: mean_of_window(batch) * torch.nan)
    assert math.isnan(told["valid.auc"])
    assert math.isnan(told["test.brier"])


def test_probes_hear_how_much_of_either_class_was_found() -> None:
    own = task()
    batch = own.dataset.splits["train"].batch(torch.arange(5), NODES)
    outputs = torch.full((5, NODES, NODES), -1.0).where(torch.rand(5, NODES, NODES) < 0.7, 1.0)
    seen = own.seen(own.sums(outputs, batch).tolist())
    upper = torch.ones(NODES, NODES).triu(1).bool()
    links, said = batch.y[:, upper] != 0, outputs[:, upper] > 0
    expected = [float((said == links)[links == one].float().mean()) for one in (False, True)]
    assert seen.recalls == pytest.approx(expected)
    assert seen.shares == pytest.approx([float((~said).float().mean()), float(said.float().mean())])
    assert seen.loss == pytest.approx(own.loss(outputs, batch)[0].item())


@pytest.mark.parametrize("kind", ["train_constant", "sqrt_train"])
def test_links_weigh_what_the_training_graphs_say(kind: str) -> None:
    own = task(loss="weighted_focal", focal={"pos_weight": kind, "gamma": 0.0}, loss_entries="offdiag")
    asked = torch.cat([own.dataset.splits["train"].batch(torch.arange(40), NODES).y]).float()
    others, links = (1 - asked).sum().item() - 40 * NODES, asked.sum().item()
    weight = (others / links) ** (1 if kind == "train_constant" else 0.5)
    batch = own.dataset.splits["train"].batch(torch.arange(3), NODES)
    due = batch.y[:, ~torch.eye(NODES, dtype=torch.bool)].float()
    expected = (torch.where(due > 0, weight, 1.0) * math.log(2)).mean().item()
    assert own.loss(torch.zeros(3, NODES, NODES), batch)[0].item() == pytest.approx(expected, rel=1e-5)


def test_a_batch_of_nothing_but_links_teaches_the_published_loss_nothing() -> None:
    full = dataset_of(train=torch.ones_like(links_of(4)))
    batch = full.splits["train"].batch(torch.arange(3), NODES)
    for focal, void in (({"pos_weight": "batch_ratio"}, True), ({}, False)):
        loss, is_void = task(full, loss="weighted_focal", focal=focal).loss(torch.randn(3, NODES, NODES), batch)
        assert bool(is_void) is void
        assert (loss.item() == 0) is void


def test_a_thousand_windows_are_scored_in_well_under_a_second() -> None:
    random = torch.Generator().manual_seed(0)
    said, noise = (torch.rand(1000, 30, 30, generator=random) for _ in range(2))
    own = task()
    started = time.process_time()
    told = own.scores_of_rows({"valid": [said, noise < 0.2, noise.flip(0) < 0.2]})
    assert time.process_time() - started < 5
    assert told["valid"]["auc"] == pytest.approx(0.5, abs=0.01)


def trial(**sections: Any) -> Any:
    training = {"epochs": 2, "batch": 16, "lr": 0.05} | sections.pop("training", {})
    dataset = SMALL | sections.pop("dataset", {})
    model = {"kind": "link_baseline"}
    said = Experiment.model_validate({"dataset": dataset, "model": model, "training": training} | sections)
    data: Dataset = said.dataset.build(0)
    assert isinstance(task_of(data, said), PredictLinks)
    return train([Member(said, 0, "c")], data, watcher=Diary(), checkpoints=None)[0]


@pytest.mark.parametrize("loss", ["bce", "focal", "weighted_focal"])
def test_a_baseline_learns_from_every_loss(loss: str) -> None:
    outcome = trial(training={"loss": loss, "epochs": 6, "schedule": "onecycle"})
    assert outcome.status == "done", outcome.error
    assert outcome.history["train.loss"][-1] < outcome.history["train.loss"][0]
    assert outcome.scores["valid.auc"] > 0.6


def test_scores_that_are_not_numbers_stop_no_run_but_by_patience() -> None:
    empty = {"density": 1e-9, "contrast": 1.0, "persistence": 0.0, "flips": 0.0, "valid": 1, "length": 8}
    stop = {"plateau": "2 epochs of valid.auc", "restore_best": True, "nan": "continue"}
    outcome = trial(dataset=empty, training={"epochs": 5, "schedule": "plateau"}, stop_run=stop)
    assert outcome.status == "done", outcome.error
    assert math.isnan(outcome.scores["valid.auc"])
    assert len(outcome.history["valid.auc"]) == 2


def test_batches_without_links_skip_updates_of_the_published_loss_and_are_counted() -> None:
    sparse = {"density": 0.01, "contrast": 1.0}
    written = {"loss": "weighted_focal", "focal": {"pos_weight": "batch_ratio"}, "batch": 2, "epochs": 1}
    told = trial(dataset=sparse, training=written, stop_run={"nan": "continue"})
    assert 0 < told.scores["course.skipped"] < 1
    safe = trial(dataset=sparse, training=written | {"focal": {}}, stop_run={"nan": "continue"})
    assert safe.scores["course.skipped"] == 0


def test_the_readings_tell_how_rare_links_are_in_a_batch() -> None:
    outcome = trial(training={"epochs": 1})
    rows = outcome.readings.filter(pc.equal(outcome.readings["probe"], "inputs"))
    ratios = np.array(rows["link_ratio"].to_pylist(), dtype=float)
    data = SMALL | {"kind": "psbm_links"}
    share = Experiment.model_validate({"dataset": data, "model": {"kind": "link_baseline"}}).dataset.build(0)
    every = torch.cat([share.splits["train"].batch(torch.arange(len(share.splits["train"])), 10).y])
    density = float((every != 0).float().mean()) * 10 / 9
    assert ratios.mean() == pytest.approx(math.log(1 / density - 1), abs=0.1)
    plain = run(experiment(training={"epochs": 1})).readings
    assert "link_ratio" not in plain.column_names or all(
        v is None or math.isnan(v) for v in plain["link_ratio"].to_pylist()
    )
