"""`lab probe` says how trials are, writes their page where it is asked for, and loads no torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from probed_trials import probed_study

from lab.__main__ import main

HEAVY = ("torch", "mlflow", "optuna", "sklearn")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    probed_study(tmp_path)
    return tmp_path


def test_a_trial_is_summed_up_and_its_page_kept_in_the_store(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", "planted", "norm=batch,depth=4", "0", "--store", str(store)]) == 0
    said = capsys.readouterr().out
    assert "(norm=batch, depth=4, seed 0): broken" in said
    assert "Grad growth in layers.3 from step 340" in said
    place = Path(said.splitlines()[-1].removeprefix("wrote "))
    assert place.parent == store / "reports"
    assert place.read_text().startswith("<!doctype html>")


def test_two_trials_go_where_they_are_asked_to(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = store / "new" / "both.html"
    told = ["probe", "planted", "base", "0", "planted", "base", "1", "--out", str(out), "--store", str(store)]
    assert main(told) == 0
    assert capsys.readouterr().out.count(": ok") == 2
    assert "beside" in out.read_text()


@pytest.mark.parametrize(("words", "says"), [(["planted base 0"] * 3, "3 trials were named"), (["x"], "no trial 'x'")])
def test_a_mistake_is_told_with_its_mend(
    store: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert main(["probe", *words, "--store", str(store)]) == 2
    assert says in capsys.readouterr().err


def test_it_loads_none_of_the_heavy_libraries(store: Path) -> None:
    words = ["probe", "planted", "base", "0", "--store", str(store)]
    script = (
        f"import sys; from lab.__main__ import main; main({words}); print(*[n for n in {HEAVY} if n in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == ""
