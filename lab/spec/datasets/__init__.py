"""The menu of datasets: each is also a task, since data without a question cannot be scored."""

from lab.spec.datasets.block_models import BlockModel, Cluster, Pattern
from lab.spec.datasets.colouring import Colouring, Pyramid, PyramidNodes
from lab.spec.datasets.dataset import DatasetSpec
from lab.spec.datasets.mirrors import Lines, Palindromes

__all__ = [
    "BlockModel",
    "Cluster",
    "Colouring",
    "DatasetSpec",
    "Lines",
    "Palindromes",
    "Pattern",
    "Pyramid",
    "PyramidNodes",
]
