"""The MLP on walk vectors: its contracts, and that a pair is told by its walk vector alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.spec.models import PairMlp
from lab.testing import PAIRS, check_model, check_off_levels, settings_of, small_batch
from lab.zoo.walks import walk_stack

pytestmark = pytest.mark.torch

some = settings_of(PairMlp, {"layers": st.integers(0, 2), "width": 8, "powers": st.sampled_from([(0, 1), (0, 1, 2)])})


def test_the_pair_mlp_keeps_the_contracts_with_every_level_changed_alone() -> None:
    check_model(PairMlp)


@given(some)
@settings(deadline=None, max_examples=10)
def test_any_setting_keeps_the_contracts_to_the_last_digits(spec: PairMlp) -> None:
    check_model(spec, dtype=torch.float64)
    check_off_levels(spec)


def test_pairs_of_one_walk_vector_have_one_logit_and_others_do_not() -> None:
    spec = PairMlp(powers=(0, 1, 2, 3))
    batch = small_batch(PAIRS, dtype=torch.float64)
    logits = spec.build(PAIRS).double()(batch)[0, ..., 0]
    walks = walk_stack(batch.adjacency, batch.mask, spec.powers, torch.float64)[0]
    same = (walks[:, :, :, None, None] - walks[:, None, None]).abs().amax(0) < 1e-12
    near = (logits[:, :, None, None] - logits).abs() < 1e-9
    assert torch.equal(same, near)


def test_what_is_prepared_once_serves_as_well() -> None:
    batch, model = small_batch(PAIRS), PairMlp(stack="one_hot").build(PAIRS)
    again = replace(batch, extra=model.prepare(batch))
    torch.testing.assert_close(model(again), model(batch))
