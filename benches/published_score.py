#!/usr/bin/env python3
"""A small cohort on top of a published score: the score as the offset of a model, compared with the score itself.

    benches/published_score.py --panel PANEL.vcf.gz --reference FASTA --loci LOCI.bed [--out DIR] [--binary gf-genomics]
                               [--people 1000] [--seeds 1,2,3,4,5] [--noise 0.5]

Cohorts over many loci are drawn with `simulate --loci`. The published score has the true log odds of the causal
alleles of additive loci, each with a normal error of --noise times its size, as a large association study would.
Two kinds of cohorts: all loci additive, and the first locus with an effect of two alleles on one haplotype (cis) that
is four times as strong as the others and that the score does not know.
"""
import argparse, csv, json, os, random, statistics

from study import run

KINDS = {"additive": None, "strong cis": 4.0}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panel", required=True)
    parser.add_argument("--reference", required=True)
    parser.add_argument("--loci", required=True)
    parser.add_argument("--out", default="published-score")
    parser.add_argument("--binary", default="gf-genomics")
    parser.add_argument("--people", default="1000")
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--noise", type=float, default=0.5)
    return parser.parse_args()


def write_score(folder, noise, seed):
    errors = random.Random(seed)
    with open(f"{folder}/truth.json") as file:
        loci = json.load(file)["loci"]
    with open(f"{folder}/published.txt", "w") as out:
        out.write("chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n")
        for locus in loci:
            if locus["risk"] != "additive":
                continue
            for site in locus["causal_sites"]:
                other = site["alt_allele"] if site["effect_allele"] == site["ref_allele"] else site["ref_allele"]
                weight = locus["effect"] * (1 + errors.gauss(0, noise))
                out.write(f"{site['contig']}\t{site['position']}\t{site['effect_allele']}\t{other}\t{weight:.6f}\n")


def of_cohort(options, kind, seed):
    folder = f"{options.out}/{kind.replace(' ', '-')}-{seed}"
    os.makedirs(folder, exist_ok=True)
    simulate = ["simulate", "--panel", options.panel, "--reference", options.reference, "--loci", options.loci,
                "--people", options.people, "--risk", "additive", "--auc", "0.74", "--seed", seed, "--out", folder]
    if KINDS[kind]:
        with open(options.loci) as bed:
            first = bed.readline().split()[3]
        with open(f"{folder}/risks.csv", "w") as risks:
            risks.write(f"locus,risk,effect\n{first},cis,{KINDS[kind]}\n")
        simulate += ["--loci-risks", f"{folder}/risks.csv"]
    run(options.binary, *simulate)
    write_score(folder, options.noise, seed)
    genomes = ["--vcf", f"{folder}/cohort.vcf.gz", "--regions-file", f"{folder}/loci.bed"]
    cohort = ["--cohort", f"{folder}/cohort.csv"]
    tokens = ["--tokens", f"{folder}/tokens"]
    run(options.binary, "prs", *genomes, *cohort, "--scoring-file", f"{folder}/published.txt", "--out", f"{folder}/prs")
    run(options.binary, "tokenize", *genomes, "--reference", f"{folder}/reference.fa", *cohort, "--out", f"{folder}/tokens")
    offset = f"{folder}/prs/raw_scores.csv:published"
    run(options.binary, "train", *tokens, *cohort, "--offset", offset, "--name", "on-top", "--out", f"{folder}/on-top")
    run(options.binary, "train", *tokens, *cohort, "--name", "without", "--out", f"{folder}/without")
    predictions = [f"{folder}/{name}/predictions.csv" for name in ("on-top", "without", "prs")]
    run(options.binary, "evaluate", "--predictions", *predictions, *cohort, "--compare-to", "prs-published",
        "--guards", "warn", "--out", f"{folder}/report")
    with open(f"{folder}/report/auc.csv") as file:
        return {row["model"]: row for row in csv.DictReader(file) if row["split"] == "test"}


def main():
    options = arguments()
    for kind in KINDS:
        tables = [of_cohort(options, kind, int(seed)) for seed in options.seeds.split(",")]
        for name in tables[0]:
            aucs = [float(table[name]["auroc"]) for table in tables]
            gains = [float(table[name]["delta_auroc"] or 0) for table in tables]
            p_values = [float(table[name]["p_value"]) for table in tables if table[name]["p_value"]]
            error = statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else float("nan")
            smallest = f"{min(p_values):.3g}" if p_values else ""
            print(f"| {kind} | {name} | {statistics.mean(aucs):.4f} | {statistics.mean(gains):+.4f} (s.e. {error:.4f}) "
                  f"| {smallest} |", flush=True)


if __name__ == "__main__":
    main()
