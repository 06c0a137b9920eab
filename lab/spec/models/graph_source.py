"""Which of a window's graphs a model reads: an option that the temporal models of the menu share."""

from __future__ import annotations

from typing import Annotated, Literal

from lab.spec.spec import Factor, Spec, factor

Source = Literal[
    "own_last",
    "own_first",
    "own_per_frame",
    "window_mean_weighted",
    "first_of_batch_first_frame",
    "random_same_density",
    "none",
]


class GraphSource(Spec):
    """The graph that the convolutions of a window work on. One known graph is the same to most sources."""

    source: Annotated[Source, Factor(off="none")] = "own_last"
    """The newest graph of the window, the oldest, each frame's own, the mean of all as weights, the very first of the
    whole batch (so that an answer depends on the company it keeps), the newest with its nodes shuffled, or none."""
    weights: Annotated[bool, factor()] = True
    """Read the weights of edges; otherwise every edge counts alike."""
