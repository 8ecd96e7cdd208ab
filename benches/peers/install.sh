#!/usr/bin/env bash
# Installs what sequences.py, tokens.py, engine.py and scores.py measure us against, and says what could not be had.
#
#   benches/peers/install.sh [DIR]     a Python virtual environment; DIR or $GF_PEERS, else gf-genomics/peers in the user's cache
set -euo pipefail

peers=${1:-${GF_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/gf-genomics/peers}}
missing=()

python3 -m venv "$peers"
for package in "genvarloader==0.43.1" "tokenizers==0.23.*" pysam numpy "torch==2.15.0" safetensors scikit-learn; do
    "$peers/bin/pip" install --quiet "$package" || missing+=("$package (PyPI)")
done

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
declare -A package_of=([bcftools]=bcftools [plink2]=plink2 [bgzip]=tabix [/usr/bin/time]=time)
for program in "${!package_of[@]}"; do
    command -v "$program" >/dev/null && continue
    "${as_root[@]}" apt-get install -y "${package_of[$program]}" >/dev/null || missing+=("$program (Debian: ${package_of[$program]})")
done

"$peers/bin/pip" list 2>/dev/null | grep -iE '^(genvarloader|genoray|tokenizers|pysam|numpy|torch) ' || true
for program in bcftools bgzip; do command -v "$program" >/dev/null && "$program" --version | head -1; done
if [ ${#missing[@]} -gt 0 ]; then
    printf 'could not be had: %s\n' "${missing[@]}" >&2
    exit 1
fi
echo "export GF_PEERS=$peers"
