"""Valid files, drawn from the types: every option and every short form may turn up."""

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import ValidationError

from lab.spec.experiment import STREAMS, Experiment
from lab.spec.schema import option_paths
from lab.spec.spec import Family, Spec, finite_choices
from lab.spec.walk import family_of, spec_of

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)
BASE = {"dataset": {"kind": "pattern"}, "model": {"kind": "graph_transformer"}}


def option(annotation: Any, marks: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Values that one type allows."""
    if get_origin(annotation) is Annotated:
        return option(get_args(annotation)[0], (*marks, *get_args(annotation)[1:]))
    choices = finite_choices(annotation)
    if choices is not None:
        return st.sampled_from(choices)
    if spec_of(annotation) is annotation:
        return section(annotation)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return st.one_of([option(part, marks) for part in inner])
    if origin is tuple and inner[-1] is not Ellipsis:
        return st.tuples(*[option(part) for part in inner]).map(list)
    if origin is tuple:
        return st.lists(option(inner[0]), max_size=3)
    if annotation in (int, float):
        return number(annotation, marks)
    return st.just("40 epochs") if annotation is str else st.nothing()


def number(kind: type, marks: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    flat = [inner for mark in marks for inner in (mark, *getattr(mark, "metadata", ()))]
    bounds = {
        key: value
        for mark in flat
        for key in ("ge", "gt", "le", "lt")
        if (value := getattr(mark, key, None)) is not None
    }
    low, high = bounds.get("ge", bounds.get("gt", -10)), bounds.get("le", bounds.get("lt", 1000))
    drawn = st.integers(low, high) if kind is int else st.floats(low, high, allow_nan=False, width=32)
    return drawn.filter(lambda value: value > bounds.get("gt", -100) and value < bounds.get("lt", 2**40))


def section(spec: type[Spec]) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping that some of a spec's options are written in."""
    family = family_of(spec)
    if family is not None:
        return st.one_of([section(member) for member in family.members.values()])
    fields = {name: option(field.annotation, tuple(field.metadata)) for name, field in spec.model_fields.items()}
    needed = {"kind": fields.pop("kind")} if issubclass(spec, Family) else {}
    some = st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True) if fields else st.just([])
    drawn = some.flatmap(lambda names: st.fixed_dictionaries(needed | {name: fields[name] for name in names}))
    return drawn.filter(lambda said: accepts(spec, said))


def accepts(spec: type[Spec], said: Any) -> bool:
    try:
        spec.model_validate(said)
    except ValidationError:
        return False
    return True


def experiments() -> st.SearchStrategy[dict[str, Any]]:
    """Experiment files as plain data."""
    fields = {name: option(field.annotation) for name, field in Experiment.model_fields.items() if name != "plugins"}
    optional = {name: drawn for name, drawn in fields.items() if name not in BASE}
    return st.fixed_dictionaries({name: fields[name] for name in BASE}, optional=optional)


def levels(path: str) -> st.SearchStrategy[Any]:
    """The forms that the levels of one path may take."""
    fields = option_paths()[path]
    values = st.one_of([option(field.annotation, tuple(field.metadata)) for field in fields])
    listed = st.lists(values, min_size=1, max_size=3)
    full = st.fixed_dictionaries({"values": listed}, optional={"when": st.just("model.layers > 2")})
    linked = st.fixed_dictionaries({"set": st.lists(values.map(lambda value: {path: value}), min_size=1, max_size=2)})
    return st.one_of(listed, st.sampled_from(["all", "off"]), full, linked, st.just({"log": [0.1, 0.5]}))


