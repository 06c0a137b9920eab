"""Claims: one process wins, the dead are replaced at once, and nobody takes over the living."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from dataclasses import asdict, replace
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.run.claims import Claims, this_process

SPAWN = multiprocessing.get_context("spawn")


def _hold(folder: Path, held: Event) -> None:
    claims = Claims(folder)
    claims.take("a-0")
    held.set()
    time.sleep(60)


def _race(folder: Path, start: Barrier, won: str) -> None:
    claims = Claims(folder)
    start.wait()
    mine = [name for name in (f"{number}-0" for number in range(200)) if claims.take(name)]
    start.wait()
    Path(won).write_text(json.dumps(mine))


def _leave_stale(folder: Path, names: list[str]) -> None:
    """What processes that are gone leave behind: their number may even be in use again."""
    gone = replace(this_process(), pid=os.getpid(), started=1.0, token="gone")
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.json").write_text(json.dumps(asdict(gone)))


def test_a_claimed_trial_is_refused_to_others_until_it_is_released(tmp_path: Path) -> None:
    with Claims(tmp_path) as first, Claims(tmp_path) as second:
        assert first.take("a-0")
        assert not second.take("a-0")
        assert not second.is_free("a-0")
        first.release("a-0")
        assert second.take("a-0")


def test_closing_gives_everything_back(tmp_path: Path) -> None:
    with Claims(tmp_path) as claims:
        claims.take("a-0")
        claims.take("a-1")
    assert list(tmp_path.glob("*.json")) == []


def test_the_claim_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    held = SPAWN.Event()
    process = SPAWN.Process(target=_hold, args=(tmp_path, held))
    process.start()
    assert held.wait(30)
    with Claims(tmp_path) as claims:
        assert not claims.take("a-0")
        process.kill()
        process.join()
        assert claims.take("a-0")


def test_a_process_number_used_again_does_not_keep_a_claim_alive(tmp_path: Path) -> None:
    _leave_stale(tmp_path, ["a-0"])
    with Claims(tmp_path) as claims:
        assert claims.take("a-0")


def test_an_owner_on_another_machine_is_dead_after_a_silence(tmp_path: Path) -> None:
    far = replace(this_process(), host="elsewhere", token="far")
    place = tmp_path / "a-0.json"
    place.write_text(json.dumps(asdict(far)))
    with Claims(tmp_path) as claims:
        assert not claims.take("a-0")
        long_ago = time.time() - 31
        os.utime(place, (long_ago, long_ago))
        assert claims.take("a-0")


def test_a_claim_whose_writer_was_cut_off_is_free_after_a_silence(tmp_path: Path) -> None:
    place = tmp_path / "a-0.json"
    place.touch()
    with Claims(tmp_path, silence=5.0) as claims:
        assert not claims.take("a-0")
        os.utime(place, (time.time() - 6, time.time() - 6))
        assert claims.take("a-0")


def test_releasing_a_claim_that_was_taken_over_leaves_it_alone(tmp_path: Path) -> None:
    with Claims(tmp_path) as slow, Claims(tmp_path) as other:
        slow.take("a-0")
        (tmp_path / "a-0.json").unlink()
        other.take("a-0")
        slow.release("a-0")
        assert not slow.take("a-0")


def test_signs_of_life_reach_the_file(tmp_path: Path) -> None:
    with Claims(tmp_path) as claims:
        claims.take("a-0")
        place = tmp_path / "a-0.json"
        os.utime(place, (1, 1))
        deadline = time.monotonic() + 60
        while place.stat().st_mtime < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert time.time() - place.stat().st_mtime < 10


@pytest.mark.parametrize("stale", [False, True], ids=["fresh", "left by the dead"])
def test_of_many_processes_exactly_one_wins_each_trial(tmp_path: Path, stale: bool) -> None:
    names = [f"{number}-0" for number in range(200)]
    if stale:
        _leave_stale(tmp_path / "claims", names)
    start = SPAWN.Barrier(4)
    racers = [
        SPAWN.Process(target=_race, args=(tmp_path / "claims", start, str(tmp_path / f"won{number}.json")))
        for number in range(4)
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(300)
    won = [name for place in tmp_path.glob("won*.json") for name in json.loads(place.read_text())]
    assert sorted(won) == sorted(names)


def test_a_folder_that_cannot_be_made_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match="cannot claim"):
        Claims(tmp_path / "file" / "claims")
