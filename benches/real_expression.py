#!/usr/bin/env python3
"""Real people and real phenotypes: expression of genes of chromosome 22 in 358 Europeans (GEUVADIS).

    benches/real_expression.py EXAMPLES --out DIR [--binary gf-genomics] [--first 0] [--genes 50] [--train-samples N]

EXAMPLES is the folder that the Debian package qtltools-example unpacks to. A gene has a locus of 33,000 nt around
its start. A case is a sample whose expression, without what the covariates explain, is above the median. Samples are
split 60/20/20 by a seed. --train-samples keeps so many of the training samples.

Genes are taken by the largest r2 of a variant with expression over all samples, from number --first on. So their
signals are strong ones, and all models see the same genes. Bases between variants are drawn at random, as the package
has no FASTA: a model that learns from people alone does not notice. Needs numpy and pysam.
"""
import argparse, csv, gzip, os, statistics

import numpy as np, pysam

from study import run

LOCUS_LENGTH = 33_000
FIRST_BASE = 16_050_000
CHROMOSOME_LENGTH = 51_304_566
COMPONENTS = 23  # 3 of genotypes, 20 of expression
MODEL = "additive+linformer"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples")
    parser.add_argument("--out", required=True)
    parser.add_argument("--binary", default="gf-genomics")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--genes", type=int, default=50)
    parser.add_argument("--train-samples", type=int)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def read_genes(examples):
    """Samples, and (name, position of the start, expression) of each gene."""
    with gzip.open(f"{examples}/genes.50percent.chr22.bed.gz", "rt") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    return rows[0][6:], [(row[3], int(row[2]), np.array(row[6:], float)) for row in rows[1:]]


def read_covariates(examples, samples):
    """Standardised components, samples x (1 + COMPONENTS), with a column of ones."""
    with gzip.open(f"{examples}/genes.covariates.pc50.txt.gz", "rt") as file:
        rows = [line.split() for line in file]
    columns = [rows[0].index(sample) for sample in samples]
    values = np.array([[float(row[column]) for column in columns] for row in rows[1:1 + COMPONENTS]]).T
    return np.c_[np.ones(len(samples)), (values - values.mean(0)) / values.std(0)]


def residual(expression, covariates):
    return expression - covariates @ np.linalg.lstsq(covariates, expression, rcond=None)[0]


def locus_of(start):
    first = max(FIRST_BASE, start - LOCUS_LENGTH // 2)
    return first, first + LOCUS_LENGTH


def largest_r2(panel, start, expression):
    """Largest squared correlation of a variant of the locus with expression."""
    records = [[sum(allele or 0 for allele in call["GT"]) for call in record.samples.values()]
               for record in panel.fetch("chr22", *locus_of(start))]
    if not records:
        return 0.0
    dosages = np.array(records, float).T
    dosages -= dosages.mean(0)
    scale = np.sqrt((dosages ** 2).sum(0) * (expression ** 2).sum() + 1e-12)
    return float((((dosages.T @ expression) / scale) ** 2).max())


def ranked_genes(options, panel, genes, covariates):
    """Indices of all genes by falling r2; the scan is kept in the output folder."""
    path = f"{options.out}/r2.npy"
    if not os.path.exists(path):
        np.save(path, [largest_r2(panel, start, residual(expression, covariates)) for _, start, expression in genes])
    return np.argsort(-np.load(path), kind="stable")


def write_reference(options, panel):
    path = f"{options.out}/chr22.fa"
    if not os.path.exists(path):
        bases = np.random.default_rng(22).choice(np.frombuffer(b"ACGT", np.uint8), CHROMOSOME_LENGTH)
        for record in panel.fetch("chr22"):
            bases[record.pos - 1:record.pos - 1 + len(record.ref)] = np.frombuffer(record.ref.encode(), np.uint8)
        lines = (bases[first:first + 60].tobytes() for first in range(0, len(bases), 60))
        with open(path, "wb") as file:
            file.write(b">chr22\n" + b"\n".join(lines) + b"\n")
        pysam.faidx(path)
    return path


def write_cohort(path, options, gene, samples, is_case):
    order = np.random.default_rng(options.seed * 1000 + gene).permutation(len(samples))
    n_train, n_seen = int(0.6 * len(samples)), int(0.8 * len(samples))
    kept = n_train if options.train_samples is None else options.train_samples
    splits = {**{int(i): "train" for i in order[:n_train][:kept]}, **{int(i): "validation" for i in order[n_train:n_seen]},
              **{int(i): "test" for i in order[n_seen:]}}
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["sample_id", "phenotype", "split"])
        table.writerows((samples[i], int(is_case[i]), split) for i, split in sorted(splits.items()))


