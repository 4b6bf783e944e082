# `make demo` shows the hub, `make test` tests it; both do all the set-up they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
JOBS ?= 3
SECONDS ?= 600
SEEDS ?= 20
SEED ?= 1

.PHONY: help demo demo-check test check prove refresh-long soak bench format lock tenant-script clean

help:
	@echo "make demo         start the hub with a sandbox and two tenants; Ctrl-C ends it"
	@echo "make demo-check   the same without a person; exit 0 only if every sync succeeded"
	@echo "make test         the tests, on an embedded PostgreSQL"
	@echo "make check        format, lint, types, import order, migrations, deploy checks"
	@echo "make prove        every promise of docs/claims.md; one with CLAIM=name"
	@echo "make refresh-long  refresh-once with 10,000 rounds instead of 200; about an hour"
	@echo "make soak         faults at random on a running hub, with SECONDS= SEEDS= SEED=; most of an hour"
	@echo "make bench        the benchmarks, some minutes each; one with NAME=name"
	@echo "make format       let ruff write the format"
	@echo "make lock         write the lock files anew (needs uv)"
	@echo "make tenant-script  write tenants/*.sql after a migration was added or a record type changed"

# --- set-up: a virtual environment, and packages from a lock file with hashes -------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: the hub needs Python 3.11 or newer; name one with make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "error: Python cannot make virtual environments; install its venv module (python3-venv)"; \
		rm -rf $(VENV); exit 1; }

$(VENV)/.installed: requirements.lock $(BIN)/python
	@echo "Installing packages ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m compileall -q hub integrations tenants $(VENV)/lib >/dev/null 2>&1 || true
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "Installing test packages ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# --- the two commands -----------------------------------------------------------------------------

demo: $(VENV)/.installed
	@$(MANAGE) demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup $(ARGS)

# --- for those who work on it ----------------------------------------------------------------------

demo-check: $(VENV)/.installed
	@$(MANAGE) demo --check

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy hub integrations tenants
	$(BIN)/lint-imports
	$(MANAGE) makemigrations --check --dry-run
	$(BIN)/python docs/check_deploy.py

prove: $(VENV)/.installed-dev
	@$(BIN)/python docs/prove.py $(CLAIM)

refresh-long: $(VENV)/.installed-dev
	@ROUNDS=10000 $(BIN)/python docs/prove.py refresh-once

# Every point with every action, the database stopped at every point, without connections and with
# full disks, then whatever comes.
soak: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.harness.sweep --seed $(SEED) --seeds $(SEEDS)
	@$(BIN)/python -m tests.harness.restarts --seed $(SEED)
	@$(BIN)/python -m tests.harness.shortages || test $$? -eq 77  # nobody may mount a disk
	@HUB_SWEEP=all $(BIN)/python -m pytest -q tests/destinations/test_sweep.py tests/disconnecting \
		tests/keys/test_killed.py
	@EXAMPLES=5000 $(BIN)/python -m pytest -q tests/http/test_json_reader.py
	@$(BIN)/python -m tests.harness.soak --seed $(SEED) --seconds $(SECONDS)

bench: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.benchmarks $(NAME)

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

tenant-script: $(VENV)/.installed
	$(MANAGE) write_tenant_script
	$(MANAGE) write_views

clean:
	rm -rf $(VENV) .hub .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
