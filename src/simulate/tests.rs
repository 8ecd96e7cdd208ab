//! Tests of the whole stage.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use gf_genotypes::{DisjointRegions, Reference, VariantFile, read_loci};

use super::*;

const CHR20_PANEL: &str = "chr20/win33k_A.300.grch37.vcf.gz";

const CHR20_REFERENCE: &str = "chr20/win33k_A.grch37.fa";

/// Real genomes next to the checkout; `None`, with a message, when they are absent.
pub(super) fn shared_data(relative: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/data")
        .join(relative);
    if !path.exists() {
        eprintln!("SKIPPED: no {}", path.display());
        return None;
    }
    Some(path)
}

/// A simulated cohort whose files are deleted when it is dropped.
pub(super) struct SimulatedCohort {
    folder: tempfile::TempDir,
    pub(super) summary: Summary,
}

impl SimulatedCohort {
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Contents of all files, by name.
    pub(super) fn bytes(&self) -> BTreeMap<String, Vec<u8>> {
        let mut bytes = BTreeMap::new();
        for entry in fs::read_dir(self.path()).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            bytes.insert(name, fs::read(entry.path()).unwrap());
        }
        bytes
    }

    /// The multi-locus part of `truth.json`.
    pub(super) fn study(&self) -> &StudyTruth {
        self.summary.truth.study.as_ref().unwrap()
    }
}

pub(super) fn simulated(options: Options) -> SimulatedCohort {
    let folder = tempfile::tempdir().unwrap();
    let summary = run(&Options {
        out: folder.path().into(),
        ..options
    })
    .unwrap();
    SimulatedCohort { folder, summary }
}

/// Alleles of each record of `cohort.vcf.gz`, read through the index.
///
/// Every REF is compared with `reference.fa`.
pub(super) fn read_back(folder: &Path) -> Vec<Vec<[i16; 2]>> {
    let mut reference = Reference::open(&folder.join("reference.fa")).unwrap();
    let loci = DisjointRegions::of_loci(&read_loci(&folder.join("loci.bed")).unwrap());
    let mut file = VariantFile::open(&folder.join("cohort.vcf.gz")).unwrap();
    assert!(file.warnings().is_empty());
    let mut records = Vec::new();
    file.for_each::<gf_genotypes::Error>(Some(&loci), |record| {
        let expected = reference.fetch(&record.contig, record.range())?;
        assert_eq!(
            record.ref_allele, expected,
            "{}:{}",
            record.contig, record.position
        );
        assert!(record.passes_filters && record.genotypes.iter().all(|genotype| genotype.phased));
        records.push(
            record
                .genotypes
                .iter()
                .map(|genotype| genotype.alleles)
                .collect(),
        );
        Ok(())
    })
    .unwrap();
    records
}

#[test]
fn the_same_options_give_the_same_bytes_and_another_seed_others() {
    let options = Options {
        people: 300,
        ..Options::default()
    };
    let first = simulated(options.clone()).bytes();
    let second = simulated(options.clone()).bytes();
    assert_eq!(first, second);
    let names: Vec<&String> = first.keys().collect();
    assert_eq!(
        names,
        [
            "cohort.csv",
            "cohort.vcf.gz",
            "cohort.vcf.gz.tbi",
            "loci.bed",
            "reference.fa",
            "truth.csv",
            "truth.json"
        ]
    );
    let with_seed_2 = simulated(Options { seed: 2, ..options }).bytes();
    assert!(
        first
            .iter()
            .filter(|(name, _)| *name != "loci.bed")
            .all(|(name, contents)| with_seed_2[name] != *contents)
    );
}

#[test]
fn another_risk_leaves_the_genomes_as_they_were() {
    let options = Options {
        people: 300,
        ..Options::default()
    };
    let cis = simulated(options.clone()).bytes();
    let additive = simulated(Options {
        risk: RiskKind::Additive,
        auc: Some(0.6),
        ..options
    })
    .bytes();
    assert_eq!(cis["cohort.vcf.gz"], additive["cohort.vcf.gz"]);
}

