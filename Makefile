# make run    creates .venv, installs abatax, runs the built-in net-zero scenario, says where the report is
# make test   the same environment with the developers' tools: lint, types, tests
# make docs   the documentation site in site/, built without a warning and with its links checked
# make notebooks  executes the notebooks and stores them with their outputs
# make slow   the tests marked slow, which `make test` leaves out: studies of accuracy and the longer runs
# Every other target is a part of these or a helper: venv lint format types pytest spelling pages benchmarks clean

PYTHON ?= python3
WORKERS ?= 2
RUN_ARGS ?=
PYTEST_ARGS ?= --durations=40

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
INSTALLED_DOCS := $(VENV)/.installed-docs
INSTALLED_NOTEBOOKS := $(VENV)/.installed-notebooks
BENCHMARKS := $(sort $(wildcard benchmarks/*.py))

# Tests run on the CPU, which is one device per process, with one thread per worker in BLAS.
TEST_ENV := JAX_PLATFORMS=cpu OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# A file of tests stays in one worker, so that a fixture of a module is made once; tests/conftest.py orders the files.
DISTRIBUTION := --dist loadfile --no-loadscope-reorder

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: run test slow docs notebooks venv lint format types pytest spelling pages benchmarks clean

run: $(INSTALLED)
	$(BIN)/abatax run $(RUN_ARGS)

test: lint types pytest

venv: $(INSTALLED_DEV)

# Pages that follow from the sources are committed; a test says when they are stale, and `make pages` writes them.
# (without --quiet, with which mkdocs does not count warnings)
docs: $(INSTALLED_DOCS) spelling
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "Site: site/index.html"

notebooks: $(INSTALLED_NOTEBOOKS)
	$(BIN)/python notebooks/execute.py

spelling: $(INSTALLED_DOCS)
	$(BIN)/python -m codespell_lib

pages: $(INSTALLED)
	$(BIN)/python docs/generate.py

lint: $(INSTALLED_DEV)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

format: $(INSTALLED_DEV)
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

types: $(INSTALLED_DEV)
	$(BIN)/python -m pyright --pythonpath $(BIN)/python

pytest: $(INSTALLED_DEV)
	$(TEST_ENV) $(BIN)/python -m pytest -n $(WORKERS) $(DISTRIBUTION) -m "not slow" $(PYTEST_ARGS)

slow: $(INSTALLED_DEV)
	$(TEST_ENV) $(BIN)/python -m pytest -n $(WORKERS) $(DISTRIBUTION) -m slow $(PYTEST_ARGS)

benchmarks: $(INSTALLED_DEV)
	@for script in $(BENCHMARKS); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) build dist site .pytest_cache .ruff_cache src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An installation is repeated only when pyproject.toml has changed; the sources are linked, not copied.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -e .
	@touch $@

$(INSTALLED_DEV): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -e ".[dev]"
	@touch $(INSTALLED) $@

$(INSTALLED_DOCS): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -e ".[docs]"
	@touch $(INSTALLED) $@

$(INSTALLED_NOTEBOOKS): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -e ".[notebooks]"
	@touch $(INSTALLED) $@
