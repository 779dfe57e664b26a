# Every target explains itself: `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
DOCKER ?= docker
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
COMMIT = $(shell git rev-parse --short=12 HEAD)

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
RUNTIME := .venv/.runtime-installed
DEV := .venv/.dev-installed
BENCH := .venv-bench/.installed
CHECKS := .venv-dist/.installed
SITE := .venv-site/.installed
NODE := .venv-web/.installed
CLIENTS := .venv-clients/.installed
NPM := web/npm --loglevel=error
MODULES := web/node_modules/.installed
PAGE := src/video2mp3/api/page/.built
# Of the tests, which wait for servers and conversions most of the time; each takes up to an estimated 1.2 GB of memory.
TEST_PROCESSES ?= 4
# The tests start the service hundreds of times; each start would compile its modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: run
run: export VIDEO2MP3_DATA_DIR ?= $(CURDIR)/data
run: $(RUNTIME) page-if-possible ## Start the service on http://127.0.0.1:8000 (HOST, PORT and VIDEO2MP3_DATA_DIR are respected)
	@exec $(BIN)/video2mp3 serve $(if $(HOST),--host "$(HOST)") $(if $(PORT),--port "$(PORT)")

.PHONY: install
install: $(RUNTIME) page-if-possible ## Make .venv with what running needs, and the page

.PHONY: page
page: $(PAGE) ## Build the page of web/, where it has changed

.PHONY: page-if-possible
page-if-possible:
	@$(MAKE) --silent --no-print-directory page || echo "The page could not be built, so the service runs without it; everything else works." >&2

.PHONY: dev
dev: $(DEV) ## Make .venv with what developing and testing need

.PHONY: tools
tools: $(DEV) ## Install the programs that the tests use (Debian packages, Postman's runner, a tus client), saying what
	@bash tests/install_tools.sh $(BIN)
	@$(MAKE) --no-print-directory $(CLIENTS) || echo "It could not be, so the test of generated Python clients is skipped."

.PHONY: test
test: tools page ## Run all tests against the tests' own RabbitMQ, MariaDB, S3 and SMTP servers; the page's own beside them
	@mkdir -p build
	@$(if $(ARGS),true,$(NPM) test >build/page-tests.log 2>&1) & page=$$!; \
	$(BIN)/pytest --numprocesses=$(TEST_PROCESSES) --dist=loadfile --no-loadscope-reorder $(ARGS); status=$$?; \
	wait $$page || { status=1; cat build/page-tests.log; }; exit $$status

FAST := accounts database jobs outbound queue storage supply telemetry uploads
.PHONY: test-fast
test-fast: $(DEV) ## Run the tests of what needs no server and no browser, within a minute
	TESTS_FAST=1 $(BIN)/pytest --numprocesses=$(TEST_PROCESSES) --dist=worksteal -r fE $(FAST:%=tests/%) tests/test_*.py $(ARGS)

.PHONY: matrix
matrix: tools ## Compare parallel with sequential encoding in all modes: 106 combinations, ten minutes
	TESTS_MATRIX=1 $(BIN)/pytest tests/engine/test_matrix.py $(ARGS)

.PHONY: timelines
timelines: tools ## Convert 3,600 files with random gaps, offsets, overlaps and wraps, and listen to every second: 20 minutes
	TESTS_TIMELINES=300 $(BIN)/pytest tests/engine/test_timeline_property.py --timeout=3600 $(ARGS)

.PHONY: fuzz
fuzz: fuzz-media fuzz-heads fuzz-api ## All of the next: half an hour

.PHONY: fuzz-media
fuzz-media: tools ## Convert 5,000 mutated files (five minutes; ARGS="--first 1234 --count 1 --keep FOLDER" does one again; VIDEO2MP3_FUZZ_SEEDS names folders with more files)
	$(BIN)/python -m tests.engine.fuzz $(ARGS)

.PHONY: fuzz-heads
fuzz-heads: tools ## Inspect a million generated beginnings of files, as the API does (ten minutes; ARGS="--first 1234 --count 1" does one again)
	$(BIN)/python -m tests.engine.fuzz_heads $(ARGS)

