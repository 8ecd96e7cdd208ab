#!/usr/bin/env python3
"""Tokens beside Hugging Face's tokenizers, on the same haplotypes in one run; prints Markdown.

cargo build --release && benches/peers/install.sh && benches/peers/tokens.py [--gf BINARY] [--work DIR] [--runs 5] [--sample 64]

Everybody is in the training split. Our seconds are those of `tokenize --report` (`fit`: cutting, counting, training, slots; `encode`: every
haplotype), and of the whole process; theirs are without import and reading. On whole haplotypes they are timed on a sample and extrapolated.
"""

import argparse
import csv
import json
import re
import statistics
import subprocess
import tempfile
from pathlib import Path

from measure import Cohort, Measured, first_line, measure, need, peers_python, print_machine, print_ratios, print_table

HERE = Path(__file__).parent
SEGMENT_NT = 128
VOCABULARY = 4_096
# Whole haplotypes that their trainer gets: its time grows faster than their number, so that the extrapolation is a lower bound.
N_TRAINED_WHOLE = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gf", default=str(HERE.parents[1] / "target/release/gf-genomics"), help="our binary")
    parser.add_argument("--work", type=Path, help="folder for cohorts, kept; a temporary one when not given")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--people", type=int, default=3_202)
    parser.add_argument("--variants", type=int, default=900)
    parser.add_argument("--sample", type=int, default=64, help="whole haplotypes that they encode; the rest is extrapolated")
    options = parser.parse_args()
    need("bcftools", "bgzip", "/usr/bin/time", options.gf)
    with tempfile.TemporaryDirectory() as temporary:
        compare(options, options.work or Path(temporary))


def compare(options: argparse.Namespace, work: Path) -> None:
    gf = options.gf
    cohort = Cohort(gf, work, options.people, options.variants)
    everyone = work / "everyone-trains.csv"
    everyone.write_text(re.sub(",(validation|test)", ",train", (cohort.folder / "cohort.csv").read_text()))
    n_haplotypes = 2 * options.people
    print(f"# Tokens of {n_haplotypes:,} haplotypes, 33,000 nt, {options.variants} records\n\n{first_line(gf, '--version')}; ", end="")
    print_machine()

    def tokenize(vocabulary: str) -> tuple[Measured, Path]:
        out = work / f"tokens-{vocabulary}"
        command = [gf, "tokenize", *cohort.genomes(cohort.vcf), "--cohort", str(everyone), "--vocab-size", vocabulary]
        command += ["--segment-length", str(SEGMENT_NT), "--out", str(out), "--report"]
        return Measured(f"`gf-genomics tokenize --vocab-size {vocabulary}`", command, lambda: json.dumps(report(out))), out

    (saturated, saturated_out), (small, small_out) = tokenize("saturate"), tokenize(str(VOCABULARY))
    subprocess.run(saturated.command, check=True, capture_output=True)
    subprocess.run(small.command, check=True, capture_output=True)
    segments, sample, few = write_lines(gf, cohort, saturated_out, options.sample, work)

    def theirs(what: str, *arguments: str) -> Measured:
        return Measured(what, [peers_python(), str(HERE / "huggingface.py"), *arguments])

    vocabulary = report(saturated_out)["vocabulary"]
    train_saturated = theirs("they train on our distinct segments, saturated", "train", str(segments), str(int(vocabulary)), str(SEGMENT_NT))
    train_small = theirs(f"they train on our distinct segments, {VOCABULARY}", "train", str(segments), str(VOCABULARY), str(SEGMENT_NT))
    train_whole = theirs(f"they train on {N_TRAINED_WHOLE} whole haplotypes, {VOCABULARY}", "train", str(few), str(VOCABULARY), str(SEGMENT_NT))
    encode_saturated = theirs(f"they encode {options.sample} whole haplotypes, saturated", "encode", str(saturated_out / "tokenizer.json"), str(sample))
    encode_small = theirs(f"they encode {options.sample} whole haplotypes, {VOCABULARY}", "encode", str(small_out / "tokenizer.json"), str(sample))
    rows = [saturated, small, train_saturated, train_small, train_whole, encode_saturated, encode_small]
    measure(rows, options.runs)
    measured = {row.what: medians(row) for row in (saturated, small)}
    print_table(rows)

    print("Inside the process (medians of s):\n\n| | fit | encode all |\n|---|---|---|")
    for row in (saturated, small):
        print(f"| {row.what} | {measured[row.what]['fit_seconds']:.2f} | {measured[row.what]['encode_seconds']:.2f} |")
    inside = {row.what: inner(row) for row in (train_saturated, train_small, train_whole, encode_saturated, encode_small)}
    for row in (train_saturated, train_small):
        print(f"| {row.what} | {inside[row.what]:.2f} | |")
    whole_training = inside[train_whole.what] * n_haplotypes / N_TRAINED_WHOLE
    print(f"| {train_whole.what} | {inside[train_whole.what]:.2f}; for all at least {whole_training:,.0f}, extrapolated | |")
    all_encoded = {}
    for row in (encode_saturated, encode_small):
        all_encoded[row.what] = inside[row.what] * n_haplotypes / options.sample
        print(f"| {row.what} | | {inside[row.what]:.2f}; for all {all_encoded[row.what]:.0f}, extrapolated |")
    found = measured[saturated.what]
    n_distinct = found["distinct_haplotypes"]
    print(f"\n{n_distinct:,.0f} of the {n_haplotypes:,} haplotypes are distinct, {found['distinct_segments']:,.0f} segments.")
    print("Their training segments are ours, each once: counting copies would be more work for them, and changes which pair is merged.\n")
    of_distinct = all_encoded[encode_saturated.what] * n_distinct / n_haplotypes
    print_ratios([
        ("ours fit, s, saturated", found["fit_seconds"], "at most 2"),
        ("ours encode all, s, saturated", found["encode_seconds"], "at most 1"),
        ("ours fit / they train on our segments, saturated", found["fit_seconds"] / inside[train_saturated.what], ""),
        (f"ours fit / they train on our segments, {VOCABULARY}", measured[small.what]["fit_seconds"] / inside[train_small.what], ""),
        ("they encode all whole / ours encode, saturated", all_encoded[encode_saturated.what] / found["encode_seconds"], ""),
        ("they encode the distinct ones whole / ours encode, saturated", of_distinct / found["encode_seconds"], ""),
        (f"they encode all whole / ours encode, {VOCABULARY}", all_encoded[encode_small.what] / measured[small.what]["encode_seconds"], ""),
        ("peak MB of ours", max(saturated.peak, small.peak), ""),
    ])


