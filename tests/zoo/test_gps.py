"""GPS against its equations, torch's own attention and PyTorch Geometric's layer; its published size and contracts."""

from __future__ import annotations

import pytest
import torch
from published import PATTERN, affine, directed_batch, edges_of, randomised, size, standardised
from pydantic import ValidationError
from test_gatedgcn import by_edges
from torch import nn
from torch_geometric.nn import GPSConv, ResGatedGraphConv

from lab.data.batch import Shape
from lab.spec.models import Gps as Options
from lab.testing import CLASSIFY, check_model, check_off_levels, one_changed, small_batch
from lab.zoo.attention import Pairs
from lab.zoo.edges import ListedEdges
from lab.zoo.gps import GpsLayer

pytestmark = pytest.mark.torch
SMALL = Options.model_validate({"layers": 2, "width": 16, "heads": 2, "encoding": {"width": 4, "frequencies": 3}})
MUTED = SMALL.model_copy(update={"attention_dropout": 0.0})


def all_pairs(batch, dtype):
    real = batch.mask.to(dtype)
    return Pairs.of((real[:, :, None] * real[:, None, :])[:, None], "infinite")


def heard_globally(layer, nodes, graphs):
    """Softmax attention over the nodes of one's own graph, node by node and head by head."""
    weight, bias = layer.in_projection.weight, layer.in_projection.bias
    width, heads = weight.shape[1], layer.spec.heads
    queries, keys, values = (
        [weight[part * width : (part + 1) * width] @ x + bias[part * width : (part + 1) * width] for x in nodes]
        for part in range(3)
    )
    out = []
    for node, graph in enumerate(graphs):
        others = [other for other, its in enumerate(graphs) if its == graph]
        parts = []
        for own in torch.arange(width).chunk(heads):
            logits = torch.stack([queries[node][own] @ keys[other][own] / len(own) ** 0.5 for other in others])
            parts.append(sum(w * values[other][own] for w, other in zip(logits.softmax(0), others, strict=True)))
        out.append(affine(layer.out_projection, torch.cat(parts)))
    return out


def test_it_is_the_published_equations_node_by_node():
    model = randomised(MUTED.build(PATTERN)).train()
    batch = directed_batch()
    known = {name: told.double() for name, told in model.prepare(batch).items()}
    model.beginning.eigenvectors.flip.eval()
    real = batch.mask.nonzero().tolist()
    at = {place: number for number, place in enumerate(map(tuple, real))}
    graphs = [graph for graph, _ in real]
    edges = [(at[g, i], at[g, j]) for g in range(2) for i, j in edges_of(batch.adjacency[g])]
    deep = model.beginning.eigenvectors.map
    nodes = []
    for graph, node in real:
        table = model.beginning.embedding
        own = table.weight[:, batch.x[graph, node]] + table.bias
        entries = zip(known["eigenvectors"][graph, node], known["eigenvalues"][graph, 0], strict=True)
        encoded = [affine(deep.linear2, affine(deep.linear1, torch.stack(each)).relu()).relu() for each in entries]
        nodes.append(torch.cat([own, sum(encoded)]))
    states = [model.edge_start.weight[0] for _ in edges]
    for layer in model.layers:
        near, states = by_edges(layer.local, nodes, edges, states)
        far = [x + y for x, y in zip(nodes, heard_globally(layer.attention, nodes, graphs), strict=True)]
        both = zip(standardised(layer.local_norm, near), standardised(layer.attention_norm, far), strict=True)
        sums = [a + b for a, b in both]
        told = [x + affine(layer.feed_forward.linear2, affine(layer.feed_forward.linear1, x).relu()) for x in sums]
        nodes = standardised(layer.ff_norm, told)
    for hidden in model.readout.hidden:
        nodes = [affine(hidden, x).relu() for x in nodes]
    leads = torch.cat([affine(model.readout.last, x) for x in nodes])
    logits = model(batch)[batch.mask]
    torch.testing.assert_close(logits[:, 1] - logits[:, 0], leads, atol=1e-9, rtol=1e-9)


