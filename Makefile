# Every command a contributor needs. `make` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 7860
DATA ?= openhood-data

.DEFAULT_GOAL := help
.PHONY: help serve test check clients scale browser screenshots pictures bench docs format vocabulary clean

help: ## List the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-11s %s\n", $$1, $$2}'

$(VENV)/.hub: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1' uv
	@$(BIN)/uv pip install --quiet --python $(VENV) -e '.[postgres,s3]'
	@touch $@

$(VENV)/.test: $(VENV)/.hub scripts/system-packages
	@scripts/system-packages git git-lfs postgresql
	@$(BIN)/uv pip install --quiet --python $(VENV) --group test --group check
	@touch $@

serve: $(VENV)/.hub ## Install the hub into .venv and start it at http://localhost:7860
	@$(BIN)/openhood serve --port $(PORT) --data $(DATA)

test: $(VENV)/.test ## Install what the tests need and run them (unit, contract, api, pages, docs, fast clients)
	@$(BIN)/pytest -n 2 --dist loadgroup -m 'not clients and not scale and not browser'

check: $(VENV)/.test ## Format, lint, types, import contracts and the unit tests: under two minutes
	@$(BIN)/ruff format --check src tests bench
	@$(BIN)/ruff check src tests bench
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest tests/unit tests/docs

clients: $(VENV)/.test ## Run the real clients of every supported generation against a real server
	@$(BIN)/pytest tests/clients

scale: $(VENV)/.test ## Run on PostgreSQL and S3 with two hub processes, one of them killed
	@$(BIN)/pytest tests/scale

$(VENV)/.browser: $(VENV)/.test
	@scripts/system-packages chromium
	@$(BIN)/uv pip install --quiet --python $(VENV) --group browser
	@touch $@

browser: $(VENV)/.browser ## Run stories, accessibility and budgets in a real Chromium (about seven minutes)
	@$(BIN)/pytest tests/browser

screenshots: $(VENV)/.browser ## Take every kind of page, wide and narrow, light and dark, into screenshots/
	@PYTHONPATH=tests $(BIN)/python -m browser.screenshots

pictures: $(VENV)/.browser ## Take the six pictures of the README anew, into docs/images/
	@PYTHONPATH=tests $(BIN)/python -m browser.screenshots --readme

bench: $(VENV)/.test ## Measure against peers and physical limits in one run (takes minutes)
	@scripts/system-packages nginx fcgiwrap
	@$(BIN)/python -m bench

docs: $(VENV)/.test ## Write the generated reference pages and check the documents
	@$(BIN)/python -m openhood.cli.reference docs/reference
	@$(BIN)/pytest tests/docs

format: $(VENV)/.test ## Format and mend what can be mended automatically
	@$(BIN)/ruff format src tests bench
	@$(BIN)/ruff check --fix src tests bench

vocabulary: $(VENV)/.hub ## Fetch the published lists of tasks, libraries, licenses and languages anew
	@scripts/update-vocabulary

clean: ## Remove environments and caches (never data)
	rm -rf $(VENV) .clients .mypy_cache .ruff_cache .pytest_cache build dist
