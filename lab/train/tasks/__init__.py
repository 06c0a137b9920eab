"""What each task trains on and how it is scored."""

from __future__ import annotations

from lab.data.batch import Dataset
from lab.errors import LabError, choose
from lab.spec.experiment import Experiment
from lab.spec.tasks import TASKS
from lab.train.tasks.classify_nodes import ClassifyNodes
from lab.train.tasks.classify_pairs import ClassifyPairs
from lab.train.tasks.forecast import Forecast
from lab.train.tasks.links import PredictLinks
from lab.train.tasks.regress_nodes import RegressNodes
from lab.train.tasks.task import GatheringTask, Task, entropy

__all__ = [
    "ClassifyNodes",
    "ClassifyPairs",
    "Forecast",
    "GatheringTask",
    "PredictLinks",
    "RegressNodes",
    "Task",
    "entropy",
    "task_of",
]


def task_of(dataset: Dataset, experiment: Experiment) -> Task:
    """The task a dataset sets, as an experiment trains for it."""
    is_weighed = experiment.training.class_weights == "batch"
    if dataset.task == "classify_nodes":
        return ClassifyNodes(dataset.shape.classes, weigh=is_weighed)
    if dataset.task == "classify_pairs":
        return ClassifyPairs(weigh=is_weighed)
    if dataset.task == "regress_nodes":
        return RegressNodes()
    if dataset.task == "predict_links":
        return PredictLinks(dataset, experiment.model.answers(dataset.task), experiment.training)
    if dataset.task == "forecast":
        training, answer = experiment.training, experiment.model.answers(dataset.task)
        return Forecast(dataset, answer, loss=training.loss, options=training.forecast)
    raise LabError(f"there is no task '{dataset.task}'", hint=choose(dataset.task, TASKS))
