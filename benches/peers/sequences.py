#!/usr/bin/env python3
"""Sequences beside bcftools, GenVarLoader and bgzip, on the same files in one run; prints Markdown.

cargo build --release && benches/peers/install.sh && benches/peers/sequences.py [--gf BINARY] [--work DIR] [--runs 5] [--large 50000]

Whole processes in rounds, medians. Before anything is timed the haplotypes are compared: ours and GenVarLoader's, base by base.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Cohort, Measured, first_line, measure, need, peers_python, print_machine, print_ratios, print_table

HERE = Path(__file__).parent
LEN_NT = 33_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gf", default=str(HERE.parents[1] / "target/release/gf-genomics"), help="our binary")
    parser.add_argument("--work", type=Path, help="folder for cohorts, kept; a temporary one when not given")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--people", type=int, default=3_202)
    parser.add_argument("--parts", default="dictionary,fasta,large", help="what to measure; fasta takes minutes a round")
    parser.add_argument("--large", type=int, default=50_000, help="people of the larger cohort")
    parser.add_argument("--variants", type=int, default=900)
    options = parser.parse_args()
    need("bcftools", "bgzip", "/usr/bin/time", options.gf)
    with tempfile.TemporaryDirectory() as temporary:
        compare(options, options.work or Path(temporary))


def compare(options: argparse.Namespace, work: Path) -> None:
    gf = options.gf
    cohort = Cohort(gf, work, options.people, options.variants)
    print(f"# Sequences: {options.people:,} people, {LEN_NT:,} nt, {options.variants} records\n\n{first_line(gf, '--version')}; ", end="")
    print_machine()
    print(f"VCF.gz {cohort.vcf_mb:.2f} MB, BCF {cohort.bcf_mb:.2f} MB, as text {cohort.text_mb():.1f} MB\n")

    ours_vcf = dictionary("`gf-genomics sequences --out`, VCF.gz", options, work, cohort, cohort.vcf)
    ours_bcf = dictionary("`gf-genomics sequences --out`, BCF", options, work, cohort, cohort.bcf)
    fasta = work / "all.fa"
    subprocess.run([gf, "sequences", *cohort.genomes(cohort.vcf), "-o", fasta], check=True, stderr=subprocess.DEVNULL)
    parts = options.parts.split(",")
    if "dictionary" in parts:
        beside_peers(options, work, cohort, fasta, ours_vcf, ours_bcf)
    if "fasta" in parts:
        compressed(options, work, cohort, fasta)
    if "large" in parts:
        larger(options, work, cohort, ours_vcf, ours_bcf)


def dictionary(what: str, options: argparse.Namespace, work: Path, cohort: Cohort, variants: Path) -> Measured:
    return Measured(what, [options.gf, "sequences", *cohort.genomes(variants), "--out", str(work / "dictionary")])


def view(what: str, variants: Path, *more: str) -> Measured:
    return Measured(what, ["bcftools", "view", str(variants), *more, "-o", "/dev/null"])


def beside_peers(options, work: Path, cohort: Cohort, fasta: Path, ours_vcf: Measured, ours_bcf: Measured) -> None:
    python = peers_python()
    gvl = [python, str(HERE / "gvl.py"), str(cohort.vcf), str(cohort.reference), str(cohort.loci), str(work / "gvl")]
    check_same_bases(fasta, gvl)

    view_vcf = view("`bcftools view`, VCF.gz", cohort.vcf)
    view_bcf = view("`bcftools view`, BCF", cohort.bcf)
    view_bcf_u = view("`bcftools view -Ou`, BCF", cohort.bcf, "-Ou")
    norm = Measured("`bcftools norm -m -`, which other files than ours need before GenVarLoader", [
        "bcftools", "norm", "-m", "-", "-f", str(cohort.reference), "-Ob", "-o", "/dev/null", str(cohort.vcf)])
    fresh = Measured("GenVarLoader write + open + first read", gvl)
    indexed = Measured("the same, its index of the VCF already there", [*gvl, "--keep-index"])
    imported = Measured("`python -c 'import genvarloader'`", [python, "-c", "import genvarloader"])
    consensus = Measured("`bcftools consensus -H 1`, one haplotype", [
        "bcftools", "consensus", "-f", str(cohort.reference), "-s", "P00001", "-H", "1", "-o", "/dev/null", str(cohort.vcf)])
    rows = [ours_vcf, ours_bcf, view_vcf, view_bcf, view_bcf_u, norm, fresh, indexed, imported, consensus]
    measure(rows, options.runs)
    print_table(rows)

    inside = {row.what: median_inside(row) for row in (fresh, indexed)}
    print("GenVarLoader inside the process, without import, interpreter and exit (medians of s):\n")
    print("| | import | write | open | first read | write + open + first read |\n|---|---|---|---|---|---|")
    for what, of in inside.items():
        print(f"| {what} | {of['import']:.2f} | {of['write']:.2f} | {of['open']:.2f} | {of['read']:.2f} | {of['sum']:.2f} |")
    extrapolated = consensus.median * 2 * options.people
    print(f"\n`bcftools consensus` for all {2 * options.people:,} haplotypes, extrapolated from one: {extrapolated:.0f} s\n")
    peer, peer_indexed = (inside[row.what]["sum"] for row in (fresh, indexed))
    print_ratios([
        ("ours from VCF.gz / GenVarLoader inside", ours_vcf.median / peer, "at most 0.33"),
        ("ours from BCF / GenVarLoader inside (from VCF.gz)", ours_bcf.median / peer, "at most 0.33"),
        ("ours from VCF.gz / GenVarLoader inside, with its index", ours_vcf.median / peer_indexed, ""),
        ("ours from VCF.gz / `bcftools view`", ours_vcf.median / view_vcf.median, "at most 2"),
        ("ours from BCF / `bcftools view`", ours_bcf.median / view_bcf.median, "at most 2"),
        ("`bcftools consensus`, extrapolated / ours from VCF.gz", extrapolated / ours_vcf.median, ""),
        ("peak MB of ours", max(ours_vcf.peak, ours_bcf.peak), "at most 150"),
    ])


def check_same_bases(fasta: Path, gvl: list[str]) -> None:
    """Stops when GenVarLoader's haplotypes are not ours."""
    theirs = json.loads(subprocess.run([*gvl, "--digest"], check=True, capture_output=True, text=True).stdout)
    bases = hashlib.sha256()
    n_bases = 0
    with fasta.open("rb") as lines:
        for line in lines:
            if not line.startswith(b">"):
                bases.update(line.rstrip())
                n_bases += len(line) - 1
    if (n_bases, bases.hexdigest()) != (theirs["bases"], theirs["sha256"]):
        sys.exit(f"the haplotypes differ: ours have {n_bases} bases, GenVarLoader's {theirs['bases']}")
    print(f"The {n_bases:,} bases of all haplotypes are those of GenVarLoader (SHA-256 {bases.hexdigest()[:12]}...).\n")