def write_lines(gf: str, cohort: Cohort, tokens: Path, n_sample: int, work: Path) -> tuple[Path, Path, Path]:
    """Our distinct training segments, and whole haplotypes of people evenly through the cohort; each a line."""
    grid = json.loads((tokens / "grid.json").read_text())
    segments = {segment for locus in grid["loci"] for place in locus["known_segments"] for segment in place if segment}
    (work / "segments.txt").write_text("\n".join(sorted(segments)))
    fasta = work / "some.fa"
    step = max(1, 2 * cohort.people // n_sample)
    subprocess.run([gf, "sequences", *cohort.genomes(cohort.vcf), "-o", fasta], check=True, stderr=subprocess.DEVNULL)
    with fasta.open() as lines:
        haplotypes = [line for number, line in enumerate(whole(lines)) if number % step == 0][:n_sample]
    fasta.unlink()
    (work / "whole.txt").write_text("\n".join(haplotypes))
    (work / "few.txt").write_text("\n".join(haplotypes[:N_TRAINED_WHOLE]))
    return work / "segments.txt", work / "whole.txt", work / "few.txt"


def whole(lines):
    bases = []
    for line in lines:
        if line.startswith(">"):
            if bases:
                yield "".join(bases)
            bases = []
        else:
            bases.append(line.rstrip())
    yield "".join(bases)


def report(out: Path) -> dict[str, float]:
    with (out / "report.csv").open() as table:
        return {row["measure"]: float(row["value"]) for row in csv.DictReader(table) if row["value"]}


def medians(row: Measured) -> dict[str, float]:
    """Of every measure in the reports of a row's runs."""
    reports = [json.loads(text) for text in row.said]
    return {name: statistics.median(one[name] for one in reports) for name in reports[0]}


def inner(row: Measured) -> float:
    return statistics.median(json.loads(text)["seconds"] for text in row.said)


if __name__ == "__main__":
    main()
