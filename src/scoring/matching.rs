//! Matching of the rows of a scoring file with VCF records, by the rules of `pgsc_calc`.
//!
//! Input: a [`ScoringFile`] and the [`Site`]s of a cohort. Output: one [`Candidate`] for each row
//! and ALT allele that match; [`Matches`] has all candidates and the result of each row.
//!
//! Rows and records are joined by chromosome and 1-based position, then by alleles. The match types
//! from best to worst:
//!
//! - `refalt`: the effect allele is REF and the other allele is ALT.
//! - `altref`: the effect allele is ALT and the other allele is REF.
//! - `refalt_flip`, `altref_flip`: the same after complementing the row's alleles.
//! - `no_oa_ref`, `no_oa_alt`: the row has no other allele. As in `pgsc_calc` 3 these are not
//!   complemented, because then nearly every row would match.
//!
//! Unlike `pgsc_calc`, this module keeps multi-allelic records: a genotype states exactly which
//! allele is present.
//! Source: pygscatalog, `pgscatalog.match`; Lambert et al. 2024, doi:10.1101/2024.05.29.24307783.

use std::collections::{BTreeMap, HashMap};

use polars::prelude::{DataFrame, DataFrameJoinOps, JoinArgs, JoinType, PolarsResult, df};
use serde::{Deserialize, Serialize};

use crate::scoring::{
    Error,
    dosages::Site,
    scoring_file::{ScoringFile, Unusable, WeightRow},
};
use gf_genotypes::{Position1, contig_key};

/// How the alleles of a row agree with those of a record, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchType {
    /// Effect allele is REF, other allele is ALT.
    Refalt,
    /// Effect allele is ALT, other allele is REF.
    Altref,
    /// `refalt` after complementing the row's alleles.
    RefaltFlip,
    /// `altref` after complementing the row's alleles.
    AltrefFlip,
    /// No other allele; effect allele is REF.
    NoOaRef,
    /// No other allele; effect allele is ALT.
    NoOaAlt,
}

impl MatchType {
    /// The name in the log of `pgsc_calc`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refalt => "refalt",
            Self::Altref => "altref",
            Self::RefaltFlip => "refalt_flip",
            Self::AltrefFlip => "altref_flip",
            Self::NoOaRef => "no_oa_ref",
            Self::NoOaAlt => "no_oa_alt",
        }
    }

    /// Whether the row's alleles are on the other strand.
    #[must_use]
    pub fn is_flipped(self) -> bool {
        matches!(self, Self::RefaltFlip | Self::AltrefFlip)
    }

    /// Whether the effect allele is REF.
    pub(crate) fn effect_is_ref(self) -> bool {
        matches!(self, Self::Refalt | Self::RefaltFlip | Self::NoOaRef)
    }

    /// How an effect allele, and the other allele if it is known, agree with REF and ALT.
    pub(crate) fn between(
        (effect, other): (&str, Option<&str>),
        ref_allele: &str,
        alt_allele: &str,
    ) -> Option<Self> {
        let Some(other) = other else {
            return if effect == ref_allele {
                Some(Self::NoOaRef)
            } else if effect == alt_allele {
                Some(Self::NoOaAlt)
            } else {
                None
            };
        };
        // Without complements the alleles are not bases, and never match.
        let effect_complement = complement(effect)?;
        let other_complement = complement(other)?;
        if (effect, other) == (ref_allele, alt_allele) {
            Some(Self::Refalt)
        } else if (effect, other) == (alt_allele, ref_allele) {
            Some(Self::Altref)
        } else if effect_complement == ref_allele && other_complement == alt_allele {
            Some(Self::RefaltFlip)
        } else if effect_complement == alt_allele && other_complement == ref_allele {
            Some(Self::AltrefFlip)
        } else {
            None
        }
    }
}

