//! Was a published score made from this study, or from these very people? Are its alleles the right
//! way round?
//!
//! Input -> output: the headers of scoring files, the name of the cohort and its people -> rows of
//! `guards.csv` (`score-study`, `effect-allele`).

use gf_cohort_schema::{BASELINE_PREFIX, Cohort, GuardRow, GuardVerdict, ScoreColumn, Split};

use super::Error;
use crate::scoring::{published::Frequencies, scoring_file::ScoringFile};
use gf_files::output;

/// Header line of a score that this program exported: digest of the people it was learned from.
pub const DIGEST_KEY: &str = "gf_genomics_training_digest";
/// Header line of a score that this program exported: name of their cohort.
pub const COHORT_KEY: &str = "gf_genomics_cohort";

/// SHA-256 over the sorted sample ids of a split, one a line: tells whether two sets of people are
/// the same, and nothing about who they are to anyone who does not know all of them.
#[must_use]
pub fn digest(cohort: &Cohort, split: Split) -> String {
    let mut ids: Vec<&str> = cohort
        .in_split(split)
        .map(|(_, person)| person.sample_id.as_str())
        .collect();
    ids.sort_unstable();
    output::sha256(ids.join("\n").as_bytes())
}

/// One row a scoring file. `study` is the name of the cohort.
#[must_use]
pub fn score_study(cohort: &Cohort, study: Option<&str>, file: &ScoringFile) -> GuardRow {
    let (verdict, finding) = finding(cohort, study, &file.header);
    GuardRow::new(
        "score-study",
        verdict,
        format!("{BASELINE_PREFIX}{}", file.id),
        finding,
    )
}

/// Was the score that models are learned on top of made from this cohort? `study` is the name of the
/// cohort.
///
/// # Errors
/// A `scores.csv` next to the table of the score that cannot be read.
pub fn offset_study(study: Option<&str>, offset: &ScoreColumn) -> Result<GuardRow, Error> {
    let (verdict, finding) = match (offset.study()?, study) {
        (None, _) => {
            let finding = "the study that made it is not known: there is no scores.csv of `prs` \
                           next to its table, or its scoring file cites none";
            (GuardVerdict::NotRun, finding.to_owned())
        }
        (Some(made_by), None) => {
            let finding = format!(
                "it was made by `{made_by}`; give the name of the cohort (--study NAME) to have \
                 it looked for there"
            );
            (GuardVerdict::NotRun, finding)
        }
        (Some(made_by), Some(study)) if has_words(&made_by, study) => {
            let finding = format!(
                "it was made by `{made_by}`, which names {study}: make sure that it was not made \
                 from these people"
            );
            (GuardVerdict::Warn, finding)
        }
        (Some(made_by), Some(study)) => {
            let finding = format!("it was made by `{made_by}`, which does not name {study}");
            (GuardVerdict::Pass, finding)
        }
    };
    Ok(GuardRow::new(
        "score-study",
        verdict,
        format!("offset {}", offset.column),
        finding,
    ))
}

/// One row a scoring file that states frequencies: are they those of the effect allele?
#[must_use]
pub fn effect_allele(file: &ScoringFile, frequencies: &Frequencies) -> Option<GuardRow> {
    let verdict = if frequencies.are_reversed() {
        GuardVerdict::Fail
    } else {
        GuardVerdict::Pass
    };
    let row = || {
        GuardRow::new(
            "effect-allele",
            verdict,
            format!("{BASELINE_PREFIX}{}", file.id),
            frequencies.to_string(),
        )
    };
    (frequencies.compared() > 0).then(row)
}

