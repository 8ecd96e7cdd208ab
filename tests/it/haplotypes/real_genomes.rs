//! Real genomes (1000 Genomes, phased), end to end through the binary, against `bcftools consensus`
//! and published haplotype counts.
//!
//! The files are not part of the repository: without them each test is skipped with a message.
//! Phenotypes are always simulated.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use crate::support::{
    RealGenomes, bcftools, bcftools_version,
    compression::{gunzipped, gzip},
    fasta, logits_by_sample, real_data, refuse, rows, run, stderr, succeed,
};
use sha2::{Digest, Sha256};

const TINY: &str = "--hidden 8 --layers 1 --heads 2 --projected-length 8 --feed-forward 16";

fn sha256(bases: &str) -> String {
    Sha256::digest(bases)
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
}

/// `auc.csv` of a folder: (model, split) to its row.
fn auc(path: &Path) -> BTreeMap<(String, String), BTreeMap<String, String>> {
    rows(path)
        .into_iter()
        .map(|row| ((row["model"].clone(), row["split"].clone()), row))
        .collect()
}

/// A VCF with some of its sample columns.
fn cut_columns(text: &str, samples: &[usize]) -> String {
    let mut cut = String::new();
    for line in text.lines() {
        if line.starts_with("##") {
            writeln!(cut, "{line}").unwrap();
        } else {
            let columns: Vec<&str> = line.split('\t').collect();
            let kept: Vec<&str> = columns[..9]
                .iter()
                .chain(samples.iter().map(|&sample| &columns[9 + sample]))
                .copied()
                .collect();
            writeln!(cut, "{}", kept.join("\t")).unwrap();
        }
    }
    cut
}

#[test]
fn haplotypes_of_33_kb_are_those_of_bcftools_in_every_file_format() {
    let Some(RealGenomes { vcf, reference }) = RealGenomes::chr20_33_kb() else {
        return;
    };
    let Some(expected) = real_data("chr20/win33k_A.bcftools_consensus.sha256.tsv") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("loci.bed"), "20\t1497500\t1530500\twin33k_A\n").unwrap();
    let with_index = sequences_of_33_kb(folder, &vcf.display().to_string(), &reference);
    let haplotypes = fasta(&with_index);
    assert_eq!(haplotypes.len(), 600);
    assert_eq!(haplotypes.values().collect::<BTreeSet<_>>().len(), 153);
    // As README.md of the data says: `bcftools consensus -H 1|2` (1.16); sample, haplotype, length,
    // sha256 of the bases.
    let expected = fs::read_to_string(expected).unwrap();
    assert_eq!(expected.lines().count(), 24);
    for line in expected.lines() {
        let [sample, haplotype, len_nt, digest] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let bases = &haplotypes[&format!("{sample} win33k_A {haplotype}")];
        assert_eq!(
            (bases.len().to_string().as_str(), sha256(bases).as_str()),
            (len_nt, digest),
            "{sample} haplotype {haplotype}"
        );
    }

    fs::copy(&vcf, folder.join("no_index.vcf.gz")).unwrap();
    let text = gunzipped(&vcf);
    fs::write(folder.join("gzip.vcf.gz"), gzip(text.as_bytes())).unwrap();
    fs::write(folder.join("plain.vcf"), text).unwrap();
    for name in ["no_index.vcf.gz", "plain.vcf", "gzip.vcf.gz"] {
        assert!(
            sequences_of_33_kb(folder, name, &reference) == with_index,
            "{name} gave other sequences"
        );
    }
    if bcftools_version().is_none() {
        return;
    }
    for (bcftools_arguments, name, what) in [
        ("view -Ob -o cohort.bcf plain.vcf", "cohort.bcf", "BCF"),
        ("index cohort.bcf", "cohort.bcf", "BCF with an index"),
        (
            "index --csi no_index.vcf.gz",
            "no_index.vcf.gz",
            "VCF with a CSI index",
        ),
    ] {
        bcftools(folder, bcftools_arguments);
        assert!(
            sequences_of_33_kb(folder, name, &reference) == with_index,
            "{what} gave other sequences"
        );
    }
    assert!(folder.join("cohort.bcf.csi").exists());
}

