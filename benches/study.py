"""What the studies of this folder share: calls of the program, simulated cohorts with their baselines, and the test AUC of a model."""

import csv
import json
import subprocess
import sys
import time


def run(program, *words):
    """Runs a command of the program; the seconds it took. Ends with its last message where it fails."""
    started = time.perf_counter()
    found = subprocess.run([program, *map(str, words)], capture_output=True, text=True)
    if found.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}: {found.stderr.strip().splitlines()[-1:]}")
    return time.perf_counter() - started


def peak_mb(command):
    """Runs a command; the most memory it had, in MB."""
    program = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)\n"
        "sys.stderr.buffer.write(done.stderr if done.returncode else b'')\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)\n"
        "sys.exit(done.returncode)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *map(str, command)], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(" ".join(map(str, command)))
    return float(done.stdout)


def rows_of(path):
    with open(path, newline="") as table:
        return list(csv.DictReader(table))


def test_auc(program, predictions, out):
    peak_mb([program, "evaluate", "--predictions", predictions, "--guards", "warn", "--out", out])
    return {row["model"]: float(row["auroc"]) for row in rows_of(out / "auc.csv") if row["split"] == "test"}


def arguments(parser):
    """The options that every study has."""
    parser.add_argument("--panel", required=True)
    parser.add_argument("--reference", required=True)
    parser.add_argument("--program", default="gf-genomics")
    parser.add_argument("--seeds", default="1,2,3")


def cohort(options, risk, seed):
    """The folder of a risk and a seed with people and baselines, made unless they are there: test AUC of the regression on dosages and of the planted risk."""
    people = options.out / f"{risk}-{seed}" / "cohort"
    baselines = options.out / f"{risk}-{seed}" / "prs"
    if not (people / "truth.json").exists():
        panel = ["--panel", options.panel, "--reference", options.reference]
        peak_mb([options.program, "simulate", "--people", options.people, "--risk", risk, "--auc", 0.72, *panel, "--seed", seed, "--out", people])
    if not (baselines / "predictions.csv").exists():
        genomes = ["--vcf", people / "cohort.vcf.gz", "--regions-file", people / "loci.bed", "--cohort", people / "cohort.csv"]
        peak_mb([options.program, "prs", *genomes, "--out", baselines])
    regression = test_auc(options.program, baselines / "predictions.csv", baselines / "report")["prs-dosages"]
    return regression, json.loads((people / "truth.json").read_text())["best_possible_auc"]["test"]
