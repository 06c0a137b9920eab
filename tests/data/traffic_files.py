"""Traffic in the layouts of the published files, for tests to read."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np

Numbers = np.ndarray


def write_hdf5(
    path: Path, values: Numbers, ids: list[str], times: Numbers, *, group: str = "df", unit: str = "ns"
) -> None:
    """As pandas writes a frame with a fixed layout: blocks of one type, their columns, and the index by its unit."""
    with h5py.File(path, "w") as file:
        held = file.create_group(group)
        names = np.array(ids, dtype=f"S{max(map(len, ids))}")
        held["axis0"] = held["block0_items"] = names
        held["axis1"] = times.astype(f"datetime64[{unit}]").astype(np.int64)
        held["axis1"].attrs["kind"] = np.bytes_("datetime64" if unit == "ns" else f"datetime64[{unit}]")
        held["block0_values"] = values


def hollow_hdf5(path: Path, frames: int, group: str) -> None:
    """A file of the right length that holds its headers only: two nodes, nothing allocated for their values."""
    first = np.datetime64("2012-03-01", "ns")
    times = first + np.timedelta64(300, "s") * np.arange(frames)
    write_hdf5(path, np.zeros((0, 2)), ["1", "2"], times, group=group)
    with h5py.File(path, "a") as file:
        del file[f"{group}/block0_values"]
        file[group].create_dataset("block0_values", shape=(frames, 2), dtype="f8", chunks=True)


def write_pickle(path: Path, ids: list[str], matrix: Numbers) -> None:
    """Ids, their places and the matrix, as published with METR-LA and PEMS-BAY."""
    path.write_bytes(pickle.dumps([ids, {name: at for at, name in enumerate(ids)}, matrix], protocol=2))