/// FASTA of the 33,000 nt of `loci.bed`, with 153 distinct haplotypes.
fn sequences_of_33_kb(folder: &Path, vcf: &str, reference: &Path) -> String {
    let arguments = format!(
        "sequences --vcf {vcf} --reference {} --regions-file loci.bed -o out.fa",
        reference.display()
    );
    let output = run(folder, &arguments);
    assert!(output.status.success(), "{vcf}: {}", stderr(&output));
    assert!(
        stderr(&output).contains("win33k_A: 153 distinct haplotypes of 300 samples"),
        "{vcf}: {}",
        stderr(&output)
    );
    fs::read_to_string(folder.join("out.fa")).unwrap()
}

#[test]
fn genotypes_without_phase_are_refused_with_the_sample() {
    let (Some(vcf), Some(reference)) = (
        real_data("chr20/shapeit4_unphased.203.chr20_1-4Mb.grch37.vcf.gz"),
        real_data("chr20/chr20_1000001_2000000.grch37.fa"),
    ) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("loci.bed"), "chr20\t1497500\t1530500\n").unwrap();
    let arguments = format!(
        "sequences --vcf {} --reference {} --regions-file loci.bed -o out.fa",
        vcf.display(),
        reference.display()
    );
    refuse(
        folder.path(),
        &arguments,
        &[
            "shapeit4_unphased.203",
            ": 20:1",
            "sample `NA",
            "unphased heterozygote",
        ],
    );
    let output = run(
        folder.path(),
        &format!("{arguments} --unphased gt-order --skips skips.csv"),
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(
        text.lines().any(|line| line == "unphased_gt_order: 8"),
        "{text}"
    );
    let skips = rows(&folder.path().join("skips.csv"));
    let n_skips = skips
        .iter()
        .filter(|row| row["reason"] == "unphased_gt_order")
        .count();
    assert_eq!(n_skips, 8);
}

#[test]
fn apoe_has_seven_haplotypes_and_its_alleles_are_counted() {
    let Some(RealGenomes { vcf, reference }) = RealGenomes::apoe() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // `19` where VCF and FASTA say `chr19`.
    fs::write(
        folder.join("loci.bed"),
        "19\t44905753\t44909681\tAPOE\t0\t+\n",
    )
    .unwrap();
    let vcf_path = vcf.display();
    let reference = reference.display();
    let output = run(
        folder,
        &format!(
            "sequences --vcf {vcf_path} --reference {reference} --regions-file loci.bed -o \
             apoe.fa.gz"
        ),
    );
    assert!(
        stderr(&output).contains("APOE: 7 distinct haplotypes of 776 samples"),
        "{}",
        stderr(&output)
    );
    let haplotypes = fasta(&gunzipped(&folder.join("apoe.fa.gz")));
    assert_eq!(haplotypes.len(), 2 * 776);
    assert_eq!(haplotypes.values().collect::<BTreeSet<_>>().len(), 7);

    // Everyone with an invented phenotype: the counts are of the genotypes alone.
    let text = gunzipped(&vcf);
    let names = text
        .lines()
        .find(|line| line.starts_with("#CHROM"))
        .unwrap()
        .split('\t')
        .skip(9);
    let mut cohort = "sample_id,phenotype,split\n".to_owned();
    for (person, name) in names.enumerate() {
        let split = ["train", "train", "train", "validation", "test"][person / 2 % 5];
        writeln!(cohort, "{name},{},{split}", person % 2).unwrap();
    }
    fs::write(folder.join("cohort.csv"), cohort).unwrap();
    let output = run(
        folder,
        &format!("prs --vcf {vcf_path} --cohort cohort.csv --genome-build GRCh38 --out prs"),
    );
    assert!(output.status.success(), "{}", stderr(&output));
    // Counted by hand: tests/oracles/apoe.sh.
    assert!(
        stderr(&output).contains("APOE haplotypes: e2 123, e3 1228, e4 201"),
        "{}",
        stderr(&output)
    );
    let models: BTreeSet<String> = rows(&folder.join("prs/predictions.csv"))
        .into_iter()
        .map(|row| row["model"].clone())
        .collect();
    assert_eq!(
        models.iter().map(String::as_str).collect::<Vec<_>>(),
        ["prs-apoe", "prs-ct", "prs-dosages", "prs-elastic-net"]
    );
}

