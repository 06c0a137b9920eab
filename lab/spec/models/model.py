"""What every model of the menu has: the tasks it can be asked to do."""

from __future__ import annotations

from typing import ClassVar

from lab.spec.spec import Family


class ModelSpec(Family):
    """A model and its options. `build(shape)` gives the module, a function from Batch to Tensor."""

    noun: ClassVar[str] = "model"
    tasks: ClassVar[tuple[str, ...]] = ("classify_nodes",)

    def refuses(self, task: str) -> str:
        """Why these options do not suit one of the model's tasks; empty where they do."""
        return ""
