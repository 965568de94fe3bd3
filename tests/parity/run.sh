#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the C library as a distribution would and the Python package as a
# user would, and runs the tests of each language, then those of all of them
# together. `make test-bindings`; arguments go to the last pytest.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
root=$PWD
target=${CARGO_TARGET_DIR:-$root/target}
export IMAGEWRIGHT_FIXTURES=${IMAGEWRIGHT_FIXTURES:-/var/tmp/imagewright-fixtures}
step() { printf '== %s (%ss)\n' "$1" "$SECONDS"; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # some cases run as nobody

step "the C library, installed"
# What `cargo nextest run --features _privileged` builds: nothing twice.
export PARITY_CARGO_FLAGS="--workspace --lib --bins --tests --features _privileged"
make --no-print-directory -C bindings/c install PREFIX="$work/prefix" \
    PROFILE=dev CARGO_FLAGS="$PARITY_CARGO_FLAGS" >"$work/install.log" 2>&1 ||
    { cat "$work/install.log"; exit 1; }
export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig
export LD_LIBRARY_PATH=$work/prefix/lib
# Go keeps what pkg-config said in its cache, and the place is another one in
# every run.
export CGO_LDFLAGS="-g -O2 -L$work/prefix/lib"
cp "$target/debug/imagewright" "$work/imagewright" # as others see it, whole

step "the header is what the sources say"
cbindgen --quiet --config bindings/c/cbindgen.toml --crate imagewright-c \
    --output "$work/imagewright.h" bindings/c
diff -u bindings/c/include/imagewright.h "$work/imagewright.h" ||
    { echo "the header is not fresh: make bindings-header" >&2; exit 1; }

step "drivers of C and Go"
# shellcheck disable=SC2046 # several words
cc -Wall -Wextra -Werror tests/parity/driver.c -o "$work/driver" \
    $(pkg-config --cflags --libs imagewright)
cd bindings/go
unformatted=$(gofmt -l .)
[[ -z $unformatted ]] || { echo "gofmt: $unformatted" >&2; exit 1; }
go vet ./...
go build -o "$work/go-driver" ./internal/driver
step "tests of Go, with the race detector"
go test -race ./...
cd "$root"

step "pip install, of this checkout"
# Debian's Python, with Debian's pytest and mypy.
/usr/bin/python3 -m venv --system-site-packages "$work/venv"
python=$work/venv/bin/python
clean() { rm -rf bindings/python/build bindings/python/src/*.egg-info; }
clean
IMAGEWRIGHT_CARGO_FLAGS=$PARITY_CARGO_FLAGS "$python" -m pip --quiet install \
    --no-index --no-build-isolation ./bindings/python
clean
step "tests of Python, and its types"
"$python" -m mypy --config-file bindings/python/pyproject.toml \
    --cache-dir "$work/mypy" bindings/python/src bindings/python/tests
(cd bindings/python && PYTHONDONTWRITEBYTECODE=1 \
    "$python" -m pytest -q -p no:cacheprovider tests)

step "all of them together"
PARITY_CLI=$work/imagewright PARITY_C=$work/driver PARITY_GO=$work/go-driver \
    PYTHONDONTWRITEBYTECODE=1 \
    "$python" -m pytest -q -p no:cacheprovider --durations=5 tests/parity "$@"
step "done"
