"""Detector readings as their publishers wrote them: HDF5 by pandas, npz archives, tables in CSV."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.errors import LabError, Place

Numbers = NDArray[np.float64]
Times = NDArray[np.datetime64]
UNREADABLE = (OSError, EOFError, KeyError, ValueError, TypeError, RuntimeError, zipfile.BadZipFile)
LAYOUTS = {
    "HDF5": "a group such as df with axis1 (times), block0_items (node ids) and block0_values [frames, nodes]",
    "npz": "an array `data` of numbers, [frames, nodes, channels] or [frames, nodes]",
    "CSV": "a first row of node ids, then a row of numbers for every frame",
}


@dataclass(frozen=True)
class Readings:
    """A table of readings, with what the file tells of its rows and columns."""

    values: Numbers
    """[frames, nodes], NaN where nothing was written."""
    ids: tuple[str, ...] = ()
    """Names of the nodes; empty where there are none."""
    times: Times | None = None
    """When each frame was; None where the file does not tell."""


def read_readings(path: Path, channel: int = 0) -> Readings:
    """The readings of a file, by its ending."""
    layout, read = _reader(path)
    try:
        found = read(path, channel)
    except UNREADABLE as error:
        raise _unreadable(path, layout, f"{type(error).__name__}: {error}") from error
    if found.values.ndim != 2 or min(found.values.shape) < 1:
        raise _unreadable(path, layout, f"its values are of shape {list(found.values.shape)}")
    if np.isinf(found.values).any():
        raise _unreadable(path, layout, "some of its values are infinite")
    return found


def _reader(path: Path) -> tuple[str, Callable[[Path, int], Readings]]:
    by_ending = {".h5": _hdf5, ".hdf5": _hdf5, ".npz": _npz, ".csv": _csv}
    names = {_hdf5: "HDF5", _npz: "npz", _csv: "CSV"}
    read = by_ending.get(path.suffix.lower())
    if read is None:
        told = f"readings are read from {', '.join(by_ending)}, not from '{path.suffix}'"
        raise LabError(told, where=Place(file=str(path)), hint="convert the file, or name another one in dataset.path")
    return names[read], read


def _unreadable(path: Path, layout: str, why: str) -> LabError:
    return LabError(
        f"cannot be read as {layout}: {' '.join(why.split())}",
        where=Place(file=str(path)),
        hint=f"it is to hold {LAYOUTS[layout]}; a download that broke off is fetched again",
    )


def _hdf5(path: Path, channel: int) -> Readings:
    import h5py  # a library that data of no file never need

    with h5py.File(path, "r") as file:
        group = next((each for each in file.values() if isinstance(each, h5py.Group) and "block0_values" in each), None)
        if group is None:
            raise KeyError("no group with block0_values")
        values = np.asarray(group["block0_values"], np.float64)
        ids = tuple(_word(each) for each in group["block0_items"][:].tolist())
        stamps, kind = group["axis1"][:], _word(group["axis1"].attrs.get("kind", "datetime64"))
        expected = (len(stamps), len(group["axis0"]))
    if values.shape != expected:
        raise ValueError(f"block0_values are of shape {list(values.shape)}, its axes of {list(expected)}")
    unit = re.fullmatch(r"datetime64(?:\[(\w+)\])?", kind)
    times = stamps.astype(np.int64).astype(f"datetime64[{unit[1] or 'ns'}]") if unit else None
    return Readings(values, ids, times)


def _word(said: object) -> str:
    return said.decode() if isinstance(said, bytes) else str(said)


def _npz(path: Path, channel: int) -> Readings:
    with np.load(path, allow_pickle=False) as archive:
        data = archive["data"]
    if data.ndim == 3:
        if channel >= data.shape[2]:
            raise ValueError(f"there is no channel {channel} among {data.shape[2]}")
        data = data[:, :, channel]
    return Readings(np.asarray(data, np.float64))


def _csv(path: Path, channel: int) -> Readings:
    import pandas as pd  # half a second of import that the other formats never pay

    table = pd.read_csv(path, header=0, dtype=np.float64, float_precision="round_trip")
    return Readings(table.to_numpy(), tuple(str(name) for name in table.columns))
