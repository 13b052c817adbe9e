# `make test` runs everything, `make bench-quick` measures, `make run` starts the quickstart.
.DELETE_ON_ERROR:

CLIENTS := tests/clients
# Scenarios and options of the bench: make bench-quick ARGS='stalled --seconds 60 --rounds 1'
ARGS ?=

.PHONY: test tools bench-quick lint doc deny run clean-tools

test: tools
	cargo test --locked

# What the tests talk to: nats-server, npm clients, a browser.
tools: $(CLIENTS)/node_modules/.package-lock.json
	sh scripts/tools.sh
	sh scripts/browser.sh

$(CLIENTS)/node_modules/.package-lock.json: $(CLIENTS)/package.json $(CLIENTS)/package-lock.json
	npm ci --prefix $(CLIENTS) --no-audit --no-fund --loglevel=error
	touch $@

# The build is a step of its own, so that it is not part of the measured time.
bench-quick:
	cargo bench --locked --bench bench_quick --no-run
	cargo bench --locked --bench bench_quick -- $(ARGS)

lint:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps

# cargo-deny is built once into .tools and found there again. Unoptimised: it runs for a second and would
# build for minutes.
deny: .tools/bin/cargo-deny
	.tools/bin/cargo-deny check licenses bans sources

.tools/bin/cargo-deny:
	CARGO_TARGET_DIR=.tools/target cargo install --debug --locked --root .tools --version 0.20.2 cargo-deny
	rm -rf .tools/target

run:
	cargo run --release --example quickstart

clean-tools:
	rm -rf .tools $(CLIENTS)/node_modules
