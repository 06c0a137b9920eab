"""An experiment: a complete run but for its seed, readable alone."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from lab.errors import choose
from lab.spec.datasets import DatasetSpec
from lab.spec.forecast_loss import ForecastLoss
from lab.spec.losses import Entries, Focal, LinkTerms, Loss, SingleClass, unsuited
from lab.spec.memory import Memory
from lab.spec.models import ModelSpec
from lab.spec.possible import lacking
from lab.spec.probes import Probes, at_level
from lab.spec.recorder import FlightRecorder
from lab.spec.rules import Rules
from lab.spec.schedules import OneCycle, Restarts, Schedule
from lab.spec.spec import Factor, Spec, digest, factor
from lab.spec.tasks import ALWAYS, TASKS

Optimiser = Literal["adam", "adamw", "sgd"]
Order = Literal["grouped", "random"]
Precision = Literal["fp32", "tf32", "bf16"]
Stream = Literal["init", "data_order", "dropout", "negatives"]
STREAMS: tuple[Stream, ...] = ("init", "data_order", "dropout", "negatives")


class Training(Spec):
    """How a model is trained."""

    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Passes over the training graphs."""
    batch: Annotated[int, Field(ge=1, le=100_000)] = 32
    """Graphs in a step."""
    optimizer: Annotated[Optimiser, factor()] = "adam"
    """The update rule."""
    lr: Annotated[float, Field(gt=0, le=10)] = 1e-3
    """Learning rate at its highest."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decay of the weights: decoupled for `adamw`, added to the gradient for `adam` and `sgd`."""
    decayed: Annotated[Literal["all", "matrices"], factor()] = "all"
    """What decays: all weights, or those with two axes or more, which leaves biases and norms alone."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Momentum of `sgd`."""
    clip: Annotated[float, Field(gt=0)] | None = 5.0
    """Largest total gradient norm; larger ones are scaled down to it."""
    schedule: Annotated[Schedule, factor()] = "constant"
    """Learning rate over time: `constant`, halved on a `plateau` of the score, a `cosine` to zero, one rise and fall
    (`onecycle`), or cosines that start over after so many steps or epochs (`warm_restarts_per_...`)."""
    warmup: Annotated[int, Field(ge=0)] = 0
    """Steps over which the learning rate rises from zero."""
    plateau_patience: Annotated[int, Field(ge=0)] = 5
    """Epochs without a better validation score before `plateau` lowers the learning rate."""
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """What `plateau` multiplies the learning rate by."""
    plateau_score: str | Literal["main"] = "main"
    """Validation score that `plateau` watches, such as loss; `main` is that of the task."""
    plateau_lowest: Annotated[float, Field(ge=0)] = 0.0
    """Learning rate that `plateau` does not go below."""
    onecycle: OneCycle = OneCycle()
    """How far `onecycle` rises and falls."""
    restarts: Restarts = Restarts()
    """How long the cosines of warm restarts are."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Batches whose gradients are summed into one update."""
    class_weights: Annotated[Literal["batch", "none"], Factor(off="none")] = "batch"
    """Weigh classes by the rest of the `batch` (one of the others in the batch), or not at all."""
    loss: Annotated[Loss, factor()] = "default"
    """What is made small: the `default` of the task, or another of its losses."""
    focal: Focal = Focal()
    """How focal losses weigh links and the rest."""
    loss_entries: Annotated[Entries, factor()] = "offdiag"
    """Entries of a graph that the loss of links is taken over: all, those off the diagonal, or the upper triangle."""
    link_terms: LinkTerms = LinkTerms()
    """What is added to the loss of links."""
    score_entries: Annotated[Literal["default", "upper", "offdiag", "full"], factor()] = "default"
    """Entries of a graph that links are scored on: by default those above the diagonal, or all off it where edges have
    a direction."""
    single_class: SingleClass = "skip"
    """A graph, or a split, without links or with nothing else, has no AUC: leave it out of the mean, count it as 0 as
    old code did, or end the run."""
    forecast: ForecastLoss = ForecastLoss()
    """How the errors of forecasts are weighed."""
    order: Annotated[Order, factor()] = "grouped"
    """Batches of graphs of like size in a fair shuffle, or a plain `random` order."""
    precision: Annotated[Precision, factor()] = "fp32"
    """Arithmetic of the forward and backward pass."""
    compile: Annotated[bool, factor()] = False
    """Compile the model before training."""
    memory: Memory = Memory()
    """What a step keeps in memory."""
    evaluate_train: bool = True
    """Also score the training graphs after every epoch, in evaluation mode."""
    unpaired: tuple[Stream, ...] = ()
    """Random streams that cells of one seed do not share; written by a study's `seeds.pair`."""

    @model_validator(mode="after")
    def _one_plan_of_memory(self) -> Self:
        for option, off in (("recompute", "none"), ("offload", "off")):
            if self.compile and getattr(self.memory, option) != off:
                raise ValueError(f"memory.{option} is not for compiled models: the compiler makes its own plan")
        return self

    @model_validator(mode="after")
    def _one_rise(self) -> Self:
        if self.schedule == "onecycle" and self.warmup:
            raise ValueError("schedule onecycle rises by itself: leave warmup at 0, and say how far in onecycle.rise")
        return self


