# Every command of the README is a target here, and CI runs the same. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
CARGO ?= cargo
VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml | head -n 1)
PROGRAMS   := mcp-server dev-idp mcp-auth
WASM_BUILT := $(TARGET_DIR)/wasm32-wasip1/wasm/mcp_auth_filter.wasm
# Panics name source files; where those lie on this machine is nobody's business and would make the
# bytes differ. Functions are copied into their callers up to the size of 60, not 250: 44 KB less, and
# only Ed25519 takes longer for it.
WASM_FLAGS = --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=cargo --remap-path-prefix=$(CURDIR)=. \
	-C llvm-args=-inline-threshold=60
DEMO = $(TARGET_DIR)/release/mcp-demo
DEMO_ARGS = --envoy "$$(scripts/setup-envoy.sh)" --dist dist --envoy-config envoy/demo.yaml --state-dir .run
PYTEST_ARGS ?= -n 2
TRIALS = PYTHONPATH=tests:tests/blackbox ENVOY="$$(scripts/setup-envoy.sh)" .venv/bin/python
BENCH_ARGS ?= --write

.PHONY: help setup build wasm programs dist demo up down test test-unit test-wasm test-blackbox test-compose test-compose-local differential faults exhaustion memcheck fuzz lint-fuzz collisions
.PHONY: bench bench-breakdown bench-footprint bench-wasm bench-sidecar bench-oauth bench-core bench-instructions scale lint fmt docs screenshots
.PHONY: release release-check deny unsafe clean
.PHONY: setup-wasm setup-wasm-tools setup-wasm-tests setup-envoy setup-tests setup-bench demo-binary

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' Makefile

setup: setup-wasm setup-wasm-tools setup-wasm-tests setup-envoy setup-tests ## Install what the other targets need (they do so by themselves)

build: ## Build every native crate, for development
	cargo build --workspace

wasm: setup-wasm setup-wasm-tools ## Build the filter into dist/mcp_auth_filter.wasm
	CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="$(WASM_FLAGS)" \
		cargo build --profile wasm --target wasm32-wasip1 -p mcp-auth-filter
	@mkdir -p dist
	@$(MAKE) dist/mcp_auth_filter.wasm
	@scripts/check-wasm-imports.py dist/mcp_auth_filter.wasm

dist/mcp_auth_filter.wasm: $(WASM_BUILT) tools/wasm/shrink.mjs tools/wasm/package-lock.json Cargo.toml
	node tools/wasm/shrink.mjs $< $@ $(VERSION)

programs: ## Build the programs, optimised, into dist/
	$(CARGO) build --release $(addprefix -p ,$(PROGRAMS))
	@mkdir -p dist
	@cd $(TARGET_DIR)/release && cp $(PROGRAMS) $(CURDIR)/dist/

dist: wasm programs ## Build the filter and the programs, optimised, into dist/
	@ls -1 dist/

demo: setup-envoy dist demo-binary ## Show the main job: logins, refusals and key rotation through a real Envoy
	@$(DEMO) run $(DEMO_ARGS)

up: setup-envoy dist demo-binary ## Start the demo's stack and leave it running for your own MCP client
	@$(DEMO) up $(DEMO_ARGS)

down: setup-envoy demo-binary ## Stop what `make up` started
	@$(DEMO) down $(DEMO_ARGS)

test: test-unit test-wasm test-blackbox ## Run every test

test-unit: ## Test the core, the filter and the programs natively
	cargo test --workspace

test-wasm: setup-wasm-tests ## Test the core as WebAssembly, in Node
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$(CURDIR)/.tools/bin/wasm-bindgen-test-runner \
		cargo test -p auth-core --target wasm32-unknown-unknown --test wasm

test-blackbox: setup-envoy setup-tests dist ## Test the built filter in a real Envoy (PYTEST_ARGS="-k name")
	cargo build -p forgeries -p rmcp-oauth-client -p signature-vectors
	cargo build --profile wasm --target wasm32-wasip1 -p verifier-probe
	PATH="$(CURDIR)/.tools/bin:$$PATH" ENVOY="$$(scripts/setup-envoy.sh)" \
	FORGERIES_BIN=$(TARGET_DIR)/debug/forgeries \
	RMCP_CLIENT_BIN=$(TARGET_DIR)/debug/rmcp-oauth-client \
	SIGNATURE_VECTORS_BIN=$(TARGET_DIR)/debug/signature-vectors \
	VERIFIER_PROBE_WASM=$(dir $(WASM_BUILT))verifier_probe.wasm \
		.venv/bin/pytest -c tests/pytest.ini tests/blackbox $(PYTEST_ARGS)

test-compose: setup-tests ## Build all images and try examples/docker-compose, in this machine's Docker
	scripts/test-compose.sh

test-compose-local: setup-tests setup-envoy ## The same on Debian without Docker or an image registry: engine and base images are made here
	scripts/local-docker.sh scripts/test-compose.sh

faults: setup-envoy setup-tests dist ## Let Redis, provider and sidecar fail under load, judge every answer (FAULT_MINUTES=20 SEED=n FAULT_ARGS=--logins)
	$(TRIALS) -m faults --minutes $${FAULT_MINUTES:-20} --seed $${SEED:-1} --plot $(TARGET_DIR)/faults-memory.svg $(FAULT_ARGS)

memcheck: setup-tests setup-bench programs ## Look for memory errors and leaks: core's tests and logins under valgrind (MEMCHECK_ARGS="--help")
	PYTHONPATH=tests:tests/blackbox .venv/bin/python -m memcheck --core "$$(cargo test -q -p auth-core --test rules \
		--no-run --message-format=json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)" $(MEMCHECK_ARGS)

