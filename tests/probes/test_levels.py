"""Levels: a word stands for probes, and whatever it is, every model of the menu trains to the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from small_trial import GIN, exact, experiment, run

from lab.spec.datasets import DatasetSpec
from lab.spec.experiment import Experiment
from lab.spec.models import ModelSpec
from lab.spec.probes import LEVELS, Activations, Gradients, ProbeSpec, at_level, level_of

pytestmark = pytest.mark.torch

FEW = {"train": 8, "valid": 4, "test": 4, "patterns": 4, "sizes": (3, 5), "communities": 2}
SHORT = {"window": 6, "horizon": 2, "nodes": 6, "length": 40}
"""Of what has frames, but for the windows that a split of it needs."""
SMALL = {"layers": 2, "width": 16, "feed_forward": 16}


def shrunk(family: Any, kind: str, wishes: dict[str, Any]) -> Any:
    """A member of a family with the wishes that it has an option for and agrees to."""
    spec = family.named(kind).model_validate({"kind": kind})
    for name, value in wishes.items():
        if name in type(spec).model_fields:
            try:
                spec = type(spec).model_validate(spec.model_dump() | {name: value})
            except ValidationError:
                continue
    return spec


def small(kind: str) -> Experiment:
    """A trial of two epochs for any model of the menu."""
    model = shrunk(ModelSpec, kind, SMALL)
    data = next(
        name for name in ("pattern", "lines", *DatasetSpec.members) if DatasetSpec.named(name).task in model.tasks
    )
    training = {"epochs": 2, "batch": 4, "accumulate": 1}
    return Experiment(dataset=shrunk(DatasetSpec, data, FEW | SHORT), model=model, training=training, rules="off")


def kinds() -> Iterator[str]:
    return iter(sorted(ModelSpec.members))


@pytest.mark.parametrize("kind", kinds())
def test_no_level_changes_a_bit_of_any_model(kind: str) -> None:
    said, before = small(kind), torch.get_rng_state()
    bare = run(said.model_copy(update={"probes": ()}))
    assert bare.status == "done", bare.error + bare.traceback
    for level in LEVELS[1:]:
        probed = run(said.model_copy(update={"probes": at_level(level)}))
        assert probed.status == "done", probed.error + probed.traceback
        assert exact(probed.history) == exact(bare.history), level
        assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("kind", kinds())
def test_every_model_of_the_menu_has_its_places_marked_and_none_of_them_fails_to_be_read(kind: str) -> None:
    outcome = run(small(kind).model_copy(update={"probes": at_level("normal")}))
    told = [finding for finding in outcome.findings if finding.rule == "not_measured"]
    assert not told
    assert outcome.readings is not None
    rows = outcome.readings.to_pandas()
    names = set(rows[rows.probe == "activations"].name)
    assert len(names) > 1 or kind.endswith("_baseline"), "only a rule with a few numbers has no place to look at"
    padding = rows[(rows.probe == "padding") & (rows.name == "logits")]
    assert (padding[["inv_pad", "inv_pad_train", "inv_graph"]].fillna(0.0) < 1e-3).all(axis=None), padding


def test_a_level_holds_all_that_the_one_below_it_holds() -> None:
    held = [{str(getattr(probe, "kind", "")) for probe in at_level(level)} for level in LEVELS]
    assert held[0] == set()
    assert held[1] == {"gradients", "inputs", "evaluation"}
    assert held[2] == held[1] | {"activations", "attention", "padding"}
    assert held[3] == held[2] | {"noise"} == set(ProbeSpec.members)
    assert [level_of(at_level(level)) for level in LEVELS] == list(LEVELS)


def test_light_is_what_a_file_means_that_says_nothing() -> None:
    assert experiment(GIN).probes == at_level("light")
    assert "probes" not in experiment(GIN).content()
    assert experiment(GIN).id == experiment(GIN, probes="full").id


def test_a_level_may_stand_in_a_list_and_what_is_written_out_replaces_its_own() -> None:
    probes = experiment(GIN, probes=["normal", {"kind": "activations", "every": 5}]).probes
    assert [probe for probe in probes if isinstance(probe, Activations)] == [Activations(every=5)]
    assert len(probes) == len(at_level("normal"))
    assert experiment(GIN, probes=[{"kind": "gradients"}]).probes == (Gradients(),)


@pytest.mark.parametrize(
    ("said", "hint"),
    [("nromal", "did you mean 'normal'?"), ("gradients", "write [{kind: gradients}]"), (["lihgt"], "'light'")],
)
def test_a_word_that_is_no_level_is_told_with_the_nearest_one(said: Any, hint: str) -> None:
    with pytest.raises(ValidationError, match="is not a level of probes") as error:
        experiment(GIN, probes=said)
    assert hint in str(error.value)
