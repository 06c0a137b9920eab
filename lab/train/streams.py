"""Random streams as pure functions of a seed and a purpose, so that no trial depends on what ran before it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from lab.spec.experiment import Stream


def stream(seed: int, purpose: str, *where: object) -> int:
    """A 63-bit number that belongs to this seed, purpose and place, on every machine."""
    text = "\x1f".join([str(seed), purpose, *map(str, where)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


@dataclass(frozen=True)
class Streams:
    """The streams of one member; those that are not paired also depend on its cell."""

    seed: int
    cell: str = ""
    unpaired: frozenset[Stream] = field(default_factory=frozenset)

    def key(self, purpose: Stream, *where: object) -> int:
        """The number of a purpose at a place: a step, an epoch, a module's name."""
        own = (self.cell,) if purpose in self.unpaired else ()
        return stream(self.seed, purpose, *where, *own)
