"""Every mistake a design can hold is told with its line and a mend, and several are told at once."""

from __future__ import annotations

import pytest

from lab.errors import LabError
from lab.plan.designs import expand

FIRST = 4
"""The line that a test's text starts at."""


def mistakes(written, text: str) -> list[LabError]:
    with pytest.raises(LabError) as error:
        expand(written(text))
    return list(error.value.problems)


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        (
            'factors:\n  model.layers: [2, 4]\n  model.heads: {values: [1, 4], when: model.attention == "contend"}\n',
            2,
            "factors.model.heads.when",
            "did you mean 'content'?",
        ),
        (
            "factors:\n  model.heads: {values: [1, 4], when: model.atention}\n",
            1,
            "factors.model.heads.when",
            "did you mean 'model.attention'?",
        ),
        (
            "factors:\n  model.heads: {values: [1, 4], when: model.layers =! 3}\n",
            1,
            "factors.model.heads.when",
            "cannot be read",
        ),
        (
            "factors:\n  model.heads: {values: [1, 4], when: model.heads == 1}\n",
            1,
            "factors.model.heads.when",
            "`when` goes in a circle: model.heads needs model.heads",
        ),
        (
            "factors:\n"
            "  model.heads: {values: [1, 4], when: model.masked_norm}\n"
            "  model.masked_norm: {values: all, when: model.heads == 1}\n",
            1,
            "factors.model.heads.when",
            "`when` goes in a circle",
        ),
        (
            "factors:\n  model.heads: {values: [1, 4], when: model.attention == 'content'}\n",
            1,
            "factors.model.heads.when",
            "holds in no cell",
        ),
        (
            "factors:\n  model.layers: [2, 4]\n  both: {set: [{model.layers: 8}, {training.lr: 0.1}]}\n",
            2,
            "factors.both",
            "model.layers and both both change model.layers",
        ),
        (
            "factors:\n  model.layers: {range: [2, 8]}\n  model.mlp_norm: all\ndesign: grid\n",
            1,
            "factors.model.layers",
            "is a range, which grid cannot cross",
        ),
        (
            "factors:\n  model.layers: [2, 4]\ndesign:\n  kind: one_in\n",
            2,
            "design",
            "one_in needs an off level; model.layers has none",
        ),
        (
            "factors:\n  model.distance_bias: all\ndesign: one_in\n",
            2,
            "design",
            "the base has model.distance_bias off already",
        ),
        (
            "factors:\n  model.layers: [2, 4]\ndesign:\n  - one_out\n  - grid: [model.lairs]\n",
            4,
            "design[1]",
            "did you mean 'model.layers'?",
        ),
        (
            "factors:\n  model.layers: [2, 4]\ndesign:\n  kind: one_out\n  also:\n    - grid: [model.lairs]\n",
            5,
            "design.also[0]",
            "did you mean 'model.layers'?",
        ),
        ("design: one_out\n", 0, "design", "one_out has no factors"),
        ("design: arms\n", 0, "design", "there are no arms"),
        (
            "arms:\n  deep: {model.layers: 9}\ndesign:\n  - arms: [deap]\n",
            3,
            "design[0]",
            "did you mean 'deep'?",
        ),
        (
            "factors:\n  model.layers: [2, 4]\ndesign: {kind: grid, resolution: 3}\n",
            2,
            "design",
            "grid has no option 'resolution'",
        ),
        (
            "factors:\n  model.layers: [2, 4]\n  model.ff_norm: all\ndesign: fractional\n",
            3,
            "design",
            "layers 2, ff_norm 3",
        ),
        (
            "factors:\n"
            "  model.attention: all\n"
            "  model.heads: {values: [1, 4], when: model.attention == 'content'}\n"
            "design: fractional\n",
            3,
            "design",
            "model.heads has a `when`",
        ),
        (
            "factors:\n  training.lr: {log: [1e-4, 1e-2]}\ndesign: [search, {kind: search, trials: 9}]\n",
            2,
            "design[1]",
            "a study searches once",
        ),
        (
            "factors:\n  model.layers: [2, 4]\nconstraints:\n  - forbid: model.layers < 9\n",
            3,
            "constraints[0].forbid",
            "this forbids the reference",
        ),
        (
            "factors:\n  model.layers: [2, 8]\nconstraints:\n  - {forbid: model.layers != 4}\n",
            3,
            "constraints[0].forbid",
            "no cell is left but the reference",
        ),
        (
            "factors:\n  model.layers: [2, 8]\nconstraints:\n  - forbid: model.lairs == 2\n",
            3,
            "constraints[0].forbid",
            "did you mean 'model.layers'?",
        ),
        (
            "factors:\n  model.layers: [2, 8]\nconstraints:\n  - forbid: model.mlp_norm < 3\n",
            3,
            "constraints[0].forbid",
            "compares what has no order",
        ),
        (
            "factors:\n  model.width: [60, 120]\nconstraints:\n  - {match: params, by: model.width}\n",
            3,
            "constraints[0]",
            "model.width is a factor",
        ),
        (
            "factors:\n  model.layers: [2, 4]\nconstraints:\n  - {match: params, by: model.dropout}\n",
            3,
            "constraints[0]",
            "model.dropout is no whole number",
        ),
        (
            "nuisance:\n  model.width: {values: [60, 120]}\nconstraints:\n  - {match: params, by: model.width}\n",
            3,
            "constraints[0]",
            "model.width is tuned",
        ),
        (
            "constraints:\n  - {match: params, by: model.width}\n  - {match: params, by: model.layers}\n",
            2,
            "constraints[1]",
            "only once",
        ),
        (
            "factors:\n  both: {set: [{model.layers: 8, training.lr: 1}]}\nnuisance:\n  training.lr: {log: [0.1, 1]}\n",
            3,
            "nuisance.training.lr",
            "both and training.lr both change training.lr",
        ),
        (
            "arms:\n  deep: {model.layers: 9}\ndesign: arms\nprune:\n  keep: [reference, deap]\n",
            4,
            "prune.keep[1]",
            "did you mean 'deep'?",
        ),
        (
            "factors:\n  model.width: [60, 62]\n  model.heads: [1, 4]\n",
            0,
            "",
            "width 62 is not a multiple of heads 4",
        ),
        (
            "factors:\n  model.attention: all\n  model.heads: {values: [1, 7], when: model.attention == 'content'}\n",
            2,
            "factors.model.heads",
            "width 60 is not a multiple of heads 7",
        ),
        (
            "factors:\n  both: {set: [{model.layers: 4}]}\n",
            1,
            "factors.both",
            "nothing varies",
        ),
        (
            "factors:\n  model.layers: {set: [{model.layers: 2}, {model.width: 30}]}\n",
            1,
            "factors.model.layers",
            "which is an option",
        ),
        (
            "factors:\n  model.layers: {values: [2, 4]}\n  none: {set: [{}]}\n",
            2,
            "factors.none",
            "its levels change nothing",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_a_mend(written, text, line, key, said):
    (problem,) = mistakes(written, text)
    assert said in str(problem)
    assert problem.where.file == "asked.yaml"
    assert (problem.where.line, problem.where.key) == ((FIRST + line, key) if key else (1, ""))
    assert problem.hint


def test_all_mistakes_of_a_file_are_told_at_once(written):
    text = """\
factors:
  model.layers: [2, 4]
  model.heads: {values: [1, 4], when: model.attention == "contend"}
  both: {set: [{model.layers: 8}, {training.lr: 0.1}]}
constraints:
  - forbid: model.layers =< 3
  - forbid: model.mlp_norm == "bacth"
  - {match: params, by: model.layers}
prune: {keep: [refrence]}
"""
    told = mistakes(written, text)
    assert [problem.where.line for problem in told] == [6, 7, 9, 10, 11, 12]


def test_a_design_without_end_is_refused_soon(written):
    levels = ", ".join(str(1 + number) for number in range(60))
    text = f"factors:\n  model.layers: [{levels}]\n  training.batch: [{levels}]\n  training.epochs: [{levels}]\n"
    (problem,) = mistakes(written, text)
    assert "more than 20000 cells" in str(problem)
