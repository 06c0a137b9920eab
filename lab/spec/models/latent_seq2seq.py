"""The forecaster of the menu that learns which series drive which, by attention in front of two LSTMs."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.spec.models.model import Answer, ModelSpec
from lab.spec.spec import Factor, Spec, factor

Mixing = Literal["as_written", "corrected", "two_sided", "time_only", "band_pass", "none"]
SpectralStart = Literal["inverse_square", "by_modes", "zero"]
LatentAttention = Literal["learned", "given", "identity"]
Static = Literal["per_head", "shared", "first_head_only", "none"]
StaticStart = Literal["diagonal", "similarity"]
Sparsity = Literal["none", "top_k", "straight_through", "dense_then_prune", "entmax", "sparsemax"]
SelfEdge = Literal["optional", "always_kept", "excluded"]
TemperatureCourse = Literal["fixed", "learned", "annealed"]
ValueSkip = Literal["value", "input", "none"]
LatentNorm = Literal["none", "layer", "batch", "graph", "pair"]
NormPlace = Literal["first", "second", "both"]
Memory = Literal["lstm", "latent", "both"]
FirstInput = Literal["last_value", "latent_last"]
LstmStart = Literal["per_gate_orthogonal", "stacked_orthogonal", "uniform"]
ForgetBias = Literal["one", "zero", "drawn"]
Forcing = Literal["scheduled", "batch_coin", "sample_coin", "always", "none"]
Nonlinearity = Literal["relu", "tanh", "none"]
ConvSmoother = Literal["residual", "replace", "identity_start", "none"]
HorizonSmoother = Literal["none", "in_model", "learned", "evaluation"]
GraphReadout = Literal["mean_over_frames", "last_frame", "first_layer", "static", "all"]


class Fourier(Spec):
    """A residual branch that mixes the window in the frequency domain, ahead of the latent layers."""

    mixing: Annotated[Mixing, Factor(off="none")] = "time_only"
    """Which spectrum is weighed: that over time of each node (`time_only`), per node over a band of times
    (`band_pass`), or that over time and node index, which takes the order of nodes for a ring: `corrected` weighs
    each mode, `two_sided` the negative frequencies of time too, `as_written` sums the input's time modes first, so
    that a window no longer than `modes` is seen by its oldest frame only."""
    start: Annotated[SpectralStart, factor()] = "by_modes"
    """Size of the first weights: 1 / F^2 (`inverse_square`) swamps a single feature, 1 / (F sqrt(modes)), or zero."""
    modes: Annotated[int, Field(ge=1, le=4096)] | None = 16
    """Frequencies kept, from the lowest up, along each axis; null for all."""
    band: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]] = (1, 9)
    """First frequency of `band_pass`, and the one behind its last."""

    @model_validator(mode="after")
    def _band_rises(self) -> Self:
        if self.band[0] >= self.band[1]:
            raise ValueError(f"band {list(self.band)} is empty: its end must lie above its start")
        return self


class Latent(Spec):
    """The two layers in which every frame's nodes attend to one another; their weights are the learned graph."""

    attention: Annotated[LatentAttention, Factor(off="identity")] = "learned"
    """Whom a node hears: whom it has `learned` to, its neighbours in the `given` graph and itself, or itself alone."""
    heads: Annotated[int, Field(ge=1, le=64)] = 1
    """Attention heads; `width` is a multiple. With two or more, a linear layer joins what they heard."""
    dynamic: Annotated[bool, Factor(off=False)] = True
    """Scores from queries and keys, which change from frame to frame."""
    static: Annotated[Static, Factor(off="none")] = "per_head"
    """Learned scores of node pairs, the same for all frames: a matrix for each head, one `shared`, or one head's."""
    static_start: Annotated[StaticStart, factor()] = "diagonal"
    """First static scores: one number for a node with itself and one for two nodes (`diagonal`), or how two series
    correlate over the training frames (`similarity`)."""
    static_diagonal: float = 0.9
    """First static score of a node with itself."""
    static_elsewhere: float = 0.0
    """First static score of two nodes; a constant in all of a row changes nothing."""
    sparsity: Annotated[Sparsity, Factor(off="none")] = "none"
    """Keep the `neighbours` highest scores of a row (`top_k`; of equals the first), with the gradient of all
    (`straight_through`), pruned from all of them down to it over the training (`dense_then_prune`), or let a sparse
    map of scores to weights decide."""
    neighbours: Annotated[int, Field(ge=1)] = 4
    """Nodes that a row keeps, where the number is set; fewer nodes than that are all kept."""
    self_edge: Annotated[SelfEdge, factor()] = "optional"
    """Whether a node hears itself: as its score says, always among those kept, or never."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """What scores are divided by after the selection."""
    temperature_course: Annotated[TemperatureCourse, factor()] = "fixed"
    """Leave it there, learn it for each head, or take it down to `final_temperature` over the training."""
    final_temperature: Annotated[float, Field(gt=0)] = 0.25
    """Where an annealed temperature ends."""
    score_width: Annotated[Literal["head", "width"], factor()] = "head"
    """Scores are divided by the root of the channels of a `head`, or of all heads."""
    value_skip: Annotated[ValueSkip, Factor(off="none")] = "value"
    """What is added to what a layer heard: its own `value`, a linear image of its `input`, or nothing."""
    norm: Annotated[LatentNorm, Factor(off="none")] = "none"
    """A norm behind the layers: over channels, over all of the batch, or over a frame's nodes (`graph`, with a learned
    share of the mean taken out, or `pair`, which fixes the mean distance of nodes)."""
    norm_place: Annotated[NormPlace, factor()] = "both"
    """Behind which layer the norm stands."""

    @model_validator(mode="after")
    def _scores_something(self) -> Self:
        if self.attention == "learned" and not self.dynamic and self.static == "none":
            raise ValueError("learned attention needs scores: dynamic, static, or both")
        if self.sparsity in ("entmax", "sparsemax") and self.self_edge == "always_kept":
            raise ValueError(f"{self.sparsity} keeps what its scores say: self_edge cannot be always_kept")
        return self

    @property
    def is_learned(self) -> bool:
        """Whether weights come from scores."""
        return self.attention == "learned"


class LatentSeq2Seq(ModelSpec):
    """Forecasts series by a graph it learns, an LSTM over each node's window and a decoder that looks back.

    Parameters, of F features, width H, N nodes: the Fourier branch; each latent layer N^2 + 3 (in H + H) +
    2 (H^2 + H) + 2 H; each LSTM 8 H^2 + 8 H a layer; the read-out 2 H^2 + 4 H + 1; the convolutions 89.
    """

    kind: Literal["latent_seq2seq"] = "latent_seq2seq"
    code: ClassVar[str] = "lab.zoo.latent_seq2seq.latent_seq2seq:LatentSeq2Seq"
    tasks: ClassVar[tuple[str, ...]] = ("forecast",)
    fixed_nodes: ClassVar[bool] = True
    width: Annotated[int, Field(ge=1, le=4096)] = 64
    """Channels of a node."""
    fourier: Fourier = Fourier()
    """The branch in the frequency domain."""
    latent: Latent = Latent()
    """The layers that learn the graph."""
    node_embedding: Annotated[bool, Factor(off=False)] = False
    """Learn a vector for each node, added to what the latent layers say; else all nodes share all of what follows."""
    lstm_layers: Annotated[int, Field(ge=1, le=8)] = 2
    """LSTM layers of the encoder, and of the decoder."""
    lstm_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of channels dropped between LSTM layers while training."""
    lstm_start: Annotated[LstmStart, factor()] = "per_gate_orthogonal"
    """First LSTM weights: each gate's orthogonal, all four gates' as one orthogonal stack, or uniform."""
    forget_bias: Annotated[ForgetBias, factor()] = "one"
    """First bias of forget gates: 1, which remembers, 0, or drawn like the others."""
    memory: Annotated[Memory, factor()] = "lstm"
    """What the decoder looks back at: the encoder's LSTM outputs, the latent layers' outputs, or both in one row."""
    first_input: Annotated[FirstInput, factor()] = "last_value"
    """What the decoder starts from: the last value, embedded like its own forecasts, or the last latent output."""
    forcing: Annotated[Forcing, Factor(off="none")] = "scheduled"
    """Let the decoder read the truth in place of its last forecast, in training: by a coin for the batch or for each
    sample at every step, always, by a sample's coin ever more rarely (`scheduled`), or never."""
    forcing_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Chance of the truth at a coin; `scheduled` goes from 1 to 0 by itself."""
    head_nonlinearity: Annotated[Nonlinearity, Factor(off="none")] = "relu"
    """Between the two linear layers of the read-out."""
    delta: Annotated[bool, Factor(off=False)] = True
    """Forecast the difference from the last value seen, instead of the value."""
    conv_smoother: Annotated[ConvSmoother, Factor(off="none")] = "residual"
    """A small convolution over a node's last three forecasts: added to the forecast, in its place, or in its place but
    started as the identity."""
    conv_from: Annotated[Literal["first_step", "third_step"], factor()] = "first_step"
    """The first step it smooths; before the third the earliest forecast is repeated."""
    horizon_smoother: Annotated[HorizonSmoother, Factor(off="none")] = "none"
    """A Gaussian kernel over the steps of the horizon: always, with a learned width, or in evaluation only."""
    smoother_width: Annotated[float, Field(gt=0)] = 1.0
    """Deviation of that kernel, in steps."""
    smoother_taps: Annotated[int, Field(ge=1, le=99)] = 5
    """Steps that kernel spans; an even number counts as the next odd one."""
    head: Annotated[Literal["value", "gaussian"], factor()] = "value"
    """Forecast a value, or its mean and deviation."""
    feedback: Annotated[Literal["mean", "sample"], factor()] = "mean"
    """What a Gaussian decoder reads of its last forecast: the mean, or a draw."""
    trajectories: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Courses of draws that an evaluation under `sample` takes mean and deviation over."""
    smooth_deviation: Annotated[Literal["none", "variance_propagation"], Factor(off="none")] = "none"
    """Let the Gaussian kernel leave deviations alone, or propagate variances of steps that err independently."""
    graph_readout: Annotated[GraphReadout, factor()] = "mean_over_frames"
    """Which weights are called the learned graph: the second layer's, over all frames or in the last one, the first
    layer's, the second layer's static scores, or the mean of both layers and all frames. Training does not see it."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.latent.heads:
            raise ValueError(f"width {self.width} is no multiple of {self.latent.heads} latent.heads")
        if self.graph_readout == "static" and not (self.latent.is_learned and self.latent.static != "none"):
            raise ValueError("graph_readout static: the latent layers have no static scores")
        if self.feedback == "sample" and self.head != "gaussian":
            raise ValueError("feedback sample draws from a gaussian head; head is value")
        return self

    def answers(self, task: str) -> Answer:
        """Values, or Gaussians."""
        return "gaussian" if self.head == "gaussian" else "values"
