#!/usr/bin/env bash
# Runs the same work on the same model twice, the second time in a control group that may use a quarter of the model's size,
# page cache included, and compares the digests of all results. Needs root and the memory controller.
#
#   scripts/memory_bound.sh FOLDER [PROMPTS TOKENS]
#
# FOLDER holds a model, e.g. made by `cargo run --release -p steercheck-model --example large_model -- make FOLDER 1b`.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1 prompts=${2:-2} tokens=${3:-20}
cargo build --release --quiet -p steercheck-model --example large_model
work=${CARGO_TARGET_DIR:-target}/release/examples/large_model
size=$(cat "$folder"/*.safetensors | wc -c)
limit=$((size / 4))

group=/sys/fs/cgroup/memory/steercheck-$$ limit_file=memory.limit_in_bytes peak_file=memory.max_usage_in_bytes
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    group=/sys/fs/cgroup/steercheck-$$ limit_file=memory.max peak_file=memory.peak
fi
if ! mkdir "$group" 2>/dev/null || [ ! -w "$group/$limit_file" ]; then
    echo "did not run: control groups for memory cannot be made here (root and the memory controller are needed)" >&2
    exit 2
fi
out=$(mktemp -d)
trap 'rm -rf "$out"; rmdir "$group"' EXIT
echo "$limit" >"$group/$limit_file"

echo "model of $size bytes, without a bound:"
"$work" run "$folder" "$prompts" "$tokens" | tee "$out/free"
# What is cached already would count for nobody.
for file in "$folder"/*.safetensors; do dd if="$file" iflag=nocache count=0 status=none; done
echo "within $limit bytes:"
bash -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' _ "$group" "$work" run "$folder" "$prompts" "$tokens" |
    tee "$out/bound"
echo "peak in the group: $(cat "$group/$peak_file") bytes"
cmp <(grep ^digest "$out/free") <(grep ^digest "$out/bound")
echo "the same results, bit for bit"
