# Hasten. `make help` lists the targets.
SHELL := /bin/sh
BIN := .venv/bin
PY := $(BIN)/python
SOURCES := libs/hasten_plane libs/hasten_policy libs/hasten_plan libs/hasten_runtime libs/hasten_client libs/hasten_cli libs/hasten_sim services tests loadtest examples tools clients/python
TYPED := libs/hasten_policy/src libs/hasten_plan/src libs/hasten_runtime/src libs/hasten_client/src libs/hasten_cli/src libs/hasten_sim/src services/autoscaler/src services/router/src services/scheduler/src services/worker/src tools loadtest examples clients/python
MODELS ?= examples/models
WORKERS ?= 2
TESTS ?= tests
ARGS ?=
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup servers demo up test bench plane-check evaluation evaluation-scale evaluation-all compiled check format lint types imports protos protos-check clients clients-protos clients-test client client-check docs docs-check tidy models clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Prepare .venv (done by every other target by itself)
	@tools/setup.sh

servers: setup ## Find or fetch the real Redis and Consul that the tests use
	@$(PY) tools/fetch_servers.py

demo: setup ## Run the mesh on real models: answers, timing, and what overload does
	@$(PY) -m examples.demo

up: setup ## Run the mesh here until Ctrl-C (MODELS=dir WORKERS=n ARGS='--port 9001')
	@$(BIN)/hasten up --models $(MODELS) --workers $(WORKERS) $(ARGS)

# Many containers set PYTHONDONTWRITEBYTECODE: every process of the tests would compile them again.
test: export PYTHONDONTWRITEBYTECODE :=
test: servers ## Every test, against real Redis and real Consul (TESTS=path for some)
	@$(PY) -m pytest -q -n 3 $(TESTS)

bench: setup ## Measure the router's hop, next to bare gRPC and bare onnxruntime
	@$(PY) -m loadtest.hop

evaluation: setup ## Measure what is claimed of the decisions; writes docs/evaluation/ (15 minutes)
	@$(PY) -m loadtest.evaluation $(ARGS)

evaluation-scale: setup ## A thousand workers, ten million requests; writes docs/evaluation/scale.md
	@$(PY) -m loadtest.scale $(ARGS)

evaluation-all: evaluation evaluation-scale ## Every page of docs/evaluation/ (an hour)

compiled: setup ## Compile the policies with mypyc into .run/compiled, for long simulations
	@$(PY) tools/compile_policies.py

check: setup ## Format, lint, types, import contracts, generated code and docs, sizes
	@$(MAKE) --no-print-directory lint types imports protos-check client-check docs-check plane-check tidy

format: setup ## Format the sources
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix --quiet $(SOURCES)

lint: setup ## Format check and lint
	@$(BIN)/ruff format --check --quiet $(SOURCES) || { echo 'not formatted: run `make format`'; exit 1; }
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/buf lint protos

types: setup ## mypy strict everywhere, pyright strict on the policies
	@$(BIN)/mypy $(TYPED)
	@$(BIN)/pyright

imports: setup ## Who may import whom
	@$(BIN)/lint-imports

protos: setup ## Write the Python stubs of protos/ again
	@$(PY) tools/protos.py

protos-check: setup ## Stubs are current, and no released message was broken
	@$(PY) tools/protos.py --check
	@$(PY) tools/protos_breaking.py

clients-protos: setup ## Write the stubs that clients/ has committed again (needs Go, and Java's plugin for gRPC)
	@$(BIN)/buf generate
	@cp clients/service_config.json clients/go/service_config.json

clients: setup ## Build the clients in clients/ whose toolchains are here
	@$(PY) -m tests.clients --build

clients-test: setup ## Every client in clients/ against every row of clients/features, as a table (ARGS=go for one)
	@$(PY) -m tests.clients $(ARGS)

client: setup ## Write the synchronous client again, from the asyncio one
	@$(PY) tools/sync_client.py

client-check: setup ## The synchronous client is current
	@$(PY) tools/sync_client.py --check

docs: setup ## Write the generated pages of docs/ again
	@$(PY) -m hasten_runtime.error_docs > docs/errors.md
	@$(PY) -m hasten_sim.workload.document > docs/workloads.md
	@$(PY) tools/house_map.py --write docs/architecture.md

docs-check: setup ## Generated pages of docs/ are current
	@$(PY) -m hasten_runtime.error_docs --check docs/errors.md
	@$(PY) -m hasten_sim.workload.document --check docs/workloads.md
	@$(PY) tools/house_map.py --check docs/architecture.md

tidy: setup ## No file and no function is too long to read, no test sleeps, no strays
	@$(PY) -m pytest -q tests/test_tidy.py

plane-check: setup ## The native transport: format and lints of its Rust, where cargo is
	@tools/plane.sh check

models: setup ## Train the example models again (fetches scikit-learn)
	@tools/uv.sh run --frozen --inexact --extra cpu --extra local --group train python -m examples.train

clean: ## Remove everything that was fetched or built here
	rm -rf .venv .tools .run .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache clients/node/node_modules clients/*/target clients/*/build
