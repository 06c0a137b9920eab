"""The degree baseline: what it reads of a graph."""

from __future__ import annotations

import pytest
import torch

from lab.data.batch import Batch, Shape
from lab.spec.models import DegreeLogreg as Options
from lab.zoo.baselines import DegreeLogreg

pytestmark = pytest.mark.torch

SHAPE = Shape(nodes=4, classes=2, tokens=3)


def star():
    """A star of three nodes, padded by one, with a self loop and a repeated edge that must not count."""
    adjacency = torch.zeros(1, 4, 4, dtype=torch.uint8)
    adjacency[0, 0, 1:3] = adjacency[0, 1:3, 0] = 1
    adjacency[0, 0, 0], adjacency[0, 0, 1] = 1, 3
    mask = torch.tensor([[True, True, True, False]])
    return Batch(torch.zeros(1, 4, dtype=torch.int64), adjacency, mask, torch.zeros(1, 4), torch.arange(1))


@pytest.mark.parametrize(
    ("features", "centre", "leaf"),
    [
        ("degree", [2], [1]),
        ("standardised", [2**0.5], [-(0.5**0.5)]),
        ("share", [2, 3, 2 / 3], [1, 3, 1 / 3]),
        ("neighbours", [2, 3, 2 / 3, 1, 2], [1, 3, 1 / 3, 2, 2]),
    ],
)
def test_features_are_those_of_the_simple_graph(features, centre, leaf):
    found = DegreeLogreg(Options(features=features), SHAPE).features(star())[0]
    torch.testing.assert_close(found[0], torch.tensor(centre, dtype=torch.float32))
    torch.testing.assert_close(found[1], torch.tensor(leaf, dtype=torch.float32))


def test_nothing_is_learned_but_one_linear_layer():
    model = DegreeLogreg(Options(), SHAPE)
    assert [name for name, _ in model.named_parameters()] == ["readout.weight", "readout.bias"]


def test_a_regular_graph_gives_no_nan():
    batch = star()
    ring = (torch.ones(1, 4, 4) - torch.eye(4)).to(torch.uint8)
    whole = Batch(batch.x, ring, torch.ones(1, 4, dtype=torch.bool), batch.y, batch.ids)
    assert DegreeLogreg(Options(features="standardised"), SHAPE)(whole).isfinite().all()
