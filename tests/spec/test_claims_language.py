"""What claims can say is read as it is meant, and whatever else stands there is refused with its place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.errors import LabError, Place
from lab.spec.change import spelled
from lab.spec.claims import SIGNS, Arm, At, Cell, Interaction, Known, Number, Setting, Statement, parse
from lab.spec.study import Study

HERE = Place("study.yaml", 7, "claims.x.say")
KEYS = {"question": "?", "base": "b", "score": "valid.acc"}


@pytest.mark.parametrize(
    ("say", "left", "sign", "right"),
    [
        (
            "model.norm: batch > none",
            At(Setting("model.norm", "batch")),
            ">",
            At(Setting("model.norm", "none")),
        ),
        ("mask: true == false", At(Setting("mask", True)), "==", At(Setting("mask", False))),
        ("layers: 4 < 8", At(Setting("layers", 4)), "<", At(Setting("layers", 8))),
        ("lr: 1e-3 > 0.5", At(Setting("lr", 1e-3)), ">", At(Setting("lr", 0.5))),
        ("powers: [0, 1] > [0,[1]]", At(Setting("powers", [0, 1])), ">", At(Setting("powers", [0, [1]]))),
        ("part: null > 'a b'", At(Setting("part", None)), ">", At(Setting("part", "a b"))),
        ("norm: off>on", At(Setting("norm", "off")), ">", At(Setting("norm", "on"))),
        ("n: batch > -0.84", At(Setting("n", "batch")), ">", At(Setting("n", -0.84))),
        ("n: batch > reference", At(Setting("n", "batch")), ">", Cell()),
        ("reference > 0.84", Cell(), ">", Number(0.84)),
        ("cell() < cell(a.b=x, c=2)", Cell(), "<", Cell((Setting("a.b", "x"), Setting("c", 2)))),
        ("arm(mine) == arm('my other')", Arm("mine"), "==", Arm("my other")),
        (
            "interaction(a, b=x) > -1e-2",
            Interaction(Setting("a", is_named=False), Setting("b", "x")),
            ">",
            Number(-0.01),
        ),
        ("'a size': 'x=1, y=2' > \"z\"", At(Setting("a size", "x=1, y=2")), ">", At(Setting("a size", "z"))),
        ("arm(mine) < known(last value)", Arm("mine"), "<", Known("last value")),
        ("n: batch > known('best, by far')", At(Setting("n", "batch")), ">", Known("best, by far")),
        ("cell: arm > reference", At(Setting("cell", "arm")), ">", Cell()),
    ],
)
def test_every_form_is_read(say, left, sign, right):
    assert parse(say, HERE) == Statement(left, sign, right)
    assert parse(f"  {say.replace(' ', '   ')}  " if "'" not in say else say, HERE) == Statement(left, sign, right)


def test_the_right_side_may_be_multiplied():
    assert parse("arm(a) < 0.4 * reference", HERE) == Statement(Arm("a"), "<", Cell(), 0.4)
    assert parse("n: 8 > 2 * 4", HERE) == Statement(At(Setting("n", 8)), ">", At(Setting("n", 4)), 2.0)
    for wrong in ("a: x < y * z", "reference < 0 * arm(a)", "reference < -1 * arm(a)", "reference < .inf * arm(a)"):
        assert "is no positive number to multiply by" in str(problem_of(wrong))
    assert "a number is multiplied" in str(problem_of("reference > 2 * 0.4"))


def test_a_known_score_stands_on_the_right_and_may_be_multiplied():
    assert parse("reference < 1.1 * known(best possible)", HERE) == Statement(Cell(), "<", Known("best possible"), 1.1)
    assert "a known score stands on the right" in str(problem_of("known(last value) > reference"))
    assert "a known score is missing" in str(problem_of("reference > known()"))
    assert "an interaction is compared with a number" in str(problem_of("interaction(a, b) > known(x)"))


NAMES = st.from_regex(r"[a-z][a-z_]{0,6}(\.[a-z][a-z_]{0,6})?", fullmatch=True).filter(
    lambda name: name not in ("null", "true", "false", "reference")
)
LEVELS = st.one_of(st.booleans(), st.integers(-99, 99), st.floats(-9, 9).map(lambda x: round(x, 3)), NAMES)
SETTINGS = st.builds(Setting, NAMES, LEVELS)
CELLS = st.lists(SETTINGS, max_size=3).map(lambda found: Cell(tuple(found)))
SIDES = st.one_of(CELLS, st.builds(Arm, NAMES))
NUMBERS = st.floats(-9, 9).map(lambda x: Number(round(x, 4)))
KNOWN = st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True), min_size=1, max_size=3).map(" ".join).map(Known)
STATEMENTS = st.one_of(
    st.builds(Statement, SIDES, st.sampled_from(SIGNS), st.one_of(SIDES, NUMBERS)),
    st.builds(Statement, SIDES, st.sampled_from(SIGNS), SIDES, st.floats(0.01, 9).map(lambda x: round(x, 3))),
    st.builds(Statement, SIDES, st.sampled_from(SIGNS), KNOWN, st.floats(0.01, 9).map(lambda x: round(x, 3))),
    st.builds(Statement, st.builds(Interaction, SETTINGS, SETTINGS), st.sampled_from(SIGNS), NUMBERS),
)


def written(part):
    match part:
        case Statement(left, sign, right, times):
            return f"{written(left)} {sign} {f'{times} * ' if times != 1 else ''}{written(right)}"
        case Cell(settings):
            return f"cell({', '.join(map(written, settings))})"
        case Arm(name):
            return f"arm({name})"
        case Known(name):
            return f"known({name})"
        case Interaction(first, second):
            return f"interaction({written(first)}, {written(second)})"
        case Number(value):
            return repr(value)
        case Setting(factor, level):
            return f"{factor}={str(level).lower() if isinstance(level, bool) else level}"


@settings(deadline=None, max_examples=150)
@given(STATEMENTS)
def test_what_is_written_is_what_is_read(statement):
    assert parse(written(statement), HERE) == statement


def problem_of(text: str) -> LabError | None:
    try:
        parse(text, HERE)
    except LabError as error:
        return error
    return None


@settings(deadline=None, max_examples=500)
@given(st.one_of(st.text(max_size=40), st.text("ab.:=<>()[]\"', 0-", max_size=20)))
def test_any_other_text_is_refused_with_its_place(text):
    problem = problem_of(text)
    assert problem is None or (problem.where == HERE and problem.hint)


def test_a_claim_may_be_its_sentence_alone():
    study = Study.model_validate(KEYS | {"claims": {"x": "reference > 0.5", "y": {"say": "n: a > b", "by": 0.1}}})
    assert study.claims["x"].say == "reference > 0.5"
    assert study.claims["y"].by == 0.1
    assert Study.model_validate(spelled(study)) == study


def test_seeds_can_only_be_extended_beyond_those_planned():
    assert Study.model_validate(KEYS | {"seeds": {"values": 8, "extend": {"max": 12}}}).seeds.extend.step == 2
    with pytest.raises(ValueError, match="8 seeds are planned already"):
        Study.model_validate(KEYS | {"seeds": {"values": 8, "extend": {"max": 8}}})
