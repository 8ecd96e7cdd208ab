#!/bin/sh
# APOE haplotypes (rs429358, rs7412) of a phased VCF, for src/baselines/apoe.rs: sh tests/oracles/apoe.sh FILE (bcftools 1.16)
# T-T (00 at rs429358, 1 at rs7412) is printed as "0 1" = e2, "0 0" = e3, "1 0" = e4, "1 1" = e1.
bcftools query -f '[%GT\t]\n' -i 'ID="rs429358"||ID="rs7412"' "$1" | awk '
    NR == 1 { for (i = 1; i <= NF; i++) first[i] = $i }
    NR == 2 { for (i = 1; i <= NF; i++) { split(first[i], a, "|"); split($i, b, "|"); n[a[1] " " b[1]]++; n[a[2] " " b[2]]++ } }
    END { for (haplotype in n) print haplotype, n[haplotype] }' | sort
