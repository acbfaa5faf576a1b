# Recipes by group: `just --list`.

# The main job on the default real model.
[group('use')]
check *ARGS:
    cargo run --release -p steercheck -- check {{ARGS}}

# What every commit must pass: format, lints, tests.
[group('develop')]
ci: lint test

# Format and lints, warnings denied.
[group('develop')]
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# All tests. Parity tests read ../shared (or STEERCHECK_SHARED) and the catalogue's models.
[group('develop')]
test:
    cargo test --workspace

# Runs oracle job files through the engine and compares with the golden files beside them.
[group('evidence')]
oracle *JOBS:
    cargo run --release -p steercheck-oracle -- {{JOBS}}

# How fast a model is traced, replayed and read here: `just bench MODEL.gguf [stored]`.
[group('evidence')]
bench *ARGS:
    cargo run --release -p steercheck-model --example throughput -- {{ARGS}}

# Tries to fool the verdict: simulated nulls, and placebos presented as the method on the default model. Half an hour or more.
[group('evidence')]
falsify SEEDS='10' FAMILIES='2000':
    cargo run --release -p steercheck-eval --example falsify -- "$(cargo run --release --quiet -p steercheck -- models get smollm2-135m-instruct | tail -1)" {{SEEDS}} {{FAMILIES}}

# What takes too long for every commit, all of it or some steps: specs, variants, converter, vectors, pytorch, bound, large, kills.
[group('evidence')]
nightly *STEPS:
    scripts/nightly.sh {{STEPS}}

# Every fixture, and a GGUF file of each, through every conformance check: family × check × largest difference, in markdown.
[group('evidence')]
conformance:
    STEERCHECK_WRITE_GGUF="$PWD/target/conformance" cargo test --quiet -p steercheck-model --test gguf files_are_written
    cargo run --release --quiet -p steercheck-eval --example conformance -- "${STEERCHECK_SHARED:-../shared}/fixtures" target/conformance

