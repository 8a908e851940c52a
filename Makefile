# The whole house by name. `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# How many tests run at once; 0 runs them in one process.
JOBS ?= auto
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Without a .env file, make runs the demo; with one, that file decides.
ifeq (,$(wildcard .env))
export DEMO ?= true
export PRE_RELEASE_DELAY_SECONDS ?= 45
endif

.PHONY: help
help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[36mmake %-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- running --------------------------------------------------------------------------------------------------

.PHONY: run
run: install  ## Run everything and say where to go (PORT=8000); Ctrl-C stops it
	@exec $(BIN)/python manage.py serve --with-parent

.PHONY: reset
reset: install  ## Begin anew: throw the data in var/ away (asks first, unless FORCE=1)
	@$(BIN)/python manage.py reset $(if $(FORCE),--yes)

.PHONY: shell
shell: install  ## A Python shell with the models at hand
	@$(BIN)/python manage.py shell

.PHONY: migrations
migrations: install  ## Write migrations for changed models
	@$(BIN)/python manage.py makemigrations

.PHONY: messages
messages: install  ## Bring the catalogue up to date with the texts, and compile it
	@$(BIN)/python manage.py messages extract
	@$(BIN)/python manage.py messages compile

# --- installing -----------------------------------------------------------------------------------------------

.PHONY: install
install: $(VENV)/.installed  ## Install what the product needs into .venv

.PHONY: install-dev
install-dev: $(VENV)/.installed-dev  ## Install what tests and static checks need as well

$(VENV)/bin/pip:
	@PYTHON="$(PYTHON)" .ci/make-venv "$(VENV)"

$(VENV)/.installed: requirements.txt | $(VENV)/bin/pip
	@echo "Installing requirements.txt"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@echo "Installing requirements-dev.txt"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

# For every Python from 3.11.0 on, not only for the one at hand: some packages are needed on the older ones alone.
COMPILE = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --upgrade --no-emit-index-url

.PHONY: requirements
requirements: install-dev  ## Pin requirements*.txt anew from requirements*.in
	$(COMPILE) requirements.in -o requirements.txt
	$(COMPILE) requirements-dev.in -o requirements-dev.txt

# --- trying ---------------------------------------------------------------------------------------------------

.PHONY: test
test: install-dev  ## Run every test, browser journeys included (installs Chromium where it may)
	@$(BIN)/python -m portal.testing.browser || true
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q $(ARGS)

.PHONY: test-fast
test-fast: install-dev  ## Run the tests that need neither a browser nor patience
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q -m "not browser and not slow" $(ARGS)

.PHONY: test-brokers
test-brokers: install-dev  ## Run the worker's tests over TEST_REDIS_URL and TEST_AMQP_URL as well
	@$(BIN)/python -m pytest -q portal/tests/test_brokers.py $(ARGS)

.PHONY: check
check: install-dev  ## Static checks: style, types, layers, templates, migrations, translations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint templates --lint --quiet
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py messages check

.PHONY: format
format: install-dev  ## Bring code and templates into the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: install-dev  ## Measure the money path against baselines of the same run
	@$(BIN)/python -m benchmarks
