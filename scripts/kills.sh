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
records() { { find "$work/killed/records" -name '[0-9a-f]*' 2>/dev/null || true; } | sort; }
killed=0
span=$seconds
while [ "$killed" -lt "$kills" ]; do
    began=$SECONDS
    "$program" study run "$study" --store "$work/killed" >"$work/out" 2>&1 &
    pid=$!
    # Anywhere in what the run takes, to a hundredth of a second.
    sleep "$(awk -v r="$RANDOM" -v s="$span" 'BEGIN { printf "%.2f", r / 32768 * s }')"
    if kill -9 "$pid" 2>/dev/null; then
        killed=$((killed + 1))
        wait "$pid" 2>/dev/null || true
        echo "kill $killed: $(records | wc -l) records are there"
        [ ! -d "$work/killed/records" ] || "$program" store verify "$work/killed"
    else
        # It was over before, which does not count. Half of the records go, so that there is something to lose again.
        wait "$pid"
        span=$(((SECONDS - began) / 2 + 3))
        records | awk 'NR % 2' | xargs -r rm --
    fi
done
"$program" study run "$study" --store "$work/killed"
"$program" store verify "$work/killed"
"$program" report "$work/whole" --format csv >"$work/whole.csv"
"$program" report "$work/killed" --format csv >"$work/killed.csv"
cmp "$work/whole.csv" "$work/killed.csv"
python3 "$here/same_records.py" "$work/whole" "$work/killed"
