# Unspool's front door. Every target installs what it is missing first (Debian packages, Rust) and says so.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo demo-check test bench lint setup clean

# Options for the demo, for example: make demo DEMO_ARGS="--help"
DEMO_ARGS ?=
# A folder of videos of one's own, for example: make demo MEDIA=~/Videos
MEDIA ?=
# Legs of the tests to run, for example: make test LEGS=rust
LEGS ?=
# Options for the benches.
BENCH_ARGS ?= all

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## A phone in the browser and what the core does beside it; real video, a network to break
	@scripts/setup.sh build
	@scripts/cargo.sh run --release -p unspool-demo -- $(if $(MEDIA),--media "$(MEDIA)") $(DEMO_ARGS)

demo-check: ## Drive the demo's page in a headless browser; pictures go to target/demo
	@scripts/setup.sh build
	@scripts/test.sh demo

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
