#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the fuzz targets, JOBS of them (default: one per processor) at a time.
#
#   run.sh SECONDS [TARGET]...      (default: all of them)
#
# SEED=n repeats a run: without it every run tries something else.
# PROFILE=dev takes the dependencies as `make test` has built them and
# instruments our own code alone: minutes sooner, and slower to run. Corpora,
# logs and findings are kept in target/fuzz/{corpus,log,findings}. A finding
# ends the target and fails the run. No sanitizer: what could need one is C
# (zstd, libdeflate), and the limit on memory is to count ours alone.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
top=$(readlink -f "$here/../..")
out=$top/target/fuzz
profile=${PROFILE:-fuzz}

(($# > 0)) || { echo "usage: run.sh SECONDS [TARGET]..." >&2; exit 2; }
seconds=$1
shift
cd "$top"
build=(cargo build --locked -p imagewright-fuzz --profile "$profile")
if [[ $profile = dev ]]; then
    bin=${CARGO_TARGET_DIR:-$top/target}/debug
    RUSTC_WORKSPACE_WRAPPER=$here/rustc.sh "${build[@]}"
else
    # For a target that is named: else build scripts would be instrumented.
    triple=$(rustc -vV | sed -n 's/^host: //p')
    bin=$out/target/$triple/$profile
    RUSTFLAGS="$("$here/rustc.sh" echo)" "${build[@]}" \
        --target "$triple" --target-dir "$out/target"
fi
[[ -d $out/seeds ]] || {
    rm -rf "$out/seeds.new"
    FUZZ_SEEDS=$out/seeds.new "$bin/fuzz"
    mv "$out/seeds.new" "$out/seeds"
}

targets=("$@")
((${#targets[@]} > 0)) || mapfile -t targets < <("$bin/fuzz")
mkdir -p "$out"/{corpus,log,findings}

# One target; inputs that are slow or large are findings as well.
run() {
    local target=$1 log=$out/log/$1 runs peak
    mkdir -p "$out/corpus/$target"
    # Where errors resolve backtraces, debug symbols would count as memory.
    if RUST_LIB_BACKTRACE=0 FUZZ_TARGET=$target "$bin/fuzz" \
        "$out/corpus/$target" "$out/seeds/$target" -seed="${SEED:-0}" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=256 \
        -max_len=65536 -print_final_stats=1 -verbosity=1 \
        -artifact_prefix="$out/findings/$target-" >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        peak=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")
        printf '%-20s %5ss %12s runs, peak %s MiB\n' \
            "$target" "$seconds" "$runs" "$peak"
    else
        printf '%-20s FAILED\n' "$target"
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
