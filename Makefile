.DEFAULT_GOAL := help
BIN := .venv/bin
STAMP := .venv/installed
DEV := .venv/installed-dev
COMPILE := uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet $(UPGRADE)
PYTEST := pytest -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder
PYTHONS := $(shell sed -nE 's/.*Python :: (3[.][0-9]+)".*/\1/p' pyproject.toml)
# published as source alone; pure Python, so that it needs no compiler
PURE := antlr4-python3-runtime
export PATH := $(CURDIR)/$(BIN):$(PATH)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## build .venv with what the pipeline needs; a second call installs nothing
setup-dev: $(DEV) ## add what checks, tests and benchmarks need

$(STAMP): requirements.lock pyproject.toml
	test -x $(BIN)/python || python3 -m venv .venv
	$(BIN)/pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/pip check
	touch $@

$(DEV): $(STAMP) requirements-dev.lock
	$(BIN)/pip install --quiet --no-deps --require-hashes --requirement requirements-dev.lock
	$(BIN)/pip check
	touch $@

repro: $(STAMP) ## check the parameters, then bring every result up to date
	avsc params check
	dvc repro

test: $(DEV) ## run the tests, on all cores; what takes long is left to test-all
	$(PYTEST)

test-all: $(DEV) ## run every test that this machine can run, with new random files (nightly)
	$(PYTEST) --nightly

quick: $(DEV) ## run the tests that take less than a second each
	$(PYTEST) -m "not slow"

check: $(DEV) ## format, lint, import contracts and types, changing nothing
	ruff format --check .
	ruff check .
	lint-imports
	mypy

fix: $(DEV) ## format and lint, mending what can be mended
	ruff format .
	ruff check --fix .

cov: $(DEV) ## run the quick tests and show the lines they miss
	$(PYTEST) -m "not slow" --cov --cov-report=term-missing

fuzz: $(DEV) ## read 100 000 new damaged files a reader, and 25 000 guided ones, for some hours
	AVSC_FUZZ_EXAMPLES=100000 $(PYTEST) --nightly tests/fuzz

bench: $(DEV) ## measure ours beside what one would write instead, on an otherwise idle machine (40 minutes)
	python -m bench --output docs/benchmarks.md

scale: $(DEV) ## work out larger data sets and simulate a million clips (an hour); writes docs/scale.md
	python -m bench.scale

metrics: $(STAMP) ## show the scores of this tree beside those of the last commit
	dvc metrics diff --all

dag: $(STAMP) ## draw the pipeline
	dvc dag

lock: ## pin what pyproject.toml asks for, with hashes (needs uv); UPGRADE=--upgrade takes the newest
	$(COMPILE) --extra finetune --output-file requirements.lock
	$(COMPILE) --all-extras --group dev --constraint requirements.lock --output-file requirements-dev.lock \
	  $$(sed -nE 's/^([^ =]+)==.*/--no-emit-package \1/p' requirements.lock)

check-lock: ## check that every locked package has a wheel for each supported Python (needs uv)
	@for version in $(PYTHONS); do \
	  uv pip install --dry-run --no-deps --require-hashes --only-binary :all: --no-binary $(PURE) --target "$$(mktemp -d)" \
	    --python-version $$version --requirement requirements.lock --requirement requirements-dev.lock --quiet \
	    && echo "Python $$version: every package has a wheel, except $(PURE)" || exit 1; \
	done

.PHONY: help setup setup-dev repro test test-all quick check fix cov fuzz bench scale metrics dag lock check-lock
