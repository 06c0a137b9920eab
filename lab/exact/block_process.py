"""The law of a persistent block model: what the data are drawn by, and what their best possible scores follow from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class BlockProcess:
    """A persistent block model: edges that are kept or redrawn from frame to frame, and seen through noise."""

    nodes: int = 30
    communities: int = 3
    density: float = 0.15
    contrast: float = 6.0
    """Rate of edges within communities over the rate between them."""
    persistence: float = 0.6
    """Chance that a pair keeps its state for a step; else it is redrawn."""
    flips: float = 0.0
    """Chance that an observed entry is the wrong one."""

    def sizes(self) -> list[int]:
        """Nodes of each community: as equal as can be, the first ones larger."""
        smallest, more = divmod(self.nodes, self.communities)
        return [smallest + (at < more) for at in range(self.communities)]

    @property
    def share_within(self) -> float:
        """Share of the pairs that are within a community."""
        return sum(size * (size - 1) for size in self.sizes()) / (self.nodes * (self.nodes - 1))

    @property
    def rates(self) -> tuple[float, float]:
        """Chance of an edge between communities and within them."""
        share = self.share_within
        between = self.density / (share * self.contrast + 1 - share)
        return between, self.contrast * between

    @property
    def observed_density(self) -> float:
        """Density of what is seen, noise included."""
        return self.density * (1 - 2 * self.flips) + self.flips


PRESETS: Mapping[str, BlockProcess] = MappingProxyType(
    {
        "default": BlockProcess(),
        "easy": BlockProcess(contrast=8, persistence=0.85),
        "hard": BlockProcess(density=0.05, contrast=4, persistence=0.3),
        "dense": BlockProcess(density=0.23, contrast=3),
        "many": BlockProcess(communities=6, density=0.10, contrast=8),
        "community": BlockProcess(persistence=0),
        "persistence": BlockProcess(contrast=1),
        "noisy": BlockProcess(persistence=0.9, flips=0.05),
        "noisy2": BlockProcess(persistence=0.9, flips=0.10),
        "null": BlockProcess(contrast=1, persistence=0),
    }
)
