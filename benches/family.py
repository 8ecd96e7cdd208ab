#!/usr/bin/env python3
"""What each model of the family finds: every preset, Primer's switches and Linformer's sharings and projections on the same people and tokens.

    benches/family.py --panel panel.vcf.gz --reference reference.fa [--program gf-genomics] [--out DIR] [--people 3000]
                      [--risks cis,trans,additive,null] [--seeds 1,2,3] [--rows "linformer;primer;..."] [--epochs 24]

Trains each row with the defaults of `train`, beside the regression on dosages and the best possible score. Prints a Markdown table and writes
results.csv. What is there already is not done again. Seconds are the least of all epochs, as other work on the machine only adds.
"""

import argparse
import csv
import json
import pathlib
import statistics
import subprocess
import sys

PRESETS = {name: ["--preset", name] for name in ["linformer", "transformer", "low-rank-transformer", "primer", "ecoformer"]}
# EcoFormer's recipe: the model that was trained with softmax attention, converted and trained on at a lower rate.
RECIPE = {"ecoformer, from the transformer": ["--preset", "ecoformer", "--init", "transformer", "--learning-rate", "0.0005"]}
SWITCHES = {
    "linformer, squared ReLU": ["--activation", "squared-relu"],
    "linformer, convolution": ["--convolution"],
    "linformer, both": ["--activation", "squared-relu", "--convolution"],
    "linformer, sharing none": ["--sharing", "none"],
    "linformer, sharing headwise": ["--sharing", "headwise"],
    "linformer, sharing layerwise": ["--sharing", "layerwise"],
    "linformer, mean": ["--projection", "mean"],
    "linformer, max": ["--projection", "max"],
    "linformer, conv": ["--projection", "conv"],
    "linformer, rank 0.5": ["--rank", "0.5"],
}
ROWS = PRESETS | RECIPE | SWITCHES


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")


def rows_of(path):
    with open(path, newline="") as table:
        return list(csv.DictReader(table))


def test_auc(program, predictions, out):
    run([program, "evaluate", "--predictions", predictions, "--out", out])
    return {row["model"]: float(row["auroc"]) for row in rows_of(out / "auc.csv") if row["split"] == "test"}


def cohort(o, risk, seed):
    """People, tokens and baselines of a risk and a seed: AUC of the regression and of the planted risk itself."""
    folder = o.out / f"{risk}-{seed}"
    people = folder / "cohort"
    if not (people / "truth.json").exists():
        run([o.program, "simulate", "--people", o.people, "--risk", risk, "--auc", 0.72, "--panel", o.panel, "--reference", o.reference, "--seed", seed, "--out", people])
    genomes = ["--vcf", people / "cohort.vcf.gz", "--regions-file", people / "loci.bed", "--cohort", people / "cohort.csv"]
    if not (folder / "tokens" / "tokens.safetensors").exists():
        run([o.program, "tokenize", *genomes, "--reference", people / "reference.fa", "--out", folder / "tokens"])
    if not (folder / "prs" / "predictions.csv").exists():
        run([o.program, "prs", *genomes, "--out", folder / "prs"])
    regression = test_auc(o.program, folder / "prs" / "predictions.csv", folder / "prs-report")["prs-dosages"]
    return regression, json.loads((people / "truth.json").read_text())["best_possible_auc"]["test"]


def one(o, name, risk, seed):
    folder = o.out / f"{risk}-{seed}"
    out = folder / name.replace(" ", "-").replace(",", "")
    done = out / "result.json"
    if done.exists():
        return json.loads(done.read_text())
    options = [folder / option if previous == "--init" else option for previous, option in zip(["", *ROWS[name]], ROWS[name])]
    train = [o.program, "train", "--tokens", folder / "tokens", "--cohort", folder / "cohort" / "cohort.csv", "--seed", seed, "--epochs", o.epochs, "--name", "model"]
    run([*train, *options, "--out", out])
    log = rows_of(out / "training_log.csv")
    result = {"auc": test_auc(o.program, out / "predictions.csv", out / "report")["model"], "seconds": min(float(row["seconds"]) for row in log), "epochs": len(log)}
    done.write_text(json.dumps(result))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panel", required=True)
    parser.add_argument("--reference", required=True)
    parser.add_argument("--program", default="gf-genomics")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("family"))
    parser.add_argument("--people", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--risks", default="cis,trans,additive,null")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--rows", default=";".join(ROWS), help="separated by semicolons")
    o = parser.parse_args()
    risks, seeds, names = o.risks.split(","), [int(seed) for seed in o.seeds.split(",")], o.rows.split(";")
    results, beside = {}, {}
    for seed in seeds:
        for risk in risks:
            beside[risk, seed] = cohort(o, risk, seed)
            for name in names:
                results[name, risk, seed] = one(o, name, risk, seed)
                print(name, risk, seed, results[name, risk, seed], beside[risk, seed], file=sys.stderr, flush=True)
    with open(o.out / "results.csv", "w", newline="") as table:
        writer = csv.DictWriter(table, ["row", "risk", "seed", "auc", "seconds", "epochs"])
        writer.writeheader()
        writer.writerows({"row": name, "risk": risk, "seed": seed, **result} for (name, risk, seed), result in results.items())
    print("| model | s an epoch |", " | ".join(f"AUC, {risk}" for risk in risks), "|")
    print("|---|---|" + "---|" * len(risks))

    def cells(of):
        return [f"{', '.join(f'{of(risk, seed):.3f}' for seed in seeds)} ({statistics.mean(of(risk, seed) for seed in seeds):.3f})" for risk in risks]

    for name in names:
        seconds = min(results[name, risk, seed]["seconds"] for risk in risks for seed in seeds)
        print("|", " | ".join([name, f"{seconds:.1f}", *cells(lambda risk, seed: results[name, risk, seed]["auc"])]), "|")
    for index, name in enumerate(["regression on dosages", "best possible"]):
        print("|", " | ".join([name, "", *cells(lambda risk, seed: beside[risk, seed][index])]), "|")


if __name__ == "__main__":
    main()
