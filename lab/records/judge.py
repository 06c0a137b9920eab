"""Rules over readings: pure, so that old records can be judged again by new rules."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, overload

from lab.spec.rules import Finding, RuleSpec

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

KEYS = ("step", "name", "probe")
"""Columns of the readings that are not statistics."""
VALUE = "value"
"""The statistic of a probe that has one only."""
CANCELLED = b"lab.cancelled"
"""Key of a table's metadata: JSON list of the parameters whose gradient is zero by construction (a bias that a batch
norm cancels), so that no rule takes the rounding noise in it for a fault."""


def with_cancelled(readings: pa.Table, names: Iterable[str]) -> pa.Table:
    """The same readings, telling which parameters get no gradient by construction."""
    said = {**(readings.schema.metadata or {}), CANCELLED: json.dumps(sorted(names)).encode()}
    return readings.replace_schema_metadata(said)


def cancelled(readings: pa.Table) -> frozenset[str]:
    """The parameters that the readings name as without a gradient by construction."""
    return frozenset(json.loads((readings.schema.metadata or {}).get(CANCELLED, b"[]")))


def judge(rules: Sequence[RuleSpec], readings: pa.Table | None) -> tuple[Finding, ...]:
    """What the rules say of a trial's readings; a rule that raises is told as a finding, never as a crash."""
    if readings is None or readings.num_rows == 0:
        return ()
    return tuple(finding for rule in rules for finding in _judged(rule, readings))


def _judged(rule: RuleSpec, readings: pa.Table) -> Iterator[Finding]:
    kind = str(getattr(rule, "kind", type(rule).__name__))
    probe, _, statistic = rule.reads.partition(".")
    series = dict(_series(readings, probe, statistic or VALUE))
    exempt = cancelled(readings) if statistic.startswith("grad") else frozenset()
    if not series:
        yield Finding(kind, "", 0, "info", says=f"had nothing to judge: no probe measured {rule.reads}")
    for scope, told in series.items():
        if scope in exempt:
            continue
        try:
            finding = rule.check(scope, told)
        except Exception as error:
            says = f"could not judge {scope}: {type(error).__name__}: {error}"
            yield Finding(kind, scope, told[-1][0], "info", says=says)
            return
        if finding is not None:
            yield finding


def _series(readings: pa.Table, probe: str, statistic: str) -> Iterator[tuple[str, Readings]]:
    """One statistic of one probe: a series of what was read for each scope, in the order of their names."""
    import numpy as np
    import pyarrow.compute as pc

    if statistic not in readings.column_names or statistic in KEYS:
        return
    told = readings.filter(pc.is_valid(readings[statistic]))
    if "probe" in told.column_names:
        told = told.filter(pc.equal(told["probe"], probe))
    if not told.num_rows:
        return
    words = pc.dictionary_encode(told["name"].cast("string")).combine_chunks()
    codes, steps = words.indices.to_numpy(), told["step"].to_numpy()
    order = np.lexsort((steps, codes))
    codes, steps, values = codes[order], steps[order], told[statistic].to_numpy()[order]
    names = words.dictionary.to_pylist()
    bounds = [0, *(np.flatnonzero(np.diff(codes)) + 1), len(codes)]
    found = {names[codes[start]]: Readings(steps[start:end], values[start:end]) for start, end in pairwise(bounds)}
    yield from sorted(found.items())


@dataclass(frozen=True, eq=False)
class Readings(Sequence[tuple[int, float]]):
    """A series as (step, value) pairs, made only when they are looked at: a rule mostly looks at the last few."""

    steps: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.steps)

    @overload
    def __getitem__(self, at: int) -> tuple[int, float]: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[tuple[int, float]]: ...
    def __getitem__(self, at: int | slice) -> tuple[int, float] | Sequence[tuple[int, float]]:
        if isinstance(at, slice):
            return list(zip(self.steps[at].tolist(), self.values[at].tolist(), strict=True))
        return int(self.steps[at]), float(self.values[at])
