"""Three whole training steps of the gating transformer against those of the original layers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lab.data.batch import IGNORED, Batch, Shape
from lab.probes.probe import Subject
from lab.probes.recorder import Recorder
from lab.spec.experiment import Experiment
from lab.spec.probes import Gradients
from lab.train.build import build_model
from lab.train.learner import Learner
from lab.train.pack import Pack
from lab.train.step import Stepper
from lab.train.streams import Streams
from lab.train.tasks import ClassifyNodes

REFERENCE = Path(os.environ.get("LAB_REFERENCE", "../shared/reference"))
pytestmark = [pytest.mark.torch, pytest.mark.skipif(not REFERENCE.is_dir(), reason="no reference arrays here")]

SAID = Experiment.model_validate(
    {
        "dataset": {"kind": "pattern"},
        "model": {
            "kind": "graph_transformer",
            "layers": 2,
            "width": 8,
            "feed_forward": 16,
            "powers": [0, 1],
            "mixing": "gate",
            "mlp_norm": "batch",
            "bias_before_norm": True,
        },
        "training": {"lr": 0.01, "clip": 5.0},
        "probes": [{"kind": "gradients"}],
    }
)
NAMES = {
    "embedding": "gnn_transformer.gnn_node.node_encoder",
    "layers.0": "gnn_transformer.transformer.layers.0",
    "layers.1": "gnn_transformer.transformer.layers.1",
    "attention.in_projection.": "attention_layer.in_proj_",
    "attention.out_projection": "attention_layer.out_proj",
    "attention.positional": "attention_layer.positional_bias.weight",
    "attention_norm": "norm1.operation",
    "ff_norm": "norm2.operation",
    "feed_forward.norm": "batch_norm.operation",
    "feed_forward.linear": "linear",
    "readout": "graph_pred_linear",
}


def original(name: str) -> str:
    for ours, theirs in NAMES.items():
        name = name.replace(ours, theirs)
    return name


def dense(known: Any) -> Batch:
    """The stored edge list as padded graphs."""
    tokens, labels, graph = (torch.from_numpy(known[key]) for key in ("x", "y", "batch"))
    sizes = torch.bincount(graph)
    nodes = int(sizes.max())
    place = torch.arange(len(graph)) - (sizes.cumsum(0) - sizes)[graph]
    x, y = torch.zeros(len(sizes), nodes, dtype=torch.int64), torch.full((len(sizes), nodes), IGNORED)
    x[graph, place], y[graph, place] = tokens, labels
    adjacency = torch.zeros(len(sizes), nodes, nodes, dtype=torch.uint8)
    source, target = torch.from_numpy(known["edge_index"])
    adjacency[graph[source], place[source], place[target]] = 1
    return Batch(x, adjacency, torch.arange(nodes) < sizes[:, None], y, torch.arange(len(sizes)))


class Trained:
    """Three steps from the stored weights, with all that was seen on the way."""

    def __init__(self) -> None:
        self.known = np.load(REFERENCE / "positional_train_gating.npz")
        self.batch = dense(self.known)
        model = build_model(SAID, Shape(nodes=self.batch.mask.shape[1], classes=2, tokens=3), seed=0)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(torch.from_numpy(self.known[f"init.{original(name)}"]))
        pack, learner = Pack([model]), Learner.of(SAID, model, Streams(0))
        stepper = Stepper(pack, [learner], ClassifyNodes(2), planned_steps=3)
        subject = Subject(model, pack.layout, pack.weights[0], pack.gradients[0])
        recorder = Recorder([Gradients()], subject, planned_steps=3)
        stepper.recorders = (recorder,)
        self.model, self.losses, self.gradients = model.train(), [], list[dict[str, Tensor]]()
        for step in range(3):
            stepper.step(step, [[self.batch]])
            self.losses.append(stepper.losses.item())
            self.gradients.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
        recorder.flush()
        table = recorder.table()
        assert table is not None
        self.read = table.to_pandas().set_index(["step", "name"])
        self.exempt = model.zero_gradient()


@pytest.fixture(scope="module")
def trained() -> Trained:
    return Trained()


def test_every_parameter_has_its_counterpart(trained: Trained) -> None:
    ours = {original(name) for name, _ in trained.model.named_parameters()}
    assert ours == {key.removeprefix("init.") for key in trained.known.files if key.startswith("init.")}


def test_losses_agree_at_every_step(trained: Trained) -> None:
    theirs = [float(trained.known[f"step{step}.loss"]) for step in range(3)]
    assert trained.losses == pytest.approx(theirs, abs=1e-5)


def test_gradients_agree_at_every_step(trained: Trained) -> None:
    for step, gradients in enumerate(trained.gradients):
        for name, gradient in gradients.items():
            theirs = torch.from_numpy(trained.known[f"step{step}.grad.{original(name)}"])
            torch.testing.assert_close(gradient, theirs, atol=1e-4, rtol=1e-4)


def test_what_the_probe_reads_is_what_was_logged_then(trained: Trained) -> None:
    logged = {"grad_norm": "grad_norm", "weight_norm": "weight_norm", "grad_weight": "grad/weight"}
    for step in range(3):
        total = float(trained.known[f"step{step}.total_norm_before_clip"])
        row = trained.read.loc[(step, "__total__")]
        assert row.total_norm == pytest.approx(total, rel=1e-4)
        assert row.clip_coef == pytest.approx(min(1, 5 / total), rel=1e-4)
        assert row.lr == pytest.approx(0.01)
        for name in trained.gradients[step].keys() - trained.exempt:
            for ours, theirs in logged.items():
                value = float(trained.known[f"step{step}.log.{original(name)}:{theirs}"])
                assert trained.read.loc[(step, name), ours] == pytest.approx(value, rel=1e-3, abs=1e-5), (name, ours)


def test_weights_agree_after_three_steps_but_for_those_that_only_noise_moves(trained: Trained) -> None:
    assert len(trained.exempt) == 4
    for name, parameter in trained.model.named_parameters():
        if name not in trained.exempt:
            theirs = torch.from_numpy(trained.known[f"final.{original(name)}"])
            torch.testing.assert_close(parameter.detach(), theirs, atol=1e-4, rtol=1e-4)


def test_running_variances_agree_after_three_steps(trained: Trained) -> None:
    told = {name: buffer for name, buffer in trained.model.named_buffers() if name.endswith("running_var")}
    assert len(told) == 2
    for name, buffer in told.items():
        theirs = torch.from_numpy(trained.known[f"final_buffer.{original(name)}"])
        torch.testing.assert_close(buffer, theirs, atol=1e-4, rtol=1e-4)


def test_scores_agree_after_three_steps(trained: Trained) -> None:
    """With the noise of the original in the parameters that nothing else moves, and in what is made of them."""
    task = ClassifyNodes(2)
    trained.model.eval()
    with torch.no_grad():
        for name, tensor in [*trained.model.named_parameters(), *trained.model.named_buffers()]:
            if name in trained.exempt or name.endswith("running_mean"):
                kind = "final" if name in trained.exempt else "final_buffer"
                tensor.copy_(torch.from_numpy(trained.known[f"{kind}.{original(name)}"]))
        logits = trained.model(trained.batch)
    theirs = torch.from_numpy(trained.known["logits_eval"])
    torch.testing.assert_close(logits[trained.batch.mask], theirs, atol=1e-3, rtol=1e-3)
    told = task.scores(task.sums(logits, trained.batch).tolist())
    for name in ("acc", "acc_0", "acc_1"):
        assert told[name] == pytest.approx(float(trained.known[f"eval.{name}"]), abs=1e-6)
