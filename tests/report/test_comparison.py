"""Two studies are held against one another cell by cell, and what they do not share is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from planted import Planted

from lab.__main__ import main
from lab.records.store import Store
from lab.report.comparison import Compared, cautions, comparison_bytes, sentences
from lab.report.report import study_report

LEVELS: dict[str, list[object]] = {"model.norm": ["none", "batch"]}
WIGGLE = (0.002, -0.001, 0.0, 0.001, -0.002, 0.0015)


def planted(root: Path, means: list[float], *, name: str, levels=LEVELS, seeds: int = 6) -> Planted:
    study = Planted(Store(root), levels, seeds=seeds, name=name, question=f"What of {name}?")
    for number, (cell, mean) in enumerate(zip(study.ids, means, strict=True)):
        for seed in range(seeds):
            wiggle = 0.02 * seed + WIGGLE[(seed + 2 * number + len(name)) % 6]
            study.score(cell, seed, mean + wiggle, study=name)
    return study


def compared(tmp_path: Path, first: list[float], second: list[float]) -> Compared:
    one, two = planted(tmp_path / "1", first, name="old"), planted(tmp_path / "2", second, name="newer")
    return Compared(study_report(one.store, "old"), study_report(two.store, "newer"))


def test_a_cell_that_changed_is_told_apart_and_one_that_did_not_is_not(tmp_path):
    told = compared(tmp_path, [0.6, 0.7], [0.6, 0.75])
    same, changed = told.result.cells
    assert (same.told_apart, changed.told_apart) == (False, True)
    assert changed.change.paired
    assert changed.change.mean == pytest.approx(0.05, abs=0.003)
    assert changed.change.n == 6


def test_an_effect_that_grew_is_told_apart(tmp_path):
    told = compared(tmp_path, [0.6, 0.7], [0.6, 0.75])
    (effect,) = told.result.effects
    assert effect.told_apart
    assert effect.change.mean == pytest.approx(effect.second.difference.mean - effect.first.difference.mean)
    assert any("1 of 1 effect differs" in sentence for sentence in sentences(told))


def test_the_change_over_all_cells_is_the_mean_of_theirs(tmp_path):
    result = compared(tmp_path, [0.6, 0.7], [0.61, 0.73]).result
    assert result.overall.mean == pytest.approx(sum(cell.change.mean for cell in result.cells) / 2)


def test_cells_that_only_one_has_are_left_out_and_told(tmp_path):
    one = planted(tmp_path, [0.6, 0.7], name="old")
    levels = {"model.norm": ["none", "layer"]}
    planted(tmp_path, [0.6, 0.7], name="newer", levels=levels)
    told = Compared(study_report(one.store, "old"), study_report(one.store, "newer"))
    assert len(told.result.cells) == 1
    assert [said for said in cautions(told) if "only in" in said] == [
        "1 cell only in old: left out.",
        "1 cell only in newer: left out.",
    ]


def test_studies_without_a_common_cell_are_told(tmp_path):
    one = planted(tmp_path, [0.6, 0.7], name="old")
    planted(tmp_path, [0.6, 0.7], name="newer", levels={"model.depth": [1, 2]})
    told = Compared(study_report(one.store, "old"), study_report(one.store, "newer"))
    assert next(sentences(told)) == "The two studies have no cell in common: nothing can be compared."
    assert comparison_bytes("html", told, one.store)


def test_an_unfinished_side_is_told_first(tmp_path):
    one = planted(tmp_path, [0.6, 0.7], name="old")
    two = planted(tmp_path, [0.6, 0.7], name="newer")
    two.store.set_aside(f"{two.ids[0]}-0")
    told = Compared(study_report(one.store, "old"), study_report(one.store, "newer"))
    assert any(said.startswith("newer: Unfinished") or "not in" in said for said in cautions(told))


@pytest.mark.parametrize("form", ["html", "md", "tex", "csv", "parquet", "ipynb"])
def test_a_comparison_has_every_form(tmp_path, form):
    told = compared(tmp_path, [0.6, 0.7], [0.6, 0.75])
    data = comparison_bytes(form, told, Store(tmp_path / "2"))
    if form in ("html", "md"):
        assert b"newer against old" in data
    assert len(data) > 300


def test_the_command_compares_two_stores_and_keeps_the_page(tmp_path, capsys):
    compared(tmp_path, [0.6, 0.7], [0.6, 0.75])
    sides = ["old", "newer", "--first-store", str(tmp_path / "1"), "--store", str(tmp_path / "2")]
    assert main(["compare", *sides]) == 0
    shown = capsys.readouterr().out
    assert "1 of 2 common cells scores differently." in shown
    assert (tmp_path / "2" / "reports" / "old-against-newer.html").exists()
    assert main(["compare", *sides, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cells"][1]["told_apart"] is True