.PHONY: fuzz-api
fuzz-api: tools ## Send what schemathesis makes of the API's description to a real service (ten minutes)
	TESTS_FUZZ_S=600 $(BIN)/pytest tests/described -s $(ARGS)

.PHONY: chaos
chaos: tools ## Kill, cut and fill everything while jobs run, and write docs/reliability.md: a quarter of an hour
	@mkdir -p build && rm -f build/chaos.jsonl
	TESTS_CHAOS=$(CURDIR)/build/chaos.jsonl $(BIN)/pytest tests/chaos --numprocesses=2 --dist=loadfile $(ARGS)
	$(BIN)/python -m tests.chaos.report build/chaos.jsonl

.PHONY: abuse
abuse: tools ## Abuse the service as one account and as a stranger, measure what a second user sees, and write docs/reliability.md: half an hour
	TESTS_ABUSE=1 $(BIN)/pytest tests/abuse $(ARGS)
	$(BIN)/python -m tests.abuse.figures

.PHONY: soak-uploads
soak-uploads: tools ## Cut uploads at 50 places, kill the API 20 times in them, race 100 pairs of writers: two minutes
	TESTS_SOAK_UPLOADS=1 $(BIN)/pytest tests/acceptance/test_resumed_uploads.py tests/api/test_resumable.py $(ARGS)

IMAGE_ARGS = $(if $(BASE),--build-arg BASE=$(BASE)) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(COMMIT) $(ARGS)

.PHONY: image
image: ## Build the container image video2mp3:VERSION (BASE=… another base, DOCKER=… another client, ARGS=… for docker build)
	DOCKER_BUILDKIT=1 $(DOCKER) build $(IMAGE_ARGS) --tag video2mp3:$(VERSION) .

.PHONY: publish
publish: ## Push the image as IMAGE:VERSION and IMAGE:COMMIT (IMAGE=registry.example.com/video2mp3; PLATFORMS=… for several)
	@test -n "$(IMAGE)" || { echo "Say where: make publish IMAGE=registry.example.com/video2mp3" >&2; exit 1; }
ifdef PLATFORMS
	$(DOCKER) buildx build --push --platform $(PLATFORMS) $(IMAGE_ARGS) --tag $(IMAGE):$(VERSION) --tag $(IMAGE):$(COMMIT) .
else
	@$(MAKE) image
	@for tag in $(VERSION) $(COMMIT); do \
	  $(DOCKER) tag video2mp3:$(VERSION) $(IMAGE):$$tag && $(DOCKER) push $(IMAGE):$$tag || exit 1; done
endif

.PHONY: test-image
test-image: tools ## Build the image on Debian's packages; run it, compose.yaml and a rolling update (root, amd64; 15 minutes)
	bash tests/newest_servers.sh
	TESTS_IMAGE=1 $(BIN)/pytest tests/image -s $(ARGS)

.PHONY: test-install
test-install: tools ## Install the package in fresh Debian 12 and 13, with pip, pipx and uv, and use it offline (root; five minutes)
	TESTS_INSTALL=1 $(BIN)/pytest tests/install/test_fresh_systems.py -s $(ARGS)

.PHONY: test-pythons
test-pythons: tools page ## Run the core tests under the Pythons of Debian trixie and sid (root; half an hour; RELEASES=sid: one of them)
	$(BIN)/python -m tests.install.pythons "$(RELEASES)" --numprocesses=$(TEST_PROCESSES) --dist=loadfile $(ARGS)

.PHONY: keep-alive
keep-alive: tools ## Send six requests every 5 s through nginx and Caddy, 600 in all: none may be lost (nine minutes; REQUESTS=…)
	TESTS_KEEP_ALIVE=$(or $(REQUESTS),600) $(BIN)/pytest tests/proxies/test_keep_alive.py -k long_intervals $(ARGS)

.PHONY: screenshots
screenshots: tools page ## Take docs/screenshots: the page in Chromium (half a minute)
	$(BIN)/python -m tests.page.screenshots

.PHONY: docs-site
docs-site: $(SITE) ## Build the documents as a site, in build/site/html; a link that leads nowhere is an error
	@.venv-site/bin/python -m tests.site.staging build/site
	@.venv-site/bin/zensical build --strict --clean --config-file build/site/zensical.toml

