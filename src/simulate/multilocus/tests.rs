use std::{collections::HashMap, fmt::Write, fs, path::Path};

use gf_cohort_schema::{Split, probability};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::simulate::{
    self, Preset,
    tests::{SimulatedCohort, read_back, shared_data, simulated},
};
use gf_genotypes::{Position1, VariantFile};

/// A simulated panel of 300 haplotypes over 60,000 nt.
struct Study {
    panel: SimulatedCohort,
    /// Tables that tests write.
    tables: TempDir,
}

impl Study {
    fn new() -> Self {
        Self {
            panel: simulated(Options {
                people: 150,
                len_nt: 60_000,
                risk: RiskKind::Null,
                seed: 8,
                ..Options::default()
            }),
            tables: tempfile::tempdir().unwrap(),
        }
    }

    fn options(&self) -> Options {
        Options {
            panel: Some(self.panel.path().join("cohort.vcf.gz")),
            reference: Some(self.panel.path().join("reference.fa")),
            people: 1_500,
            ..Options::default()
        }
    }

    /// Options over loci; a locus is a line of a BED without its contig, such as `0 9000 a`.
    fn loci(&self, loci: &[&str], risks: &str) -> Options {
        let mut bed = String::new();
        for locus in loci {
            writeln!(bed, "simulated\t{}", locus.replace(' ', "\t")).unwrap();
        }
        let loci_risks = self.write("risks.csv", &format!("locus,risk,effect\n{risks}"));
        Options {
            loci: Some(self.write("loci.txt", &bed)),
            loci_risks: Some(loci_risks),
            ..self.options()
        }
    }

    /// Options with weights; a row is `position effect other weight`.
    fn effects(&self, rows: &[String]) -> Options {
        let mut table =
            "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n".to_owned();
        for row in rows {
            writeln!(table, "chrsimulated\t{}", row.replace(' ', "\t")).unwrap();
        }
        Options {
            effects: Some(self.write("weights.txt", &table)),
            ..self.options()
        }
    }

    /// Writes a table into a folder of its own, so that earlier tables stay.
    fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let n_tables = fs::read_dir(self.tables.path()).unwrap().count();
        let folder = self.tables.path().join(format!("file-{n_tables}"));
        fs::create_dir(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Common SNVs of the panel: 1-based position, REF, ALT.
    fn common_snvs(&self) -> Vec<(usize, String, String)> {
        let mut snvs = Vec::new();
        let mut file = VariantFile::open(&self.panel.path().join("cohort.vcf.gz")).unwrap();
        file.for_each::<gf_genotypes::Error>(None, |record| {
            let alleles = record
                .genotypes
                .iter()
                .flat_map(|genotype| genotype.alleles);
            let n_alt = alleles.filter(|&allele| allele == 1).count();
            let ref_allele = String::from_utf8_lossy(&record.ref_allele);
            let alt_allele = String::from_utf8_lossy(&record.alt_alleles[0]);
            if ref_allele.len() == 1 && alt_allele.len() == 1 && (60..240).contains(&n_alt) {
                snvs.push((record.position.get(), ref_allele.into(), alt_allele.into()));
            }
            Ok(())
        })
        .unwrap();
        snvs
    }
}

/// For each (contig, position) and individual, whether each haplotype carries ALT.
type Carriers = HashMap<(String, Position1), Vec<[bool; 2]>>;

fn carriers(folder: &Path) -> Carriers {
    let mut carriers = HashMap::new();
    let mut file = VariantFile::open(&folder.join("cohort.vcf.gz")).unwrap();
    file.for_each::<gf_genotypes::Error>(None, |record| {
        let genotypes = record.genotypes.iter();
        let alleles = genotypes.map(|genotype| genotype.alleles.map(|allele| allele == 1));
        carriers.insert((record.contig.clone(), record.position), alleles.collect());
        Ok(())
    })
    .unwrap();
    carriers
}

/// Column `index` of a table; a sex is 1 (male) or 0 (female).
fn column(folder: &Path, table: &str, index: usize) -> Vec<f64> {
    let text = fs::read_to_string(folder.join(table)).unwrap();
    text.lines()
        .skip(1)
        .map(|line| match line.split(',').nth(index).unwrap() {
            "male" => 1.0,
            "female" => 0.0,
            cell => cell.parse().unwrap(),
        })
        .collect()
}

/// Genotypes of one individual.
struct Individual<'c> {
    carriers: &'c Carriers,
    index: usize,
}

