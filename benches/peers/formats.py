#!/usr/bin/env python3
"""PGEN and BGEN compared with VCF.gz and plink2, on the same files in one run; prints Markdown.

cargo build --release && benches/peers/formats.py [--gf BINARY] [--work DIR] [--runs 5]

The programs run as whole processes in rounds; the tables have medians. Before any timing, the
haplotypes from every format are compared base by base.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import (
    Cohort,
    Measured,
    first_line,
    measure,
    need,
    print_machine,
    print_ratios,
    print_table,
)

ROOT = Path(__file__).parents[2]
PLINK2 = ["plink2", "--allow-extra-chr", "--threads", "2"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gf", default=str(ROOT / "target/release/gf-genomics"), help="our binary")
    parser.add_argument("--work", type=Path, help="folder of the cohorts, kept")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--people", type=int, nargs="*", default=[3_202, 50_000])
    parser.add_argument("--variants", type=int, default=900)
    parser.add_argument("--biobank", type=int, default=500_000, help="samples of the PGEN alone")
    options = parser.parse_args()
    need("plink2", "bcftools", "bgzip", "/usr/bin/time", options.gf)
    print(f"# Genotype formats\n\n{first_line(options.gf, '--version')}; ", end="")
    print(f"{first_line('plink2', '--version')}; ", end="")
    print_machine()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        for people in options.people:
            compare(options, work, people)
        if options.biobank:
            biobank(options, work)


def compare(options: argparse.Namespace, work: Path, people: int) -> None:
    cohort = Cohort(options.gf, work, people, options.variants)
    convert(cohort)
    print(f"## {people:,} samples\n")
    folder = cohort.folder
    files = {"VCF.gz": cohort.vcf, "PGEN": folder / "p.pgen", "BGEN": folder / "b.bgen"}
    check_same_haplotypes(options.gf, cohort, files)
    ours = {name: dictionary(options, work, cohort, name, path) for name, path in files.items()}
    export = Measured("`plink2 --pfile --export haps`", [
        *PLINK2, "--pfile", str(folder / "p"), "--export", "haps",
        "--out", str(work / "haps")])
    scores = {name: prs(options, work, cohort, name, path) for name, path in files.items()}
    peer_score = Measured("`plink2 --pfile --score`", [
        *PLINK2, "--pfile", str(folder / "p"), "--score", str(folder / "plink.txt"),
        "cols=+scoresums", "--out", str(work / "plink-score")])
    rows = [*ours.values(), export, *scores.values(), peer_score]
    measure(rows, options.runs)
    print_table(rows)
    print_ratios([
        ("haplotypes, PGEN / VCF.gz", ours["PGEN"].median / ours["VCF.gz"].median, "at most 0.5"),
        ("haplotypes, PGEN / plink2", ours["PGEN"].median / export.median, "at most 1"),
        ("haplotypes, BGEN / VCF.gz", ours["BGEN"].median / ours["VCF.gz"].median, "at most 1"),
        ("scores, PGEN / plink2", scores["PGEN"].median / peer_score.median, "at most 1"),
        ("peak MB", max(row.peak for row in (*ours.values(), *scores.values())), "at most 150"),
    ])


def convert(cohort: Cohort) -> None:
    """PGEN, BGEN and a score of every variant, made by plink2 from the VCF."""
    folder = cohort.folder
    if (folder / "score.txt").exists():
        return
    pgen = ["--vcf", str(cohort.vcf), "--set-all-var-ids", "@:#:$r:$a", "--new-id-max-allele-len",
            "500", "--make-pgen", "--out", str(folder / "p")]
    bgen = ["--pfile", str(folder / "p"), "--export", "bgen-1.2", "bits=8", "ref-first",
            "--out", str(folder / "b")]
    for arguments in (pgen, bgen):
        subprocess.run([*PLINK2, *arguments], check=True, capture_output=True)
    ours = ["chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight"]
    theirs = []
    lines = (folder / "p.pvar").read_text().splitlines()
    for index, line in enumerate(line for line in lines if not line.startswith("#")):
        contig, position, name, ref, alt = line.split("\t")[:5]
        weight = 0.1 + 0.01 * (index % 17)
        ours.append(f"{contig}\t{position}\t{alt}\t{ref}\t{weight}")
        theirs.append(f"{name}\t{alt}\t{weight}")
    (folder / "plink.txt").write_text("\n".join(theirs) + "\n")
    (folder / "score.txt").write_text("\n".join(ours) + "\n")


def genomes(cohort: Cohort, path: Path) -> list[str]:
    return ["--genotypes", str(path), "--reference", str(cohort.reference),
            "--regions-file", str(cohort.loci)]


def check_same_haplotypes(gf: str, cohort: Cohort, files: dict[str, Path]) -> None:
    """Stops when the haplotypes differ between formats. FASTA of 500 samples is enough."""
    ids = cohort.folder / "ids.txt"
    rows = (cohort.folder / "cohort.csv").read_text().splitlines()[1:501]
    ids.write_text("".join(row.split(",")[0] + "\n" for row in rows))
    digests = {}
    for name, path in files.items():
        command = [gf, "sequences", *genomes(cohort, path), "--samples-file", str(ids), "-o", "-"]
        done = subprocess.run(command, check=True, capture_output=True)
        digests[name] = hashlib.sha256(done.stdout).hexdigest()
    if len(set(digests.values())) != 1:
        sys.exit(f"the haplotypes differ: {digests}")
    print(f"The haplotypes of {len(rows)} samples are equal from {', '.join(files)}.\n")


def dictionary(options, work: Path, cohort: Cohort, name: str, path: Path) -> Measured:
    out = ["--out", str(work / "dictionary"), "--force"]
    return Measured(f"`gf-genomics sequences`, {name}",
                    [options.gf, "sequences", *genomes(cohort, path), *out])


def prs(options, work: Path, cohort: Cohort, name: str, path: Path) -> Measured:
    files = ["--genotypes", str(path), "--reference", str(cohort.reference)]
    score = ["--scoring-file", str(cohort.folder / "score.txt"), "--keep-ambiguous"]
    out = ["--out", str(work / "prs"), "--force"]
    return Measured(f"`gf-genomics prs`, {name}", [options.gf, "prs", *files, *score, *out])


def biobank(options: argparse.Namespace, work: Path) -> None:
    people = options.biobank
    folder = work / f"{people}-pgen"
    simulate = Measured("`gf-genomics simulate --format pgen`", [
        options.gf, "simulate", "--people", str(people), "--variants", str(options.variants),
        "--risk", "null", "--format", "pgen", "--out", str(folder)])
    if not (folder / "cohort.pgen").exists():
        simulate.run_once()
        print(f"`simulate`: {simulate.median:.1f} s, {simulate.peak:.0f} MB\n")
    print(f"## {people:,} samples, PGEN of simulate\n")
    size = (folder / "cohort.pgen").stat().st_size / 1e6
    print(f"{options.variants} variants, {size:.1f} MB\n")
    rows = [Measured("`gf-genomics sequences`, PGEN", [
        options.gf, "sequences", "--genotypes", str(folder / "cohort.pgen"),
        "--reference", str(folder / "reference.fa"), "--regions-file", str(folder / "loci.bed"),
        "--out", str(work / "dictionary"), "--force"])]
    rows.append(Measured("`plink2 --pfile --export haps`", [
        *PLINK2, "--pfile", str(folder / "cohort"), "--export", "haps",
        "--out", str(work / "haps")]))
    measure(rows, max(1, options.runs // 2))
    print_table(rows)


if __name__ == "__main__":
    main()
