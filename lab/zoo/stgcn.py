"""The spatio-temporal graph convolution: all windows, nodes and frames at once, as [windows, nodes, frames, channels].

In memory that is what torch calls channels last, so that convolutions along time need no copy.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from lab.data.batch import Batch, Shape
from lab.spec.models.stgcn import Stgcn as Options
from lab.zoo.chebyshev import Chebyshev, frames_read, messages
from lab.zoo.graph_source import graph_of
from lab.zoo.link_readouts import LinkReadout
from lab.zoo.parts import Relu, dropout
from lab.zoo.taps import Kind, Tap


class GatedConvolution(nn.Module):
    """A gated convolution along time without padding: it leaves kernel - 1 fewer frames.

    `gate` is one of the options, or `residual` for relu(P + x).
    """

    def __init__(self, inputs: int, outputs: int, *, kernel: int, gate: str) -> None:
        super().__init__()
        self.outputs, self.kernel, self.form = outputs, kernel, gate

        def branch() -> nn.Conv2d:
            return nn.Conv2d(inputs, outputs, (1, kernel))

        self.value = branch()
        self.gate = branch() if gate != "residual" else None
        self.branch = branch() if gate in ("product_plus_branch_relu", "sum_gate") else None
        narrows = self.branch is None and inputs > outputs
        self.project = nn.Conv2d(inputs, outputs, 1) if narrows else None
        self.relu = Relu() if gate != "glu_residual" else None

    def forward(self, x: Tensor) -> Tensor:
        """[windows, nodes, frames - kernel + 1, outputs]."""
        value, *others = self._branches(x)
        if self.form == "product_plus_branch_relu":
            # A copy: a view would keep the other two for the backward pass, which needs neither.
            y = torch.addcmul(others[1], value.contiguous(), others[0].sigmoid())
        elif self.form == "sum_gate":
            y = value + others[0].sigmoid() + others[1]
        else:
            y = value + self._shortcut(x)
        if self.relu is None:
            return y * others[0].sigmoid()
        shown: Tensor = self.relu(y)
        return shown

    def _branches(self, x: Tensor) -> tuple[Tensor, ...]:
        """All convolutions of the input, made as one."""
        convolutions = [each for each in (self.value, self.gate, self.branch) if each is not None]
        weight = torch.cat([each.weight for each in convolutions])
        bias = torch.cat([each.bias for each in convolutions if each.bias is not None])
        found = conv2d(x.permute(0, 3, 1, 2), weight, bias).permute(0, 2, 3, 1)
        return torch.split(found, self.outputs, -1)

    def _shortcut(self, x: Tensor) -> Tensor:
        """The newest frame that each output sees, brought to its width."""
        seen = x[:, :, self.kernel - 1 :]
        if self.project is not None:
            narrow: Tensor = self.project(seen.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
            return narrow
        return pad(seen, (0, self.outputs - x.shape[-1]))


class NodeBatchNorm(nn.BatchNorm2d):
    """Batch norm of every node, over windows, frames and channels; windows have no padding."""

    tapped: ClassVar[Kind] = "norm"


class FrameLayerNorm(nn.LayerNorm):
    """Layer norm over the nodes and channels of a frame."""

    tapped: ClassVar[Kind] = "norm"

    def forward(self, x: Tensor) -> Tensor:
        """The same shape, [windows, nodes, frames, channels]."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def norm(kind: str, nodes: int, width: int) -> nn.Module:
    """A norm by its name."""
    if kind == "none":
        return nn.Identity()
    return NodeBatchNorm(nodes) if kind == "batch_over_nodes" else FrameLayerNorm((nodes, width))


class Block(nn.Module):
    """A gated convolution along time, one on the graph, another along time; then norm, ReLU and dropout."""

    tapped: ClassVar[Kind] = "block"

    def __init__(self, spec: Options, nodes: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.drops_first = spec.activation_order == "dropout_then_relu"
        behind = "residual" if spec.gate == "glu_residual" else spec.gate
        terms = 1 if spec.graph.source == "none" else spec.cheb_terms
        self.time1 = GatedConvolution(inputs, spec.hidden, kernel=spec.kernel, gate=spec.gate)
        self.graph = Chebyshev(spec.hidden, spec.hidden, terms)
        self.graph_relu = Relu()
        self.time2 = GatedConvolution(spec.hidden, outputs, kernel=spec.kernel, gate=behind)
        self.norm = norm(spec.norm, nodes, outputs)
        self.relu = Relu()
        self.dropout = dropout(spec.dropout)

    def forward(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        """[windows, nodes, 2 (kernel - 1) fewer frames, outputs]."""
        x = self.convolved(x, matrix)
        shown: Tensor = self.relu(self.dropout(x)) if self.drops_first else self.dropout(self.relu(x))
        return shown

    def convolved(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        """The three convolutions and the norm."""
        x = self.time1(x)
        x = self.graph_relu(self.graph(x, frames_read(matrix, x.shape[2])))
        normal: Tensor = self.norm(self.time2(x))
        return normal


class Horizon(nn.Module):
    """The published output layer: one gated convolution over all frames that are left, and a small MLP of each node."""

    def __init__(self, spec: Options, shape: Shape, frames: int) -> None:
        super().__init__()
        width = spec.widths[-1]
        self.time = GatedConvolution(width, width, kernel=frames, gate=spec.gate)
        self.norm = norm(spec.norm, shape.nodes, width)
        self.hidden = nn.Linear(width, width)
        self.last = nn.Linear(width, shape.horizon)
        self.logits = Tap("logits")

    def forward(self, x: Tensor) -> Tensor:
        """Forecasts [windows, horizon, nodes, 1]."""
        told = self.last(self.hidden(self.norm(self.time(x))[:, :, 0]).sigmoid())
        shown: Tensor = self.logits(told.mT[..., None])
        return shown


class Stgcn(nn.Module):
    """Blocks, and a read-out of links or of the next frames."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.spec = spec
        taken = 2 * (spec.kernel - 1) * len(spec.widths)
        self.frames = max(shape.window, taken + 1)
        ends = zip((shape.features, *spec.widths), spec.widths, strict=False)
        self.blocks = nn.ModuleList(Block(spec, shape.nodes, inputs, outputs) for inputs, outputs in ends)
        left = self.frames - taken
        self.horizon = self.readout = None
        if shape.horizon:
            self.horizon = Horizon(spec, shape, left)
        else:
            self.readout = LinkReadout(spec.readout, shape, left * spec.widths[-1], dropout=spec.dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Links [windows, nodes, nodes], or forecasts [windows, horizon, nodes, 1]."""
        x = lengthened(batch.x, self.frames).transpose(1, 2).contiguous()
        matrix = self._matrix(batch)
        for block in self.blocks:
            x = block(x, matrix)
        answer: Tensor
        if self.readout is not None:
            answer = self.readout(x.flatten(2), batch)
        elif self.horizon is not None:
            answer = self.horizon(x)
        return answer

    def _matrix(self, batch: Batch) -> Tensor | None:
        graph = graph_of(self.spec.graph, batch)
        if graph is None:
            return None
        matrix = messages(graph)
        return lengthened(matrix, self.frames) if matrix.ndim == 4 else matrix


def lengthened(x: Tensor, frames: int) -> Tensor:
    """Windows [windows, frames, ...] with their oldest frame repeated until there are so many."""
    missing = frames - x.shape[1]
    return x if missing <= 0 else torch.cat([x[:, :1].expand(-1, missing, -1, -1), x], 1)
