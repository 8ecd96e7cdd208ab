#!/bin/bash
# Builds the program, its manual pages and its completions into the package; run by conda-build in the unpacked source archive.
set -euo pipefail

# conda-build gives no HOME.
export CARGO_HOME="$PWD/.cargo-home"

cargo build --release --locked --bin gf-genomics --target-dir target
packaging/install target/release/gf-genomics "$PREFIX"
cp "$PREFIX/share/doc/gf-genomics/THIRD-PARTY-LICENSES.txt" .