def median_inside(row: Measured) -> dict[str, float]:
    said = [json.loads(text) for text in row.said]
    of = {part: statistics.median(one[part] for one in said) for part in ("import", "write", "open", "read")}
    return {**of, "sum": statistics.median(one["write"] + one["open"] + one["read"] for one in said)}


def compressed(options: argparse.Namespace, work: Path, cohort: Cohort, fasta: Path) -> None:
    print(f"## FASTA of all {2 * options.people:,} haplotypes\n")
    ours = Measured("`gf-genomics sequences -o all.fa.gz`", [
        options.gf, "sequences", *cohort.genomes(cohort.vcf), "-o", str(work / "ours.fa.gz")])
    plain = Measured("`gf-genomics sequences -o all.fa`", [options.gf, "sequences", *cohort.genomes(cohort.vcf), "-o", str(work / "ours.fa")])

    def bgzip(threads: int) -> Measured:
        command = f"bgzip -@ {threads} -c '{fasta}' > '{work / 'bgzip.fa.gz'}'"
        return Measured(f"`bgzip -@ {threads}` of the same bytes", ["sh", "-c", command])

    one, two = bgzip(1), bgzip(2)
    measure([ours, plain, one, two], options.runs)
    print_table([ours, plain, one, two])
    sizes = {name: (work / name).stat().st_size / 1e6 for name in ("ours.fa", "ours.fa.gz", "bgzip.fa.gz")}
    print(f"{sizes['ours.fa']:.0f} MB; compressed {sizes['ours.fa.gz']:.1f} MB by us, {sizes['bgzip.fa.gz']:.1f} MB by bgzip\n")
    print_ratios([
        ("ours / `bgzip -@ 1`", ours.median / one.median, "about 1"),
        ("ours / `bgzip -@ 2`", ours.median / two.median, "about 1"),
    ])
    for name in sizes:
        (work / name).unlink()


def larger(options, work: Path, cohort: Cohort, ours_vcf: Measured, ours_bcf: Measured) -> None:
    if not ours_vcf.seconds:
        measure([ours_vcf, ours_bcf], options.runs)
    large = Cohort(options.gf, work, options.large, options.variants)
    print(f"## {options.large:,} people\n\nVCF.gz {large.vcf_mb:.2f} MB, BCF {large.bcf_mb:.2f} MB, as text {large.text_mb():.1f} MB\n")
    rows = [
        dictionary("`gf-genomics sequences --out`, VCF.gz", options, work, large, large.vcf),
        dictionary("`gf-genomics sequences --out`, BCF", options, work, large, large.bcf),
        view("`bcftools view`, VCF.gz", large.vcf),
        view("`bcftools view`, BCF", large.bcf),
    ]
    measure(rows, options.runs)
    print_table(rows)
    times = large.text_mb() / cohort.text_mb()
    print_ratios([
        (f"VCF.gz: seconds grow, for {times:.1f} times the text", rows[0].median / ours_vcf.median, f"at most {times:.1f}"),
        (f"BCF: seconds grow, for {times:.1f} times the text", rows[1].median / ours_bcf.median, f"at most {times:.1f}"),
        ("ours from VCF.gz / `bcftools view`", rows[0].median / rows[2].median, "at most 2"),
        ("ours from BCF / `bcftools view`", rows[1].median / rows[3].median, "at most 2"),
        ("peak MB of ours", max(rows[0].peak, rows[1].peak), ""),
    ])


if __name__ == "__main__":
    main()
