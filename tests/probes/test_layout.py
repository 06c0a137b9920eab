"""A flat row: every parameter on a boundary, and nothing but zeros between them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_trial import GIN, TRANSFORMER, data_of, experiment

from lab.probes.layout import ALIGNMENT, Layout
from lab.train.build import build_model
from lab.train.step import first_steps

pytestmark = pytest.mark.torch

SHAPES = st.lists(st.lists(st.integers(1, 7), min_size=0, max_size=3), min_size=1, max_size=8)


@given(SHAPES)
def test_pieces_are_aligned_do_not_overlap_and_are_views(shapes: list[list[int]]) -> None:
    layout = Layout.of([(str(at), torch.nn.Parameter(torch.zeros(shape))) for at, shape in enumerate(shapes)])
    row = torch.zeros(layout.length)
    pieces = layout.pieces(row)
    for piece in pieces:
        piece += 1
    assert all(start % ALIGNMENT == 0 for start in layout.starts)
    assert [len(piece) for piece in pieces] == list(layout.sizes)
    assert row.max() == 1
    assert int(row.sum()) == sum(layout.sizes)
    assert layout.length % ALIGNMENT == 0


@pytest.mark.parametrize("model", [GIN, TRANSFORMER], ids=["gin", "transformer"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_the_padding_stays_zero_while_the_weights_move(model: dict[str, object], optimizer: str) -> None:
    said = experiment(model, training={"optimizer": optimizer, "weight_decay": 0.1})
    dataset = data_of(said)
    built = build_model(said, dataset.shape, 0)
    assert len(list(first_steps(said, built, dataset, seed=0, steps=3))) == 3
    layout = Layout.of(built.named_parameters())
    row = next(built.parameters()).untyped_storage()
    flat = torch.empty(0).set_(row)
    between = torch.ones(layout.length, dtype=torch.bool)
    for piece in layout.pieces(between):
        piece.zero_()
    assert flat.shape == (layout.length,)
    assert not flat[between].any()