class StopRun(Spec):
    """When a run ends before its last epoch."""

    nan: Annotated[Literal["diverged", "continue"], factor()] = "diverged"
    """A loss that is not finite: stop as `diverged`, or go on."""
    grad_weight_ratio: str | Literal["off"] = "off"
    """Stop when the median grad/weight of the matrices is beyond a bound, as in "> 1 for 3 epochs"."""
    plateau: str | Literal["off"] = "off"
    """Stop when the main validation score has not improved, as in "40 epochs", or another score, as in
    "40 epochs of valid.loss"."""
    reached: str | Literal["off"] = "off"
    """Stop when a score is good enough, as in "train.acc > 0.9" or "valid.acc >= 1 for 10 epochs"; scores are taken
    in evaluation mode after every epoch."""
    restore_best: Annotated[bool, Factor(off=False)] = False
    """Report the scores of the epoch that was best by the score `plateau` watches, not those of the last one."""

    RATIO: ClassVar[str] = r"^\s*([<>])\s*(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s+for\s+(\d+)\s+epochs?\s*$"
    PLATEAU: ClassVar[str] = r"^\s*(\d+)\s+epochs?(?:\s+of\s+([a-z]+\.\w+))?\s*$"
    REACHED: ClassVar[str] = (
        r"^\s*([a-z]+\.\w+)\s*(>=?|<=?)\s*(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?:\s+for\s+(\d+)\s+epochs?)?\s*$"
    )

    @field_validator("grad_weight_ratio")
    @classmethod
    def _ratio_reads(cls, said: str) -> str:
        return _reads(said, cls.RATIO, 'write it like "> 1 for 3 epochs", or off')

    @field_validator("plateau")
    @classmethod
    def _plateau_reads(cls, said: str) -> str:
        return _reads(said, cls.PLATEAU, 'write it like "40 epochs" or "40 epochs of valid.loss", or off')

    @field_validator("reached")
    @classmethod
    def _reached_reads(cls, said: str) -> str:
        return _reads(said, cls.REACHED, 'write it like "train.acc > 0.9 for 10 epochs", or off')

    @property
    def awaited(self) -> str:
        """The score that is to be reached; empty where there is none."""
        said = re.match(self.REACHED, self.reached)
        return said[1] if said else ""

    @property
    def watched(self) -> str:
        """The score that `plateau` names; empty where it is the main one."""
        said = re.match(self.PLATEAU, self.plateau)
        return (said[2] or "") if said else ""


def _reads(said: str, pattern: str, mend: str) -> str:
    if said != "off" and not re.match(pattern, said):
        raise ValueError(f"'{said}' cannot be read: {mend}")
    return said


class Experiment(Spec):
    """A complete run but for its seed."""

    lab: Literal[1] = 1
    """Version of the file's language."""
    dataset: DatasetSpec
    """The data, and with it the task."""
    model: ModelSpec
    """The model."""
    training: Training = Training()
    """How it is trained."""
    stop_run: StopRun = StopRun()
    """When it ends early."""
    probes: Probes = at_level("light")
    """What is measured on the way: `off`, `light`, `normal`, `full`, or a list of probes, levels among them."""
    rules: Rules = Field(default="all")  # type: ignore[arg-type]
    """What is watched for in the measurements: `all`, `off`, a list, or changes by rule such as `seesaw: off`."""
    recorder: FlightRecorder = FlightRecorder()
    """What is kept for a replay."""
    plugins: tuple[str, ...] = ()
    """Python files that add models, datasets, probes or rules of one's own, as paths from the project's folder."""

    @model_validator(mode="after")
    def _what_is_awaited_is_scored(self) -> Self:
        task, stop = TASKS.get(self.dataset.task), self.stop_run
        falling = self.training.plateau_score
        named = {"stop_run.reached": stop.awaited, "stop_run.plateau": stop.watched}
        named["training.plateau_score"] = "" if falling == "main" else f"valid.{falling}"
        for option, score in named.items():
            if score and task is not None and (score in ALWAYS or not task.has(score)):
                raise ValueError(f"{option}: '{score}' is no score; {choose(score, task.all_scores())}")
            if score and (lack := lacking(score, self.dataset, self.model)):
                raise ValueError(f"{option}: {lack.what}; {lack.mend}")
            if score.startswith("train.") and not self.training.evaluate_train:
                raise ValueError(f"{option} waits for {score}, but training.evaluate_train is false")
        return self

    @model_validator(mode="after")
    def _model_fits_the_task(self) -> Self:
        if self.dataset.task not in self.model.tasks:
            able = [kind for kind in ModelSpec.members if self.dataset.task in ModelSpec.named(kind).tasks]
            kind = getattr(self.model, "kind", "?")
            raise ValueError(
                f"model '{kind}' can {', '.join(self.model.tasks)}, but dataset "
                f"'{getattr(self.dataset, 'kind', '?')}' asks to {self.dataset.task}; "
                f"models that can: {', '.join(able) or 'none'}"
            )
        if why := self.model.refuses(self.dataset.task):
            raise ValueError(why)
        if why := unsuited(self.dataset.task, self.model.answers(self.dataset.task), self.training.loss):
            raise ValueError(why)
        return self

    def content(self) -> dict[str, Any]:
        """What decides the outcome: data, model, training and stopping; not what is merely watched."""
        said = super().content()
        return {key: said[key] for key in ("dataset", "model", "training", "stop_run") if key in said}

    @property
    def id(self) -> str:
        """The digest of the content."""
        return digest(self.content())

    def get(self, path: str) -> Any:
        """The value behind a dotted path, such as model.depth."""
        value: Any = self
        for part in path.split("."):
            value = getattr(value, part)
        return value


def rebuild() -> None:
    """Take what plug-ins have registered onto the menu that files are checked against."""
    Experiment.model_rebuild(force=True)