#[test]
fn on_apoe_every_command_runs_and_new_people_score_as_they_were_predicted() {
    let Some(RealGenomes { vcf, reference }) = RealGenomes::apoe() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let vcf = vcf.display();
    let reference = reference.display();
    succeed(
        folder,
        &format!(
            "simulate --people 600 --risk additive --auc 0.75 --panel {vcf} --reference \
             {reference} --out study"
        ),
    );
    let genomes =
        "--vcf study/cohort.vcf.gz --reference study/reference.fa --regions-file study/loci.bed";
    succeed(
        folder,
        &format!("tokenize {genomes} --cohort study/cohort.csv --out tokens"),
    );
    succeed(
        folder,
        &format!(
            "train --additive none --tokens tokens --cohort study/cohort.csv --out model --epochs \
             4 {TINY}"
        ),
    );
    succeed(
        folder,
        "prs --vcf study/cohort.vcf.gz --cohort study/cohort.csv --genome-build GRCh38 --out prs",
    );
    let table = succeed(
        folder,
        "evaluate --predictions model/predictions.csv prs/predictions.csv --out report",
    );
    assert!(
        table.contains("linformer") && table.contains("prs-apoe"),
        "{table}"
    );
    let auc = auc(&folder.join("report/auc.csv"));
    assert_eq!(
        auc.len(),
        3 * 6 + 1,
        "3 splits of linformer, prs-apoe, prs-covariates and three scores learned, and stacked on \
         test"
    );

    let predicted = logits_by_sample(&folder.join("model/predictions.csv"));
    let text = gunzipped(&folder.join("study/cohort.vcf.gz"));
    let cohort = fs::read_to_string(folder.join("study/cohort.csv")).unwrap();
    let everyone: Vec<usize> = (0..600).collect();
    // One person alone, two people in another order, everyone.
    for samples in [&[0][..], &[417], &[599, 5], &everyone] {
        fs::write(folder.join("new.vcf"), cut_columns(&text, samples)).unwrap();
        let lines: Vec<&str> = cohort.lines().collect();
        let kept: Vec<&str> = std::iter::once(lines[0])
            .chain(samples.iter().map(|&sample| lines[1 + sample]))
            .collect();
        fs::write(folder.join("new.csv"), kept.join("\n")).unwrap();
        succeed(
            folder,
            &format!(
                "score --vcf new.vcf --reference {reference} --model model --cohort new.csv -o \
                 risk.csv"
            ),
        );
        let scored = logits_by_sample(&folder.join("risk.csv"));
        assert_eq!(scored.len(), samples.len());
        for (sample_id, logit) in scored {
            let expected = predicted[&sample_id];
            assert!(
                (logit - expected).abs() < 1e-5,
                "{sample_id} of {}: {logit}, predicted {expected}",
                samples.len()
            );
        }
    }
}

#[test]
fn where_there_is_no_risk_the_intervals_hold_one_half() {
    let Some(RealGenomes { vcf, reference }) = RealGenomes::chr20_33_kb() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(
        folder.join("null.toml"),
        format!(
            "[simulate]\npeople = 500\nrisk = \"null\"\npanel = \"{}\"\nreference = \
             \"{}\"\n[[models]]\nadditive = 'none'\n[models.architecture]\nhidden = 8\nlayers = \
             1\nheads = 2\nprojected_length = 8\nfeed_forward = 16\n[models.schedule]\nepochs = \
             6\n",
            vcf.display(),
            reference.display()
        ),
    )
    .unwrap();
    let mut n_intervals = 0;
    let mut missed = Vec::new();
    // Two arbitrary seeds. Two of the intervals, of 95 % each and of models on the same samples,
    // may miss 0.5 by chance.
    for seed in [1, 2] {
        succeed(
            folder,
            &format!("run null.toml --seed {seed} --out seed{seed}"),
        );
        for ((model, split), row) in auc(&folder.join(format!("seed{seed}/5-report/auc.csv"))) {
            if split == "test" {
                n_intervals += 1;
                let [low, high] =
                    ["ci_low", "ci_high"].map(|column| row[column].parse::<f64>().unwrap());
                if !(low..=high).contains(&0.5) {
                    missed.push((model, seed, row));
                }
            }
        }
    }
    assert_eq!(
        n_intervals,
        2 * 6,
        "linformer, prs-covariates, three scores learned and stacked with each seed"
    );
    assert!(missed.len() <= 2, "{missed:?}");
}
