#!/usr/bin/env python3
"""Real Alzheimer patients: repeated cross-validation of APOE, scores and models on `nep499`.

    benches/alzheimer_patients.py nep499.RData APOE_FOLDER OUT [--binary gf-genomics]
                                  [--models "linformer; linformer --additive none"]
                                  [--repeats 10] [--folds 5]

`nep499` is a data set of the R package gap.datasets (GPL >= 2), `gap.datasets/data/nep499.RData`
of https://github.com/jinghuazhao/R. It contains 257 cases and 242 controls from China with APOE
alleles, age, sex and eight neprilysin SNPs (Shi et al. 2005, J Gerontol A 60:301-306).
These are individual-level data. Keep them and OUT outside the repository.

APOE_FOLDER contains `apoe_grch38.fa`, a slice of chromosome 19, and `*grch38.vcf.gz`, a VCF with
rs429358 and rs7412. The script does the following:
1. It writes `cohort.vcf` with the two SNPs. They are phased, because an e-allele is a haplotype.
2. It runs `tokenize`, `prs`, `train` and `evaluate` for each fold of each repeat. One fold is the
   test split, the next one is the validation split, and the others are the training split.
3. It prints a Markdown table, and writes `results.csv` (AUC of each fold) and `results.json`.

Every model in a `predictions.csv` gets a row. Its AUC is the mean over all folds of all repeats.
Each fold has its own fit, so logits of two folds have no common scale and are not pooled.

The first interval and p are those of `evaluate` for folds (Nadeau and Bengio 2003, Machine
Learning 52:239). Folds share training samples, so their AUCs are correlated. The corrected
variance allows for that. The second interval is a bootstrap of the samples, stratified by
phenotype, of the same mean AUC. It takes the fitted models as given, so it lacks the variation
that other training samples would add.

A fold that is complete is not computed again. Needs numpy, scipy, and rdata for an .RData file.
"""

import argparse
import collections
import csv
import gzip
import hashlib
import json
import os
import pathlib
import random
import shutil
import sys
import typing

import numpy as np
from scipy import stats

from study import peak_mb, rows_of

SNPS = ("rs429358", "rs7412")
# Bases at the two SNPs, forward strand. They define the e-alleles.
E_ALLELES = {2: ("T", "T"), 3: ("T", "C"), 4: ("C", "C")}
PHENOTYPE, ALLELES = "status", ("APOE.a1", "APOE.a2")


class Fold(typing.NamedTuple):
    """What one test fold of one repeat yields."""

    held_out: list  # indices of the test samples
    logits: dict  # model -> sample id -> logit
    rows: dict  # model -> its row of auc.csv
    alarms: list  # guards that warned or failed


def read_table(path, covariates):
    """Rows of an .RData, .rda, CSV or tab-separated file. A missing value becomes empty text."""
    if path.suffix.lower() in (".rdata", ".rda"):
        import rdata

        frame = rdata.read_rda(path, default_encoding="ascii")["nep499"]
        lines = frame.to_csv(index=False).splitlines()
    else:
        lines = path.read_text().splitlines()
    rows = list(csv.DictReader(lines, delimiter="\t" if "\t" in lines[0] else ","))
    absent = {"id", PHENOTYPE, *ALLELES, *covariates} - set(rows[0])
    if absent:
        sys.exit(f"{path}: no column {', '.join(sorted(absent))}; expected the columns of nep499")
    # Genotypes of the package `gap` write a missing allele as 0.
    codes = {name: {"NA", "0"} if name[-3:] in (".a1", ".a2") else {"NA"} for name in rows[0]}
    return [{name: "" if x in codes[name] else x for name, x in row.items()} for row in rows]


def usable_samples(rows, covariates):
    """Samples with phenotype, APOE and covariates, and how many lack which of them."""
    needed = {"phenotype": [PHENOTYPE], "APOE": ALLELES, "covariates": covariates}
    dropped, samples = dict.fromkeys(needed, 0), []
    for row in rows:
        lacks = [what for what, names in needed.items() if any(row[name] == "" for name in names)]
        if lacks:
            dropped[lacks[0]] += 1
            continue
        status, alleles = row[PHENOTYPE], sorted(int(row[name]) for name in ALLELES)
        if status not in ("0", "1") or not set(alleles) <= set(E_ALLELES):
            sys.exit(
                f"sample {row['id']}: status {status}, APOE {alleles}; expected 0 or 1, and 2 to 4"
            )
        values = [row[name] for name in covariates]
        samples.append(
            {
                "id": f"S{int(row['id']):04}",
                "case": status == "1",
                "apoe": alleles,
                "covariates": values,
            }
        )
    if len({sample["id"] for sample in samples}) < len(samples):
        sys.exit("a sample id occurs twice; expected unique ids")
    return samples, dropped


