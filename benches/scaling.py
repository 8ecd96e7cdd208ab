#!/usr/bin/env python3
"""What each stage costs against people, loci and nucleotides, and how it grows.

    benches/scaling.py [--program gf-genomics] [--out DIR] [--people 1000,2000,4000,8000] [--loci 1,2,4,8] [--nt 8250,16500,33000,66000]
                       [--haplotypes VCF]

Simulated cohorts at four sizes of each (the others stay at 2,000 people, one locus, 33,000 nt; loci are of 8,250 nt). Each stage is done as the
job it is on a cluster (`run --job`), on one thread; its seconds are those of the processor (user and system), not of the clock, so other work on the
machine hardly counts, and its memory is the peak of the process. Exponents are fitted by least squares on logarithms, over what is more than an
empty job takes. Prints Markdown and writes results.csv; a size that is there already is not measured again.

With --haplotypes, a VCF of real people: distinct haplotypes of windows of 33,000 nt in samples of them, and their exponents.
"""

import argparse
import csv
import gzip
import json
import math
import os
import pathlib
import random
import subprocess
import sys

STAGES = {
    "simulate": "0-cohort",
    "sequences": "1-sequences",
    "tokens": "2-tokens",
    "training, an epoch": "3-models/linformer/member-1",
    "prediction and bundle": "3-models/linformer",
    "baselines": "4-baselines",
    "report": "5-report",
}
MODEL = '[[models]]\nname = "linformer"\n[models.schedule]\nepochs = 1\n'
# What a job takes that has nothing to do.
EMPTY_SECONDS, EMPTY_MB = 0.02, 15.0


def numbers(text):
    return [int(number) for number in text.split(",")]


