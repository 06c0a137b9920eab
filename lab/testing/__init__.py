"""The contracts that models, datasets, probes and rules keep; a plug-in's test is one line, and so are ours."""

from lab.testing.batches import CLASSIFY, FORECAST, LINKS, PAIRS, REGRESS, small_batch
from lab.testing.datasets import check_dataset
from lab.testing.models import check_model, check_off_levels
from lab.testing.probes import check_probe
from lab.testing.rules import check_rule, healthy_series
from lab.testing.settings import one_changed, settings_of

__all__ = [
    "CLASSIFY",
    "FORECAST",
    "LINKS",
    "PAIRS",
    "REGRESS",
    "check_dataset",
    "check_model",
    "check_off_levels",
    "check_probe",
    "check_rule",
    "healthy_series",
    "one_changed",
    "settings_of",
    "small_batch",
]
