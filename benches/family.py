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
import sys

from study import arguments, cohort, peak_mb, rows_of, test_auc

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


def one(o, name, risk, seed):
    folder = o.out / f"{risk}-{seed}"
    out = folder / name.replace(" ", "-").replace(",", "")
    done = out / "result.json"
    if done.exists():
        return json.loads(done.read_text())
    if not (folder / "tokens" / "tokens.safetensors").exists():
        genomes = ["--vcf", folder / "cohort" / "cohort.vcf.gz", "--regions-file", folder / "cohort" / "loci.bed"]
        reference = ["--reference", folder / "cohort" / "reference.fa", "--cohort", folder / "cohort" / "cohort.csv"]
        peak_mb([o.program, "tokenize", *genomes, *reference, "--out", folder / "tokens"])
    options = [folder / option if previous == "--init" else option for previous, option in zip(["", *ROWS[name]], ROWS[name])]
    train = [o.program, "train", "--additive", "none", "--tokens", folder / "tokens", "--cohort", folder / "cohort" / "cohort.csv", "--seed", seed, "--epochs", o.epochs, "--name", "model"]
    peak_mb([*train, *options, "--out", out])
    log = rows_of(out / "training_log.csv")
    result = {"auc": test_auc(o.program, out / "predictions.csv", out / "report")["model"], "seconds": min(float(row["seconds"]) for row in log), "epochs": len(log)}
    done.write_text(json.dumps(result))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("family"))
    parser.add_argument("--people", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--risks", default="cis,trans,additive,null")
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
