"""A film is of the very trial that ran, and shows what its model attends to before, during and after the training."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from small_trial import Diary, data_of, experiment

from lab.errors import LabError
from lab.records.film import Film
from lab.report.film_page import film_gifs, film_page
from lab.train.loop import Member, train
from lab.train.replay.film import Camera, dirichlet, film
from lab.train.replay.recollection import OfReadings
from lab.train.replay.rerun import Rerun

pytestmark = pytest.mark.torch

SERIES = {
    "dataset": {"kind": "latent_graph_series", "nodes": 6, "degree": 2, "length": 160, "window": 5, "horizon": 3},
    "model": {"kind": "latent_seq2seq", "width": 8, "latent": {"heads": 2}},
    "training": {"epochs": 2, "batch": 16, "lr": 1e-2},
    "probes": "off",
    "rules": "off",
}


@pytest.fixture(scope="module")
def filmed() -> Film:
    """A short trial that was trained, and then filmed."""
    said = type(experiment()).model_validate(SERIES)
    dataset, member = data_of(said), Member(said, 0, "cell", trial="cell-0")
    outcome = train([member], dataset, watcher=Diary(), checkpoints=None)[0]
    known = OfReadings(None, outcome.history["train.loss"])
    return film(Rerun(member, dataset), known, windows=2, epochs=2, hear=lambda step, goal: None)


def test_a_film_is_of_the_trial_that_ran_to_the_last_bit(filmed):
    assert filmed.agreement.label == "exact"
    assert filmed.agreement.compared == 2


def test_a_film_holds_every_frame_layer_and_head_and_a_picture_an_epoch(filmed):
    assert filmed.attention.shape == (2, 2, 2, 5, 6, 6)
    assert filmed.means.shape == (3, 2, 2, 6, 6)
    assert (filmed.layers, filmed.epochs) == (("first", "second"), (0, 1, 2))
    np.testing.assert_allclose(filmed.attention.astype(float).sum(-1), 1.0, atol=5e-3)
    last = filmed.attention.astype(float).mean((0, 3))
    np.testing.assert_allclose(filmed.means[-1].astype(float), last, atol=2e-3)


def test_static_scores_are_filmed_from_their_start_on(filmed):
    assert filmed.static.shape == (3, 2, 2, 6, 6)
    np.testing.assert_allclose(filmed.static[0], np.broadcast_to(0.9 * np.eye(6, dtype=np.float32), (2, 2, 6, 6)))
    assert not np.allclose(filmed.static[-1], filmed.static[0])
    assert (filmed.truth != 0).sum(1).tolist() == [2] * 6


def test_the_energy_of_blocks_is_filmed_and_tells_nodes_that_are_alike_from_nodes_that_are_not(filmed):
    assert filmed.energy.shape == (3, len(filmed.blocks)) == (3, 2)
    assert ((filmed.energy > 0) & (filmed.energy <= 1)).all()
    alike = torch.ones(2, 5, 3)
    opposed = torch.tensor([1.0, -1.0])[None, :, None]
    assert (float(dirichlet(alike)), float(dirichlet(opposed))) == (0.0, 1.0)


def test_its_archive_holds_the_same_arrays(filmed):
    with np.load(io.BytesIO(filmed.to_npz())) as kept:
        assert kept["attention"].dtype == np.float16
        np.testing.assert_array_equal(kept["attention"], filmed.attention)
        np.testing.assert_array_equal(kept["static"], filmed.static)
        assert kept["layers"].tolist() == list(filmed.layers)


def test_its_gifs_move_once_a_frame_and_once_an_epoch(filmed):
    gifs = film_gifs(filmed)
    counts = {name: Image.open(io.BytesIO(data)).n_frames for name, data in gifs.items()}
    assert counts == {"frames": 5, "epochs": 3, "static": 3}


def test_its_page_plays_all_of_them_and_needs_no_network(filmed):
    page = film_page(filmed)
    assert page.count('"frames":[') == 6
    assert "AUROC against the true graph" in page
    assert "divergence of heads" in page
    assert "Dirichlet energy of nodes" in page
    assert "exact, 2 recorded steps" in page


def test_a_model_that_attends_to_nothing_is_not_filmed():
    said = experiment()
    member = Member(said, 0, "cell", trial="cell-0")
    with pytest.raises(LabError, match="nothing to film"):
        film(Rerun(member, data_of(said)), OfReadings(None, ()), windows=1, epochs=1, hear=lambda step, goal: None)


LINKS = {"kind": "psbm_links", "nodes": 8, "train": 2, "valid": 1, "test": 1, "length": 20}
MODELS = [
    ("astgcn", SERIES["dataset"], 6, {}),
    ("astgcn", SERIES["dataset"], 6, {"attention": "query_key"}),
    ("gman", LINKS, 8, {"width": 16}),
    ("gman", SERIES["dataset"], 6, {"width": 16}),
]


@pytest.mark.parametrize(("kind", "data", "nodes", "options"), MODELS)
def test_attention_over_frames_is_not_filmed_where_there_are_as_many_frames_as_nodes(kind, data, nodes, options):
    def seen(window: int) -> dict[str, tuple[int, ...]]:
        told = SERIES | {"dataset": data | {"window": window}, "model": {"kind": kind} | options}
        said = type(experiment()).model_validate(told)
        camera = Camera(Rerun(Member(said, 0, "cell", trial="cell-0"), data_of(said)), windows=2)
        return {name: tuple(shape.shape[3:]) for name, shape in camera.picture().attention.items()}

    usual = seen(nodes - 1)
    assert usual == seen(nodes)
    assert set(usual.values()) == {(nodes, nodes)}
