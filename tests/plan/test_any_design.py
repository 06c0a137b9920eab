"""What holds for every study, however it was drawn."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from planned import ids

from lab.plan.designs import expand

OPTIONS = {
    "model.mlp_norm": ["batch", "none"],
    "model.attention_norm": ["batch", "layer", "none"],
    "model.norm_first": [True, False],
    "model.attention": ["position", "content"],
    "model.layers": [2, 4, 8],
    "training.lr": [0.01, 0.1],
}
AT_BASE = {
    "model.mlp_norm": "batch",
    "model.attention_norm": "batch",
    "model.norm_first": True,
    "model.attention": "position",
    "model.layers": 4,
    "training.lr": 0.001,
}


@st.composite
def factors_with_conditions(draw):
    """Some factors in some order; each may hang on a level of one that comes before it in OPTIONS."""
    names = draw(st.lists(st.sampled_from(list(OPTIONS)), min_size=1, max_size=5, unique=True))
    factors, whens = {}, {}
    for name in names:
        levels = draw(st.permutations(OPTIONS[name]))[: draw(st.integers(2, len(OPTIONS[name])))]
        factors[name] = {"values": list(levels)}
        before = [other for other in names if list(OPTIONS).index(other) < list(OPTIONS).index(name)]
        if before and draw(st.booleans()):
            other = draw(st.sampled_from(before))
            whens[name] = (other, draw(st.sampled_from([*OPTIONS[other], AT_BASE[other]])))
    for name, (other, value) in whens.items():
        said = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
        factors[name]["when"] = f"{other} == {said!r}" if isinstance(value, str) else f"{other} == {said}"
    return factors, whens


def every_cell(factors, whens):
    """All combinations, by brute force: what is not there is at the base."""
    found = set()
    for combination in product(*(factors[name]["values"] for name in factors)):
        chosen = dict(zip(factors, combination, strict=True))
        cell = dict(AT_BASE)
        for name in OPTIONS:
            if name in factors and (name not in whens or cell[whens[name][0]] == whens[name][1]):
                cell[name] = chosen[name]
        found.add(tuple(cell.items()))
    return found


def exists_somewhere(cells, whens) -> bool:
    return all(any(dict(cell)[other] == value for cell in cells) for other, value in whens.values())


@given(factors_with_conditions())
@settings(max_examples=60, deadline=None)
def test_a_grid_is_what_brute_force_finds(study_of, drawn):
    factors, whens = drawn
    cells = every_cell(factors, whens)
    if not exists_somewhere(cells, whens):
        return
    plan = expand(study_of(factors=factors, design="grid"))
    assert {tuple((name, cell.experiment.get(name)) for name in OPTIONS) for cell in plan.cells} == cells
    assert len(plan.cells) == len(cells)


@given(factors_with_conditions(), st.randoms(), st.sampled_from(["grid", "one_out", "fractional"]))
@settings(max_examples=60, deadline=None)
def test_ids_do_not_depend_on_the_order_of_anything(study_of, drawn, random, kind):
    factors, whens = drawn
    if not exists_somewhere(every_cell(factors, whens), whens):
        return
    if kind == "fractional":
        factors = {name: {"values": OPTIONS[name][:2]} for name in factors}
    if kind == "one_out" and whens:
        return
    names = list(factors)
    random.shuffle(names)
    shuffled = {name: factors[name] | {"values": random.sample(factors[name]["values"], len(factors[name]["values"]))}
                for name in names}  # fmt: skip
    one, other = (expand(study_of(factors=said, design=kind)) for said in (factors, shuffled))
    assert ids(one) == ids(other)
    assert len(one.all_trials) == len(ids(one))


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_done_and_pending_are_all(study_of, data):
    plan = expand(
        study_of(factors={"model.layers": [2, 4], "model.mlp_norm": "all"}, seeds={"values": 3, "noise_floor": 2})
    )
    every = [trial.id for trial in plan.all_trials]
    done = set(data.draw(st.lists(st.sampled_from(every))))
    pending = [trial.id for trial in plan.without(done).trials]
    assert set(pending) | done == set(every)
    assert pending == [trial for trial in every if trial not in done]


@given(factors_with_conditions())
@settings(max_examples=25, deadline=None)
def test_one_out_is_part_of_the_grid_with_the_base(study_of, drawn):
    factors, _ = drawn
    factors = {
        name: {"values": list(dict.fromkeys([AT_BASE[name], *said["values"]]))} for name, said in factors.items()
    }
    grid, one_out = (expand(study_of(factors=factors, design=kind)) for kind in ("grid", "one_out"))
    assert ids(one_out) <= ids(grid)
    assert len(one_out.cells) == 1 + sum(len(said["values"]) - 1 for said in factors.values())
