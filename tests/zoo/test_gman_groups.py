"""Attention by random groups: what it computes, whom it joins, what it never makes, and when it is plain attention."""

from __future__ import annotations

import pytest
import torch

from lab.data.batch import Shape
from lab.spec.experiment import Experiment
from lab.spec.models import Gman
from lab.spec.models.gman import SpatialAttention
from lab.testing import check_model, small_batch
from lab.testing.batches import FORECAST, LINKS
from lab.train.build import build_model, trainable
from lab.zoo.gman.attention import NodeAttention
from lab.zoo.gman.groups import GroupedAttention, group_count, node_attention
from lab.zoo.taps import Tap

pytestmark = pytest.mark.torch


def options(**said):
    return SpatialAttention(heads=2, among="random_groups", **said)


def part_of(nodes, **said):
    torch.manual_seed(5)
    return node_attention(options(**said), 8, 0.0, nodes=nodes).double()


def groups_of(part):
    """The nodes of each group, which took them in turn as they were drawn."""
    count = len(part.groups.slots)
    return [part.groups.order[first::count] for first in range(count)]


@pytest.mark.parametrize(("nodes", "size"), [(6, 2), (7, 3), (11, 4), (5, 4)])
def test_nodes_read_their_group_and_add_what_the_groups_largest_values_read(nodes, size):
    part = part_of(nodes, group_size=size)
    x = torch.randn(2, 3, nodes, 8, dtype=torch.float64)
    groups = groups_of(part)
    assert sorted(torch.cat(groups).tolist()) == list(range(nodes))
    assert max(map(len, groups)) - min(map(len, groups)) <= 1
    assert max(map(len, groups)) <= size
    alone = NodeAttention(part.spec, 8, 0.0).double()
    alone.load_state_dict(part.state_dict(), strict=False)
    within = [alone(x[:, :, group], None) for group in groups]
    heard = part.between(torch.stack([told.amax(2) for told in within], 2), None)
    found = part(x, None)
    for at, group in enumerate(groups):
        torch.testing.assert_close(found[:, :, group], within[at] + heard[:, :, at, None])


def test_one_group_is_plain_attention_and_leaves_nothing_behind():
    plain = Gman(layers=2, width=8).build(LINKS)
    spec = Gman(layers=2, width=8, spatial=SpatialAttention(among="random_groups", group_size=LINKS.nodes))
    grouped = spec.build(LINKS)
    assert grouped.state_dict().keys() == plain.state_dict().keys()
    grouped.load_state_dict(plain.state_dict())
    batch = small_batch(LINKS)
    assert torch.equal(grouped.eval()(batch), plain.eval()(batch))


def test_by_itself_the_size_is_the_published_one():
    assert [group_count(options(), nodes) for nodes in (1, 2, 6, 207, 325)] == [1, 1, 3, 30, 37]
    scores = {size: 325 * size + (325 / size) ** 2 for size in range(2, 40)}
    assert min(scores, key=scores.__getitem__) == 9


def test_weights_of_all_pairs_are_never_made():
    nodes = 100
    part, seen = part_of(nodes), []
    for module in part.modules():
        if isinstance(module, Tap):
            module.register_forward_hook(lambda _, __, told: seen.append(told))
    found = part(torch.randn(2, 3, nodes, 8, dtype=torch.float64), None)
    assert found.shape == (2, 3, nodes, 8)
    assert [tuple(each.shape) for each in seen] == [(2 * 3 * 17, 2, 6, 6), (2 * 3, 2, 17, 17)]
    assert sum(each.numel() for each in seen) < 2 * 3 * 2 * nodes**2 / 10
    assert not seen[0].view(6, 17, 2, 6, 6)[:, 15:, ..., 5].any(), "groups of five have no sixth to read"
    torch.testing.assert_close(seen[0].sum(-1), torch.ones_like(seen[0][..., 0]))


def test_a_node_hears_of_every_group_through_its_largest_values_only():
    nodes = 12
    part = part_of(nodes, group_size=3)
    x = torch.randn(1, 1, nodes, 8, dtype=torch.float64, requires_grad=True)
    part(x, None)[0, 0, 0].sum().backward()
    heard = x.grad[0, 0].abs().sum(-1) > 0
    assert all(heard[group].any() for group in groups_of(part))


def built(seed, **said):
    base = {"dataset": {"kind": "psbm_links"}, "training": {"epochs": 1}}
    model = {"kind": "gman", "layers": 2, "width": 8, "spatial": {"among": "random_groups"}, **said}
    return build_model(Experiment.model_validate({**base, "model": model}), Shape(nodes=30, features=6, window=4), seed)


def orders(model):
    return [each.groups.order for each in model.modules() if isinstance(each, GroupedAttention)]


def test_groups_are_those_of_the_trials_seed_in_all_blocks_of_all_cells():
    first, second = orders(built(0))
    assert torch.equal(first, second)
    for other in (built(0), built(0, layers=1, width=16, norm="none", node_encoding="learned")):
        assert torch.equal(orders(other)[0], first)
    assert not torch.equal(orders(built(1))[0], first)


def test_what_reads_within_groups_starts_as_what_reads_all_nodes_would():
    plain, grouped = (
        dict(built(0, spatial={"among": among}).named_parameters()) for among in ("all_nodes", "random_groups")
    )
    assert set(plain) < set(grouped)
    assert all(torch.equal(grouped[name], weight) for name, weight in plain.items())
    assert all(".attention.between." in name for name in grouped.keys() - plain.keys())


def test_a_saved_model_keeps_its_groups():
    one, other = built(0).eval(), built(1).eval()
    other.load_state_dict(one.state_dict())
    batch = small_batch(Shape(nodes=30, features=6, window=4))
    assert torch.equal(one(batch), other(batch))


@pytest.mark.parametrize("shape", [LINKS, FORECAST], ids=["links", "forecast"])
@pytest.mark.parametrize("size", ["fewest_pairs", 2, 4])
def test_groups_keep_the_contracts_of_models(shape, size):
    spec = Gman(layers=2, width=8, spatial=options(group_size=size), temporal={"heads": 2})
    check_model(spec, shape=shape, dtype=torch.float64)


def test_groups_cost_the_parameters_of_a_second_attention():
    plain = trainable(NodeAttention(options(), 8, 0.0))
    assert trainable(part_of(12, group_size=3)) == 2 * plain


def test_groups_of_what_has_no_nodes_to_group_are_refused():
    with pytest.raises(ValueError, match=r"random_groups needs spatial\.across nodes, not heads"):
        Gman(spatial={"among": "random_groups", "across": "heads"})
    with pytest.raises(ValueError, match=r"attention_mask needs spatial\.among all_nodes, not random_groups"):
        Gman(spatial={"among": "random_groups", "graph": "attention_mask"})
    Gman(spatial={"among": "random_groups", "graph": "gcn_branch"})
