//! Published weights as simulated risk: which allele of which panel record each row means.
//!
//! Input -> output: a scoring file (PGS Catalog, or a plain table) -> [`Published`]; with panels ->
//! the [`SiteEffect`]s of each locus and an [`EffectSummary`]. Alleles agree with REF and ALT as in
//! `prs`: as they are first, then on the other strand. Positions are 1-based.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    path::Path,
};

use serde::Serialize;

use super::{Error, panel::Panel};
use crate::scoring::{MatchType, ScoringFile, complement};
use gf_cohort_schema::counted;
use gf_genotypes::contig_key;

/// Unmatched variants that a summary names; the others are counted only.
const MAX_NAMED: usize = 10;

/// One weight: what 0, 1 and 2 copies of an allele add to the log odds.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedRow {
    /// Contig, with or without `chr`.
    pub contig: String,
    /// 1-based.
    pub position: usize,
    /// The allele that is counted, upper-case.
    pub effect_allele: String,
    /// The other allele, where it is known.
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
    /// Rows that are not the weight of one allele at a position.
    pub n_unusable: usize,
    /// What was odd about the file but could be read.
    pub warnings: Vec<String>,
}

impl Published {
    /// Reads a scoring file with one score.
    ///
    /// # Errors
    /// A file that cannot be read, is no scoring file, or has several scores.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut scores = ScoringFile::read(path, None)?;
        if scores.len() != 1 {
            let n = scores.len();
            let reason = format!("it has {n} scores; give a file with one score");
            return Err(Error::Effects {
                source_name: path.display().to_string(),
                reason,
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
        let n_unusable = n_rows - rows.len();
        let source = path.display().to_string();
        let warnings = score.warnings;
        Ok(Self {
            source,
            rows,
            n_unusable,
            warnings,
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

/// What became of the rows of published weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EffectSummary {
    /// File name, or name of the preset.
    pub source: String,
    /// Rows of the source.
    pub n_rows: usize,
    /// Rows that are not the weight of one allele at a position.
    pub n_unusable: usize,
    /// Rows found in the panel.
    pub n_matched: usize,
    /// Matched rows whose effect allele is REF.
    pub n_effect_allele_is_ref: usize,
    /// Matched rows on the other strand.
    pub n_flipped: usize,
    /// Matched rows with alleles A and T, or C and G: their strand is trusted.
    pub n_ambiguous: usize,
    /// Rows that mean an allele which an earlier row means; left out.
    pub n_duplicates: usize,
    /// Rows without a record of that position and alleles.
    pub n_unmatched: usize,
    /// The first of them, as `contig:position effect/other`.
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
                "left out: an earlier row means the same allele",
            ),
            (
                self.n_unusable,
                "not usable: not the weight of one allele at a position",
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
                "\n{source}: {n_unmatched} not in the panel, without effect: {first}{more}"
            )?;
        }
        Ok(())
    }
}

/// An ALT allele of a panel record that a row may mean.
#[derive(Clone, Copy)]
struct Candidate {
    match_type: MatchType,
    panel: usize,
    site: usize,
    alt: u8,
}

/// Effects of each panel, in the order of its records, and what became of every row.
pub type Matched = (Vec<Vec<SiteEffect>>, EffectSummary);

/// Finds the rows in the panels.
///
/// # Errors
/// When no row is found.
pub fn match_to_panels(published: &Published, panels: &[Panel]) -> Result<Matched, Error> {
    let sites = Sites::index(panels);
    let mut effects: Vec<Vec<SiteEffect>> = vec![Vec::new(); panels.len()];
    let mut counts = EffectSummary {
        source: published
            .source
            .rsplit(['/', '\\'])
            .next()
            .unwrap_or_default()
            .to_owned(),
        n_rows: published.rows.len() + published.n_unusable,
        n_unusable: published.n_unusable,
        ..EffectSummary::default()
    };
    let mut taken = HashSet::new();
    for row in &published.rows {
        let Some(found) = sites.best(row) else {
            counts.add_unmatched(row);
            continue;
        };
        if !taken.insert((found.panel, found.site, found.alt)) {
            counts.n_duplicates += 1;
            continue;
        }
        let is_ref = found.match_type.effect_is_ref();
        counts.n_matched += 1;
        counts.n_effect_allele_is_ref += usize::from(is_ref);
        counts.n_flipped += usize::from(found.match_type.is_flipped());
        counts.n_ambiguous += usize::from(row.is_ambiguous());
        let allele = if is_ref { 0 } else { found.alt };
        effects[found.panel].push(SiteEffect {
            site: found.site,
            allele,
            log_odds: row.log_odds,
        });
    }
    if counts.n_matched == 0 {
        let n = published.rows.len();
        let reason = format!(
            "none of its variants ({n}) is a record of the loci; do the weights and the panel use \
             the same genome build?"
        );
        return Err(Error::Effects {
            source_name: published.source.clone(),
            reason,
        });
    }
    for of_panel in &mut effects {
        of_panel.sort_by_key(|effect| effect.site);
    }
    Ok((effects, counts))
}

impl EffectSummary {
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
    fn is_ambiguous(&self) -> bool {
        let complement = complement(&self.effect_allele);
        complement.is_some() && complement == self.other_allele
    }
}

/// Panel records by position.
struct Sites<'a> {
    panels: &'a [Panel],
    /// `(panel, site)` indices by contig (without `chr`) and 1-based position.
    at: HashMap<(&'a str, usize), Vec<(usize, usize)>>,
}

impl<'a> Sites<'a> {
    fn index(panels: &'a [Panel]) -> Self {
        let mut at: HashMap<(&str, usize), Vec<(usize, usize)>> = HashMap::new();
        for (index, panel) in panels.iter().enumerate() {
            let contig = contig_key(&panel.locus.contig);
            for (site, record) in panel.sites.iter().enumerate() {
                at.entry((contig, record.position))
                    .or_default()
                    .push((index, site));
            }
        }
        Self { panels, at }
    }

    /// The best match of a row; the first of equals.
    fn best(&self, row: &PublishedRow) -> Option<Candidate> {
        let records = self.at.get(&(contig_key(&row.contig), row.position))?;
        let candidates = records.iter().flat_map(|&at| self.candidates(row, at));
        candidates.min_by_key(|candidate| candidate.match_type)
    }

    fn candidates(&self, row: &PublishedRow, (panel, site): (usize, usize)) -> Vec<Candidate> {
        let record = &self.panels[panel].sites[site];
        let ref_allele = String::from_utf8_lossy(&record.ref_allele);
        let weighted = (row.effect_allele.as_str(), row.other_allele.as_deref());
        let alts = (1..=u8::MAX).zip(&record.alt_alleles);
        alts.filter_map(|(alt, bases)| {
            let alt_allele = String::from_utf8_lossy(bases);
            let match_type = MatchType::between(weighted, &ref_allele, &alt_allele)?;
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