fn finding(cohort: &Cohort, study: Option<&str>, header: &str) -> (GuardVerdict, String) {
    let value_of = |key: &str| {
        header
            .lines()
            .find_map(|line| {
                line.trim_start_matches('#')
                    .split_once('=')
                    .filter(|(found, _)| found.trim() == key)
            })
            .map(|(_, value)| value.trim())
    };
    let learned_from = value_of(DIGEST_KEY).and_then(|found| {
        Split::ALL
            .into_iter()
            .find(|&split| digest(cohort, split) == found)
    });
    match learned_from {
        Some(split @ (Split::Test | Split::Validation)) => {
            let finding = format!(
                "its weights were learned from the people of the {split} split: its AUC there is \
                 not that of new people"
            );
            return (GuardVerdict::Fail, finding);
        }
        Some(Split::Train) => {
            let finding = "its weights were learned from the training people, on whom its \
                           coefficient is fitted again and comes out too large";
            return (GuardVerdict::Warn, finding.into());
        }
        None => {}
    }
    let Some(study) = study else {
        let finding = "the name of the cohort is not known: give it (--study NAME), and the \
                       header is searched for it";
        return (GuardVerdict::NotRun, finding.into());
    };
    if value_of(COHORT_KEY).is_some_and(|cohort| cohort.eq_ignore_ascii_case(study)) {
        let finding = format!(
            "its weights were learned in {study}, from other splits of it than here: test people \
             may be among them"
        );
        return (GuardVerdict::Fail, finding);
    }
    if let Some(line) = header.lines().find(|line| has_words(line, study)) {
        let finding = format!(
            "its header names {study} (`{}`): make sure that the score was not made from these \
             people",
            line.trim()
        );
        return (GuardVerdict::Warn, finding);
    }
    let finding = format!(
        "its header does not name {study}; the studies it was made from are on the score's page \
         at the PGS Catalog"
    );
    (GuardVerdict::Pass, finding)
}

/// Whether the words of `name` stand in a line one after another, whatever their case.
fn has_words(line: &str, name: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect()
    };
    let line = words(line);
    let name = words(name);
    !name.is_empty() && line.windows(name.len()).any(|window| window == name)
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
        let verdict = |study: Option<&str>| offset_study(study, &offset).unwrap().verdict;
        assert_eq!(verdict(Some("ADNI")), GuardVerdict::NotRun);
        let scores = "model,accession,name,trait_reported,genome_build,harmonised,n_variants,\
                      n_matched,match_rate,study\nprs-PGS1,PGS1,,,,true,2,2,1.0,\"Doe et al., \
                      UKB and ADNI\"\n";
        std::fs::write(folder.path().join("scores.csv"), scores).unwrap();
        assert_eq!(verdict(None), GuardVerdict::NotRun);
        assert_eq!(verdict(Some("ADNI")), GuardVerdict::Warn);
        assert_eq!(verdict(Some("ROSMAP")), GuardVerdict::Pass);
    }

    fn cohort() -> Cohort {
        let person = |(id, split): (&str, Split)| Person {
            sample_id: id.into(),
            phenotype: None,
            split,
            family_id: None,
            covariates: Vec::new(),
        };
        let people = [
            ("A", Split::Train),
            ("B", Split::Train),
            ("C", Split::Validation),
            ("D", Split::Test),
            ("E", Split::Test),
        ];
        Cohort {
            people: people.map(person).into(),
            covariate_names: Vec::new(),
            ..Cohort::default()
        }
    }

    #[test]
    fn a_score_learned_from_the_test_people_is_found_by_their_digest() {
        let cohort = cohort();
        let with = |split| format!("#pgs_id=x\n#{DIGEST_KEY}={}\n", digest(&cohort, split));
        let verdict = |header: &str| finding(&cohort, Some("ADNI"), header);
        assert!(
            matches!(verdict(&with(Split::Test)), (GuardVerdict::Fail, text) if text.contains("test split"))
        );
        assert_eq!(
            [Split::Validation, Split::Train].map(|split| verdict(&with(split)).0),
            [GuardVerdict::Fail, GuardVerdict::Warn]
        );
        assert_eq!(verdict(&format!("#{DIGEST_KEY}=0\n")).0, GuardVerdict::Pass);
        assert_eq!(digest(&cohort, Split::Test), output::sha256(b"D\nE"));
    }

    #[test]
    fn the_own_study_is_found_as_words_of_the_header() {
        let verdict = |study, header| finding(&cohort(), study, header).0;
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