/// Complement of each base, in place (not reversed), as `pgsc_calc` does; `None` unless all are A,
/// C, G, T.
#[must_use]
pub fn complement(allele: &str) -> Option<String> {
    allele.chars().map(complement_base).collect()
}

fn complement_base(base: char) -> Option<char> {
    match base {
        'A' => Some('T'),
        'C' => Some('G'),
        'G' => Some('C'),
        'T' => Some('A'),
        _ => None,
    }
}

/// A row of the scoring file that matches one ALT allele of one record.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "the columns of pgsc_calc's log"
)]
pub struct Candidate {
    /// Index in [`ScoringFile::rows`].
    pub row: usize,
    /// Index of the site.
    pub site: usize,
    /// Number of the ALT allele (1 = first ALT).
    pub alt: i16,
    /// How the alleles agree.
    pub match_type: MatchType,
    /// REF and ALT are complements of each other, so that the strand is unknown.
    pub ambiguous: bool,
    /// Has the best match type among the candidates of its row.
    pub best_match: bool,
    /// An earlier candidate of the row has the best match type too.
    pub duplicate_best_match: bool,
    /// Another row matches the same record and ALT allele.
    pub duplicate_id: bool,
    /// The record has several ALT alleles.
    pub multiallelic: bool,
    /// Frequency of the effect allele by which missing genotypes are imputed; `None` if no genotype
    /// is missing, or if no frequency is reliable.
    pub frequency: Option<f64>,
    /// Why the candidate is left out although it is the best match.
    pub exclusion: Option<Exclusion>,
}

/// Why the best match of a row is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exclusion {
    /// Another record matched the row as well, and first.
    DuplicateBestMatch,
    /// Another row matches the same allele of the record.
    DuplicateId,
    /// REF and ALT are complements.
    Ambiguous,
    /// The record has several ALT alleles, and the options exclude such records.
    Multiallelic,
    /// Too many samples have no call.
    Missing,
}

impl Exclusion {
    /// The value in the column `reason` of the match log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DuplicateBestMatch => "duplicate-best-match",
            Self::DuplicateId => "duplicate-id",
            Self::Ambiguous => "ambiguous",
            Self::Multiallelic => "multiallelic",
            Self::Missing => "missing",
        }
    }
}

/// Options that decide which matches are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatchRules {
    /// Keep strand-ambiguous matches.
    pub keep_ambiguous: bool,
    /// Of several rows that match one allele of a record keep the first, instead of none.
    pub keep_first_match: bool,
    /// Leave out records with several ALT alleles.
    pub exclude_multiallelic: bool,
}

impl Candidate {
    /// Number of the effect allele in the record: 0 (REF) or [`Self::alt`].
    #[must_use]
    pub fn effect_allele(&self) -> i16 {
        if self.match_type.effect_is_ref() {
            0
        } else {
            self.alt
        }
    }

    /// Whether the candidate is used in the score.
    #[must_use]
    pub fn is_matched(&self) -> bool {
        self.best_match && self.exclusion.is_none()
    }

    /// Whether the candidate is the first best match of its row.
    #[must_use]
    pub fn is_first_best(&self) -> bool {
        self.best_match && !self.duplicate_best_match
    }

    /// Value of the column `match_status`: `matched`, `excluded` or `not_best`.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match (self.best_match, self.exclusion.is_some()) {
            (true, false) => "matched",
            (true, true) => "excluded",
            (false, _) => "not_best",
        }
    }
}

/// Why a row without a usable record still adds a constant to the score of every sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConstantSource {
    /// Not in the VCF, but callable: every sample is homozygous reference.
    HomRef,
    /// The record failed FILTER: the frequency of the scoring file is used.
    Filter,
    /// Too many samples have no call: the frequency of the scoring file is used.
    Missing,
    /// Not in the VCF and not callable: the frequency of the scoring file is used.
    NotCallable,
}

