use std::{collections::HashMap, fs, path::Path};

use gf_cohort_schema::{Split, probability};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::simulate::{
    self, Preset,
    tests::{bytes, read_back, shared_data, simulated},
};
use gf_genotypes::VariantFile;

/// A panel of 300 haplotypes over 60,000 nt, made from nothing.
struct Study {
    folder: TempDir,
}

impl Study {
    fn new() -> Self {
        let risk = RiskKind::Null;
        let people = 150;
        let options = Options {
            people,
            len_nt: 60_000,
            risk,
            seed: 8,
            ..Options::default()
        };
        Self {
            folder: simulated(options).0,
        }
    }

    fn options(&self) -> Options {
        let at = |name: &str| Some(self.folder.path().join(name));
        let panel = at("cohort.vcf.gz");
        let reference = at("reference.fa");
        Options {
            panel,
            reference,
            people: 1_500,
            ..Options::default()
        }
    }

    /// Options over loci; a locus is a line of a BED without its contig, such as `0 9000 a`.
    fn loci(&self, loci: &[&str], risks: &str) -> Options {
        let line = |locus: &&str| format!("simulated\t{}\n", locus.replace(' ', "\t"));
        let bed: String = loci.iter().map(line).collect();
        let loci_risks = self.write("risks.csv", &format!("locus,risk,effect\n{risks}"));
        let loci = Some(self.write("loci.txt", &bed));
        let loci_risks = Some(loci_risks);
        Options {
            loci,
            loci_risks,
            ..self.options()
        }
    }

    /// Options with weights; a row is `position effect other weight`.
    fn effects(&self, rows: &[String]) -> Options {
        let header = "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n";
        let line = |row: &String| format!("chrsimulated\t{}\n", row.replace(' ', "\t"));
        let table: String = rows.iter().map(line).collect();
        let effects = Some(self.write("weights.txt", &format!("{header}{table}")));
        Options {
            effects,
            ..self.options()
        }
    }

    fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let n_files = fs::read_dir(self.folder.path()).unwrap().count();
        let folder = self.folder.path().join(format!("file-{n_files}"));
        fs::create_dir(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Common SNVs of the panel: position, REF, ALT.
    fn common_snvs(&self) -> Vec<(usize, String, String)> {
        let mut snvs = Vec::new();
        let mut file = VariantFile::open(&self.folder.path().join("cohort.vcf.gz")).unwrap();
        file.for_each::<gf_genotypes::Error>(None, |record| {
            let carried = record
                .genotypes
                .iter()
                .flat_map(|genotype| genotype.alleles);
            let n = carried.filter(|&allele| allele == 1).count();
            let text = |bases: &[u8]| String::from_utf8_lossy(bases).into_owned();
            let ref_allele = &record.ref_allele;
            let alt_allele = &record.alt_alleles[0];
            if ref_allele.len() == 1 && alt_allele.len() == 1 && (60..240).contains(&n) {
                snvs.push((record.position, text(ref_allele), text(alt_allele)));
            }
            Ok(())
        })
        .unwrap();
        snvs
    }
}

/// Alleles by (contig, position): of each individual whether a haplotype carries ALT.
type Carriers = HashMap<(String, usize), Vec<[bool; 2]>>;

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
    let cells = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(index).unwrap());
    let number = |cell: &str| match cell {
        "male" => 1.0,
        "female" => 0.0,
        cell => cell.parse().unwrap(),
    };
    cells.map(number).collect()
}

/// The logit of one individual from the genotypes, by what the truth reports of each locus.
fn genetic_logit(study: &StudyTruth, carriers: &Carriers, individual: usize) -> f64 {
    let carried = |variant: &CausalVariant| {
        let site = &variant.site;
        let alt = carriers[&(site.contig.clone(), site.position)][individual];
        alt.map(|is_alt| is_alt == (site.effect_allele == site.alt_allele))
    };
    let copies = |variant: &CausalVariant| carried(variant).iter().filter(|&&is| is).count();
    let dosage = |sites: &[CausalVariant]| sites.iter().map(copies).sum::<usize>() as f64;
    let of_locus = |locus: &LocusTruth| match (locus.risk, &locus.causal_sites[..], locus.effect) {
        (RiskKind::Null, ..) => 0.0,
        (RiskKind::Additive, sites, Some(effect)) => effect * dosage(sites),
        (RiskKind::Additive, sites, None) => {
            let weight = |site: &CausalVariant| site.log_odds_by_copies.unwrap()[copies(site)];
            sites.iter().map(weight).sum()
        }
        (RiskKind::Cis, [a, b], Some(effect)) => {
            let a = carried(a);
            let b = carried(b);
            effect
                * (0..2)
                    .filter(|&haplotype| a[haplotype] == b[haplotype])
                    .count() as f64
        }
        (RiskKind::Trans, [a, b], Some(effect)) => {
            let a = carried(a);
            let b = carried(b);
            effect * f64::from(u8::from((a[0] && b[1]) || (a[1] && b[0])))
        }
        (kind, sites, _) => panic!("{kind}: {} causal sites", sites.len()),
    };
    study.loci.iter().map(of_locus).sum()
}

