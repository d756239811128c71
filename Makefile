# `make up` and `make test` set up a fresh machine completely; `make down` removes the platform.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest --dist loadscope --no-loadscope-reorder

# Any Python can find a suitable one; a virtual environment whose Python is gone is created again.
ANY_PYTHON := $(or $(shell ops/find-python),python3)
$(shell [ ! -e $(VENV)/.ready ] || $(BIN)/python -c '' 2>/dev/null || rm -f $(VENV)/.ready)

# Compiled modules are kept whatever the shell says: compiling the tests takes each worker seven seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help doctor up down purge status logs audit-log alerts ssh orphans backup alone restore audit sbom preflight preview deploy \
  verify drift drill deployments destroy migrate-state tools env new-server import-compose serve tool-schemas lock docs test test-fast \
  test-long check clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

doctor: ## check this machine: list what is missing, with the command that installs it
	@command -v "$(ANY_PYTHON)" >/dev/null || \
	  { echo "error: no Python on this machine; run: $$(ops/python-package --command)"; exit 1; }
	@"$(ANY_PYTHON)" -S -m ops.doctor

up: doctor $(VENV)/.ready ## the platform on this machine, on the simulated cloud
	@exec $(BIN)/python -m ops up

down: $(VENV)/.ready ## destroy the platform and its data; list what stays on the machine
	@exec $(BIN)/python -m ops down

purge: $(VENV)/.ready ## down, then remove everything that it leaves: images, caches, state
	@exec $(BIN)/python -m ops purge

STACK ?= dev

status: $(VENV)/.ready ## show nodes, services and jobs; of another stack: make status STACK=prod
	@exec $(BIN)/python -m ops status --stack "$(STACK)"

logs: $(VENV)/.ready ## show the last lines of a service: make logs SERVICE=ai_memory, or SEARCH='text' SINCE=2h
	@exec $(BIN)/python -m ops logs --stack "$(STACK)" --search="$$SEARCH" --since="$(SINCE)" --limit="$(LIMIT)" -- "$(SERVICE)"

audit-log: $(VENV)/.ready ## show who called what: make audit-log CALLER=ci SINCE=7d
	@exec $(BIN)/python -m ops audit-log --stack "$(STACK)" --caller="$(CALLER)" --since="$(SINCE)" --limit="$(LIMIT)"

alerts: $(VENV)/.ready ## list what monitoring reports now; of another stack: make alerts STACK=prod
	@exec $(BIN)/python -m ops alerts --stack "$(STACK)"

ssh: $(VENV)/.ready ## open a shell on a node: make ssh NODE=manager-1
	@exec $(BIN)/python -m ops ssh --stack "$(STACK)" "$(NODE)"

orphans: $(VENV)/.ready ## list machines of the stack's account that are in no state; terminates none
	@exec $(BIN)/python -m ops orphans --stack "$(STACK)"

audit: $(VENV)/.ready ## check nodes, containers, ssh, ports, secrets and certificates of a stack
	@exec $(BIN)/python -m ops.audit --stack "$(STACK)"

SBOM ?= .cache/sbom

sbom: $(VENV)/.ready ## list the contents of a stack's images, and check them for known vulnerabilities
	@exec $(BIN)/python -m ops.audit.sbom --stack "$(STACK)" --to "$(SBOM)"

backup: $(VENV)/.ready ## make a backup of the database now
	@exec $(BIN)/python -m ops backup --stack "$(STACK)"

alone: $(VENV)/.ready ## prepare the database for standby.enabled: false
	@exec $(BIN)/python -m ops alone --stack "$(STACK)"

restore: $(VENV)/.ready ## restore the database: make restore AT=latest, AT='2026-11-27 12:00:00' (UTC)
	@exec $(BIN)/python -m ops restore --stack "$(STACK)" --timeline "$(TIMELINE)" "$(AT)"

deploy: ## what the workflows run, also preflight, preview, verify, drift, drill: make preview STACK=prod
preflight preview deploy verify drift drill deployments: $(VENV)/.ready
	@exec $(BIN)/python -m ops.ci $@ --stack "$(STACK)"

destroy: $(VENV)/.ready ## destroy a stack for good: make destroy STACK=prod CONFIRMED=prod
	@exec $(BIN)/python -m ops.ci destroy --stack "$(STACK)" --confirmed "$(CONFIRMED)"

migrate-state: $(VENV)/.ready ## copy a state to another backend: make migrate-state STACK=prod TO=s3://bucket
	@exec $(BIN)/python -m ops.migrate_state --stack "$(STACK)" --to "$(TO)"

tools: $(VENV)/.ready ## install the packages and the engine that all of these use
	@$(BIN)/python -m toolchain ensure

env: $(VENV)/.ready ## print a shell's variables for using pulumi by hand: eval "$(make env)"
	@$(BIN)/python -m toolchain env
	@$(BIN)/python -m simulator env

new-server: $(VENV)/.ready ## write the folder of a new MCP server: make new-server NAME=jira
	@PYTHONPATH=mcp_catalog/base $(BIN)/python -m ops.new_server "$(NAME)"

import-compose: $(VENV)/.ready ## MCP servers of a Compose file: make import-compose FILE=compose.yml
	@PYTHONPATH=mcp_catalog/base $(BIN)/python -m ops.import_compose "$(FILE)"

serve: $(VENV)/.ready ## run one server alone, on 127.0.0.1:8000: make serve NAME=slack
	@LISTEN_ADDRESS=127.0.0.1 PYTHONPATH=mcp_catalog/base exec $(BIN)/python -m sophia_mcp "$(NAME)"

tool-schemas: $(VENV)/.ready ## write what every server shows to a model: mcp_catalog/*/tools.json
	@PYTHONPATH=mcp_catalog/base $(BIN)/python -m ops.tool_schemas

lock: ## lock the packages of requirements*.txt by hash; their newest versions: make lock LOCK=--upgrade
	@exec ops/lock $(LOCK)

docs: $(VENV)/.ready ## generate docs/reference/ from the code
	@$(BIN)/python -m ops.docs

test: doctor $(VENV)/.ready ## every test, on real nodes
	@$(BIN)/python -m ops.browser
	@exec $(PYTEST) -n 3

test-long: doctor $(VENV)/.ready ## what takes minutes or needs the history: upgrades, workflows, conformance of each server
	@exec $(PYTEST) -m long

test-fast: $(VENV)/.ready ## the inner loop: no containers, under two minutes on 2 cores
	@exec $(PYTEST) -n 4 -q -m "not containers and not slow" tests/unit tests/components tests/provider mcp_catalog

check: $(VENV)/.ready ## format, lint, types, workflows
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && \
	  for version in 3.11 3.12 3.13; do $(BIN)/mypy --python-version $$version . || exit 1; done
	@$(BIN)/python -m toolchain actionlint

clean: ## remove the caches of this checkout, but nothing that runs
	@rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.ready: requirements-lock.txt
	@exec ops/make-venv $(VENV)
