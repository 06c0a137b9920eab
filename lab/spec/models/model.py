"""What every model of the menu has: the tasks it can be asked to do."""

from __future__ import annotations

from typing import ClassVar, Literal

from lab.spec.spec import Family

Answer = Literal["logits", "probabilities", "values", "gaussian", "mixture", "quantiles"]
"""What the numbers are that a model puts out: the last three tell of every value how sure the model is."""


class ModelSpec(Family):
    """A model and its options. `build(shape)` gives the module, a function from Batch to Tensor."""

    noun: ClassVar[str] = "model"
    tasks: ClassVar[tuple[str, ...]] = ("classify_nodes",)

    fixed_nodes: ClassVar[bool] = False
    """Whether the model knows nodes by their places, so that renaming them makes other data of it."""

    def answers(self, task: str) -> Answer:
        """What the model puts out for a task.

        `values` are [graphs, horizon, nodes, 1] when it forecasts, a `gaussian` a mean and a deviation, a `mixture` the
        means, deviations and log-weights of its parts, `quantiles` rising values at the levels (k + 0.5) / Q.
        """
        return "values" if task in ("forecast", "regress_nodes") else "logits"

    def refuses(self, task: str) -> str:
        """Why these options do not suit one of the model's tasks; empty where they do."""
        return ""
