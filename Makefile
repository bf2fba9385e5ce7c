# Two commands matter on a fresh machine: `make demo` and `make test`. `make help` lists the rest.
#
# Set-up makes .venv from any Python >= 3.11 and installs exactly what the lock files name, by hash. A stamp file
# remembers the lock that was installed, so a second run costs nothing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
# The first of these that is 3.11 or newer; `make PYTHON=/path/to/python demo` chooses another.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$name; break; }; done)
MINUTES ?= 5
PHASE := .ci/phase
DEMO_ARGUMENTS ?=
# A Python 3.12 or newer, for the tools that build the sandbox's environment.
BUILD_PYTHON ?= $(PYTHON)
TEST_ARGUMENTS ?=

.PHONY: help demo test lint format bench fuzz mutate sbom image runner lock clean install

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /  make \1\t/' | expand -t 18

demo: $(VENV)/.runtime ## the sample company behind the gate, on this machine; Ctrl-C ends it
	@exec $(BIN)/sallyport demo $(DEMO_ARGUMENTS)

test: ## everything: set-up, real servers, all tests
	@$(PHASE) set-up $(MAKE) --no-print-directory install
	@$(PHASE) clients $(BIN)/python -m tests.clients install & clients=$$!; \
		$(PHASE) servers $(BIN)/python -m tests.servers install; wait $$clients
	@$(PHASE) sandbox $(BIN)/python -m sidecars.python --prepare
	@$(PHASE) tests $(BIN)/python -m pytest -n auto --maxprocesses 4 $(TEST_ARGUMENTS)

lint: install ## ruff check, ruff format --check, mypy --strict
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

format: install ## let ruff lay out the code
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

bench: install ## through the gate and directly, side by side
	@$(BIN)/python -m bench

fuzz: install ## MINUTES=5: two databases that differ only in what is hidden must answer alike
	@$(BIN)/python -m tests.fuzz --minutes $(MINUTES)

mutate: install ## remove each visitor of guard and verifier in turn: every mutant must be caught
	@$(BIN)/python -m tests.mutation

sbom: install ## software bill of materials of what is shipped: sbom.cdx.json (CycloneDX)
	@$(BIN)/python -W ignore::UserWarning -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml --mc-type application \
		--output-reproducible --of JSON --output-file sbom.cdx.json
	@echo "sbom.cdx.json: $$(grep -c '"purl"' sbom.cdx.json) components"

image: install ## the Dockerfile's linter and its steps in bare Debian trees; needs root, debootstrap, five minutes
	@$(BIN)/hadolint --failure-threshold style Dockerfile
	@$(BIN)/python -m tests.image

runner: install ## build the sandbox's Python environment from its reviewed inputs; Python 3.12, gcc, half an hour
	@BUILD_PYTHON='$(BUILD_PYTHON)' nice $(BIN)/python -m sidecars.python.build

# The index is the machine's own business: no address of one may enter a lock file.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make lock'
LOCK := $(COMPILE) pyproject.toml
CLIENTS := tests/clients/python/requirements
lock: install ## resolve pyproject.toml anew into the lock files; UPGRADE=--upgrade for newer versions
	@$(BIN)/$(LOCK) $(UPGRADE) --group build --output-file requirements.lock
	@$(BIN)/$(LOCK) $(UPGRADE) --group dev --constraint requirements.lock --output-file requirements-dev.lock
	@$(BIN)/$(COMPILE) $(UPGRADE) $(CLIENTS).in --output-file $(CLIENTS).lock

clean: ## remove the environment and every cache of this folder (not the demo's state)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info sbom.cdx.json
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

install: $(VENV)/.development

LOCKED := requirements.lock requirements-dev.lock pyproject.toml
$(VENV)/.runtime: $(LOCKED) | $(BIN)/python
	@PYTHON='$(PYTHON)' .ci/install requirements.lock $@

$(VENV)/.development: $(LOCKED) | $(BIN)/python
	@PYTHON='$(PYTHON)' .ci/install requirements-dev.lock $@ $(VENV)/.runtime

$(BIN)/python:
	@PYTHON='$(PYTHON)' .ci/environment $(VENV)
