//! Reasons for which variants of a score are left out, with counts and an example of each.
//!
//! Input: the matches of a score, or the alleles of a saved baseline that a VCF lacks. Output:
//! [`Reasons`], which the error about too few variants prints. Positions are 1-based.

use std::{collections::BTreeMap, fmt};

use crate::scoring::{
    matching::{ConstantSource, Exclusion, Unmatched},
    published::Score,
    scoring_file::{Unusable, WeightRow},
};

/// Why a variant is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The row is not the weight of one allele at a position.
    Unusable(Unusable),
    /// The matching record is left out.
    Excluded(Exclusion),
    /// No usable record matches.
    Unmatched(Unmatched),
    /// An insertion or deletion that no record at its position has.
    Indel,
    /// The alleles are complements of each other, in a file with records on the other strand.
    UnknownStrand,
}

impl Reason {
    /// Reason of an effect allele and other allele without a record.
    ///
    /// An indel can be written in several ways and at several positions, so it has its own reason.
    #[must_use]
    pub fn of_unmatched(why: Unmatched, effect: &str, other: Option<&str>) -> Self {
        let is_elsewhere = matches!(why, Unmatched::Alleles | Unmatched::Position);
        if is_elsewhere && is_indel(effect, other) {
            Self::Indel
        } else {
            Self::Unmatched(why)
        }
    }

    /// The reason in words, to follow a count.
    fn phrase(self) -> String {
        match self {
            Self::Unusable(why) => format!("cannot be used ({why})"),
            Self::Excluded(Exclusion::Ambiguous) => {
                "ambiguous (A/T or C/G, so that the strand is unknown)".into()
            }
            Self::Excluded(Exclusion::DuplicateId) => {
                "duplicates (another row describes the same allele)".into()
            }
            Self::Excluded(Exclusion::DuplicateBestMatch) => {
                "duplicates (another record matches as well)".into()
            }
            Self::Excluded(Exclusion::Multiallelic) => "at records with several ALT alleles".into(),
            Self::Excluded(Exclusion::Missing) => "with too many missing genotypes".into(),
            Self::Unmatched(Unmatched::Contig) => "on a contig without records in the VCF".into(),
            Self::Unmatched(Unmatched::Position) => "not in the VCF".into(),
            Self::Unmatched(Unmatched::Alleles) => "with different alleles in the VCF".into(),
            Self::Unmatched(Unmatched::Filter) => "left out by FILTER".into(),
            Self::Unmatched(Unmatched::NoAlt) => "at records without an ALT allele to count".into(),
            Self::Unmatched(Unmatched::NoCall) => "missing in all training samples".into(),
            Self::Indel => "insertions or deletions that the VCF does not contain in this \
                            notation"
                .into(),
            Self::UnknownStrand => {
                "ambiguous (A/T or C/G, in a file with records on the other strand)".into()
            }
        }
    }

    /// The next action in words.
    fn advice(self) -> &'static str {
        match self {
            Self::Unusable(_) => {
                "use the harmonised file for your build, or weights of single alleles"
            }
            Self::Excluded(Exclusion::Ambiguous) => {
                "--keep-ambiguous trusts the strand of the file"
            }
            Self::Excluded(Exclusion::DuplicateId) => "--keep-first-match keeps the first row",
            Self::Excluded(Exclusion::DuplicateBestMatch) => {
                "add the other allele to the scoring file, or join the records"
            }
            Self::Excluded(Exclusion::Multiallelic) => "run without --exclude-multiallelic",
            Self::Excluded(Exclusion::Missing) => "raise --max-missing",
            Self::Unmatched(Unmatched::Contig) => {
                "is a VCF missing, or are its contigs named differently?"
            }
            Self::Unmatched(Unmatched::Position) => {
                "are the positions on another genome build, were they not imputed, or does the VCF \
                 list variants only (--callable)?"
            }
            Self::Unmatched(Unmatched::Alleles) => "are the positions on another genome build?",
            Self::Unmatched(Unmatched::Filter) => {
                "choose the accepted filters with --apply-filters"
            }
            Self::Unmatched(Unmatched::NoAlt) => "no sample carries the other allele there",
            Self::Unmatched(Unmatched::NoCall) => {
                "impute them, or remove them from the scoring file"
            }
            Self::Indel => {
                "write both alleles like VCF, left-aligned and with the preceding base (`bcftools \
                 norm -f`)"
            }
            Self::UnknownStrand => "align the VCF to the reference (`bcftools +fixref`)",
        }
    }
}

/// Numbers of variants by reason, with an example of each reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    by_reason: BTreeMap<Reason, CountedExample>,
    /// Contigs with records, to print for variants on other contigs. Short names come first.
    contigs: Vec<String>,
}

/// Number of variants with one reason, and the first of them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CountedExample {
    count: usize,
    example: String,
}

