//! Why variants of a score are not in it: how many by each reason, and an example of each.
//!
//! Input -> output: the matches of a score, or the alleles of a saved baseline that a VCF does not
//! have -> [`Reasons`], as the error for too few variants tells them. Positions are 1-based.

use std::{collections::BTreeMap, fmt};

use crate::scoring::{
    matching::{Exclusion, Stand, Unmatched},
    published::Score,
    scoring_file::{Unusable, WeightRow},
};

/// One reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The row is no weight of one allele at a position.
    Unusable(Unusable),
    /// There is a record, but it is left out.
    Excluded(Exclusion),
    /// There is no record that can be used.
    Unmatched(Unmatched),
    /// An insertion or deletion without a record of its alleles at its position.
    Indel,
    /// The alleles are complements, in a file with records on the other strand.
    UnknownStrand,
}

impl Reason {
    /// Why there is no record of these alleles. Unlike a base, an indel can be written in several
    /// ways, at other positions too.
    #[must_use]
    pub fn of_unmatched(why: Unmatched, effect: &str, other: Option<&str>) -> Self {
        let is_elsewhere = matches!(why, Unmatched::Alleles | Unmatched::Position);
        if is_elsewhere && is_indel(effect, other) {
            Self::Indel
        } else {
            Self::Unmatched(why)
        }
    }

    /// After a count.
    fn phrase(self) -> String {
        match self {
            Self::Unusable(why) => format!("cannot be used ({why})"),
            Self::Excluded(Exclusion::Ambiguous) => {
                "ambiguous (A/T or C/G: the strand is unknown)".into()
            }
            Self::Excluded(Exclusion::DuplicateId) => {
                "duplicates (another row means the same allele)".into()
            }
            Self::Excluded(Exclusion::DuplicateBestMatch) => {
                "duplicates (another record fits as well)".into()
            }
            Self::Excluded(Exclusion::Multiallelic) => "at records with several ALT alleles".into(),
            Self::Excluded(Exclusion::Missing) => "with too many missing genotypes".into(),
            Self::Unmatched(Unmatched::Contig) => "on a contig without records in the VCF".into(),
            Self::Unmatched(Unmatched::Position) => "not in the VCF".into(),
            Self::Unmatched(Unmatched::Alleles) => "with other alleles in the VCF".into(),
            Self::Unmatched(Unmatched::Filter) => "left out by FILTER".into(),
            Self::Unmatched(Unmatched::NoAlt) => "at records without an ALT allele to count".into(),
            Self::Unmatched(Unmatched::NoCall) => "missing in all training people".into(),
            Self::Indel => "insertions or deletions that the VCF does not have as written".into(),
            Self::UnknownStrand => {
                "ambiguous (A/T or C/G, in a file with records on the other strand)".into()
            }
        }
    }

    /// What to do.
    fn advice(self) -> &'static str {
        match self {
            Self::Unusable(_) => {
                "take the harmonised file of your build, or weights of single alleles"
            }
            Self::Excluded(Exclusion::Ambiguous) => {
                "--keep-ambiguous trusts the strand of the file"
            }
            Self::Excluded(Exclusion::DuplicateId) => "--keep-first-match keeps the first row",
            Self::Excluded(Exclusion::DuplicateBestMatch) => {
                "give the other allele, or join the records"
            }
            Self::Excluded(Exclusion::Multiallelic) => "leave out --exclude-multiallelic",
            Self::Excluded(Exclusion::Missing) => "--max-missing allows more",
            Self::Unmatched(Unmatched::Contig) => {
                "is another VCF needed, or are its contigs named in an unusual way?"
            }
            Self::Unmatched(Unmatched::Position) => {
                "are these positions of another genome build, were they not imputed, or is it a \
                 VCF of variants only (--callable)?"
            }
            Self::Unmatched(Unmatched::Alleles) => "are these positions of another genome build?",
            Self::Unmatched(Unmatched::Filter) => "--apply-filters says which records are used",
            Self::Unmatched(Unmatched::NoAlt) => "nobody has the other allele there",
            Self::Unmatched(Unmatched::NoCall) => "impute them, or leave them out of the file",
            Self::Indel => {
                "write both as VCF does, with the base before it and as far to the left as \
                 possible (`bcftools norm -f`)"
            }
            Self::UnknownStrand => "align the VCF to the reference (`bcftools +fixref`)",
        }
    }
}

