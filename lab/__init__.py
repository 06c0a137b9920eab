"""lab: ablations for graph neural networks, from a question in a file to measured effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.api import Ablation as Ablation
    from lab.api import load as load

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`lab.load` and `lab.Ablation`, which load pandas and the rest only when they are asked for."""
    if name in ("load", "Ablation"):
        from lab import api

        return getattr(api, name)
    raise AttributeError(f"module 'lab' has no attribute '{name}'")
