"""Facts: what rules must know of a run besides its readings; they travel with the readings."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.records.chunk import TOTAL

if TYPE_CHECKING:
    import pyarrow as pa

FACTS = b"lab.facts"
"""Key of a table's metadata: the facts as JSON."""
CANCELLED = b"lab.cancelled"
"""Key of a table's metadata: JSON list of the parameters whose gradient is zero by construction (a bias that a batch
norm cancels), so that no rule takes the rounding noise in it for a fault."""
MATRICES = b"matrices"
"""Key of a table's metadata: JSON list of the parameters with two or more axes."""


@dataclass(frozen=True)
class Facts:
    """What is known of a run from its start on; what is not known stays empty."""

    classes: int = 0
    label_entropy: float = math.nan
    """The loss of knowing the labels' shares alone; of a regression, the variance of its targets."""
    planned_steps: int = 0
    epochs: int = 0
    lr: float = math.nan
    """The learning rate at its highest."""
    schedule: str = ""
    names: tuple[str, ...] = ()
    """Parameters that learn, in order."""
    vectors: frozenset[str] = frozenset()
    """Those with one axis or none; bands of ratios are over the others."""
    cancelled: frozenset[str] = frozenset()
    """Parameters whose gradient is zero by construction."""
    frozen: frozenset[str] = frozenset()
    """Parameters that are declared not to learn."""
    blocks: tuple[str, ...] = ()
    """Modules marked as blocks, in order."""
    modules: tuple[str, ...] = ()
    """All modules, in the order of the model's own definition."""
    featureless: bool = False
    """Whether nodes carry nothing by design, so that all inputs are the same."""
    ceiling: float | None = None
    """The best balanced accuracy that the training graphs allow at the model's depth, where it is known."""

    def is_matrix(self, name: str) -> bool:
        """Whether a parameter has two or more axes; taken for granted of one that is not known."""
        return name not in self.vectors

    @property
    def is_linear(self) -> bool:
        """Whether the model is known to have one matrix only, which may be rewritten without any harm."""
        return sum(self.is_matrix(name) for name in self.names) == 1

    def is_exempt(self, name: str) -> bool:
        """Whether no rule may blame a parameter for not moving."""
        return name == TOTAL or name in self.cancelled or name in self.frozen


def with_facts(readings: pa.Table, facts: Facts) -> pa.Table:
    """The same readings, telling what is known of their run."""
    said = {**(readings.schema.metadata or {}), FACTS: _json(facts).encode()}
    return readings.replace_schema_metadata(said)


def facts_of(readings: pa.Table) -> Facts:
    """What readings tell of their run; older ones name special parameters and nothing else."""
    said = readings.schema.metadata or {}
    if FACTS in said:
        return _facts(said[FACTS].decode())
    cancelled = frozenset(json.loads(said.get(CANCELLED, b"[]")))
    if MATRICES not in said:
        return Facts(cancelled=cancelled)
    matrices = frozenset(json.loads(said[MATRICES]))
    names = frozenset(readings["name"].unique().to_pylist())
    return Facts(cancelled=cancelled, vectors=names - matrices)


def _json(facts: Facts) -> str:
    said = {key: sorted(value) if isinstance(value, frozenset) else value for key, value in vars(facts).items()}
    return json.dumps({key: str(v) if isinstance(v, float) and not math.isfinite(v) else v for key, v in said.items()})


def _facts(text: str) -> Facts:
    said = json.loads(text)
    for name in ("cancelled", "frozen", "vectors"):
        said[name] = frozenset(said.get(name, ()))
    for name in ("names", "blocks", "modules"):
        said[name] = tuple(said.get(name, ()))
    for name in ("label_entropy", "lr"):
        said[name] = float(said.get(name, "nan"))
    known = {option.name for option in dataclasses.fields(Facts)}
    return Facts(**{key: value for key, value in said.items() if key in known})
