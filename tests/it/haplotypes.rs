mod bcftools_parity;
mod cases;
mod inputs;
mod real_genomes;
