"""The contracts pass what keeps them and stop what breaks them; plug-ins defined on the spot are the examples."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import pytest
import torch
from pydantic import Field
from torch import nn

from lab.data.batch import IGNORED, Batch, Dataset, Shape, Split
from lab.spec.datasets import Cluster, DatasetSpec, Pattern
from lab.spec.models import ModelSpec
from lab.spec.probes import Gradients, ProbeSpec
from lab.spec.rules import Finding, RuleSpec, Vanishing
from lab.spec.spec import Factor
from lab.testing import check_dataset, check_model, check_probe, check_rule

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def menu():
    """Take what a test puts on the menus off again."""
    families = (ModelSpec, DatasetSpec, ProbeSpec, RuleSpec)
    before = [dict(family.members) for family in families]
    yield
    for family, members in zip(families, before, strict=True):
        family.members.clear()
        family.members.update(members)


class MeanNet(nn.Module):
    """The mean over the neighbours, in a few lines, as a plug-in would write it."""

    def __init__(self, spec, shape):
        super().__init__()
        self.spec = spec
        self.embedding = nn.Embedding(shape.tokens, 8)
        self.readout = nn.Linear(8, shape.outputs)
        self.gate = nn.Linear(8, 1) if spec.gate else None

    def forward(self, batch):
        x = self.embedding(batch.x)
        edges = batch.adjacency.float()
        mean = edges @ x / edges.sum(-1, keepdim=True).clamp(min=1)
        return self.readout(x + (mean if self.gate is None else mean * self.gate(x).sigmoid()))


def mean_spec(net):
    class Mean(ModelSpec):
        """Average over the neighbours."""

        kind: Literal["mean"] = "mean"
        gate: Annotated[bool, Factor(off=False)] = True
        """Scale the average by a gate."""

        def build(self, shape: Shape) -> nn.Module:
            return net(self, shape)

    return Mean


def test_a_plug_in_model_that_overrides_build_passes():
    check_model(mean_spec(MeanNet))


class Ordered(MeanNet):
    def forward(self, batch):
        return super().forward(batch) + torch.arange(batch.mask.shape[1])[None, :, None]


class TouchedByPadding(MeanNet):
    def forward(self, batch):
        return super().forward(batch) + self.embedding(batch.x).mean((0, 1))[0]


class Lazy(MeanNet):
    def __init__(self, spec, shape):
        super().__init__(spec, shape)
        self.spare = nn.Linear(2, 2)


class Undrawable(MeanNet):
    def __init__(self, spec, shape):
        super().__init__(spec, shape)
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(self, batch):
        return super().forward(batch) + self.shift


class LeavesBehind(MeanNet):
    def __init__(self, spec, shape):
        super().__init__(spec, shape)
        self.instead = None if spec.gate else nn.Linear(8, 8)


class Boastful(MeanNet):
    def zero_gradient(self):
        return {"readout.bias"}


@pytest.mark.parametrize(
    ("net", "complaint"),
    [
        (Ordered, "order of the nodes"),
        (TouchedByPadding, "touched by padding"),
        (Lazy, "never gives a gradient to .*spare"),
        (Undrawable, "no reset_parameters"),
        (LeavesBehind, "no other level has.*instead"),
    ],
)
def test_a_model_that_breaks_a_contract_is_told_which(net, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_model(mean_spec(net))


def test_a_name_is_not_believed_to_lack_a_gradient():
    class Double(Boastful):
        def forward(self, batch):
            x = self.embedding(batch.x)
            return self.readout(x * self.gate(x))

    with pytest.raises(AssertionError, match=r"calls .*readout\.bias"):
        check_model(mean_spec(Double)(), dtype=torch.float64)


@pytest.mark.parametrize("kind", [Pattern, Cluster])
def test_our_datasets_keep_the_contract(kind):
    check_dataset(kind(train=6, valid=3, test=3, sizes=(3, 6)))


def ring(seed, *, overlap=False, label=1):
    nodes = torch.arange(6)
    edges = torch.zeros(6, 6, dtype=torch.uint8)
    edges[nodes, nodes.roll(1)] = edges[nodes.roll(1), nodes] = 1
    x = torch.randint(3, (6,), generator=torch.Generator().manual_seed(seed))

    def split(odd):
        y = torch.where(nodes % 2 == (odd and not overlap), label, IGNORED)
        return Split(x[None], edges[None], y[None], torch.tensor([6]))

    return Dataset(Shape(nodes=6, classes=2, tokens=3), {"train": split(False), "valid": split(True)})


def ring_spec(build):
    class Ring(DatasetSpec):
        """A ring, half of it for learning."""

        kind: Literal["ring"] = "ring"

        def build(self, seed: int) -> Dataset:
            return build(seed)

    return Ring


def test_two_splits_may_share_a_graph_but_no_scored_node():
    check_dataset(ring_spec(ring))
    with pytest.raises(AssertionError, match="scored in train too"):
        check_dataset(ring_spec(lambda seed: ring(seed, overlap=True)))


def test_a_dataset_that_forgets_its_seed_or_its_shape_is_told():
    with pytest.raises(AssertionError, match="two datasets"):
        check_dataset(ring_spec(lambda seed: ring(int(torch.randint(10**6, ())))))
    with pytest.raises(AssertionError, match="a label is not among"):
        check_dataset(ring_spec(lambda seed: ring(seed, label=2)))


def test_our_probe_leaves_every_loss_as_it_is():
    check_probe(Gradients)


def test_a_probe_that_touches_the_weights_is_told():
    class Meddler(ProbeSpec):
        """Nudges what it measures."""

        kind: Literal["meddler"] = "meddler"
        moment: ClassVar[Literal["after_backward"]] = "after_backward"

        def read(self, model):
            with torch.no_grad():
                for name, weight in model.named_parameters():
                    weight.mul_(1.01)
                    yield name, weight.norm()

    with pytest.raises(AssertionError, match="changed a loss"):
        check_probe(Meddler)


def test_our_rule_spares_the_healthy_and_finds_the_vanishing():
    check_rule(Vanishing, sick=[[(step, 1e-9) for step in range(40)]])


def test_a_rule_that_cries_wolf_or_sleeps_is_told():
    class Wolf(RuleSpec):
        """Fires on anything at all."""

        kind: Literal["wolf"] = "wolf"
        reads: ClassVar[str] = "gradients.grad_norm"
        after: Annotated[int, Field(ge=0)] = 0
        """Readings it waits for."""

        def check(self, scope, series):
            return Finding(self.kind, scope, series[-1][0]) if len(series) > self.after else None

    with pytest.raises(AssertionError, match="fires on a healthy series of 1 readings"):
        check_rule(Wolf)
    with pytest.raises(AssertionError, match="does not fire"):
        check_rule(Wolf(after=10**6), sick=[[(0, 1.0)]])


def test_a_batch_of_numbers_and_targets_can_be_checked_too():
    class Line(ModelSpec):
        """One linear layer on the node's own numbers."""

        kind: Literal["line"] = "line"
        tasks: ClassVar[tuple[str, ...]] = ("regress_nodes",)

        def build(self, shape: Shape) -> nn.Module:
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.readout = nn.Linear(shape.features, shape.outputs)

                def forward(self, batch: Batch):
                    return self.readout(batch.x)

            return Net()

    check_model(Line)
