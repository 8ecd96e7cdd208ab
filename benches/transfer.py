#!/usr/bin/env python3
"""Models trained on mosaics of one set of founders, applied to mosaics of other founders, whose linkage differs.

    benches/transfer.py --panel PANEL.vcf.gz --reference FASTA --loci LOCI.bed [--out DIR] [--binary gf-genomics]
                        [--people 3000] [--founders 150] [--seeds 1,2,3]

The first --founders samples of the panel are the founders of the training cohort (60/20/20). The
remaining samples are the founders of the target cohort. Each locus has one additive causal SNV. In the second kind of cohort the first locus instead has an effect
of two alleles on one haplotype (cis), four times as strong as the others. Causal alleles and effects are the same in
both cohorts. Prints the AUC on the test split of the training cohort and on the target cohort. Needs numpy and pysam.
"""
import argparse, csv, os, subprocess
import numpy as np, pysam

from study import run

SWITCHES_PER_HAPLOTYPE = 0.33
LOG_ODDS_SD = 0.9


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panel", required=True)
    parser.add_argument("--reference", required=True)
    parser.add_argument("--loci", required=True)
    parser.add_argument("--out", default="transfer")
    parser.add_argument("--binary", default="gf-genomics")
    parser.add_argument("--people", type=int, default=3000)
    parser.add_argument("--founders", type=int, default=150)
    parser.add_argument("--seeds", default="1,2,3")
    return parser.parse_args()


def read_locus(panel, contig, start, end):
    """SNVs of a locus and their haplotypes, variants x haplotypes."""
    records = [r for r in panel.fetch(contig, start, end) if len(r.ref) == 1 and r.alts and len(r.alts) == 1 and len(r.alts[0]) == 1]
    haplotypes = np.array([[allele for sample in r.samples.values() for allele in sample["GT"]] for r in records], np.int8)
    return [(r.pos, r.ref, r.alts[0]) for r in records], haplotypes


def mosaics(rng, positions, haplotypes, n_people):
    drawn = np.empty((len(positions), 2 * n_people), np.int8)
    rows = np.arange(len(positions))
    for haplotype in range(2 * n_people):
        switches = np.sort(rng.uniform(positions[0], positions[-1], rng.poisson(SWITCHES_PER_HAPLOTYPE)))
        founders = rng.integers(0, haplotypes.shape[1], len(switches) + 1)
        drawn[:, haplotype] = haplotypes[rows, founders[np.searchsorted(switches, positions)]]
    return drawn


def per_person(alleles):
    return alleles[0::2].astype(float) + alleles[1::2]


