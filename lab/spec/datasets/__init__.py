"""The menu of datasets: each is also a task, since data without a question cannot be scored."""

from lab.spec.datasets.block_models import BlockModel, Cluster, Pattern
from lab.spec.datasets.colouring import Colouring, Pyramid, PyramidNodes
from lab.spec.datasets.dataset import DatasetSpec
from lab.spec.datasets.latent_series import LatentGraphSeries
from lab.spec.datasets.links import PsbmLinks, SeededRandomGraphs
from lab.spec.datasets.mirrors import Lines, Palindromes
from lab.spec.datasets.mobility import Mobility, MobilityCases
from lab.spec.datasets.series import OfSeries
from lab.spec.datasets.traffic import Traffic, TrafficLike
from lab.spec.datasets.waves import Waves

__all__ = [
    "BlockModel",
    "Cluster",
    "Colouring",
    "DatasetSpec",
    "LatentGraphSeries",
    "Lines",
    "Mobility",
    "MobilityCases",
    "OfSeries",
    "Palindromes",
    "Pattern",
    "PsbmLinks",
    "Pyramid",
    "PyramidNodes",
    "SeededRandomGraphs",
    "Traffic",
    "TrafficLike",
    "Waves",
]
