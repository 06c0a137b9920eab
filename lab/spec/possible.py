"""Scores that an experiment cannot have: some need a longer horizon, some a model that tells how sure it is."""

from __future__ import annotations

import re
from typing import NamedTuple

from lab.spec.datasets import DatasetSpec
from lab.spec.forecast_scores import DENSITY, PIT_BINS, SURE
from lab.spec.models.model import Answer, ModelSpec
from lab.spec.tasks import TASKS

SURE_MODEL = "a model that tells how sure it is, such as latent_seq2seq with model.head: gaussian"
DENSITY_ANSWERS: tuple[Answer, ...] = ("gaussian", "mixture")


class Lack(NamedTuple):
    """Why there is no such score, and what would mend it."""

    what: str
    mend: str


def lacking(score: str, dataset: DatasetSpec, model: ModelSpec) -> Lack | None:
    """Why an experiment cannot have a score of its task, written split.name; None where it can, as far as is known."""
    if dataset.task != "forecast":
        return None
    entry = TASKS["forecast"].entry_of(score.partition(".")[2]) or ""
    return _no_such_number(score, entry, dataset) or _not_told(score, entry, model)


def _no_such_number(score: str, entry: str, dataset: DatasetSpec) -> Lack | None:
    """Steps and bins are counted from 1."""
    horizon = getattr(dataset, "horizon", None)  # a plug-in's data may call it otherwise
    last = {"<step>": horizon, "<bin>": PIT_BINS}.get("".join(re.findall(r"<\w+>", entry)))
    number = re.search(r"\d+$", score)
    if last is None or number is None or 1 <= int(number[0]) <= last:
        return None
    if "<bin>" in entry:
        return Lack(f"'{score}' speaks of slice {number[0]} of {last}", f"name one from 1 to {last}")
    told = f"'{score}' speaks of step {number[0]}, but dataset.horizon is {last}"
    return Lack(told, f"name a step from 1 to {last}, or change dataset.horizon")


def _not_told(score: str, entry: str, model: ModelSpec) -> Lack | None:
    """Numbers have no probability, and quantiles no density."""
    answer, kind = model.answers("forecast"), getattr(model, "kind", "?")
    split = score.partition(".")[0]
    if entry in SURE and answer == "values":
        told = f"'{score}' asks how sure a forecast is, but model '{kind}' puts out values alone"
        return Lack(told, f"name an error such as {split}.mae, or take {SURE_MODEL}")
    if entry in DENSITY and answer not in DENSITY_ANSWERS:
        told = f"'{score}' needs a density, but model '{kind}' puts out {answer}"
        return Lack(told, f"name {split}.crps, or take a head with a density")
    return None
