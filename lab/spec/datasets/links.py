"""Graphs that change from frame to frame: of some frames, which edges will the next one have?"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.exact.block_process import PRESETS, BlockProcess
from lab.spec.datasets.dataset import Count, DatasetSpec, Probability
from lab.spec.spec import Factor, factor
from lab.spec.tasks import SPLITS

Window = Annotated[int, Field(ge=1, le=1000)]
Length = Annotated[int, Field(ge=2, le=100_000)]
LinkSplit = Literal["by_sequence", "random_windows", "chronological_with_gap"]
Preset = Literal["default", "easy", "hard", "dense", "many", "community", "persistence", "noisy", "noisy2", "null"]
Membership = Literal["per_sequence", "fixed"]
BlockFeatures = Literal["community6", "spectral6", "adjacency", "combined36"]
GraphFamily = Literal["barabasi_albert", "erdos_renyi", "newman_watts", "all"]
SeedMode = Literal["fresh", "offset_reused"]
FrameFeatures = Literal["node_level6", "combined36", "global906"]
Scaling = Literal["train_minmax", "train_zscore", "causal_minmax", "sequence_minmax", "none"]
Sign = Literal["canonical", "raw"]

LONGEST_KNOWN = 20
"""Frames of the longest window whose ceilings can be summed up."""


class OfLinks(DatasetSpec):
    """What the datasets of graphs that change share: sequences, and windows whose next frame is asked for."""

    task: ClassVar[str] = "predict_links"
    known: ClassVar[str] = "lab.data.links.lines:link_lines"

    train: Count = 40
    """Training sequences."""
    valid: Count = 10
    """Validation sequences."""
    test: Count = 10
    """Test sequences."""
    length: Length = 100
    """Frames of a sequence."""
    window: Window = 10
    """Frames a model sees; the next one is asked for."""
    stride: Annotated[int, Field(ge=1, le=1000)] = 1
    """Frames from one window to the next."""
    split: Annotated[LinkSplit, factor()] = "by_sequence"
    """What is held out: whole sequences (`by_sequence`); `random_windows` of all sequences, in shares as `train`,
    `valid` and `test` to one another, whose frames then stand in training windows too; or the last two quarters of
    every sequence, with as many frames left out before each as a window has (`chronological_with_gap`)."""

    @model_validator(mode="after")
    def _windows_fit(self) -> Self:
        shortest = min(last - first for first, last in self.parts().values())
        if shortest <= self.window:
            told = "the shortest part of a sequence" if self.split == "chronological_with_gap" else "a sequence"
            raise ValueError(f"window {self.window} and the frame behind it do not fit into {told}: {shortest} frames")
        return self

    def sequences(self) -> dict[str, int]:
        """How many sequences are drawn for each split."""
        return {"train": self.train, "valid": self.valid, "test": self.test}

    def trained_on(self) -> int:
        """Sequences that have training windows; where windows are dealt out, as many as training's share of them."""
        return sum(self.sequences().values()) if self.split == "chronological_with_gap" else self.train

    def ceilings(self, *, diagonal: bool = False) -> dict[str, float]:
        """The best possible scores, as known lines, of pairs of two nodes or with the `diagonal`; none if unknown."""
        return {}

    def parts(self) -> dict[str, tuple[int, int]]:
        """First frame of each split in a sequence, and the first one behind it."""
        if self.split != "chronological_with_gap":
            return dict.fromkeys(SPLITS, (0, self.length))
        return in_time(self.length, (50, 25, 25), gap=self.window)


