"""Models put out today what they put out when they last agreed with the original."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from lab.data.batch import Batch
from lab.spec.models import ModelSpec

pytestmark = pytest.mark.torch

FIXTURES = Path(__file__).parent.parent / "fixtures"
MAKER = runpy.run_path(str(FIXTURES / "make_zoo.py"))
with np.load(FIXTURES / "zoo.npz") as arrays:
    KNOWN = {name: arrays[name] for name in arrays.files}
CASES = [name for name in KNOWN if name.startswith("{")]


@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients_are_those_on_record(case):
    options = json.loads(case)
    spec = ModelSpec.named(options["kind"]).model_validate(options)
    x, adjacency, mask = (torch.from_numpy(KNOWN[name]) for name in ("x", "adjacency", "mask"))
    found = MAKER["measure"](spec, Batch(x, adjacency, mask, torch.zeros_like(x), torch.arange(len(x))))
    np.testing.assert_allclose(found, KNOWN[case], rtol=1e-5, atol=1e-6)


def test_every_setting_the_maker_would_write_is_on_record():
    assert [MAKER["name"](spec) for spec in MAKER["cases"]()] == CASES