impl Individual<'_> {
    /// Whether each haplotype carries the effect allele.
    fn carries(&self, variant: &CausalVariant) -> [bool; 2] {
        let site = &variant.site;
        let alt = self.carriers[&(site.contig.clone(), site.position)][self.index];
        alt.map(|is_alt| is_alt == (site.effect_allele == site.alt_allele))
    }

    /// Copies of the effect allele.
    fn copies(&self, variant: &CausalVariant) -> usize {
        self.carries(variant).into_iter().map(usize::from).sum()
    }

    /// The part of the logit that the truth reports for a locus.
    fn logit_of_locus(&self, locus: &LocusTruth) -> f64 {
        match (locus.risk, &locus.causal_sites[..], locus.effect) {
            (RiskKind::Null, ..) => 0.0,
            (RiskKind::Additive, sites, Some(effect)) => {
                let dosage: usize = sites.iter().map(|site| self.copies(site)).sum();
                effect * dosage as f64
            }
            (RiskKind::Additive, sites, None) => sites
                .iter()
                .map(|site| site.log_odds_by_copies.unwrap()[self.copies(site)])
                .sum(),
            (RiskKind::Cis, [a, b], Some(effect)) => {
                let [a1, a2] = self.carries(a);
                let [b1, b2] = self.carries(b);
                effect * (usize::from(a1 == b1) + usize::from(a2 == b2)) as f64
            }
            (RiskKind::Trans, [a, b], Some(effect)) => {
                let [a1, a2] = self.carries(a);
                let [b1, b2] = self.carries(b);
                effect * f64::from(u8::from((a1 && b2) || (a2 && b1)))
            }
            (kind, sites, _) => panic!("{kind}: {} causal sites", sites.len()),
        }
    }
}

fn assert_logits_are_those_of_the_genotypes(cohort: &SimulatedCohort) {
    let folder = cohort.path();
    let study = cohort.study();
    let carriers = carriers(folder);
    let logits = column(folder, "truth.csv", 1);
    let [ages, sexes] = [3, 4].map(|index| column(folder, "cohort.csv", index));
    let CovariateEffects {
        age,
        sex,
        age_centre,
    } = study.covariate_effects;
    for (index, logit) in logits.iter().enumerate() {
        let covariates = age * (ages[index] - age_centre) + sex * sexes[index];
        let individual = Individual {
            carriers: &carriers,
            index,
        };
        let genetic: f64 = study
            .loci
            .iter()
            .map(|locus| individual.logit_of_locus(locus))
            .sum();
        let expected = cohort.summary.truth.intercept + genetic + covariates;
        assert!(
            (logit - expected).abs() < 1e-6,
            "{index}: {logit} and {expected}"
        );
    }
}

/// Separation of cases and controls, if their scores had logistic tails.
fn separation(auc: f64) -> f64 {
    (auc / (1.0 - auc)).ln()
}

#[test]
fn every_locus_has_the_kind_and_the_relative_size_asked_for() {
    let study = Study::new();
    let loci = [
        "0 14000 a",
        "15000 29000 b",
        "30000 44000 c",
        "45000 60000 d",
    ];
    let options = study.loci(&loci, "a,cis,2\nb,trans,\nd,null,\n");
    let cohort = simulated(Options {
        risk: RiskKind::Additive,
        age_effect: 0.03,
        sex_effect: -0.4,
        ..options
    });
    let truth = cohort.study();
    let kinds: Vec<RiskKind> = truth.loci.iter().map(|locus| locus.risk).collect();
    assert_eq!(
        kinds,
        [
            RiskKind::Cis,
            RiskKind::Trans,
            RiskKind::Additive,
            RiskKind::Null
        ]
    );
    assert_eq!(cohort.summary.truth.risk, "mixed");
    let sd: Vec<f64> = truth.loci.iter().map(|locus| locus.logit_sd).collect();
    assert!(
        (sd[0] / sd[1] - 2.0).abs() < 1e-9 && (sd[1] - sd[2]).abs() < 1e-9,
        "{sd:?}"
    );
    assert!(sd[3].abs() < 1e-12 && truth.loci[3].causal_sites.is_empty());
    assert_logits_are_those_of_the_genotypes(&cohort);
}

