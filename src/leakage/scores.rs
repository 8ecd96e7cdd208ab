//! Guards against published scores that were trained on this cohort or count the wrong allele.
//!
//! Input: the headers of scoring files, the name of the cohort and its sample ids.
//! Output: rows of `guards.csv` (`score-study`, `effect-allele`).

use gf_cohort_schema::{BASELINE_PREFIX, Cohort, GuardRow, GuardVerdict, ScoreColumn, Split};

use super::Error;
use crate::scoring::{published::Frequencies, scoring_file::ScoringFile};
use gf_files::output;

/// Header key in scores exported by this program: digest of the training samples.
pub const DIGEST_KEY: &str = "gf_genomics_training_digest";
/// Header key in scores exported by this program: name of the cohort.
pub const COHORT_KEY: &str = "gf_genomics_cohort";

/// SHA-256 of the sorted sample ids of a split, one id per line.
///
/// Equal digests mean equal sets of samples. The digest does not reveal the ids to a reader who
/// does not know all of them.
#[must_use]
pub fn digest(cohort: &Cohort, split: Split) -> String {
    let mut ids: Vec<&str> = cohort
        .in_split(split)
        .map(|(_, person)| person.sample_id.as_str())
        .collect();
    ids.sort_unstable();
    output::sha256(ids.join("\n").as_bytes())
}

/// The row of the guard `score-study` for a scoring file; `study` is the name of the cohort.
#[must_use]
pub fn score_study(cohort: &Cohort, study: Option<&str>, file: &ScoringFile) -> GuardRow {
    let Finding { verdict, text } = finding(cohort, study, &file.header);
    let subject = format!("{BASELINE_PREFIX}{}", file.id);
    GuardRow::new("score-study", verdict, subject, text)
}

/// A verdict with its explanation.
struct Finding {
    verdict: GuardVerdict,
    text: String,
}

impl Finding {
    fn new(verdict: GuardVerdict, text: impl Into<String>) -> Self {
        Self {
            verdict,
            text: text.into(),
        }
    }
}

/// The row of the guard `score-study` for the score that the models use as offset.
///
/// `study` is the name of the cohort.
///
/// # Errors
/// A `scores.csv` next to the table of the score that cannot be read.
pub fn offset_study(study: Option<&str>, offset: &ScoreColumn) -> Result<GuardRow, Error> {
    let Finding { verdict, text } = match (offset.study()?, study) {
        (None, _) => Finding::new(
            GuardVerdict::NotRun,
            "the study that developed the score is unknown. There is no scores.csv of `prs` next \
             to its table, or its scoring file cites no study",
        ),
        (Some(made_by), None) => Finding::new(
            GuardVerdict::NotRun,
            format!(
                "the score was developed by `{made_by}`; give the name of the cohort (--study \
                 NAME) to search for it there"
            ),
        ),
        (Some(made_by), Some(study)) if has_words(&made_by, study) => Finding::new(
            GuardVerdict::Warn,
            format!(
                "the score was developed by `{made_by}`, which names {study}; make sure that these \
                 samples were not used to develop it"
            ),
        ),
        (Some(made_by), Some(study)) => Finding::new(
            GuardVerdict::Pass,
            format!("the score was developed by `{made_by}`, which does not name {study}"),
        ),
    };
    let subject = format!("offset {}", offset.column);
    Ok(GuardRow::new("score-study", verdict, subject, text))
}

/// The row of the guard `effect-allele`: whether stated frequencies are those of the effect allele.
///
/// `None` if the scoring file states no frequencies.
#[must_use]
pub fn effect_allele(file: &ScoringFile, frequencies: &Frequencies) -> Option<GuardRow> {
    if frequencies.compared() == 0 {
        return None;
    }
    let verdict = if frequencies.are_reversed() {
        GuardVerdict::Fail
    } else {
        GuardVerdict::Pass
    };
    let subject = format!("{BASELINE_PREFIX}{}", file.id);
    let finding = frequencies.to_string();
    Some(GuardRow::new("effect-allele", verdict, subject, finding))
}

/// Whether the header of a score shows that it was trained on this cohort.
fn finding(cohort: &Cohort, study: Option<&str>, header: &str) -> Finding {
    if let Some(split) = training_split(cohort, header) {
        return finding_of_split(split);
    }
    let Some(study) = study else {
        return Finding::new(
            GuardVerdict::NotRun,
            "the name of the cohort is unknown; give --study NAME to search for it in the header",
        );
    };
    if header_value(header, COHORT_KEY).is_some_and(|cohort| cohort.eq_ignore_ascii_case(study)) {
        let text = format!(
            "its weights were trained in {study} with different splits, so test samples may be \
             among its training samples"
        );
        return Finding::new(GuardVerdict::Fail, text);
    }
    if let Some(line) = header.lines().find(|line| has_words(line, study)) {
        let text = format!(
            "its header names {study} (`{}`); make sure that these samples were not used to \
             develop the score",
            line.trim()
        );
        return Finding::new(GuardVerdict::Warn, text);
    }
    let text = format!(
        "its header does not name {study}; the score's page in the PGS Catalog lists the studies \
         from which it was developed"
    );
    Finding::new(GuardVerdict::Pass, text)
}

