"""Attention by groups: the nodes of a random group read each other, then the groups do, for graphs of many nodes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lab.spec.models.gman import SpatialAttention as Options
from lab.zoo.gman.attention import NodeAttention


def node_attention(spec: Options, width: int, share: float, *, nodes: int) -> NodeAttention:
    """Attention inside a frame of so many nodes; one group alone is all nodes."""
    groups = group_count(spec, nodes)
    grouped = Groups(nodes, groups) if groups > 1 else None
    return NodeAttention(spec, width, share) if grouped is None else GroupedAttention(spec, width, share, grouped)


def group_count(spec: Options, nodes: int) -> int:
    """As few groups as keep to the size that is asked for; N nodes in groups of M have N M + (N / M)^2 pairs."""
    if spec.among == "all_nodes":
        return 1
    fewest = max(2, round((2 * nodes) ** (1 / 3)))
    return -(-nodes // (fewest if spec.group_size == "fewest_pairs" else spec.group_size))


class Groups(nn.Module):
    """A random partition into groups of sizes that differ by one at most.

    It is drawn from the seed that torch's generator was given last, and from nothing else: all blocks have the same
    groups, and so have all cells of a trial's seed. It is saved along with the weights.
    """

    order: Tensor
    """[nodes] as they were drawn; the groups take them in turn."""
    slots: Tensor
    """[groups, members]: which of them stands there. Where a group is smaller, its first node stands in."""
    places: Tensor
    """[nodes]: the slot of each, in the order they were drawn in."""
    is_own: Tensor
    """[groups, 1, 1, members] bool: whether a slot is a node's own."""

    def __init__(self, nodes: int, groups: int) -> None:
        super().__init__()
        drawn = torch.arange(nodes)
        members = -(-nodes // groups)
        slots = torch.arange(groups)[:, None] + groups * torch.arange(members)
        self.register_buffer(
            "order", torch.randperm(nodes, generator=torch.Generator().manual_seed(torch.initial_seed()))
        )
        self.register_buffer("slots", torch.where(slots < nodes, slots, slots[:, :1]), persistent=False)
        self.register_buffer("places", drawn % groups * members + drawn // groups, persistent=False)
        self.register_buffer("is_own", (slots < nodes)[:, None, None], persistent=False)
        self.is_even = nodes % groups == 0

    def split(self, x: Tensor) -> Tensor:
        """[graphs, frames, nodes, width] as [graphs, frames, groups, members, width]."""
        nodes = self.order[self.slots]
        return x.index_select(2, nodes.flatten()).view(*x.shape[:2], *nodes.shape, -1)

    def joined(self, x: Tensor) -> Tensor:
        """The way back."""
        return x.flatten(2, 3).index_select(2, self.places[self.order.argsort()])

    def allowed(self, frames: int) -> Tensor | None:
        """[frames times groups, 1, members, members] bool: no slot that is no node's own is read; None if all are."""
        if self.is_even:
            return None
        members = self.slots.shape[1]
        return self.is_own.repeat(frames, 1, 1, 1).expand(-1, -1, members, -1)


class GroupedAttention(NodeAttention):
    """Nodes read their group; each group's largest values read those of all groups, and its nodes are told."""

    def __init__(self, spec: Options, width: int, share: float, groups: Groups) -> None:
        super().__init__(spec, width, share, is_whole=False)
        self.groups = groups
        self.between = NodeAttention(spec, width, share, is_whole=False)

    def forward(self, x: Tensor, edges: Tensor | None) -> Tensor:
        """Read [graphs, frames, nodes, width]; edges are for others."""
        split = self.groups.split(x)
        graphs, frames = x.shape[:2]
        within = self.read(split.flatten(0, 2), allowed=self.groups.allowed(graphs * frames)).view(split.shape)
        # A stand-in has read what the node has that it stands for, so that the largest values are the group's own.
        of_groups = self.between(within.amax(3), None)
        return self.groups.joined(within + of_groups[:, :, :, None])

    def zero_gradient(self) -> set[str]:
        """That of attention, within groups and between them."""
        names = super().zero_gradient()
        return names | {f"between.{name}" for name in names}