exhaustion: setup-envoy setup-tests dist ## Flood gateway and sidecar, hold memory and upstream calls against their bounds
	$(TRIALS) -m floods

differential: ## Compare the filter with three other verifiers over 50,000 mutated tokens (MUTATIONS=n SEED=n)
	MUTATIONS=$${MUTATIONS:-50000} $(MAKE) test-blackbox PYTEST_ARGS="-k differential"

bench: setup-envoy setup-tests setup-bench wasm ## Measure what the filter adds to a request, beside Envoy's own (BENCH_ARGS="--help")
	ENVOY="$$(scripts/setup-envoy.sh)" PYTHONPATH=tests/blackbox:benches .venv/bin/python -m gateway $(BENCH_ARGS)

bench-breakdown: setup-envoy setup-tests setup-bench wasm ## Measure which part of the filter costs what
	ENVOY="$$(scripts/setup-envoy.sh)" PYTHONPATH=tests/blackbox:benches .venv/bin/python -m gateway.breakdown $(BENCH_ARGS)

bench-footprint: setup-envoy setup-tests setup-bench wasm ## Measure what the filter takes of Envoy's start and memory
	ENVOY="$$(scripts/setup-envoy.sh)" PYTHONPATH=tests/blackbox:benches .venv/bin/python -m gateway.footprint $(BENCH_ARGS)

bench-wasm: wasm ## Count what the built filter asks of a host, fail if it grows; time it in Node (WASM_BENCH="--write", "OTHER.wasm")
	node --no-liftoff --no-wasm-lazy-compilation benches/wasm/main.mjs dist/mcp_auth_filter.wasm $(WASM_BENCH)

bench-sidecar: setup-tests setup-bench programs ## Measure mcp-auth beside redis-benchmark (BENCH_ARGS="--minutes 30": its memory)
	PYTHONPATH=tests/blackbox:benches .venv/bin/python -m sidecar $(BENCH_ARGS)

bench-oauth: setup-tests setup-bench programs ## Measure logins of mcp-auth beside FastMCP's
	PYTHONPATH=tests/blackbox:benches .venv/bin/python -m oauth $(BENCH_ARGS)

scale: ## Simulate a thousand gateways with the real core: the tables of docs/scale.md
	cargo run --quiet --release -p scale

bench-core: ## Measure how long the core's decisions take natively
	cargo bench -p core-bench

bench-instructions: setup-bench ## Count the instructions of the core's decisions, and fail if they have grown
	cargo build --release -p core-bench
	@python3 benches/core/instructions.py $(TARGET_DIR)/release/core-bench $(COUNT_ARGS)

lint-fuzz: ## Check formatting and lints of the fuzz targets, which are a workspace of their own
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	CARGO_TARGET_DIR=$(TARGET_DIR) cargo clippy --manifest-path fuzz/Cargo.toml --all-targets -- -D warnings

fuzz: lint-fuzz ## Fuzz all that reads what outsiders send, FUZZ_SECONDS=180 a target, two at a time
	@scripts/fuzz.sh

collisions: ## Find a username that gets another user's id of 8 digits, and say how long it took
	cargo run -q --release -p core-bench --bin collisions

lint: setup-tests ## Check formatting and lints, of Rust, Python and shell
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	.venv/bin/ruff format --config tests/ruff.toml --check --quiet tests benches
	.venv/bin/ruff check --config tests/ruff.toml --quiet tests benches
	@scripts/check-crates.py >/dev/null
	cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
	@for script in scripts/*.sh examples/*/*.sh .ci/run; do bash -n "$$script"; done

fmt: setup-tests ## Format the sources
	cargo fmt --all
	.venv/bin/ruff format --config tests/ruff.toml --quiet tests benches

screenshots: ## Take the pictures of docs/images anew, in the tests' browser
	$(MAKE) test-blackbox PYTEST_ARGS="-k 'consent_lies_well or every_page_lies_well'"
	@mkdir -p docs/images
	@for scheme in light dark; do \
		cp tests/screenshots/oauth-consent-1280-$$scheme.png docs/images/consent-$$scheme.png; \
		cp tests/screenshots/page-filtered-1280-$$scheme.png docs/images/sessions-$$scheme.png; \
	done

docs: ## Write docs/reference anew, from the programs themselves
	UPDATE_REFERENCE=1 cargo test -q -p mcp-auth --test reference

release: ## Build what is published of this version into release/: archives, SBOMs, checksums
	@scripts/release.sh

release-check: ## The same, built twice in different folders, which has to give the same bytes
	@scripts/release.sh --twice

deny: ## Check dependencies: advisories, licences, sources (builds cargo-deny at the first call)
	@scripts/deny.sh

unsafe: ## Count `unsafe` in our crates, and check that none is exempt from the lints that forbid it
	@scripts/check-crates.py

clean: ## Remove what was built, installed or started in this folder
	cargo clean
	rm -rf dist release .run .tools .venv tests/node/node_modules tests/screenshots tools/wasm/node_modules

setup-wasm:
	@scripts/setup-wasm-target.sh

setup-wasm-tools:
	@scripts/setup-wasm-tools.sh

setup-wasm-tests:
	@scripts/setup-wasm-target.sh wasm32-unknown-unknown
	@scripts/setup-wasm-tests.sh

setup-envoy:
	@scripts/setup-envoy.sh >/dev/null

setup-tests:
	@scripts/setup-test-tools.sh

setup-bench:
	@scripts/setup-bench.sh

demo-binary:
	cargo build --release -p mcp-demo