/// The split of the cohort whose digest the header states.
fn training_split(cohort: &Cohort, header: &str) -> Option<Split> {
    let stated_digest = header_value(header, DIGEST_KEY)?;
    Split::ALL
        .into_iter()
        .find(|&split| digest(cohort, split) == stated_digest)
}

/// The finding for a score that was trained on a split of this cohort.
fn finding_of_split(split: Split) -> Finding {
    match split {
        Split::Test | Split::Validation => Finding::new(
            GuardVerdict::Fail,
            format!(
                "its weights were trained on the {split} split, so its AUC in this split does not \
                 hold for new samples"
            ),
        ),
        Split::Train => Finding::new(
            GuardVerdict::Warn,
            "its weights were trained on the training split. Its coefficient is fitted on the same \
             samples and is too large",
        ),
    }
}

/// The value of the first header line `#KEY=VALUE` with this key.
fn header_value<'h>(header: &'h str, key: &str) -> Option<&'h str> {
    header.lines().find_map(|line| {
        let (line_key, value) = line.trim_start_matches('#').split_once('=')?;
        (line_key.trim() == key).then(|| value.trim())
    })
}

/// Whether the words of `name` are consecutive words of a line, ignoring case.
fn has_words(line: &str, name: &str) -> bool {
    let line_words = lower_case_words(line);
    let name_words = lower_case_words(name);
    !name_words.is_empty()
        && line_words
            .windows(name_words.len())
            .any(|window| window == name_words)
}

fn lower_case_words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use gf_cohort_schema::Person;

    use super::*;

    #[test]
    fn an_offset_is_traced_to_the_study_that_made_it() {
        let folder = tempfile::tempdir().unwrap();
        let raw = folder.path().join("raw_scores.csv");
        let offset: ScoreColumn = format!("{}:PGS1", raw.display()).parse().unwrap();
        assert_eq!(offset_verdict(Some("ADNI"), &offset), GuardVerdict::NotRun);
        let scores = "model,accession,name,trait_reported,genome_build,harmonised,n_variants,\
                      n_matched,match_rate,study\nprs-PGS1,PGS1,,,,true,2,2,1.0,\"Doe et al., \
                      UKB and ADNI\"\n";
        std::fs::write(folder.path().join("scores.csv"), scores).unwrap();
        assert_eq!(offset_verdict(None, &offset), GuardVerdict::NotRun);
        assert_eq!(offset_verdict(Some("ADNI"), &offset), GuardVerdict::Warn);
        assert_eq!(offset_verdict(Some("ROSMAP"), &offset), GuardVerdict::Pass);
    }

    fn offset_verdict(study: Option<&str>, offset: &ScoreColumn) -> GuardVerdict {
        offset_study(study, offset).unwrap().verdict
    }

    fn verdict(study: Option<&str>, header: &str) -> GuardVerdict {
        finding(&cohort(), study, header).verdict
    }

    fn cohort() -> Cohort {
        let people = [
            ("A", Split::Train),
            ("B", Split::Train),
            ("C", Split::Validation),
            ("D", Split::Test),
            ("E", Split::Test),
        ]
        .map(|(id, split)| Person {
            sample_id: id.into(),
            phenotype: None,
            split,
            family_id: None,
            covariates: Vec::new(),
        });
        Cohort {
            people: people.into(),
            covariate_names: Vec::new(),
            ..Cohort::default()
        }
    }

    #[test]
    fn a_score_learned_from_the_test_people_is_found_by_their_digest() {
        let cohort = cohort();
        let [train, validation, test] =
            [Split::Train, Split::Validation, Split::Test].map(|split| {
                let header = format!("#pgs_id=x\n#{DIGEST_KEY}={}\n", digest(&cohort, split));
                finding(&cohort, Some("ADNI"), &header)
            });
        assert_eq!(test.verdict, GuardVerdict::Fail);
        assert!(test.text.contains("test split"), "{}", test.text);
        assert_eq!(validation.verdict, GuardVerdict::Fail);
        assert_eq!(train.verdict, GuardVerdict::Warn);
        let unknown_digest = format!("#{DIGEST_KEY}=0\n");
        assert_eq!(verdict(Some("ADNI"), &unknown_digest), GuardVerdict::Pass);
        assert_eq!(digest(&cohort, Split::Test), output::sha256(b"D\nE"));
    }

    #[test]
    fn the_own_study_is_found_as_words_of_the_header() {
        assert_eq!(
            verdict(Some("adni"), "#pgs_name=AD\n#cohorts=ADGC|ADNI|UKB\n"),
            GuardVerdict::Warn
        );
        assert_eq!(
            verdict(Some("ADNI"), "#pgs_name=ADNI2x\n"),
            GuardVerdict::Pass
        );
        assert_eq!(
            verdict(Some("UK Biobank"), "#citation=a cohort of the uk-biobank\n"),
            GuardVerdict::Warn
        );
        assert_eq!(
            verdict(Some("ADNI"), "#gf_genomics_cohort=ADNI\n"),
            GuardVerdict::Fail
        );
        assert_eq!(verdict(None, "#cohorts=ADNI\n"), GuardVerdict::NotRun);
    }
}