impl Reasons {
    /// No variants yet. `contigs` are those with records in the VCF.
    pub fn new<'c>(contigs: impl IntoIterator<Item = &'c String>) -> Self {
        let mut contigs: Vec<String> = contigs.into_iter().cloned().collect();
        contigs.sort_by_key(|name| (name.len(), name.clone()));
        Self {
            by_reason: BTreeMap::new(),
            contigs,
        }
    }

    /// Counts a variant; the first variant of each reason is its example.
    pub fn add(&mut self, reason: Reason, example: impl FnOnce() -> String) {
        let counted = self
            .by_reason
            .entry(reason)
            .or_insert_with(|| CountedExample {
                count: 0,
                example: example(),
            });
        counted.count += 1;
    }

    /// Counts the rows of a score that are left out.
    #[must_use]
    pub fn of_score<'c>(score: &Score<'_>, contigs: impl IntoIterator<Item = &'c String>) -> Self {
        let mut reasons = Self::new(contigs);
        let matches = &score.matches;
        let excluded: BTreeMap<usize, Exclusion> = matches
            .candidates
            .iter()
            .filter(|candidate| candidate.is_first_best())
            .filter_map(|candidate| Some((candidate.row, candidate.exclusion?)))
            .collect();
        for (index, row) in score.file.rows.iter().enumerate() {
            let unmatched = matches.unmatched.get(index).copied().flatten();
            let reason = row
                .unusable
                .map(Reason::Unusable)
                .or_else(|| excluded.get(&index).copied().map(Reason::Excluded))
                .or_else(|| {
                    let effect = &row.effect_allele;
                    let other = row.other_allele.as_deref();
                    unmatched.map(|why| Reason::of_unmatched(why, effect, other))
                });
            let is_in_score = matches.constant_rows.get(&index) == Some(&ConstantSource::HomRef);
            if let Some(reason) = reason.filter(|_| !is_in_score) {
                reasons.add(reason, || variant_name(row));
            }
        }
        reasons
    }

    /// Number of variants that are left out.
    #[must_use]
    pub fn total(&self) -> usize {
        self.by_reason.values().map(|counted| counted.count).sum()
    }
}

/// Whether the alleles are those of an insertion or deletion: of different lengths, or coded.
fn is_indel(effect: &str, other: Option<&str>) -> bool {
    let other = other.unwrap_or(effect);
    effect.len() != other.len() || is_indel_code(effect) || is_indel_code(other)
}

/// Whether an allele is a code of an indel: `-` (no bases), `I` or `D`.
fn is_indel_code(allele: &str) -> bool {
    matches!(allele, "-" | "I" | "D")
}

/// Position, effect allele and other allele, such as `1:100 G/A`.
fn variant_name(row: &WeightRow) -> String {
    let position = row
        .chr_position
        .map_or_else(|| "?".into(), |position| position.to_string());
    let contig = if row.chr_name.is_empty() {
        "?"
    } else {
        row.chr_name.as_str()
    };
    format!(
        "{contig}:{position} {}/{}",
        row.effect_allele,
        row.other_allele.as_deref().unwrap_or("?")
    )
}

/// Prints the reasons, the most frequent first.
impl fmt::Display for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut by_count: Vec<_> = self.by_reason.iter().collect();
        by_count.sort_by_key(|(reason, counted)| (std::cmp::Reverse(counted.count), **reason));
        for (index, (reason, counted)) in by_count.into_iter().enumerate() {
            let separator = if index > 0 { "; " } else { "" };
            write!(
                f,
                "{separator}{} {}, such as {}",
                counted.count,
                reason.phrase(),
                counted.example
            )?;
            if *reason == Reason::Unmatched(Unmatched::Contig) {
                write!(f, ", while the VCF has {}", self.contigs_text())?;
            }
            write!(f, " ({})", reason.advice())?;
        }
        Ok(())
    }
}

impl Reasons {
    /// The first contigs with records, in words.
    fn contigs_text(&self) -> String {
        if self.contigs.is_empty() {
            return "no records".to_owned();
        }
        let n_shown = self.contigs.len().min(3);
        let names = self.contigs[..n_shown].join(", ");
        let more = if self.contigs.len() > 3 { ", ..." } else { "" };
        format!("records on {names}{more}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_indel_without_a_record_is_not_blamed_on_the_build() {
        let position = Unmatched::Position;
        for (effect, other, expected) in [
            ("A", Some("AT"), Reason::Indel),
            ("-", Some("T"), Reason::Indel),
            ("D", None, Reason::Indel),
            ("A", Some("T"), Reason::Unmatched(position)),
        ] {
            assert_eq!(Reason::of_unmatched(position, effect, other), expected);
        }
        let mut reasons = Reasons::default();
        let insertion = Reason::of_unmatched(position, "A", Some("AT"));
        reasons.add(insertion, || "1:5 A/AT".into());
        let text = reasons.to_string();
        assert!(
            text.starts_with("1 insertions or deletions that") && text.contains("bcftools norm"),
            "{text}"
        );
    }
}
