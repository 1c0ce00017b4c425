# Everything that a user or developer runs. Each target sets up what it needs, and is quick if nothing has changed.
.PHONY: help setup setup-dev demo serve reproduce test test-clients test-many test-cpus test-cpu-avx2 test-cpu-default lint check format messages hooks bench bench-ingest bench-training bench-grading bench-bridge bench-reading bench-reading-grid bench-viewing bench-tests bench-security faults security screenshots
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

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1 \t\2/' | expand -t 20

# The stamp is as old as the last installation: only changed requirements are installed again.
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

setup: $(READY) ## make a virtual environment with the pinned packages
setup-dev: $(VENV)/.installed-dev ## the same, plus what the tests and checks need

demo: setup ## run the whole loop on sample scans, or your own (DATA=folder-or-zip), through the real API with real workers
	@$(DEMO_ENV) TLS= TLS_CERT= TLS_KEY= BIND= $(PY) manage.py demo $(if $(DATA),--data "$(DATA)")

serve: setup ## run web, workers and beat on one machine; DEMO=1 opens the demo's data, TLS=1 serves https; Ctrl-C stops everything
	@$(if $(DEMO),$(DEMO_ENV)) $(PY) manage.py serve

reproduce: setup ## train RUN=training001 again and compare the weights to the bit (DEMO=1: of the demo's data; BY=user)
	@test -n "$(RUN)" || { echo "Which run? make reproduce RUN=training001"; exit 2; }
	@$(if $(DEMO),$(DEMO_ENV)) $(PY) manage.py reproduce "$(RUN)" $(if $(BY),--as "$(BY)")

test: setup-dev ## run the whole test suite; list what was skipped and why
	@# One thread per process: two test processes share the machine, and sums over several threads differ in the last bit.
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(PY) -m pytest -n 2 --dist loadgroup

test-cpus: test-cpu-avx2 test-cpu-default ## run the tests that compute with PyTorch as older x86-64 processors would

# PyTorch's kernels and oneDNN's each have their own limit; MEDISCAN_EXPECT_CPU fails the tests if they had no effect.
test-cpu-avx2: OLDER = MEDISCAN_EXPECT_CPU=AVX2 ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2
test-cpu-default: OLDER = MEDISCAN_EXPECT_CPU=DEFAULT ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41
test-cpu-avx2 test-cpu-default: setup-dev
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(OLDER) $(PY) -m pytest -n 2 tests/training/engine tests/models_registry/inference

test-clients: setup-dev ## make clients from the OpenAPI document with two generators (fetched from PyPI) and have them work; minutes
	MEDISCAN_TEST_CLIENTS=1 $(PY) -m pytest tests/site/test_generated_clients.py

lint: setup-dev ## check format, lint (code, templates, scripts), types, import law, missing migrations
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(VENV)/bin/djlint --quiet --lint templates
	$(VENV)/bin/oxlint --deny-warnings static/js
	$(VENV)/bin/lint-imports
	$(PY) -m mypy
	DJANGO_SETTINGS_MODULE=tests.settings $(PY) manage.py makemigrations --check --dry-run
	DJANGO_SETTINGS_MODULE=tests.settings $(PY) manage.py check --fail-level WARNING

check: lint test ## lint and test, as CI runs them

bench: bench-ingest bench-training bench-grading ## run every benchmark; figures go to benchmarks/results/ (DATA=folder: on real scans)

bench-ingest: setup-dev ## compare uploads and ZIP imports with the work that nobody can avoid; a few minutes
	@# Each process calculates with one thread, on both sides of the ratio.
	OMP_NUM_THREADS=1 $(PY) -m benchmarks.ingest $(if $(DATA),--data "$(DATA)")

bench-training: setup-dev ## compare the quality, speed and honesty of training with peers; up to two hours with DATA=folder, minutes without
	$(PY) -m benchmarks.training --final $(if $(DATA),--data "$(DATA)")

bench-grading: setup-dev ## compare grades with mlflow models serve, PyTorch as it is, and an older checkout (DATA=folder BASE=folder REDIS=url DATABASE=server); half an hour
	$(PY) -m benchmarks.grading $(if $(DATA),--data "$(DATA)") $(if $(BASE),--base "$(BASE)") $(if $(REDIS),--redis "$(REDIS)") $(if $(DATABASE),--database "$(DATABASE)") $(if $(ROUNDS),--rounds "$(ROUNDS)")

