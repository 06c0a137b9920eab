"""What each verb loads: the reading side answers without torch, and help without anything heavy."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "torch_geometric", "mlflow", "optuna", "sklearn", "statsmodels")
HEAVIER_THAN_HELP = (*HEAVY, "pandas", "numpy", "pyarrow", "pydantic", "ruamel.yaml")

SCRIPT = """
import sys
from lab.__main__ import main
code = main({arguments!r})
print("LOADED", " ".join(name for name in {heavy!r} if name in sys.modules), file=sys.stderr)
sys.exit(code)
"""


def loaded(project: Path, arguments: list[str], heavy: tuple[str, ...]) -> tuple[int, list[str], str]:
    script = SCRIPT.format(arguments=arguments, heavy=heavy)
    told = subprocess.run([sys.executable, "-c", script], cwd=project, capture_output=True, text=True)
    line = next(line for line in told.stderr.splitlines() if line.startswith("LOADED"))
    return told.returncode, line.split()[1:], told.stdout + told.stderr


def test_help_loads_nothing_heavy(project):
    code, names, _ = loaded(project, ["--help"], HEAVIER_THAN_HELP)
    assert (code, names) == (0, [])


@pytest.mark.parametrize(
    "arguments",
    [
        ["check"],
        ["plan", "studies/norm_ablation.yaml", "--profile", "quick", "--no-time"],
        ["status"],
        ["show", "gin"],
        ["schema", "."],
    ],
    ids=lambda arguments: arguments[0],
)
def test_the_reading_verbs_load_none_of_the_heavy_libraries(project, arguments):
    code, names, said = loaded(project, arguments, HEAVY)
    assert (code, names) == (0, []), said


@pytest.mark.parametrize(
    "module", ["errors", "spec.files", "plan.designs", "records.store", "analysis.frame", "report.text"]
)
def test_a_module_of_the_reading_side_loads_none_of_the_heavy_libraries(module):
    script = f"import sys, lab.{module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.split() == []
