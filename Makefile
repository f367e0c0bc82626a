# The commands of this repository. The first call makes a virtual environment; nothing outside the folder is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help serve test test-all fuzz check format bench tools chart constraints image-test clean

help: ## what there is to call
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

serve: $(VENV)/.service ## start the service on 127.0.0.1:8000 (SCANNER_BIND, SCANNER_API_KEYS)
	@$(BIN)/scanner-service serve --make-key

test: $(VENV)/.dev $(VENV)/.tools ## run the tests
	@$(BIN)/pytest $(ARGS)

test-all: $(VENV)/.all $(VENV)/.tools ## run also those that want torch or what the client integrates with (gigabytes)
	@$(BIN)/pytest $(ARGS)

fuzz: $(VENV)/.dev ## look for new examples that break a property (make test tries the same ones each time)
	@$(BIN)/pytest -m hypothesis --hypothesis-profile fuzz $(ARGS)

check: $(VENV)/.dev ## format, lint, types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@cd scanner_client && $(CURDIR)/$(BIN)/mypy

format: $(VENV)/.dev ## rewrite the code in the house's format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

tools: $(VENV)/.tools ## install helm, hadolint and what else checks the deployment

chart: $(VENV)/.dev $(VENV)/.tools ## write what is generated in helm/: the schema of `config`, the rendered example
	@$(BIN)/python deploy/values_schema.py
	@deploy/example.sh > $(VENV)/chat.yaml && mv $(VENV)/chat.yaml helm/examples/kustomize/chat.yaml

constraints: $(VENV)/.tools ## pin what the image installs (ARGS=--upgrade)
	@deploy/constraints.sh $(ARGS)

image-test: $(VENV)/.dev $(VENV)/.tools ## build the image, run it and the chart's pods (root, minutes)
	@deploy/test_image.sh $(ARGS)

clean: ## remove the virtual environment and every cache
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "Python 3.11, 3.12 or 3.13 is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"

$(VENV)/.service: $(VENV)/bin/python pyproject.toml
	@echo "installing the service (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.service scanner_client/pyproject.toml
	@echo "installing what the tests need (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev --editable ./scanner_client
	@touch $@

$(VENV)/.all: $(VENV)/.dev
	@echo "installing torch and what the client integrates with (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group training fastapi mcp \
	  --editable './scanner_client[langchain,litellm,llama-index,llm-api-client]'
	@touch $@

$(VENV)/.tools: $(VENV)/bin/python deploy/tools.txt
	@echo "installing what the deployment is checked with (once) ..."
	@$(BIN)/python -m venv $(VENV)/tools
	@$(VENV)/tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/tools.txt
	@touch $@