def test_its_global_branch_is_the_attention_of_torch():
    layer = randomised(GpsLayer(MUTED, is_last=True))
    other = nn.MultiheadAttention(16, 2, batch_first=True).double()
    names = {"in_proj_weight": "in_projection.weight", "in_proj_bias": "in_projection.bias"}
    names |= {"out_proj.weight": "out_projection.weight", "out_proj.bias": "out_projection.bias"}
    weights = layer.attention.state_dict()
    other.load_state_dict({theirs: weights[ours] for theirs, ours in names.items()})
    batch = directed_batch()
    x = torch.randn(2, 7, 16, dtype=torch.float64)
    known, _ = other(x, x, x, key_padding_mask=~batch.mask, need_weights=False)
    found = layer.attention(x, all_pairs(batch, x.dtype))
    torch.testing.assert_close(found[batch.mask], known[batch.mask], atol=1e-9, rtol=1e-9)


def test_with_a_plain_local_branch_it_is_the_layer_of_torch_geometric():
    spec = MUTED.model_copy(update={"edge_states": "none", "local_norm": "none"})
    layer = randomised(GpsLayer(spec, is_last=True)).eval()
    other = GPSConv(16, Reading(layer.local), heads=2, norm="batch_norm").double().eval()
    ours = layer.state_dict()
    for theirs, name in {
        "attn.in_proj_weight": "attention.in_projection.weight",
        "attn.in_proj_bias": "attention.in_projection.bias",
        "attn.out_proj.weight": "attention.out_projection.weight",
        "attn.out_proj.bias": "attention.out_projection.bias",
        "mlp.0.weight": "feed_forward.linear1.weight",
        "mlp.0.bias": "feed_forward.linear1.bias",
        "mlp.3.weight": "feed_forward.linear2.weight",
        "mlp.3.bias": "feed_forward.linear2.bias",
        "norm1.module.weight": "local_norm.weight",
        "norm1.module.bias": "local_norm.bias",
        "norm2.module.weight": "attention_norm.weight",
        "norm2.module.bias": "attention_norm.bias",
        "norm3.module.weight": "ff_norm.weight",
        "norm3.module.bias": "ff_norm.bias",
    }.items():
        with torch.no_grad():
            other.get_parameter(theirs).copy_(ours[name])
    batch = directed_batch()
    x = torch.randn(2, 7, 16, dtype=torch.float64)
    found, _ = layer(x, None, ListedEdges(batch, x.dtype), all_pairs(batch, x.dtype), batch.mask)
    real = batch.mask.flatten().cumsum(0) - 1
    known = other(x[batch.mask], real[batch.edges], batch.mask.nonzero()[:, 0])
    torch.testing.assert_close(found[batch.mask], known, atol=1e-9, rtol=1e-9)


class Reading(nn.Module):
    """PyTorch Geometric's gated sum with the division and ReLU of ours, but without the residual it adds itself."""

    def __init__(self, local):
        super().__init__()
        self.sum = ResGatedGraphConv(16, 16, root_weight=False, bias=False).double()
        self.total = ResGatedGraphConv(16, 16, root_weight=False, bias=False).double()
        self.own = local.own
        for conv in (self.sum, self.total):
            for theirs, ours in {"lin_key": local.reader, "lin_query": local.read, "lin_value": local.value}.items():
                getattr(conv, theirs).load_state_dict(ours.state_dict())
        with torch.no_grad():
            self.total.lin_value.weight.zero_()
            self.total.lin_value.bias.fill_(1)

    def reset_parameters(self):
        """Nothing: the weights are given."""

    def forward(self, x, edges):
        return (self.own(x) + self.sum(x, edges) / (self.total(x, edges) + 1e-6)).relu()


def test_its_parameter_count_on_pattern_is_the_published_one():
    assert size(Options().build(PATTERN)) == 337_201


@pytest.mark.slow
def test_it_keeps_the_contracts_with_every_level_changed_alone():
    check_off_levels(SMALL)
    for spec in (SMALL, *one_changed(SMALL)):
        check_model(spec, dtype=torch.float64)


def test_it_reads_numbers_as_well_as_tokens():
    check_model(SMALL, shape=Shape(nodes=9, classes=3, features=5))


def test_nodes_that_could_hear_nothing_are_refused():
    with pytest.raises(ValidationError, match="hear nothing of each other"):
        Options(local="none", attention="none")
    with pytest.raises(ValidationError, match="nothing is left for the embedding"):
        Options.model_validate({"width": 16, "heads": 2})


def test_one_logit_leads_over_zero_only_where_there_are_two_classes():
    two = SMALL.build(Shape(nodes=9, classes=2, tokens=4))(small_batch(Shape(nodes=9, classes=2, tokens=4)))
    assert two.shape[-1] == 2
    assert (two[..., 0] == 0).all()
    assert SMALL.build(CLASSIFY).readout.last.out_features == 3
