"""The menu of models: one file a model, every part of it that can be varied."""

from lab.spec.models.astgcn import Astgcn
from lab.spec.models.baselines import DegreeLogreg
from lab.spec.models.edge_transformer import EdgeTransformer
from lab.spec.models.forecast_baseline import ForecastBaseline
from lab.spec.models.gatedgcn import GatedGcn
from lab.spec.models.gin import Gin
from lab.spec.models.gman import Gman
from lab.spec.models.gman_graphlevel import GmanGraphlevel
from lab.spec.models.gps import Gps
from lab.spec.models.graph_transformer import GraphTransformer
from lab.spec.models.grit import Grit
from lab.spec.models.joint_encoder import JointEncoder
from lab.spec.models.latent_seq2seq import LatentSeq2Seq
from lab.spec.models.link_baseline import LinkBaseline
from lab.spec.models.model import ModelSpec
from lab.spec.models.pair_mlp import PairMlp
from lab.spec.models.pgat import Pgat
from lab.spec.models.stgcn import Stgcn

__all__ = [
    "Astgcn",
    "DegreeLogreg",
    "EdgeTransformer",
    "ForecastBaseline",
    "GatedGcn",
    "Gin",
    "Gman",
    "GmanGraphlevel",
    "Gps",
    "GraphTransformer",
    "Grit",
    "JointEncoder",
    "LatentSeq2Seq",
    "LinkBaseline",
    "ModelSpec",
    "PairMlp",
    "Pgat",
    "Stgcn",
]
