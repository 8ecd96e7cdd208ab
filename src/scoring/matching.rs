//! Which allele of which record each row of a scoring file means: the rules and the order of
//! `pgsc_calc`.
//!
//! Input -> output: a [`ScoringFile`] and the [`Site`]s of a cohort -> [`Candidate`]s: every pair
//! that fits, marked; [`Matches`] has them all, with what became of each row. Joined by
//! (chromosome, 1-based position), then by alleles, best first: `refalt`, `altref` (effect allele
//! is REF, is ALT), both on the other strand (`_flip`), then without other allele (`no_oa_`; as in
//! `pgsc_calc` 3 not on the other strand, where nearly anything matches). Unlike `pgsc_calc`,
//! multi-allelic records are kept: the genotypes say exactly which allele is there.
//! Source: pygscatalog, `pgscatalog.match`; Lambert et al. 2024, doi:10.1101/2024.05.29.24307783.

use std::collections::{BTreeMap, HashMap};

use polars::prelude::{DataFrame, DataFrameJoinOps, JoinArgs, JoinType, PolarsResult, df};
use serde::{Deserialize, Serialize};

use crate::scoring::{
    Error,
    dosages::Site,
    scoring_file::{ScoringFile, Unusable, WeightRow},
};
use gf_genotypes::contig_key;

/// How the alleles of a row agree with those of a record; the first is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchType {
    /// Effect allele is REF, other allele is ALT.
    Refalt,
    /// Effect allele is ALT, other allele is REF.
    Altref,
    /// As `refalt` after complementing the row's alleles.
    RefaltFlip,
    /// As `altref` after complementing the row's alleles.
    AltrefFlip,
    /// No other allele; effect allele is REF.
    NoOaRef,
    /// No other allele; effect allele is ALT.
    NoOaAlt,
}

impl MatchType {
    /// As `pgsc_calc` writes it.
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

    /// The row is on the other strand.
    #[must_use]
    pub fn is_flipped(self) -> bool {
        matches!(self, Self::RefaltFlip | Self::AltrefFlip)
    }

    /// The effect allele is REF.
    pub(crate) fn effect_is_ref(self) -> bool {
        matches!(self, Self::Refalt | Self::RefaltFlip | Self::NoOaRef)
    }

    fn classify(row: &WeightRow, ref_allele: &str, alt_allele: &str) -> Option<Self> {
        let effect = row.effect_allele.as_str();
        let other = row.other_allele.as_deref();
        Self::between((effect, other), ref_allele, alt_allele)
    }

    /// How an effect allele and the other allele, where it is known, agree with REF and ALT.
    pub(crate) fn between(
        row: (&str, Option<&str>),
        ref_allele: &str,
        alt_allele: &str,
    ) -> Option<Self> {
        let (effect, Some(other)) = row else {
            let (effect, _) = row;
            return match effect {
                _ if effect == ref_allele => Some(Self::NoOaRef),
                _ if effect == alt_allele => Some(Self::NoOaAlt),
                _ => None,
            };
        };
        let is = |effect: &str, other: &str, a: &str, b: &str| effect == a && other == b;
        let effect_flip = complement(effect)?;
        let other_flip = complement(other)?;
        [
            (Self::Refalt, is(effect, other, ref_allele, alt_allele)),
            (Self::Altref, is(effect, other, alt_allele, ref_allele)),
            (
                Self::RefaltFlip,
                is(&effect_flip, &other_flip, ref_allele, alt_allele),
            ),
            (
                Self::AltrefFlip,
                is(&effect_flip, &other_flip, alt_allele, ref_allele),
            ),
        ]
        .into_iter()
        .find_map(|(match_type, fits)| fits.then_some(match_type))
    }
}

/// Complement of each base, in place (not reversed), as `pgsc_calc` does; `None` unless all are A,
/// C, G, T.
#[must_use]
pub fn complement(allele: &str) -> Option<String> {
    let base = |base| match base {
        'A' => Some('T'),
        'C' => Some('G'),
        'G' => Some('C'),
        'T' => Some('A'),
        _ => None,
    };
    allele.chars().map(base).collect()
}