def genotype(sample):
    return "/".join(f"e{allele}" for allele in sample["apoe"])


def counts_of(rows, samples, dropped):
    """What the data contain, for results.json."""
    count = lambda case: sum(sample["case"] == case for sample in samples)
    genotypes = lambda case: sorted(genotype(s) for s in samples if s["case"] == case)
    return {
        "rows": len(rows),
        "missing_values": {name: sum(row[name] == "" for row in rows) for name in rows[0]},
        "dropped": dropped,
        "cases": count(True),
        "controls": count(False),
        "apoe_of_cases": collections.Counter(genotypes(True)),
        "apoe_of_controls": collections.Counter(genotypes(False)),
    }


def read_slice(fasta):
    """Contig, 1-based start and bases of a FASTA with one record, named as by `samtools faidx`."""
    header, *lines = fasta.read_text().splitlines()
    contig, _, interval = header.removeprefix(">").split()[0].partition(":")
    return contig, int(interval.split("-")[0]) if interval else 1, "".join(lines).upper()


def read_sites(panel):
    """The contig lines, and CHROM, POS, ID, REF and ALT of the two SNPs."""
    contigs, sites = [], {}
    with gzip.open(panel, "rt") as lines:
        for line in lines:
            fields = line.split("\t", 5)[:5]
            if line.startswith("##contig"):
                contigs.append(line)
            elif len(fields) == 5 and fields[2] in SNPS:
                sites[fields[2]] = fields
    if set(sites) != set(SNPS):
        sys.exit(f"{panel}: found {sorted(sites)}; expected {' and '.join(SNPS)}")
    return contigs, sites


def write_genomes(folder, samples, out):
    """Writes cohort.vcf and loci.bed: the options that name the genomes."""
    fasta, panel = folder / "apoe_grch38.fa", next(folder.glob("*grch38.vcf.gz"))
    contig, start, bases = read_slice(fasta)
    contigs, sites = read_sites(panel)
    with open(out / "cohort.vcf", "w") as vcf:
        vcf.write("##fileformat=VCFv4.3\n" + "".join(contigs))
        vcf.write('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n')
        fixed = "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT".split()
        vcf.write("\t".join([*fixed, *(sample["id"] for sample in samples)]) + "\n")
        for index, snp in enumerate(SNPS):
            chrom, position, _, ref, alt = sites[snp]
            offset = int(position) - start
            in_fasta = bases[offset] if 0 <= offset < len(bases) else "no base"
            expected = {bases_of_e[index] for bases_of_e in E_ALLELES.values()}
            if chrom != contig or ref != in_fasta or {ref, alt} != expected:
                sys.exit(
                    f"{snp}: {chrom}:{position} {ref}>{alt} in {panel}, "
                    f"{contig} {in_fasta} in {fasta}; "
                    f"expected one contig, one REF, and the alleles {sorted(expected)}"
                )
            number = {ref: "0", alt: "1"}
            calls = [
                "|".join(number[E_ALLELES[e][index]] for e in sample["apoe"]) for sample in samples
            ]
            vcf.write("\t".join([*sites[snp], ".", "PASS", ".", "GT", *calls]) + "\n")
    (out / "loci.bed").write_text(f"{contig}\t{start - 1}\t{start - 1 + len(bases)}\tAPOE\n")
    return ["--vcf", out / "cohort.vcf", "--regions-file", out / "loci.bed", "--reference", fasta]


def folds_of(samples, folds, seed):
    """The fold of each sample. Cases and controls are shuffled and dealt out separately."""
    generator, fold_of = random.Random(seed), [0] * len(samples)
    for case in (True, False):
        group = [index for index, sample in enumerate(samples) if sample["case"] == case]
        generator.shuffle(group)
        for place, index in enumerate(group):
            # Controls in reverse order, so that the first folds do not get the surplus of both.
            fold_of[index] = place % folds if case else folds - 1 - place % folds
    return fold_of


