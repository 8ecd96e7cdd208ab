#!/usr/bin/env python3
"""Published scores beside plink2, import and score from the same VCF in one run; prints Markdown.

cargo build --release && benches/peers/install.sh && benches/peers/scores.py [--gf BINARY] [--work DIR] [--runs 5] [--real FOLDER]

Whole processes in rounds, medians. plink2 imports to a pgen and scores that; we do both at once. FOLDER has tiny1000G.vcf.gz and
PGS001229_hmPOS_GRCh38.txt.gz of pygscatalog (Apache-2.0). The sums are compared before anything is timed.
"""

import argparse
import csv
import gzip
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Cohort, Measured, first_line, measure, need, print_machine, print_ratios, print_table

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gf", default=str(HERE.parents[1] / "target/release/gf-genomics"), help="our binary")
    parser.add_argument("--work", type=Path, help="folder for cohorts, kept; a temporary one when not given")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--real", type=Path, help="folder of the real genomes and scores")
    parser.add_argument("--people", type=int, default=20_000, help="people of the simulated cohort")
    parser.add_argument("--variants", type=int, default=900)
    options = parser.parse_args()
    need("plink2", "bcftools", "bgzip", "/usr/bin/time", options.gf)
    print(f"# Published scores\n\n{first_line(options.gf, '--version')}; {first_line('plink2', '--version')}; ", end="")
    print_machine()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        if options.real:
            vcf, score = options.real / "tiny1000G.vcf.gz", options.real / "PGS001229_hmPOS_GRCh38.txt.gz"
            beside_plink2("3,202 people, 1,004 records, a score of 51,209 rows", options, work / "real", vcf, score)
        cohort = Cohort(options.gf, work, options.people, options.variants)
        vcf = with_ids(cohort)
        beside_plink2(f"{options.people:,} people, {options.variants} records, all of them scored", options, work / "simulated", vcf,
                      every_variant(vcf))


def with_ids(cohort: Cohort) -> Path:
    """The cohort with an ID for each record and a chromosome that plink2 knows, which it needs to score it."""
    vcf, names = cohort.folder / "with_ids.vcf.gz", cohort.folder / "chromosomes.txt"
    if not vcf.exists():
        contigs = [line.split("\t")[0] for line in cohort.loci.read_text().splitlines()]
        names.write_text("".join(f"{contig} {number}\n" for number, contig in enumerate(dict.fromkeys(contigs), start=1)))
        rename = ["bcftools", "annotate", "--rename-chrs", str(names), "-Ou", str(cohort.vcf)]
        ids = ["bcftools", "annotate", "--set-id", "%CHROM:%POS:%REF:%ALT", "-Oz", "-o", str(vcf)]
        subprocess.run(["sh", "-c", f"{shell(rename)} | {shell(ids)}"], check=True, stderr=subprocess.DEVNULL)
    return vcf


def every_variant(vcf: Path) -> Path:
    """A scoring file with a weight for each record."""
    score = vcf.parent / "score.txt"
    weights = random.Random(1)
    with gzip.open(vcf, "rt") as lines, score.open("w") as out:
        out.write("chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n")
        for line in lines:
            if not line.startswith("#"):
                contig, position, _, ref, alt = line.split("\t", 5)[:5]
                out.write(f"{contig}\t{position}\t{alt}\t{ref}\t{weights.gauss(0, 0.1):.6f}\n")
    return score


def beside_plink2(what: str, options: argparse.Namespace, folder: Path, vcf: Path, score: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ours = Measured("`gf-genomics prs`, import and score", [
        options.gf, "prs", "--vcf", str(vcf), "--scoring-file", str(score), "--min-overlap", "0", "--out", str(folder / "ours")])
    ours.run_once()
    weights = folder / "weights.tsv"
    with (folder / "ours/match_log.csv").open() as log, weights.open("w") as out:
        for row in csv.DictReader(log):
            if row["match_status"] == "matched":
                out.write(f"{row['ID']}\t{row['matched_effect_allele']}\t{row['effect_weight']}\n")
    pgen, scored = str(folder / "pgen"), str(folder / "plink2")
    made = ["plink2", "--vcf", str(vcf), "--make-pgen", "--out", pgen]
    summed = ["plink2", "--pfile", pgen, "--score", str(weights), "1", "2", "3", "cols=scoresums", "--out", scored]
    both = Measured("`plink2 --make-pgen`, then `plink2 --score`", ["sh", "-c", f"{shell(made)} && {shell(summed)}"])
    at_once = Measured("`plink2 --vcf F --score`, no pgen kept", [
        "plink2", "--vcf", str(vcf), "--score", str(weights), "1", "2", "3", "cols=scoresums", "--out", scored])
    both.run_once()
    check_same_sums(folder / "ours/raw_scores.csv", Path(f"{scored}.sscore"))
    rows = [ours, both, at_once]
    for row in rows:
        for values in (row.seconds, row.cpu_seconds, row.peak_mb, row.said):
            values.clear()
    measure(rows, options.runs)
    print(f"## {what}\n\nVCF.gz {vcf.stat().st_size / 1e6:.2f} MB\n")
    print_table(rows)
    print_ratios([
        ("ours / plink2, import and score", ours.median / both.median, "at most 1"),
        ("ours / plink2 without a pgen", ours.median / at_once.median, "at most 1"),
        ("CPU seconds of ours / plink2's", sum(ours.cpu_seconds) / sum(both.cpu_seconds), ""),
    ])


def shell(command: list[str]) -> str:
    return " ".join(f"'{word}'" for word in command)


def check_same_sums(raw_scores: Path, sscore: Path) -> None:
    """Stops when the sums are not those of plink2, to the six digits that it prints."""
    with raw_scores.open() as table:
        ours = {row["sample_id"]: float(row["sum"]) for row in csv.DictReader(table)}
    lines = sscore.read_text().splitlines()
    theirs = {line.split("\t")[0]: float(line.split("\t")[-1]) for line in lines[1:]}
    worst = max(abs(ours[person] - found) / max(abs(found), 1e-3) for person, found in theirs.items())
    if len(ours) != len(theirs) or worst > 1e-5:
        sys.exit(f"the sums differ: {len(ours)} and {len(theirs)} people, by {worst:.1e} relative")
    print(f"The sums of {len(ours):,} people are those of plink2 (largest relative difference {worst:.1e}; it prints six digits).\n")


if __name__ == "__main__":
    main()