/// One row of the scoring file beside one ALT allele of one record.
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
    /// Number of the ALT allele (1 = first).
    pub alt: i16,
    /// How the alleles agree.
    pub match_type: MatchType,
    /// REF and ALT are complements of each other: the strand cannot be told.
    pub ambiguous: bool,
    /// Best match type of its row.
    pub best_match: bool,
    /// Not the first of its row at the best match type.
    pub duplicate_best_match: bool,
    /// Another row means the same record and ALT allele.
    pub duplicate_id: bool,
    /// The record has several ALT alleles.
    pub multiallelic: bool,
    /// What stands for a missing genotype: frequency of the effect allele, where one is needed and
    /// is to be trusted.
    pub frequency: Option<f64>,
    /// Why it is left out although the best match.
    pub exclusion: Option<Exclusion>,
}

/// Why the best match of a row is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exclusion {
    /// Another record matched the row as well, and first.
    DuplicateBestMatch,
    /// Another row means the same allele of the record.
    DuplicateId,
    /// REF and ALT are complements.
    Ambiguous,
    /// The record has several ALT alleles, and these are not wanted.
    Multiallelic,
    /// Too many of the people have no call.
    Missing,
}

impl Exclusion {
    /// As in the column `reason` of the log.
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

/// Which matches are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatchRules {
    /// Keep strand-ambiguous matches.
    pub keep_ambiguous: bool,
    /// Of several rows that mean one allele of a record keep the first, instead of none.
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

    /// Used in the score.
    #[must_use]
    pub fn is_matched(&self) -> bool {
        self.best_match && self.exclusion.is_none()
    }

    /// `matched`, `excluded` or `not_best`.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match (self.best_match, self.exclusion.is_some()) {
            (true, false) => "matched",
            (true, true) => "excluded",
            (false, _) => "not_best",
        }
    }
}

/// How a row that no record is used for still adds to everyone's score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stand {
    /// Not in the VCF, but callable: everyone is homozygous reference.
    HomRef,
    /// The record failed FILTER: everyone has the frequency of the scoring file.
    Filter,
    /// Too many have no call there: as with [`Self::Filter`].
    Missing,
    /// Not in the VCF and not callable: as with [`Self::Filter`].
    NotCallable,
}

impl Stand {
    /// As in the column `reason` of the log.
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
    /// Nobody of the training people has a call.
    NoCall,
}

impl Unmatched {
    /// As in the column `reason` of the log.
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

/// What became of the rows of one scoring file. Each row is counted once, but for
/// [`Self::flipped`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MatchCounts {
    /// Rows of the file.
    pub rows: usize,
    /// Rows that are no weight of an allele with a position, by reason.
    pub unusable: BTreeMap<Unusable, usize>,
    /// Rows in the score by a record of the VCF.
    pub matched: usize,
    /// Matched rows by how their alleles agree with REF and ALT.
    pub match_types: BTreeMap<MatchType, usize>,
    /// Matched rows that are on the other strand.
    pub flipped: usize,
    /// Rows in the score as homozygous reference: callable, and not in the VCF.
    pub hom_ref: usize,
    /// Rows that add the same to everyone, by the frequency of the scoring file, whatever the VCF
    /// has.
    pub by_frequency: usize,
    /// Rows excluded because REF and ALT are complements.
    pub ambiguous: usize,
    /// Rows excluded because another row means the same allele of the same record.
    pub duplicates: usize,
    /// Rows excluded because their record has several ALT alleles.
    pub multiallelic: usize,
    /// Rows excluded because too many people have no call.
    pub missing: usize,
    /// Rows without any record of that position and alleles.
    pub unmatched: usize,
}

impl MatchCounts {
    /// Share of the file's rows whose genotypes are in the score.
    #[must_use]
    pub fn overlap(&self) -> f64 {
        (self.matched + self.hom_ref) as f64 / self.rows as f64
    }
}