def write_cohort(o, path, samples, fold_of, test):
    split = {test: "test", (test + 1) % o.folds: "validation"}
    with open(path, "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["sample_id", "phenotype", "split", *o.covariates])
        for sample, fold in zip(samples, fold_of):
            phenotype = "case" if sample["case"] else "control"
            writer.writerow(
                [sample["id"], phenotype, split.get(fold, "train"), *sample["covariates"]]
            )


def models_of(text):
    """Folder and `train` options of each model."""
    items = text.split(";") if ";" in text or " -" in text else text.split()
    for words in map(str.split, items):
        name = "-".join(word.lstrip("-") for word in words)
        yield name, ["--preset", *words, *(["--name", name] if len(words) > 1 else [])]


def predictions_of(o, folder, genomes, samples, seed):
    """The prediction files of the baselines and models of a fold."""
    common = ["--cohort", folder / "cohort.csv", "--covariates", ",".join(o.covariates) or "none"]
    common += ["--threads", o.threads] if o.threads else []
    if not (folder / "tokens" / "tokens.safetensors").exists():
        peak_mb([o.binary, "tokenize", *genomes, *common, "--out", folder / "tokens"])
    files = [folder / "prs" / "predictions.csv"]
    if not files[0].exists():
        peak_mb([o.binary, "prs", *genomes, *common, "--out", folder / "prs"])
    check_apoe(folder / "prs" / "apoe.csv", samples)
    for name, options in models_of(o.models):
        files.append(folder / name / "predictions.csv")
        if not files[-1].exists():
            train = ["--tokens", folder / "tokens", *common, "--seed", seed, "--resume", *options]
            peak_mb([o.binary, "train", *train, "--out", folder / name])
    return files


def check_apoe(path, samples):
    """The genotypes that the program infers from the haplotypes must be those of the data."""
    inferred = {row["sample_id"]: row["apoe"] for row in rows_of(path)}
    wrong = sum(inferred.get(sample["id"]) != genotype(sample) for sample in samples)
    if wrong:
        sys.exit(
            f"{path}: {wrong} of {len(samples)} APOE genotypes differ from the data; check the VCF"
        )


def one(o, genomes, samples, fold_of, repeat, test):
    folder = o.out / "folds" / f"{repeat:02}-{test}"
    folder.mkdir(parents=True, exist_ok=True)
    write_cohort(o, folder / "cohort.csv", samples, fold_of, test)
    files = predictions_of(o, folder, genomes, samples, repeat)
    # Always again: the earlier run may have had other models.
    inputs = ["--predictions", *files, "--cohort", folder / "cohort.csv"]
    peak_mb([o.binary, "evaluate", *inputs, "--guards", "warn", "--out", folder / "report"])
    held_out = [index for index, fold in enumerate(fold_of) if fold == test]
    logits = collections.defaultdict(dict)
    for row in (row for path in files for row in rows_of(path) if row["split"] == "test"):
        logits[row["model"]][row["sample_id"]] = float(row["logit"])
    for model, of_model in logits.items():
        if set(of_model) != {samples[index]["id"] for index in held_out}:
            sys.exit(
                f"{folder}: {model} has {len(of_model)} test samples; "
                f"expected those {len(held_out)} of cohort.csv"
            )
    rows = {
        row["model"]: row
        for row in rows_of(folder / "report" / "auc.csv")
        if row["split"] == "test"
    }
    guards = rows_of(folder / "report" / "guards.csv")
    alarms = [
        f"{row['verdict']} {row['guard']}" for row in guards if row["verdict"] in ("warn", "fail")
    ]
    return Fold(held_out, dict(logits), rows, sorted(set(alarms)))


def pairs_won(fold, model, samples):
    """Cases, controls, and for each pair 1 (the case ranks above the control), 1/2 (tie) or 0."""
    groups = [
        [index for index in fold.held_out if samples[index]["case"] == case]
        for case in (True, False)
    ]
    x, y = (
        np.array([fold.logits[model][samples[index]["id"]] for index in group]) for group in groups
    )
    return *groups, (x[:, None] > y) + 0.5 * (x[:, None] == y)


def bootstrap_weights(samples, resamples):
    """How often each sample is in each resample. Cases and controls are resampled separately."""
    generator, weights = np.random.default_rng(1), np.zeros((resamples, len(samples)))
    for case in (True, False):
        group = [index for index, sample in enumerate(samples) if sample["case"] == case]
        weights[:, group] = generator.multinomial(
            len(group), np.full(len(group), 1 / len(group)), resamples
        )
    return weights


def resampled_mean_auc(won, weights):
    """The mean AUC over all folds in each resample."""
    total = np.zeros(len(weights))
    for cases, controls, psi in won:
        u, v = weights[:, cases], weights[:, controls]
        total += ((u @ psi) * v).sum(1) / (u.sum(1) * v.sum(1))
    return total / len(won)


def corrected(values, ratio):
    """Mean of J folds with interval and two-sided p by the corrected resampled t-test.

    variance of the mean = (1 / J + n_test / n_train) x sample variance, J - 1 degrees of freedom.
    `ratio` is n_test / n_train. n_train includes the validation split, as in `evaluate`.
    """
    df, mean = len(values) - 1, values.mean()
    error = np.sqrt((1 / len(values) + ratio) * values.var(ddof=1))
    half = stats.t.ppf(0.975, df) * error
    p = float(2 * stats.t.sf(abs(mean) / error, df)) if error > 0 else None
    return {"mean": float(mean), "ci": [float(mean - half), float(mean + half)], "p": p}


def percentiles(values):
    return [float(value) for value in np.percentile(values, [2.5, 97.5])]


def summarise(o, samples, folds):
    """A row for each model that all folds have: mean AUC, and its difference to `--compare-to`."""
    place = {model: fold.rows[model]["row"] for fold in folds.values() for model in fold.logits}
    complete = set.intersection(*(set(fold.logits) for fold in folds.values()))
    models = sorted(complete, key=lambda model: (place[model], model))
    if o.compare_to not in models:
        sys.exit(
            f"{o.compare_to} lacks predictions; set --compare-to to one of {', '.join(models)}"
        )
    weights, auc, resampled = bootstrap_weights(samples, o.bootstrap), {}, {}
    for model in models:
        won = [pairs_won(fold, model, samples) for fold in folds.values()]
        auc[model] = np.array([psi.mean() for *_, psi in won])
        resampled[model] = resampled_mean_auc(won, weights)
        by_evaluate = np.array([float(fold.rows[model]["auroc"]) for fold in folds.values()])
        if abs(auc[model] - by_evaluate).max() > 1e-6:
            sys.exit(f"{model}: AUC of a fold differs from that of `evaluate`; report this fault")
    ratio = np.mean(
        [len(fold.held_out) / (len(samples) - len(fold.held_out)) for fold in folds.values()]
    )
    table = []
    for model in models:
        row = {"row": place[model], "model": model, "auc": corrected(auc[model], ratio)}
        del row["auc"]["p"]  # of the hypothesis AUC = 0
        row["auc"]["bootstrap_ci"] = percentiles(resampled[model])
        row["auc_of_repeats"] = auc[model].reshape(-1, o.folds).mean(1).tolist()
        if model != o.compare_to:
            row["difference"] = corrected(auc[model] - auc[o.compare_to], ratio)
            row["difference"]["bootstrap_ci"] = percentiles(
                resampled[model] - resampled[o.compare_to]
            )
        table.append(row)
    return table, auc, sorted(set(place) - complete)


def write_fold_aucs(path, samples, folds, auc):
    with open(path, "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["repeat", "fold", "model", "n_cases", "n_controls", "auroc"])
        for index, ((repeat, test), fold) in enumerate(folds.items()):
            cases = sum(samples[i]["case"] for i in fold.held_out)
            for model, values in auc.items():
                writer.writerow(
                    [repeat, test, model, cases, len(fold.held_out) - cases, f"{values[index]:.6f}"]
                )


def print_table(o, table):
    plain = lambda ci: f"{ci[0]:.3f} to {ci[1]:.3f}"
    signed = lambda ci: f"{ci[0]:+.3f} to {ci[1]:+.3f}"
    titles = [
        "row",
        "model",
        "AUC (95 % CI)",
        "bootstrap 95 % CI",
        f"AUC minus {o.compare_to} (95 % CI)",
        "p",
        "bootstrap 95 % CI",
    ]
    print("\n|", " | ".join(titles), "|")
    print("|" + "---|" * len(titles))
    for row in table:
        auc, delta, cells = row["auc"], row.get("difference"), ["-"] * 3
        if delta:
            p = "-" if delta["p"] is None else f"{delta['p']:.2g}"
            difference = f"{delta['mean']:+.3f} ({signed(delta['ci'])})"
            cells = [difference, p, signed(delta["bootstrap_ci"])]
        mean = f"{auc['mean']:.3f} ({plain(auc['ci'])})"
        print(
            "|",
            " | ".join([row["row"], row["model"], mean, plain(auc["bootstrap_ci"]), *cells]),
            "|",
        )


def settings_of(o):
    """What must be the same in all folds of an output folder."""
    binary = shutil.which(o.binary)
    if not binary:
        sys.exit(f"{o.binary}: no such program; run `cargo build --release`, or set --binary")
    digest = lambda path: hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    settings = {"data_sha256": digest(o.data), "binary_sha256": digest(binary)}
    settings |= {"folds": o.folds, "seed": o.seed, "covariates": o.covariates}
    path = o.out / "settings.json"
    if path.exists() and json.loads(path.read_text()) != settings:
        sys.exit(
            f"{path}: the settings, data or binary of these results differ; choose another folder"
        )
    path.write_text(json.dumps(settings, indent=1) + "\n")
    return settings


def options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "data", type=pathlib.Path, help="nep499.RData, or the same table as CSV or TSV"
    )
    parser.add_argument(
        "apoe", type=pathlib.Path, help="folder of apoe_grch38.fa and *grch38.vcf.gz"
    )
    parser.add_argument("out", type=pathlib.Path, help="output folder, outside the repository")
    parser.add_argument("--binary", default="gf-genomics")
    parser.add_argument(
        "--models",
        default="linformer; linformer --additive none",
        help="presets of `train`, or `PRESET OPTIONS; PRESET OPTIONS` "
        "[default: with and without an additive term]",
    )
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1, help="seed of the folds")
    parser.add_argument(
        "--covariates", default="age,sex", help="columns separated by commas, or `none`"
    )
    parser.add_argument(
        "--compare-to", default="prs-apoe", help="model that all models are compared with"
    )
    parser.add_argument(
        "--bootstrap", type=int, default=2000, help="resamples of the second interval"
    )
    parser.add_argument("--threads", type=int, help="threads of each command [default: all cores]")
    o = parser.parse_args()
    o.covariates = [] if o.covariates == "none" else o.covariates.split(",")
    if o.folds < 3 or o.repeats < 1:
        parser.error("--folds must be 3 or more (training, validation, test), --repeats 1 or more")
    return o