.PHONY: screen
screen: tools ## Record docs/convert.svg: a folder is converted in a terminal (half a minute)
	$(BIN)/python -m tests.screen

.PHONY: bench
bench: $(BENCH) ## Compare the engine with ffmpeg and others, and write benchmarks/report/ (an hour; ARGS=--quick: minutes)
	.venv-bench/bin/python -m benchmarks $(ARGS)

# All that uses a database server or a broker; of what runs on SQLite or embedded too, only the others.
WITH_SERVERS := servers queue database jobs accounts uploads worker notify telemetry acceptance chaos \
  abuse/test_administrators.py abuse/test_names.py api/test_first_administrator.py test_loops.py
.PHONY: test-newest
test-newest: tools ## Run what talks to servers against RabbitMQ 4 and MySQL 9, from other Debian releases (root; 1.3 GB)
	servers=$$(bash tests/newest_servers.sh) && env $$servers \
	  $(BIN)/pytest --numprocesses=$(TEST_PROCESSES) --dist=loadfile --no-loadscope-reorder \
	  -k "not sqlite and not embedded" $(WITH_SERVERS:%=tests/%) $(ARGS)

.PHONY: schema-fixture
schema-fixture: tools ## Write tests/database/releases/VERSION: tables and rows of this version, which later versions have to open
	@$(BIN)/python -m tests.database.releases.write

.PHONY: formats
formats: $(BENCH) ## Convert what the newest ffmpeg writes with each encoder into each container, and write docs/formats.md (ten minutes)
	.venv-bench/bin/python -m tests.engine.format_pairs $(ARGS)

.PHONY: bench-jobs
bench-jobs: tools ## Measure claims, relay and reaper with 10,000 jobs waiting, on SQLite and MariaDB
	$(BIN)/python -m benchmarks.claims

.PHONY: bench-throughput
bench-throughput: tools ## Convert 1,000 short clips by the engine alone, embedded and spread (root; five minutes)
	$(BIN)/python -m benchmarks.throughput $(ARGS)

.PHONY: bench-uploads
bench-uploads: tools ## Measure uploads of 5 GB and 200 slow clients, and how soon the MP3 of an hour follows its last byte
	$(BIN)/python -m benchmarks.uploads
	$(BIN)/python -m benchmarks.streaming

.PHONY: bench-sign-ins
bench-sign-ins: tools ## Measure whether a failed sign-in takes as long for a name that nobody has (a minute)
	$(BIN)/python -m benchmarks.sign_ins

.PHONY: bench-page
bench-page: tools page ## Measure how soon the page can be used, and how it scrolls 200 files (two minutes)
	$(BIN)/python -m benchmarks.first_view
	$(BIN)/python -m benchmarks.page_list $(ARGS)

.PHONY: bench-renewals
bench-renewals: $(DEV) ## Measure what it costs to replace the process that conversions are forked from
	$(BIN)/python -m benchmarks.renewals

.PHONY: man
man: $(RUNTIME) ## Write man/video2mp3.1, the manual page, from the help of all commands
	@mkdir -p man
	@$(BIN)/python -m video2mp3.cli.man_page >man/video2mp3.1

.PHONY: clients
clients: tools $(NODE) ## Generate and build clients/typescript from the API's description
	@$(BIN)/python -c 'import json; from video2mp3.api.application import describe; print(json.dumps(describe("http://localhost:8000")))' \
	  >clients/typescript/openapi.json
	@$(NPM) --prefix ../clients/typescript run generate
	@$(NPM) --prefix ../clients/typescript run build

