# `make help` lists the targets. Everything is set up inside this folder: .venv (packages) and .muster (data).
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
STAMP := .venv/.ready
GATEWAY_PORT ?= 8080
PORTAL_PORT ?= 8081
FLOWER_PORT ?= 5555
JOBS ?= 2
.DEFAULT_GOAL := help
.PHONY: help demo pictures test faults crashes fuzz coverage conformance check sbom up setup lock format bench bench-portal fairness siege refusals compose clean
NEWMAN := .newman/node_modules/.bin/newman
PEERS := .bench/.ready
# Only where there are collections to run, and npm to install what runs them.
SUITE_TOOLS := $(if $(MUSTER_SUITES),$(if $(shell command -v npm),$(NEWMAN)))

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Install everything into .venv

$(STAMP): requirements/dev.txt requirements/conformance.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else "Muster needs Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python3.13")'
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet --no-deps --require-hashes --requirement requirements/dev.txt --requirement requirements/conformance.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Provision a made-up company as Entra does, and keep serving until Ctrl-C (EXIT=1: stop then)
	@$(BIN)/muster demo --gateway-port $(GATEWAY_PORT) --portal-port $(PORTAL_PORT) --flower-port $(FLOWER_PORT) $(if $(EXIT),--exit)

up: setup ## Run everything on this machine until Ctrl-C
	@$(BIN)/muster up --gateway-port $(GATEWAY_PORT) --portal-port $(PORTAL_PORT) --flower-port $(FLOWER_PORT)

test: check coverage $(SUITE_TOOLS) ## Lint, types, import contracts, coverage, and all tests (JOBS=2 at a time)
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

# Without what Hypothesis makes up, so that no branch is covered by luck.
coverage: setup ## Hold the code of filters and PATCH to all of its branches, by its unit tests alone
	$(BIN)/coverage run -m pytest -q -m "not hypothesis" tests/unit/scim
	$(BIN)/coverage report

conformance: setup $(SUITE_TOOLS) ## Run the conformance suites against a stack (MUSTER_SUITES=folder: Postman collections too)
	$(BIN)/pytest tests/conformance $(ARGS)

$(NEWMAN): requirements/newman/package-lock.json
	mkdir -p .newman
	cp requirements/newman/package.json requirements/newman/package-lock.json .newman
	npm ci --prefix .newman --no-audit --no-fund --silent
	@touch $@

faults: setup ## Break things under load, and check every promise (SECONDS=60 SEED=7 FAULT=mix CLIENTS=12; FAULT=list names them)
	@SECONDS=$(SECONDS) SEED=$(SEED) FAULT=$(FAULT) CLIENTS=$(CLIENTS) OTHERS=$(OTHERS) LEDGER=$(LEDGER) HISTORY=$(HISTORY) \
	  $(BIN)/python -m tests.faults.command

crashes: setup ## Crash a process at every statement of accept and drain, and compare (COUNT=1000 SEED=7)
	@CRASHES=$(COUNT) SEED=$(SEED) $(BIN)/python -m tests.faults.crashes

# atheris, which sees what a parser does with a text, has packages for some Pythons only; without it the rest is done.
fuzz: setup ## Send made-up requests to a stack, and texts to the parsers (COUNT=1000000 SEED=7 SECONDS=900 PARSED=1000000)
	-@$(PIP) install --quiet --no-deps --require-hashes --requirement requirements/fuzz.txt
	@COUNT=$(COUNT) SEED=$(SEED) SECONDS=$(SECONDS) PARSED=$(PARSED) $(BIN)/python -m tests.fuzz.run

check: setup ## Lint (security rules too), types, import contracts, and known vulnerabilities of what is locked
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/python -m tests.supply.advisories

pictures: setup ## Take the pictures of docs/portal.md anew (needs chromium)
	mkdir -p docs/images
	MUSTER_PICTURES=docs/images $(BIN)/pytest -q tests/browser -k pictures

format: setup ## Format the code, and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# What the bench compares with is installed beside us, never among us. Without npm there is no SCIMMY.
$(PEERS): bench/peers/requirements.txt bench/peers/scimmy/package-lock.json
	mkdir -p .bench
	$(PYTHON) -m venv .bench/venv
	.bench/venv/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes \
	  --requirement bench/peers/requirements.txt
	cp bench/peers/scimmy/package.json bench/peers/scimmy/package-lock.json .bench
	if command -v npm > /dev/null; then npm ci --prefix .bench --no-audit --no-fund --silent; fi
	@touch $@

bench: setup $(PEERS) ## Measure beside peers, and write bench/results.md (ROWS="creates reads" QUICK=1 SOAK=3600)
	$(BIN)/python -m bench.run --rows "$(ROWS)" $(if $(QUICK),--quick) $(if $(SOAK),--soak $(SOAK))

bench-portal: setup ## Measure the portal with 100,000 employees and 200 open pages, and write bench/portal.md
	$(BIN)/python -m bench.portal

fairness: setup ## Measure how much one tenant slows another, and write bench/fairness.md
	$(BIN)/python -m bench.fairness

siege: setup ## Measure what idle, slow and guessing clients do to others, and write bench/siege.md
	$(BIN)/python -m bench.siege

refusals: setup ## Measure whether the time of a refusal tells how near a guess was, and write bench/refusals.md
	$(BIN)/python -m bench.refusals

compose: setup ## Build the image, run the composed stack, provision it, and take it down (needs docker)
	tests/compose/check-compose

sbom: setup ## Write sbom.json, what the image has in it, as CycloneDX
	$(BIN)/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml --output-format JSON \
	  --output-reproducible --output-file sbom.json requirements/runtime.txt

lock: setup ## Write requirements/*.txt anew from pyproject.toml
	$(PIP) install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header --group build pyproject.toml --output-file requirements/runtime.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header --extra local --group dev --group build pyproject.toml --output-file requirements/dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header --group conformance --constraint requirements/dev.txt --output-file requirements/conformance.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header --group fuzz --output-file requirements/fuzz.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header bench/peers/requirements.in --output-file bench/peers/requirements.txt

clean: ## Remove what was set up and measured here, data included
	@if [ -x $(BIN)/muster ]; then $(BIN)/muster down; fi
	rm -rf .venv .newman .bench .muster sbom.json .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
