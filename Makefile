# The two commands of the README are `make demo` and `make test`; `make help` lists the rest.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV := .uv/uv
BIN := .venv/bin
# Three at a time on two cores, each with a Spark and emulators of its own: one of them waits for a process or a service.
# The one that is done takes from the others' parts.
WORKERS ?= 3
# Bytecode is kept, with that of the processes that tests and benchmarks start, also where Python is told to keep none: compiling all
# that they import takes a test process half a minute in each of the two calls.
KEPT := PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX=$(CURDIR)/.pytest_cache/d/start_up/bytecode
PYTEST := $(KEPT) $(BIN)/pytest -n $(WORKERS) --dist worksteal --durations 25 --durations-min 1
export UV_PROJECT_ENVIRONMENT := .venv

.DEFAULT_GOAL := help
.PHONY: help setup demo deploy destroy rehearse test check unit running spark integration e2e soak athena explore audit format commands notebooks bench bench-scale bench-reference bench-replicate bench-capture bench-backfill dist clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

setup: .venv/.locked ## the environment in .venv, with the streamjoin command in it

.venv/.locked: pyproject.toml uv.lock scripts/bootstrap_uv.py
	@$(PYTHON) scripts/bootstrap_uv.py
	@$(UV) sync --frozen --all-extras --python $(PYTHON) --quiet
	@touch $@

.venv/.jars: .venv/.locked # fetched once, before several processes would do it at the same time
	@$(BIN)/python -c "from streamjoin.spark.session import local_session; local_session(s3=True).stop()" 2> /dev/null
	@touch $@

demo: setup ## the main job on this machine: Kinesis, DynamoDB, Hudi, query; ARGS="--dataset flights"
	@$(BIN)/streamjoin demo $(ARGS)

# Parameters and files of an environment: infra/environments/. Docs: docs/deploy.md.
ENV ?= dev

deploy: setup ## make the stacks of an environment what its file says; ENV=prod; RELEASE=0.1.0-1a2b3c4d deploys an earlier one
	@$(BIN)/python scripts/deploy.py deploy --env $(ENV) --release "$(RELEASE)"

destroy: setup ## delete the stacks of an environment; ENV=prod; YES=1 doesn't ask
	@$(BIN)/python scripts/deploy.py destroy --env $(ENV) $(if $(YES),--yes)

rehearse: .venv/.jars ## deploy, run, look and destroy on this machine's emulators, as `make deploy` does on AWS; ENV=prod
	@$(BIN)/python scripts/rehearse.py --env $(ENV)

test: .venv/.jars ## everything that CI checks; says at the end how long each part took
	@$(BIN)/python -m tests.services.ahead > /dev/null 2>&1 & \
	begin=$$(date +%s); took=; for part in check unit running; do \
	  since=$$(date +%s); $(MAKE) --no-print-directory $$part || exit 1; took="$$took $$part $$(($$(date +%s) - since)) s,"; \
	done; echo "make test:$$took in all $$(($$(date +%s) - begin)) s"

# Beside the others mypy costs nothing on two cores.
check: setup ## ruff, mypy strict, import rules
	@$(BIN)/mypy & mypy=$$!; $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports; \
	others=$$?; wait $$mypy && exit $$others

unit: setup ## tests without Spark and network
	@$(PYTEST) tests/unit

# One call, so that Spark and the services start once and no worker waits for the last test of a tier.
running: .venv/.jars ## the next three, at once
	@$(PYTEST) tests/e2e tests/integration tests/spark

spark: .venv/.jars ## tests on a local Spark
	@$(PYTEST) tests/spark

integration: .venv/.jars ## tests on the emulators
	@$(PYTEST) tests/integration

e2e: .venv/.jars ## jobs as processes, killed and started again
	@$(PYTEST) tests/e2e

soak: setup ## the job killed at 50 random instants (30 min); SOAK_KILLS=10 make soak
	@$(BIN)/pytest tests/soak -s

athena: .venv/.jars ## Trino, the engine under Athena, reads the tables by their entries in a catalog (800 MB once)
	@$(BIN)/pytest tests/athena -v

explore: setup ## the property tests without Spark, with examples that no run had before
	@$(PYTEST) tests/unit --hypothesis-profile=exploring

audit: setup ## known advisories against the locked dependencies; if no database answers, their dates
	@$(BIN)/python scripts/audit.py $(ARGS)

format: setup ## let ruff format and sort
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

commands: setup ## docs/commands.md, from the program's own help
	@$(BIN)/python scripts/commands.py

notebooks: .venv/.jars ## run each notebook, and keep in it what it prints and draws
	@$(BIN)/python scripts/notebooks.py

bench: .venv/.jars ## every goal measured and checked (about 19 min); QUICK=1 (4 min); ARGS="--parts steady"; writes benchmarks/out/
	@$(KEPT) $(BIN)/python -m benchmarks.summary $(ARGS)

bench-scale: .venv/.jars ## batches as rows, reference items, shards and commits grow (45 min); writes benchmarks/out/
	@$(KEPT) $(BIN)/python -m benchmarks.scale $(ARGS)

bench-reference: setup ## a changing reference of 500,000 items: cost, memory, rewriting; ARGS="--parts cost"
	@$(KEPT) $(BIN)/python -m benchmarks.changing_reference $(ARGS)

bench-replicate: setup ## MariaDB to DynamoDB: load, time from commit to item, bulk, replay; ARGS="--rows 20000"
	@$(KEPT) $(BIN)/python -m benchmarks.replicate $(ARGS)

bench-backfill: setup ## a table or an export into the lake: rows/s, memory, read units; ARGS="--items 100000"
	@$(KEPT) $(BIN)/python -m benchmarks.backfill $(ARGS)

bench-capture: setup ## batches of the capture beside those of the main job; ARGS="--batches 4"
	@$(KEPT) $(BIN)/python -m benchmarks.capture $(ARGS)

dist: setup ## what others install, in dist/: wheel, zip, a bundle for each release of Glue (200 MB); ARGS="--no-bundles"
	@$(BIN)/python scripts/dist.py $(ARGS)

clean: ## remove what make made
	rm -rf .venv .uv .demo build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
