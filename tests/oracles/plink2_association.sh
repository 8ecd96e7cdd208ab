#!/bin/sh
# Associations by PLINK 2 (2.00a3.5), for src/baselines/association.rs, which writes FOLDER/cohort.vcf and FOLDER/plink.pheno:
# sh tests/oracles/plink2_association.sh FOLDER
set -e
cd "$1"
plink2 --vcf cohort.vcf --keep plink.pheno --pheno plink.pheno --pheno-name status --covar plink.pheno --covar-name age,sex \
    --covar-variance-standardize --glm firth-fallback hide-covar cols=chrom,pos,ref,alt,a1freq,firth,nobs,beta,se,p --out plink2 >plink2.stdout
