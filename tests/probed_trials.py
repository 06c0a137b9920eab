"""Trials with planted readings: every kind of probe, healthy or broken, made the way the recorder makes a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
from planted import Planted
from planted_page import history, origin

from lab.analysis.outline import labelled
from lab.probes.readings import Readings
from lab.records.chunk import TOTAL, Chunk
from lab.records.store import Store
from lab.spec.rules import Finding

LEVELS: dict[str, list[object]] = {"model.norm": ["none", "batch"], "model.depth": [2, 4]}
BLOCKS = tuple(f"layers.{number}" for number in range(4))
PARAMETERS = (
    "embed.weight", "embed.bias",
    *(f"{block}.{part}" for block in BLOCKS for part in ("attention.weight", "mlp.weight", "mlp.bias", "norm.weight")),
    "head.weight", "head.bias",
)  # fmt: skip
HEADS = tuple(f"{block}.attention#{head}" for block in BLOCKS for head in range(4))
EPOCH = 60
BREAKS = 300
"""The step at which a broken trial's gradients blow up."""


def rows(probe: str, steps: np.ndarray, named: Mapping[str, Mapping[str, np.ndarray]]) -> Chunk:
    """A chunk of one probe from name -> statistic -> values by step; NaN where a name lacks a statistic."""
    statistics = tuple(dict.fromkeys(key for told in named.values() for key in told))
    values = np.full((len(steps), len(statistics), len(named)), np.nan, dtype=np.float32)
    for column, told in enumerate(named.values()):
        for statistic, series in told.items():
            values[:, statistics.index(statistic), column] = series
    return Chunk(probe, steps.astype(np.int32), tuple(named), statistics, values)


def gradients(steps: np.ndarray, random: np.random.Generator, *, is_broken: bool) -> Iterator[Chunk]:
    blow = np.where(is_broken & (steps >= BREAKS), 10 ** ((steps - BREAKS) / 60), 1.0)
    named = {}
    for place, name in enumerate(PARAMETERS):
        noise = np.exp(0.25 * random.standard_normal(len(steps)))
        gradient = 0.05 * 0.8**place * (0.3 + np.exp(-steps / 150)) * noise * blow
        weight = np.full(len(steps), 2.0 if name.endswith("weight") else 0.5)
        update = 0.002 * noise * blow**0.5 * (0.4 + np.exp(-steps / 250))
        told = {"grad_norm": gradient, "weight_norm": weight, "update_norm": update}
        told |= {"grad_weight": gradient / weight, "update_weight": update / weight}
        named[name] = told | {"nonfinite": ((blow > 900) & (place > 12)).astype(float)}
    named["head.bias"] = {key: 0 * told for key, told in named["head.bias"].items()} | {"weight_norm": weight}
    yield rows("gradients", steps, named)
    norm = np.sqrt(sum(np.square(told["grad_norm"]) for told in named.values()))
    loss = 0.7 * np.exp(-steps / 200) + 0.25 + 0.03 * random.standard_normal(len(steps)) + 0.02 * (blow - 1)
    lr = 1e-3 * np.minimum(1, (steps + 1) / 40)
    totals = {"loss": loss, "total_norm": norm, "clip_coef": np.minimum(1, 0.06 / norm), "lr": lr}
    yield rows("gradients", steps, {TOTAL: totals | {"stale": 0 * norm}})


def activations(steps: np.ndarray, random: np.random.Generator, *, is_broken: bool) -> Iterator[Chunk]:
    named: dict[str, dict[str, np.ndarray]] = {}
    for place, block in enumerate(BLOCKS):
        drift = 1 + (is_broken * 0.002 * steps * place)
        std = (1 + 0.15 * place) * drift * np.exp(0.05 * random.standard_normal(len(steps)))
        named[block] = {"mean": 0 * std, "std": std, "abs_max": 4 * std, "nonfinite": 0 * std, "pad_out": 0 * std}
        dead = np.clip(0.05 * place + is_broken * steps / 900, 0, 1)
        named[f"{block}.relu"] = {"std": std / 2, "dead_units": dead, "nonfinite": 0 * std}
        named[f"{block}.gate"] = {"sat": np.clip(0.1 + 0.02 * place + steps / 3000, 0, 1)}
    yield rows("activations", steps, named)
    yield rows("activations", steps, {TOTAL: {"depth_gain": 1.4 + 0 * steps}})


def attention(steps: np.ndarray, *, is_broken: bool) -> Iterator[Chunk]:
    named = {}
    for place, head in enumerate(HEADS):
        size = 1 + 30 * np.exp(-steps / (200 + 90 * (place % 7)))
        named[head] = {"n_eff": size, "n_eff_share": size / 40}
    yield rows("attention", steps, named)
    of_module = {"row_err": 1e-6, "mask_leak": 0.2 if is_broken else 0.0, "masked_rows": 0.0}
    told = {key: np.full(len(steps), value) for key, value in of_module.items()}
    yield rows("attention", steps, {f"{block}.attention": told for block in BLOCKS})