def of_gene(options, gene, name, start, samples, is_case, reference):
    """Test AUC of every model by name."""
    folder = f"{options.out}/{options.train_samples or 'all'}/{name}"
    os.makedirs(folder, exist_ok=True)
    write_cohort(f"{folder}/cohort.csv", options, gene, samples, is_case)
    with open(f"{folder}/loci.bed", "w") as bed:
        bed.write("\t".join(["chr22", *map(str, locus_of(start)), name]) + "\n")
    genomes = ["--vcf", f"{options.examples}/genotypes.chr22.vcf.gz", "--regions-file", f"{folder}/loci.bed"]
    cohort = ["--cohort", f"{folder}/cohort.csv"]
    run(options.binary, "tokenize", *genomes, "--reference", reference, *cohort, "--out", f"{folder}/tokens")
    run(options.binary, "train", "--tokens", f"{folder}/tokens", *cohort, "--seed", options.seed, "--out", f"{folder}/model")
    run(options.binary, "prs", *genomes, *cohort, "--out", f"{folder}/prs")
    predictions = [f"{folder}/model/predictions.csv", f"{folder}/prs/predictions.csv"]
    run(options.binary, "evaluate", "--predictions", *predictions, *cohort, "--guards", "warn", "--out", f"{folder}/report")
    with open(f"{folder}/report/auc.csv") as file:
        return {row["model"]: float(row["auroc"]) for row in csv.DictReader(file) if row["split"] == "test" and row["auroc"]}


def mean_and_error(values):
    return f"{statistics.mean(values):+.4f} (s.e. {statistics.stdev(values) / len(values) ** 0.5:.4f})"


def main():
    options = arguments()
    os.makedirs(options.out, exist_ok=True)
    samples, genes = read_genes(options.examples)
    covariates = read_covariates(options.examples, samples)
    panel = pysam.VariantFile(f"{options.examples}/genotypes.chr22.vcf.gz")
    reference = write_reference(options, panel)
    of_genes = []
    for gene in ranked_genes(options, panel, genes, covariates)[options.first:options.first + options.genes]:
        name, start, expression = genes[gene]
        unexplained = residual(expression, covariates)
        is_case = unexplained > np.median(unexplained)
        aucs = of_gene(options, int(gene), name, start, samples, is_case, reference)
        print(name, *(f"{model} {auc:.3f}" for model, auc in aucs.items()), flush=True)
        of_genes.append({"gene": name, **aucs})
    columns = list(dict.fromkeys(column for row in of_genes for column in row))
    with open(f"{options.out}/genes-{options.train_samples or 'all'}-{options.first}.csv", "w", newline="") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()
        table.writerows(of_genes)
    print("\n| model | genes | mean AUC | mean difference of", MODEL, "to it |\n|---|---|---|---|")
    for model in columns[1:]:
        both = [row for row in of_genes if model in row and MODEL in row]
        differences = [row[MODEL] - row[model] for row in both]
        print(f"| {model} | {len(both)} | {statistics.mean(row[model] for row in both):.4f} | {mean_and_error(differences)} |")


if __name__ == "__main__":
    main()
