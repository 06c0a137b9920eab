"""Links read off node states: every form by its equation, and what is done to logits whatever the form."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from lab.data.batch import Batch
from lab.spec.models.link_readout import Form, LinkReadout
from lab.testing import small_batch
from lab.testing.batches import LINKS
from lab.zoo.link_readouts import IMPOSSIBLE
from lab.zoo.link_readouts import LinkReadout as Readout

pytestmark = pytest.mark.torch

FORMS = get_args(Form)
ROWS = ("row_linear", "scalar_row")
PLAIN = {"symmetry": "none", "diagonal": "predicted"}


def made(width=4, **options):
    torch.manual_seed(0)
    return Readout(LinkReadout.model_validate(PLAIN | options), LINKS, width).double()


def states(width=4):
    return torch.randn(3, 6, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


BATCH = small_batch(LINKS, dtype=torch.float64)


def dependence(form):
    """[row, column, node]: whether the logit of a pair hangs on a node's state."""
    readout, h = made(form=form, hidden=64), states()[:1].requires_grad_()
    logits = readout(h, small_batch(LINKS))[0]
    grads = [torch.autograd.grad(logit, h, retain_graph=True)[0][0].abs().sum(-1) for logit in logits.flatten()]
    return torch.stack(grads).view(6, 6, 6) > 0


@pytest.mark.parametrize("form", FORMS)
def test_a_pair_hangs_on_the_nodes_that_its_form_names(form):
    itself = torch.eye(6, dtype=torch.bool)
    row, column = itself[:, None].expand(6, 6, 6), itself.expand(6, 6, 6)
    expected = {"flatten_dense": torch.ones(6, 6, 6, dtype=torch.bool)} | dict.fromkeys(ROWS, row)
    assert torch.equal(dependence(form), expected.get(form, row | column))


@pytest.mark.parametrize("form", ["bilinear", "pair_mlp"])
def test_forms_of_both_states_take_nodes_as_they_come(form):
    readout, h = made(form=form), states()
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    torch.testing.assert_close(readout(h[:, order], BATCH), readout(h, BATCH)[:, order][..., order])


def test_the_bilinear_form_is_its_equation():
    readout, h = made(form="bilinear"), states()
    with torch.no_grad():
        readout.pair.bias.fill_(0.3)
    found = readout(h, BATCH)
    told = readout.pair.row(h[1, 2]) @ readout.pair.column(h[1, 4]) / 2 + 0.3
    torch.testing.assert_close(found[1, 2, 4], told)


def test_the_mlp_of_pairs_is_an_mlp_of_both_states_side_by_side():
    readout, h = made(form="pair_mlp", hidden=5), states()
    part = readout.pair
    both = torch.cat([part.row.weight, part.column.weight], dim=1)
    hidden = (both @ torch.cat([h[0, 1], h[0, 3]]) + part.row.bias).relu()
    torch.testing.assert_close(readout(h, BATCH)[0, 1, 3], part.linear(hidden)[0])


def test_bilinear_plus_row_is_the_sum_of_both_forms():
    readout, h = made(form="bilinear_plus_row"), states()
    torch.testing.assert_close(readout(h, BATCH), readout.pair(h) + readout.row(h))


def test_a_scalar_row_squeezes_only_what_is_wider_than_one_number():
    assert [name for name, _ in made(form="scalar_row").named_parameters()][:2] == ["squeeze.weight", "squeeze.bias"]
    assert not list(made(width=1, form="scalar_row").squeeze.parameters())


@pytest.mark.parametrize("form", FORMS)
def test_hidden_layers_are_twice_as_wide_as_states_unless_told(form):
    wide, told = (sum(p.numel() for p in made(form=form, hidden=hidden).parameters()) for hidden in (8, None))
    assert wide == told


def test_averaged_logits_are_symmetric_and_a_masked_diagonal_is_impossible():
    plain, h = made(form="row_linear"), states()
    repaired = made(form="row_linear", symmetry="average_logits", diagonal="masked")
    logits, found = plain(h, BATCH), repaired(h, BATCH)
    apart = ~torch.eye(6, dtype=torch.bool)
    torch.testing.assert_close(found[:, apart], ((logits + logits.mT) / 2)[:, apart])
    assert (found.diagonal(dim1=1, dim2=2) == IMPOSSIBLE).all()
    told = made(form="row_linear", symmetry="average_logits", diagonal="masked", output="probability")
    torch.testing.assert_close(told(h, BATCH), found.sigmoid())


@pytest.mark.parametrize("skip", ["last_frame", "window_mean"])
def test_the_past_of_a_pair_is_added_as_its_log_odds_times_a_learned_weight(skip):
    plain, readout, h = made(), made(adjacency_skip=skip), states()
    with torch.no_grad():
        readout.past.weight.fill_(0.5)
    links = BATCH.adjacency.double()
    share = links[:, -1] if skip == "last_frame" else links.mean(1)
    added = share.clamp(0.05, 0.95)
    torch.testing.assert_close(readout(h, BATCH) - plain(h, BATCH), 0.5 * (added / (1 - added)).log())


def test_the_past_counts_weighted_edges_once_and_takes_one_graph_for_all_frames():
    readout, h = made(adjacency_skip="window_mean"), states()
    one = BATCH.adjacency[:, 0]
    heavy = Batch(BATCH.x, one * 7.0, BATCH.mask, BATCH.y, BATCH.ids)
    frames = Batch(BATCH.x, one[:, None].expand(-1, 5, -1, -1), BATCH.mask, BATCH.y, BATCH.ids)
    torch.testing.assert_close(readout(h, heavy), readout(h, frames))
