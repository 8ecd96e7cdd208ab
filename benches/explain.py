#!/usr/bin/env python3
"""Whether `explain` finds the causal sites of planted cohorts.

    benches/explain.py [--program gf-genomics] [--out DIR] [--people 2000] [--risks additive,cis] [--seeds 1,...,10]
                       [--epochs 24] [--ensemble 1] [--haplotypes 60] [--pairs 8]

Simulates each cohort from nothing, trains the defaults on it, explains the model, and looks for each causal site of truth.json, or a site in
r2 > 0.8 with it among the haplotypes of the cohort. Prints a Markdown table: the rank of each causal site's best proxy, the largest r2 of the first
two sites with a causal one, how well the versions of the first one's segment tell a causal site (a model reads segments: two alleles of one segment can
together stand for a site elsewhere), (additive) the r2 of the first with the number of effect alleles at several causal sites of a haplotype, which nothing can
tell from them, and (cis) the rank of the pair. What is there already is not done again.
"""

import argparse
import csv
import gzip
import itertools
import json
import pathlib
import subprocess
import sys

PROXY_R2 = 0.8
SEGMENT_NT = 128


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")


def rows_of(path):
    with open(path, newline="") as table:
        return sorted(csv.DictReader(table), key=lambda row: int(row["rank"]))


class Haplotypes:
    """Which of the cohort's haplotypes have an ALT: a number whose bits are the haplotypes."""

    def __init__(self, vcf):
        self.carriers = {}
        with gzip.open(vcf, "rt") as lines:
            for fields in (line.split() for line in lines if not line.startswith("#")):
                alleles = [allele for call in fields[9:] for allele in call.split("|")]
                self.n = len(alleles)
                for number, alt in enumerate(fields[4].split(","), start=1):
                    bits = "".join("1" if allele == str(number) else "0" for allele in alleles)
                    self.carriers[int(fields[1]), fields[3], alt] = int(bits, 2)

    def covariance(self, first, second):
        # An indel whose record has bases to spare is named otherwise: it proxies nothing.
        a, b = self.carriers.get(first, 0), self.carriers.get(second, 0)
        p, q, both = (bits.bit_count() / self.n for bits in (a, b, a & b))
        return both - p * q

    def r2(self, first, second):
        return self.r2_of_sum(first, {second: 1})

    def r2_of_segment(self, found, cause):
        """Of a causal site, the share of its variance between the versions of the segment (128 nt of the locus, which begins at 1) that a site lies in: a token each."""
        segment = (found[0] - 1) // SEGMENT_NT
        versions = [(1 << self.n) - 1]
        for variant, bits in self.carriers.items():
            if (variant[0] - 1) // SEGMENT_NT == segment:
                versions = [part for version in versions for part in (version & bits, version & ~bits) if part]
        carriers = self.carriers[cause]
        p = carriers.bit_count() / self.n
        between = sum(version.bit_count() * ((version & carriers).bit_count() / version.bit_count() - p) ** 2 for version in versions)
        return between / self.n / (p * (1 - p))

    def r2_of_sum(self, found, signs):
        """With the weighted number of ALTs at several sites."""
        of_sum = sum(a * b * self.covariance(first, second) for first, a in signs.items() for second, b in signs.items())
        variance = self.covariance(found, found) * of_sum
        return sum(sign * self.covariance(found, cause) for cause, sign in signs.items()) ** 2 / variance if variance > 0 else 0.0


def site(row, which=""):
    return int(row[f"{which}position"]), row[f"{which}ref_allele"], row[f"{which}alt_allele"]


def first(ranks):
    return min(ranks, default=None)