/// All candidates, in the order of the scoring file and of the records, with counts.
#[derive(Clone, Debug)]
pub struct Matches {
    /// Several for one row where several records fit.
    pub candidates: Vec<Candidate>,
    /// Rows that add the same to everyone.
    pub stands: BTreeMap<usize, Stand>,
    /// Why a row has no candidate; `None` where it has one, or cannot be used.
    pub unmatched: Vec<Option<Unmatched>>,
    /// What became of the rows.
    pub counts: MatchCounts,
}

impl Matches {
    /// From all candidates of a file, in the order of its rows.
    #[must_use]
    pub fn new(
        file: &ScoringFile,
        candidates: Vec<Candidate>,
        stands: BTreeMap<usize, Stand>,
        unmatched: Vec<Option<Unmatched>>,
    ) -> Self {
        let counts = count(&file.rows, &candidates, &stands);
        Self {
            candidates,
            stands,
            unmatched,
            counts,
        }
    }

    /// Candidates that are used in the score.
    pub fn matched(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates
            .iter()
            .filter(|candidate| candidate.is_matched())
    }
}

/// Matches a scoring file with the records of a cohort.
///
/// # Errors
/// When the tables cannot be joined.
#[cfg(test)]
pub fn match_rows(file: &ScoringFile, sites: &[Site], rules: MatchRules) -> Result<Matches, Error> {
    Ok(Matches::new(
        file,
        Positions::new(file)?.candidates(sites, rules)?.candidates,
        BTreeMap::new(),
        Vec::new(),
    ))
}

/// The usable rows of a scoring file by position.
pub struct Positions<'f> {
    file: &'f ScoringFile,
    contigs: HashMap<&'f str, u32>,
    table: DataFrame,
}

impl<'f> Positions<'f> {
    /// Prepares a file.
    ///
    /// # Errors
    /// When polars refuses the table.
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
            let n_contigs = contigs.len() as u32;
            let contig = *contigs
                .entry(contig_key(&row.chr_name))
                .or_insert(n_contigs);
            places.push(place(contig, row.chr_position.unwrap_or_default()));
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

    /// All pairs of a row and an ALT allele that fit, marked, in the order of the rows, then of
    /// `sites`; and the rows with a record at their position.
    ///
    /// # Errors
    /// When the tables cannot be joined.
    pub fn candidates(&self, sites: &[Site], rules: MatchRules) -> Result<Found, Error> {
        let pairs = self.same_position(sites).map_err(|source| Error::Join {
            path: self.file.path.clone(),
            source,
        })?;
        let rows_at_records = pairs.iter().map(|(row, _)| *row).collect();
        let mut candidates: Vec<Candidate> = pairs
            .into_iter()
            .flat_map(|(row, site)| {
                let record = &sites[site];
                record
                    .counted_alts
                    .iter()
                    .filter_map(move |&alt| candidate(&self.file.rows[row], row, record, site, alt))
            })
            .collect();
        mark(&mut candidates, rules);
        Ok(Found {
            candidates,
            rows_at_records,
        })
    }

    /// (row, site) index pairs at one position, sorted.
    fn same_position(&self, sites: &[Site]) -> PolarsResult<Vec<(usize, usize)>> {
        let mut places = Vec::new();
        let mut indices = Vec::new();
        for (index, site) in sites.iter().enumerate() {
            if let Some(&contig) = self.contigs.get(contig_key(&site.contig)) {
                places.push(place(contig, site.position));
                indices.push(index as u64);
            }
        }
        let sites = df!("place" => places, "site" => indices)?;
        let joined = self.table.join(
            &sites,
            ["place"],
            ["place"],
            JoinArgs::new(JoinType::Inner),
            None,
        )?;
        let column = |name: &str| -> PolarsResult<Vec<usize>> {
            Ok(joined
                .column(name)?
                .u64()?
                .iter()
                .flatten()
                .map(|index| index as usize)
                .collect())
        };
        let mut pairs: Vec<(usize, usize)> =
            column("row")?.into_iter().zip(column("site")?).collect();
        pairs.sort_unstable();
        Ok(pairs)
    }
}