fn assert_logits_are_those_of_the_genotypes(folder: &Path, summary: &Summary) {
    let study = summary.truth.study.as_ref().unwrap();
    let carriers = carriers(folder);
    let logits = column(folder, "truth.csv", 1);
    let [ages, sexes] = [3, 4].map(|index| column(folder, "cohort.csv", index));
    let CovariateEffects {
        age,
        sex,
        age_centre,
    } = study.covariate_effects;
    for (individual, logit) in logits.iter().enumerate() {
        let covariates = age * (ages[individual] - age_centre) + sex * sexes[individual];
        let genetic = genetic_logit(study, &carriers, individual);
        let expected = summary.truth.intercept + genetic + covariates;
        assert!(
            (logit - expected).abs() < 1e-6,
            "{individual}: {logit} and {expected}"
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
    let age_effect = 0.03;
    let sex_effect = -0.4;
    let risk = RiskKind::Additive;
    let (folder, summary) = simulated(Options {
        risk,
        age_effect,
        sex_effect,
        ..options
    });
    let truth = summary.truth.study.as_ref().unwrap();
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
    assert_eq!(summary.truth.risk, "mixed");
    let sd: Vec<f64> = truth.loci.iter().map(|locus| locus.logit_sd).collect();
    assert!(
        (sd[0] / sd[1] - 2.0).abs() < 1e-9 && (sd[1] - sd[2]).abs() < 1e-9,
        "{sd:?}"
    );
    assert!(sd[3].abs() < 1e-12 && truth.loci[3].causal_sites.is_empty());
    assert_logits_are_those_of_the_genotypes(folder.path(), &summary);
}

#[test]
fn the_whole_risk_has_the_auc_asked_for_and_its_parts_add_up_to_it() {
    let study = Study::new();
    let options = study.loci(
        &["0 20000 a", "20000 40000 b", "40000 60000 c"],
        "a,trans,1\n",
    );
    let risk = RiskKind::Additive;
    let age_effect = 0.05;
    let people = 4_000;
    let options = Options {
        risk,
        age_effect,
        people,
        auc: Some(0.76),
        ..options
    };
    let (_folder, summary) = simulated(options);
    assert!((summary.truth.population_auc - 0.76).abs() < 1e-9);
    // 800 people in test: a standard error of about 0.017.
    let best = summary.truth.best_possible_auc;
    assert!(
        (best.train - 0.76).abs() < 0.03 && (best.test - 0.76).abs() < 0.06,
        "{best:?}"
    );
    let parts = summary.truth.study.unwrap().best_achievable_auc;
    let ComponentAucs {
        total,
        additive,
        non_additive,
        covariates,
    } = parts;
    assert!((total.population - 0.76).abs() < 1e-9 && total.by_split == best);
    let parts = [additive, non_additive, covariates].map(|part| part.unwrap().population);
    assert!(
        parts.iter().all(|&part| part > 0.53 && part < 0.76),
        "{parts:?}"
    );
    // Squares of the separations of independent parts add up to nearly that of the whole: other
    // parts blur each of them a little.
    let sum: f64 = parts.iter().map(|&part| separation(part).powi(2)).sum();
    let share = sum / separation(0.76).powi(2);
    assert!((0.7..1.05).contains(&share), "{share}");
}

#[test]
fn one_locus_of_a_bed_has_the_genomes_of_that_region() {
    let study = Study::new();
    let region = Some("simulated:10001-40000".into());
    let (of_region, _) = simulated(Options {
        region,
        people: 300,
        ..study.options()
    });
    let (of_bed, _) = simulated(Options {
        people: 300,
        ..study.loci(&["10000 40000 x"], "")
    });
    let [region, bed] = [&of_region, &of_bed].map(|folder| bytes(folder.path()));
    for file in ["cohort.vcf.gz", "reference.fa"] {
        assert_eq!(region[file], bed[file], "{file}");
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
    let (folder, summary) = simulated(options);
    assert_eq!(read_back(folder.path()).len(), summary.n_variants);
    let bed = fs::read_to_string(folder.path().join("loci.bed")).unwrap();
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
    let is_ambiguous = |a: &str, b: &str| matches!(a.to_owned() + b, s if "ATA CGC".contains(&s));
    let plain: Vec<_> = snvs
        .iter()
        .filter(|(_, r, a)| !is_ambiguous(r, a))
        .collect();
    let flip = |base: &str| match base {
        "A" => "T",
        "C" => "G",
        "G" => "C",
        _ => "A",
    };
    let [(p0, r0, a0), (p1, r1, a1), (p2, r2, a2)] = [plain[0], plain[4], plain[8]];
    let flipped_a = flip(a2);
    let flipped_r = flip(r2);
    let rows = [
        format!("{p0} {a0} {r0} 0.5"),
        format!("{p1} {r1} {a1} -0.7"),
        format!("{p2} {flipped_a} {flipped_r} 0.9"),
        format!("{p0} {r0} {a0} 0.1"),
        "59999999 A C 0.3".to_owned(),
    ];
    let (folder, summary) = simulated(study.effects(&rows));
    assert_logits_are_those_of_the_genotypes(folder.path(), &summary);
    assert_eq!(summary.truth.target_auc, None);
    let truth = summary.truth.study.as_ref().unwrap();
    assert!((truth.scale - 1.0).abs() < 1e-12);
    let weight = |v: &CausalVariant| {
        let weight = v.log_odds_by_copies.unwrap()[1];
        (v.site.position, weight, v.site.effect_allele.clone())
    };
    let weights: Vec<_> = truth.loci[0].causal_sites.iter().map(weight).collect();
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
    let said = [
        "3 of 5 weights",
        "1 not in the panel",
        "chrsimulated:59999999 A/C",
    ];
    assert!(said.iter().all(|part| printed.contains(part)), "{printed}");
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
    let (_folder, summary) = simulated(options);
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
            let (folder, _) = simulated(Options { people: 60, ..study.effects(&rows) });
            column(folder.path(), "truth.csv", 1)
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
    let (_folder, random) = simulated(options.clone());
    // Standard deviation of the number of cases: 16.
    assert!(random.n_cases.abs_diff(300) < 80, "{}", random.n_cases);

    let (folder, sampled) = simulated(Options {
        case_fraction: Some(0.4),
        ..options
    });
    assert_eq!((sampled.n_people, sampled.n_cases), (3_000, 1_200));
    let sampling = sampled.truth.study.unwrap().sampling;
    let Sampling {
        n_drawn,
        n_cases_drawn,
        logit_shift_in_cohort: shift,
        ..
    } = sampling;
    assert!((n_cases_drawn as f64 / n_drawn as f64 - 0.1).abs() < 0.01);
    // With the shift, probabilities are those in the cohort.
    let logits = column(folder.path(), "truth.csv", 1);
    let mean = logits
        .iter()
        .map(|logit| probability(logit + shift))
        .sum::<f64>()
        / 3_000.0;
    assert!((mean - 0.4).abs() < 0.02, "{mean}");
    assert!((sampled.truth.best_possible_auc.train - 0.72).abs() < 0.03);
}

#[test]
fn every_split_has_cases_early_and_late_in_the_table() {
    let case_fraction = Some(0.5);
    let people = 1_000;
    let len_nt = 5_000;
    let prevalence = 0.05;
    let options = Options {
        people,
        len_nt,
        prevalence,
        case_fraction,
        ..Options::default()
    };
    let (folder, _) = simulated(options);
    let text = fs::read_to_string(folder.path().join("cohort.csv")).unwrap();
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
    let people = 5_000;
    let len_nt = 3_000;
    let preset = Some(Preset::Ad2022);
    let options = Options {
        people,
        len_nt,
        preset,
        ..Options::default()
    };
    let (folder, summary) = simulated(options);
    let truth = summary.truth.study.as_ref().unwrap();
    // 75 loci of the study, and APOE.
    assert_eq!((summary.n_loci, truth.loci.len()), (76, 76));
    let sites = truth.loci.iter().flat_map(|locus| &locus.causal_sites);
    let sites: Vec<&CausalVariant> = sites.collect();
    for (variant, found) in variants.iter().zip(&sites) {
        assert_eq!(variant.id, found.site.id);
        assert_eq!(variant.effect_allele, found.site.effect_allele);
        let error = found.site.effect_allele_frequency - variant.frequency;
        // Founders are 400, and 10,000 haplotypes are drawn from them.
        assert!(error.abs() < 0.02, "{}: {error}", variant.id);
        let weight = found.log_odds_by_copies.unwrap()[1];
        assert!((weight - variant.odds_ratio.ln()).abs() < 1e-12);
    }
    assert_logits_are_those_of_the_genotypes(folder.path(), &summary);
    assert_eq!(read_back(folder.path()).len(), summary.n_variants);
    // No haplotype has e2 and e4 at once.
    let carriers = carriers(folder.path());
    let apoe: Vec<_> = sites
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
    let preset = Some(Preset::Ad2022);
    let (_folder, summary) = simulated(Options {
        panel,
        reference,
        preset,
        ..Options::default()
    });
    let truth = summary.truth.study.unwrap();
    let counts = truth.published_effects.unwrap();
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
    let case_fraction = Some(0.5);
    let age_effect = 0.04;
    let preset = Some(Preset::Ad2022);
    let options = Options {
        people: 200,
        len_nt: 2_500,
        preset,
        age_effect,
        ..Options::default()
    };
    let options = Options {
        prevalence: 0.2,
        case_fraction,
        ..options
    };
    let [first, second] = [(); 2].map(|()| bytes(simulated(options.clone()).0.path()));
    assert_eq!(first, second);
    let other = bytes(simulated(Options { seed: 2, ..options }).0.path());
    let mut random = first.iter().filter(|(name, _)| *name != "loci.bed");
    assert!(random.all(|(name, was)| other[name] != *was));
}

#[test]
fn covariates_leave_the_genomes_as_they_were() {
    let options = Options {
        people: 300,
        len_nt: 9_000,
        ..Options::default()
    };
    let (plain, _) = simulated(options.clone());
    let (with_age, _) = simulated(Options {
        age_effect: 0.1,
        auc: Some(0.8),
        ..options
    });
    let [plain, with_age] = [plain, with_age].map(|folder| bytes(folder.path()));
    assert_eq!(plain["cohort.vcf.gz"], with_age["cohort.vcf.gz"]);
}

#[test]
fn what_cannot_be_simulated_is_refused_with_the_place_and_what_to_do() {
    let study = Study::new();
    let refusal = |options: Options| {
        let out = study.folder.path().join("refused");
        let message = simulate::run(&Options {
            out,
            people: 100,
            ..options
        })
        .unwrap_err();
        message.to_string()
    };
    let weights = || study.effects(&["7 A C 0.1".to_owned()]);
    let rare = Options {
        case_fraction: Some(0.5),
        prevalence: 1e-7,
        ..Options::default()
    };
    let both = Options {
        region: Some("simulated:1-9".into()),
        ..study.loci(&["0 9 a"], "")
    };
    let preset = Some(Preset::Ad2022);
    let overlapping = study.loci(&["0 900 a", "800 2000 b"], "");
    let few_variants = study.loci(&["0 300 x"], "x,additive,\n");
    let default = Options::default;
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
            ["simulated:1-60", "no usable variant", "take the locus"],
        ),
        (
            few_variants,
            ["x (simulated:1-300)", "no causal sites", "`null`"],
        ),
        (
            weights(),
            ["weights.txt", "none of its variants (1)", "genome build"],
        ),
        (both, ["loci", "region", "not both"]),
        (
            Options {
                preset,
                ..weights()
            },
            ["preset", "effects", "give"],
        ),
        (
            Options {
                preset,
                ..study.options()
            },
            ["cohort.vcf.gz", "preset", "GRCh38"],
        ),
        (
            Options {
                age_effect: 0.5,
                ..default()
            },
            ["AUC 0.72", "age and sex alone", "higher"],
        ),
        (
            Options {
                prevalence: 1.5,
                ..default()
            },
            ["prevalence 1.5", "not a share", "between"],
        ),
        (rare, ["prevalence", "memory", "fewer people"]),
    ] {
        let message = refusal(options);
        assert!(
            expected.iter().all(|part| message.contains(part)),
            "{expected:?}: {message}"
        );
    }
    assert!(!study.folder.path().join("refused").exists());
}