#[test]
fn the_whole_risk_has_the_auc_asked_for_and_its_parts_add_up_to_it() {
    let study = Study::new();
    let options = study.loci(
        &["0 20000 a", "20000 40000 b", "40000 60000 c"],
        "a,trans,1\n",
    );
    let summary = simulated(Options {
        risk: RiskKind::Additive,
        age_effect: 0.05,
        people: 4_000,
        auc: Some(0.76),
        ..options
    })
    .summary;
    assert!((summary.truth.population_auc - 0.76).abs() < 1e-9);
    // 800 samples in test: a standard error of about 0.017.
    let best = summary.truth.best_possible_auc;
    assert!(
        (best.train - 0.76).abs() < 0.03 && (best.test - 0.76).abs() < 0.06,
        "{best:?}"
    );
    let ComponentAucs {
        total,
        additive,
        non_additive,
        covariates,
    } = summary.truth.study.unwrap().best_achievable_auc;
    assert!((total.population - 0.76).abs() < 1e-9 && total.by_split == best);
    let parts = [additive, non_additive, covariates].map(|part| part.unwrap().population);
    assert!(
        parts.iter().all(|&part| part > 0.53 && part < 0.76),
        "{parts:?}"
    );
    // Squared separations of independent components add up to almost the squared separation of
    // the total: each component is blurred a little by the other components.
    let sum: f64 = parts.iter().map(|&part| separation(part).powi(2)).sum();
    let share = sum / separation(0.76).powi(2);
    assert!((0.7..1.05).contains(&share), "{share}");
}

#[test]
fn one_locus_of_a_bed_has_the_genomes_of_that_region() {
    let study = Study::new();
    let from_region = simulated(Options {
        region: Some("simulated:10001-40000".into()),
        people: 300,
        ..study.options()
    })
    .bytes();
    let from_bed = simulated(Options {
        people: 300,
        ..study.loci(&["10000 40000 x"], "")
    })
    .bytes();
    for file in ["cohort.vcf.gz", "reference.fa"] {
        assert_eq!(from_region[file], from_bed[file], "{file}");
    }
}

#[test]
fn records_are_sorted_and_every_ref_is_in_the_reference_whatever_the_order_of_the_bed() {
    let study = Study::new();
    let loci = ["41000 60000 c", "0 20000 a", "20000 40000 b"];
    let options = Options {
        people: 300,
        ..study.loci(&loci, "")
    };
    let cohort = simulated(options);
    assert_eq!(read_back(cohort.path()).len(), cohort.summary.n_variants);
    let bed = fs::read_to_string(cohort.path().join("loci.bed")).unwrap();
    let starts: Vec<&str> = bed
        .lines()
        .map(|line| line.split('\t').nth(1).unwrap())
        .collect();
    assert_eq!(starts, ["0", "20000", "41000"]);
}

