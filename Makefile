# SPDX-License-Identifier: Apache-2.0
# The developer's habits. Run as root: loop devices, mounts and namespaces
# are what this project is about.

SHELL := /bin/bash
FIXTURES := $(abspath fixtures)
export IMAGEWRIGHT_FIXTURES ?= /var/tmp/imagewright-fixtures

.PHONY: demo test test-slow test-bindings bindings-header test-corpus fuzz fuzz-short check bench setup fixtures docs clean

## A base image, and the main job on it.
demo: root
	$(FIXTURES)/setup.sh build image boot
	$(FIXTURES)/base-image.sh
	cargo build --release
	$(FIXTURES)/demo.sh target/release/imagewright

## Every test, the privileged ones included.
test: root setup fixtures nextest
	cargo nextest run --features _privileged --profile default
	cargo test --doc --features _privileged
	$(MAKE) test-bindings

## Soak: more kills, more broken images than for every change.
test-slow: root setup fixtures nextest
	for round in 1 2 3 4 5; do \
	    cargo nextest run --features _privileged -E 'test(kill::)' || exit 1; \
	done
	$(FIXTURES)/base-image.sh --root-fs xfs --boot-fs xfs
	$(FIXTURES)/base-image.sh --root-fs btrfs
	cargo nextest run --features _privileged --run-ignored only \
	    -E 'test(privileged_boot_of_debian)'
	$(FIXTURES)/setup.sh arm64
	$(FIXTURES)/arm64-image.sh
	$(FIXTURES)/arm64-image.sh --bootable
	cargo nextest run --features _privileged --run-ignored only \
	    -E 'test(privileged_foreign)'
	$(FIXTURES)/rpm-root.sh fedora-43 centos-10 amazon-2023 centos-8-mbr \
	    tumbleweed
	cargo nextest run --features _privileged --run-ignored only \
	    -E 'test(privileged_rpm) | test(privileged_lock_images)'
	IMAGEWRIGHT_KILLS=20 cargo nextest run --features _privileged \
	    -E 'test(compact::kill)'
	IMAGEWRIGHT_CASES=300 cargo nextest run --features _privileged \
	    -E 'test(image_random)'
	IMAGEWRIGHT_MUTATIONS=20000 MUTATION_SEED=$$RANDOM cargo nextest run \
	    -E 'test(hostile) | test(mutation)'
	$(FIXTURES)/setup.sh peer
	$(FIXTURES)/peer-kernel.sh
	cargo nextest run --features _privileged --run-ignored only \
	    --no-capture -E 'test(/^peer_/)'

## C, Python and Go: their own tests, and the same cases in all of them.
test-bindings: root setup fixtures cbindgen
	$(FIXTURES)/setup.sh bindings
	tests/parity/run.sh

## The C header, anew.
bindings-header: cbindgen
	cbindgen --quiet --config bindings/c/cbindgen.toml \
	    --crate imagewright-c --output bindings/c/include/imagewright.h \
	    bindings/c

## Tests over files that are not ours to commit: make test-corpus CORPUS=dir
test-corpus: nextest
	@test -d "$(CORPUS)" || { echo "usage: make test-corpus CORPUS=dir" >&2; exit 2; }
	IMAGEWRIGHT_CORPUS="$(abspath $(CORPUS))" cargo nextest run \
	    --features _privileged --test corpus --run-ignored only

## Every parser and reader, on bytes that libFuzzer makes up.
## One target: make fuzz TIME=900 TARGETS=image_qcow2
fuzz: setup
	tests/fuzz/run.sh $(or $(TIME),900) $(TARGETS)

## Two seconds each, of the same random numbers each time, with the dependencies
## as `make test` has built them.
fuzz-short: setup
	PROFILE=dev SEED=1 tests/fuzz/run.sh 2

## What must be clean before a commit.
check: setup-build deny
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	cargo clippy --no-default-features --lib -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features
	cargo deny --config .deny.toml check bans licenses sources

## Phase times of the main job, and the copier against qemu-img.
bench: root setup fixtures
	cargo bench

## Man page and shell completions, into target/assets.
docs:
	cargo run -q -- assets --output target/assets

setup: setup-build
	$(FIXTURES)/setup.sh image boot

setup-build:
	$(FIXTURES)/setup.sh build

fixtures:
	$(FIXTURES)/base-image.sh
	$(FIXTURES)/tiny-root.sh
	$(FIXTURES)/kubernetes.sh
	$(FIXTURES)/ubuntu-shaped.sh
	$(FIXTURES)/sbom-tools.sh
	$(FIXTURES)/rpm-root.sh fedora centos-9

root:
	@test "$$(id -u)" = 0 || { echo "run it as root: sudo make $(MAKECMDGOALS)" >&2; exit 1; }

nextest:
	@command -v cargo-nextest >/dev/null || cargo install --locked cargo-nextest

# Without optimisation they are there sooner, and fast enough for one crate.
cbindgen:
	@command -v cbindgen >/dev/null || cargo install --locked --debug cbindgen

deny:
	@command -v cargo-deny >/dev/null || cargo install --locked --debug cargo-deny

clean:
	cargo clean

.PHONY: root nextest deny cbindgen setup-build
