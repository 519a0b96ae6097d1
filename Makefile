# `make help` lists the targets. Everything is installed into .venv, nothing outside this folder.
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: help install browser repro test test-all lint bench dashboard
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 20

install: $(VENV)/installed  ## set up .venv with the exact versions of requirements.txt

$(VENV)/installed: requirements.txt constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Tintype is pinned for Python 3.11; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

# DVC wants to be told when the folder is no git checkout, such as an unpacked archive.
repro: install  ## rebuild every result that is out of date
	@if [ -e .git ]; then dvc config --local --unset core.no_scm 2>/dev/null || true; else dvc config --local core.no_scm true; fi
	python -m tintype.params
	dvc repro

# Debian's Chromium and a screen in memory, where they are missing and may be installed: tests look at the pages
# and at the window that a film plays in.
browser:
	@{ command -v chromium || command -v chromium-browser; } >/dev/null && command -v Xvfb >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium xvfb >/dev/null; } \
	  || echo "no Chromium or Xvfb here, and no right to install them: tests of pages are skipped" >&2

test: install browser  ## the fast tests, the real pipeline in miniature among them
	pytest

test-all: install browser  ## all tests, slow ones too
	pytest -m ""

lint: install  ## style and common mistakes
	ruff check .
	ruff format --check .

bench: install  ## how fast training, reading, preparing, scoring and colouring are; a quarter of an hour
	dvc repro --quiet prepare@photos
	python -m benchmarks.train
	python -m benchmarks.reading
	python -m benchmarks.prepare --count 2000
	python -m benchmarks.scale
	python -m benchmarks.evaluate --pictures 200
	python -m benchmarks.runtimes
	python -m benchmarks.video

dashboard: install  ## compare the models in MLflow
	python -m tintype.dashboard
