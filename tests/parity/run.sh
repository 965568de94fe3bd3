#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the library and the drivers, runs the tests of each language, then
# the cases that all of them share. `make test-bindings`.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
export IMAGEWRIGHT_LIBRARY=$target/debug/libimagewright.so
export IMAGEWRIGHT_FIXTURES=${IMAGEWRIGHT_FIXTURES:-/var/tmp/imagewright-fixtures}

cargo build --workspace --lib --bins

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # one case runs as nobody
mkdir -p "$work/lib/pkgconfig" "$work/include"
cp bindings/c/include/imagewright.h "$work/include/"
ln -s "$IMAGEWRIGHT_LIBRARY" "$work/lib/"
sed -e "s|@prefix@|$work|" -e 's|@version@|0.1.0|' bindings/c/imagewright.pc.in \
    >"$work/lib/pkgconfig/imagewright.pc"
export PKG_CONFIG_PATH=$work/lib/pkgconfig LD_LIBRARY_PATH=$target/debug
flags=$(pkg-config --cflags --libs imagewright)
for source in tests/parity/driver.c bindings/c/examples/{info,build}.c; do
    # shellcheck disable=SC2086 # several words
    cc -Wall -Wextra -Werror "$source" -o "$work/$(basename "$source" .c)" $flags
done
"$work/info" "$IMAGEWRIGHT_FIXTURES/tiny/tiny.qcow2"
(cd bindings/go && go vet ./... && go test ./... && go build -o "$work/go-driver" ./internal/driver)

python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install pytest mypy setuptools wheel
"$work/venv/bin/pip" --quiet install --no-build-isolation ./bindings/python
(cd bindings/python && "$work/venv/bin/mypy" && "$work/venv/bin/pytest" -q tests)
PARITY_CLI=$target/debug/imagewright PARITY_C=$work/driver PARITY_GO=$work/go-driver \
    "$work/venv/bin/pytest" -q tests/parity