def of_epochs(last: int, *, is_broken: bool) -> Iterator[Chunk]:
    ends = np.arange(EPOCH - 1, last, EPOCH)
    leak = 0.4 if is_broken else 1e-6
    changes = {"inv_pad": leak, "inv_pad_train": leak, "inv_graph": 2e-7}
    told = {key: np.full(len(ends), value) for key, value in changes.items()}
    yield rows("padding", ends, dict.fromkeys((*BLOCKS, "logits"), told))
    swing = 0.35 * (-1.0) ** np.arange(len(ends)) * is_broken
    recall = np.clip(0.6 + 0.02 * np.arange(len(ends)), 0, 0.95)
    by_class = {
        str(label): {"recall": np.clip(recall + sign * swing, 0, 1), "share": 0.5 + sign * swing / 2}
        for label, sign in ((0, 1), (1, -1))
    }
    yield rows("evaluation", ends, by_class)
    yield rows("evaluation", ends, {TOTAL: {"loss": 0.7 * np.exp(-ends / 300) + 0.3, "loss_rel": 1 - ends / 1000}})


def table(steps: int = 540, *, seed: int = 0, is_broken: bool = False, only_gradients: bool = False) -> pa.Table:
    """A trial's readings as the recorder leaves them: exact at first, windows later."""
    random, every = np.random.default_rng(seed), np.arange(steps)
    readings = Readings(exact=frozenset())
    chunks = list(gradients(every, random, is_broken=is_broken))
    if not only_gradients:
        seldom = np.unique([*range(min(20, steps)), *range(0, steps, 10)])
        inputs = {"input_std": 1.0, "input_max": 3.0, "training": 1.0, "like_probabilities": 0.0}
        chunks += [*activations(seldom, random, is_broken=is_broken), *attention(seldom, is_broken=is_broken)]
        chunks += [*of_epochs(steps, is_broken=is_broken)]
        chunks += [rows("inputs", every, {TOTAL: {key: np.full(steps, value) for key, value in inputs.items()}})]
    for chunk in chunks:
        readings.add(chunk)
    told = readings.end()
    assert told is not None
    matrices = [name for name in PARAMETERS if name.endswith("weight") and "norm" not in name]
    return told.replace_schema_metadata({b"matrices": json.dumps(matrices)})


FOUND = (
    Finding(
        "grad_growth", "layers.3", BREAKS + 40, "fatal", 4.1, 1.0,
        says="the gradient norm grew 34-fold within 40 steps",
        means="A slow blow-up that no single step gives away.",
        remedy="Lower the learning rate, or put a norm before the gate.",
        evidence=tuple((BREAKS + 2 * place, 0.1 * 1.15**place) for place in range(25)),
    ),
    Finding("dead_units", "layers.3.relu", 480, "warn", 0.55, 0.5, says="55 % of the units never fire",
            explained_by="grad_growth"),
    Finding("seesaw", "", 359, "warn", 0.7, 0.15, says="two recalls move against one another",
            means="The model swings between classes.", remedy="Lower the learning rate.", explained_by="grad_growth"),
    Finding("padding_leak", "layers.0", 59, "warn", 0.4, 1e-3, says="noise in the padding moves real nodes by 0.4",
            means="Padding is read somewhere.", remedy="Mask before the norm and before the pooling."),
    Finding("skipped_updates", "train", 500, "info", 1.0, says="1 updates were skipped"),
)  # fmt: skip


def probed_study(root: Path, **said: object) -> Planted:
    """Four cells by two seeds: seed 0 of the last cell is broken, seed 1 has gradients only."""
    study = Planted(Store(root), LEVELS, seeds=2, **said)
    for cell in study.ids:
        for seed in range(2):
            is_broken = cell == study.ids[-1] and seed == 0
            study.score(
                cell,
                seed,
                0.8,
                study=study.outline["name"],
                label=labelled(study.cells[cell]),  # type: ignore[arg-type]
                history=history(0.8) | {"valid.loss": tuple(0.7 * 0.9**epoch for epoch in range(12))},
                origin=origin(),
                findings=FOUND if is_broken else (),
            )
            trial = f"{cell}-{seed}"
            told = table(seed=seed, is_broken=is_broken, only_gradients=seed == 1)
            study.store.write(study.store.read(trial), told)  # type: ignore[arg-type]
    return study


def checkpointed(root: Path, trial: str, *, steps: int = 120, findings: tuple[Finding, ...] = ()) -> None:
    """A trial's checkpoint, as a run under way leaves it."""
    import pyarrow.parquet as pq

    folder = root / "checkpoints" / trial
    folder.mkdir(parents=True)
    told = table(steps, only_gradients=True)
    half = told.num_rows // 2
    for name, part in (("readings-1.parquet", told.slice(0, half)), ("readings-2.parquet", told.slice(half))):
        pq.write_table(part, folder / name)
    progress = {"epoch": 2, "step": steps, "seconds": 3.5, "history": {"epoch": [1.0, 2.0], "valid.acc": [0.5, 0.6]}}
    found = [vars(each) for each in findings]
    parts = ["readings-1.parquet", "readings-2.parquet"]
    index = {"parts": parts, "said": {"progress": progress, "rules": {"found": found}}}
    (folder / "checkpoint.json").write_text(json.dumps(index))
