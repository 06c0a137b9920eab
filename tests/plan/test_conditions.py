from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.errors import LabError, Place
from lab.plan.conditions import ABSENT, Seen, read_condition
from lab.plan.wording import Choice, check_condition

HERE = Place("asked.yaml", 7, "constraints[0].forbid")
VALUES = {
    "model.norm": "batch",
    "model.depth": 8,
    "model.lr": 1e-3,
    "model.residual": True,
    "model.powers": [0, 1],
    "model.clip": None,
    "norms": "both",
}


def look(path: str) -> Seen:
    label = "k1" if path == "model.powers" else ""
    return Seen(VALUES.get(path, ABSENT), label)


def holds(text: str) -> bool:
    return read_condition(text, HERE).holds(look)


@pytest.mark.parametrize(
    "text",
    [
        'model.norm == "batch"',
        "model.norm == 'batch' and model.depth >= 8",
        'model.norm != "none"',
        'model.norm in ["batch", "layer"]',
        'model.norm not in ["none"]',
        "2 < model.depth <= 8",
        "model.depth > -1",
        "model.lr < 1e-2",
        "model.residual",
        "model.residual == true",
        "not (model.depth < 3 or not model.residual)",
        "model.clip == null",
        "model.powers == [0, 1]",
        'model.powers == "k1"',
        'model.powers in ["k1", "k4"]',
        "1 in model.powers",
        'norms == "both"',
        'model.gone != "anything"',
    ],
)
def test_holds(text):
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        'model.norm == "none"',
        "model.depth < 8 or model.depth > 8",
        "not model.residual",
        "model.residual == 1",
        "model.clip == 0",
        "model.powers == [1, 0]",
        "4 in model.powers",
        'model.powers == "k4"',
        "model.gone == 3",
        "model.gone < 3",
        "model.gone",
        "3 in model.gone",
    ],
)
def test_does_not_hold(text):
    assert not holds(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("model.depth >", "cannot be read"),
        ("model.depth = 8", "write `==` to compare"),
        ("model.depth > 3 && model.residual", "write `and` instead of `&&`"),
        ("model.depth + 1 > 3", "`model.depth + 1` has no meaning here"),
        ("len(model.powers) > 1", "`len(model.powers)` has no meaning here"),
        ("__import__('os').system('true')", "has no meaning here"),
        ("model.powers[0] == 1", "`model.powers[0]` has no meaning here"),
        ("(lambda: 1)() == 1", "has no meaning here"),
        ("[x for x in model.powers] == [0]", "has no meaning here"),
        ("f'{model.norm}' == 'batch'", "has no meaning here"),
        ("model.norm is null", "has no meaning here"),
        ("1j == model.depth", "`1j` has no meaning here"),
        ("model.depth == 1\0", "cannot be read"),
        ("not " * 100 + "model.residual", "nested more than"),
        ("(" * 400 + "model.residual" + ")" * 400, "cannot be read"),
        ("model.residual or " * 100 + "model.residual", "characters"),
    ],
)
def test_refuses_what_is_no_comparison(text, said):
    with pytest.raises(LabError, match=r"asked\.yaml:7") as error:
        read_condition(text, HERE)
    assert said in str(error.value)
    assert error.value.hint


@pytest.mark.parametrize("text", ['model.norm < "c"', "model.clip > 1", "model.depth", 'model.norm in "batch"', "3"])
def test_tells_where_values_do_not_fit_the_comparison(text):
    with pytest.raises(LabError, match=r"asked\.yaml:7"):
        holds(text)


MENU = {
    "model": Choice(is_group=True),
    "model.norm": Choice(("none", "batch", "layer")),
    "model.depth": Choice(),
    "model.residual": Choice((True, False)),
    "model.stack": Choice(("walk", "one_hot"), labels=("w", "o")),
    "model.powers": Choice(labels=("k1", "k4")),
    "training.lr": Choice(),
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model.nrom == 'batch'", "did you mean 'model.norm'?"),
        ("modle.norm == 'batch'", "did you mean 'model.norm'?"),
        ("model.norm == 'bacth'", "did you mean 'batch'?"),
        ("'bacth' == model.norm", "did you mean 'batch'?"),
        ("model.norm in ['batch', 'lyer']", "did you mean 'layer'?"),
        ("model.norm == batch", 'a word is written in quotes: "batch"'),
        ("model.norm", "compare it with one of none, batch, layer"),
        ("not model.norm", "compare it with one of none, batch, layer"),
        ("model.residual == 1", "choose from true, false"),
        ("model == 3", "is a group of options"),
    ],
)
def test_a_slip_of_the_pen_is_told_with_the_nearest_word(text, said):
    problems = check_condition(read_condition(text, HERE), MENU)
    assert len(problems) == 1
    assert said in str(problems[0])
    assert problems[0].where == HERE


@pytest.mark.parametrize(
    "text",
    [
        "model.stack == 'w' or model.stack == 'walk'",
        "model.residual and model.depth > 3",
        "model.powers == 'k1'",
        "model.powers == [0, 1]",
        "training.lr < 1",
    ],
)
def test_sensible_words_pass(text):
    assert check_condition(read_condition(text, HERE), MENU) == []


def test_all_slips_are_told_at_once():
    condition = read_condition("model.nrom == 'batch' or model.norm == 'bacth' or training.rl > 1", HERE)
    assert len(check_condition(condition, MENU)) == 3


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused(text):
    try:
        condition = read_condition(text, HERE)
        check_condition(condition, MENU)
        outcome: object = condition.holds(look)
    except LabError as error:
        outcome = error.where
    assert outcome in (True, False, HERE)


terms = st.sampled_from(
    ["model.depth > 3", "model.residual", "model.norm == 'none'", "model.lr < 1", "1 in model.powers"]
)
trees = st.recursive(
    terms,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda made: f"({made[0]} {made[1]} {made[2]})"),
        inner.map(lambda made: f"(not {made})"),
    ),
    max_leaves=8,
)


@given(trees)
@settings(max_examples=100, deadline=None)
def test_agrees_with_python_on_what_python_can_say(text):
    said = text
    for path, value in VALUES.items():
        said = said.replace(path, repr(value))
    assert holds(text) == eval(said)
