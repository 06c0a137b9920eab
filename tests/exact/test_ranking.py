"""Rankings of many rows at once against scikit-learn, ties among them."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from lab.exact.ranking import Ranking

pytestmark = pytest.mark.torch

ROWS = st.integers(2, 30).flatmap(
    lambda width: st.lists(
        st.tuples(
            st.lists(st.integers(0, 5), min_size=width, max_size=width),
            st.lists(st.booleans(), min_size=width, max_size=width),
        ),
        min_size=1,
        max_size=4,
    )
)


def ranked(rows: list[tuple[list[int], list[bool]]]) -> tuple[np.ndarray, np.ndarray, Ranking]:
    said = np.array([row for row, _ in rows], dtype=np.float32) / 5
    links = np.array([row for _, row in rows])
    return said, links, Ranking.of(said, links)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_every_row_has_the_scores_that_sklearn_gives_it_alone(rows: list[tuple[list[int], list[bool]]]) -> None:
    said, links, ranking = ranked(rows)
    for row, auc in enumerate(ranking.auc()):
        if links[row].all() or not links[row].any():
            assert np.isnan(auc)
        else:
            assert auc == pytest.approx(roc_auc_score(links[row], said[row]))
    for row, precision in enumerate(ranking.average_precision()):
        if links[row].any():
            assert precision == pytest.approx(average_precision_score(links[row], said[row]))
        else:
            assert np.isnan(precision)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_the_best_threshold_is_the_best_of_the_curve(rows: list[tuple[list[int], list[bool]]]) -> None:
    said, links, ranking = ranked(rows[:1])
    if not links.any():
        return
    precision, recall, _ = precision_recall_curve(links[0], said[0])
    whole = np.where(precision + recall > 0, precision + recall, 1)
    taken = said[0] >= ranking.best_threshold()
    found = 2 * (taken & links[0]).sum() / (taken.sum() + links[0].sum())
    assert found == pytest.approx((2 * precision * recall / whole).max())


@settings(max_examples=60, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_entries_changes_nothing(rows: list[tuple[list[int], list[bool]]], chance) -> None:  # type: ignore[no-untyped-def]
    said, links, ranking = ranked(rows)
    order = list(range(said.shape[1]))
    chance.shuffle(order)
    other = Ranking.of(said[:, order], links[:, order])
    np.testing.assert_allclose(ranking.auc(), other.auc())
    np.testing.assert_allclose(ranking.average_precision(), other.average_precision())
    np.testing.assert_allclose(ranking.hits_at_count(), other.hits_at_count())


def test_a_tie_that_is_cut_gives_the_share_of_links_it_would_give_on_average() -> None:
    said = np.array([[0.9, 0.5, 0.5, 0.5, 0.1]])
    links = np.array([[True, True, False, False, False]])
    assert Ranking.of(said, links).hits_at_count() == pytest.approx([1 + 1 / 3])


def test_graphs_without_links_have_no_hits() -> None:
    assert Ranking.of(np.zeros((1, 3)), np.zeros((1, 3), dtype=bool)).hits_at_count() == pytest.approx([0.0])


def test_a_thousand_graphs_are_ranked_in_well_under_a_second() -> None:
    random = np.random.default_rng(0)
    said, links = random.normal(size=(1000, 435)).astype(np.float32), random.random((1000, 435)) < 0.15
    started = time.process_time()
    for ranking in (Ranking.of(said, links), Ranking.of(said.reshape(1, -1), links.reshape(1, -1))):
        ranking.auc(), ranking.average_precision(), ranking.hits_at_count()
    assert time.process_time() - started < 2
