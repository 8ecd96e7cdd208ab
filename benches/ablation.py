#!/usr/bin/env python3
"""How tokens decide what a model learns in a given time: tokenizers, anchoring and encodings on the same people.

    benches/ablation.py --panel panel.vcf.gz --reference reference.fa [--program gf-genomics] [--out DIR] [--people 1500]
                        [--risks cis,additive] [--seeds 1,2,3] [--budget 12000] [--rows "BPE 512;..."]

Each row is tokenized and a Linformer (the defaults) is trained on it. A Linformer's time is that of its tokens, so each has the same budget
of tokens: as many epochs as `--budget` holds slots of a haplotype, at least 1 and at most 24. Beside them stand the regression on dosages and
the best possible score. Prints a Markdown table and writes results.csv. A row that is there already is not done again. Seconds are the least
of all epochs of the row, as other work on the machine only adds.
"""

import argparse
import csv
import json
import pathlib
import statistics
import subprocess
import sys

ROWS = {
    "nucleotide": ["--tokenizer", "nucleotide"],
    "6-mer": ["--tokenizer", "kmer"],
    "BPE 512": ["--vocab-size", "512"],
    "BPE 4,096": ["--vocab-size", "4096"],
    "BPE 32,000": ["--vocab-size", "32000"],
    "BPE saturated": [],
    "BPE saturated, not anchored": ["--anchor", "haplotype"],
    "BPE 4,096, not anchored": ["--vocab-size", "4096", "--anchor", "haplotype"],
    "BPE saturated, diploid": ["--encoding", "diploid"],
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panel", required=True)
    parser.add_argument("--reference", required=True)
    parser.add_argument("--program", default="gf-genomics")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("ablation"))
    parser.add_argument("--people", type=int, default=1500)
    parser.add_argument("--risks", default="cis,additive")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--budget", type=int, default=12_000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rows", default=";".join(ROWS), help="separated by semicolons")
    return parser.parse_args()


def peak_mb(command):
    """Runs a command; the most memory it had, in MB."""
    program = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)\n"
        "sys.stderr.buffer.write(done.stderr if done.returncode else b'')\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)\n"
        "sys.exit(done.returncode)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *map(str, command)], stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def rows_of(path):
    with open(path, newline="") as table:
        return list(csv.DictReader(table))


def test_auc(program, predictions, out):
    peak_mb([program, "evaluate", "--predictions", *predictions, "--out", out])
    return {row["model"]: float(row["auroc"]) for row in rows_of(out / "auc.csv") if row["split"] == "test"}


def one(options, name, risk, seed, cohort):
    folder = options.out / f"{risk}-{seed}" / name.replace(" ", "-").replace(",", "")
    done = folder / "result.json"
    if done.exists():
        return json.loads(done.read_text())
    genomes = ["--vcf", cohort / "cohort.vcf.gz", "--reference", cohort / "reference.fa", "--regions-file", cohort / "loci.bed"]
    people = ["--cohort", cohort / "cohort.csv"]
    peak_mb([options.program, "tokenize", *genomes, *people, *ROWS[name], "--report", "--out", folder / "tokens"])
    report = {row["measure"]: row["value"] for row in rows_of(folder / "tokens" / "report.csv")}
    train = [options.program, "train", "--tokens", folder / "tokens", *people, "--seed", seed, "--batch-size", options.batch_size]
    epochs = max(1, min(24, options.budget // int(report["slots"])))
    peak = peak_mb([*train, "--epochs", epochs, "--out", folder / "model"])
    log = rows_of(folder / "model" / "training_log.csv")
    result = {
        "tokens": float(report["tokens_per_haplotype_median"]),
        "vocabulary": int(float(report["vocabulary"])),
        "seconds_an_epoch": min(float(row["seconds"]) for row in log),
        "epochs": len(log),
        "peak_mb": peak,
        "auc": test_auc(options.program, [folder / "model" / "predictions.csv"], folder / "report")["linformer"],
    }
    done.write_text(json.dumps(result))
    return result


def main():
    options = arguments()
    risks, seeds = options.risks.split(","), [int(seed) for seed in options.seeds.split(",")]
    results, beside = {}, {}
    for risk in risks:
        for seed in seeds:
            cohort = options.out / f"{risk}-{seed}" / "cohort"
            if not (cohort / "truth.json").exists():
                panel = ["--panel", options.panel, "--reference", options.reference]
                peak_mb([options.program, "simulate", "--people", options.people, "--risk", risk, "--auc", 0.72, *panel, "--seed", seed, "--out", cohort])
            baselines = options.out / f"{risk}-{seed}" / "prs"
            if not (baselines / "predictions.csv").exists():
                genomes = ["--vcf", cohort / "cohort.vcf.gz", "--regions-file", cohort / "loci.bed", "--cohort", cohort / "cohort.csv"]
                peak_mb([options.program, "prs", *genomes, "--out", baselines])
            aucs = test_auc(options.program, [baselines / "predictions.csv"], baselines / "report")
            truth = json.loads((cohort / "truth.json").read_text())
            beside[risk, seed] = (aucs["prs-dosages"], truth["best_possible_auc"]["test"])
            for name in options.rows.split(";"):
                results[name, risk, seed] = one(options, name, risk, seed, cohort)
                print(name, risk, seed, results[name, risk, seed], file=sys.stderr, flush=True)
    with open(options.out / "results.csv", "w", newline="") as table:
        fields = ["row", "risk", "seed", "tokens", "vocabulary", "seconds_an_epoch", "epochs", "peak_mb", "auc"]
        writer = csv.DictWriter(table, fields)
        writer.writeheader()
        writer.writerows({"row": name, "risk": risk, "seed": seed, **result} for (name, risk, seed), result in results.items())
    print("| tokens | tokens a haplotype | vocabulary | seconds an epoch | epochs | peak MB |", " | ".join(f"AUC, {risk}" for risk in risks), "|")
    print("|---|" + "---|" * (5 + len(risks)))
    for name in options.rows.split(";"):
        of_row = [results[name, risk, seed] for risk in risks for seed in seeds]
        median = lambda key: statistics.median(result[key] for result in of_row)
        aucs = [", ".join(f"{results[name, risk, seed]['auc']:.3f}" for seed in seeds) for risk in risks]
        cells = [name, f"{median('tokens'):,.0f}", f"{median('vocabulary'):,.0f}", f"{min(result['seconds_an_epoch'] for result in of_row):.1f}", f"{median('epochs'):.0f}", f"{median('peak_mb'):,.0f}", *aucs]
        print("|", " | ".join(cells), "|")
    for index, name in enumerate(["regression on dosages", "best possible"]):
        aucs = [", ".join(f"{beside[risk, seed][index]:.3f}" for seed in seeds) for risk in risks]
        print("|", " | ".join([name, "", "", "", "", "", *aucs]), "|")


if __name__ == "__main__":
    main()
