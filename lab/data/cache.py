"""Data sets on disk: one file each, written whole and then renamed, mapped into memory when read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lab.data.batch import AnySplit, Dataset, Scale, Shape, Split
from lab.data.trends import Trend
from lab.data.windows import WindowSplit

TENSORS: dict[type[AnySplit], tuple[str, ...]] = {
    Split: ("x", "adjacency", "y", "sizes"),
    WindowSplit: ("x", "adjacency", "y", "starts"),
}
DRAFT = ".draft-"
UNREADABLE = (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError)


def cache_folder() -> Path:
    """Where data sets are kept: the folder in LAB_CACHE, else mlruns/cache."""
    return Path(os.environ.get("LAB_CACHE") or Path("mlruns", "cache")).absolute()


def content_hash(dataset: Dataset) -> str:
    """The SHA-256 of all tensors of all splits, with their names, types and shapes."""
    hashed = hashlib.sha256()
    for name, tensor in _tensors(dataset):
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        hashed.update(tensor.cpu().contiguous().numpy().data)
    return hashed.hexdigest()


def write(dataset: Dataset, path: Path) -> None:
    """Keep a data set; a reader sees the whole file or none, whenever this process dies."""
    said = {
        "shape": asdict(dataset.shape),
        "splits": {name: _told(dataset, name) for name in dataset.splits},
        "task": dataset.task,
        "lines": dict(dataset.lines),
        "sha256": dataset.sha256,
        "scale": None if dataset.scale is None else asdict(dataset.scale),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=path.stem + DRAFT, dir=path.parent) as folder:
        draft = Path(folder, path.name)
        tensors = {name: tensor.contiguous() for name, tensor in _tensors(dataset)}
        save_file(tensors, draft, metadata={"lab": json.dumps(said)})
        draft.replace(path)


def sweep(path: Path) -> None:
    """Remove the drafts that killed writers of this file left; only for who holds its lock."""
    for draft in path.parent.glob(f"{path.stem}{DRAFT}*"):
        shutil.rmtree(draft, ignore_errors=True)


def read(path: Path) -> Dataset | None:
    """The data set kept here, or None when there is none or it is not what was written."""
    if not path.exists():
        return None
    try:
        dataset = _open(path)
        if content_hash(dataset) != dataset.sha256:
            raise ValueError("its content does not match its hash")
    except UNREADABLE as error:
        warnings.warn(f"cached data {path} cannot be read and is made again: {error}", stacklevel=2)
        return None
    return dataset


def _open(path: Path) -> Dataset:
    with safe_open(path, framework="pt") as file:
        said = json.loads((file.metadata() or {})["lab"])
        held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    kept = {name: _split(told, held) for name, told in said["splits"].items() if told["as"] == name}
    splits = {name: kept[told["as"]] for name, told in said["splits"].items()}
    told = said["scale"]
    scale = Scale(tuple(told["mean"]), tuple(told["std"]), told["null"]) if told else None
    found = Dataset(Shape(**said["shape"]), splits, said["task"], said["lines"], said["sha256"])
    return replace(found, scale=scale, truth=held.get("truth"))


def _split(told: dict[str, Any], held: Mapping[str, Tensor]) -> AnySplit:
    parts = [held[place] for place in told["parts"]]
    if not told["frames"]:
        return Split(*parts)
    x, adjacency, y, starts, *trend = parts
    frames = told["frames"]
    return WindowSplit(x, adjacency, y, starts, frames["window"], frames["horizon"], Trend(*trend) if trend else None)


def _told(dataset: Dataset, name: str) -> dict[str, Any]:
    """Where the tensors of a split are kept, under the first name that each has, and what windows it cuts."""
    first, split = _kept_as(dataset, name), dataset.splits[name]
    places = {id(tensor): place for place, tensor in _tensors(dataset)}
    parts = [places[id(tensor)] for _, tensor in _parts(split)]
    frames = {"window": split.window, "horizon": split.horizon} if isinstance(split, WindowSplit) else {}
    return {"as": first, "parts": parts, "frames": frames}


def _tensors(dataset: Dataset) -> Iterator[tuple[str, Tensor]]:
    """Every tensor once, under its first name."""
    seen: set[int] = set()
    for name, split in dataset.splits.items():
        for part, tensor in _parts(split) if _kept_as(dataset, name) == name else ():
            if id(tensor) not in seen:
                seen.add(id(tensor))
                yield f"{name}.{part}", tensor
    if dataset.truth is not None:
        yield "truth", dataset.truth


def _parts(split: AnySplit) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a split; those of a trend only where it has one."""
    yield from ((part, getattr(split, part)) for part in TENSORS[type(split)])
    if isinstance(split, WindowSplit) and split.trend is not None:
        yield from (("trend.weights", split.trend.weights), ("trend.values", split.trend.values))


def _kept_as(dataset: Dataset, name: str) -> str:
    """The first name of the same split: what has two is kept once."""
    return next(other for other, split in dataset.splits.items() if split is dataset.splits[name])
