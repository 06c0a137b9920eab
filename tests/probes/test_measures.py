"""Measures of single outputs: NaN stays where it is, and every shape has numbers or a gap."""

from __future__ import annotations

import pytest
import torch

from lab.probes.measures import MEASURES, Real, Rows, gated, measured, measures_of

pytestmark = pytest.mark.torch

MASK = torch.tensor([[True, True, True], [True, False, False]])
REAL = Real(MASK, MASK.sum().float())


def of_rows(output: torch.Tensor, kind: str = "block") -> dict[str, float]:
    told = measures_of([Rows.of(kind, output, REAL)], REAL)[0]
    return dict(zip(MEASURES, told.tolist(), strict=True))


def test_nan_in_padding_is_flagged_and_stays_out_of_what_is_told_of_real_nodes() -> None:
    output = torch.ones(2, 3, 4)
    output[1, 2, 0] = torch.nan
    told = of_rows(output)
    assert told["nonfinite"] == 1
    assert (told["total"], told["count"], told["largest"]) == (16, 16, 1)


def test_nan_in_one_graph_is_in_all_that_is_told() -> None:
    output = torch.ones(2, 3, 4)
    output[0, 1] = torch.nan
    told = of_rows(output)
    assert told["nonfinite"] == 1
    assert told["total"] != told["total"]


def test_a_unit_is_dead_if_no_real_node_moves_it() -> None:
    output = torch.zeros(2, 3, 4)
    output[0, 0, 0] = 1.0
    output[1, 2, 1] = 1.0  # padding
    assert of_rows(output, "relu")["dead"] == 0.75


def test_one_way_to_measure_is_as_good_as_the_other() -> None:
    for kind in ("block", "norm", "relu", "logits"):
        output = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0)).relu()
        whole = dict(zip(MEASURES, measured(kind, output, REAL).tolist(), strict=True))
        assert of_rows(output, kind) == pytest.approx(whole, rel=1e-5, nan_ok=True)


def test_pairs_count_where_both_nodes_are_real() -> None:
    told = dict(zip(MEASURES, measured("norm", torch.ones(2, 3, 3, 5), REAL).tolist(), strict=True))
    assert told["count"] == told["total"] == (9 + 1) * 5


def test_an_output_without_a_row_for_each_node_is_told_as_a_whole() -> None:
    told = dict(zip(MEASURES, measured("block", torch.full((7, 2), -3.0), REAL).tolist(), strict=True))
    assert (told["total"], told["count"], told["largest"], told["nonfinite"]) == (-42, 14, 3, 0)


def test_gates_count_only_where_they_may_read() -> None:
    gates = torch.full((2, 1, 3, 3), 0.5)
    allowed = torch.zeros(2, 1, 3, 3)
    allowed[:, :, :, :2] = 1
    gates[..., 2] = 0.0  # forbidden, and exactly 0
    gates[..., 0] = 0.999
    told = dict(zip(MEASURES, gated("gate", gates, allowed, REAL).tolist(), strict=True))
    assert told["saturated"] == pytest.approx(0.5)
    nodes = dict(zip(MEASURES, measured("gate", torch.full((2, 3, 4), 0.999), REAL).tolist(), strict=True))
    assert nodes["saturated"] == pytest.approx(1.0)
