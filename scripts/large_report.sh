#!/usr/bin/env bash
# The report of a store of 36 models × 27 tasks × 2 methods: seconds, peak memory, size of the page.
#
#   scripts/large_report.sh PROGRAM [MOST_SECONDS MOST_MEGABYTES]     fails beyond these, where they are given
set -euo pipefail
program=$(realpath "$1") seconds=${2:-} megabytes=${3:-}
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
STEERCHECK_LARGE_STORE="$work/store" cargo test --locked --quiet --workspace --test it large_store >/dev/null
python3 - "$program" "$work" "$seconds" "$megabytes" <<'PY'
import os, resource, subprocess, sys, time
program, work, seconds, megabytes = sys.argv[1:]
records = len(os.listdir(f"{work}/store/records"))
start = time.monotonic()
subprocess.run([program, "report", f"{work}/store", "--out", f"{work}/page"], check=True, stdout=subprocess.DEVNULL)
took = time.monotonic() - start
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
size = os.path.getsize(f"{work}/page/report.html") / 2**20
print(f"{records} records: {took:.1f} s, {peak:.0f} MB, a page of {size:.1f} MB")
if seconds and (took > float(seconds) or peak > float(megabytes)):
    sys.exit(f"error: more than {seconds} s or {megabytes} MB")
PY
