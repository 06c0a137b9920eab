"""From a dataset spec and a seed to a Dataset: built once, then read from the cache."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import cast

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from lab.data import cache, pyg
from lab.data.batch import Dataset
from lab.data.files import fingerprint
from lab.spec.datasets import DatasetSpec
from lab.spec.spec import Family, digest

GENERATION = 8
"""Raised whenever a generator, a conversion or a known line gives something else for the same spec."""
PATIENCE = 900.0
"""Seconds one process waits for another that makes the same data."""


def load_dataset(spec: DatasetSpec, seed: int) -> Dataset:
    """The data of a spec: one draw for all seeds, or the seed's own when the spec says so."""
    drawn = 0 if spec.draw == "fixed" else seed
    if not _is_ours(spec):
        built = _build(spec, drawn)
        return built if built.sha256 else replace(built, sha256=cache.content_hash(built))
    path = cache.cache_folder() / f"{spec.content()['kind']}-{_key(spec, drawn)}.safetensors"
    return cache.read(path) or _build_once(spec, drawn, path)


def _is_ours(spec: DatasetSpec) -> bool:
    """Whether a change of the code that builds it would raise GENERATION; a plug-in's would not."""
    return type(spec).build is Family.build and spec.code.startswith("lab.data.")


def _key(spec: DatasetSpec, drawn: int) -> str:
    said: dict[str, object] = {"spec": spec.content(), "generation": GENERATION, "seed": drawn}
    if getattr(spec, "source", "") == "pyg":
        said["files"] = str(pyg.folder())
    if spec.reads():
        said["files"] = [fingerprint(name) for name in spec.reads()]
    return digest(said)


def _build(spec: DatasetSpec, drawn: int) -> Dataset:
    return cast(Dataset, spec.build(drawn))


def _build_once(spec: DatasetSpec, drawn: int, path: Path) -> Dataset:
    """Build while other processes that want the same wait, and keep it where that can be done."""
    with ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(path.with_suffix(".lock"), timeout=PATIENCE))
            cache.sweep(path)
        except (OSError, NotImplementedError, Timeout) as error:
            warnings.warn(f"cannot lock {path}, which may be made twice: {error}", stacklevel=3)
        made_meanwhile = cache.read(path)
        if made_meanwhile is not None:
            return made_meanwhile
        built = _build(spec, drawn)
        finished = replace(built, lines=spec.lines(built), sha256=cache.content_hash(built))
        return _kept(finished, path)


def _kept(dataset: Dataset, path: Path) -> Dataset:
    """The same data as the file holds it, so that all processes share its pages; itself, if it cannot be kept."""
    try:
        cache.write(dataset, path)
    except (OSError, SafetensorError) as error:
        warnings.warn(f"the data cannot be kept in {path.parent}: {error}", stacklevel=4)
        return dataset
    return cache.read(path) or dataset
