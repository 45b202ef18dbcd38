# Every path here is relative, and every tool is called as a module of the venv's Python: the scripts in
# .venv/bin break where the checkout's path is long or has a space in it.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PY := .venv/bin/python
HUB_VAR ?= var
CODE := manage.py ocpi_hub credentials locations sessions cdrs tariffs tokens commands chargingprofiles \
	hubclientinfo simulator benchmarks tests

# Two test processes for each core: journeys mostly wait for the processes that they started.
TEST_PROCESSES ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2))))

# What production looks like, for the checks only: nothing here is ever connected to or kept secret.
PRODUCTION := HUB_DB_POOL=0 HUB_VAR=var HUB_HOST=0.0.0.0 HUB_BASE_URL=https://hub.example \
	DATABASE_URL=postgresql://hub:hub@127.0.0.1:9/hub REDIS_URL=redis://127.0.0.1:9/0 \
	SECRET_KEY=only-for-make-check-0123456789-abcdefghijklmnopqrstuvwxyz \
	HUB_KEYS=b25seS1mb3ItbWFrZS1jaGVjay1vbmx5LWZvci1tYWs= \
	DJANGO_SETTINGS_MODULE=ocpi_hub.settings

.PHONY: help setup demo run test bench check fix clean coverage

help:  ## Show this help
	@echo "The OCPI hub. Targets:"
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile
	@echo "Python: PYTHON=/path/to/python3 make setup. State is kept in HUB_VAR ($(HUB_VAR))."

setup: .venv/.installed .venv/.installed-dev  ## Make .venv and install what is pinned (once)

demo: .venv/.installed  ## A hub and two simulated platforms (LOCATIONS=file.json PARTY=NL-ABC COUNT=200 RATE=2000)
	@exec "$(PY)" -m simulator.demo

run: .venv/.installed  ## The hub alone, as an operator runs it; its own PostgreSQL and Redis unless they are set
	@exec "$(PY)" manage.py up

test: setup  ## All tests, on real PostgreSQL and Redis, in parallel (ARGS='-k word' chooses)
	@"$(PY)" -m pytest -n $(TEST_PROCESSES) $(ARGS)

bench: .venv/.installed  ## Measure the hub beside what it is compared with; writes docs/benchmarks.md (ARGS=--quick)
	@exec "$(PY)" -m benchmarks $(ARGS)

check: setup  ## Format, lint, types, imports, settings, migrations, conformance table
	@"$(PY)" -m ruff format --check .
	@"$(PY)" -m ruff check .
	@$(PRODUCTION) "$(PY)" -m mypy
	@"$(PY)" -c "from importlinter.cli import lint_imports_command; lint_imports_command()"
	@$(PRODUCTION) "$(PY)" manage.py check --deploy --fail-level WARNING
	@$(PRODUCTION) "$(PY)" -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	@"$(PY)" tests/conformance.py --check

fix: setup  ## Format, and mend what the linter can mend
	@"$(PY)" -m ruff check --fix .
	@"$(PY)" -m ruff format .

coverage: setup  ## Tests with coverage, processes that they start included; fails under 95 %
	@rm -f .coverage .coverage.*
	@"$(PY)" -m coverage run -m pytest -n $(TEST_PROCESSES) $(ARGS)
	@"$(PY)" -m coverage combine -q
	@"$(PY)" -m coverage report

clean:  ## Remove the hub's state (HUB_VAR) and what tools left behind; .venv stays
	@if [ -x "$(PY)" ] && [ -d "$(HUB_VAR)" ]; then "$(PY)" -m ocpi_hub.embedded remove "$(HUB_VAR)"; else rm -rf "$(HUB_VAR)"; fi
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache htmlcov .coverage .coverage.*
	@find $(CODE) -name __pycache__ -prune -exec rm -rf {} +

.venv/.installed: requirements.txt
	@PYTHON="$(PYTHON)" sh .ci/venv
	@echo "Installing what the hub runs on (about a minute, once)"
	@"$(PY)" -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.txt
	@echo "Installing what tests and checks need"
	@"$(PY)" -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