#[test]
fn published_log_odds_are_used_as_they_are_and_every_row_is_accounted_for() {
    let study = Study::new();
    let snvs = study.common_snvs();
    let unambiguous: Vec<_> = snvs.iter().filter(|(_, r, a)| complement(r) != a).collect();
    let [(p0, r0, a0), (p1, r1, a1), (p2, r2, a2)] =
        [unambiguous[0], unambiguous[4], unambiguous[8]];
    let flipped_a = complement(a2);
    let flipped_r = complement(r2);
    let rows = [
        format!("{p0} {a0} {r0} 0.5"),
        format!("{p1} {r1} {a1} -0.7"),
        format!("{p2} {flipped_a} {flipped_r} 0.9"),
        format!("{p0} {r0} {a0} 0.1"),
        "59999999 A C 0.3".to_owned(),
    ];
    let cohort = simulated(study.effects(&rows));
    assert_logits_are_those_of_the_genotypes(&cohort);
    let summary = &cohort.summary;
    assert_eq!(summary.truth.target_auc, None);
    let truth = cohort.study();
    assert!((truth.scale - 1.0).abs() < 1e-12);
    let mut weights = Vec::new();
    for variant in &truth.loci[0].causal_sites {
        let weight = variant.log_odds_by_copies.unwrap()[1];
        let effect_allele = variant.site.effect_allele.clone();
        weights.push((variant.site.position.get(), weight, effect_allele));
    }
    let expected = [
        (*p0, 0.5, a0.clone()),
        (*p1, -0.7, r1.clone()),
        (*p2, 0.9, a2.clone()),
    ];
    assert_eq!(weights, expected);
    let counts = truth.published_effects.as_ref().unwrap();
    assert_eq!(
        (
            counts.n_rows,
            counts.n_matched,
            counts.n_effect_allele_is_ref
        ),
        (5, 3, 1)
    );
    assert_eq!(
        (counts.n_flipped, counts.n_duplicates, counts.n_unmatched),
        (1, 1, 1)
    );
    let printed = summary.to_string();
    for expected in [
        "3 of 5 weights",
        "1 not in the panel",
        "chrsimulated:59999999 A/C",
    ] {
        assert!(printed.contains(expected), "{printed}");
    }
}

fn complement(base: &str) -> &'static str {
    match base {
        "A" => "T",
        "C" => "G",
        "G" => "C",
        _ => "A",
    }
}

