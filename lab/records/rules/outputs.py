"""R14, R15 and R16: the scale of what blocks put out, dead units, saturated gates and collapsed heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lab.records.chunk import TOTAL, Chunk
from lab.records.rules.facts import Facts
from lab.records.rules.watcher import Rows, Watch, of_all, rows, total
from lab.records.rules.windows import Spacing, Streak
from lab.spec.rules import ActScale, DeadUnits, Finding, Saturation


class ScaleWatch(Watch[ActScale]):
    """Follows the gain over depth, and blocks that are all but constant."""

    def __init__(self, spec: ActScale, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.wide = Streak(spec.readings)
        self.flat = Streak(spec.readings)

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        spec = self.spec
        steps, gain = total(chunks, "activations", "depth_gain")
        seen = ~np.isnan(gain)
        held = self.wide.held([TOTAL], (gain[seen] > spec.gain)[:, None])
        says = f"the scale of the blocks' outputs differs by more than {spec.gain:g} times over depth"
        yield from self.hits(of_all(steps[seen], gain[seen]), held, says, threshold=spec.gain)
        for told in rows(chunks, "activations", "std"):
            own = told.only(self.facts.blocks.__contains__)
            held = self.flat.held(own.names, own.values < spec.flat, ~np.isnan(own.values))
            says = f"the block's outputs deviate by less than {spec.flat:g}: all nodes look the same"
            yield from self.hits(own, held, says, threshold=spec.flat)


class DeadWatch(Watch[DeadUnits]):
    """Follows the share of dead units module by module."""

    def __init__(self, spec: DeadUnits, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.dead = Streak(spec.readings)
        self.spacing = Spacing(spec.apart)

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        for each in rows(chunks, "activations", "dead_units"):
            told = each.at(self.spacing.kept(each.names, each.steps))
            held = self.dead.held(told.names, told.values > self.spec.over, ~np.isnan(told.values))
            says = f"more than {self.spec.over:.0%} of its units were dead in {self.spec.readings} readings in a row"
            yield from self.hits(told, held, says, threshold=self.spec.over)


class SaturationWatch(Watch[Saturation]):
    """Follows gates near their ends, and heads that read one column of many."""

    def __init__(self, spec: Saturation, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.gates = Streak(spec.readings)
        self.heads = Streak(spec.readings)
        self.gates_apart = Spacing(spec.apart)

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        spec = self.spec
        for each in rows(chunks, "activations", "sat"):
            told = each.at(self.gates_apart.kept(each.names, each.steps))
            held = self.gates.held(told.names, told.values > spec.over, ~np.isnan(told.values))
            says = f"more than {spec.over:.0%} of its gates were shut or wide open in {spec.readings} readings in a row"
            yield from self.hits(told, held, says, threshold=spec.over)
        shares = {told.names: told for told in rows(chunks, "attention", "n_eff_share")}
        for told in rows(chunks, "attention", "n_eff"):
            yield from self._collapsed(told, shares.get(told.names))

    def _collapsed(self, told: Rows, shares: Rows | None) -> Iterator[Finding]:
        """Every reading counts: sound heads spread at the start, while gates may start near an end."""
        spec, narrow = self.spec, told.values < self.spec.columns
        if shares is not None and shares.values.shape == told.values.shape:
            narrow &= shares.values < spec.spread
        held = self.heads.held(told.names, narrow, ~np.isnan(told.values))
        says = f"the head reads one column of many in {spec.readings} readings in a row"
        yield from self.hits(told, held, says, threshold=spec.columns)