def one(o, risk, seed):
    folder = o.out / f"{risk}-{seed}"
    people = folder / "cohort"
    genomes = ["--vcf", people / "cohort.vcf.gz", "--reference", people / "reference.fa", "--cohort", people / "cohort.csv"]
    if not (people / "truth.json").exists():
        run([o.program, "simulate", "--people", o.people, "--risk", risk, "--auc", 0.72, "--seed", seed, "--out", people])
    if not (folder / "tokens" / "tokens.safetensors").exists():
        run([o.program, "tokenize", *genomes, "--regions-file", people / "loci.bed", "--out", folder / "tokens"])
    if not (folder / "model" / "config.json").exists():
        train = ["train", "--additive", "none", "--tokens", folder / "tokens", "--cohort", people / "cohort.csv", "--epochs", o.epochs, "--ensemble", o.ensemble]
        run([o.program, *train, "--seed", seed, "--out", folder / "model"])
    explained = folder / "explained"
    if not (explained / "explain.csv").exists():
        some = ["--haplotypes", o.haplotypes] if o.haplotypes else []
        run([o.program, "explain", *genomes, "--model", folder / "model", "--pairs", o.pairs, *some, "--out", explained])
    haplotypes = Haplotypes(people / "cohort.vcf.gz")
    truth = json.loads((people / "truth.json").read_text())["causal_sites"]
    signs = {site(row): 1 if row["effect_allele"] == row["alt_allele"] else -1 for row in truth}
    causal = list(signs)
    several = [{cause: signs[cause] for cause in some} for n in range(2, len(causal) + 1) for some in itertools.combinations(causal, n)]
    sites = [site(row) for row in rows_of(explained / "explain.csv")]
    proxies = [[rank for rank, found in enumerate(sites, start=1) if haplotypes.r2(found, cause) > PROXY_R2] for cause in causal]
    pairs = [(site(row, "first_"), site(row, "second_")) for row in rows_of(explained / "pairs.csv")]
    is_causal = lambda pair: len(causal) == 2 and any(all(haplotypes.r2(a, b) > PROXY_R2 for a, b in zip(pair, order)) for order in (causal, causal[::-1]))
    return {
        "ranks": [first(ranks) for ranks in proxies],
        "r2": [max(haplotypes.r2(found, cause) for cause in causal) for found in sites[:2]],
        "r2_of_segment": max(haplotypes.r2_of_segment(sites[0], cause) for cause in causal),
        "r2_of_sum": max((haplotypes.r2_of_sum(sites[0], some) for some in several if risk == "additive"), default=0.0),
        "pair": first(rank for rank, pair in enumerate(pairs, start=1) if is_causal(pair)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="gf-genomics")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("explain"))
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--ensemble", type=int, default=1)
    parser.add_argument("--haplotypes", type=int, default=60, help="0: all")
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--risks", default="additive,cis")
    parser.add_argument("--seeds", default="1,2,3,4,5,6,7,8,9,10")
    o = parser.parse_args()
    for risk in o.risks.split(","):
        found = []
        print("| risk | seed | rank of each causal site or proxy | r2 of ranks 1 and 2 with a causal site | r2 of its segment | r2 of rank 1 with several | rank of the causal pair |\n|---|---|---|---|---|---|---|")
        for seed in map(int, o.seeds.split(",")):
            result = one(o, risk, seed)
            found.append(result)
            cells = [risk, seed, ", ".join(map(str, result["ranks"])), ", ".join(f"{r2:.2f}" for r2 in result["r2"]), *(f"{result[r2]:.2f}" for r2 in ["r2_of_segment", "r2_of_sum"]), result["pair"] or ""]
            print("|", " | ".join(map(str, cells)), "|", flush=True)
        n_first = sum(result["r2"][0] > PROXY_R2 for result in found)
        n_of_segment = sum(result["r2"][0] <= PROXY_R2 < result["r2_of_segment"] for result in found)
        n_for_several = sum(result["r2"][0] <= PROXY_R2 < result["r2_of_sum"] for result in found)
        n_both = sum(min(result["r2"]) > PROXY_R2 for result in found)
        n_pair = sum(result["pair"] == 1 for result in found)
        summary = f"{risk}: rank 1 is causal or its proxy in {n_first} of {len(found)}, in a segment that is in {n_of_segment}, one for several in {n_for_several}; ranks 1 and 2 in {n_both}"
        print(f"\n{summary}" + (f", the first pair is the causal one in {n_pair}\n" if risk == "cis" else "\n"))


if __name__ == "__main__":
    main()