#[test]
fn the_vcf_reads_back_with_every_ref_as_in_the_fasta() {
    let cohort = simulated(Options {
        people: 200,
        ..Options::default()
    });
    let records = read_back(cohort.path());
    let n_variants = cohort.summary.n_variants;
    assert_eq!(records.len(), n_variants);
    assert!(records.iter().all(|record| record.len() == 200));
    assert!((200..350).contains(&n_variants), "{n_variants}");
}

#[test]
fn on_5000_people_each_risk_reaches_its_auc_within_sampling_error() {
    for risk in [RiskKind::Additive, RiskKind::Cis, RiskKind::Trans] {
        let summary = simulated(Options {
            people: 5_000,
            risk,
            seed: 4,
            ..Options::default()
        })
        .summary;
        let truth = summary.truth;
        assert!((truth.population_auc - 0.72).abs() < 1e-9);
        // 3,000 samples in train and 1,000 in test: standard errors of about 0.009 and 0.016.
        let best = truth.best_possible_auc;
        assert!(
            (best.train - 0.72).abs() < 0.03 && (best.test - 0.72).abs() < 0.05,
            "{risk}: {best:?}"
        );
        assert!(
            summary.n_cases.abs_diff(2_500) < 120,
            "{risk}: {} cases",
            summary.n_cases
        );
    }
}

#[test]
fn without_risk_the_best_possible_auc_is_one_half_in_every_split() {
    let cohort = simulated(Options {
        people: 400,
        risk: RiskKind::Null,
        ..Options::default()
    });
    let truth = &cohort.summary.truth;
    assert_eq!(
        truth.best_possible_auc,
        BestPossibleAuc {
            train: 0.5,
            validation: 0.5,
            test: 0.5
        }
    );
    assert_eq!(
        (truth.target_auc, truth.causal_sites.len(), truth.effect),
        (None, 0, 0.0)
    );
    assert!(
        fs::read_to_string(cohort.path().join("truth.json"))
            .unwrap()
            .contains("\"target_auc\": null")
    );
}

#[test]
fn the_risk_that_is_told_is_the_risk_in_the_vcf() {
    for risk in [RiskKind::Additive, RiskKind::Cis, RiskKind::Trans] {
        let cohort = simulated(Options {
            people: 500,
            risk,
            ..Options::default()
        });
        let truth = &cohort.summary.truth;
        let carriers = effect_allele_carriers(cohort.path(), &truth.causal_sites);
        let text = fs::read_to_string(cohort.path().join("truth.csv")).unwrap();
        for (sample, line) in text.lines().skip(1).enumerate() {
            let logit: f64 = line.split(',').nth(1).unwrap().parse().unwrap();
            let x = x_by_definition(risk, &carriers, sample) as f64;
            assert!(
                (logit - truth.intercept - truth.effect * x).abs() < 1e-6,
                "{risk}: {line}"
            );
        }
    }
}

/// For each causal site and sample, whether each haplotype carries the effect allele.
fn effect_allele_carriers(folder: &Path, causal_sites: &[CausalSite]) -> Vec<Vec<[bool; 2]>> {
    let mut carriers = Vec::new();
    let mut file = VariantFile::open(&folder.join("cohort.vcf.gz")).unwrap();
    file.for_each::<gf_genotypes::Error>(None, |record| {
        if let Some(site) = causal_sites
            .iter()
            .find(|site| site.position == record.position)
        {
            let effect_allele = i16::from(site.effect_allele == site.alt_allele);
            carriers.push(
                record
                    .genotypes
                    .iter()
                    .map(|genotype| genotype.alleles.map(|allele| allele == effect_allele))
                    .collect(),
            );
        }
        Ok(())
    })
    .unwrap();
    carriers
}

fn x_by_definition(risk: RiskKind, carriers: &[Vec<[bool; 2]>], sample: usize) -> usize {
    match (risk, carriers) {
        (RiskKind::Additive, sites) => sites
            .iter()
            .flat_map(|site| site[sample])
            .filter(|&carries| carries)
            .count(),
        (RiskKind::Cis, [a, b]) => (0..2)
            .filter(|&haplotype| a[sample][haplotype] == b[sample][haplotype])
            .count(),
        (_, [a, b]) => {
            usize::from((a[sample][0] && b[sample][1]) || (a[sample][1] && b[sample][0]))
        }
        (_, sites) => panic!("{} causal sites", sites.len()),
    }
}

