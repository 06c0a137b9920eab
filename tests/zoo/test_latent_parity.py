"""The forecaster with a learned graph, and each of its parts, against arrays of a reference implementation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from lab.data.batch import Batch, Shape
from lab.spec.models.latent_seq2seq import Fourier, Latent, LatentSeq2Seq
from lab.zoo.latent_seq2seq.fourier import FourierBranch
from lab.zoo.latent_seq2seq.latent_layer import LatentLayer
from lab.zoo.latent_seq2seq.smoothers import ConvSmoother, HorizonSmoother

pytestmark = pytest.mark.torch

FILE = Path(__file__).resolve().parents[2] / "experiments" / "latent_documented.yaml"
DOCUMENTED = YAML(typ="safe").load(FILE)["model"]
"""The levels of the form that was first described, as its experiment ships them."""

LAYER = {
    "static_edge_weights": "static.weight",
    "query_proj": "query",
    "key_proj": "key",
    "value_proj": "value",
    "out_mlp.0": "lift",
    "out_mlp.1": "norm",
    "out_mlp.3": "lower",
}
WHOLE = {
    "fourier_encoder.weights": "fourier.weight",
    **{f"latent_gcn1.{old}": f"first.{new}" for old, new in LAYER.items()},
    **{f"latent_gcn2.{old}": f"second.{new}" for old, new in LAYER.items()},
    "encoder_lstm": "encoder.layers",
    "decoder_lstm": "decoder.cells.layers",
    "fc_out": "decoder.read_out.mix",
    "final_out": "decoder.read_out.mean",
    "value_to_hidden": "decoder.embed",
    "output_smoother.0": "decoder.conv.first",
    "output_smoother.2": "decoder.conv.second",
}


def renamed(name, names):
    """A parameter's name here."""
    old = next(old for old in sorted(names, key=len, reverse=True) if name.startswith(old))
    rest = name.removeprefix(old)
    if "_l" in rest:  # An LSTM's parts carry their layer as a suffix.
        part, _, layer = rest.rpartition("_l")
        rest = f".{layer}{part}"
    return names[old] + rest


def loaded(model, arrays, names):
    """The model with the stored parameters, none of its own left."""
    own = dict(model.named_parameters())
    for key in arrays:
        if key.startswith("param/"):
            name, stored = renamed(key.removeprefix("param/"), names), arrays[key]
            stored = torch.view_as_real(stored) if stored.is_complex() else stored
            with torch.no_grad():
                weight = own.pop(name)
                weight.copy_(stored.reshape(weight.shape))
    assert not own
    return model


def check_gradients(model, arrays, names, dtype=torch.float32):
    """Norms to 1e-4, and to 1e-10 in double precision; single entries where they are stored."""
    is_double = dtype == torch.float64
    word, close = ("gradnorm64/", 1e-10) if is_double else ("gradnorm/", 1e-4)
    found = {name: weight.grad for name, weight in model.named_parameters()}
    largest = max(float(arrays[key]) for key in arrays if key.startswith(word))
    keys = [key for key in arrays if key.startswith(word)]
    assert len(keys) == len(found)
    for key in keys:
        name = renamed(key.removeprefix(word), names)
        norm = float(found[name].norm()) if found[name] is not None else 0.0
        assert norm == pytest.approx(float(arrays[key]), rel=close, abs=close * 1e-3 * largest), name
    for key in arrays:
        if key.startswith("grad/") and not is_double:
            grad = found[renamed(key.removeprefix("grad/"), names)]
            torch.testing.assert_close(grad.reshape(arrays[key].shape), arrays[key], rtol=1e-4, atol=1e-6 * largest)


def near(found, stored, dtype=torch.float32):
    """Outputs agree to 1e-5, or to 1e-10 in double precision."""
    rtol, atol = (1e-10, 1e-11) if dtype == torch.float64 else (1e-5, 1e-6)
    torch.testing.assert_close(found, stored, rtol=rtol, atol=atol)


def windows(arrays):
    """The stored inputs as a batch; `y` is what a forced decoder reads."""
    x, y = arrays["in/x"], arrays["in/target"]
    nodes = x.shape[2]
    mask = torch.ones(len(x), nodes, dtype=torch.bool)
    return Batch(x, torch.zeros(len(x), nodes, nodes, dtype=torch.uint8), mask, y, torch.arange(len(x)))


