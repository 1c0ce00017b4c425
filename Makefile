# Everything a user or developer runs. Each target sets up what it needs, and is quick when nothing changed.
.PHONY: help setup setup-dev demo serve reproduce test test-cpus test-cpu-avx2 test-cpu-default lint check format bench bench-ingest bench-training
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
# As the site will read it: the environment, else .env.
DATABASE_URL ?= $(shell sed -n 's/^DATABASE_URL=//p' .env 2>/dev/null)
READY := $(VENV)/.installed-run $(if $(filter mysql://%,$(DATABASE_URL)),$(VENV)/.installed-mysql)
DEMO_ENV = MEDISCAN_DATA_DIR="$${MEDISCAN_DEMO_DIR:-$$HOME/.local/share/mediscan-demo}" \
           MEDISCAN_KEYS_FILE="$${MEDISCAN_DEMO_KEYS:-$$HOME/.config/mediscan-demo/keys.json}" DATABASE_URL= MEDIA_STORAGE_URL= \
           CELERY_BROKER_URL= MLFLOW_TRACKING_URI= PUBLIC_URL=

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1 \t\2/' | expand -t 20

# The stamp holds the requirements it was made from: a new pin installs, nothing else does.
$(VENV)/.installed-run: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "MediScan needs Python 3.11 or newer (set PYTHON=...)"; exit 1; }
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.installed-mysql: requirements-mysql.txt $(VENV)/.installed-run
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-mysql.txt
	touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(READY)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

setup: $(READY) ## virtual environment with the pinned packages
setup-dev: $(VENV)/.installed-dev ## the same, with what the tests and checks need

demo: setup ## the whole loop on sample scans (DATA=folder-or-zip: on your own), through the real API and real workers
	@$(DEMO_ENV) $(PY) manage.py demo $(if $(DATA),--data "$(DATA)")

serve: setup ## web, workers and beat on one machine; DEMO=1 opens the demo's data; Ctrl-C stops all
	@$(if $(DEMO),$(DEMO_ENV)) $(PY) manage.py serve

reproduce: setup ## train RUN=training001 again and compare the weights to the bit (DEMO=1: of the demo's data; BY=user)
	@test -n "$(RUN)" || { echo "Which run? make reproduce RUN=training001"; exit 2; }
	@$(if $(DEMO),$(DEMO_ENV)) $(PY) manage.py reproduce "$(RUN)" $(if $(BY),--as "$(BY)")

test: setup-dev ## the whole test suite; lists what it skipped and why
	@# One thread a process: two test processes share the machine, and sums over several threads differ in the last bit.
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(PY) -m pytest -n 2 --dist loadgroup

test-cpus: test-cpu-avx2 test-cpu-default ## the engine's tests as lesser x86-64 processors would compute: AVX2, and neither AVX2 nor AVX

# PyTorch's own kernels and oneDNN's have a limit each; MEDISCAN_EXPECT_CPU fails the tests where they had no effect.
test-cpu-avx2: LESSER = MEDISCAN_EXPECT_CPU=AVX2 ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2
test-cpu-default: LESSER = MEDISCAN_EXPECT_CPU=DEFAULT ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41
test-cpu-avx2 test-cpu-default: setup-dev
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(LESSER) $(PY) -m pytest -n 2 tests/engine

lint: setup-dev ## format, lint, types, import law, missing migrations
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(VENV)/bin/lint-imports
	$(PY) -m mypy
	DJANGO_SETTINGS_MODULE=tests.settings $(PY) manage.py makemigrations --check --dry-run
	DJANGO_SETTINGS_MODULE=tests.settings $(PY) manage.py check --fail-level WARNING

check: lint test ## what CI runs: both of these

bench: bench-ingest bench-training ## every benchmark there is; figures in benchmarks/results/ (DATA=folder: on real scans)

bench-ingest: setup-dev ## uploads and ZIP imports beside the work that nobody can leave out; a few minutes
	@# One thread for the arithmetic of each process, on both sides of the ratio.
	OMP_NUM_THREADS=1 $(PY) -m benchmarks.ingest $(if $(DATA),--data "$(DATA)")

bench-training: setup-dev ## training: quality, speed and honesty beside peers; up to two hours with DATA=folder, minutes without
	$(PY) -m benchmarks.training --final $(if $(DATA),--data "$(DATA)")

format: setup-dev ## put the code in shape
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .
