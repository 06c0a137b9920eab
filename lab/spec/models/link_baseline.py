"""Baselines of link prediction that learn a few numbers at most: what a score means before any network is trained."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from lab.spec.models.model import ModelSpec
from lab.spec.spec import factor

Rule = Literal[
    "density",
    "pair_marginal",
    "copy_last",
    "window_mean",
    "ewma",
    "common_neighbours",
    "degree_product",
    "pair_logit",
]


class LinkBaseline(ModelSpec):
    """Logistic regression of a pair's next entry on simple numbers of its past."""

    kind: Literal["link_baseline"] = "link_baseline"
    code: ClassVar[str] = "lab.zoo.link_baseline:LinkBaseline"
    tasks: ClassVar[tuple[str, ...]] = ("predict_links",)
    fixed_nodes: ClassVar[bool] = True
    rule: Annotated[Rule, factor()] = "pair_logit"
    """The same odds for all pairs (`density`), odds of each pair's own whatever the window (`pair_marginal`), the last
    entry (`copy_last`), the mean over the window, one that forgets at a learned rate (`ewma`), of the mean graph the
    common neighbours or the log product of the degrees, or `pair_logit`: last entry, mean, common neighbours, sum and
    log product of the degrees."""
