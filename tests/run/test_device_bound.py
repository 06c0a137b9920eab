"""What only a GPU can do is refused before a study begins, where there is none."""

from __future__ import annotations

import pytest
from tiny_project import Tiny

from lab.errors import LabError

FACTORS = "factors: {training.memory.offload: [off, cpu]}\ndesign: grid\nseeds: 2\n"


def test_moving_what_is_kept_to_the_host_is_refused_where_there_is_no_gpu(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    plan = tiny.study(FACTORS)
    assert [cell.levels["training.memory.offload"] for cell in plan.cells] == ["off", "cpu"]
    with pytest.raises(LabError, match="offload: cpu is for a GPU") as told:
        tiny.run(plan)
    assert "recompute: block" in told.value.hint
    assert not list(tiny.store.records(plan.name)), "nothing has begun"
