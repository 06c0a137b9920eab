"""Claims that change once trials are in leave a line that no later run takes away."""

from pathlib import Path

import pytest
from planted import Planted

from lab.records.amendments import history_of
from lab.records.store import Store

LEVELS = {"norm": ["none", "batch"]}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def run(store: Store, wording: str, **said: object) -> Planted:
    """Run a study whose claims have this hash."""
    claims = {"claims": {"hash": wording}} if wording else {}
    return Planted(store, LEVELS, seeds=4, **claims, **said)


def counts(store: Store, name: str = "planted") -> list[tuple[str, int, int]]:
    return [(each["hash"], each["trials_done"], each["trials"]) for each in history_of(store, name)]


def test_claims_from_the_start_are_noted_with_nothing_in(store):
    run(store, "first")
    assert counts(store) == [("first", 0, 8)]
    assert history_of(store, "planted")[0]["when"].endswith("+00:00")


def test_the_same_claims_are_noted_once(store):
    study = run(store, "first")
    study.score(study.ids[0], 0, 0.5)
    before = history_of(store, "planted")
    run(store, "first")
    assert history_of(store, "planted") == before


def test_an_edit_is_noted_with_the_trials_that_were_in(store):
    study = run(store, "first")
    for seed in range(3):
        study.score(study.ids[0], seed, 0.5)
    run(store, "second")
    run(store, "first")
    assert counts(store) == [("first", 0, 8), ("second", 3, 8), ("first", 3, 8)]


def test_claims_that_are_withdrawn_are_not_forgotten(store):
    study = run(store, "first")
    study.score(study.ids[0], 0, 0.5)
    run(store, "")
    assert counts(store) == [("first", 0, 8), ("", 1, 8)]
    run(store, "")
    assert len(counts(store)) == 2


def test_trials_that_another_study_ran_count_as_known(store):
    other = run(store, "")
    for seed in range(2):
        other.score(other.ids[0], seed, 0.5)
    run(store, "first", name="later")
    assert counts(store, "later") == [("first", 2, 8)]


def test_a_study_without_claims_has_no_history(store):
    run(store, "")
    assert counts(store) == []
    assert "history" not in store.read_plan("planted").get("claims", {})
