# Every target sets itself up: the environment is .venv/, made from requirements.lock.

.DEFAULT_GOAL := help
.PHONY: help bench chaos demo run test lint lock audit sbom clean
.DELETE_ON_ERROR:

# The first Python that is recent enough; PYTHON=… chooses another one.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)

help: ## Show these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

demo: .venv/.ready ## Play whole onboardings in seconds, mails and documents under var/demo/
	@.venv/bin/python demo.py

run: .venv/.ready ## Run the whole system on this machine, until Ctrl-C
	@.venv/bin/python -m local.stack

test: .venv/.ready ## Run every test that needs nothing more than this machine
	@.venv/bin/python -m pytest --numprocesses=auto --dist=loadfile

bench: .venv/.ready ## Measure against the engine's floor, half an hour: docs/performance.md
	@.venv/bin/python -m bench

chaos: .venv/.ready ## Play whole onboardings under faults, ten minutes: docs/reliability.md
	@.venv/bin/python -m chaos

lint: .venv/.ready ## Check format, lint and types
	@failed=0; \
	.venv/bin/ruff check . || failed=1; \
	.venv/bin/ruff format --check . || failed=1; \
	.venv/bin/mypy || failed=1; \
	exit $$failed

LOCKED = --universal --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

lock: ## Choose the versions anew (needs uv): for development, and for the image with hashes
	uv pip compile pyproject.toml $(LOCKED) --all-extras --upgrade \
		--output-file requirements.lock
	uv pip compile pyproject.toml $(LOCKED) --constraint requirements.lock --generate-hashes \
		--output-file requirements-runtime.lock

audit: .venv/.ready ## Look for known vulnerabilities in what production installs (needs the network)
	@.venv/bin/python -m local.audit

sbom: .venv/.ready ## Write var/sbom.json, the CycloneDX bill of what production installs
	@mkdir -p var
	@.venv/bin/python -m cyclonedx_py requirements requirements-runtime.lock --pyproject pyproject.toml --output-reproducible --validate --output-file var/sbom.json

clean: ## Remove the environment and everything under var/
	rm -rf .venv var

.venv/.ready: pyproject.toml requirements.lock
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11 ou plus récent est nécessaire, et introuvable." >&2; exit 1; fi
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "Le module venv de Python manque (Debian : apt-get install python3-venv)." >&2; \
		exit 1; }
	@rm -rf .venv
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r requirements.lock
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@
