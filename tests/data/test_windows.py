"""Windows: what each reads and what it is asked, from frames that are kept once."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab.data import cache
from lab.data.batch import Dataset, Scale, Shape
from lab.data.windows import WindowSplit

pytestmark = pytest.mark.torch

NODES = 3


def series(frames: int = 12, *, sequences: int = 2) -> torch.Tensor:
    """Values that tell their own sequence, frame and node."""
    told = torch.arange(sequences * frames * NODES, dtype=torch.float32)
    return told.reshape(sequences, frames, NODES)


def forecast(window: int = 4, horizon: int = 2) -> WindowSplit:
    values = series()
    starts = torch.tensor([[0, 0], [1, 3], [0, 6]])
    return WindowSplit(values[..., None], torch.eye(NODES), values, starts, window, horizon)


@given(st.integers(1, 5), st.integers(1, 3))
def test_a_window_reads_its_frames_and_is_asked_for_those_behind_them(window, horizon):
    split, values = forecast(window, horizon), series()
    batch = split.batch(torch.tensor([1, 0]), NODES)
    for row, (sequence, first) in enumerate([(1, 3), (0, 0)]):
        assert torch.equal(batch.x[row, ..., 0], values[sequence, first : first + window])
        assert torch.equal(batch.y[row], values[sequence, first + window : first + window + horizon])
    assert batch.ids.tolist() == [1, 0]
    assert batch.mask.all()


def test_one_known_graph_stands_for_all_windows_without_being_copied():
    batch = forecast().batch(torch.tensor([0, 1, 2]), NODES)
    assert batch.adjacency.shape == (3, NODES, NODES)
    assert batch.adjacency.stride(0) == 0


def test_graphs_that_change_are_read_frame_by_frame_and_the_next_one_is_asked_for():
    graphs = (torch.rand(2, 9, NODES, NODES) < 0.5).to(torch.uint8)
    split = WindowSplit(torch.zeros(2, 9, NODES, 1), graphs, graphs, torch.tensor([[1, 2]]), 4)
    batch = split.batch(torch.tensor([0]), NODES)
    assert torch.equal(batch.adjacency[0], graphs[1, 2:6])
    assert torch.equal(batch.y[0], graphs[1, 6])


def test_what_splits_share_is_kept_once_and_comes_back_shared(tmp_path):
    graphs = (torch.rand(2, 9, NODES, NODES) < 0.5).to(torch.uint8)
    x = torch.randn(2, 9, NODES, 1)
    cut = {
        name: WindowSplit(x, graphs, graphs, torch.tensor([[0, at]]), 4) for at, name in enumerate(("train", "valid"))
    }
    data = Dataset(
        Shape(nodes=NODES, features=1, window=4), cut, "predict_links", scale=Scale((1.0, 2.0, 3.0), (2.0,), 0.0)
    )
    data = Dataset(**{**vars(data), "truth": torch.eye(NODES), "sha256": ""})
    data = Dataset(**{**vars(data), "sha256": cache.content_hash(data)})
    cache.write(data, tmp_path / "data.safetensors")
    found = cache.read(tmp_path / "data.safetensors")
    assert found is not None
    assert found.splits["train"].x is found.splits["valid"].x
    assert found.splits["valid"].y is found.splits["train"].adjacency
    assert found.splits["valid"].starts.tolist() == [[0, 1]]
    assert found.scale == data.scale
    assert torch.equal(found.truth, torch.eye(NODES))
    assert (tmp_path / "data.safetensors").stat().st_size < 2 * (x.nbytes + graphs.nbytes) + 2000


def test_on_another_device_what_is_shared_stays_shared():
    graphs = torch.zeros(1, 6, NODES, NODES, dtype=torch.uint8)
    split = WindowSplit(torch.zeros(1, 6, NODES, 1), graphs, graphs, torch.tensor([[0, 0]]), 4)
    moved = split.to(torch.device("meta"))
    assert moved.y is moved.adjacency
    assert moved.starts.device.type == "cpu"
