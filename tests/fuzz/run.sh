#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the fuzz targets, JOBS of them (default: one per processor) at a time.
#
#   run.sh SECONDS [TARGET]...      (default: all of them)
#
# Corpora, logs and findings are kept in target/fuzz/{corpus,log,findings}. A
# finding ends the target and fails the run. No sanitizer: what could need one
# is C (zstd, libdeflate), and the limit on memory is to count ours alone.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
top=$(readlink -f "$here/../..")
out=$top/target/fuzz
triple=$(rustc -vV | sed -n 's/^host: //p')

# What libFuzzer wants to know of the code, and checks of arithmetic.
rustflags=(
    --cfg fuzzing
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    -Cllvm-args=-sanitizer-coverage-stack-depth
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0
)

(($# > 0)) || { echo "usage: run.sh SECONDS [TARGET]..." >&2; exit 2; }
seconds=$1
shift
cd "$top"
# For a target that is named: else build scripts would get the flags, too.
RUSTFLAGS="${rustflags[*]}" cargo build --release --locked \
    --manifest-path tests/fuzz/Cargo.toml --target "$triple" \
    --target-dir "$out/target"
bin=$out/target/$triple/release
[[ -d $out/seeds ]] || {
    "$bin/seeds" "$out/seeds.new"
    mv "$out/seeds.new" "$out/seeds"
}

targets=("$@")
((${#targets[@]} > 0)) || mapfile -t targets < <(
    cd tests/fuzz/targets && printf '%s\n' *.rs | sed 's/\.rs$//'
)
mkdir -p "$out"/{corpus,log,findings}

# One target; inputs that are slow or large are findings as well.
run() {
    local target=$1 log=$out/log/$1 runs peak
    mkdir -p "$out/corpus/$target"
    if "$bin/$target" "$out/corpus/$target" "$out/seeds/$target" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=256 \
        -max_len=65536 -print_final_stats=1 -verbosity=1 \
        -artifact_prefix="$out/findings/$target-" >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        peak=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")
        printf '%-18s %5ss %12s runs, peak %s MiB\n' \
            "$target" "$seconds" "$runs" "$peak"
    else
        printf '%-18s FAILED\n' "$target"
        grep -m 1 -A 20 -E 'panicked|ERROR|SUMMARY' "$log" || true
        return 1
    fi
}
export -f run
export out bin seconds
printf '%s\n' "${targets[@]}" |
    xargs -P "${JOBS:-$(nproc)}" -I{} bash -c 'run {}' || {
    echo "fuzz: see $out/findings and $out/log" >&2
    exit 1
}
