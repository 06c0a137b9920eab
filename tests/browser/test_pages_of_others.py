"""What MLflow's UI and the Optuna dashboard show of a study, in a real browser."""

from __future__ import annotations

import sys
from pathlib import Path

import optuna
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "run"))

from planted_page import full_study
from servers import free_port

from lab.cli.reporting import show_elsewhere
from lab.report.report import study_report
from lab.run import ui
from lab.run.optuna_storage import open_storage
from lab.run.publish import publish

FOREIGN = ("ERR_NAME_NOT_RESOLVED", "ERR_INTERNET_DISCONNECTED", "status of 404", "ResizeObserver loop")
"""What the pages of others say by themselves: they look for icons and news, and lay themselves out late."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("others")
    study = full_study(folder, seeds=2)
    optuna.create_study(study_name="planted", storage=open_storage(folder), direction="maximize")
    publish(study.outline, study.store, "planted")
    show_elsewhere(study.store, study_report(study.store, "planted"))
    with ui.opened(folder, mlflow_port=free_port(), optuna_port=free_port()) as (addresses, _):
        yield addresses


def ours(said: list[str]) -> list[str]:
    return [words for words in said if not any(each in words for each in FOREIGN)]


def test_mlflow_shows_the_study_its_runs_and_its_answer(tab, pages):
    told = tab(offline=False)
    told.page.goto(pages.mlflow)
    told.page.get_by_text("planted", exact=True).first.wait_for(timeout=180_000)
    told.page.goto(f"{pages.mlflow}#/experiments/1/runs")
    told.page.get_by_text("norm=batch, depth=2 · seed 0").first.wait_for(timeout=180_000)
    told.page.get_by_text("What was planted?").first.wait_for(timeout=180_000)
    assert ours(told.said) == []


def test_optuna_shows_the_note_and_the_figures(tab, pages):
    told = tab(offline=False)
    told.page.goto(f"{pages.optuna}dashboard/studies/0/note")
    told.page.get_by_text("What was planted?").first.wait_for(timeout=180_000)
    told.page.get_by_text("Score by cell").first.wait_for()
    told.page.goto(f"{pages.optuna}dashboard/studies/0")
    told.page.get_by_text("difference in valid.acc").first.wait_for(timeout=180_000)
    assert ours(told.said) == []
