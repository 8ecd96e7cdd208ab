#!/bin/sh
# Sums of a scoring file by PLINK 2, for src/baselines/tests.rs:
# sh tests/oracles/plink2_score.sh VCF SCORING_FILE.gz PSAM (plink2 2.00a3.5, bcftools 1.16)
# The columns of SCORING_FILE are chr_name, chr_position, effect_allele, other_allele, effect_weight. awk matches by position and both
# alleles, else by their complements, and leaves A/T and C/G out. PSAM has the sexes; men have one copy on X.
set -e
cd "$(mktemp -d)"
bcftools query -f '%CHROM\t%POS\t%ID\t%REF\t%ALT\n' "$1" 2>/dev/null >sites.tsv
gzip -dc "$2" | awk -F'\t' -v OFS='\t' '
    function complement(a) { gsub("A", "t", a); gsub("C", "g", a); gsub("G", "c", a); gsub("T", "a", a); return toupper(a) }
    NR == FNR { id[$1 ":" $2 ":" $4 ":" $5] = $3; id[$1 ":" $2 ":" $5 ":" $4] = $3; next }
    FNR == 1 || $3 $4 ~ /^(AT|TA|CG|GC)$/ { next }
    {
        key = $1 ":" $2 ":" $3 ":" $4
        flip = $1 ":" $2 ":" complement($3) ":" complement($4)
        if (key in id) print id[key], $3, $5
        else if (flip in id) print id[flip], complement($3), $5
    }' sites.tsv - >weights.tsv
wc -l <weights.tsv
plink2 --vcf "$1" --update-sex "$3" --xchr-model 1 --score weights.tsv 1 2 3 cols=nallele,dosagesum,scoresums --out plink2 >/dev/null
head -4 plink2.sscore
tail -2 plink2.sscore