BLOCKS = st.one_of(
    st.sampled_from(["grid", "one_out", "one_in", "fractional", "arms", "search"]),
    st.sampled_from(
        [{"grid": ["training.lr"]}, {"full": []}, {"path": {"to": {"model.layers": 2}}}, {"search": {"trials": 3}}]
    ),
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["fractional", "search"])},
        optional={"resolution": st.integers(3, 8), "objectives": st.lists(st.just("valid.acc"), max_size=2)},
    ),
)
DESIGNS = st.one_of(
    BLOCKS,
    st.lists(BLOCKS, min_size=1, max_size=2),
    st.fixed_dictionaries({"kind": st.just("one_out"), "also": st.one_of(BLOCKS, st.lists(BLOCKS, max_size=2))}),
    st.fixed_dictionaries({"grid": st.just(["training.lr"]), "also": BLOCKS}),
    st.fixed_dictionaries({"blocks": st.lists(BLOCKS, min_size=1, max_size=2)}),
)
SEED = st.integers(0, 90)
SEED_LISTS = st.lists(SEED, min_size=1, max_size=4, unique=True)
SEEDS = st.one_of(
    st.integers(1, 20),
    SEED_LISTS,
    st.fixed_dictionaries(
        {"values": st.one_of(st.integers(1, 20), SEED_LISTS)},
        optional={
            "pair": st.lists(st.sampled_from(STREAMS), max_size=3),
            "noise_floor": st.integers(0, 3),
            "extend": st.fixed_dictionaries({"max": st.integers(3, 40)}, optional={"step": st.integers(1, 4)}),
        },
    ),
)
SCORE_NAMES = st.sampled_from(["valid.acc", "test.acc_7", "valid.loss", "cost.params", "train.acc_batches"])
SCORES = st.one_of(
    SCORE_NAMES,
    st.fixed_dictionaries(
        {"name": SCORE_NAMES}, optional={"final": SCORE_NAMES, "goal": st.sampled_from(["min", "max"])}
    ),
)
PATHS = st.sampled_from(sorted(option_paths()))
BUDGETS = st.fixed_dictionaries(
    {}, optional={"hours": st.just(2), "per_run": st.sampled_from(["20m", "1.5h", 90, 1.5])}
)
CLAIMS = st.one_of(
    st.sampled_from(["reference > 0.5", "cell() == arm(wide)", "model.layers: 2 > 4", "interaction(a, b) < 0"]),
    st.fixed_dictionaries(
        {"say": st.just("model.layers: 2 > 4")},
        optional={
            "by": st.floats(0, 1),
            "where": st.just("model.layers > 2"),
            "metric": SCORE_NAMES,
            "expects": WORDS,
            "confounded": WORDS,
        },
    ),
)
TESTS = st.fixed_dictionaries(
    {}, optional={"alpha": st.just(0.01), "adjust": st.just("none"), "method": st.just("bootstrap")}
)
OPTIONAL = {
    "study": st.just("a_study"),
    "factors": st.lists(PATHS, max_size=2, unique=True).flatmap(
        lambda paths: st.fixed_dictionaries({path: levels(path) for path in paths})
    ),
    "nuisance": st.sampled_from(
        [{}, {"training.weight_decay": {"log": [1e-5, 1e-2]}}, {"model.dropout": {"values": [0, 0.1]}}]
    ),
    "arms": st.sampled_from([{}, {"wide": {"model.width": 120}}]),
    "constraints": st.sampled_from(
        [[], [{"match": "params", "by": "model.width", "within": "2.5%"}], [{"forbid": "true"}]]
    ),
    "design": DESIGNS,
    "seeds": SEEDS,
    "budget": BUDGETS,
    "claims": st.dictionaries(st.sampled_from(["one", "two"]), CLAIMS, max_size=2),
    "test": TESTS,
    "prune": st.sampled_from([None, {"rule": "paired"}]),
    "probes": st.sampled_from([[], [{"kind": "gradients", "every": 2}]]),
    "resources": st.sampled_from([{"gpus": 2, "threads": "auto"}, {"device": "cpu"}]),
}


def studies(base: str) -> st.SearchStrategy[dict[str, Any]]:
    """Study files as plain data; some are refused, as when two levels are equal."""
    needed = {"question": WORDS, "base": st.just(base), "score": SCORES}
    profile = st.fixed_dictionaries({}, optional={**OPTIONAL, "set": st.just({"model.width": 30}), "score": SCORES})
    profile = profile.map(lambda said: {key: value for key, value in said.items() if key != "study"})
    profiles = st.dictionaries(st.sampled_from(["quick", "full"]), profile, max_size=1)
    return st.fixed_dictionaries(needed, optional={**OPTIONAL, "profiles": profiles})


Kind = Literal["experiment", "study"]
