"""Claims tell who works on what, for as long as they are kept fresh."""

import json
import time
from pathlib import Path

from lab.records.running import SILENCE, running
from lab.records.store import Store


def claim(root: Path, trial: str, text: str = json.dumps({"host": "box:1f:2", "pid": 7, "started": 1.0})) -> None:
    (root / "claims").mkdir(exist_ok=True)
    (root / "claims" / f"{trial}.json").write_text(text)


def test_a_fresh_claim_is_a_trial_in_hand(tmp_path: Path) -> None:
    claim(tmp_path, "0123456789ab-0")
    (seen,) = running(Store(tmp_path)).values()
    assert (seen.trial, seen.host, seen.pid) == ("0123456789ab-0", "box", 7)


def test_a_silent_claim_is_nobodys(tmp_path: Path) -> None:
    claim(tmp_path, "0123456789ab-0")
    assert running(Store(tmp_path), now=time.time() + SILENCE + 5) == {}


def test_what_is_no_claim_is_passed_over(tmp_path: Path) -> None:
    claim(tmp_path, "a", "")
    claim(tmp_path, "b", "[]")
    claim(tmp_path, "c", '{"host": "x"}')
    (tmp_path / "claims" / ".lock").touch()
    assert running(Store(tmp_path)) == {}


def test_a_store_without_claims_has_nobody_running(tmp_path: Path) -> None:
    assert running(Store(tmp_path)) == {}
    assert running(Store("memory://nowhere")) == {}