def main():
    o = options()
    if pathlib.Path(__file__).resolve().parents[1] in o.out.resolve().parents:
        sys.exit(f"{o.out} is in the repository; choose an output folder outside it")
    os.umask(0o077)
    o.out.mkdir(parents=True, exist_ok=True)
    settings = settings_of(o)
    rows = read_table(o.data, o.covariates)
    samples, dropped = usable_samples(rows, o.covariates)
    counts = counts_of(rows, samples, dropped)
    genomes = write_genomes(o.apoe, samples, o.out)
    folds = {}
    for repeat in range(1, o.repeats + 1):
        fold_of = folds_of(samples, o.folds, o.seed * 1_000_000 + repeat)
        for test in range(o.folds):
            fold = folds[repeat, test] = one(o, genomes, samples, fold_of, repeat, test)
            aucs = ", ".join(
                f"{model} {float(fold.rows[model]['auroc']):.3f}" for model in fold.logits
            )
            print(f"repeat {repeat}, fold {test}: {aucs}", file=sys.stderr, flush=True)
    table, auc, partial = summarise(o, samples, folds)
    alarms = dict(collections.Counter(alarm for fold in folds.values() for alarm in fold.alarms))
    write_fold_aucs(o.out / "results.csv", samples, folds, auc)
    results = {
        "settings": settings,
        "repeats": o.repeats,
        "models": o.models,
        "compared_to": o.compare_to,
        "counts": counts,
        "ci": "Nadeau and Bengio 2003, all folds of all repeats",
        "bootstrap_ci": f"{o.bootstrap} resamples of samples, stratified by phenotype",
        "folds_with_guard": alarms,
        "models_not_in_all_folds": partial,
        "table": table,
    }
    (o.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")

    missing = {name: n for name, n in counts["missing_values"].items() if n}
    print(f"{counts['cases']} cases, {counts['controls']} controls.")
    print(f"Dropped: {', '.join(f'{n} without {what}' for what, n in dropped.items())}.")
    print(f"Missing values: {', '.join(f'{name} {n}' for name, n in missing.items()) or 'none'}.")
    print(
        f"{o.repeats} x {o.folds} folds. Folds with a guard that warned or failed: "
        f"{', '.join(f'{alarm} {n}' for alarm, n in alarms.items()) or 'none'}."
    )
    if partial:
        print(f"No row, because some folds lack them: {', '.join(partial)}.")
    print_table(o, table)


if __name__ == "__main__":
    main()