def measured(command):
    """Seconds of the processor and peak MB of a command."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{said}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(program, out, axis, size):
    """A row for each stage at one size."""
    people = size if axis == "people" else 2000
    nt = size if axis == "nt" else 8250 * size if axis == "loci" else 33000
    folder = out / f"{axis}-{size}"
    folder.mkdir(parents=True, exist_ok=True)
    simulated, pipeline = folder / "simulated.toml", folder / "pipeline.toml"
    simulated.write_text(f'seed = 1\n[simulate]\npeople = {people}\nlen_nt = {nt}\nrisk = "cis"\n')
    one = [program, "--threads", "1", "run"]
    rows = []

    def row(stage, seconds, mb):
        rows.append({"axis": axis, "size": size, "stage": stage, "seconds": round(seconds, 3), "mb": round(mb, 1)})

    row("simulate", *measured([*one, simulated, "--out", folder / "run", "--job", "0-cohort"]))
    data = folder / "run" / "0-cohort"
    if axis == "loci":
        contig, start, *_ = (data / "loci.bed").read_text().split()
        places = [int(start) + 8250 * number for number in range(size + 1)]
        (data / "loci.bed").write_text("".join(f"{contig}\t{a}\t{b}\tlocus{a}\n" for a, b in zip(places, places[1:])))
    files = "".join(f'{key} = "{data.resolve() / name}"\n' for key, name in
                    [("reference", "reference.fa"), ("regions_file", "loci.bed"), ("cohort", "cohort.csv")])
    pipeline.write_text(f'seed = 1\n[data]\nvcf = ["{data.resolve() / "cohort.vcf.gz"}"]\n{files}{MODEL}')
    for stage, job in list(STAGES.items())[1:]:
        row(stage, *measured([*one, pipeline, "--out", folder / "run", "--job", job, "--block-people", "10000000", "--block-loci", "1000"]))
    record = json.loads((folder / "run" / "1-sequences" / "stage.json").read_text())["summary"]
    tokens = json.loads((folder / "run" / "2-tokens" / "stage.json").read_text())["summary"]
    for name, value in [("records", record["n_records"]), ("distinct haplotypes", sum(record["n_distinct_haplotypes"].values())),
                        ("slots", tokens["n_slots"])]:
        rows.append({"axis": axis, "size": size, "stage": name, "seconds": value, "mb": 0})
    return rows


def exponent(points):
    """Slope of a line through the logarithms; nothing where fewer than three sizes show more than an empty job."""
    points = [(math.log(x), math.log(y)) for x, y in points if y > 0]
    if len(points) < 3:
        return math.nan
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points))
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def tables(rows):
    for axis in dict.fromkeys(row["axis"] for row in rows):
        of_axis = [row for row in rows if row["axis"] == axis]
        sizes = sorted({int(row["size"]) for row in of_axis})
        print(f"\n| {axis} | " + " | ".join(f"{size:,}" for size in sizes) + " | exponent |")
        print("|---" * (len(sizes) + 2) + "|")
        for stage in dict.fromkeys(row["stage"] for row in of_axis):
            for what, unit, empty in [("seconds", "s", EMPTY_SECONDS), ("mb", "MB", EMPTY_MB)]:
                values = [next(float(row[what]) for row in of_axis if row["stage"] == stage and int(row["size"]) == size) for size in sizes]
                if not any(values):
                    continue
                is_count = stage not in STAGES
                more = [(size, value if is_count else value - empty) for size, value in zip(sizes, values)]
                cells = " | ".join(f"{value:,.0f}" if is_count or unit == "MB" else f"{value:.2f}" for value in values)
                print(f"| {stage}{'' if is_count else ', ' + unit} | {cells} | {exponent(more):.2f} |")


def haplotypes(path):
    """Distinct haplotypes of windows of 33,000 nt among samples of real people."""
    windows = {}
    with gzip.open(path, "rt") as lines:
        for line in lines:
            if line.startswith("#"):
                continue
            columns = line.rstrip("\n").split("\t")
            alleles = [allele for call in columns[9:] for allele in call.split(":")[0].replace("/", "|").split("|")]
            windows.setdefault(int(columns[1]) // 33000, []).append(alleles)
    windows = [records for records in windows.values() if len(records) > 200]
    n_haplotypes = len(windows[0][0])
    order = list(range(n_haplotypes // 2))
    random.Random(1).shuffle(order)
    sizes = [len(order) // divisor for divisor in (8, 4, 2, 1)]
    found = {}
    for size in sizes:
        chosen = [2 * person + side for person in order[:size] for side in (0, 1)]
        distinct, variants = [], []
        for records in windows:
            varying = [record for record in records if len({record[haplotype] for haplotype in chosen}) > 1]
            variants.append(len(varying))
            distinct.append(len({tuple(record[haplotype] for record in varying) for haplotype in chosen}))
        found[size] = sum(distinct) / len(distinct), sum(variants) / len(variants)
    print(f"\n| real people ({len(windows)} windows of 33,000 nt) | " + " | ".join(f"{size:,}" for size in sizes) + " | exponent |")
    print("|---" * (len(sizes) + 2) + "|")
    for number, name in enumerate(["distinct haplotypes", "variants"]):
        values = [found[size][number] for size in sizes]
        print(f"| {name} | " + " | ".join(f"{value:,.0f}" for value in values) + f" | {exponent(list(zip(sizes, values))):.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="gf-genomics")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("scaling"))
    parser.add_argument("--people", type=numbers, default=[1000, 2000, 4000, 8000])
    parser.add_argument("--loci", type=numbers, default=[1, 2, 4, 8])
    parser.add_argument("--nt", type=numbers, default=[8250, 16500, 33000, 66000])
    parser.add_argument("--haplotypes", type=pathlib.Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    results = options.out / "results.csv"
    rows = list(csv.DictReader(results.open())) if results.exists() else []
    for axis, sizes in [("people", options.people), ("loci", options.loci), ("nt", options.nt)]:
        for size in sizes:
            if not any(row["axis"] == axis and int(row["size"]) == size for row in rows):
                rows += measure(options.program, options.out, axis, size)
                with results.open("w", newline="") as file:
                    table = csv.DictWriter(file, ["axis", "size", "stage", "seconds", "mb"])
                    table.writeheader()
                    table.writerows(rows)
    tables(rows)
    if options.haplotypes:
        haplotypes(options.haplotypes)


if __name__ == "__main__":
    main()
