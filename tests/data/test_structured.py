"""Pyramids, random colourings, lines and palindromes: every graph is what it says, and the question has an answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.data.batch import IGNORED, Dataset, Split
from lab.data.cache import content_hash
from lab.exact.lattices import pyramid
from lab.spec.datasets import Colouring, DatasetSpec, Lines, Palindromes, Pattern, Pyramid, PyramidNodes
from lab.testing import check_dataset

pytestmark = pytest.mark.torch

SMALL: dict[str, DatasetSpec] = {
    "pyramid": Pyramid(base=4, valid_base=5, test_base=6),
    "pyramid_nodes": PyramidNodes(base=3, valid_base=4, test_base=5, examples=50),
    "colouring": Colouring(train=20, valid=5, test=5),
    "lines": Lines(),
    "palindromes": Palindromes(train=30, valid=10, test=10),
    "overfit": Pattern(train=6, patterns=1, sizes=(4, 8), scored="training"),
}


@pytest.mark.parametrize("kind", SMALL)
def test_a_dataset_keeps_the_contract(kind: str) -> None:
    check_dataset(SMALL[kind])


@pytest.mark.parametrize("kind", SMALL)
def test_lines_are_shares_and_every_dataset_has_some(kind: str) -> None:
    lines = SMALL[kind].lines(SMALL[kind].build(0))
    assert len(lines) >= 3
    assert all(0 <= value <= 1 for value in lines.values())


@pytest.mark.parametrize("kind", ["pyramid_nodes", "colouring"])
def test_neighbours_never_have_one_colour_and_each_colour_is_revealed_once_and_truly(kind: str) -> None:
    for split in SMALL[kind].build(1).splits.values():
        joined = split.adjacency > 0
        assert not (joined & (split.y[:, :, None] == split.y[:, None, :])).any()
        for colour in range(3):
            shown = split.x == colour + 1
            assert (shown.sum(1) == 1).all()
            assert (split.y[shown] == colour).all()


def colourings(split: Split, at: int) -> int:
    """In how many ways three colours can be given to a graph, by trying them all."""
    size = int(split.sizes[at])
    joined = split.adjacency[at, :size, :size].numpy()
    partial: list[tuple[int, ...]] = [()]
    for node in range(size):
        partial = [
            (*before, colour)
            for before in partial
            for colour in range(3)
            if all(before[other] != colour for other in np.flatnonzero(joined[node, :node]))
        ]
    return len(partial)


def test_grown_graphs_have_no_colouring_but_the_one_under_six_names() -> None:
    split = Colouring(train=6, valid=1, test=1, sizes=(3, 9)).build(3).splits["train"]
    assert {colourings(split, at) for at in range(len(split))} == {6}


@given(st.integers(3, 5), st.integers(1, 3))
@settings(deadline=None, max_examples=8)
def test_all_choices_of_names_and_revealed_nodes_are_there_once(base: int, top: int) -> None:
    spec = PyramidNodes(base=base, valid_base=base + 1, test_base=base + 2, top=top)
    split = spec.build(0).splits["train"]
    sizes = np.bincount(pyramid(base, top).classes)
    assert len(split) == 6 * int(np.prod(sizes))
    assert len({x.numpy().tobytes() for x in split.x}) == len(split)


@pytest.mark.parametrize(("base", "examples"), [(5, 750), (6, 2058)])
def test_pyramids_give_the_known_numbers_of_examples(base: int, examples: int) -> None:
    spec = PyramidNodes(base=base, valid_base=2, test_base=3)
    assert len(spec.build(0).splits["train"]) == examples


def test_a_third_of_the_pairs_of_a_pyramid_are_of_one_colour() -> None:
    split = Pyramid(base=11).build(0).splits["train"]
    assert float((split.y[:, :, None] == split.y[:, None, :]).float().mean()) == pytest.approx(1 / 3, abs=1e-3)


def test_pairs_of_one_class_are_mirror_images_on_a_line() -> None:
    split = Lines(sizes=(4, 5)).build(0).splits["train"]
    assert split.sizes.tolist() == [4, 5]
    alike = split.y[:, :, None] == split.y[:, None, :]
    assert torch.equal(alike[0, :4, :4], torch.eye(4).bool() | torch.eye(4).flip(0).bool())
    assert torch.equal(alike[1, :5, :5], torch.eye(5).bool() | torch.eye(5).flip(0).bool())


def test_the_hidden_letter_stands_at_the_mirror_of_a_shown_one() -> None:
    built: Dataset = Palindromes(train=200, letters=3, sizes=(2, 9)).build(0)
    split = built.splits["train"]
    for size, x, y in zip(split.sizes.tolist(), split.x, split.y, strict=True):
        hidden = y[:size] != IGNORED
        assert torch.equal(hidden, x[:size] == 0)
        assert int(hidden.sum()) == size // 2
        assert torch.equal(x[:size].flip(0)[hidden], y[:size][hidden] + 1)


@pytest.mark.parametrize("kind", ["pyramid_nodes", "colouring", "palindromes"])
def test_a_seed_fixes_the_data_and_another_seed_changes_it(kind: str) -> None:
    assert content_hash(SMALL[kind].build(1)) == content_hash(SMALL[kind].build(1))
    assert content_hash(SMALL[kind].build(1)) != content_hash(SMALL[kind].build(2))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (Pyramid, {"base": 3, "top": 4}),
        (PyramidNodes, {"test_base": 1}),
        (Colouring, {"sizes": (9, 4)}),
        (Lines, {"valid_sizes": (14, 13)}),
        (Palindromes, {"letters": 1}),
    ],
)
def test_impossible_graphs_are_refused(kind: type[DatasetSpec], options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"top|greater|smallest"):
        kind.model_validate(options)


def test_one_pattern_and_its_32_graphs_are_what_the_protocol_says() -> None:
    """Sizes as published: 18 positive nodes a graph, and degrees like the published histogram's."""
    spec = Pattern(train=32, patterns=1, pattern_size=18, scored="training")
    split = spec.build(0).splits["valid"]
    assert int((split.y == 1).sum()) == 576
    assert float(split.sizes.double().mean()) == pytest.approx(3631 / 32, rel=0.1)
    real = split.y != IGNORED
    assert float(split.adjacency.sum(2)[real].double().mean()) == pytest.approx(47.86, rel=0.1)


@pytest.mark.parametrize(
    ("kind", "sha256"),
    [
        ("pyramid", "f48504ff3b52"),
        ("pyramid_nodes", "5d428a858f8e"),
        ("colouring", "a551bd4003dc"),
        ("lines", "799cf744792f"),
        ("palindromes", "f39de1358ad1"),
    ],
)
def test_what_a_seed_draws_is_pinned(kind: str, sha256: str) -> None:
    """When this must change, raise GENERATION in lab/data/load.py, or caches go on giving the old data."""
    assert content_hash(SMALL[kind].build(0))[:12] == sha256
