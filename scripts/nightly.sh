#!/usr/bin/env bash
# What takes too long for every commit: more random specs, settings that the fixtures don't have against transformers, files
# of llama.cpp's own converter, control vectors in llama.cpp, PyTorch's own files, a model within a quarter of its size, a model of 7 billion parameters,
# a study killed 20 times.
#
#   scripts/nightly.sh [STEP ...]      steps: specs variants converter vectors pytorch bound large kills; all without arguments
#
# Its last figures are in docs/nightly.md. It takes 25 GB of disk in a temporary folder (TMPDIR) and about two hours. `vectors` needs a C++ compiler.
set -euo pipefail
cd "$(dirname "$0")/.."
export STEERCHECK_SHARED="${STEERCHECK_SHARED:-$PWD/../shared}"
steps=("$@")
[ $# -gt 0 ] || steps=(specs variants converter vectors pytorch bound large kills)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# transformers and torch in an environment of their own; the versions that the fixtures were made with.
python_tools() {
    [ ! -x "$work/venv/bin/python" ] || return 0
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --requirement scripts/requirements.txt
}

specs() {
    STEERCHECK_CASES=5000 cargo test -p steercheck-model --test axes
}

variants() {
    python_tools
    "$work/venv/bin/python" scripts/make_variants.py "$work/variants"
    STEERCHECK_VARIANTS="$work/variants" cargo test -p steercheck-model --test variants -- --nocapture
}

# llama.cpp's source, which this package carries.
llama_cpp="$work/llama_cpp_python-0.3.36/vendor/llama.cpp"
llama_cpp_source() {
    [ ! -d "$llama_cpp" ] || return 0
    (
        cd "$work"
        venv/bin/pip download --quiet --no-deps --no-binary llama-cpp-python llama-cpp-python==0.3.36
        tar xzf llama_cpp_python-0.3.36.tar.gz
    )
}

converter() {
    python_tools
    llama_cpp_source
    "$work/venv/bin/python" "$STEERCHECK_SHARED/fixtures/make_fixtures.py" "$work/carried" --specs scripts/gguf_specs.py
    "$work/venv/bin/python" scripts/llama_cpp_convert.py --converter "$llama_cpp" \
        "$work/carried" "$work/gguf"
    STEERCHECK_GGUF="$work/gguf" STEERCHECK_GGUF_GOLDEN="$work/carried" \
        cargo test -p steercheck-model --test gguf_real_converter -- --nocapture
}

vectors() {
    python_tools
    llama_cpp_source
    "$work/venv/bin/pip" install --quiet cmake ninja
    PATH="$work/venv/bin:$PATH" cmake -G Ninja -S "$llama_cpp" -B "$work/llama-build" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
        -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DGGML_OPENMP=OFF >"$work/cmake.log"
    "$work/venv/bin/ninja" -C "$work/llama-build" llama-server >>"$work/cmake.log" 2>&1 || { tail "$work/cmake.log" >&2; return 1; }
    cargo build --release --quiet --bin steercheck
    local steercheck="${CARGO_TARGET_DIR:-target}/release/steercheck"
    "$work/venv/bin/python" scripts/llama_cpp_vector.py --llama-cpp "$llama_cpp" --server "$work/llama-build/bin/llama-server" \
        --steercheck "$steercheck" "$("$steercheck" models get smollm2-135m-instruct | tail -1)" "$work/control-vectors"
}

pytorch() {
    python_tools
    "$work/venv/bin/python" scripts/make_torch_files.py "$STEERCHECK_SHARED/fixtures" "$work/torch"
    STEERCHECK_TORCH_FILES="$work/torch" cargo test -p steercheck-model --test pytorch pytorch_itself -- --nocapture
}

large_model() {
    cargo run --release --quiet -p steercheck-model --example large_model -- "$@"
}

bound() {
    large_model make "$work/120m" 120m
    scripts/memory_bound.sh "$work/120m" 2 20
}

large() {
    large_model make "$work/7b" 7b
    large_model run "$work/7b" 25 100
}

kills() {
    cargo build --release --quiet --locked --bin steercheck
    scripts/kills.sh "${CARGO_TARGET_DIR:-target}/release/steercheck" 20
}

for step in "${steps[@]}"; do
    echo "== $step"
    "$step"
done
