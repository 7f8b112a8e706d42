# `make demo` and `make test` need python3 (3.10 or newer) and nothing else.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-all lint clean

demo: .venv/.installed  ## run a real ablation on real images and show its report
	$(BIN)/fishnet-search run spaces/downsample.yaml
	$(BIN)/fishnet-search report downsample

test: .venv/.installed-dev  ## the whole suite but for the long tests
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder  # what a file prepares, it prepares once

test-all: .venv/.installed-dev  ## the long tests too
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "slow or not slow"

lint: .venv/.installed-dev  ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:  ## remove what make made; studies and reports stay
	rm -rf .venv *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "Python 3.10 or newer is needed: make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,lint]"
	touch $@
