# Unspool's front door. Every target installs what it is missing first (Debian packages, Rust) and says so.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test bench lint setup clean

# Options for the demo, for example: make demo DEMO_ARGS="--help"
DEMO_ARGS ?=
# Legs of the tests to run, for example: make test LEGS=rust
LEGS ?=
# Options for the benches.
BENCH_ARGS ?= all

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Fetch real video ahead, play it, record impressions, play again with the network gone
	@scripts/setup.sh build
	@scripts/cargo.sh run --release -p unspool-demo -- $(DEMO_ARGS)

test: ## Run every test and print one closing line with the counts
	@scripts/setup.sh build
	@scripts/test.sh $(LEGS)

bench: ## Measure, and write target/reports/bench.html
	@scripts/setup.sh build
	@scripts/bench.sh $(BENCH_ARGS)

lint: ## Check format, lints, docs, licences and the house rules
	@scripts/setup.sh lint
	@scripts/lint.sh

setup: ## Install everything the other targets need
	@scripts/setup.sh all

clean: ## Remove what was built and what the demo stored
	@scripts/cargo.sh clean
	@rm -rf .state
