# Needs make and Python 3.11 or newer; fetches the rest, by hash, into .venv.  PYTHON=python3.12 chooses another one.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Two of Shopify's packages come as source only; the build lock holds what builds them.
SOURCES := pyactiveresource,shopifyapi
LOCKED := --require-hashes --only-binary :all:
LOCKED_SOURCES := $(LOCKED) --no-binary $(SOURCES) --no-build-isolation --use-pep517
COMPILE := $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate
RUNTIME := --extra postgres
DEV := --extra postgres --group dev -c requirements.lock -c requirements-build.lock

.DEFAULT_GOAL := help
.PHONY: help demo test reliability lint format lock check-lock sbom audit clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.runtime ## pretend stores and CRMs on this machine, and the real daemon against them
	@$(BIN)/python -m connector demo $(ARGS)

test: $(VENV)/.dev ## every test, on every core
	@$(BIN)/python -m pytest -n auto $(ARGS)

reliability: $(VENV)/.dev ## every call with every fault, into docs/reliability.md; goes on where it was stopped
	@PYTHONPATH=tests:. $(BIN)/python tests/reliability/table.py $(ARGS)

lint: $(VENV)/.dev ## style, types and the architecture's borders
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.dev ## puts the code into the usual style
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

lock: $(VENV)/.dev ## newest allowed versions into the lock files
	@$(COMPILE) --upgrade --generate-hashes pyproject.toml $(RUNTIME) -o requirements.lock
	@$(COMPILE) --upgrade --generate-hashes --group build -c requirements.lock -o requirements-build.lock
	@$(COMPILE) --upgrade --generate-hashes pyproject.toml $(DEV) -o requirements-dev.lock

# Versions only: a package may get new files, and so new hashes, at any time.
check-lock: $(VENV)/.dev ## fails where a lock file does not answer pyproject.toml any more
	@set -e; mkdir -p $(VENV)/locks; cp requirements*.lock $(VENV)/locks/; \
	$(COMPILE) pyproject.toml $(RUNTIME) -o $(VENV)/locks/requirements.lock; \
	$(COMPILE) --group build -c requirements.lock -o $(VENV)/locks/requirements-build.lock; \
	$(COMPILE) pyproject.toml $(DEV) -o $(VENV)/locks/requirements-dev.lock; \
	for lock in requirements*.lock; do \
	  sed -nE 's/^([^ #][^\\]*[^ \\]) *\\?$$/\1/p' $$lock | diff - $(VENV)/locks/$$lock \
	  || { echo "$$lock is not current: run make lock" >&2; exit 1; }; \
	done

sbom: $(VENV)/.dev ## what a release is made of, with licences and hashes, into winback.cdx.json
	@$(BIN)/python .ci/sbom.py

audit: $(VENV)/.dev ## asks osv.dev about every locked package; says so where it cannot be asked
	@$(BIN)/python .ci/audit.py requirements*.lock

clean: ## takes away what make made
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "Winback needs Python 3.11 or newer, and there is no $(PYTHON) here." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Winback needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Say which to use: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python cannot make a virtual environment; on Debian: apt install python3-venv" >&2; exit 1; }

$(VENV)/.build: requirements-build.lock | $(VENV)/bin/python
	@$(PIP) install $(LOCKED) -r requirements-build.lock
	@touch $@

$(VENV)/.runtime: requirements.lock $(VENV)/.build
	@echo "installing what Winback needs into $(VENV)"
	@$(PIP) install $(LOCKED_SOURCES) -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml $(VENV)/.build
	@echo "installing what Winback and its tests need into $(VENV)"
	@$(PIP) install $(LOCKED_SOURCES) -r requirements-dev.lock
	@$(PIP) install --no-build-isolation --no-deps --no-index --editable .
	@touch $@ $(VENV)/.runtime