def cis_pair(rng, drawn, common):
    """Of some pairs of variants the one whose joint count a regression on all dosages explains least."""
    dosages = np.c_[np.ones(drawn.shape[1] // 2), (drawn[:, 0::2] + drawn[:, 1::2]).T.astype(float)]
    best = None
    for _ in range(60):
        one, other = rng.choice(common, 2, replace=False)
        count = per_person(drawn[one] == drawn[other])
        residual = count - dosages @ np.linalg.lstsq(dosages, count, rcond=None)[0]
        explained = 1 - (residual**2).sum() / ((count - count.mean()) ** 2).sum()
        if count.std() > 0.3 and (best is None or explained < best[0]):
            best = (explained, one, other)
    return best[1:]


def write_cohort(folder, sites, people, is_case, splits, prefix):
    os.makedirs(folder, exist_ok=True)
    names = [f"{prefix}{number:05}" for number in range(len(is_case))]
    with open(f"{folder}/cohort.csv", "w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["sample_id", "phenotype", "split"])
        table.writerows(zip(names, is_case.astype(int), splits))
    text = np.array(["0|0", "0|1", "1|0", "1|1"])
    with open(f"{folder}/cohort.vcf", "w") as out:
        out.write('##fileformat=VCFv4.2\n##contig=<ID=chr22>\n##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n')
        out.write("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *names]) + "\n")
        for (contig, position, ref, alt), alleles in zip(sites, people):
            genotypes = "\t".join(text[alleles[0::2] * 2 + alleles[1::2]])
            out.write(f"{contig}\t{position}\t.\t{ref}\t{alt}\t.\tPASS\t.\tGT\t{genotypes}\n")
    subprocess.run(["bgzip", "-f", f"{folder}/cohort.vcf"], check=True)
    subprocess.run(["tabix", "-f", f"{folder}/cohort.vcf.gz"], check=True)


def simulate(options, has_cis, seed, folder):
    rng = np.random.default_rng(seed)
    panel = pysam.VariantFile(options.panel)
    n_founder_haplotypes = 2 * options.founders
    sites, drawn, logits = [], ([], []), [np.zeros(options.people), np.zeros(options.people)]
    for number, line in enumerate(open(options.loci)):
        contig, start, end = line.split()[:3]
        found, haplotypes = read_locus(panel, contig, int(start), int(end))
        positions = np.array([position for position, *_ in found])
        groups = haplotypes[:, :n_founder_haplotypes], haplotypes[:, n_founder_haplotypes:]
        here = [mosaics(rng, positions, group, options.people) for group in groups]
        frequencies = [people.mean(1) for people in here]
        common = np.where(np.all([(f > 0.15) & (f < 0.85) for f in frequencies], axis=0))[0]
        if has_cis and number == 0:
            one, other = cis_pair(rng, here[0], common)
            counts, size = [per_person(people[one] == people[other]) for people in here], 4.0
        else:
            causal = rng.choice(common)
            counts, size = [per_person(people[causal]) for people in here], 1.0
        scale, sign = counts[0].std(), rng.choice([-1, 1])
        for group in range(2):
            logits[group] += sign * size * (counts[group] - counts[0].mean()) / scale
            drawn[group].append(here[group])
        sites += [(contig, *site) for site in found]
    scale = logits[0].std()
    for group, name in enumerate(["training", "target"]):
        chances = 1 / (1 + np.exp(-LOG_ODDS_SD * logits[group] / scale))
        is_case = rng.uniform(size=options.people) < chances
        splits = np.full(options.people, "test", object)
        if group == 0:
            order = rng.permutation(options.people)
            splits[order[: int(0.6 * options.people)]] = "train"
            splits[order[int(0.6 * options.people): int(0.8 * options.people)]] = "validation"
        write_cohort(f"{folder}/{name}", sites, np.concatenate(drawn[group]), is_case, splits, "AB"[group])
        auc = area(logits[group][splits == "test"], is_case[splits == "test"])
        print(f"seed {seed}: best achievable AUC {auc:.3f} ({name})", flush=True)


def area(scores, is_case):
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores, kind="stable")] = np.arange(1, len(scores) + 1)
    n_cases = is_case.sum()
    return (ranks[is_case].sum() - n_cases * (n_cases + 1) / 2) / (n_cases * (len(scores) - n_cases))


def areas(scores, cohort):
    with open(cohort) as table:
        is_case = {row["sample_id"]: row["phenotype"] == "1" for row in csv.DictReader(table) if row["split"] == "test"}
    by_model = {}
    with open(scores) as table:
        for row in csv.DictReader(table):
            if row["sample_id"] in is_case:
                by_model.setdefault(row["model"], []).append((float(row["logit"]), is_case[row["sample_id"]]))
    return {model: area(np.array([s for s, _ in rows]), np.array([c for _, c in rows])) for model, rows in by_model.items()}


def of_seed(options, has_cis, seed):
    folder = f"{options.out}/{'cis' if has_cis else 'additive'}-{seed}"
    simulate(options, has_cis, seed, folder)
    vcf = lambda name: ["--vcf", f"{folder}/{name}/cohort.vcf.gz"]
    sequences = ["--reference", options.reference]
    regions, cohort = ["--regions-file", options.loci], ["--cohort", f"{folder}/training/cohort.csv"]
    run(options.binary, "prs", *vcf("training"), *regions, *cohort, "--out", f"{folder}/prs")
    run(options.binary, "tokenize", *vcf("training"), *sequences, *regions, *cohort, "--out", f"{folder}/tokens")
    found = {}
    for name, extra, reference in [("model", [], sequences), ("pure", ["--additive", "none"], sequences), ("prs", None, [])]:
        if extra is not None:
            run(options.binary, "train", "--tokens", f"{folder}/tokens", *cohort, *extra, "--out", f"{folder}/{name}")
        target = f"{folder}/{name}-target.csv"
        run(options.binary, "score", *vcf("target"), *reference, "--model", f"{folder}/{name}", "-o", target)
        here = areas(f"{folder}/{name}/predictions.csv", f"{folder}/training/cohort.csv")
        there = areas(target, f"{folder}/target/cohort.csv")
        for model in here:
            found[model] = (here[model], there.get(model, float("nan")))
    return found


def main():
    options = arguments()
    for has_cis in (False, True):
        tables = [of_seed(options, has_cis, int(seed)) for seed in options.seeds.split(",")]
        for model in tables[0]:
            here, there = (np.mean([table[model][group] for table in tables]) for group in range(2))
            print(f"| {'strong cis' if has_cis else 'additive'} | {model} | {here:.3f} | {there:.3f} |", flush=True)


if __name__ == "__main__":
    main()