.PHONY: dist
dist: $(RUNTIME) $(PAGE) man ## Build the package in dist/: an sdist with the built page, and the wheel from it
	@rm -rf dist build/lib build/bdist.* src/*.egg-info
	@$(BIN)/python -c 'from setuptools.build_meta import build_sdist; build_sdist("dist")' >/dev/null
	@$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist dist/*.tar.gz
	@ls dist

.PHONY: check-dist
check-dist: dist $(CHECKS) ## Build the package, and check its metadata and README as the package index does
	@.venv-dist/bin/twine check --strict dist/*

.PHONY: formula
formula: ## Write build/video2mp3.rb, a Homebrew formula for what is in dist/ (REPOSITORY=owner/name)
	@test -n "$(REPOSITORY)" || { echo "Say which: make formula REPOSITORY=owner/name" >&2; exit 1; }
	@mkdir -p build
	@sum=$$($(BIN)/python -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' dist/video2mp3_service-$(VERSION).tar.gz) && \
	  sed -e '1d' -e 's|REPOSITORY|$(REPOSITORY)|g' -e 's|VERSION|$(VERSION)|g' -e "s|SHA256|$$sum|" deploy/homebrew/video2mp3.rb >build/video2mp3.rb

.PHONY: release-notes
release-notes: ## Print the changelog's section of this version (VERSION=… of another)
	@sed -n '/^## \[\{0,1\}$(VERSION)\b/,/^## /{/^## /!p}' CHANGELOG.md | grep . || { echo "CHANGELOG.md has no section ## $(VERSION)." >&2; exit 1; }

.PHONY: sbom
sbom: $(DEV) ## Write build/sbom.json: what is shipped and what builds it (CycloneDX), from the lock files, with no network
	@mkdir -p build
	@$(BIN)/python -m tests.supply.sbom build/sbom.json

.PHONY: capacity
capacity: $(BENCH) ## Measure a machine, simulate larger sizes, and write docs/scaling.md's tables and plots (a minute)
	.venv-bench/bin/python -m benchmarks.capacity

.PHONY: lint
lint: $(DEV) $(MODULES) ## Check style, format and the import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(NPM) run lint

.PHONY: types
types: $(DEV) $(MODULES) clients ## Check the types
	$(BIN)/mypy
	$(NPM) run check

.PHONY: format
format: $(DEV) $(MODULES) ## Format the code
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .
	$(NPM) run format

.PHONY: lock
lock: $(DEV) ## Pin the newest dependencies, with hashes, in requirements/*.txt
	@for name in runtime build dev bench web windows dist site clients; do \
	  $(BIN)/pip-compile --quiet --upgrade --no-header --strip-extras --allow-unsafe --generate-hashes \
	    --no-emit-index-url --no-emit-find-links requirements/$$name.in --output-file requirements/$$name.txt; done
	@$(MAKE) --no-print-directory wheels

.PHONY: wheels
wheels: $(DEV) ## Look up the wheels that each system and Python gets of what is pinned, in requirements/wheels.txt (minutes)
	$(BIN)/python -m tests.supply.wheels

.PHONY: clean
clean: ## Remove .venv and all caches; keeps data/
	rm -rf .venv .venv-bench .venv-clients .venv-dist .venv-site .venv-web .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache tests/postman/node_modules tests/tus/node_modules clients/typescript/node_modules \
	  web/node_modules clients/typescript/dist clients/typescript/src/generated src/video2mp3/api/page build dist man src/*.egg-info

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "video2mp3 needs Python 3.11 or newer; name one with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }

$(RUNTIME): .venv/bin/python requirements/runtime.txt requirements/build.txt pyproject.toml
	@echo "Installing video2mp3 in .venv …"
	@$(PIP) install --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): $(RUNTIME) requirements/dev.txt
	@echo "Installing what the tests need in .venv …"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

$(BENCH): .venv/bin/python requirements/runtime.txt requirements/build.txt requirements/bench.txt pyproject.toml
	@echo "Installing what the benchmarks need in .venv-bench …"
	@.venv/bin/python -m venv .venv-bench
	@.venv-bench/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes \
	  -r requirements/build.txt -r requirements/runtime.txt -r requirements/bench.txt
	@.venv-bench/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@

$(NODE) $(CHECKS) $(SITE) $(CLIENTS): .venv-%/.installed: .venv/bin/python requirements/%.txt
	@echo "Installing what requirements/$*.txt pins in .venv-$* …"
	@.venv/bin/python -m venv .venv-$*
	@.venv-$*/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/$*.txt
	@touch $@

$(MODULES): $(NODE) web/package.json web/package-lock.json
	@echo "Installing what web/package.json names …"
	@$(NPM) ci
	@touch $@

# The tests of the page do not change what is built.
$(PAGE): $(MODULES) $(shell find web -path web/node_modules -prune -o -type f -not -name '*.test.ts' -print)
	@echo "Building the page …"
	@$(NPM) run build -- --logLevel=warn
	@touch $@
