# Unspool's front door. Every target installs what it is missing first (Debian packages, Rust) and says so.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo demo-check test bench lint docs size release check-mobile setup clean

# Options for the demo, for example: make demo DEMO_ARGS="--help"
DEMO_ARGS ?=
# A folder of videos of one's own, for example: make demo MEDIA=~/Videos
MEDIA ?=
# Legs of the tests to run, for example: make test LEGS=rust
LEGS ?=
# Options for the benches.
BENCH_ARGS ?= all
# Languages of the reference to write, for example: make docs DOCS="kotlin swift"
DOCS ?=
# Options for the release, for example: make release RELEASE_ARGS=--no-size
RELEASE_ARGS ?=
# Options for the weighing, for example: make size SIZE_ARGS=--record
SIZE_ARGS ?=

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

docs: ## Write the reference of every language; target/docs/index.html leads to them
	@scripts/setup.sh build
	@scripts/docs.sh $(DOCS)

size: ## Weigh the library with and without GStreamer against docs/size.csv, and say what is big
	@scripts/setup.sh build
	@scripts/size.sh $(SIZE_ARGS)

check-mobile: ## Check the core for the processors of phones: Android, iPhone, and its tests on 64-bit ARM
	@scripts/setup-rust.sh
	@scripts/check-mobile.sh $(MOBILE)

release: ## Build the release folder: what this machine can, and the names of the tools that are missing
	@scripts/setup.sh build
	@scripts/release.sh $(RELEASE_ARGS)

setup: ## Install everything the other targets need
	@scripts/setup.sh all

clean: ## Remove what was built and what the demo stored
	@scripts/cargo.sh clean
	@rm -rf .state
