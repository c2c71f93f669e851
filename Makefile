.DEFAULT_GOAL := help
BIN := .venv/bin
STAMP := .venv/installed
PYTEST := pytest -n logical --dist loadgroup --no-loadscope-reorder
export PATH := $(CURDIR)/$(BIN):$(PATH)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## build .venv from requirements.lock; a second call installs nothing

$(STAMP): requirements.lock pyproject.toml
	test -x $(BIN)/python || python3 -m venv .venv
	$(BIN)/pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/pip check
	touch $@

repro: $(STAMP) ## check the parameters, then bring every result up to date
	avsc params check
	dvc repro

test: $(STAMP) ## run the tests, on all cores; what takes long is left to test-all
	$(PYTEST)

test-all: $(STAMP) ## run every test that this machine can run, with new random files (nightly)
	$(PYTEST) --nightly

quick: $(STAMP) ## run the tests that take less than a second each
	$(PYTEST) -m "not slow"

check: $(STAMP) ## format, lint, import contracts and types, changing nothing
	ruff format --check .
	ruff check .
	lint-imports
	mypy

fix: $(STAMP) ## format and lint, mending what can be mended
	ruff format .
	ruff check --fix .

cov: $(STAMP) ## run the quick tests and show the lines they miss
	$(PYTEST) -m "not slow" --cov --cov-report=term-missing

fuzz: $(STAMP) ## read 100 000 new damaged files a reader, and 25 000 guided ones, for some hours
	AVSC_FUZZ_EXAMPLES=100000 $(PYTEST) --nightly tests/fuzz

bench: $(STAMP) ## measure ours beside what one would write instead, on an otherwise idle machine (40 minutes)
	python -m bench --output docs/benchmarks.md

scale: $(STAMP) ## work out larger data sets and simulate a million clips (an hour); writes docs/scale.md
	python -m bench.scale

metrics: $(STAMP) ## show the scores of this tree beside those of the last commit
	dvc metrics diff --all

dag: $(STAMP) ## draw the pipeline
	dvc dag

lock: ## pin what pyproject.toml asks for, with hashes (needs uv)
	uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet --output-file requirements.lock

.PHONY: help setup repro test test-all quick check fix cov fuzz bench scale metrics dag lock
