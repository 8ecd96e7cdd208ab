//! Export of scores in the scoring file format of the PGS Catalog, for other tools and cohorts.
//!
//! Input: [`Baseline`]s. Output: `scoring_files/MODEL.txt.gz` with the alleles of the score and the
//! weights per copy of the saved model, without covariates and APOE counts. The effect allele is
//! REF or ALT of the VCF. Positions are 1-based on the build of the VCF, alleles are on its forward
//! strand. Format: <https://www.pgscatalog.org/downloads/#dl_ftp_scoring>.

use std::{io::Write, path::Path};

use gf_cohort_schema::{BASELINE_PREFIX, Cohort, Split};
use gf_files::output;
use gf_genotypes::GenomeBuild;

use crate::{
    baselines::model::{AlleleWeight, Baseline},
    layout,
    leakage::scores::{COHORT_KEY, DIGEST_KEY, digest},
};

/// Origin of the scores, for the headers.
pub struct Origin<'a> {
    /// The cohort of the training samples.
    pub cohort: &'a Cohort,
    /// Name of the cohort, if the options give it.
    pub study: Option<&'a str>,
    /// Build of the VCF, if it is known.
    pub genome_build: Option<GenomeBuild>,
}

/// Writes the score of every baseline that has one into `folder`. The headers of the baselines in
/// `learned` identify the training samples by a digest.
///
/// # Errors
/// A file cannot be written.
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

/// File name of a model. Ids of published scores may contain any character, so unsafe ones become
/// `_`.
fn file_name(model: &str) -> String {
    let stem: String = model
        .chars()
        .map(|c| {
            let is_safe = c.is_ascii_alphanumeric() || "-_.".contains(c);
            if is_safe { c } else { '_' }
        })
        .collect();
    layout::scoring_file(&stem)
}

/// Writes one scoring file.
fn write(
    out: &mut dyn Write,
    baseline: &Baseline,
    digest: Option<&str>,
    origin: &Origin<'_>,
) -> std::io::Result<()> {
    write_header(out, baseline, digest, origin)?;
    // Weights that are not proportional to the copies (dominant, recessive, by dosage) need three
    // columns. These then have the additive weights too.
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

/// Writes the `#` lines. `digest` identifies the training samples of a learned score.
fn write_header(
    out: &mut dyn Write,
    baseline: &Baseline,
    digest: Option<&str>,
    origin: &Origin<'_>,
) -> std::io::Result<()> {
    let name = baseline
        .model
        .strip_prefix(BASELINE_PREFIX)
        .unwrap_or(&baseline.model);
    // Another cohort learns another score of the same name: the id names the cohort.
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
    Ok(())
}

/// Writes the row of one allele.
fn write_allele(
    out: &mut dyn Write,
    allele: &AlleleWeight,
    is_additive: bool,
) -> std::io::Result<()> {
    let AlleleWeight {
        chrom,
        position,
        weight,
        frequency,
        dosage_weights,
        ..
    } = allele;
    // `{:?}` writes the shortest text that is read back as the same number.
    write!(
        out,
        "{chrom}\t{position}\t{}\t{}",
        allele.effect_allele(),
        allele.other_allele()
    )?;
    if is_additive {
        write!(out, "\t{weight:?}")?;
    } else {
        let [zero, one, two] = dosage_weights.unwrap_or([0.0, *weight, 2.0 * weight]);
        write!(out, "\t{zero:?}\t{one:?}\t{two:?}")?;
    }
    writeln!(out, "\t{frequency:?}")
}

#[cfg(test)]
mod tests {
    use gf_genotypes::Position1;

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
        let origin = Origin {
            cohort: &cohort_of(&cohort),
            study: None,
            genome_build: None,
        };
        let additive = allele(5, 0.3, None);
        let dominant = allele(7, 0.0, Some([0.0, 0.4, 0.4]));
        for (alleles, expected) in [
            (vec![additive.clone()], vec![[0.0, 0.3, 0.6]]),
            (
                vec![additive, dominant],
                vec![[0.0, 0.3, 0.6], [0.0, 0.4, 0.4]],
            ),
        ] {
            write_scoring_files(folder.path(), &[baseline(alleles)], &[], &origin).unwrap();
            let path = folder.path().join("prs-x.txt.gz");
            let files = ScoringFile::read(&path, None).unwrap();
            assert_eq!(files.len(), 1);
            let weights: Vec<[f64; 3]> = files[0]
                .rows
                .iter()
                .map(|row| row.effect.weights())
                .collect();
            assert_eq!(weights, expected);
        }
    }

    fn allele(position: usize, weight: f64, dosage_weights: Option<[f64; 3]>) -> AlleleWeight {
        AlleleWeight {
            chrom: "1".into(),
            position: Position1::new(position).unwrap(),
            ref_allele: "A".into(),
            alt_allele: "C".into(),
            effect_is_ref: false,
            weight,
            dosage_weights,
            frequency: 0.25,
            mean: 0.5,
            sd: 1.0,
        }
    }

    fn baseline(alleles: Vec<AlleleWeight>) -> Baseline {
        Baseline {
            model: "prs-x".into(),
            intercept: 0.0,
            terms: vec![Term {
                feature: Feature::AlleleScore { alleles },
                mean: 0.0,
                sd: 1.0,
                coefficient: 1.0,
            }],
        }
    }
}
