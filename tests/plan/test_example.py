"""The study of the design notes, in the words of the options there are: its counts are known exactly."""

from __future__ import annotations

import pytest

from lab.plan.designs import expand
from lab.plan.plan import Plan

STUDY = """\
factors:
  model.mlp_norm: [batch, none]
  model.attention_norm: [batch, layer, none]
  model.ff_norm: [layer, batch, none]
  model.norm_first: [true, false]
  model.masked_norm: [true, false]
  model.attention: [position, content]
  model.heads: {values: [1, 4], when: model.attention == "content"}
  model.powers: {values: [[0, 1], [0, 1, 2, 3, 4]], labels: [k1, k4]}
constraints:
  - forbid: model.mlp_norm == "none" and model.attention_norm == "none" and model.ff_norm == "none"
    because: no normalisation left
"""
ONE_OUT = """\
design:
  kind: one_out
  also:
    - grid: [model.mlp_norm, model.attention_norm, model.ff_norm]
    - grid: [model.mlp_norm, model.attention]
seeds: {values: 8, noise_floor: 2}
"""


@pytest.fixture
def plan(written) -> Plan:
    return expand(written(STUDY + ONE_OUT))


def test_the_union_has_23_cells(plan):
    assert len(plan.cells) == 23
    assert (
        "23 cells = 11 one_out + 11 grid (mlp_norm, attention_norm, ff_norm) + 1 grid (mlp_norm, attention)"
        in plan.notes
    )


def test_the_whole_grid_is_told_to_have_408_cells(plan):
    assert "the whole grid would have 408 cells (24 more are forbidden)" in plan.notes


def test_the_whole_grid_has_408_cells(written):
    plan = expand(written(STUDY + "design: grid\n"))
    assert len({cell.id for cell in plan.cells}) == len(plan.cells) == 408
    (reason,) = [note for note in plan.notes if "no normalisation left" in note]
    assert reason.startswith("24 combinations left out by forbid")


def test_one_out_changes_one_thing_and_what_that_brings_up(plan):
    reference = plan.reference.levels
    changed = [
        {name: level for name, level in cell.levels.items() if reference.get(name) != level} for cell in plan.cells[:11]
    ]
    assert changed == [
        {},
        {"model.mlp_norm": "none"},
        {"model.attention_norm": "layer"},
        {"model.attention_norm": "none"},
        {"model.ff_norm": "batch"},
        {"model.ff_norm": "none"},
        {"model.norm_first": False},
        {"model.masked_norm": False},
        {"model.attention": "content", "model.heads": 1},
        {"model.attention": "content", "model.heads": 4},
        {"model.powers": "k4"},
    ]


def test_a_conditional_level_is_shown_only_where_it_exists(plan):
    for cell in plan.cells:
        assert ("model.heads" in cell.levels) == (cell.levels["model.attention"] == "content")


def test_every_seed_runs_in_every_cell_and_the_reference_twice_more(plan):
    assert len(plan.all_trials) == 23 * 8 + 2
    assert [trial.seed for trial in plan.all_trials[:23]] == [0] * 23
    assert {trial.cell.id for trial in plan.all_trials[-2:]} == {plan.reference.id}
