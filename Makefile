# The project's commands. Caches and builds live outside the clone: set KOBEL_CACHE to move them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup up test test-rust test-clients leaks lint bench sim clean

XDG_CACHE_HOME ?= $(HOME)/.cache
export KOBEL_CACHE ?= $(XDG_CACHE_HOME)/kobel
export CARGO_TARGET_DIR ?= $(KOBEL_CACHE)/target
export PATH := $(HOME)/.cargo/bin:$(PATH)

PYTEST_ARGS ?=
PYTEST_WORKERS ?= 4
TEMPLATE ?= examples/upload-pipeline/template.yaml
UP_ARGS ?=
SEED ?=

help: ## Show the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what this machine lacks to build and test
	@scripts/setup

up: setup ## Build Kobel and run the example (TEMPLATE=…, UP_ARGS=…)
	cargo build --release -p kobel
	$(CARGO_TARGET_DIR)/release/kobel up $(TEMPLATE) $(UP_ARGS)

test: setup test-rust test-clients ## Run all tests

# Tests take botocore, pytest and the AWS CLI from the virtual environment; Kobel itself does not see it.
test-rust test-clients: export PATH := $(KOBEL_CACHE)/venv/bin:$(PATH)

test-rust: ## Run the tests beside the code
	if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --workspace; else cargo test --workspace; fi

# KOBEL_BIN tests another binary than the one built here.
test-clients: ## Run the official clients against a real server (KOBEL_BIN=…, PYTEST_ARGS=…)
	if [[ -z "$${KOBEL_BIN:-}" ]]; then cargo build -p kobel; fi
	cargo build -p kobel-runtime-client
	KOBEL_BIN="$${KOBEL_BIN:-$(CARGO_TARGET_DIR)/debug/kobel}" pytest -n $(PYTEST_WORKERS) $(PYTEST_ARGS) tests

leaks: setup ## Make and end 20,000 environments, and as many without root: nothing may be left (some minutes)
	KOBEL_LEAK_ENVIRONMENTS=20000 cargo test -q -p kobel-sandbox --test leaks

lint: setup ## Check format, lints, the architecture's invariants and licences
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo run -q -p xtask -- tidy
	if cargo deny --version >/dev/null 2>&1; then cargo deny check; else echo "cargo-deny is not installed: licences were not checked"; fi

bench: setup ## Measure; prints a table and writes a JSON file to bench/results
	cargo build --release -p kobel
	KOBEL_BIN=$(CARGO_TARGET_DIR)/release/kobel bench/run

sim: ## Simulate from a seed (SEED=…), or from the usual seeds
	KOBEL_SIM_SEED=$(SEED) cargo test -p kobel-simulation --test simulation -- --nocapture

clean: ## Remove builds and caches
	rm -rf "$(KOBEL_CACHE)"
