"""A trial is found by its id, the beginning of its id, or its study, cell and seed; a mistake names the nearest."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted import Planted

from lab.analysis.naming import Named, trials_named
from lab.errors import LabError
from lab.records.store import Store

LEVELS: dict[str, list[object]] = {"model.norm": ["none", "batch"], "model.depth": [2, 4]}


@pytest.fixture
def study(tmp_path: Path) -> Planted:
    made = Planted(Store(tmp_path), LEVELS, seeds=12)
    made.score(made.ids[0], 0, 0.5)
    return made


def one(study: Planted, *words: str) -> str:
    (named,) = trials_named(study.store, words)
    assert named.study == "planted"
    return named.trial


def test_an_id_names_its_trial_also_where_it_begins_another(study: Planted) -> None:
    assert one(study, f"{study.ids[1]}-1") == f"{study.ids[1]}-1"
    assert one(study, f"{study.ids[1]}-11") == f"{study.ids[1]}-11"


def test_the_beginning_of_an_id_is_enough_where_it_names_one_trial(study: Planted) -> None:
    assert one(study, study.ids[0][:7]) == f"{study.ids[0]}-0"  # of twelve planned trials one has a record
    with pytest.raises(LabError, match="beginning of 12 trials") as told:
        trials_named(study.store, [study.ids[1][:7]])
    assert f"{study.ids[1]}-0" in told.value.hint


@pytest.mark.parametrize("cell", ["norm=batch,depth=4", "norm=batch, depth=4", "model.depth=4 norm=batch", "id"])
def test_a_study_a_cell_and_a_seed_name_a_trial(study: Planted, cell: str) -> None:
    wanted = next(key for key, levels in study.cells.items() if levels == {"model.norm": "batch", "model.depth": 4})
    assert one(study, "planted", wanted[:6] if cell == "id" else cell, "3") == f"{wanted}-3"
    assert one(study, f"planted {wanted if cell == 'id' else cell} 3") == f"{wanted}-3"


def test_levels_that_are_not_named_are_those_of_the_base(study: Planted) -> None:
    wanted = next(key for key, levels in study.cells.items() if levels == {"model.norm": "batch", "model.depth": 2})
    assert one(study, "planted", "norm=batch", "0") == f"{wanted}-0"
    assert one(study, "planted", "base", "0") == f"{study.ids[0]}-0"


def test_two_trials_are_named_in_any_mixture_of_ways(study: Planted) -> None:
    told = trials_named(study.store, ["planted", "base", "0", f"{study.ids[1]}-2"])
    assert told == (Named(f"{study.ids[0]}-0", "planted"), Named(f"{study.ids[1]}-2", "planted"))
    assert trials_named(study.store, [f"{study.ids[1]}-2", "planted", "base", "0"]) == told[::-1]


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        (["planted", "nrom=batch", "0"], "no cell 'nrom=batch'", "norm=batch"),
        (["planted", "base", "99"], "no seed 99", "its seeds are 0, 1, 2"),
        (["plantd", "base", "0"], "no study 'plantd'", "did you mean 'planted'"),
        (["planted"], "knows no trial 'planted'", "planted base 0"),
        (["zzzz"], "knows no trial 'zzzz'", "choose from"),
        ([""], "knows no trial ''", "choose from"),
    ],
)
def test_a_mistake_says_what_is_there(study: Planted, words: list[str], what: str, hint: str) -> None:
    with pytest.raises(LabError) as told:
        trials_named(study.store, words)
    assert what in told.value.what
    assert hint in told.value.hint


def test_a_mistyped_id_is_told_the_nearest_one(study: Planted) -> None:
    meant = f"{study.ids[2]}-5"
    with pytest.raises(LabError) as told:
        trials_named(study.store, [meant.replace(meant[3], "x", 1)])
    assert f"did you mean '{study.ids[2]}-" in told.value.hint


def test_an_empty_store_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="knows no trial") as told:
        trials_named(Store(tmp_path), ["abc"])
    assert "lab run" in told.value.hint