impl ConstantSource {
    /// The value in the column `reason` of the match log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HomRef => "hom-ref",
            Self::Filter => "filter",
            Self::Missing => "missing",
            Self::NotCallable => "not-callable",
        }
    }
}

/// Why a row has no record that could be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unmatched {
    /// The VCF has no record on the contig.
    Contig,
    /// The VCF has records on the contig, but none at the position.
    Position,
    /// The records at the position have other alleles.
    Alleles,
    /// The record of the alleles fails FILTER.
    Filter,
    /// The record at the position has no ALT allele that can be counted.
    NoAlt,
    /// No training sample has a call.
    NoCall,
}

impl Unmatched {
    /// The value in the column `reason` of the match log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Contig => "no-contig",
            Self::Position => "not-in-vcf",
            Self::Alleles => "other-alleles",
            Self::Filter => "filter",
            Self::NoAlt => "no-alt",
            Self::NoCall => "missing",
        }
    }
}

/// Numbers of rows of one scoring file by the result of matching. Each row is counted once, except
/// in [`Self::flipped`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MatchCounts {
    /// Rows of the file.
    pub rows: usize,
    /// Rows that cannot be used as the weight of an allele with a position, by reason.
    pub unusable: BTreeMap<Unusable, usize>,
    /// Rows in the score that match a record of the VCF.
    pub matched: usize,
    /// Matched rows by how their alleles agree with REF and ALT.
    pub match_types: BTreeMap<MatchType, usize>,
    /// Matched rows that are on the other strand.
    pub flipped: usize,
    /// Rows in the score as homozygous reference: callable, and not in the VCF.
    pub hom_ref: usize,
    /// Rows that add the same value to every sample, by the frequency of the scoring file.
    pub by_frequency: usize,
    /// Rows excluded because REF and ALT are complements.
    pub ambiguous: usize,
    /// Rows excluded because another row matches the same allele of the same record.
    pub duplicates: usize,
    /// Rows excluded because their record has several ALT alleles.
    pub multiallelic: usize,
    /// Rows excluded because too many samples have no call.
    pub missing: usize,
    /// Rows without any record of that position and alleles.
    pub unmatched: usize,
}

impl MatchCounts {
    /// Fraction of the file's rows whose genotypes are in the score.
    #[must_use]
    pub fn overlap(&self) -> f64 {
        (self.matched + self.hom_ref) as f64 / self.rows as f64
    }
}

/// The result of matching one scoring file.
#[derive(Clone, Debug)]
pub struct Matches {
    /// Candidates, in the order of the rows, then of the records.
    pub candidates: Vec<Candidate>,
    /// Rows that add the same value to every sample, by row index.
    pub constant_rows: BTreeMap<usize, ConstantSource>,
    /// For each row, why it has no candidate; `None` if it has one or cannot be used.
    pub unmatched: Vec<Option<Unmatched>>,
    /// Numbers of rows by result.
    pub counts: MatchCounts,
}

impl Matches {
    /// Counts the results of a file; `candidates` are in the order of its rows.
    #[must_use]
    pub fn new(
        file: &ScoringFile,
        candidates: Vec<Candidate>,
        constant_rows: BTreeMap<usize, ConstantSource>,
        unmatched: Vec<Option<Unmatched>>,
    ) -> Self {
        let counts = count(&file.rows, &candidates, &constant_rows);
        Self {
            candidates,
            constant_rows,
            unmatched,
            counts,
        }
    }

    /// Candidates used in the score.
    pub fn matched(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates
            .iter()
            .filter(|candidate| candidate.is_matched())
    }
}

/// Matches a scoring file with the records of a cohort.
///
/// # Errors
/// The tables cannot be joined.
#[cfg(test)]
pub fn match_rows(file: &ScoringFile, sites: &[Site], rules: MatchRules) -> Result<Matches, Error> {
    Ok(Matches::new(
        file,
        Positions::new(file)?.candidates(sites, rules)?.candidates,
        BTreeMap::new(),
        Vec::new(),
    ))
}

