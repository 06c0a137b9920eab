"""The attention-based graph convolution of whole batches of windows, as [windows, nodes, frames, channels]."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.spec.models.astgcn import Astgcn as Options
from lab.zoo.astgcn.bilinear import BilinearAttention
from lab.zoo.astgcn.convolution import AttentiveChebyshev
from lab.zoo.astgcn.query_key import QueryKeyAttention
from lab.zoo.astgcn.starts import ChannelNorm, Convolution, LastConvolution
from lab.zoo.chebyshev import messages
from lab.zoo.graph_source import graph_of
from lab.zoo.link_readouts import LinkReadout
from lab.zoo.parts import Relu
from lab.zoo.taps import Kind

KERNEL = 3


def attention_of(spec: Options, nodes: int, frames: int, channels: int) -> nn.Module | None:
    """The attention of a block, unless nothing would read it."""
    is_read = spec.graph_input == "attended" or spec.cheb_attention != "unmodulated"
    if spec.attention == "none" or not is_read:
        return None
    if spec.attention == "query_key":
        return QueryKeyAttention(spec, frames, channels)
    return BilinearAttention(spec, nodes, frames, channels)


class Block(nn.Module):
    """Attention, a graph convolution under it, a convolution along time, a shortcut and a norm."""

    tapped: ClassVar[Kind] = "block"

    def __init__(self, spec: Options, shape: Shape, channels: int) -> None:
        super().__init__()
        start = spec.vector_init
        self.attention = attention_of(spec, shape.nodes, shape.window, channels)
        self.graph = AttentiveChebyshev(spec, channels)
        self.graph_relu = Relu()
        self.time = Convolution(spec.graph_filters, spec.time_filters, kernel=KERNEL, start=start)
        self.shortcut = Convolution(channels, spec.time_filters, kernel=1, start=start)
        self.relu = Relu()
        self.norm = ChannelNorm(spec.time_filters, start)

    def forward(self, x: Tensor, graph: Tensor | None, matrix: Tensor | None) -> Tensor:
        """[windows, nodes, frames, time filters]; the graph tells who may be looked at, the matrix is made of it."""
        seen, weights = (x, None) if self.attention is None else self.attention(x, graph)
        convolved = self.time(self.graph_relu(self.graph(seen, matrix, weights)))
        normal: Tensor = self.norm(self.relu(convolved + self.shortcut(x)))
        return normal


class Astgcn(nn.Module):
    """Blocks, a convolution over all that is left of a node, and a read-out of links or of the next frames."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.spec = spec
        inputs = [shape.features] + [spec.time_filters] * (spec.layers - 1)
        self.blocks = nn.ModuleList(Block(spec, shape, channels) for channels in inputs)
        width = shape.horizon or spec.node_width
        self.last = LastConvolution(shape.window, spec.time_filters, width, start=spec.vector_init)
        self.readout = None if shape.horizon else LinkReadout(spec.readout, shape, width, dropout=spec.dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Links [windows, nodes, nodes], or forecasts [windows, horizon, nodes, 1]."""
        graph = graph_of(self.spec.graph, batch)
        matrix = None if graph is None else messages(graph)
        x = batch.x.transpose(1, 2).contiguous()
        for block in self.blocks:
            x = block(x, graph, matrix)
        nodes = self.last(x)
        answer: Tensor = nodes.mT[..., None] if self.readout is None else self.readout(nodes, batch)
        return answer
