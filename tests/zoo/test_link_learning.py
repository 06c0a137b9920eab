"""What models of links learn on a small persistent block model, beside the best that can be done there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML
from sklearn.metrics import roc_auc_score
from torch.nn.functional import binary_cross_entropy_with_logits

from lab.spec.datasets import PsbmLinks
from lab.spec.models import Gman, LinkBaseline

pytestmark = [pytest.mark.torch, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = YAML(typ="safe").load(ROOT / "experiments/links_gman_documented.yaml")["model"]
DATA = PsbmLinks(nodes=16, window=5, length=40, train=32, valid=1, test=12)
UPPER = torch.ones(16, 16, dtype=torch.bool).triu(1)
SMALL = {"layers": 1, "width": 16, "dropout": 0.0}


@pytest.fixture(scope="module")
def dataset():
    return DATA.build(0)


def documented(form):
    readout = {**DOCUMENTED["readout"], "form": form, "output": "logit"}
    return Gman.model_validate({**DOCUMENTED, **SMALL, "readout": readout})


def auc(spec, dataset, steps=150):
    """Of the pairs above the diagonal on the test windows, after so many steps."""
    torch.manual_seed(0)
    model = spec.build(dataset.shape)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    train, test = dataset.splits["train"], dataset.splits["test"]
    for _ in range(steps):
        batch = train.batch(torch.randint(len(train), (32,)), 16)
        optimiser.zero_grad()
        binary_cross_entropy_with_logits(model(batch)[:, UPPER], batch.y[:, UPPER].float()).backward()
        optimiser.step()
    with torch.no_grad():
        batch = test.batch(torch.arange(len(test)), 16)
        logits = model.eval()(batch)[:, UPPER]
    return roc_auc_score(batch.y[:, UPPER].flatten(), logits.flatten())


def test_the_readout_decides_what_the_documented_form_can_learn(dataset):
    assert auc(documented("row_linear"), dataset) < 0.62
    assert auc(documented("bilinear"), dataset) > 0.68


def test_the_repaired_form_with_the_pairs_past_comes_near_the_best_possible_score(dataset):
    best = DATA.ceilings()["auc: best possible"]
    spec = Gman.model_validate({"kind": "gman", **SMALL, "readout": {"adjacency_skip": "last_frame"}})
    assert best - 0.03 < auc(spec, dataset) < best + 0.02


def test_the_baselines_stand_in_their_order(dataset):
    found = [
        auc(LinkBaseline(rule=rule), dataset) for rule in ("pair_marginal", "window_mean", "copy_last", "pair_logit")
    ]
    assert found == sorted(found)
    assert found[0] < 0.55
    assert found[-1] < DATA.ceilings()["auc: best possible"] + 0.01
