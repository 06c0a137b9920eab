"""Random streams: pure, apart, and shared by the cells of a seed unless they are unpaired."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lab.train.streams import Streams, stream


def test_a_stream_is_the_same_number_on_every_machine() -> None:
    assert stream(0, "init", "layers.0") == 2262112521431121448


@given(st.integers(0, 2**31), st.text(max_size=8), st.integers(0, 10**6))
def test_a_stream_fits_a_torch_seed(seed: int, purpose: str, where: int) -> None:
    assert 0 <= stream(seed, purpose, where) < 2**63


def test_seed_purpose_and_place_each_give_another_stream() -> None:
    told = {stream(*said) for said in [(0, "a", 1), (1, "a", 1), (0, "b", 1), (0, "a", 2), (0, "a1"), (0, "a", 1, 1)]}
    assert len(told) == 6


def test_cells_share_a_paired_stream_and_part_on_an_unpaired_one() -> None:
    one, other = (Streams(3, cell, frozenset({"dropout"})) for cell in ("one", "other"))
    assert one.key("init", "readout") == other.key("init", "readout")
    assert one.key("dropout", 7) != other.key("dropout", 7)
