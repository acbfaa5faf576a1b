#!/usr/bin/env bash
# A small real study, killed with kill -9 at random moments and resumed each time: the store must verify, and its cards and records must be those of an
# undisturbed run.
#
#   scripts/kills.sh PROGRAM KILLS     PROGRAM is a built steercheck
set -euo pipefail
program=$(realpath "$1")
kills=$2
here=$(cd "$(dirname "$0")" && pwd)
study="$here/studies/three-methods.toml"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

seconds=$SECONDS
"$program" study run "$study" --store "$work/whole"
seconds=$((SECONDS - seconds))
for i in $(seq "$kills"); do
    "$program" study run "$study" --store "$work/killed" >"$work/out" 2>&1 &
    pid=$!
    # Anywhere in the whole run, to a hundredth of a second.
    sleep "$(awk -v r="$RANDOM" -v s="$seconds" 'BEGIN { printf "%.2f", r / 32768 * s }')"
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    records=$({ find "$work/killed/records" -name '[0-9a-f]*' 2>/dev/null || true; } | wc -l)
    echo "kill $i: $records records are there"
    [ ! -d "$work/killed/records" ] || "$program" store verify "$work/killed"
    # Killed again and again, a run that has all cells has nothing left to lose: half of the records go.
    if grep -q "0 cells done" "$work/out" 2>/dev/null; then
        find "$work/killed/records" -name '[0-9a-f]*' | awk 'NR % 2' | xargs -r rm --
    fi
done
"$program" study run "$study" --store "$work/killed"
"$program" store verify "$work/killed"
"$program" report "$work/whole" --format csv >"$work/whole.csv"
"$program" report "$work/killed" --format csv >"$work/killed.csv"
cmp "$work/whole.csv" "$work/killed.csv"
python3 "$here/same_records.py" "$work/whole" "$work/killed"
