"""How links are read off the last states of the nodes: options that the temporal models of the menu share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.spec.spec import Factor, Spec, factor

Form = Literal["row_linear", "bilinear", "bilinear_plus_row", "pair_mlp", "scalar_row", "flatten_dense"]
AdjacencySkip = Literal["none", "last_frame", "window_mean"]


class LinkReadout(Spec):
    """From a state for each node to one number for every ordered pair of nodes."""

    form: Annotated[Form, factor()] = "bilinear"
    """`row_linear` names all columns from the row's state alone, by a hidden layer; `scalar_row` squeezes that state
    into one number first; `bilinear` compares both states, `bilinear_plus_row` adds the two; `pair_mlp` is a small MLP
    of both states; `flatten_dense` reads all nodes at once through a hidden layer."""
    hidden: Annotated[int, Field(ge=1, le=16384)] | None = None
    """Units of the hidden layer, where the form has one; twice the width of the states when null."""
    adjacency_skip: Annotated[AdjacencySkip, Factor(off="none")] = "none"
    """Add the pair's own past as a logit of learned weight: its entry in the `last_frame`, or the `window_mean`."""
    symmetry: Annotated[Literal["average_logits", "none"], Factor(off="none")] = "average_logits"
    """Give both directions of a pair the mean of their logits."""
    diagonal: Annotated[Literal["masked", "predicted"], factor()] = "masked"
    """Call a link of a node to itself impossible, or predict it like any other."""
    output: Annotated[Literal["logit", "probability"], factor()] = "logit"
    """What the model puts out; losses of probabilities are clamped where those of logits are not."""
