//! Published weights as simulated risk: matching of score rows with panel records.
//!
//! Input: a scoring file (PGS Catalog, or a plain table), read into [`Published`], and panels.
//! Output: the [`SiteEffect`]s of each locus and an [`EffectSummary`].
//!
//! Alleles are compared with REF and ALT as in `prs`: on the given strand first, then on the
//! opposite strand. Positions are 1-based.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    path::Path,
};

use serde::Serialize;

use super::{Error, panel::Panel};
use crate::scoring::{MatchType, ScoringFile, complement};
use gf_cohort_schema::counted;
use gf_genotypes::{Position1, contig_key};

/// Why published weights cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EffectsProblem {
    /// A file with several scores, or none.
    #[error("it has {n_scores} scores; give a file with one score")]
    SeveralScores {
        /// Number of scores.
        n_scores: usize,
    },
    /// No variant is in the panel.
    #[error(
        "none of its variants ({n_variants}) is a record of the loci; check that the weights and \
         the panel use the same genome build"
    )]
    NoRecord {
        /// Number of variants.
        n_variants: usize,
    },
    /// The table of a preset cannot be read.
    #[error("the built-in table is damaged ({0}); please report this")]
    BuiltIn(csv::Error),
}

/// Largest number of unmatched variants that a summary names.
const MAX_NAMED: usize = 10;

/// One published weight: the log odds that 0, 1 and 2 copies of an allele add.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedRow {
    /// Contig, with or without `chr`.
    pub contig: String,
    /// Position.
    pub position: Position1,
    /// The allele that is counted, upper-case.
    pub effect_allele: String,
    /// The other allele, if the source states it.
    pub other_allele: Option<String>,
    /// Log odds of 0, 1 and 2 copies.
    pub log_odds: [f64; 3],
}

/// Weights from one source.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// Path of the file, or name of the preset.
    pub source: String,
    /// Usable rows.
    pub rows: Vec<PublishedRow>,
    /// Number of rows that are not the weight of one allele at a position.
    pub n_unusable: usize,
    /// Faults of the file that did not stop the reader.
    pub warnings: Vec<String>,
}

impl Published {
    /// Reads a scoring file with one score.
    ///
    /// # Errors
    /// A file that cannot be read, that is no scoring file, or that has several scores.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut scores = ScoringFile::read(path, None)?;
        if scores.len() != 1 {
            let n_scores = scores.len();
            return Err(Error::Effects {
                source_name: path.display().to_string(),
                problem: EffectsProblem::SeveralScores { n_scores },
            });
        }
        let score = scores.remove(0);
        let n_rows = score.rows.len();
        let usable = score.rows.iter().filter(|row| row.unusable.is_none());
        let rows: Vec<PublishedRow> = usable
            .filter_map(|row| {
                Some(PublishedRow {
                    contig: row.chr_name.to_string(),
                    position: row.chr_position?,
                    effect_allele: row.effect_allele.to_string(),
                    other_allele: row.other_allele.as_ref().map(ToString::to_string),
                    log_odds: row.effect.weights(),
                })
            })
            .collect();
        Ok(Self {
            source: path.display().to_string(),
            n_unusable: n_rows - rows.len(),
            rows,
            warnings: score.warnings,
        })
    }
}

/// The effect of one allele of a panel record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SiteEffect {
    /// Index of the record in the panel.
    pub site: usize,
    /// Allele number: 0 = REF, 1 or more = ALT.
    pub allele: u8,
    /// Log odds of 0, 1 and 2 copies.
    pub log_odds: [f64; 3],
}

/// Counts of published rows by the result of matching them with the panels.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EffectSummary {
    /// File name, or name of the preset.
    pub source: String,
    /// Number of rows of the source.
    pub n_rows: usize,
    /// Rows that are not the weight of one allele at a position.
    pub n_unusable: usize,
    /// Rows found in the panel.
    pub n_matched: usize,
    /// Matched rows whose effect allele is REF.
    pub n_effect_allele_is_ref: usize,
    /// Matched rows on the opposite strand.
    pub n_flipped: usize,
    /// Matched rows with alleles A and T, or C and G: their strand is trusted.
    pub n_ambiguous: usize,
    /// Rows with the same allele as an earlier row; left out.
    pub n_duplicates: usize,
    /// Rows without a panel record of their position and alleles.
    pub n_unmatched: usize,
    /// The first unmatched rows, as `contig:position effect/other`.
    pub first_unmatched: Vec<String>,
}

impl fmt::Display for EffectSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            n_rows,
            n_matched,
            n_unmatched,
            n_flipped,
            ..
        } = self;
        let of_ref = self.n_effect_allele_is_ref;
        let weights = counted(*n_rows, "weight", "weights");
        write!(f, "{source}: {n_matched} of {weights} found in the panel ")?;
        write!(
            f,
            "({of_ref} with effect allele REF, {n_flipped} on the other strand)"
        )?;
        for (count, what) in [
            (
                self.n_ambiguous,
                "with alleles A/T or C/G, whose strand is trusted",
            ),
            (
                self.n_duplicates,
                "left out, because an earlier row has the same allele",
            ),
            (
                self.n_unusable,
                "not usable, because it is not the weight of one allele at a position",
            ),
        ] {
            if count > 0 {
                write!(f, "\n{source}: {count} {what}")?;
            }
        }
        if *n_unmatched > 0 {
            let first = self.first_unmatched.join(", ");
            let more = if *n_unmatched > self.first_unmatched.len() {
                ", ..."
            } else {
                ""
            };
            write!(
                f,
                "\n{source}: {n_unmatched} not in the panel and without effect ({first}{more})"
            )?;
        }
        Ok(())
    }
}

