"""Where each key of a file stands, so that every mistake can be told with its line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lab.errors import Place

Key = str | int
"""A key of a mapping, or an index of a list."""
Path = tuple[Key, ...]


@dataclass(frozen=True)
class Places:
    """The place of every key and list item of one file, by the way from its top."""

    file: str
    known: Mapping[Path, Place] = field(default_factory=dict)

    def at(self, *path: Key) -> Place:
        """The place of a key, or of the nearest thing around it when it is not written out."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.known:
                return self.known[path[:end]]
        return Place(self.file, 1)

    def inside(self, *path: Key) -> Place:
        """The line of the nearest thing that is written out, with the key in full."""
        size = next((end for end in range(len(path), 0, -1) if path[:end] in self.known), 0)
        near = self.at(*path)
        return Place(near.file, near.line, dotted((near.key, *path[size:]) if near.key else path[size:]))

    def moved(self, source: Path, target: Path) -> dict[Path, Place]:
        """What stands under `source`, as if it stood under `target`; the lines stay those of the source."""
        size = len(source)
        return {target + path[size:]: place for path, place in self.known.items() if path[:size] == source}

    def with_moved(self, moves: Iterable[tuple[Path, Path]]) -> Places:
        """These places, with some parts of the file read as if they stood elsewhere, in place of what stood there."""
        known = dict(self.known)
        for source, target in moves:
            known = {path: place for path, place in known.items() if path[: len(target)] != target}
            known |= self.moved(source, target)
        return Places(self.file, known)


def dotted(path: Sequence[Key]) -> str:
    """A way into a file as it is told: factors.model.norm[1]."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text
