"""Road networks as their publishers wrote them: a pickled matrix, a list of edges with distances, a plain matrix."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.errors import LabError, Place
from lab.spec.datasets.traffic import OfTraffic

Numbers = NDArray[np.float64]
UNREADABLE = (
    OSError,
    EOFError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)
PLAIN = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("_codecs", "encode"),
}
"""All that a pickle of lists, dictionaries, numbers and arrays calls."""


@dataclass(frozen=True)
class Roads:
    """A road network, from row to column."""

    matrix: Numbers
    """[nodes, nodes] weights, or distances with infinity where there is no road."""
    is_distance: bool = False


def read_roads(path: Path, nodes: int, ids: Sequence[str]) -> Roads:
    """The network of a file, its nodes in the order of the readings."""
    try:
        found = _read(path, nodes, ids)
    except UNREADABLE as error:
        told = f"cannot be read as a road network: {type(error).__name__}: {' '.join(str(error).split())}"
        raise _wrong(path, told) from error
    if found.matrix.shape != (nodes, nodes):
        raise _wrong(path, f"is a network of shape {list(found.matrix.shape)}, and there are {nodes} nodes")
    if np.isnan(found.matrix).any():
        raise _wrong(path, "has entries that are no numbers")
    return found


def _wrong(path: Path, told: str) -> LabError:
    hint = "it is to hold [ids, places, matrix] (pickle), rows from,to,cost (CSV), or a matrix (CSV, npy, npz)"
    return LabError(told, where=Place(file=str(path)), hint=hint)


def weighted(roads: Roads, spec: OfTraffic) -> NDArray[np.float32] | None:
    """The weights that models are given."""
    if spec.edges == "none":
        return None
    if spec.edges == "binary":
        weights = (np.isfinite(roads.matrix) if roads.is_distance else roads.matrix != 0).astype(np.float32)
    else:
        weights = (_kernel(roads.matrix, spec.threshold) if roads.is_distance else roads.matrix).astype(np.float32)
    told: NDArray[np.float32] = np.maximum(weights, weights.T) if spec.symmetric else weights
    return told


def _kernel(distance: Numbers, threshold: float) -> Numbers:
    """Near is 1, far is 0; by the spread of all known distances."""
    spread = max(float(distance[np.isfinite(distance)].std()), 1e-12)
    weights = np.exp(-((distance / spread) ** 2))
    return np.where(weights < threshold, 0.0, weights)


def _read(path: Path, nodes: int, ids: Sequence[str]) -> Roads:
    if path.suffix in (".pkl", ".pickle"):
        return Roads(_pickled(path, ids))
    if path.suffix in (".npy", ".npz"):
        found = np.load(path, allow_pickle=False)
        return Roads(np.asarray(found if path.suffix == ".npy" else found[found.files[0]], np.float64))
    first = path.read_text(encoding="utf-8", errors="strict").partition("\n")[0]
    if not all(_is_number(cell) for cell in first.split(",")):
        return _edges(path, nodes, ids)
    return Roads(np.loadtxt(path, delimiter=",", ndmin=2))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


class _Plain(pickle.Unpickler):
    """Reads numbers, text, lists and arrays, and runs nothing else that a pickle may name."""

    def find_class(self, module: str, name: str) -> Any:
        place = module.replace("numpy.core.", "numpy._core."), name
        if place not in PLAIN:
            raise pickle.UnpicklingError(f"it wants to run {module}.{name}, which no road network needs")
        return super().find_class(*place)


def _pickled(path: Path, ids: Sequence[str]) -> Numbers:
    with path.open("rb") as file:
        names, _, matrix = _Plain(file, encoding="latin1").load()
    matrix = np.asarray(matrix, np.float64)
    place = {_text(name): at for at, name in enumerate(names)}
    if not set(place) & set(ids):
        return matrix  # the readings have no ids of this kind, and nodes go by their place
    strange, lacking = sorted(set(place) - set(ids)), sorted(set(ids) - set(place))
    if strange or lacking:
        raise ValueError(f"it names {_some(strange)}, and the readings name {_some(lacking)}")
    order = [place[name] for name in ids]
    return matrix[np.ix_(order, order)]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" and others" if len(names) > 3 else "") if names else "none"


def _text(name: object) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _edges(path: Path, nodes: int, ids: Sequence[str]) -> Roads:
    """Rows from, to, cost; nodes by place from 0, or by id, where roads between other ids are left out."""
    import pandas as pd  # half a second of import that the other formats never pay

    table = pd.read_csv(path)
    if len(table.columns) < 3:
        raise ValueError(f"columns from, to and cost are due, not {', '.join(map(str, table.columns))}")
    ends, cost = table.iloc[:, :2].to_numpy(np.int64), table.iloc[:, 2].to_numpy(np.float64)
    place = {int(name): at for at, name in enumerate(ids) if name.isdecimal()}
    if ends.max(initial=0) < nodes and ends.min(initial=0) >= 0:
        place = {at: at for at in range(nodes)}
    known = np.array([source in place and target in place for source, target in ends.tolist()], bool)
    if not known.any():
        raise ValueError("none of its roads joins two nodes of the readings")
    at = np.array([[place[source], place[target]] for source, target in ends[known].tolist()])
    distance = np.full((nodes, nodes), np.inf)
    distance[at[:, 0], at[:, 1]] = cost[known]
    return Roads(distance, is_distance=True)