/// A panel record and ALT allele that agree with a row.
#[derive(Clone, Copy)]
struct Candidate {
    match_type: MatchType,
    /// Index of the panel.
    panel: usize,
    /// Index of the record in the panel.
    site: usize,
    /// Number of the ALT allele, 1 or more.
    alt: u8,
}

/// Published weights matched with the records of the panels.
pub struct MatchedEffects {
    /// Effects of each panel, in the order of its records.
    pub by_panel: Vec<Vec<SiteEffect>>,
    /// Counts of all rows.
    pub counts: EffectSummary,
}

/// Matches published rows with panel records.
///
/// # Errors
/// No row has a record in any panel.
pub fn match_to_panels(published: &Published, panels: &[Panel]) -> Result<MatchedEffects, Error> {
    let sites = SiteIndex::new(panels);
    let mut by_panel: Vec<Vec<SiteEffect>> = vec![Vec::new(); panels.len()];
    let mut counts = EffectSummary::of_source(published);
    let mut matched_alleles = HashSet::new();
    for row in &published.rows {
        let Some(candidate) = sites.best(row) else {
            counts.add_unmatched(row);
            continue;
        };
        if !matched_alleles.insert((candidate.panel, candidate.site, candidate.alt)) {
            counts.n_duplicates += 1;
            continue;
        }
        let effect_is_ref = candidate.match_type.effect_is_ref();
        counts.n_matched += 1;
        counts.n_effect_allele_is_ref += usize::from(effect_is_ref);
        counts.n_flipped += usize::from(candidate.match_type.is_flipped());
        counts.n_ambiguous += usize::from(row.is_ambiguous());
        by_panel[candidate.panel].push(SiteEffect {
            site: candidate.site,
            allele: if effect_is_ref { 0 } else { candidate.alt },
            log_odds: row.log_odds,
        });
    }
    if counts.n_matched == 0 {
        let n_variants = published.rows.len();
        return Err(Error::Effects {
            source_name: published.source.clone(),
            problem: EffectsProblem::NoRecord { n_variants },
        });
    }
    for effects in &mut by_panel {
        effects.sort_by_key(|effect| effect.site);
    }
    Ok(MatchedEffects { by_panel, counts })
}

impl EffectSummary {
    /// Counts before any row is matched.
    fn of_source(published: &Published) -> Self {
        // A path is shortened to its file name, so the summary does not depend on the folder.
        let file_name = published.source.rsplit(['/', '\\']).next();
        Self {
            source: file_name.unwrap_or_default().to_owned(),
            n_rows: published.rows.len() + published.n_unusable,
            n_unusable: published.n_unusable,
            ..Self::default()
        }
    }

    fn add_unmatched(&mut self, row: &PublishedRow) {
        self.n_unmatched += 1;
        if self.first_unmatched.len() < MAX_NAMED {
            let PublishedRow {
                contig,
                position,
                effect_allele,
                ..
            } = row;
            let other = row.other_allele.as_deref().unwrap_or("?");
            self.first_unmatched
                .push(format!("{contig}:{position} {effect_allele}/{other}"));
        }
    }
}

impl PublishedRow {
    /// Whether the alleles are each other's complement, so both strands look the same.
    fn is_ambiguous(&self) -> bool {
        let complement = complement(&self.effect_allele);
        complement.is_some() && complement == self.other_allele
    }
}

/// Panel records by position.
struct SiteIndex<'a> {
    panels: &'a [Panel],
    /// `(panel, site)` indices by contig (without `chr`) and position.
    by_position: HashMap<(&'a str, Position1), Vec<(usize, usize)>>,
}

impl<'a> SiteIndex<'a> {
    fn new(panels: &'a [Panel]) -> Self {
        let mut by_position: HashMap<(&str, Position1), Vec<(usize, usize)>> = HashMap::new();
        for (panel_index, panel) in panels.iter().enumerate() {
            let contig = contig_key(&panel.locus.contig);
            for (site, record) in panel.sites.iter().enumerate() {
                by_position
                    .entry((contig, record.position))
                    .or_default()
                    .push((panel_index, site));
            }
        }
        Self {
            panels,
            by_position,
        }
    }

    /// The best match of a row; the first one among equal matches.
    fn best(&self, row: &PublishedRow) -> Option<Candidate> {
        let position = (contig_key(&row.contig), row.position);
        let records = self.by_position.get(&position)?;
        records
            .iter()
            .flat_map(|&(panel, site)| self.candidates(row, panel, site))
            .min_by_key(|candidate| candidate.match_type)
    }

    /// ALT alleles of one record that agree with the alleles of a row.
    fn candidates(&self, row: &PublishedRow, panel: usize, site: usize) -> Vec<Candidate> {
        let record = &self.panels[panel].sites[site];
        let ref_allele = String::from_utf8_lossy(&record.ref_allele);
        let row_alleles = (row.effect_allele.as_str(), row.other_allele.as_deref());
        let numbered_alts = (1..=u8::MAX).zip(&record.alt_alleles);
        numbered_alts
            .filter_map(|(alt, bases)| {
                let alt_allele = String::from_utf8_lossy(bases);
                let match_type = MatchType::between(row_alleles, &ref_allele, &alt_allele)?;
                Some(Candidate {
                    match_type,
                    panel,
                    site,
                    alt,
                })
            })
            .collect()
    }
}