def in_time(length: int, percentages: tuple[int, int, int], *, gap: int = 0) -> dict[str, tuple[int, int]]:
    """Frames cut one part after the other, with some left out in between."""
    train, valid, _ = percentages
    cuts = (0, length * train // 100, length * (train + valid) // 100, length)
    return {
        name: (first + (gap if first else 0), last)
        for name, first, last in zip(SPLITS, cuts[:-1], cuts[1:], strict=True)
    }


class PsbmLinks(OfLinks):
    """Persistent stochastic block model: edges follow communities, persist, and are seen through noise.

    Its best possible scores are known exactly, unless propensities, drift or changes are asked for.
    """

    kind: Literal["psbm_links"] = "psbm_links"
    code: ClassVar[str] = "lab.data.links.psbm:psbm_links"

    preset: Annotated[Preset, factor()] = "default"
    """Communities, density, contrast, persistence and flips together; options of their own go before it. `community`
    takes time away, `persistence` structure, `null` both; `noisy` and `noisy2` pay for looking further back."""
    nodes: Annotated[int, Field(ge=4, le=2000)] = 30
    """Nodes of every frame."""
    communities: Annotated[int, Field(ge=1, le=16)] | Literal["preset"] = "preset"
    """Communities of as equal sizes as can be."""
    density: Annotated[float, Field(gt=0, lt=1)] | Literal["preset"] = "preset"
    """Share of the pairs that have an edge, before noise."""
    contrast: Annotated[float, Field(ge=1)] | Literal["preset"] = "preset"
    """Rate of edges within communities over the rate between them."""
    persistence: Annotated[float, Field(ge=0, lt=1)] | Literal["preset"] = "preset"
    """Chance that a pair keeps its state for a frame; else it is redrawn."""
    flips: Annotated[float, Field(ge=0, lt=0.5)] | Literal["preset"] = "preset"
    """Chance that an observed entry is the wrong one."""
    membership: Annotated[Membership, factor()] = "per_sequence"
    """Communities drawn anew `per_sequence`, so that only the window tells them, or `fixed` for all."""
    features: Annotated[BlockFeatures, factor()] = "community6"
    """What nodes carry: degree, clustering and a noisy code of the community (`community6`); six eigenvectors
    (`spectral6`); their row of the `adjacency` matrix; that and community6 (`combined36`)."""
    code_noise: Annotated[float, Field(ge=0)] = 0.5
    """Deviation of the noise on the community's code, in every frame anew."""
    propensity: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Spread of the nodes' readiness for edges, a deviation of its logarithm; the ceiling is then unknown."""
    label_drift: Probability = 0.0
    """Chance of a node to change its community in a frame; the ceiling is then unknown."""
    change_points: Annotated[int, Field(ge=0, le=100)] = 0
    """Frames of each sequence at which something changes for good; the ceiling is then unknown."""
    changed: Annotated[Literal["labels", "density", "contrast"], factor()] = "labels"
    """What is redrawn at change points: all communities, or the density or the contrast, halved to doubled."""

    @model_validator(mode="after")
    def _rates_are_chances(self) -> Self:
        process = self.process()
        if process.communities > self.nodes // 2:
            raise ValueError(f"communities {process.communities}: with {self.nodes} nodes some have no pair")
        if process.rates[1] > 1:
            told = f"density {process.density} and contrast {process.contrast}"
            raise ValueError(f"{told} ask for more than all edges within communities ({process.rates[1]:.3g})")
        if self.change_points >= self.length:
            raise ValueError(f"change_points {self.change_points}: a sequence has {self.length} frames")
        return self

    def process(self) -> BlockProcess:
        """The law of the edges: the preset with what is said of its own."""
        said = {each.name: getattr(self, each.name) for each in fields(BlockProcess)}
        return replace(PRESETS[self.preset], **{name: value for name, value in said.items() if value != "preset"})

    @property
    def is_known(self) -> bool:
        """Whether the best possible scores can be summed up."""
        return not (self.propensity or self.label_drift or self.change_points) and self.window <= LONGEST_KNOWN

    def lines(self, dataset: Any) -> dict[str, float]:
        """What simple forecasts reach on the test windows, and the best that can be done at all."""
        return super().lines(dataset) | self.ceilings()

    def ceilings(self, *, diagonal: bool = False) -> dict[str, float]:
        """The best possible scores by what a forecast looks at; none where they are unknown."""
        if not self.is_known:
            return {}
        # numpy, which reading a file does without
        from lab.exact.block_ceilings import SIGHTS, ceilings, ceilings_with_diagonal

        told = (ceilings_with_diagonal if diagonal else ceilings)(self.process(), self.window)
        best = told["full"]
        lines = {f"auc: best from {says}": told[sight].auc for sight, says in SIGHTS.items() if sight != "full"}
        lines |= {f"{score}: best possible": best.auc for score in ("auc", "auc_macro")}
        lines["best_f1: best possible"] = best.f1
        return lines | {f"{score}: best possible": getattr(best, score) for score in ("ap", "nll")}


class SeededRandomGraphs(OfLinks):
    """Random graphs with change points, whose frames are independent: there is next to nothing to learn from time.

    With seeds that are reused, as some published sequences have them, the next frame can be looked up.
    """

    kind: Literal["seeded_random_graphs"] = "seeded_random_graphs"
    code: ClassVar[str] = "lab.data.links.seeded:seeded_random_graphs"

    train: Count = 24
    """Training sequences."""
    valid: Count = 6
    """Validation sequences."""
    test: Count = 6
    """Test sequences."""
    length: Length = 200
    """Frames of a sequence."""
    stride: Annotated[int, Field(ge=1, le=1000)] = 2
    """Frames from one window to the next."""
    nodes: Annotated[int, Field(ge=10, le=500)] = 30
    """Nodes of every frame."""
    family: Annotated[GraphFamily, factor()] = "barabasi_albert"
    """How a frame is drawn: preferential attachment, independent edges, a ring with shortcuts, or a third each."""
    seed_mode: Annotated[SeedMode, factor()] = "fresh"
    """Every frame with a `fresh` seed, or the frame's place in its segment as its seed (`offset_reused`), so that all
    segments of the same law show the same frames in the same order."""
    segment: Annotated[int, Field(ge=1)] = 40
    """Fewest frames between changes of the law."""
    changes: tuple[Annotated[int, Field(ge=0, le=100)], Annotated[int, Field(ge=0, le=100)]] = (1, 4)
    """Fewest and most changes that are asked for; a sequence takes as many as leave it a segment's room to spare."""
    features: Annotated[FrameFeatures, factor()] = "node_level6"
    """What nodes carry: six numbers of their place in the frame (`node_level6`); their row of the adjacency matrix and
    these (`combined36`); or, all of them alike, the whole matrix row by row and the means of the six over all nodes
    (`global906`). The numbers in the names are those of 30 nodes."""
    feature_scaling: Annotated[Scaling, Factor(off="none")] = "train_minmax"
    """To what features are scaled: the range or the deviation of the training frames, the range of the frames so far
    (`causal_minmax`), or that of the whole sequence (`sequence_minmax`), which lets the future into the past."""
    embedding_sign: Annotated[Sign, factor()] = "canonical"
    """Signs of eigenvectors: largest entry positive, or `raw`, as the solver leaves them, frame by frame."""

    @model_validator(mode="after")
    def _changes_rise(self) -> Self:
        if self.changes[0] > self.changes[1]:
            raise ValueError(f"changes {list(self.changes)}: the fewest are more than the most")
        return self

    @property
    def most_changes(self) -> int:
        """Changes that a sequence has room for."""
        return max(0, (self.length - 2 * self.segment) // self.segment - 1)
