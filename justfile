# Shortcuts for contributors. `just` lists them; each is one plain command.

# List the recipes.
default:
    @just --list

# Run the quick start.
quick-start out="results/quickstart":
    cargo run --release --locked -- run pipelines/quickstart.toml --out {{ out }}

# Run all tests, or those whose path contains FILTER.
test filter="":
    cargo test --release --locked --workspace {{ filter }}

# Run the tests of one crate, such as gf-haplotypes.
test-crate crate:
    cargo test --release --locked -p {{ crate }}

# Run the tests of one area of tests/it, such as models.
test-area area:
    cargo test --release --locked --test it {{ area }}::

# Format and lint.
lint:
    cargo fmt --all
    cargo clippy --release --locked --workspace --all-targets -- -D warnings

# Write the generated pages of the book again.
reference:
    GF_UPDATE_DOCS=1 cargo test --release --locked --test it documentation

# Build the API documentation.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps --open

# Run the benchmarks of the engine.
bench:
    cargo bench --locked

# Run everything that a pull request must pass, or only the steps named.
gate *steps:
    .ci/run {{ steps }}
