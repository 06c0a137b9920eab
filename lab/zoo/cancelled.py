"""Which parameters of a graph transformer have a zero gradient by construction, worked out from its options.

A shift that is the same for all rows dies in a batch norm, and a term that is the same for all permitted columns
of a row dies in a softmax. What only adds such a thing cannot be learned, however the data look.
"""

from __future__ import annotations

from lab.spec.models.graph_transformer import GraphTransformer as Options

MAP = ("weight", "bias", "linear1.weight", "norm.weight", "norm.bias", "linear2.weight", "linear2.bias")
"""What a positional map may consist of; none of it matters where each row may read one column."""
SETTLED = -30.0
"""A learned logit that starts here or lower weighs nothing in float32, and so never moves."""


def cancelled(spec: Options, *, tokens: bool) -> set[str]:
    """Names of the parameters, of which the model may lack some."""
    names: set[str] = set()
    alive = True
    for layer in reversed(range(spec.layers)):
        found, alive = _shifts(spec, alive)
        names |= {f"layers.{layer}.{name}" for name in found | _logits(spec)}
    if not alive:
        last = f"stage.layers.{spec.gin_layers - 1}."
        names |= {last + "between_norm.bias"} if spec.gin_layers else set()
        names |= {"embedding.bias"} if not (tokens or spec.gin_layers) else set()
    return names


def _shifts(spec: Options, alive: bool) -> tuple[set[str], bool]:
    """The biases of a layer that add a shift which dies, given whether one lives above; whether one does below."""
    inner = spec.feed_forward_kind == "mlp" and spec.mlp_norm == "batch"
    found = {"feed_forward.linear1.bias"} if inner else set()
    if spec.norm_first:  # The residual carries every other shift up to the read-out.
        return found | ({"ff_norm.bias"} if inner else set()), True
    passes = inner or spec.feed_forward_kind == "identity"
    after_ff = alive
    before_ff_norm = _through(spec.ff_norm, after_ff)
    after_attention = before_ff_norm or not passes
    before_attention_norm = _through(spec.attention_norm, after_attention)
    below = before_attention_norm or not _averages(spec)
    lives = {
        "ff_norm.bias": after_ff,
        "feed_forward.linear2.bias": before_ff_norm or spec.dropout > 0,
        "attention_norm.bias": after_attention,
        "attention.out_projection.bias": before_attention_norm or spec.dropout > 0,
        "attention.in_projection.bias": below,
    }
    return found | {name for name, does in lives.items() if not does}, below


def _through(kind: str, alive: bool) -> bool:
    """Whether a shift before a norm lives, given whether one behind it does."""
    return kind == "layer" or (kind == "none" and alive)


def _averages(spec: Options) -> bool:
    """Whether all rows a norm sees are read with the same total weight, which no value has touched."""
    if spec.dropout or spec.attention_dropout:
        return False
    alone = _reads_itself_only(spec)
    if spec.mixing == "gate":
        return alone and spec.attention == "position" and spec.masked_norm
    full = spec.masked_norm and (spec.unreachable != "mask" or 0 in spec.powers)
    return (alone or spec.attention == "position") and (full or spec.mask_fill == "million")


def _logits(spec: Options) -> set[str]:
    """The parts of the logits of a layer that do not reach the weights."""
    softmax = spec.mixing == "softmax"
    found = {"unreachable.logit"} if _settled(spec) else set()
    if spec.attention == "position" or spec.distance_bias:
        found |= {"positional.linear1.bias"}
        if softmax and _reads_itself_only(spec):
            found |= {f"positional.{name}" for name in MAP}
        added = spec.attention == "position" or spec.merge == "plus"
        if softmax and added and spec.positional.replace == "none":
            found |= {"positional.bias", "positional.linear2.bias"}
    return {f"attention.{name}" for name in found}


def _settled(spec: Options) -> bool:
    """Whether unreachable pairs are as good as masked, and stay so."""
    return spec.unreachable == "learned" and spec.unreachable_init <= SETTLED


def _reads_itself_only(spec: Options) -> bool:
    return spec.powers == (0,) and (spec.unreachable == "mask" or _settled(spec))
