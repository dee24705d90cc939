# The developer's index. `make benchmark` and `make test` do all their own set-up in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The arrays here are small: threads inside NumPy and torch only stand in each other's way.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help benchmark figures speed test test-slow train-check format clean

help:  ## List what there is to make
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

benchmark: $(VENV)/.run-installed  ## The main job: every dispatcher in every scenario, with intervals, beside theory
	@$(BIN)/python -m eval benchmark --figures

figures: $(VENV)/.run-installed  ## Every figure of the docs and its table
	@$(BIN)/python -m eval figures

speed: $(VENV)/.run-installed  ## Steps per second and memory, as ratios to CartPole-v1
	@$(BIN)/python -m eval speed

test: $(VENV)/.dev-installed  ## Format, lint, types, tests
	@echo "== Format check"; $(BIN)/ruff format --check .
	@echo "== Lint"; $(BIN)/ruff check .
	@echo "== Types"; $(BIN)/mypy
	@echo "== Tests, and the examples in README and docstrings"; $(BIN)/python -m pytest -n auto -m "not slow and not train_check"
	@echo "== Single against many once more, without numba"; NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -n auto \
	  -W "ignore:numba is switched off" tests/test_vector_parity.py tests/test_vector_reset.py tests/test_rollout.py

test-slow: $(VENV)/.dev-installed  ## The tests that take minutes
	@$(BIN)/python -m pytest -n auto -m slow

train-check: $(VENV)/.dev-installed  ## Train policies of every scenario and hold them to their bars (a quarter of an hour)
	@$(BIN)/python -m pytest -m train_check -s

format: $(VENV)/.dev-installed  ## Format the code and mend what the linter can
	@$(BIN)/ruff check --fix .; $(BIN)/ruff format .

clean:  ## Remove the virtual environment and all caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	  echo "Python 3.10 or newer is needed, but $(PYTHON) is $$($(PYTHON) --version 2>&1 || echo missing)." \
	       "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "== Creating the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "The virtual environment could not be created: is the venv module installed (python3-venv)?"; exit 1; }

$(VENV)/.run-installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "== Installing what the benchmark needs (about a minute, once)"
	@$(PIP) install --quiet --progress-bar on -c constraints.txt -e ".[solar,eval]" || { $(call install-failed); }
	@touch $@

$(VENV)/.dev-installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "== Installing what the tests need (one or two minutes, once)"
	@$(PIP) install --quiet --progress-bar on -c constraints.txt -e ".[dev]" || { $(call install-failed); }
	@touch $@ $(VENV)/.run-installed

define install-failed
echo "The installation failed (pip's message stands above). Without a network, make the packages of constraints.txt reachable for pip first."; exit 1
endef
