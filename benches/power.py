"""Is a cohort large enough? Simulates cohorts of several sizes with known risk, runs the whole
comparison on each, and counts how often the sequence model is significantly better than the best
baseline.

python3 benches/power.py --program target/release/gf-genomics --out power [--sizes 500,1000,2000]
    [--seeds 1,2,3] [--auc 0.72] [--panel VCF --reference FASTA --loci BED [--loci-risks CSV]]

Without a panel, the founders are made from nothing: two loci of 12,000 nt with cis risk, which
dosages explain in part only. Every cohort is `simulate`, then `run` with a pipeline file that names
its files.
Writes OUT/power.csv (one row per cohort and model) and prints a Markdown table (one row per size).
A cohort whose results are there is not run again.
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

from study import rows_of

LOCUS_NT = 12_000
RISKS = {"A": "cis", "B": "cis"}
PIPELINE = """seed = {seed}

[data]
vcf = ["cohort/cohort.vcf.gz"]
reference = "cohort/reference.fa"
regions_file = "cohort/loci.bed"
cohort = "cohort/cohort.csv"

[tokens]
segment_length = 128

[[models]]
name = "linformer"
[models.architecture]
preset = "linformer"
hidden = 32
layers = 1
heads = 2
feed_forward = 64
projected_length = 32
[models.schedule]
epochs = {epochs}
"""


def call(command):
    """Runs a command; ends the study with its message when it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(" ".join(map(str, command)) + "\n" + done.stderr)


def founders(options):
    """Arguments of `simulate` that name the panel and its loci; made once."""
    if options.panel:
        given = ["--panel", options.panel, "--reference", options.reference, "--loci", options.loci]
        return given + (["--loci-risks", options.loci_risks] if options.loci_risks else [])
    panel = options.out / "panel"
    if not (panel / "truth.json").exists():
        length = len(RISKS) * 2 * LOCUS_NT
        null = ["--risk", "null", "--people", 400, "--len-nt", length, "--seed", 1]
        call([options.program, "simulate", *null, "--out", panel])
    bed, risks = options.out / "loci.bed", options.out / "risks.csv"
    starts = {name: 2 * LOCUS_NT * index for index, name in enumerate(RISKS)}
    lines = [f"simulated\t{start}\t{start + LOCUS_NT}\t{name}" for name, start in starts.items()]
    bed.write_text("\n".join(lines) + "\n")
    rows = [f"{name},{kind},1" for name, kind in RISKS.items()]
    risks.write_text("\n".join(["locus,risk,effect", *rows]) + "\n")
    genomes = ["--panel", panel / "cohort.vcf.gz", "--reference", panel / "reference.fa"]
    return [*genomes, "--loci", bed, "--loci-risks", risks]


def study(options, people, seed):
    """One cohort: rows of power.csv."""
    folder = options.out / f"{people}-{seed}"
    results = folder / "run" / "5-report" / "auc.csv"
    if not results.exists():
        folder.mkdir(parents=True, exist_ok=True)
        risk = ["--auc", options.auc, "--people", people, "--seed", seed]
        call([options.program, "simulate", *founders(options), *risk, "--out", folder / "cohort"])
        pipeline = folder / "study.toml"
        pipeline.write_text(PIPELINE.format(seed=seed, epochs=options.epochs))
        call([options.program, "run", pipeline, "--out", folder / "run"])
    truth = json.loads((folder / "cohort" / "truth.json").read_text())
    best = truth["best_possible_auc"]["test"]
    columns = ["model", "n_cases", "n_controls", "auroc", "ci_low", "ci_high"]
    columns += ["delta_auroc", "p_value"]
    rows = [row for row in rows_of(results) if row["split"] == "test"]
    return [
        {"people": people, "seed": seed, "best_achievable_auc": f"{best:.4f}"}
        | {column: row[column] for column in columns}
        for row in rows
    ]


def mean(rows, column):
    values = [float(row[column]) for row in rows if row[column]]
    return sum(values) / len(values) if values else float("nan")


def is_better(row):
    """Whether a model is significantly better than the best baseline."""
    significant = row["p_value"] and float(row["p_value"]) < 0.05
    return significant and float(row["delta_auroc"]) > 0


def table(rows, sizes):
    """One row per size: means over seeds, and how often the model is significantly better."""
    names = ["samples", "in test", "best achievable AUC", "best baseline", "model", "difference"]
    print("| " + " | ".join([*names, "significant"]) + " |")
    print("|---" * 7 + "|")
    for people in sizes:
        of_size = [row for row in rows if row["people"] == people]
        model = [row for row in of_size if row["model"] == "linformer"]
        # The comparison has the reference of each cohort: model less difference is its AUC.
        better = [row for row in model if is_better(row)]
        in_test = int(model[0]["n_cases"]) + int(model[0]["n_controls"])
        auc, difference = mean(model, "auroc"), mean(model, "delta_auroc")
        best = mean(model, "best_achievable_auc")
        cells = [people, in_test, f"{best:.3f}", f"{auc - difference:.3f}", f"{auc:.3f}"]
        cells += [f"{difference:+.3f}", f"{len(better)} of {len(model)}"]
        print("| " + " | ".join(map(str, cells)) + " |")


def main():
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--program", default="gf-genomics")
    parser.add_argument("--sizes", default="500,1000,2000,4000")
    parser.add_argument("--seeds", default="1,2,3,4")
    parser.add_argument("--auc", type=float, default=0.72)
    parser.add_argument("--epochs", type=int, default=16)
    for option in ["--panel", "--reference", "--loci", "--loci-risks"]:
        parser.add_argument(option)
    options = parser.parse_args()
    if bool(options.panel) != bool(options.reference and options.loci):
        parser.error("--panel, --reference and --loci belong together: give all three or none")
    options.out.mkdir(parents=True, exist_ok=True)
    sizes = [int(size) for size in options.sizes.split(",")]
    seeds = [int(seed) for seed in options.seeds.split(",")]
    rows = [row for people in sizes for seed in seeds for row in study(options, people, seed)]
    with open(options.out / "power.csv", "w") as out:
        lines = [",".join(map(str, row.values())) for row in rows]
        print(",".join(rows[0]), *lines, sep="\n", file=out)
    table(rows, sizes)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{used.ru_utime + used.ru_stime:.0f} s of CPU time", file=sys.stderr)


if __name__ == "__main__":
    main()