@pytest.mark.parametrize("name", ["latent_full_T12", "latent_full_teacher_forced"])
def test_the_documented_form_is_the_stored_one(reference, name):
    arrays = reference(name)
    spec = LatentSeq2Seq.model_validate(
        DOCUMENTED | {"width": 8, "forcing_share": 1.0, "latent": DOCUMENTED["latent"] | {"neighbours": 2}}
    )
    batch = windows(arrays)
    shape = Shape(nodes=6, features=3, targets=1, window=12, horizon=5)
    model = loaded(spec.build(shape), arrays, WHOLE)
    model.decoder.forcing.train("forced" in name)
    for part in (model.encoder, model.decoder.cells):
        part.eval()
    branch = model.fourier(batch.x)
    near(branch, arrays["mid/fourier_branch"])
    latent, (first, second) = model.latent(batch)
    near(latent[:, -1], arrays["mid/last_step_gcn2"])
    near(first[:, -1, 0], arrays["mid/last_step_attention1"])
    near(second[:, -1, 0], arrays["mid/last_step_attention2"])
    found = model(batch)[..., 0]
    near(found, arrays["out/y"])
    near(model.learned_graph(batch), arrays["out/attention"])
    (found - batch.y).abs().mean().backward()
    check_gradients(model, arrays, WHOLE)


@pytest.mark.parametrize("name", ["latent_fourier_T12_N6", "latent_fourier_T24_N20"])
def test_the_branch_is_the_stored_one_as_written_and_corrected(reference, name):
    arrays = reference(name)
    x = arrays["in/x"].permute(0, 2, 3, 1)
    shape = Shape(nodes=x.shape[2], features=3, window=x.shape[1])
    for mixing, out in (("as_written", "out/y"), ("corrected", "out_corrected/y")):
        branch = loaded(FourierBranch(Fourier(mixing=mixing), shape), arrays, {"weights": "weight"})
        found = branch(x).permute(0, 3, 1, 2)
        near(found, arrays[out])
        if mixing == "as_written":
            (found - arrays["in/target"]).square().mean().backward()
            check_gradients(branch, arrays, {"weights": "weight"})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["latent_gcn_dense", "latent_gcn_top2"])
def test_a_latent_layer_is_the_stored_one(reference, name, dtype):
    arrays = reference(name)
    spec = Latent(neighbours=2, sparsity="top_k" if "top2" in name else "none")
    layer = loaded(LatentLayer(spec, 3, 8, 6), arrays, LAYER).to(dtype)
    told, attention = layer(arrays["in/x"][:, None].to(dtype), None)
    out = "out64" if dtype == torch.float64 else "out"
    near(told[:, 0], arrays[f"{out}/y"], dtype)
    near(attention[:, 0, 0], arrays[f"{out}/attention"], dtype)
    (told[:, 0] - arrays["in/target"].to(dtype)).square().mean().backward()
    check_gradients(layer, arrays, LAYER, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_convolution_is_the_stored_one_for_all_nodes_at_once(reference, dtype):
    arrays = reference("latent_output_smoother")
    names = {"0": "first", "2": "second"}
    smoother = loaded(ConvSmoother("replace"), arrays, names).to(dtype)
    found = smoother(list(arrays["in/x"].to(dtype).unbind(1)))
    near(found, arrays["out64/y" if dtype == torch.float64 else "out/y"], dtype)
    (found - arrays["in/target"].to(dtype)).square().mean().backward()
    check_gradients(smoother, arrays, names, dtype)


def test_the_gaussian_kernel_is_the_stored_one_and_even_sizes_count_as_the_next_odd_one(reference):
    arrays = reference("latent_gaussian")
    for key in (key for key in arrays if key.startswith("out/")):
        taps, width = key.removeprefix("out/k").split("_s")
        spec = LatentSeq2Seq(horizon_smoother="in_model", smoother_taps=int(taps), smoother_width=float(width))
        found, _ = HorizonSmoother(spec, arrays["in/x"].shape[1])(arrays["in/x"], None)
        near(found, arrays[key])


@pytest.mark.parametrize(
    ("features", "nodes", "as_one", "as_two"),
    [(3, 20, 174_906, 177_210), (2, 207, 258_332, 259_356), (2, 325, 383_884, 384_908)],
)
def test_sizes_are_the_published_ones_with_a_complex_weight_as_one_number_or_as_two(features, nodes, as_one, as_two):
    shape = Shape(nodes=nodes, features=features, targets=1, window=12, horizon=12)
    model = LatentSeq2Seq.model_validate(DOCUMENTED).build(shape)
    size = sum(weight.numel() for weight in model.parameters())
    assert (size - model.fourier.weight.numel() // 2, size) == (as_one, as_two)
