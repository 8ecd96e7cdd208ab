#!/usr/bin/env python3
"""What the verdict says over many cohorts: how often it finds a difference where there is none, and how near it comes to what is possible.

    benches/verdict.py --panel panel.vcf.gz --reference reference.fa [--program gf-genomics] [--out DIR] [--people 3000]
                       [--risks null,additive,cis] [--seeds 1,2,...,10]

Each cohort has all baselines and a Linformer (the defaults of `train`), evaluated together. Prints a Markdown table a risk and writes verdict.csv.
What is there already is not done again.
"""

import argparse
import csv
import json
import pathlib
import statistics

from study import arguments, cohort, peak_mb, rows_of


def one(o, risk, seed):
    """Test rows by model, the baseline compared to, and the AUC of the planted risk."""
    cohort(o, risk, seed)
    folder = o.out / f"{risk}-{seed}"
    people = folder / "cohort"
    genomes = ["--vcf", people / "cohort.vcf.gz", "--reference", people / "reference.fa", "--regions-file", people / "loci.bed"]
    if not (folder / "tokens" / "tokens.safetensors").exists():
        peak_mb([o.program, "tokenize", *genomes, "--cohort", people / "cohort.csv", "--out", folder / "tokens"])
    model = folder / "linformer"
    if not (model / "predictions.csv").exists():
        train = ["--tokens", folder / "tokens", "--cohort", people / "cohort.csv", "--seed", seed, "--name", "model", "--out", model]
        peak_mb([o.program, "train", *train])
    predictions = [model / "predictions.csv", folder / "prs" / "predictions.csv"]
    report = folder / "verdict"
    peak_mb([o.program, "evaluate", "--predictions", *predictions, "--cohort", people / "cohort.csv", "--guards", "warn", "--out", report])
    rows = {row["model"]: row for row in rows_of(report / "auc.csv") if row["split"] == "test"}
    best = rows["model"]["compared_to"]
    alarms = [row for row in rows_of(report / "guards.csv") if row["verdict"] in ("warn", "fail")]
    return rows, best, json.loads((people / "truth.json").read_text())["best_possible_auc"]["test"], alarms


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser)
    parser.set_defaults(seeds="1,2,3,4,5,6,7,8,9,10")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("verdict"))
    parser.add_argument("--people", type=int, default=3000)
    parser.add_argument("--risks", default="null,additive,cis")
    o = parser.parse_args()
    table = []
    for risk in o.risks.split(","):
        for seed in map(int, o.seeds.split(",")):
            rows, best, possible, alarms = one(o, risk, seed)
            baselines = {name: float(row["auroc"]) for name, row in rows.items() if row["row"] == "3"}
            model, baseline = rows["model"], rows[best]
            holds = [float(row["ci_low"]) <= 0.5 <= float(row["ci_high"]) for row in rows.values()]
            table.append({
                "risk": risk, "seed": seed, "model": float(model["auroc"]), "best_baseline": best, "baseline": float(baseline["auroc"]),
                "highest_baseline": max(baselines.values()), "delta": float(model["delta_auroc"] or "nan"), "p": float(model["p_value"] or "nan"),
                "possible": possible, "intervals": len(holds), "intervals_with_half": sum(holds),
                "model_holds_half": float(model["ci_low"]) <= 0.5 <= float(model["ci_high"]),
                "alarms": "; ".join(f"{row['verdict']} {row['guard']} ({row['subject']})" for row in alarms),
            })
            print(table[-1], flush=True)
    with open(o.out / "verdict.csv", "w", newline="") as out:
        writer = csv.DictWriter(out, table[0])
        writer.writeheader()
        writer.writerows(table)
    print("\n| risk | seeds | sequence model | best baseline (by validation) | possible | difference | p < 0.05 | intervals that hold 0.5 (model; all rows) | guards that warned or failed |")
    print("|---|---|---|---|---|---|---|---|---|")
    for risk in o.risks.split(","):
        of = [row for row in table if row["risk"] == risk]
        mean = lambda key: statistics.mean(row[key] for row in of)
        cells = [risk, len(of), *(f"{mean(key):.3f}" for key in ["model", "baseline", "possible"]),
                 f"{mean('delta'):+.3f} ({min(row['delta'] for row in of):+.3f} to {max(row['delta'] for row in of):+.3f})",
                 f"{sum(row['p'] < 0.05 for row in of)} of {len(of)}",
                 f"{sum(row['model_holds_half'] for row in of)} of {len(of)}; {sum(row['intervals_with_half'] for row in of)} of {sum(row['intervals'] for row in of)}",
                 sum(bool(row["alarms"]) for row in of)]
        print("|", " | ".join(map(str, cells)), "|")


if __name__ == "__main__":
    main()
