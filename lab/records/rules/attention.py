"""R2 and R3: attention rows that may read nothing, do not sum to one, or put weight where they may not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lab.records.chunk import Chunk
from lab.records.rules.watcher import Watch, rows
from lab.spec.rules import AttentionForm, Finding, MaskedRow


class MaskedRowWatch(Watch[MaskedRow]):
    """Counts rows without a column, of real nodes and of padding."""

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        for told in rows(chunks, "attention", "masked_rows"):
            says = "rows of real nodes may read no column at all"
            yield from self.hits(told, told.values > 0, says, threshold=0)
        for told in rows(chunks, "attention", "masked_padding") if self.spec.padding else ():
            says = "rows of padding may read no column; harmless while they stay finite"
            yield from self.hits(told, told.values > 0, says, threshold=0, level="warn")


class AttentionFormWatch(Watch[AttentionForm]):
    """Looks at the sums of rows and at the weight on masked columns."""

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        for told in rows(chunks, "attention", "row_err"):
            says = "rows of attention weights do not sum to one"
            yield from self.hits(told, told.values > self.spec.row, says, threshold=self.spec.row)
        for told in rows(chunks, "attention", "mask_leak"):
            says = "attention weight lies on masked columns"
            yield from self.hits(told, told.values > self.spec.leak, says, threshold=self.spec.leak)