/// The usable rows of a scoring file, indexed by position.
pub struct Positions<'f> {
    file: &'f ScoringFile,
    /// Number of each contig, by its key.
    contigs: HashMap<&'f str, u32>,
    /// Columns `place` (contig and position in one integer) and `row`.
    table: DataFrame,
}

impl<'f> Positions<'f> {
    /// Indexes the usable rows of a file.
    ///
    /// # Errors
    /// polars refuses the table.
    pub fn new(file: &'f ScoringFile) -> Result<Self, Error> {
        let mut contigs = HashMap::new();
        let n_rows = file.rows.len();
        let mut places = Vec::with_capacity(n_rows);
        let mut indices = Vec::with_capacity(n_rows);
        for (index, row) in file
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.unusable.is_none())
        {
            // Every usable row has a position.
            let Some(position) = row.chr_position else {
                continue;
            };
            let n_contigs = contigs.len() as u32;
            let contig = *contigs
                .entry(contig_key(&row.chr_name))
                .or_insert(n_contigs);
            places.push(genome_position(contig, position));
            indices.push(index as u64);
        }
        let table = df!("place" => places, "row" => indices).map_err(|source| Error::Join {
            path: file.path.clone(),
            source,
        })?;
        Ok(Self {
            file,
            contigs,
            table,
        })
    }

    /// Matches the rows with the records of `sites`, and marks the candidates. Candidates are in
    /// the order of the rows, then of `sites`.
    ///
    /// # Errors
    /// The tables cannot be joined.
    pub fn candidates(&self, sites: &[Site], rules: MatchRules) -> Result<PositionMatches, Error> {
        let pairs = self.same_position(sites).map_err(|source| Error::Join {
            path: self.file.path.clone(),
            source,
        })?;
        let rows_at_records = pairs.iter().map(|(row, _)| *row).collect();
        let mut candidates: Vec<Candidate> = pairs
            .into_iter()
            .flat_map(|(row, site)| {
                sites[site]
                    .counted_alts
                    .iter()
                    .filter_map(move |&alt| self.candidate(row, sites, site, alt))
            })
            .collect();
        mark(&mut candidates, rules);
        Ok(PositionMatches {
            candidates,
            rows_at_records,
        })
    }

    /// A row and an ALT allele (number `alt`) of a site, if their alleles match. Not marked yet.
    fn candidate(&self, row: usize, sites: &[Site], site: usize, alt: i16) -> Option<Candidate> {
        let weight_row = &self.file.rows[row];
        let record = &sites[site];
        let alt_allele = record.allele(alt);
        let row_alleles = (
            weight_row.effect_allele.as_str(),
            weight_row.other_allele.as_deref(),
        );
        let match_type = MatchType::between(row_alleles, &record.ref_allele, alt_allele)?;
        Some(Candidate {
            row,
            site,
            alt,
            match_type,
            ambiguous: complement(&record.ref_allele).as_deref() == Some(alt_allele),
            best_match: false,
            duplicate_best_match: false,
            duplicate_id: false,
            multiallelic: record.alt_alleles.len() > 1,
            frequency: None,
            exclusion: None,
        })
    }

    /// Index pairs (row, site) with equal positions, sorted.
    fn same_position(&self, sites: &[Site]) -> PolarsResult<Vec<(usize, usize)>> {
        let mut places = Vec::new();
        let mut indices = Vec::new();
        for (index, site) in sites.iter().enumerate() {
            if let Some(&contig) = self.contigs.get(contig_key(&site.contig)) {
                places.push(genome_position(contig, site.position));
                indices.push(index as u64);
            }
        }
        let site_table = df!("place" => places, "site" => indices)?;
        let joined = self.table.join(
            &site_table,
            ["place"],
            ["place"],
            JoinArgs::new(JoinType::Inner),
            None,
        )?;
        let joined_rows = index_column(&joined, "row")?;
        let joined_sites = index_column(&joined, "site")?;
        let mut pairs: Vec<(usize, usize)> = joined_rows.into_iter().zip(joined_sites).collect();
        pairs.sort_unstable();
        Ok(pairs)
    }
}

