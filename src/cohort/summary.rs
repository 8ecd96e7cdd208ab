//! Counts of a joined cohort, as text.

use std::{collections::BTreeMap, fmt};

use gf_cohort_schema::{Split, counted};

use super::{KinshipPairs, join::Overlap, phenotype::Mapping};

/// Counts of joined, mapped and dropped samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Overlap of each table with the first one, in the order of the tables.
    pub overlaps: Vec<Overlap>,
    /// Mapping of the phenotype values to cases and controls.
    pub mapping: Mapping,
    /// Number of dropped samples by reason.
    pub dropped: BTreeMap<String, usize>,
    /// Origin of the split.
    pub split: String,
    /// Cases, controls and samples of unknown phenotype of each split.
    pub counts: Vec<(Split, [usize; 3])>,
    /// Number of families of two samples or more.
    pub n_families: usize,
    /// Counts of related pairs, if a table of kinships is given.
    pub kinships: Option<KinshipPairs>,
    /// Columns that other commands use as covariates by default.
    pub covariates: Vec<String>,
    /// Columns that other commands do not use by default.
    pub other_columns: Vec<String>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_overlaps(f)?;
        let Mapping {
            column,
            cases,
            controls,
        } = &self.mapping;
        writeln!(
            f,
            "phenotype: `{column}`, cases {cases}, controls {controls}"
        )?;
        for (reason, n) in &self.dropped {
            writeln!(f, "dropped: {} ({reason})", samples_in_words(*n))?;
        }
        self.write_relatives(f)?;
        let counts: Vec<String> = self
            .counts
            .iter()
            .map(|(split, counts)| counts_in_words(*split, *counts))
            .collect();
        writeln!(f, "split ({}): {}", self.split, counts.join("; "))?;
        writeln!(
            f,
            "covariates: {}; further columns: {}",
            list_in_words(&self.covariates),
            list_in_words(&self.other_columns)
        )
    }
}

impl Summary {
    /// One line per table.
    fn write_overlaps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self
            .overlaps
            .first()
            .map(|overlap| overlap.path.display().to_string())
            .unwrap_or_default();
        for (
            number,
            Overlap {
                path,
                n_samples,
                n_not_in_first,
                n_absent,
            },
        ) in self.overlaps.iter().enumerate()
        {
            write!(f, "{}: {}", path.display(), samples_in_words(*n_samples))?;
            if number > 0 && *n_not_in_first > 0 {
                write!(f, ", {n_not_in_first} of them not in {first} (left out)")?;
            }
            if number > 0 && *n_absent > 0 {
                let absent = samples_in_words(*n_absent);
                write!(f, ", {absent} of {first} missing here")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    /// Families and related pairs, if there are any.
    fn write_relatives(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.n_families > 0 {
            writeln!(
                f,
                "families with two or more samples: {}, each in one split",
                self.n_families
            )?;
        }
        if let Some(KinshipPairs {
            known,
            related,
            within_split,
        }) = self.kinships
        {
            writeln!(
                f,
                "kinships: {} of these samples, {related} related, {within_split} of them within \
                 one split",
                counted(known, "pair", "pairs")
            )?;
        }
        Ok(())
    }
}

fn samples_in_words(n: usize) -> String {
    if n == 1 {
        "1 sample".to_owned()
    } else {
        format!("{n} samples")
    }
}

fn list_in_words(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn counts_in_words(split: Split, [n_cases, n_controls, n_unknown]: [usize; 3]) -> String {
    let cases = counted(n_cases, "case", "cases");
    let controls = counted(n_controls, "control", "controls");
    if n_unknown > 0 {
        format!("{split} {cases}, {controls}, {n_unknown} of unknown phenotype")
    } else {
        format!("{split} {cases}, {controls}")
    }
}