#[test]
fn published_log_odds_are_scaled_where_an_auc_is_asked_for() {
    let study = Study::new();
    let snvs = study.common_snvs();
    let rows: Vec<String> = snvs
        .iter()
        .map(|(p, r, a)| format!("{p} {a} {r} 0.01"))
        .collect();
    let options = Options {
        auc: Some(0.7),
        ..study.effects(&rows)
    };
    let summary = simulated(options).summary;
    assert!((summary.truth.population_auc - 0.7).abs() < 1e-9);
    let truth = summary.truth.study.unwrap();
    let weight = truth.loci[0].causal_sites[0].log_odds_by_copies.unwrap()[1];
    assert!((weight - 0.01 * truth.scale).abs() < 1e-12 && truth.scale > 1.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_weight_and_its_negative_for_the_other_allele_are_one_risk(
        weights in prop::collection::vec(-1.0..1.0_f64, 5),
        swaps in prop::collection::vec(any::<bool>(), 5)
    ) {
        let study = Study::new();
        let snvs = study.common_snvs();
        let mut rows = [Vec::new(), Vec::new()];
        for ((index, weight), swap) in weights.iter().enumerate().zip(&swaps) {
            let (position, r, a) = &snvs[3 * index];
            let same = format!("{position} {a} {r} {weight}");
            let swapped = format!("{position} {r} {a} {}", -weight);
            rows[1].push(if *swap { swapped } else { same.clone() });
            rows[0].push(same);
        }
        let [first, second] = rows.map(|rows| {
            let cohort = simulated(Options { people: 60, ..study.effects(&rows) });
            column(cohort.path(), "truth.csv", 1)
        });
        prop_assert!(first.iter().zip(&second).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}

#[test]
fn a_random_sample_has_the_prevalence_and_a_case_control_sample_the_case_fraction() {
    let options = Options {
        people: 3_000,
        len_nt: 9_000,
        prevalence: 0.1,
        ..Options::default()
    };
    let n_cases = simulated(options.clone()).summary.n_cases;
    // Standard deviation of the number of cases: 16.
    assert!(n_cases.abs_diff(300) < 80, "{n_cases}");

    let cohort = simulated(Options {
        case_fraction: Some(0.4),
        ..options
    });
    let sampled = &cohort.summary;
    assert_eq!((sampled.n_people, sampled.n_cases), (3_000, 1_200));
    let sampling = &cohort.study().sampling;
    let share_of_cases = sampling.n_cases_drawn as f64 / sampling.n_drawn as f64;
    assert!((share_of_cases - 0.1).abs() < 0.01);
    // With the shift, the logits give the probabilities of disease in the cohort.
    let logits = column(cohort.path(), "truth.csv", 1);
    let mean = logits
        .iter()
        .map(|logit| probability(logit + sampling.logit_shift_in_cohort))
        .sum::<f64>()
        / 3_000.0;
    assert!((mean - 0.4).abs() < 0.02, "{mean}");
    assert!((sampled.truth.best_possible_auc.train - 0.72).abs() < 0.03);
}

#[test]
fn every_split_has_cases_early_and_late_in_the_table() {
    let cohort = simulated(Options {
        people: 1_000,
        len_nt: 5_000,
        prevalence: 0.05,
        case_fraction: Some(0.5),
        ..Options::default()
    });
    let text = fs::read_to_string(cohort.path().join("cohort.csv")).unwrap();
    let cases = text
        .lines()
        .skip(1)
        .take(500)
        .filter(|line| line.contains(",case,"))
        .count();
    assert!((200..300).contains(&cases), "{cases} of the first 500");
    assert!(
        Split::ALL
            .iter()
            .all(|split| text.contains(&format!(",case,{split},")))
    );
}

#[test]
fn the_preset_has_the_published_loci_frequencies_and_odds() {
    let variants = Preset::Ad2022.variants().unwrap();
    let lead = variants.iter().filter(|variant| variant.locus != "APOE");
    assert_eq!((variants.len(), lead.count()), (85, 83));
    let cohort = simulated(Options {
        people: 5_000,
        len_nt: 3_000,
        preset: Some(Preset::Ad2022),
        ..Options::default()
    });
    let truth = cohort.study();
    // 75 loci of the study, and APOE.
    assert_eq!((cohort.summary.n_loci, truth.loci.len()), (76, 76));
    let causal_sites: Vec<&CausalVariant> = truth
        .loci
        .iter()
        .flat_map(|locus| &locus.causal_sites)
        .collect();
    for (variant, simulated) in variants.iter().zip(&causal_sites) {
        assert_eq!(variant.id, simulated.site.id);
        assert_eq!(variant.effect_allele, simulated.site.effect_allele);
        let error = simulated.site.effect_allele_frequency - variant.frequency;
        // There are 400 founders, from which 10,000 haplotypes are drawn.
        assert!(error.abs() < 0.02, "{}: {error}", variant.id);
        let weight = simulated.log_odds_by_copies.unwrap()[1];
        assert!((weight - variant.odds_ratio.ln()).abs() < 1e-12);
    }
    assert_logits_are_those_of_the_genotypes(&cohort);
    assert_eq!(read_back(cohort.path()).len(), cohort.summary.n_variants);
    // No haplotype carries both e2 and e4.
    let carriers = carriers(cohort.path());
    let apoe: Vec<_> = causal_sites
        .iter()
        .filter(|variant| variant.site.contig == "APOE")
        .collect();
    let [e4, e2] = [0, 1].map(|i| &carriers[&("APOE".to_owned(), apoe[i].site.position)]);
    assert!(
        e4.iter()
            .zip(e2)
            .all(|(e4, e2)| (0..2).all(|k| !(e4[k] && e2[k])))
    );
}

#[test]
fn a_preset_finds_its_variants_in_a_panel() {
    let panel = shared_data("apoe/apoe_gene.776.grch38.vcf.gz");
    let reference = shared_data("apoe/apoe_grch38.fa");
    if panel.is_none() || reference.is_none() {
        return;
    }
    let cohort = simulated(Options {
        panel,
        reference,
        preset: Some(Preset::Ad2022),
        ..Options::default()
    });
    let truth = cohort.study();
    let counts = truth.published_effects.as_ref().unwrap();
    assert_eq!(
        (counts.n_matched, counts.n_unmatched, truth.loci.len()),
        (2, 83, 1)
    );
    let ids: Vec<&str> = truth.loci[0]
        .causal_sites
        .iter()
        .map(|v| v.site.id.as_str())
        .collect();
    assert_eq!(ids, ["rs429358", "rs7412"]);
    // e4 alone: AUC of about 0.65 to 0.7 in the literature.
    let auc = truth.best_achievable_auc.total.population;
    assert!((0.58..0.72).contains(&auc), "{auc}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_with_every_option() {
    let options = Options {
        people: 200,
        len_nt: 2_500,
        preset: Some(Preset::Ad2022),
        age_effect: 0.04,
        prevalence: 0.2,
        case_fraction: Some(0.5),
        ..Options::default()
    };
    let first = simulated(options.clone()).bytes();
    let second = simulated(options.clone()).bytes();
    assert_eq!(first, second);
    let with_seed_2 = simulated(Options { seed: 2, ..options }).bytes();
    let mut random_files = first.iter().filter(|(name, _)| *name != "loci.bed");
    assert!(random_files.all(|(name, contents)| with_seed_2[name] != *contents));
}

#[test]
fn covariates_leave_the_genomes_as_they_were() {
    let options = Options {
        people: 300,
        len_nt: 9_000,
        ..Options::default()
    };
    let without_age = simulated(options.clone()).bytes();
    let with_age = simulated(Options {
        age_effect: 0.1,
        auc: Some(0.8),
        ..options
    })
    .bytes();
    assert_eq!(without_age["cohort.vcf.gz"], with_age["cohort.vcf.gz"]);
}

#[test]
fn what_cannot_be_simulated_is_refused_with_the_place_and_what_to_do() {
    let study = Study::new();
    let preset = Some(Preset::Ad2022);
    let weights = study.effects(&["7 A C 0.1".to_owned()]);
    let loci_and_region = Options {
        region: Some("simulated:1-9".into()),
        ..study.loci(&["0 9 a"], "")
    };
    let overlapping = study.loci(&["0 900 a", "800 2000 b"], "");
    let few_variants = study.loci(&["0 300 x"], "x,additive,\n");
    let weights_and_preset = Options {
        preset,
        ..weights.clone()
    };
    let preset_elsewhere = Options {
        preset,
        ..study.options()
    };
    for (options, expected) in [
        (
            overlapping,
            ["loci.txt", "a (simulated:1-900)", "join them"],
        ),
        (
            study.loci(&["0 900 a"], "b,cis,1\n"),
            ["risks.csv: line 2", "no locus `b`", "column 4"],
        ),
        (
            study.loci(&["0 60 tiny"], ""),
            ["simulated:1-60", "no usable variant", "remove the locus"],
        ),
        (
            few_variants,
            ["x (simulated:1-300)", "no causal sites", "`null`"],
        ),
        (
            weights,
            ["weights.txt", "none of its variants (1)", "genome build"],
        ),
        (loci_and_region, ["loci", "region", "not both"]),
        (weights_and_preset, ["preset", "effects", "give"]),
        (preset_elsewhere, ["cohort.vcf.gz", "preset", "GRCh38"]),
    ] {
        assert_refused(options, expected);
    }
}

#[test]
fn a_population_that_cannot_be_drawn_is_refused() {
    let rare = Options {
        case_fraction: Some(0.5),
        prevalence: 1e-7,
        ..Options::default()
    };
    let strong_age = Options {
        age_effect: 0.5,
        ..Options::default()
    };
    let no_share = Options {
        prevalence: 1.5,
        ..Options::default()
    };
    for (options, expected) in [
        (strong_age, ["AUC 0.72", "age and sex alone", "higher"]),
        (no_share, ["prevalence 1.5", "not a fraction", "between"]),
        (rare, ["prevalence", "memory", "fewer samples"]),
    ] {
        assert_refused(options, expected);
    }
}

/// Asserts that a run fails with a message and writes nothing.
fn assert_refused(options: Options, expected: [&str; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("refused");
    let error = simulate::run(&Options {
        out: out.clone(),
        people: 100,
        ..options
    })
    .unwrap_err();
    let message = error.to_string();
    assert!(
        expected.iter().all(|part| message.contains(part)),
        "{expected:?}: {message}"
    );
    assert!(!out.exists());
}
