#!/usr/bin/env bash
# A study on a disk that fills up (a small tmpfs): it must stop with a sentence that says so and leave a store that verifies; with more room, the next run
# must come to the records of an undisturbed one.
#
#   scripts/full_disk.sh PROGRAM     as root (mount); PROGRAM is a built steercheck
set -euo pipefail
program=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
study="$here/studies/task-vectors.toml"
work=$(mktemp -d)
trap 'umount "$work/disk" 2>/dev/null || true; rm -rf "$work"' EXIT

"$program" study run "$study" --store "$work/whole"
needed=$(du --summarize --block-size=1024 "$work/whole" | cut -f1)
mkdir "$work/disk"
mount -t tmpfs -o "size=$((needed / 2))k" tmpfs "$work/disk"
status=0
"$program" study run "$study" --store "$work/disk/store" 2>"$work/said" || status=$?
cat "$work/said"
[ "$status" -eq 1 ] || { echo "error: exit code $status of a run on a full disk, not 1" >&2; exit 1; }
tail -n 1 "$work/said" | grep -q "^error: .*No space left on device" || { echo "error: it does not say that the disk is full" >&2; exit 1; }
"$program" store verify "$work/disk/store"
mount -o "remount,size=$((needed * 4))k" "$work/disk"
"$program" study run "$study" --store "$work/disk/store"
"$program" store verify "$work/disk/store"
python3 "$here/same_records.py" "$work/whole" "$work/disk/store"
