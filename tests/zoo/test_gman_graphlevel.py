"""The larger attention model of windows: its size, why it can tell the density only, and the leak between windows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lab.data.batch import Shape
from lab.spec.models import GmanGraphlevel
from lab.testing import check_model, check_off_levels, one_changed, small_batch
from lab.testing.batches import LINKS
from lab.train.build import trainable

pytestmark = pytest.mark.torch

SMALL = GmanGraphlevel(width=8, heads=2, layers=2)


def outputs(spec, *batches):
    torch.manual_seed(0)
    model = spec.build(LINKS).double().eval()
    with torch.no_grad():
        return [model(batch) for batch in batches]


def small(**options):
    return GmanGraphlevel.model_validate({**SMALL.content(), **options})


@pytest.mark.parametrize("pair_features", ["graph_level", "node_pair"])
def test_its_parameter_count_is_the_documented_one_whatever_pairs_are_told_by(pair_features):
    model = GmanGraphlevel(pair_features=pair_features).build(Shape(nodes=30, features=6, window=10))
    assert trainable(model) == 7_169_536


def test_as_written_all_links_of_a_window_get_one_number():
    batch = small_batch(LINKS, dtype=torch.float64)
    (written,) = outputs(small(pair_features="graph_level"), batch)
    assert torch.equal(written.amax((1, 2)), written.amin((1, 2)))
    assert written[:, 0, 0].std() > 0
    (repaired,) = outputs(small(), batch)
    assert (repaired.amax((1, 2)) - repaired.amin((1, 2)) > 1e-3).all()


@pytest.mark.parametrize(("graph", "leaks"), [("mixed_up", True), ("own", False), ("none", False)])
def test_windows_leak_into_one_another_only_where_their_frames_are_mixed_up(graph, leaks):
    batch = small_batch(LINKS, dtype=torch.float64)
    other = batch.adjacency.clone()
    other[2] = 1 - other[2]
    one, two = outputs(small(convolution_graph=graph), batch, replace(batch, adjacency=other))
    assert torch.equal(one[0], two[0]) != leaks
    assert torch.equal(one[2], two[2]) == (graph == "none")


def test_with_repaired_pairs_it_takes_nodes_as_they_come():
    batch = small_batch(LINKS, dtype=torch.float64)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    renamed = replace(batch, x=batch.x[:, :, order], adjacency=batch.adjacency[:, :, order][..., order])
    one, other = outputs(small(), batch, renamed)
    torch.testing.assert_close(other, one[:, order][..., order])


def test_it_keeps_the_contracts_with_every_level_changed_alone():
    check_off_levels(SMALL)
    for spec in (SMALL, *one_changed(SMALL)):
        check_model(spec, dtype=torch.float64)


def test_its_width_must_suit_its_heads():
    with pytest.raises(ValueError, match="width 9 is not a multiple of heads 2"):
        small(width=9)
