"""The edge transformer: its contracts at every setting, its cost formula, what its parts see and leave behind."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.func import functional_call, stack_module_state, vmap
from torch.utils.flop_counter import FlopCounterMode

from lab.data.batch import Shape
from lab.errors import LabError
from lab.spec.models import EdgeTransformer
from lab.testing import CLASSIFY, PAIRS, check_model, check_off_levels, one_changed, settings_of, small_batch

pytestmark = pytest.mark.torch

SMALL = {
    "layers": st.sampled_from([0, 1, 2, 2]),
    "width": 8,
    "heads": st.sampled_from([1, 2]),
    "feed_forward": 12,
    "edge_layers": st.integers(1, 2),
    "powers": st.sampled_from([(0, 1), (0, 1, 2), (1, 2)]),
    "edge_width": 3,
    "edge_mlp_factor": st.sampled_from([2, 4]),
    "products": st.integers(1, 2),
    "product_size": st.integers(1, 2),
    "dropout": st.sampled_from([0.0, 0.0, 0.2]),
}
BASE = EdgeTransformer(layers=1, width=8, feed_forward=8, edge_layers=2, powers=(0, 1, 2), products=2)
some = settings(deadline=None, suppress_health_check=list(HealthCheck))
every = settings_of(EdgeTransformer, SMALL)
of_nodes = every.filter(lambda spec: spec.layers > 0)
asked = st.one_of(st.tuples(of_nodes, st.just(CLASSIFY)), st.tuples(every, st.just(PAIRS)))


@pytest.mark.parametrize("shape", [CLASSIFY, PAIRS])
def test_every_level_changed_alone_keeps_the_contracts(shape):
    check_off_levels(BASE, shape=shape)
    for spec in (BASE, *one_changed(BASE)):
        check_model(spec, shape=shape)


@given(asked)
@settings(some, max_examples=60)
def test_any_setting_keeps_the_contracts_to_the_last_digits(both):
    spec, shape = both
    check_model(spec, shape=shape, dtype=torch.float64)
