"""Data are made once, whole or not at all, and read back as they were."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors.torch import save

from lab.data import cache
from lab.data.batch import Dataset, Shape, Split
from lab.data.load import load_dataset
from lab.spec.datasets import Cluster, DatasetSpec, Pattern
from lab.spec.spec import Family

pytestmark = pytest.mark.torch

SPEC = Cluster(train=6, valid=3, test=3)
LOAD = """
from lab.data.load import load_dataset
from lab.spec.datasets import Pattern
print(load_dataset(Pattern(train={train}, valid=3, test=3), 0).sha256)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def menu() -> object:
    """The menu of datasets, put back as it was after a test that adds to it."""
    before = dict(DatasetSpec.members)
    yield
    DatasetSpec.members.clear()
    DatasetSpec.members.update(before)


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def same(one: Dataset, other: Dataset) -> bool:
    return replace(one, splits={}) == replace(other, splits={}) and all(
        torch.equal(getattr(one.splits[name], part), getattr(other.splits[name], part))
        and getattr(one.splits[name], part).dtype == getattr(other.splits[name], part).dtype
        for name in one.splits
        for part in cache.TENSORS[Split]
    )


def test_what_is_read_back_is_what_was_built(folder: Path) -> None:
    first = load_dataset(SPEC, 0)
    (file,) = kept(folder)
    written = file.stat().st_mtime_ns
    again = load_dataset(SPEC, 0)
    assert same(first, again)
    assert file.stat().st_mtime_ns == written
    built = SPEC.build(0)
    assert first.sha256 == again.sha256 == cache.content_hash(built)
    assert torch.equal(again.splits["test"].adjacency, built.splits["test"].adjacency)
    assert again.shape == built.shape


def test_a_fixed_draw_is_one_for_all_seeds_and_a_draw_per_seed_is_not(folder: Path) -> None:
    assert load_dataset(SPEC, 0).sha256 == load_dataset(SPEC, 7).sha256
    assert len(kept(folder)) == 1
    drawn = SPEC.model_copy(update={"draw": "per_seed"})
    assert len({load_dataset(drawn, seed).sha256 for seed in (1, 2, 3)}) == 3
    assert len(kept(folder)) == 4


def test_another_option_is_another_file(folder: Path) -> None:
    load_dataset(SPEC, 0)
    load_dataset(SPEC.model_copy(update={"p": 0.6}), 0)
    assert len(kept(folder)) == 2


def test_without_a_folder_named_the_cache_is_under_mlruns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_CACHE")
    monkeypatch.chdir(tmp_path)
    load_dataset(SPEC, 0)
    assert kept(tmp_path / "mlruns" / "cache")


def truncated(good: bytes) -> bytes:
    return good[:-100]


def empty(good: bytes) -> bytes:
    return b""


def noise(good: bytes) -> bytes:
    return bytes(range(256)) * 20


def one_bit(good: bytes) -> bytes:
    return good[:-40] + bytes([good[-40] ^ 1]) + good[-39:]


def foreign(good: bytes) -> bytes:
    return save({"weight": torch.ones(3)})


def another_language(good: bytes) -> bytes:
    return save({"weight": torch.ones(3)}, metadata={"lab": json.dumps({"shape": {"sides": 4}, "splits": []})})


def put(content: bytes, file: Path) -> None:
    """Replace the file as a whole: the old one is still mapped by who has read it."""
    draft = file.with_suffix(".new")
    draft.write_bytes(content)
    draft.replace(file)


@pytest.mark.parametrize("spoil", [truncated, empty, noise, one_bit, foreign, another_language])
def test_a_spoilt_file_is_told_and_made_again(spoil: Callable[[bytes], bytes], folder: Path) -> None:
    good = load_dataset(SPEC, 0)
    (file,) = kept(folder)
    put(spoil(file.read_bytes()), file)
    with pytest.warns(UserWarning, match="made again"):
        again = load_dataset(SPEC, 0)
    assert same(good, again)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_dataset(SPEC, 0)


@pytest.mark.filterwarnings("ignore:cached data")
def test_a_folder_in_the_place_of_the_file_costs_a_warning_only(folder: Path) -> None:
    good = load_dataset(SPEC, 0)
    (file,) = kept(folder)
    file.unlink()
    file.mkdir()
    with pytest.warns(UserWarning, match="cannot be kept"):
        assert same(load_dataset(SPEC, 0), good)