/// Options on a panel and reference of the shared data; `None` when a file is absent.
fn shared_panel(panel: &str, reference: &str) -> Option<Options> {
    Some(Options {
        panel: Some(shared_data(panel)?),
        reference: Some(shared_data(reference)?),
        ..Options::default()
    })
}

#[test]
fn people_of_a_panel_have_its_records() {
    let Some(options) = shared_panel(CHR20_PANEL, CHR20_REFERENCE) else {
        return;
    };
    let cohort = simulated(Options {
        people: 3_000,
        ..options
    });
    let summary = &cohort.summary;
    // `zgrep -vc '^#'` of the panel: 284 records, 23 indels.
    assert_eq!(
        (
            summary.n_variants,
            summary.n_indels,
            summary.n_founder_haplotypes
        ),
        (284, 23, 600)
    );
    assert_eq!(read_back(cohort.path()).len(), 284);
    assert!(
        fs::read_to_string(cohort.path().join("reference.fa"))
            .unwrap()
            .starts_with(">20:1497501-1530500\n")
    );
}

#[test]
fn dosages_tell_trans_risk_badly_and_how_well_they_tell_cis_risk_is_said() {
    let Some(options) = shared_panel(CHR20_PANEL, CHR20_REFERENCE) else {
        return;
    };
    for (risk, highest_r2) in [(RiskKind::Cis, 0.6), (RiskKind::Trans, 0.2)] {
        let cohort = simulated(Options {
            people: 3_000,
            risk,
            ..options.clone()
        });
        let choice = cohort.summary.truth.choice.unwrap();
        let tagging = choice.tagging.unwrap();
        assert!(
            choice.relaxed.is_none() && tagging.all_dosages_r2 < highest_r2,
            "{tagging:?}"
        );
        assert!(
            tagging.max_variant_r2 <= tagging.all_dosages_r2
                && tagging.causal_dosages_r2 <= tagging.all_dosages_r2 + 1e-9
        );
    }
}

#[test]
fn ten_apoe_variants_are_enough_for_every_risk() {
    let panel = "apoe/apoe_gene.776.grch38.vcf.gz";
    let Some(options) = shared_panel(panel, "apoe/apoe_grch38.fa") else {
        return;
    };
    let options = Options {
        people: 776,
        ..options
    };
    for risk in RiskKind::ALL {
        let cohort = simulated(Options {
            risk,
            ..options.clone()
        });
        assert_eq!(cohort.summary.n_variants, 10);
    }
    // Around e2/e3/e4 only: rs429358 and rs7412 are 138 nt apart, and both are rare.
    let truth = simulated(Options {
        region: Some("chr19:44908600-44908900".into()),
        ..options
    })
    .summary
    .truth;
    let ids: Vec<&str> = truth
        .causal_sites
        .iter()
        .map(|site| site.id.as_str())
        .collect();
    assert_eq!(ids, ["rs429358", "rs7412"]);
    assert!(truth.choice.unwrap().relaxed.is_some());
}

#[test]
fn options_that_make_no_sense_are_refused_with_the_reason() {
    let options = Options {
        out: "not-written".into(),
        ..Options::default()
    };
    let without_reference = Options {
        panel: Some("p.vcf".into()),
        ..options.clone()
    };
    let region_without_panel = Options {
        region: Some("1:1-2".into()),
        ..options.clone()
    };
    let auc_of_chance = Options {
        auc: Some(0.5),
        ..options.clone()
    };
    let empty_test_split = Options {
        split: [0.6, 0.4, 0.0],
        ..options.clone()
    };
    let five_samples = Options {
        people: 5,
        ..options.clone()
    };
    let one_class = Options {
        people: 6,
        risk: RiskKind::Null,
        ..options
    };
    for (options, expected) in [
        (without_reference, "reference"),
        (region_without_panel, "panel"),
        (auc_of_chance, "null"),
        (empty_test_split, "above 0"),
        (five_samples, "at least 6"),
        (one_class, "simulate more samples"),
    ] {
        let message = run(&options).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    assert!(!Path::new("not-written").exists());
}
