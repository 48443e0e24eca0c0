# What there is to do here. `make` alone says it.
.PHONY: help run console deb screenshots test fuzz bench demo-soak lint deny fmt

TARGET := $(or $(CARGO_TARGET_DIR),target)

help:
	@echo "make run     build, then Pilothouse in front of its own workbench server"
	@echo "make console the web console, which the next build takes into the binary (needs Node)"
	@echo "make screenshots  pictures of each page of the console, in $(TARGET)/screenshots"
	@echo "make deb     the release build with the console, as a package for Debian in $(TARGET)/deb"
	@echo "make test    everything that CI runs (STEP='fmt tidy' for some of it)"
	@echo "make lint    rustfmt, clippy, the workspace's own rules, dependencies"
	@echo "make fmt     format"
	@echo "make fuzz    every fuzz target for 60 s"
	@echo "make bench   the whole benchmark"
	@echo "make demo-soak  the demonstration ten times, then with processes of its server killed"

run:
	@console/build
	cargo build --locked
	@exec $(TARGET)/debug/pilothouse run -- $(TARGET)/debug/pilothouse workbench

console:
	@console/build 1

screenshots: console
	cargo build --locked -p pilothouse
	@PILOTHOUSE_BIN=$(abspath $(TARGET)/debug/pilothouse) SHOTS=$(abspath $(TARGET)/screenshots) tests/e2e/console/run shots

deb: console
	cargo build --locked --release -p pilothouse
	@PILOTHOUSE_BIN=$(abspath $(TARGET)/release/pilothouse) packaging/deb $(TARGET)/deb

test:
	@.ci/steps $(STEP)

lint:
	@.ci/steps tools fmt clippy tidy deny

deny:
	@.ci/steps tools deny

fmt:
	cargo fmt --all
	cargo fmt --manifest-path fuzz/Cargo.toml

fuzz:
	cargo xtask fuzz --seconds 60

bench:
	cargo build --locked --release -p pilothouse -p ph-bench
	bench/run

demo-soak:
	cargo build --locked --release -p pilothouse
	tests/soak/demo --runs 10 --kills 10 --load 1