/// Rows of a scoring file and records at one position.
pub struct Found {
    /// Those whose alleles fit.
    pub candidates: Vec<Candidate>,
    /// Every row with a record at its position, ascending, whatever its alleles.
    pub rows_at_records: Vec<usize>,
}

/// A position of the genome as one number.
fn place(contig: u32, position: usize) -> u64 {
    u64::from(contig) << 40 | position as u64
}

/// Marks the candidates of whole rows, in the order of the rows, afresh. Those left out for what
/// their genotypes are stay so.
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

fn candidate(
    row: &WeightRow,
    row_index: usize,
    record: &Site,
    site: usize,
    alt: i16,
) -> Option<Candidate> {
    let alt_allele = record.allele(alt);
    let match_type = MatchType::classify(row, &record.ref_allele, alt_allele)?;
    Some(Candidate {
        row: row_index,
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

/// One row, several records: the best match type wins, and the first record among equals.
fn mark_best(candidates: &mut [Candidate]) {
    for of_row in candidates.chunk_by_mut(|a, b| a.row == b.row) {
        let best = of_row.iter().map(|candidate| candidate.match_type).min();
        let mut is_first = true;
        for candidate in of_row {
            candidate.best_match = Some(candidate.match_type) == best;
            candidate.duplicate_best_match = candidate.best_match && !is_first;
            is_first &= !candidate.best_match;
        }
    }
}

/// Several rows, one allele of a record: nobody can say which weight is meant, so all are excluded,
/// or all but the first.
fn mark_duplicates(candidates: &mut [Candidate], keep_first: bool) {
    let takes_part =
        |candidate: &Candidate| candidate.best_match && !candidate.duplicate_best_match;
    let mut rows_of: HashMap<(usize, i16), (usize, usize)> = HashMap::new();
    for candidate in candidates.iter().filter(|candidate| takes_part(candidate)) {
        rows_of
            .entry((candidate.site, candidate.alt))
            .or_insert((candidate.row, 0))
            .1 += 1;
    }
    for candidate in candidates {
        let of_target = rows_of
            .get(&(candidate.site, candidate.alt))
            .filter(|_| takes_part(candidate));
        candidate.duplicate_id =
            of_target.is_some_and(|&(first, n)| n > 1 && !(keep_first && candidate.row == first));
    }
}

fn count(
    rows: &[WeightRow],
    candidates: &[Candidate],
    stands: &BTreeMap<usize, Stand>,
) -> MatchCounts {
    let mut counts = MatchCounts {
        rows: rows.len(),
        ..MatchCounts::default()
    };
    for reason in rows.iter().filter_map(|row| row.unusable) {
        *counts.unusable.entry(reason).or_default() += 1;
    }
    for stand in stands.values() {
        *(if *stand == Stand::HomRef {
            &mut counts.hom_ref
        } else {
            &mut counts.by_frequency
        }) += 1;
    }
    let mut with_candidate = 0;
    let first_best = candidates
        .iter()
        .filter(|candidate| candidate.best_match && !candidate.duplicate_best_match);
    for candidate in first_best.filter(|candidate| !stands.contains_key(&candidate.row)) {
        with_candidate += 1;
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
    counts.unmatched =
        rows.len() - counts.unusable.values().sum::<usize>() - with_candidate - stands.len();
    counts
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::scoring::effect::Effect;

    fn site(position: usize, ref_allele: &str, alts: &str) -> Site {
        let alt_alleles: Vec<String> = alts.split(',').map(ToString::to_string).collect();
        Site {
            contig: "chr1".into(),
            position,
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
            chr_position: Some(position),
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

    /// Match types, effect alleles and states of one row.
    fn matched(
        effect: &str,
        other: &str,
        sites: &[Site],
    ) -> Vec<(&'static str, i16, &'static str)> {
        let found = matches(vec![row(10, effect, other)], sites, MatchRules::default());
        found
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
}
