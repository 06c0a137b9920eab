"""A worker's share of the machine, settled before torch is imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lab.errors import LabError
from lab.run.machine import slots, visible_gpus
from lab.spec.study import Resources


def test_workers_have_one_thread_each_unless_the_study_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert [slot.threads for slot in slots(Resources(), 3)] == [1, 1, 1]
    assert [slot.threads for slot in slots(Resources(threads=4), 1)] == [4]
    assert {slot.device for slot in slots(Resources(), 2)} == {"cpu"}


def test_workers_are_spread_over_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert visible_gpus() == ["2", "5"]
    assert [slot.gpu for slot in slots(Resources(), 3)] == ["2", "5", "2"]
    assert [slot.gpu for slot in slots(Resources(per_gpu=1), 8)] == ["2", "5"]
    assert [slot.gpu for slot in slots(Resources(gpus=1, per_gpu=2), 8)] == ["2", "2"]
    assert [slot.gpu for slot in slots(Resources(device="cpu"), 2)] == ["", ""]


def test_a_gpu_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(LabError, match="no GPU is to be seen"):
        slots(Resources(device="cuda"), 1)


@pytest.mark.torch
def test_torch_starts_with_the_settings_of_its_worker() -> None:
    code = (
        "from lab.run.machine import settle\n"
        "from lab.run.messages import Setup\n"
        "from lab.records.record import Origin\n"
        "settle(Setup(store='', root='.', origin=Origin(), threads=1))\n"
        "import torch\n"
        "print(torch.get_num_threads(), torch.cuda.device_count())\n"
    )
    around = os.environ | {"PYTHONPATH": ".", "OMP_NUM_THREADS": "2"}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=around)
    assert said.stdout.split() == ["1", "0"]
