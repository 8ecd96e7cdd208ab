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
import sys

from study import arguments, cohort, peak_mb, rows_of, test_auc

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


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("ablation"))
    parser.add_argument("--people", type=int, default=1500)
    parser.add_argument("--risks", default="cis,additive")
    parser.add_argument("--budget", type=int, default=12_000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rows", default=";".join(ROWS), help="separated by semicolons")
    return parser.parse_args()


def one(options, name, risk, seed):
    people_folder = options.out / f"{risk}-{seed}" / "cohort"
    folder = options.out / f"{risk}-{seed}" / name.replace(" ", "-").replace(",", "")
    done = folder / "result.json"
    if done.exists():
        return json.loads(done.read_text())
    genomes = ["--vcf", people_folder / "cohort.vcf.gz", "--reference", people_folder / "reference.fa", "--regions-file", people_folder / "loci.bed"]
    people = ["--cohort", people_folder / "cohort.csv"]
    peak_mb([options.program, "tokenize", *genomes, *people, *ROWS[name], "--report", "--out", folder / "tokens"])
    report = {row["measure"]: row["value"] for row in rows_of(folder / "tokens" / "report.csv")}
    train = [options.program, "train", "--additive", "none", "--tokens", folder / "tokens", *people, "--seed", seed, "--batch-size", options.batch_size]
    epochs = max(1, min(24, options.budget // int(report["slots"])))
    peak = peak_mb([*train, "--epochs", epochs, "--out", folder / "model"])
    log = rows_of(folder / "model" / "training_log.csv")
    result = {
        "tokens": float(report["tokens_per_haplotype_median"]),
        "vocabulary": int(float(report["vocabulary"])),
        "seconds_an_epoch": min(float(row["seconds"]) for row in log),
        "epochs": len(log),
        "peak_mb": peak,
        "auc": test_auc(options.program, folder / "model" / "predictions.csv", folder / "report")["linformer"],
    }
    done.write_text(json.dumps(result))
    return result


def main():
    options = read_options()
    risks, seeds = options.risks.split(","), [int(seed) for seed in options.seeds.split(",")]
    results, beside = {}, {}
    for risk in risks:
        for seed in seeds:
            beside[risk, seed] = cohort(options, risk, seed)
            for name in options.rows.split(";"):
                results[name, risk, seed] = one(options, name, risk, seed)
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
