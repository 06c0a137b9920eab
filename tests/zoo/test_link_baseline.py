"""Baselines of link prediction: what each looks at, and that logistic regression finds what it should."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from lab.data.batch import Batch, Shape
from lab.data.links.pair_numbers import NUMBERS
from lab.spec.models import LinkBaseline
from lab.testing import check_model, small_batch
from lab.testing.batches import LINKS
from lab.train.build import trainable

pytestmark = pytest.mark.torch

BATCH = small_batch(LINKS)
APART = ~torch.eye(6, dtype=torch.bool)
SIZES = {"density": 1, "pair_marginal": 36, "ewma": 3, "pair_logit": 6}


def numbers(name):
    links = BATCH.adjacency.float()
    return [number(links, links.mean(1)) for number in NUMBERS[name]]


@pytest.mark.parametrize("rule", ["copy_last", "window_mean", "common_neighbours", "degree_product", *SIZES])
def test_a_baseline_learns_a_few_numbers(rule):
    assert trainable(LinkBaseline(rule=rule).build(LINKS)) == SIZES.get(rule, 2)


def test_the_numbers_of_a_pair_are_what_they_are_called():
    links = BATCH.adjacency[1].float()
    mean = links.mean(0)
    last, average, common, degrees, product = (number[1] for number in numbers("pair_logit"))
    assert torch.equal(last, links[-1])
    torch.testing.assert_close(average[2, 4], links[:, 2, 4].mean())
    torch.testing.assert_close(common[2, 4], sum(mean[2, k] * mean[k, 4] for k in range(6)))
    torch.testing.assert_close(degrees[2, 4], mean[2].sum() + mean[4].sum())
    torch.testing.assert_close(product[2, 4], ((mean[2].sum() + 0.2) * (mean[4].sum() + 0.2)).log())


@pytest.mark.parametrize("rule", ["copy_last", "window_mean", "common_neighbours", "degree_product"])
def test_a_rule_of_one_number_ranks_pairs_by_that_number(rule):
    logits = LinkBaseline(rule=rule).build(LINKS)(BATCH)[:, APART]
    (number,) = numbers(rule)
    told = number[:, APART]
    assert torch.equal(told.flatten().argsort(stable=True), logits.flatten().argsort(stable=True))


def test_a_forgetting_mean_goes_from_the_window_mean_to_the_last_frame():
    model = LinkBaseline(rule="ewma").build(LINKS)
    for logit, expected in ((40.0, "window_mean"), (-40.0, "copy_last")):
        with torch.no_grad():
            model.forgetting.logit.fill_(logit)
        torch.testing.assert_close(model.forgetting(BATCH.adjacency.float()), numbers(expected)[0])


def test_a_table_of_pairs_says_the_same_of_every_window():
    model = LinkBaseline(rule="pair_marginal").build(LINKS)
    with torch.no_grad():
        model.table.weight.normal_()
    found = model(BATCH)
    assert torch.equal(found[0], found[2])


def test_it_takes_one_graph_for_all_frames():
    for rule in ("copy_last", "pair_logit", "ewma"):
        logits = LinkBaseline(rule=rule).build(LINKS)(Batch(BATCH.x, BATCH.adjacency[:, 0], *_rest()))
        assert logits.shape == (3, 6, 6)


def _rest():
    return BATCH.mask, BATCH.y, BATCH.ids


def persistent_graphs(windows=200, frames=4, nodes=8, keep=0.8):
    """Edges that stay as they are with one chance and are drawn anew otherwise."""
    random = torch.Generator().manual_seed(0)
    frame = torch.rand(windows, nodes, nodes, generator=random) < 0.3
    seen = [frame]
    for _ in range(frames):
        kept = torch.rand(frame.shape, generator=random) < keep
        seen.append(torch.where(kept, seen[-1], torch.rand(frame.shape, generator=random) < 0.3))
    return torch.stack(seen, dim=1).to(torch.uint8)


def test_copying_the_last_frame_learns_the_chances_of_a_persistent_process():
    graphs = persistent_graphs()
    model = LinkBaseline(rule="copy_last").build(Shape(nodes=8, features=1, window=4))
    batch = Batch(
        torch.zeros(200, 4, 8, 1), graphs[:, :4], torch.ones(200, 8, dtype=torch.bool), graphs[:, 4], torch.arange(200)
    )
    apart = ~torch.eye(8, dtype=torch.bool)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(150):
        optimiser.zero_grad()
        binary_cross_entropy_with_logits(model(batch)[:, apart], graphs[:, 4][:, apart].float()).backward()
        optimiser.step()
    told, was = model.eval()(batch)[:, apart].sigmoid().detach(), graphs[:, 3][:, apart].bool()
    assert told[was].mean() == pytest.approx(0.8 + 0.2 * 0.3, abs=0.02)
    assert told[~was].mean() == pytest.approx(0.2 * 0.3, abs=0.02)


def test_it_keeps_the_contracts_with_every_level_changed_alone():
    check_model(LinkBaseline, dtype=torch.float64)
