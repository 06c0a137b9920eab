"""The probe page shows what one step held: alive by module, and what was kept, or nothing where it was not weighed."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted import Planted

from lab.analysis.naming import trials_named
from lab.analysis.probed import Probed, probed
from lab.records.step_memory import Moment, StepMemory
from lab.records.store import Store
from lab.report.probe_page import memory
from lab.report.probe_page.page import probe_page

MEGABYTE = 2**20
STEP = StepMemory(
    graphs=32,
    saved=(("layers.0.attention", 3 * MEGABYTE), ("embed<b>", MEGABYTE)),
    saved_bytes=6 * MEGABYTE,
    timeline=(
        Moment("embed<b>", "forward", MEGABYTE),
        Moment("layers.0.attention", "forward", 5 * MEGABYTE),
        Moment("layers.0.attention", "backward", 7 * MEGABYTE),
    ),
)


def sides(root: Path) -> tuple[Planted, list[Probed]]:
    study = Planted(Store(root), {"model.depth": [1, 2]}, seeds=1)
    for cell, weighed in zip(study.ids, (STEP, StepMemory()), strict=True):
        study.score(cell, 0, 0.5, memory=weighed)
    named = trials_named(study.store, ["planted", "base", "0"]) + trials_named(study.store, ["planted", "depth=2", "0"])
    return study, [probed(study.store, each) for each in named]


def test_the_timeline_goes_forward_and_back_over_the_modules(tmp_path: Path) -> None:
    _, (weighed, _) = sides(tmp_path)
    figure = memory.timeline(weighed)
    assert figure is not None
    told = {trace.name: (list(trace.x), list(trace.y), list(trace.customdata)) for trace in figure.data}
    assert told["forward"] == ([0, 1], [1.0, 5.0], ["embed&lt;b&gt;", "layers.0.attention"])
    assert told["backward"] == ([2], [7.0], ["layers.0.attention"])


def test_what_is_kept_adds_up_to_all_of_it(tmp_path: Path) -> None:
    _, (weighed, _) = sides(tmp_path)
    figure = memory.saved(weighed)
    assert figure is not None
    (bars,) = figure.data
    assert list(bars.customdata) == ["layers.0.attention", "embed&lt;b&gt;", "all others"]
    assert sum(bars.x) == pytest.approx(6.0)


def test_the_page_has_the_section_only_where_a_step_was_weighed(tmp_path: Path) -> None:
    study, (weighed, bare) = sides(tmp_path)
    page = probe_page(study.store, [weighed])
    assert "Memory of a step" in page
    assert "32 graphs, 7 MB at most, 6 MB kept." in page
    assert "Memory of a step" not in probe_page(study.store, [bare])
    assert "A: 32 graphs" in probe_page(study.store, [weighed, bare])
