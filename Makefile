# `make up` and `make test` do all set-up on a fresh machine; `make down` leaves nothing.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest --dist loadscope --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help up down status logs ssh env test test-fast check clean

help: ## what there is to do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

up: $(VENV)/.ready ## the platform on this machine, on the simulated cloud
	@exec $(BIN)/python -m ops up

down: $(VENV)/.ready ## remove all of it
	@exec $(BIN)/python -m ops down

status: $(VENV)/.ready ## nodes and services
	@exec $(BIN)/python -m ops status

logs: $(VENV)/.ready ## the last lines of a service: make logs SERVICE=ai_memory
	@exec $(BIN)/python -m ops logs "$(SERVICE)"

ssh: $(VENV)/.ready ## a shell on a node: make ssh NODE=manager-1
	@exec $(BIN)/python -m ops ssh "$(NODE)"

env: $(VENV)/.ready ## what a shell needs to use pulumi by hand: eval "$(make env)"
	@$(BIN)/python -m toolchain env
	@$(BIN)/python -m simulator env

test: $(VENV)/.ready ## every test, on real nodes
	@exec $(PYTEST) -n 3

test-fast: $(VENV)/.ready ## the inner loop: no containers, under a minute
	@exec $(PYTEST) -n 2 -q -m "not containers and not slow"

check: $(VENV)/.ready ## format, lint, types
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy .

clean: down ## down, and the caches of this checkout
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Said in one line, and redone only when the requirements change.
$(VENV)/.ready: requirements.txt requirements-dev.txt
	@echo "==> Python packages ($(VENV))"; began=$$SECONDS; \
	$(PYTHON) -m venv --help >/dev/null 2>&1 && $(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null; } || \
	  { echo "python3 -m venv does not work: install python3-venv" >&2; exit 1; }; \
	$(PYTHON) -m venv $(VENV) && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt && \
	touch $@ && echo "==> Python packages: done in $$((SECONDS - began)) s"