/// A column of indices of a joined table.
fn index_column(table: &DataFrame, name: &str) -> PolarsResult<Vec<usize>> {
    Ok(table
        .column(name)?
        .u64()?
        .iter()
        .flatten()
        .map(|index| index as usize)
        .collect())
}

/// Rows of a scoring file that have a record at their position.
pub struct PositionMatches {
    /// Rows and ALT alleles whose alleles match.
    pub candidates: Vec<Candidate>,
    /// Every row with a record at its position, ascending, whatever its alleles.
    pub rows_at_records: Vec<usize>,
}

/// Contig and position in one integer: the contig number is above bit 40, the position below.
fn genome_position(contig: u32, position: Position1) -> u64 {
    u64::from(contig) << 40 | position.get() as u64
}

/// Marks candidates again, from scratch. The slice has all candidates of each of its rows, in the
/// order of the rows. An exclusion for missing genotypes is kept.
pub fn mark(candidates: &mut [Candidate], rules: MatchRules) {
    mark_best(candidates);
    mark_duplicates(candidates, rules.keep_first_match);
    for candidate in candidates.iter_mut() {
        candidate.exclusion = if candidate.duplicate_best_match {
            Some(Exclusion::DuplicateBestMatch)
        } else if candidate.duplicate_id {
            Some(Exclusion::DuplicateId)
        } else if candidate.ambiguous && !rules.keep_ambiguous {
            Some(Exclusion::Ambiguous)
        } else if candidate.multiallelic && rules.exclude_multiallelic {
            Some(Exclusion::Multiallelic)
        } else {
            candidate.exclusion.filter(|why| *why == Exclusion::Missing)
        };
    }
}

/// Marks the best match of each row: the best match type wins, and the first record among equals.
fn mark_best(candidates: &mut [Candidate]) {
    for row_candidates in candidates.chunk_by_mut(|a, b| a.row == b.row) {
        let best = row_candidates
            .iter()
            .map(|candidate| candidate.match_type)
            .min();
        let mut is_first = true;
        for candidate in row_candidates {
            candidate.best_match = Some(candidate.match_type) == best;
            candidate.duplicate_best_match = candidate.best_match && !is_first;
            is_first &= !candidate.best_match;
        }
    }
}

/// Rows that match one allele of one record.
struct AlleleRows {
    first_row: usize,
    n_rows: usize,
}

/// Marks rows that match the same allele of a record. Nothing decides which weight is meant, so all
/// such rows are excluded, or all but the first.
fn mark_duplicates(candidates: &mut [Candidate], keep_first: bool) {
    let mut rows_by_allele: HashMap<(usize, i16), AlleleRows> = HashMap::new();
    for candidate in candidates
        .iter()
        .filter(|candidate| candidate.is_first_best())
    {
        rows_by_allele
            .entry((candidate.site, candidate.alt))
            .or_insert(AlleleRows {
                first_row: candidate.row,
                n_rows: 0,
            })
            .n_rows += 1;
    }
    for candidate in candidates {
        let allele = rows_by_allele
            .get(&(candidate.site, candidate.alt))
            .filter(|_| candidate.is_first_best());
        candidate.duplicate_id = allele.is_some_and(|allele| {
            allele.n_rows > 1 && !(keep_first && candidate.row == allele.first_row)
        });
    }
}

