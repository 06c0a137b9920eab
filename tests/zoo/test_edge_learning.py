"""What the edge transformer is for: composing what neighbours are to each other, before any node is averaged."""

from __future__ import annotations

import pytest
import torch

from lab.spec.datasets import DatasetSpec, Pyramid, PyramidNodes
from lab.spec.experiment import Experiment
from lab.spec.models import EdgeTransformer
from lab.train.tasks import task_of

pytestmark = pytest.mark.torch

OPTIONS = {"powers": (0, 1), "edge_layers": 3, "products": 4, "edge_norm": "layer", "width": 16, "feed_forward": 32}


def accuracy(spec: EdgeTransformer, asked: DatasetSpec, *, steps: int, score: str) -> float:
    """Accuracy on the graphs it is trained on, 32 a step."""
    torch.manual_seed(0)
    data = asked.build(0)
    model, split = spec.build(data.shape), data.splits["train"]
    task = task_of(data, Experiment(dataset=asked, model=spec))
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(steps):
        batch = split.batch(torch.randperm(len(split))[:32], data.shape.nodes)
        optimiser.zero_grad()
        task.loss(model(batch), batch)[0].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
    whole = split.batch(torch.arange(len(split)), data.shape.nodes)
    with torch.no_grad():
        return task.scores(task.sums(model(whole), whole).tolist())[score]


def test_by_products_it_colours_pairs_that_neighbourhoods_alone_cannot_tell():
    data = Pyramid(base=4, valid_base=2, test_base=2)
    assert accuracy(EdgeTransformer(layers=0, **OPTIONS), data, steps=100, score="acc") == 1
    assert accuracy(EdgeTransformer(layers=0, product="none", **OPTIONS), data, steps=100, score="acc") < 0.8


@pytest.mark.slow
def test_with_one_averaging_it_colours_nodes_from_three_that_are_revealed():
    data = PyramidNodes(base=4, valid_base=3, test_base=3)
    assert accuracy(EdgeTransformer(layers=1, **OPTIONS), data, steps=150, score="plain_acc") > 0.97
    assert accuracy(EdgeTransformer(layers=1, product="none", **OPTIONS), data, steps=150, score="plain_acc") < 0.9
