"""Which part of a model a parameter belongs to, told by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable


def block_of(name: str) -> str:
    """The part of the model a parameter belongs to: "layers.3" of "layers.3.norm.weight"."""
    numbered = re.match(r"(.*?\.\d+)(?:\.|$)", name)
    return numbered[1] if numbered else name.split(".")[0]


def by_block(names: Iterable[str]) -> dict[str, list[str]]:
    """Names by the block they belong to, both in the order they come in."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(block_of(name), []).append(name)
    return found