/// Counts and examples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    counted: BTreeMap<Reason, (usize, String)>,
    /// Contigs with records, for rows on others.
    contigs: Vec<String>,
}

impl Reasons {
    /// None so far. `contigs` are those with records in the VCF.
    pub fn new<'c>(contigs: impl IntoIterator<Item = &'c String>) -> Self {
        let mut contigs: Vec<String> = contigs.into_iter().cloned().collect();
        contigs.sort_by_key(|name| (name.len(), name.clone()));
        Self {
            counted: BTreeMap::new(),
            contigs,
        }
    }

    /// Counts one more; the first of each reason is the example.
    pub fn add(&mut self, reason: Reason, example: impl FnOnce() -> String) {
        let (count, _) = self.counted.entry(reason).or_insert_with(|| (0, example()));
        *count += 1;
    }

    /// Of the rows of a score.
    #[must_use]
    pub fn of_score<'c>(score: &Score<'_>, contigs: impl IntoIterator<Item = &'c String>) -> Self {
        let mut reasons = Self::new(contigs);
        let matches = &score.matches;
        let mut of_row: BTreeMap<usize, Exclusion> = BTreeMap::new();
        for candidate in matches
            .candidates
            .iter()
            .filter(|candidate| candidate.best_match)
        {
            if let Some(exclusion) = candidate
                .exclusion
                .filter(|_| !candidate.duplicate_best_match)
            {
                of_row.insert(candidate.row, exclusion);
            }
        }
        for (number, row) in score.file.rows.iter().enumerate() {
            let unmatched = matches.unmatched.get(number).copied().flatten();
            let reason = row
                .unusable
                .map(Reason::Unusable)
                .or_else(|| of_row.get(&number).copied().map(Reason::Excluded))
                .or_else(|| {
                    let effect = &row.effect_allele;
                    let other = row.other_allele.as_deref();
                    unmatched.map(|why| Reason::of_unmatched(why, effect, other))
                });
            let is_in_score = matches.stands.get(&number) == Some(&Stand::HomRef);
            if let Some(reason) = reason.filter(|_| !is_in_score) {
                reasons.add(reason, || place(row));
            }
        }
        reasons
    }

    /// How many have a reason.
    #[must_use]
    pub fn total(&self) -> usize {
        self.counted.values().map(|(count, _)| count).sum()
    }
}

/// Alleles of different lengths, `-` for none, or the letters I and D.
fn is_indel(effect: &str, other: Option<&str>) -> bool {
    let is_coded = |allele: &str| matches!(allele, "-" | "I" | "D");
    let other = other.unwrap_or(effect);
    effect.len() != other.len() || is_coded(effect) || is_coded(other)
}

/// `1:100 G/A`
fn place(row: &WeightRow) -> String {
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

/// The most frequent first.
impl fmt::Display for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counted: Vec<_> = self.counted.iter().collect();
        counted.sort_by_key(|(reason, (count, _))| (std::cmp::Reverse(*count), **reason));
        for (number, (reason, (count, example))) in counted.into_iter().enumerate() {
            let separator = if number > 0 { "; " } else { "" };
            write!(
                f,
                "{separator}{count} {}, such as {example}",
                reason.phrase()
            )?;
            if *reason == Reason::Unmatched(Unmatched::Contig) {
                let names = self
                    .contigs
                    .iter()
                    .take(3)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(", ");
                let more = if self.contigs.len() > 3 { ", ..." } else { "" };
                let has = if names.is_empty() {
                    "no records".to_owned()
                } else {
                    format!("records on {names}{more}")
                };
                write!(f, ", where the VCF has {has}")?;
            }
            write!(f, " ({})", reason.advice())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_indel_without_a_record_is_not_blamed_on_the_build() {
        let of = |effect: &str, other: Option<&str>| {
            Reason::of_unmatched(Unmatched::Position, effect, other)
        };
        assert_eq!(of("A", Some("AT")), Reason::Indel);
        assert_eq!(of("-", Some("T")), Reason::Indel);
        assert_eq!(of("D", None), Reason::Indel);
        assert_eq!(of("A", Some("T")), Reason::Unmatched(Unmatched::Position));
        let mut reasons = Reasons::default();
        reasons.add(of("A", Some("AT")), || "1:5 A/AT".into());
        let text = reasons.to_string();
        assert!(
            text.starts_with("1 insertions or deletions that") && text.contains("bcftools norm"),
            "{text}"
        );
    }
}
