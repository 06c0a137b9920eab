"""Checkpoints: a run as it stands between two epochs, written so that a kill at any moment leaves a whole one."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

INDEX = "checkpoint.json"


@dataclass
class Checkpoint:
    """What one file set holds."""

    said: dict[str, Any]
    """Plain values."""
    tensors: dict[str, Tensor]
    parts: list[pa.Table] = field(default_factory=list)
    """Readings so far."""


class Folder:
    """The checkpoint of one trial: an index that names a state file and the parts of the readings.

    The files an index names are on the disk before the index replaces the last one, in one rename.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path = path
        self.identity = identity
        """What the run is of; a checkpoint of anything else is passed over."""
        self._parts: list[str] = []

    def write(self, epoch: int, checkpoint: Checkpoint, part: pa.Table | None) -> bool:
        """Keep a state and the readings that are new since the last one; whether the disk took it."""
        state = f"state-{epoch}.safetensors"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            held = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
            _whole(self.path / state, lambda draft: save_file(held, draft))
            parts = list(self._parts)
            if part is not None:
                parts.append(f"readings-{epoch}.parquet")
                _whole(self.path / parts[-1], lambda draft: pq.write_table(part, draft))
            index = {"identity": self.identity, "state": state, "parts": parts, "said": checkpoint.said}
            _whole(self.path / INDEX, lambda draft: draft.write_text(json.dumps(index)))
        except OSError as error:
            warnings.warn(f"no checkpoint in {self.path}: {error}", stacklevel=2)
            return False
        self._parts = parts
        self._sweep({INDEX, state, *parts})
        return True

    def read(self, like: Mapping[str, Tensor] | None = None) -> Checkpoint | None:
        """The state to go on from, with tensors shaped like these; or None to start from the beginning."""
        try:
            index = json.loads((self.path / INDEX).read_text())
            if index["identity"] != self.identity:
                return None
            tensors = load_file(self.path / index["state"])
            _compare(tensors, like or {})
            parts = [pq.read_table(self.path / name) for name in index["parts"]]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            warnings.warn(f"the checkpoint in {self.path} cannot be read, so it starts over: {error}", stacklevel=2)
            return None
        self._parts = list(index["parts"])
        return Checkpoint(index["said"], tensors, parts)

    def _sweep(self, named: set[str]) -> None:
        for file in self.path.iterdir():
            if file.name not in named:
                with contextlib.suppress(OSError):
                    file.unlink()


def _compare(found: Mapping[str, Tensor], due: Mapping[str, Tensor]) -> None:
    """A plug-in may have been edited since; then its old weights are no start for it."""
    for name, tensor in due.items():
        if name not in found or found[name].shape != tensor.shape:
            there = tuple(found[name].shape) if name in found else "nothing"
            raise ValueError(f"it has {there} for {name}, where {tuple(tensor.shape)} is due")


def _whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name, wait until the disk has it, then give it its name."""
    draft = path.with_name(f"{path.name}.draft")
    write(draft)
    settle(draft)
    draft.replace(path)
    settle(path.parent)


def settle(path: Path) -> None:
    """Wait until the disk has a file, or a folder's list of names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
