# `make run` starts the quickstart, `make build` builds the router, `make test` runs everything, `make fuzz` looks for what no test
# thought of; `make bench-quick`, `make bench-queries`, `make bench-matching` and `make bench-brokers` measure.
.DELETE_ON_ERROR:

CLIENTS := tests/clients
# The reference that composition is held against: a tool of the tests under a licence of its own, never shipped.
REFERENCE := tests/composition
# Scenarios and options of a bench: make bench-quick ARGS='stalled --seconds 60 --rounds 1'
ARGS ?=
# How long each fuzz target runs.
SECONDS ?= 30

.PHONY: run build test headers tools fuzz bench-quick bench-queries bench-matching bench-brokers lint doc deny clean-tools

# The first command: wants Rust, a C compiler and make, and nothing else. So it goes without Kafka, whose client needs more, and
# without optimisation, which takes minutes.
run:
	cargo run --locked --profile quickstart --no-default-features --example quickstart

# The router for production, with Kafka: target/release/juga.
build: headers
	cargo build --locked --release

# Several binaries at a time; `cargo test` runs one after the other.
test: headers tools
	sh scripts/test.sh

# What the build needs beside Rust.
headers:
	sh scripts/headers.sh

# What the tests talk to: nats-server, Redis, Kafka, npm clients, a browser, a proxy.
tools: $(CLIENTS)/node_modules/.package-lock.json $(REFERENCE)/node_modules/.package-lock.json
	sh scripts/tools.sh
	sh scripts/browser.sh
	sh scripts/nginx.sh
	sh scripts/redis.sh
	sh scripts/kafka.sh

tests/%/node_modules/.package-lock.json: tests/%/package.json tests/%/package-lock.json
	npm ci --prefix tests/$* --no-audit --no-fund --loglevel=error
	touch $@

# The build is a step of its own, so that it is not part of the measured time.
bench-quick:
	cargo bench --locked --bench bench_quick --no-run
	cargo bench --locked --bench bench_quick -- $(ARGS)

bench-queries:
	cargo bench --locked --bench bench_queries --no-run
	cargo bench --locked --bench bench_queries -- $(ARGS)

bench-matching:
	cargo bench --locked --bench bench_matching --no-run
	cargo bench --locked --bench bench_matching

bench-brokers:
	cargo bench --locked --bench bench_brokers --no-run
	cargo bench --locked --bench bench_brokers -- $(ARGS)

# Needs a C++ compiler beside the stable Rust that everything else needs; see fuzz/README.md.
fuzz:
	sh fuzz/run.sh $(SECONDS)

lint: headers
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --locked --manifest-path fuzz/Cargo.toml --target-dir target -- -D warnings

doc: headers
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps

# cargo-deny is built once into .tools and found there again. Unoptimised: it runs for a second and would
# build for minutes.
deny: .tools/bin/cargo-deny
	.tools/bin/cargo-deny check licenses bans sources

.tools/bin/cargo-deny:
	CARGO_TARGET_DIR=.tools/target cargo install --debug --locked --root .tools --version 0.20.2 cargo-deny
	rm -rf .tools/target

clean-tools:
	rm -rf .tools $(CLIENTS)/node_modules $(REFERENCE)/node_modules
