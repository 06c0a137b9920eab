"""Series of a film of attention against values that are known without computing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from lab.analysis.movement import auroc, head_diversity, jaccard, movement, spectral_order


def test_rows_that_read_k_nodes_alike_read_k_in_effect():
    weights = np.zeros((2, 6, 6))
    for row in range(6):
        weights[0, row, [(row + step) % 6 for step in range(3)]] = 1 / 3
        weights[1, row, row] = 1.0
    told = movement(weights, kept=3)
    np.testing.assert_allclose(told["effective neighbours"], [3, 1])
    np.testing.assert_allclose(told["self weight"], [1 / 3, 1])
    np.testing.assert_allclose(told["total variation"], [np.nan, 2 / 3])
    assert "auroc" not in told


def test_the_top_nodes_of_equal_rows_are_shared_and_those_of_disjoint_rows_are_not():
    one = np.tile([4.0, 3.0, 0.0, 0.0], (4, 1))
    assert jaccard(one, one, 2) == 1.0
    assert jaccard(one, one[:, ::-1], 2) == 0.0


@given(st.integers(0, 10_000), st.integers(3, 9))
@settings(deadline=None, max_examples=40)
def test_the_true_graph_is_ranked_as_scikit_learn_ranks_it(seed, nodes):
    random = np.random.default_rng(seed)
    scores = random.integers(0, 4, (nodes, nodes)).astype(float)
    truth = random.random((nodes, nodes)) < 0.4
    apart = ~np.eye(nodes, dtype=bool)
    if not 0 < truth[apart].sum() < apart.sum():
        assert np.isnan(auroc(scores, truth))
    else:
        assert auroc(scores, truth) == pytest.approx(roc_auc_score(truth[apart], scores[apart]))


def test_heads_that_read_alike_do_not_diverge_and_heads_with_nothing_in_common_do_by_log_two():
    alike = np.full((3, 4, 4), 0.25)
    assert head_diversity(alike) == pytest.approx(0.0)
    apart = np.stack([np.eye(4), np.roll(np.eye(4), 1, 1)])
    assert head_diversity(apart) == pytest.approx(np.log(2))
    assert head_diversity(alike[:1]) == 0.0


def test_nodes_that_read_one_another_stand_together():
    groups = np.array([0, 1, 0, 1, 1, 0])
    weights = np.where(groups[:, None] == groups, 1.0, 0.05)
    ordered = groups[spectral_order(weights)]
    assert (np.diff(ordered) != 0).sum() == 1
