#!/usr/bin/env python3
"""Sequence models and linear scores on cohorts over many loci whose best achievable AUC is known.

    benches/many_loci.py COHORT [COHORT ...] --out results.csv [--binary gf-genomics] [--models "NAME: TRAIN OPTIONS" ...]

A COHORT is a folder with cohort.vcf.gz, cohort.csv, loci.bed, a FASTA (reference.fa or ref.fa) and truth.json, as
`gf-genomics simulate` writes it. The best achievable AUC is `auc_test` of truth.json, or that of `best_possible_auc`.

Per cohort: tokens, every model, the learned baselines, `evaluate`. The best linear baseline is the one with the highest
validation AUC. Prints per model its test AUC, the difference to the best linear baseline with the paired p-value, and
the share of the distance from there to the best achievable AUC; at the end the means over all cohorts, with the
standard error and the smallest mean gain that so many cohorts can show (two-sided 5 %, power 80 %).
"""
import argparse, csv, json, os, statistics

from study import run

DEFAULT_MODELS = ["additive+linformer:", "linformer: --additive none"]
# 1.96 + 0.84 standard errors: a two-sided test at 5 % has a power of 80 % there.
DETECTABLE_STANDARD_ERRORS = 2.80


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohorts", nargs="+")
    parser.add_argument("--out", required=True, help="CSV to write")
    parser.add_argument("--binary", default="gf-genomics")
    parser.add_argument("--models", nargs="+", default=DEFAULT_MODELS, help="NAME: OPTIONS OF train")
    parser.add_argument("--seed", default="1")
    return parser.parse_args()


def best_achievable(folder):
    truth = json.load(open(f"{folder}/truth.json"))
    return truth["auc_test"] if "auc_test" in truth else truth["best_possible_auc"]["test"]


def auc_rows(path):
    with open(path) as file:
        return {(row["model"], row["split"]): row for row in csv.DictReader(file)}


def of_cohort(folder, options):
    reference = next(path for path in (f"{folder}/reference.fa", f"{folder}/ref.fa") if os.path.exists(path))
    genomes = ["--vcf", f"{folder}/cohort.vcf.gz", "--regions-file", f"{folder}/loci.bed"]
    cohort = ["--cohort", f"{folder}/cohort.csv"]
    work = f"{folder}/bench"
    seconds = {"tokenize": run(options.binary, "tokenize", *genomes, "--reference", reference, *cohort, "--out", f"{work}/tokens")}
    seconds["prs"] = run(options.binary, "prs", *genomes, *cohort, "--out", f"{work}/prs")
    predictions = [f"{work}/prs/predictions.csv"]
    for model in options.models:
        name, words = model.split(":", 1)
        out = f"{work}/{name.replace('+', '-')}"
        train = ["train", "--tokens", f"{work}/tokens", *cohort, "--out", out, "--seed", options.seed]
        seconds[name] = run(options.binary, *train, *words.split())
        predictions.append(f"{out}/predictions.csv")
    run(options.binary, "evaluate", "--predictions", *predictions, *cohort, "--out", f"{work}/report", "--guards", "warn")
    rows = auc_rows(f"{work}/report/auc.csv")
    linear = {model: float(row["auroc"]) for (model, split), row in rows.items() if split == "validation" and model.startswith("prs-")}
    best = max(linear, key=linear.get)
    at_best, ceiling = float(rows[best, "test"]["auroc"]), best_achievable(folder)
    print(f"{folder}: best achievable {ceiling:.4f}, {best} {at_best:.4f}; " + ", ".join(f"{k} {v:.0f} s" for k, v in seconds.items()))
    table = []
    for (model, split), row in rows.items():
        if split != "test":
            continue
        difference = float(row["auroc"]) - at_best
        share = difference / (ceiling - at_best)
        table.append({"cohort": os.path.basename(folder.rstrip("/")), "model": model, "auroc": float(row["auroc"]), "best_linear": best,
                      "difference": difference, "p_value": row["p_value"], "share_of_distance": share, "best_achievable": ceiling,
                      "seconds": round(seconds.get(model, float("nan")), 1)})
        print(f"  {model:24} {float(row['auroc']):.4f}  {difference:+.4f}  p {row['p_value'] or '-':10}  {share:+.0%} of the distance", flush=True)
    return table


def main():
    options = arguments()
    rows = [row for folder in options.cohorts for row in of_cohort(folder, options)]
    with open(options.out, "w", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    print("\n| model | mean AUC | mean difference to the best linear baseline | detectable | mean share of the distance |")
    print("|---|---|---|---|---|")
    for model in dict.fromkeys(row["model"] for row in rows):
        of_model = [row for row in rows if row["model"] == model]
        mean = lambda key: statistics.mean(row[key] for row in of_model)
        error = statistics.stdev(row["difference"] for row in of_model) / len(of_model) ** 0.5 if len(of_model) > 1 else float("nan")
        print(f"| {model} | {mean('auroc'):.4f} | {mean('difference'):+.4f} (s.e. {error:.4f}) | {DETECTABLE_STANDARD_ERRORS * error:.4f} "
              f"| {mean('share_of_distance'):+.0%} |")


if __name__ == "__main__":
    main()