@pytest.mark.filterwarnings("ignore:cannot lock")
@pytest.mark.skipif(not Path("/proc").exists(), reason="needs a folder that nobody may write to")
def test_a_cache_that_cannot_be_written_costs_a_warning_only(monkeypatch: pytest.MonkeyPatch) -> None:
    good = load_dataset(SPEC, 0)
    monkeypatch.setenv("LAB_CACHE", "/proc/lab")
    with pytest.warns(UserWarning, match="cannot be kept"):
        assert same(load_dataset(SPEC, 0), good)


def load_elsewhere(train: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", LOAD.format(train=train)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_processes_that_want_the_same_data_at_once_all_get_it_whole(folder: Path) -> None:
    processes = [load_elsewhere(train=200) for _ in range(3)]
    told = [process.communicate(timeout=120) for process in processes]
    assert [errors for _, errors in told] == ["", "", ""]
    assert {said.strip() for said, _ in told} == {load_dataset(Pattern(train=200, valid=3, test=3), 0).sha256}
    assert len(kept(folder)) == 1
    assert not list(folder.glob("*draft*"))


def killed_at(sign: str, folder: Path) -> bool:
    """Start a process that makes data and kill it at the sight of a file; whether it was caught in time."""
    for path in kept(folder):
        path.unlink()
    process = load_elsewhere(train=1500)
    while not list(folder.glob(sign)) and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return bool(list(folder.glob(sign))) and not kept(folder)


@pytest.mark.slow
@pytest.mark.parametrize("sign", ["*.lock", "*draft*"])
def test_a_process_killed_at_work_leaves_nothing_in_the_way(sign: str, folder: Path) -> None:
    assert any(killed_at(sign, folder) for _ in range(5))
    spec = Pattern(train=1500, valid=3, test=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_dataset(spec, 0).sha256 == cache.content_hash(spec.build(0))
    assert len(kept(folder)) == 1
    assert not list(folder.glob("*draft*"))


def test_a_dataset_of_ones_own_is_built_and_hashed_but_not_kept(folder: Path, menu: object) -> None:
    class Two(DatasetSpec):
        """Two nodes, joined."""

        kind: Literal["two"] = "two"

        def build(self, seed: int) -> Dataset:
            edges = torch.tensor([[[0, 1], [1, 0]]], dtype=torch.uint8)
            y = torch.tensor([[0, seed % 2]])
            split = Split(torch.zeros(1, 2, dtype=torch.int64), edges, y, torch.tensor([2]))
            return Dataset(Shape(nodes=2, classes=2, tokens=1), {"train": split, "valid": split, "test": split})

    first, second = (load_dataset(Two(draw="per_seed"), seed) for seed in (0, 1))
    assert not kept(folder)
    assert first.sha256 == cache.content_hash(first)
    assert first.sha256 != second.sha256
    assert load_dataset(Two(), 1).sha256 == first.sha256


def test_a_dataset_of_ones_own_that_varies_ours_is_not_mistaken_for_it(folder: Path, menu: object) -> None:
    load_dataset(SPEC, 0)

    class Shuffled(Cluster):
        """CLUSTER from another seed."""

        kind: Literal["shuffled"] = "shuffled"  # type: ignore[assignment]

        def build(self, seed: int) -> Dataset:
            return Family.build(self, seed + 1)

    assert load_dataset(Shuffled(train=6, valid=3, test=3), 0).sha256 != load_dataset(SPEC, 0).sha256
    assert len(kept(folder)) == 1


def test_known_lines_come_with_the_data_from_the_first_load_on() -> None:
    spec = Pattern(train=30, valid=2, test=10, patterns=5)
    built, again = load_dataset(spec, 0), load_dataset(spec, 0)
    degrees = {"degree", "degree, standardised", "degree / N", "degree and neighbours"}
    names = {"chance", "token leak", *degrees}
    assert built.lines.keys() == names
    assert built.lines == again.lines


def test_training_graphs_that_are_scored_too_are_kept_once_and_stay_one_split(folder: Path) -> None:
    sizes = []
    for scored in ("training", "held_out"):
        spec = Pattern(train=8, valid=8, test=8, patterns=1, scored=scored)
        built = load_dataset(spec, 0)
        sizes.append(kept(folder)[0].stat().st_size)
        for file in kept(folder):
            file.unlink()
        if scored == "training":
            assert built.splits["train"] is built.splits["valid"] is built.splits["test"]
            again = built.to(torch.device("cpu"))
            assert again.splits["train"] is again.splits["test"]
    assert sizes[1] > 2.5 * sizes[0]