faults: setup-dev ## break a working site in every way of the table in docs/operations.md (DATABASE=server BROKER=url: with services, too; ONLY="names"); half an hour
	$(PY) -m benchmarks.faults $(if $(ONLY),--only $(ONLY)) $(if $(DATABASE),--database "$(DATABASE)") $(if $(BROKER),--broker "$(BROKER)") $(if $(TABLE),--table "$(TABLE)")

test-many: setup-dev ## a site of two machines with two of each process (DATABASE=server BROKER=url; S3 and MLflow are started); minutes
	@test -n "$(DATABASE)" -a -n "$(BROKER)" || { echo "make test-many DATABASE=postgres://postgres@127.0.0.1:5432 BROKER=redis://127.0.0.1:6379/8"; exit 2; }
	MEDISCAN_MANY_DATABASE="$(DATABASE)" MEDISCAN_MANY_BROKER="$(BROKER)" $(PY) -m pytest tests/many

security: setup-dev ## attack a site of our own on SQLite, MariaDB and PostgreSQL and say what held; half an hour (ONLY="ids", ENGINES=sqlite)
	$(PY) -m benchmarks.security $(if $(ENGINES),--engines "$(ENGINES)") $(if $(ONLY),--only $(ONLY)) $(if $(SCANS),--scans "$(SCANS)")

bench-security: setup-dev ## requests a second of the web processes beside gunicorn's (BASE=folder: another checkout, served by gunicorn)
	OMP_NUM_THREADS=1 $(PY) -m benchmarks.web $(if $(BASE),--base "$(BASE)")

bench-reading-grid: setup-dev ## a person with three keys a second labels 200 scans in a grid, in Chromium; two minutes
	$(PY) -m benchmarks.reading_grid

bench-bridge: setup-dev ## instances a second that the bridge brings from a real Orthanc, beside an older one's (BASE=folder); some minutes
	$(PY) -m benchmarks.bridge $(if $(BASE),--base "$(BASE)") $(if $(ROUNDS),--rounds "$(ROUNDS)")

bench-viewing: setup-dev ## how quickly a mammogram is there and how smoothly its window follows, in Chromium (BASE=folder: another checkout); minutes
	$(PY) -m benchmarks.viewing $(if $(BASE),--base "$(BASE)")

screenshots: setup-dev ## take pictures of every page, from a site of its own that it fills, into docs/screenshots; axe-core looks, too (ONLY=name)
	OMP_NUM_THREADS=1 DJANGO_SETTINGS_MODULE=mediscan_site.settings $(PY) -m benchmarks.screenshots --axe $(if $(ONLY),--only "$(ONLY)")

format: setup-dev ## format the code and fix what ruff can fix
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

# Sorted, and without places and dates, so that a change of the code changes no line of the catalogue. Values are checked by
# tests/site/test_translations.py: msgfmt takes the per cent sign of a sentence for one.
CATALOGUE := locale/de/LC_MESSAGES/django
messages: setup-dev ## gather the words of pages for translators and compile the catalogues (needs gettext)
	@command -v xgettext >/dev/null || { echo "make messages needs GNU gettext (Debian, Ubuntu: apt install gettext)"; exit 1; }
	DJANGO_SETTINGS_MODULE=tests.settings $(PY) manage.py gather_words
	DJANGO_SETTINGS_MODULE=tests.settings $(PY) manage.py makemessages --locale de --no-location --no-obsolete --no-wrap \
	    --ignore $(VENV) --ignore tests --ignore benchmarks --ignore shared
	msgattrib --sort-output --no-obsolete --no-wrap -o $(CATALOGUE).po $(CATALOGUE).po
	sed -i '/^"POT-Creation-Date:/d' $(CATALOGUE).po
	msgfmt --check-header --check-domain -o $(CATALOGUE).mo $(CATALOGUE).po
	@msgattrib --untranslated --no-wrap $(CATALOGUE).po | grep -c '^msgid' | xargs -I N echo "entries without German, the head among them: N"

hooks: setup-dev ## have ruff, djLint and the import law run before each commit
	$(VENV)/bin/pre-commit install

bench-reading: setup-dev ## from the key to the next scan painted, beside an older checkout's (BASE=folder DATA=folder), and 100 labels over a bad line
	$(PY) -m benchmarks.reading --line --base "$(BASE)" $(if $(DATA),--data "$(DATA)")

bench-tests: setup-dev ## processor time of the test suite compared with an older commit (BASE=commit, ROUNDS=n); half an hour a round
	$(PY) -m benchmarks.suite $(if $(BASE),--base "$(BASE)") $(if $(ROUNDS),--rounds "$(ROUNDS)")
