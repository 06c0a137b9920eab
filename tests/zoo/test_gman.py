"""The attention model of windows: the original's arrays, what the documented form cannot see, what repairs change."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from torch import nn
from torch.nn.functional import binary_cross_entropy

from lab.data.batch import Batch, Shape
from lab.spec.models import Gman
from lab.spec.models.gman import SpatialAttention
from lab.testing import check_model, check_off_levels, one_changed, settings_of, small_batch
from lab.testing.batches import FORECAST, LINKS
from lab.train.build import trainable
from lab.zoo.gman.attention import NodeAttention
from lab.zoo.gman.encodings import eigenvectors

pytestmark = pytest.mark.torch

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = YAML(typ="safe").load(ROOT / "experiments/links_gman_documented.yaml")["model"]
FULL = Shape(nodes=30, features=6, window=10)
SMALL = Gman(layers=2, width=8, spatial={"heads": 2}, temporal={"heads": 2}, eigenvectors=3)
FIXED = {
    "layers": st.integers(0, 2),
    "width": 8,
    "spatial.heads": st.sampled_from([1, 2]),
    "spatial.group_size": st.sampled_from([2, 4, "fewest_pairs"]),
    "temporal.heads": 2,
    "eigenvectors": st.sampled_from([3, 9]),
    "readout.hidden": None,
    "decoder_layers": st.integers(0, 1),
    "dropout": st.sampled_from([0.0, 0.1]),
}
some = settings(deadline=None, suppress_health_check=list(HealthCheck))


def documented(**changes):
    return Gman.model_validate({**DOCUMENTED, **changes})


def windows(shape=FULL, graphs=2, dtype=torch.float32):
    random = torch.Generator().manual_seed(3)
    frames, nodes = shape.window, shape.nodes
    edges = (torch.rand(graphs, frames, nodes, nodes, generator=random) < 0.2).triu(1)
    x = torch.rand(graphs, frames, nodes, shape.features, generator=random).to(dtype)
    mask = torch.ones(graphs, nodes, dtype=torch.bool)
    return Batch(x, (edges | edges.mT).to(torch.uint8), mask, torch.zeros(graphs, nodes, nodes), torch.arange(graphs))


def changed(batch, **tensors):
    return Batch(**{**vars(batch), **tensors})


def ours(name):
    """Our name of a parameter of the original."""
    group, _, rest = name.partition(".")
    if group == "input_proj":
        return f"beginning.way_in.{rest}"
    number, _, rest = rest.partition(".")
    if group == "output_proj":
        return f"readout.row.{ {'0': 'linear1', '1': 'norm', '4': 'linear2'}[number] }.{rest}"
    part = group.partition("_")[0]
    if rest.startswith("layer_norm"):
        return f"blocks.{number}.{rest.replace('layer_norm', f'{part}_norm')}"
    rest = rest.replace("attention.", "").replace("in_proj_", "in_projection.").replace("out_proj.", "out_projection.")
    return f"blocks.{number}.{'spatial.attention' if part == 'spatial' else 'temporal'}.{rest}"


@pytest.mark.parametrize(("name", "heads"), [("gman_full_T10_N30", (4, 4)), ("gman_full_T4_N6", (2, 4))])
@pytest.mark.parametrize(("dtype", "which", "close"), [(torch.float32, "", 1e-5), (torch.float64, "64", 1e-10)])
def test_the_documented_form_is_the_original(reference, name, heads, dtype, which, close):
    arrays = reference(name)
    x = arrays["in/x"].to(dtype)
    graphs, frames, nodes, features = x.shape
    shape = Shape(nodes=nodes, features=features, window=frames)
    spatial, temporal = (
        {**DOCUMENTED[part], "heads": h} for part, h in zip(("spatial", "temporal"), heads, strict=True)
    )
    layers = sum(key.endswith("query.weight") for key in arrays if key.startswith("param/"))
    width = len(arrays["param/input_proj.bias"])
    model = documented(layers=layers, width=width, spatial=spatial, temporal=temporal).build(shape).eval()
    model.load_state_dict({ours(key[6:]): value for key, value in arrays.items() if key.startswith("param/")})
    model.to(dtype)
    found = model(changed(windows(shape, graphs), x=x))
    torch.testing.assert_close(found, arrays[f"out{which}/y"], rtol=close, atol=close / 10)
    binary_cross_entropy(found, arrays["in/target"].to(dtype)).backward()
    norms = {key: value for key, value in arrays.items() if key.startswith(f"gradnorm{which}/")}
    own = dict(model.named_parameters())
    assert len(norms) == len(own)
    for key, norm in norms.items():
        grad = own[ours(key.partition("/")[2])].grad
        assert float(grad.norm()) == pytest.approx(float(norm), rel=10 * close, abs=close / 100), key


def test_attention_over_nodes_is_that_of_the_later_original(reference):
    arrays = reference("gman_node_attention")
    part = NodeAttention(SpatialAttention(heads=4), 16, 0.0).eval()
    names = {key: key.removeprefix("param/").replace("output", "projection") for key in arrays if "param/" in key}
    part.load_state_dict({name: arrays[key] for key, name in names.items()})
    found = part(arrays["in/x"], None)
    torch.testing.assert_close(found, arrays["out/y"], rtol=1e-5, atol=1e-6)
    (found - arrays["in/target"]).square().mean().backward()
    for key, name in names.items():
        norm = float(part.get_parameter(name).grad.norm())
        assert norm == pytest.approx(float(arrays[key.replace("param", "gradnorm")]), rel=1e-4, abs=1e-8)


def test_the_documented_parameter_count_is_the_published_one():
    assert trainable(documented().build(FULL)) == 390_430


def test_documented_spatial_attention_is_a_softmax_among_the_heads_of_one_node():
    part = NodeAttention(SpatialAttention.model_validate({**DOCUMENTED["spatial"], "heads": 2}), 4, 0.0).double()
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64)
    found = part(x, None)
    for frame in range(2):
        for node in range(3):
            query, key, value = (each(x[0, frame, node]).view(2, 2) for each in (part.query, part.key, part.value))
            told = (query @ key.T / 2).softmax(-1) @ value
            torch.testing.assert_close(found[0, frame, node], told.flatten())


def test_attention_between_own_frames_is_the_attention_of_torch_node_by_node():
    spec = Gman(width=8, temporal={"heads": 2, "mask": "causal"}, dropout=0)
    part = spec.build(LINKS).blocks[0].temporal.double()
    other = nn.MultiheadAttention(8, 2, batch_first=True).double()
    weights = part.state_dict()
    names = {"in_proj_weight": "in_projection.weight", "in_proj_bias": "in_projection.bias"}
    names |= {"out_proj.weight": "out_projection.weight", "out_proj.bias": "out_projection.bias"}
    other.load_state_dict({theirs: weights[name] for theirs, name in names.items()})
    x = torch.randn(2, 5, 6, 8, dtype=torch.float64)
    later = torch.ones(5, 5, dtype=torch.bool).triu(1)
    found = part(x, None)
    for node in range(6):
        own = x[:, :, node]
        torch.testing.assert_close(found[:, :, node], other(own, own, own, attn_mask=later, need_weights=False)[0])


def reached(spec, row, batch):
    """Which nodes the links of a row depend on."""
    torch.manual_seed(0)
    model = spec.build(FULL).double().eval()
    x = batch.x.clone().requires_grad_()
    model(changed(batch, x=x))[0, row].sum().backward()
    return x.grad[0].abs().sum((0, 2)) > 0


def test_in_the_documented_form_a_row_depends_on_its_own_ten_nodes_only():
    batch = windows(dtype=torch.float64)
    expected = torch.zeros(30, dtype=torch.bool)
    expected[10:20] = True
    assert torch.equal(reached(documented(layers=2, width=16), 13, batch), expected)
    assert reached(Gman(layers=1, width=16), 13, batch).all()


def outputs(spec, *batches):
    torch.manual_seed(0)
    model = spec.build(FULL).double().eval()
    with torch.no_grad():
        return [model(batch) for batch in batches]


def test_the_documented_form_does_not_see_the_order_of_frames_and_the_repaired_one_does():
    batch = windows(dtype=torch.float64)
    turned = changed(batch, x=batch.x.flip(1), adjacency=batch.adjacency.flip(1))
    one, other = outputs(documented(layers=2, width=16), batch, turned)
    torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    one, other = outputs(Gman(layers=2, width=16), batch, turned)
    assert (one - other).abs().max() > 1e-3


def test_edges_are_seen_where_something_reads_them_and_nowhere_else():
    batch = windows(dtype=torch.float64)
    others = changed(batch, adjacency=batch.adjacency.flip(0))
    for spec in (documented(layers=1, width=16), Gman(layers=1, width=16)):
        one, other = outputs(spec, batch, others)
        assert torch.equal(one, other)
    for graph in ("attention_bias", "attention_mask", "gcn_branch"):
        one, other = outputs(Gman(layers=1, width=16, spatial={"graph": graph}), batch, others)
        assert (one - other).abs().max() > 1e-4, graph


def test_a_masked_frame_lets_a_node_read_itself_and_those_with_an_edge_to_it():
    batch = windows(LINKS, dtype=torch.float64)
    spec = Gman(layers=1, width=8, spatial={"graph": "attention_mask"}, temporal={"layout": "none"}, dropout=0)
    model = spec.build(LINKS).double()
    directed = batch.adjacency.triu()
    x = batch.x.clone().requires_grad_()
    state = model.blocks[0](
        model.beginning(changed(batch, x=x), {}), model._edges(changed(batch, adjacency=directed), x.dtype)
    )
    state[0, 2, 3].sum().backward()
    heard = x.grad[0].abs().sum(-1) > 0
    expected = torch.zeros_like(heard)
    expected[2] = directed[0, 2, :, 3] > 0
    expected[2, 3] = True
    assert torch.equal(heard, expected)


def test_without_node_encodings_the_bilinear_form_takes_nodes_as_they_come():
    batch = windows(LINKS, dtype=torch.float64)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    renamed = changed(batch, x=batch.x[:, :, order], adjacency=batch.adjacency[:, :, order][..., order])
    spec = Gman(
        layers=2,
        width=8,
        spatial={"graph": "attention_bias"},
        node_encoding="laplacian",
        readout={"adjacency_skip": "last_frame"},
    )
    model = spec.build(LINKS).double().eval()
    with torch.no_grad():
        torch.testing.assert_close(model(renamed), model(batch)[:, order][..., order])


def gradients(spec, graphs=4):
    torch.manual_seed(1)
    model = spec.build(FULL).double().eval()
    batch = windows(graphs=graphs, dtype=torch.float64)
    (model(batch) - batch.adjacency[:, -1]).square().mean().backward()
    return dict(model.named_parameters())


def test_key_biases_of_a_softmax_over_others_get_no_gradient_and_those_among_heads_do():
    model = gradients(documented(layers=1, width=16))
    middle = model["blocks.0.temporal.in_projection.bias"].grad.unflatten(0, (3, -1))[1]
    values = model["blocks.0.temporal.in_projection.bias"].grad.unflatten(0, (3, -1))[2]
    assert middle.norm() < 1e-12 * values.norm()
    assert model["blocks.0.spatial.attention.key.bias"].grad.norm() > 0
    repaired = gradients(Gman(layers=1, width=16))
    told = repaired["blocks.0.spatial.attention.value.bias"].grad.norm()
    assert repaired["blocks.0.spatial.attention.key.bias"].grad.norm() < 1e-12 * told


def test_at_the_start_queries_and_keys_of_the_documented_form_learn_far_slower_than_values():
    model = gradients(documented())
    for layer, ratio in ((0, 10), (1, 2), (2, 2)):
        query, key, value = (
            model[f"blocks.{layer}.spatial.attention.{n}.weight"].grad.norm() for n in ("query", "key", "value")
        )
        assert value > ratio * max(query, key), layer
        query, key, value = model[f"blocks.{layer}.temporal.in_projection.weight"].grad.view(3, -1).norm(dim=1)
        assert value > 8 * max(query, key), layer


def test_at_the_start_the_documented_softmax_among_heads_is_nearly_even():
    torch.manual_seed(1)
    model = documented().build(FULL).eval()
    seen = []
    model.blocks[0].spatial.attention.weigh.tap.register_forward_hook(lambda _, told, __: seen.append(told[0]))
    model(windows())
    assert 0.2 < seen[0].min() < seen[0].max() < 0.3


def test_eigenvectors_are_those_of_the_mean_graph_with_a_sign_of_their_own():
    batch = windows(LINKS)
    found = eigenvectors(batch.adjacency, 9)
    assert found.shape == (2, 6, 9)
    assert not found[..., 5:].any()
    mean = batch.adjacency.double().mean(1)
    root = mean.sum(-1).rsqrt()
    laplacian = torch.eye(6) - root[:, None] * mean * root[..., None]
    values = torch.linalg.eigvalsh(laplacian)[:, 1:]
    torch.testing.assert_close(laplacian @ found[..., :5], found[..., :5] * values[:, None])
    assert (found[..., :5].amax(1) >= -found[..., :5].amin(1)).all()


@pytest.mark.parametrize("shape", [LINKS, FORECAST], ids=["links", "forecast"])
def test_it_keeps_the_contracts_with_every_level_changed_alone(shape):
    check_off_levels(SMALL, shape=shape)
    for spec in (SMALL, *one_changed(SMALL)):
        check_model(spec, shape=shape, dtype=torch.float64)


@given(settings_of(Gman, FIXED), st.sampled_from([LINKS, FORECAST]))
@settings(some, max_examples=30)
def test_any_setting_keeps_the_contracts_to_the_last_digits(spec, shape):
    check_model(spec, shape=shape, dtype=torch.float64)


def test_a_forecast_reads_no_frame_of_the_future_and_every_step_is_its_own():
    model = SMALL.build(FORECAST).eval()
    batch = small_batch(FORECAST)
    with torch.no_grad():
        values = model(batch)
        same = model(changed(batch, y=batch.y + 1))
    assert values.shape == (3, 3, 6, 1)
    assert torch.equal(values, same)
    assert (values[:, 0] - values[:, 2]).abs().max() > 1e-4


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"width 6 is not a multiple of temporal\.heads 4"):
        Gman(width=6, spatial={"heads": 3})
    with pytest.raises(ValueError, match=r"attention_mask needs spatial\.across nodes"):
        Gman(spatial={"across": "heads", "graph": "attention_mask"})


def test_it_tells_what_it_puts_out():
    assert documented().answers("predict_links") == "probabilities"
    assert Gman().answers("predict_links") == "logits"
    assert documented().answers("forecast") == "values"
