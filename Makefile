# Two commands matter: `make study` and `make test`. Both set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CPU_TORCH := torch==2.13.0

.PHONY: study test fast lint ui clean help

help:            ## Say what there is to make.
	@grep -E '^[a-z]+: .*##|^[a-z]+: *##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

study: $(STAMP)  ## Run the norm ablation at its quick size and print what it says.
	$(BIN)/lab run studies/norm_ablation.yaml --profile quick

test: $(STAMP)   ## The whole check: linters, types, layers and every test.
	$(BIN)/python -m pytest -n auto --dist loadfile --durations=20

fast: $(STAMP)   ## The part of the check that needs no torch, in seconds.
	$(BIN)/python -m pytest -m "not torch and not slow"

lint: $(STAMP)   ## Linters, types and layers alone.
	$(BIN)/python -m pytest tests/house/test_linters.py

ui: $(STAMP)     ## The MLflow UI and the Optuna dashboard over mlruns/.
	$(BIN)/lab ui

clean:           ## Remove the environment; results under mlruns/ stay.
	rm -rf $(VENV)

# A machine without an NVIDIA driver gets the CPU build of torch first, so that nothing pulls the CUDA packages onto
# it; elsewhere the ordinary install brings CUDA torch. A torch that is already there is kept.
$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -c "import torch" 2>/dev/null || nvidia-smi >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet "$(CPU_TORCH)"
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $(STAMP)
