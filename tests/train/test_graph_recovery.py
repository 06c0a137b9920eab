"""A learned graph against the one behind the data: ranks equal to scikit-learn, asked of models that offer one."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor, nn

from lab.data.batch import Batch, Dataset, Shape
from lab.data.batching import evaluation_batches, prepare_splits
from lab.data.windows import WindowSplit
from lab.spec.experiment import Experiment
from lab.train.build import build_model
from lab.train.learner import Learner
from lab.train.scoring import score
from lab.train.streams import Streams
from lab.train.tasks import Forecast, task_of
from lab.train.tasks.graph_recovery import recovery_scores

pytestmark = pytest.mark.torch


def test_ranks_are_those_of_scikit_learn_without_the_diagonal() -> None:
    random = torch.Generator().manual_seed(0)
    truth = (torch.rand(12, 12, generator=random) < 0.2).float()
    said = torch.rand(12, 12, generator=random) + 0.5 * truth
    off = ~torch.eye(12, dtype=torch.bool)
    told = recovery_scores(said, truth)
    links, values = truth[off].numpy(), said[off].double().numpy()
    assert told["graph_auroc"] == pytest.approx(roc_auc_score(links, values))
    assert told["graph_ap"] == pytest.approx(average_precision_score(links, values))
    assert told["graph_auroc_reversed"] == pytest.approx(roc_auc_score(truth.T[off].numpy(), values))
    strongest = truth[off][said[off].argsort(descending=True)[: int(links.sum())]]
    assert told["graph_precision"] == pytest.approx(strongest.mean().item())


def test_turning_a_learned_graph_round_swaps_its_two_directions() -> None:
    truth = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    told, turned = recovery_scores(truth, truth), recovery_scores(truth.T, truth)
    assert told["graph_auroc"] == turned["graph_auroc_reversed"] == 1.0
    assert told["graph_auroc_reversed"] == turned["graph_auroc"] == 0.0


def test_only_edges_from_drivers_to_others_are_asked_for_where_there_are_drivers() -> None:
    truth, said = torch.zeros(4, 4), torch.full((4, 4), 9.0)
    truth[2, 0] = truth[3, 1] = 1
    said[2:, :2] = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    assert recovery_scores(said, truth, drivers=2)["graph_auroc"] == 1.0


class Knowing(nn.Module):
    """Says 0 of everything, and knows the graph in half of the windows."""

    def __init__(self, truth: Tensor) -> None:
        super().__init__()
        self.truth, self.value = truth, nn.Parameter(torch.zeros(1))

    def forward(self, batch: Batch) -> Tensor:
        return self.value.expand(*batch.y.shape, 1)

    def learned_graph(self, batch: Batch) -> Tensor:
        return self.truth * (batch.ids % 2)[:, None, None]


def test_a_model_that_offers_its_graph_is_scored_on_it_where_the_truth_is_known() -> None:
    truth = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    starts = torch.tensor([[0, first] for first in range(7)])
    x = torch.randn(1, 12, 3, 1)
    split = WindowSplit(x, torch.zeros(3, 3), x[..., 0], starts, 4, 2)
    said = Experiment.model_validate(
        {"dataset": {"kind": "latent_graph_series"}, "model": {"kind": "forecast_baseline"}, "training": {"batch": 2}}
    )
    shape = Shape(nodes=3, features=1, window=4, horizon=2)
    model = Knowing(truth)
    for known in (truth, None):
        data = Dataset(shape, {"train": split, "valid": split}, "forecast", truth=known)
        task = Forecast(data, "values", loss="default", options=said.training.forecast)
        told = score(Learner.of(said, model, Streams(0, "", frozenset())), prepare_splits(data, model), task).scores
        assert ("valid.graph_auroc" in told) == (known is not None)
        assert "train.graph_auroc" not in told
        assert told.get("valid.graph_auroc", 1.0) == 1.0


MODELS: list[dict[str, object]] = [
    {"kind": "latent_seq2seq", "width": 8, "latent": {"heads": 2}},
    {"kind": "latent_seq2seq", "width": 8, "graph_readout": "static"},
    {"kind": "pgat", "width": 8, "heads": 2, "layers": 1},
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model['kind']}-{len(model)}")
def test_the_graph_is_read_in_the_very_pass_that_is_scored(model: dict[str, object]) -> None:
    series = {"kind": "latent_graph_series", "nodes": 5, "degree": 2, "length": 120, "window": 8, "horizon": 2}
    said = Experiment.model_validate({"dataset": series, "model": model, "training": {"batch": 8}})
    data = said.dataset.build(0)
    built = build_model(said, data.shape, 0)
    built.eval()
    splits = prepare_splits(data, built)
    batches = [splits["valid"].batch(*cut) for cut in evaluation_batches(splits["valid"].split.sizes, 8)]
    expected = torch.cat([built.learned_graph(batch) for batch in batches]).double().mean(0)
    calls: Counter[str] = Counter()
    for name, module in built.named_modules():
        module.register_forward_hook(lambda *_, name=name: calls.update([name]))
    learner = Learner.of(said, built, Streams(0, "", frozenset()))
    held_out = {name: split for name, split in splits.items() if name != "train"}
    told = score(learner, held_out, task_of(data, said)).scores
    passes = sum(len(evaluation_batches(split.split.sizes, 8)) for split in held_out.values())
    assert calls[""] == passes
    assert calls["first"] in (0, passes)
    assert calls["blocks.0"] in (0, passes)
    assert data.truth is not None
    wanted = recovery_scores(expected, data.truth)
    assert {name: told[f"valid.{name}"] for name in wanted} == pytest.approx(wanted, nan_ok=True)
