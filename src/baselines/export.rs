//! Scores as scoring files in the format of the PGS Catalog, for other tools and for `prs
//! --scoring-file` elsewhere.
//!
//! Input -> output: [`Baseline`]s -> `scoring_files/MODEL.txt.gz`: the alleles of the score with
//! the weights a copy that the saved model has, without the covariates and APOE counts beside it.
//! The effect allele is REF or ALT of the VCF, so that positions are 1-based on its build and alleles on its forward strand. Format: <https://www.pgscatalog.org/downloads/#dl_ftp_scoring>.

use std::{io::Write, path::Path};

use gf_cohort_schema::{BASELINE_PREFIX, Cohort, Split};

use crate::{
    baselines::model::{AlleleWeight, Baseline},
    leakage::scores::{COHORT_KEY, DIGEST_KEY, digest},
};
use gf_files::output;
use gf_genotypes::GenomeBuild;

/// What the headers say beside the score.
pub struct Origin<'a> {
    /// The people.
    pub cohort: &'a Cohort,
    /// Name of the cohort, if it is to be known.
    pub study: Option<&'a str>,
    /// Build of the VCF, where it is known.
    pub genome_build: Option<GenomeBuild>,
}

/// Writes the score of every baseline that has one into `folder`; those named in `learned` say from
/// whom they were learned.
///
/// # Errors
/// When a file cannot be written.
pub fn write_scoring_files(
    folder: &Path,
    baselines: &[Baseline],
    learned: &[&str],
    origin: &Origin<'_>,
) -> Result<(), output::Error> {
    let digest = digest(origin.cohort, Split::Train);
    for baseline in baselines
        .iter()
        .filter(|baseline| baseline.alleles().next().is_some())
    {
        let is_learned = learned.contains(&baseline.model.as_str());
        output::shareable::write(&folder.join(file_name(&baseline.model)), |out| {
            write(out, baseline, is_learned.then_some(digest.as_str()), origin)
        })?;
    }
    Ok(())
}

/// Ids of published scores may have any character.
fn file_name(model: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '_'
        }
    };
    format!("{}.txt.gz", model.chars().map(safe).collect::<String>())
}

fn write(
    out: &mut dyn Write,
    baseline: &Baseline,
    digest: Option<&str>,
    origin: &Origin<'_>,
) -> std::io::Result<()> {
    let name = baseline
        .model
        .strip_prefix(BASELINE_PREFIX)
        .unwrap_or(&baseline.model);
    // A learned score is no longer the one that this cohort would learn: its name says whose it is.
    let id = if digest.is_some() {
        format!("{}-{name}", origin.study.unwrap_or("own"))
    } else {
        name.to_owned()
    };
    let build = origin
        .genome_build
        .map_or_else(|| "NR".to_owned(), |build| build.to_string());
    writeln!(
        out,
        "###PGS CATALOG SCORING FILE - see https://www.pgscatalog.org/downloads/#dl_ftp_scoring \
         for additional information"
    )?;
    writeln!(
        out,
        "#format_version=2.0\n##POLYGENIC SCORE (PGS) INFORMATION\n#pgs_id={id}\n#pgs_name={}",
        baseline.model
    )?;
    writeln!(
        out,
        "#genome_build={build}\n#variants_number={}",
        baseline.alleles().count()
    )?;
    writeln!(
        out,
        "#weight_type={}",
        if digest.is_some() { "log(OR)" } else { "NR" }
    )?;
    if let Some(digest) = digest {
        writeln!(out, "##SOURCE INFORMATION\n#{DIGEST_KEY}={digest}")?;
        if let Some(study) = origin.study {
            writeln!(out, "#{COHORT_KEY}={study}")?;
        }
    }
    // Weights that are no multiple of the copies (dominant, recessive, by dosage) need three
    // columns, which then hold all.
    let is_additive = baseline
        .alleles()
        .all(|allele| allele.dosage_weights.is_none());
    let weights = if is_additive {
        "effect_weight"
    } else {
        "dosage_0_weight\tdosage_1_weight\tdosage_2_weight"
    };
    writeln!(
        out,
        "chr_name\tchr_position\teffect_allele\tother_allele\t{weights}\tallelefrequency_effect"
    )?;
    baseline
        .alleles()
        .try_for_each(|allele| write_allele(out, allele, is_additive))
}

fn write_allele(
    out: &mut dyn Write,
    allele: &AlleleWeight,
    is_additive: bool,
) -> std::io::Result<()> {
    let other = if allele.effect_is_ref {
        &allele.alt_allele
    } else {
        &allele.ref_allele
    };
    let AlleleWeight {
        chrom,
        position,
        weight,
        frequency,
        dosage_weights,
        ..
    } = allele;
    // The shortest text that is read back as the same number.
    write!(
        out,
        "{chrom}\t{position}\t{}\t{other}",
        allele.effect_allele()
    )?;
    if is_additive {
        write!(out, "\t{weight:?}")?;
    } else {
        let [none, one, two] = dosage_weights.unwrap_or([0.0, *weight, 2.0 * weight]);
        write!(out, "\t{none:?}\t{one:?}\t{two:?}")?;
    }
    writeln!(out, "\t{frequency:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        baselines::{
            model::{Feature, Term},
            tests::cohort_of,
        },
        scoring::scoring_file::ScoringFile,
    };

    #[test]
    fn weights_that_are_not_additive_are_written_by_number_of_copies() {
        let folder = tempfile::tempdir().unwrap();
        let cohort = folder.path().join("cohort.csv");
        std::fs::write(&cohort, "sample_id,phenotype,split\nA,case,train\n").unwrap();
        let allele = |position: usize, weight: f64, dosage_weights| AlleleWeight {
            chrom: "1".into(),
            position,
            ref_allele: "A".into(),
            alt_allele: "C".into(),
            effect_is_ref: false,
            weight,
            dosage_weights,
            frequency: 0.25,
            mean: 0.5,
            sd: 1.0,
        };
        let baseline = |alleles: Vec<AlleleWeight>| Baseline {
            model: "prs-x".into(),
            intercept: 0.0,
            terms: vec![Term {
                feature: Feature::AlleleScore { alleles },
                mean: 0.0,
                sd: 1.0,
                coefficient: 1.0,
            }],
        };
        let origin = Origin {
            cohort: &cohort_of(&cohort),
            study: None,
            genome_build: None,
        };
        let weights_of = |alleles: Vec<AlleleWeight>| {
            write_scoring_files(folder.path(), &[baseline(alleles)], &[], &origin).unwrap();
            let [file] = &ScoringFile::read(&folder.path().join("prs-x.txt.gz"), None).unwrap()[..]
            else {
                panic!()
            };
            file.rows
                .iter()
                .map(|row| row.effect.weights())
                .collect::<Vec<_>>()
        };
        assert_eq!(weights_of(vec![allele(5, 0.3, None)]), [[0.0, 0.3, 0.6]]);
        let dominant = allele(7, 0.0, Some([0.0, 0.4, 0.4]));
        assert_eq!(
            weights_of(vec![allele(5, 0.3, None), dominant]),
            [[0.0, 0.3, 0.6], [0.0, 0.4, 0.4]]
        );
    }
}
