"""Scores of links: the stored ones of the documents, scikit-learn's, and those of graphs that hold one class only."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from lab.spec.models.model import Answer
from lab.train.tasks import link_scores
from lab.train.tasks.link_scores import Answers, Picked, Thresholds

pytestmark = pytest.mark.torch

REFERENCE = Path(os.environ.get("LAB_REFERENCE", "../shared/reference"))
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="no reference arrays here")

SETS = ("good", "inverted", "random", "constant", "rounded_ties", "no_positive", "all_positive")
UPPER = np.flatnonzero(np.triu(np.ones((12, 12)), 1))
OFFDIAG = np.flatnonzero(~np.eye(12, dtype=bool))


@pytest.fixture(scope="module")
def known() -> Any:
    return np.load(REFERENCE / "gman_metrics.npz")


def answers(said: Any, links: Any, last: Any = None, kind: Answer = "probabilities") -> Answers:
    said, links = np.asarray(said, dtype=np.float32), np.asarray(links) != 0
    return Answers(said, links, np.zeros_like(links) if last is None else np.asarray(last) != 0, kind)


def drawn(graphs: int = 40, nodes: int = 8, seed: int = 0) -> Answers:
    random = np.random.default_rng(seed)
    chance, last = random.random((graphs, nodes, nodes)) ** 3, random.random((graphs, nodes, nodes)) < 0.3
    return answers(np.round(chance, 2), random.random(chance.shape) < chance, last)


def upper(said: Answers) -> Picked:
    return said.at(np.flatnonzero(np.triu(np.ones(said.said.shape[1:]), 1)))


@needs_reference
@pytest.mark.parametrize("name", SETS)
def test_the_documented_metrics_are_the_stored_ones_degenerate_ones_included(known: Any, name: str) -> None:
    told = link_scores.documented(answers(known[f"{name}/pred"], known[f"{name}/target"]))
    names = {"doc_f1": "f1_score", "doc_auc": "auc_score", "doc_ap": "avg_precision"}
    names |= {"doc_max_precision": "max_precision", "doc_max_recall": "max_recall"}
    for ours, theirs in names.items():
        assert told[ours] == pytest.approx(float(known[f"{name}/doc_{theirs}"]), rel=1e-9, nan_ok=True), ours


@needs_reference
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(("places", "word"), [(UPPER, "upper"), (OFFDIAG, "offdiag")])
def test_the_scores_of_chosen_entries_are_the_stored_ones(known: Any, name: str, places: Any, word: str) -> None:
    cut = answers(known[f"{name}/pred"], known[f"{name}/target"]).at(places)
    told = link_scores.of_ranking(cut, Thresholds.of(cut)) | link_scores.of_chances(cut)
    names = {"auc": "auc", "ap": "ap", "f1": "f1_at_half", "mcc": "mcc_at_half", "brier": "brier", "best_f1": "best_f1"}
    for ours, theirs in names.items():
        stored = float(known[f"{name}/{word}_{theirs}"])
        if theirs == "ap" and name in ("no_positive", "all_positive"):
            stored = math.nan
        assert told[ours] == pytest.approx(stored, rel=1e-6, nan_ok=True), ours


def test_pooled_scores_are_those_of_sklearn() -> None:
    cut = upper(drawn())
    said, links = cut.said.ravel(), cut.links.ravel()
    told = link_scores.of_ranking(cut, Thresholds.of(cut)) | link_scores.of_chances(cut)
    assert told["auc"] == pytest.approx(metrics.roc_auc_score(links, said))
    assert told["ap"] == pytest.approx(metrics.average_precision_score(links, said))
    assert told["ap_lift"] == pytest.approx(metrics.average_precision_score(links, said) / links.mean())
    assert told["f1"] == pytest.approx(metrics.f1_score(links, said > 0.5))
    assert told["mcc"] == pytest.approx(metrics.matthews_corrcoef(links, said > 0.5))
    assert told["brier"] == pytest.approx(metrics.brier_score_loss(links, said), rel=1e-6)


def test_logits_are_scored_as_their_probabilities() -> None:
    random = np.random.default_rng(1)
    logits, links = random.normal(size=(20, 6, 6)).astype(np.float32), random.random((20, 6, 6)) < 0.4
    one, other = upper(answers(logits, links, kind="logits")), upper(answers(1 / (1 + np.exp(-logits)), links))
    told = [link_scores.of_ranking(cut, Thresholds.of(cut)) | link_scores.of_chances(cut) for cut in (one, other)]
    assert told[0] == pytest.approx(told[1], rel=1e-5)
    assert told[0]["nll"] == pytest.approx(metrics.log_loss(other.links.ravel(), other.said.ravel()), rel=1e-5)


def test_macro_scores_leave_out_and_count_the_graphs_of_one_class() -> None:
    said = drawn(graphs=6)
    links = said.links.copy()
    links[0], links[1] = False, True
    cut = upper(answers(said.said, links))
    told = link_scores.of_graphs(cut, undefined=math.nan)
    areas = [metrics.roc_auc_score(cut.links[row], cut.said[row]) for row in range(2, 6)]
    precisions = [metrics.average_precision_score(cut.links[row], cut.said[row]) for row in range(2, 6)]
    assert told["n_undefined"] == 2
    assert told["auc_macro"] == pytest.approx(np.mean(areas))
    assert told["ap_macro"] == pytest.approx(np.mean(precisions))
    assert link_scores.of_graphs(cut, undefined=0.0)["auc_macro"] == pytest.approx(sum(areas) / 6)


def test_knowing_only_how_dense_a_graph_is_earns_pooled_auc_and_no_macro_auc() -> None:
    random = np.random.default_rng(3)
    density = random.choice([0.1, 0.6], size=(200, 1, 1))
    links = random.random((200, 8, 8)) < density
    cut = upper(answers(np.broadcast_to(density, links.shape), links))
    assert link_scores.of_ranking(cut, Thresholds.of(cut))["auc"] > 0.7
    assert link_scores.of_graphs(cut, undefined=math.nan)["auc_macro"] == pytest.approx(0.5)


def test_copying_the_last_frame_is_worth_nothing_among_new_and_lost_edges() -> None:
    random = np.random.default_rng(4)
    last = random.random((50, 8, 8)) < 0.3
    links = np.where(random.random(last.shape) < 0.7, last, random.random(last.shape) < 0.3)
    cut = upper(answers(last, links, last))
    assert link_scores.of_changes(cut) == {"new_edge_auc": 0.5, "lost_edge_auc": 0.5}
    area = metrics.roc_auc_score(cut.links.ravel(), cut.last.ravel())
    assert link_scores.area_of_copy(cut) == pytest.approx(area)
    assert link_scores.skill(cut, best=0.95) == pytest.approx(0.0)
    perfect = upper(answers(links, links, last))
    assert link_scores.skill(perfect, best=1.0) == pytest.approx(1.0)


def test_new_and_lost_edges_are_told_apart_from_each_other() -> None:
    said = drawn()
    cut = upper(said)
    told = link_scores.of_changes(cut)
    for name, had in (("new_edge_auc", ~cut.last), ("lost_edge_auc", cut.last)):
        assert told[name] == pytest.approx(metrics.roc_auc_score(cut.links[had], cut.said[had]))


def test_the_threshold_of_f1_comes_from_the_validation_graphs() -> None:
    cut, other = upper(drawn(seed=1)), upper(drawn(seed=2))
    thresholds = Thresholds.of(cut)
    told = link_scores.of_ranking(other, thresholds)
    assert told["best_f1"] == pytest.approx(
        metrics.f1_score(other.links.ravel(), other.said.ravel() >= thresholds.best)
    )
    assert told["best_f1"] <= link_scores.of_ranking(other, Thresholds.of(other))["best_f1"]


def test_a_threshold_of_prevalence_takes_as_many_links_as_there_are() -> None:
    random = np.random.default_rng(5)
    cut = upper(answers(random.random((30, 8, 8)), random.random((30, 8, 8)) < 0.2))
    assert (cut.said >= Thresholds.of(cut).prevalence).sum() == cut.links.sum()


def test_expected_degrees_and_densities_are_compared_graph_by_graph() -> None:
    links = np.array([[[0, 1, 1], [1, 0, 0], [1, 0, 0]]])
    said = answers(np.full((1, 3, 3), 0.5), links)
    told = link_scores.of_sums(said, upper(said), diagonal=False)
    assert told == pytest.approx({"degree_error": (1 + 0 + 0) / 3, "density_error": abs(0.5 - 2 / 3)})
    assert link_scores.of_sums(said, upper(said), diagonal=True)["degree_error"] == pytest.approx(0.5)


def test_calibration_is_that_of_bins_of_equal_mass() -> None:
    random = np.random.default_rng(6)
    chance = random.random((60, 10, 10)).astype(np.float32)
    cut = answers(chance, random.random(chance.shape) < chance**2).at(np.arange(100))
    order = np.argsort(cut.said.ravel())
    parts = zip(np.array_split(cut.said.ravel()[order], 15), np.array_split(cut.links.ravel()[order], 15), strict=True)
    expected = sum(abs(p.mean() - y.mean()) * len(p) for p, y in parts) / cut.said.size
    assert link_scores.calibration_error(cut) == pytest.approx(expected, rel=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.floats(0.05, 0.95))
def test_one_probability_for_all_is_off_by_its_distance_from_the_share_of_links(seed: int, chance: float) -> None:
    links = np.random.default_rng(seed).random((4, 5, 5)) < 0.3
    cut = upper(answers(np.full(links.shape, chance), links))
    error = link_scores.calibration_error(cut)
    assert error == pytest.approx(abs(float(np.float32(chance)) - cut.links.mean()), abs=1e-9)


def test_surprise_is_cut_off_as_in_the_loss() -> None:
    sure = answers([[[0.0, 1.0]]], [[[1, 1]]])
    assert link_scores.surprise(sure).ravel() == pytest.approx([100.0, 0.0])
    assert link_scores.surprise(answers([[[-200.0, 3.0]]], [[[1, 0]]], kind="logits")).ravel() == pytest.approx(
        [200.0, 3 + math.log1p(math.exp(-3))]
    )