/// Counts the rows of a file by the result of matching.
fn count(
    rows: &[WeightRow],
    candidates: &[Candidate],
    constant_rows: &BTreeMap<usize, ConstantSource>,
) -> MatchCounts {
    let mut counts = MatchCounts {
        rows: rows.len(),
        ..MatchCounts::default()
    };
    for reason in rows.iter().filter_map(|row| row.unusable) {
        *counts.unusable.entry(reason).or_default() += 1;
    }
    for source in constant_rows.values() {
        match source {
            ConstantSource::HomRef => counts.hom_ref += 1,
            ConstantSource::Filter | ConstantSource::Missing | ConstantSource::NotCallable => {
                counts.by_frequency += 1;
            }
        }
    }
    let mut n_with_candidate = 0;
    for candidate in candidates.iter().filter(|candidate| {
        candidate.is_first_best() && !constant_rows.contains_key(&candidate.row)
    }) {
        n_with_candidate += 1;
        match candidate.exclusion {
            None => {
                counts.matched += 1;
                *counts.match_types.entry(candidate.match_type).or_default() += 1;
                counts.flipped += usize::from(candidate.match_type.is_flipped());
            }
            Some(Exclusion::DuplicateBestMatch | Exclusion::DuplicateId) => counts.duplicates += 1,
            Some(Exclusion::Ambiguous) => counts.ambiguous += 1,
            Some(Exclusion::Multiallelic) => counts.multiallelic += 1,
            Some(Exclusion::Missing) => counts.missing += 1,
        }
    }
    let n_unusable: usize = counts.unusable.values().sum();
    counts.unmatched = rows.len() - n_unusable - n_with_candidate - constant_rows.len();
    counts
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::scoring::effect::Effect;

    #[test]
    fn each_way_to_match_is_told_apart() {
        let ac = [site(10, "A", "C")];
        assert_eq!(matched("A", "C", &ac), [("refalt", 0, "matched")]);
        assert_eq!(matched("C", "A", &ac), [("altref", 1, "matched")]);
        assert_eq!(matched("T", "G", &ac), [("refalt_flip", 0, "matched")]);
        assert_eq!(matched("G", "T", &ac), [("altref_flip", 1, "matched")]);
        assert_eq!(matched("A", "", &ac), [("no_oa_ref", 0, "matched")]);
        assert_eq!(matched("C", "", &ac), [("no_oa_alt", 1, "matched")]);
        assert_eq!(matched("G", "", &ac), []);
        assert_eq!(matched("A", "G", &ac), []);
        assert_eq!(matched("A", "C", &[site(11, "A", "C")]), []);
        assert_eq!(
            matched("A", "AC", &[site(10, "AC", "A")]),
            [("altref", 1, "matched")]
        );
    }

    #[test]
    fn strand_ambiguous_matches_are_excluded_unless_kept() {
        let at = [site(10, "A", "T")];
        assert_eq!(matched("A", "T", &at), [("refalt", 0, "excluded")]);
        let kept = matches(
            vec![row(10, "T", "A")],
            &at,
            MatchRules {
                keep_ambiguous: true,
                ..MatchRules::default()
            },
        );
        assert_eq!(
            (
                kept.counts.matched,
                kept.counts.ambiguous,
                kept.candidates[0].match_type
            ),
            (1, 0, MatchType::Altref)
        );
    }

    #[test]
    fn the_better_match_wins_over_the_earlier_record() {
        let sites = [site(10, "T", "G"), site(10, "A", "C")];
        assert_eq!(
            matched("A", "C", &sites),
            [("refalt_flip", 0, "not_best"), ("refalt", 0, "matched")]
        );
    }

    #[test]
    fn of_equal_matches_the_first_is_kept() {
        let multi = [site(10, "A", "C,G")];
        assert_eq!(
            matched("A", "", &multi),
            [("no_oa_ref", 0, "matched"), ("no_oa_ref", 0, "excluded")]
        );
    }

    #[test]
    fn multiallelic_records_are_kept_and_each_alt_is_its_own_target() {
        let found = matches(
            vec![row(10, "C", "A"), row(10, "G", "A")],
            &[site(10, "A", "C,G")],
            MatchRules::default(),
        );
        let effects: Vec<i16> = found.matched().map(Candidate::effect_allele).collect();
        assert_eq!((effects, found.counts.matched), (vec![1, 2], 2));
        let rules = MatchRules {
            exclude_multiallelic: true,
            ..MatchRules::default()
        };
        let counts = matches(
            vec![row(10, "C", "A"), row(10, "G", "A")],
            &[site(10, "A", "C,G")],
            rules,
        )
        .counts;
        assert_eq!((counts.matched, counts.multiallelic), (0, 2));
    }

    #[test]
    fn several_rows_for_one_target_are_all_excluded() {
        let mut rows = vec![
            row(10, "A", "C"),
            row(10, "C", "A"),
            row(20, "A", "C"),
            row(30, "A", "C"),
            row(40, "A", "C"),
        ];
        rows[4].unusable = Some(Unusable::Haplotype);
        let first = MatchRules {
            keep_first_match: true,
            ..MatchRules::default()
        };
        let kept = matches(
            rows.clone(),
            &[site(10, "A", "C"), site(20, "A", "C")],
            first,
        );
        assert_eq!(
            kept.matched()
                .map(|candidate| candidate.row)
                .collect::<Vec<_>>(),
            [0, 2]
        );
        let found = matches(
            rows,
            &[site(10, "A", "C"), site(20, "A", "C")],
            MatchRules::default(),
        );
        let expected = MatchCounts {
            rows: 5,
            unusable: BTreeMap::from([(Unusable::Haplotype, 1)]),
            matched: 1,
            match_types: BTreeMap::from([(MatchType::Refalt, 1)]),
            duplicates: 2,
            unmatched: 1,
            ..MatchCounts::default()
        };
        assert_eq!(found.counts, expected);
        assert!((found.counts.overlap() - 0.2).abs() < 1e-12);
        assert!(
            found.candidates[..2]
                .iter()
                .all(|candidate| candidate.duplicate_id && candidate.status() == "excluded")
        );
    }

    fn site(position: usize, ref_allele: &str, alts: &str) -> Site {
        let alt_alleles: Vec<String> = alts.split(',').map(ToString::to_string).collect();
        Site {
            contig: "chr1".into(),
            position: Position1::new(position).unwrap(),
            id: ".".into(),
            ref_allele: ref_allele.into(),
            counted_alts: (1..=alt_alleles.len() as i16).collect(),
            alt_alleles,
            genotypes: std::iter::empty().collect(),
        }
    }

    fn row(position: usize, effect: &str, other: &str) -> WeightRow {
        WeightRow {
            chr_name: "1".into(),
            chr_position: Position1::new(position),
            effect_allele: effect.into(),
            other_allele: (!other.is_empty()).then(|| other.into()),
            effect: Effect::Additive(1.0),
            frequency: None,
            unusable: None,
        }
    }

    fn matches(rows: Vec<WeightRow>, sites: &[Site], rules: MatchRules) -> Matches {
        let file = ScoringFile {
            path: PathBuf::from("x"),
            id: "x".into(),
            name: None,
            trait_reported: None,
            study: None,
            genome_build: None,
            unknown_build: None,
            format: None,
            harmonised: false,
            header: String::new(),
            rows,
            warnings: Vec::new(),
        };
        match_rows(&file, sites, rules).unwrap()
    }

    /// Match type, effect allele number and status of each candidate of one row.
    fn matched(
        effect: &str,
        other: &str,
        sites: &[Site],
    ) -> Vec<(&'static str, i16, &'static str)> {
        let row_matches = matches(vec![row(10, effect, other)], sites, MatchRules::default());
        row_matches
            .candidates
            .iter()
            .map(|candidate| {
                (
                    candidate.match_type.name(),
                    candidate.effect_allele(),
                    candidate.status(),
                )
            })
            .collect()
    }
}
