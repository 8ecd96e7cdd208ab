//! Built-in published risk: odds ratios of known loci, on a panel or on an invented reference.
//!
//! Input: `ad-2022.tsv`; its header states the sources and licences.
//! Output:
//! - the [`PresetVariant`]s;
//! - without a panel, one [`Panel`] per locus whose lead variants have the published frequencies;
//! - with a panel, a window around each variant.
//!
//! Positions of the table are GRCh38 and 1-based.

use std::fmt;

use gf_genotypes::{Locus, Position1, Range0, Reference, Strand, same_contig};
use rand::{Rng, seq::IndexedRandom};
use serde::{Deserialize, Serialize};

use super::{
    EffectsProblem, Error, Options, Stream,
    effects::{Published, PublishedRow},
    founders::{self, N_FOUNDERS},
    panel::{Panel, PanelHaplotypes, PanelSite},
    random::stream_of_locus,
};

const AD_2022: &str = include_str!("ad-2022.tsv");

/// Effect alleles of lead variants closer than this are never on one haplotype, like APOE e2 and
/// e4.
const NEVER_TOGETHER_NT: usize = 1_000;

/// Largest span of lead variants with true distances, as a fraction of the locus.
const INNER_SHARE: f64 = 0.8;

/// A built-in table of published odds ratios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Preset {
    /// Alzheimer's disease: APOE e2 and e4, and the 75 loci of Bellenguez et al. 2022.
    #[serde(rename = "ad-2022")]
    Ad2022,
}

impl fmt::Display for Preset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad("ad-2022")
    }
}

/// A variant of a preset.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PresetVariant {
    /// Name of its locus; several variants may share one.
    pub locus: String,
    /// rs number.
    #[serde(rename = "rsID")]
    pub id: String,
    /// Chromosome without `chr`.
    #[serde(rename = "chr_name")]
    pub contig: String,
    /// Position on GRCh38.
    #[serde(rename = "chr_position")]
    pub position: Position1,
    /// The allele that is counted.
    pub effect_allele: String,
    /// The other allele.
    pub other_allele: String,
    /// Odds ratio per copy of the effect allele.
    pub odds_ratio: f64,
    /// Frequency of the effect allele in the samples of the study.
    pub frequency: f64,
}

/// Simulated panels with the lead variants of a preset.
pub(super) struct InventedPanels {
    /// One panel per locus, each on a contig with the name of the locus.
    pub(super) panels: Vec<Panel>,
    /// The weights at their positions on these contigs.
    pub(super) published: Published,
}

impl Preset {
    /// The variants of the preset; those of one locus are consecutive.
    ///
    /// # Errors
    /// A damaged table (a fault of this program).
    pub fn variants(self) -> Result<Vec<PresetVariant>, Error> {
        let Self::Ad2022 = self;
        let mut table = csv::ReaderBuilder::new()
            .delimiter(b'\t')
            .comment(Some(b'#'))
            .from_reader(AD_2022.as_bytes());
        let variants: Result<Vec<PresetVariant>, csv::Error> = table.deserialize().collect();
        variants.map_err(|error| Error::Effects {
            source_name: format!("preset {self}"),
            problem: EffectsProblem::BuiltIn(error),
        })
    }

    /// The loci of `Preset::invented`: whole contigs.
    ///
    /// # Errors
    /// The same as [`Preset::variants`].
    pub fn invented_loci(self, len_nt: usize) -> Result<Vec<Locus>, Error> {
        let variants = self.variants()?;
        let loci = variants.chunk_by(|a, b| a.locus == b.locus);
        Ok(loci
            .map(|of_locus| Locus::whole_contig(&of_locus[0].locus, len_nt))
            .collect())
    }

    /// The variants as weights, at their GRCh38 positions.
    ///
    /// # Errors
    /// The same as [`Preset::variants`].
    pub fn published(self) -> Result<Published, Error> {
        let variants = self.variants()?;
        let rows = variants
            .iter()
            .map(|variant| row(variant, &variant.contig, variant.position));
        Ok(self.of_rows(rows.collect()))
    }

    fn of_rows(self, rows: Vec<PublishedRow>) -> Published {
        Published {
            source: format!("preset {self}"),
            rows,
            n_unusable: 0,
            warnings: Vec::new(),
        }
    }

    /// Simulates founder haplotypes of every locus on an invented reference.
    ///
    /// Each locus is a contig of `len_nt` nucleotides; the weights have their invented positions.
    ///
    /// # Errors
    /// The same as [`Preset::variants`].
    pub(super) fn invented(self, options: &Options) -> Result<InventedPanels, Error> {
        let len_nt = options.len_nt;
        let seed = options.seed;
        let variants = self.variants()?;
        let mut panels = Vec::new();
        let mut rows = Vec::new();
        for (locus_index, of_locus) in (0..).zip(variants.chunk_by(|a, b| a.locus == b.locus)) {
            let mut panel = founders::panel_of_locus(len_nt, options.variants, seed, locus_index);
            panel.locus = Locus::whole_contig(&of_locus[0].locus, len_nt);
            let positions = positions_in(len_nt, of_locus);
            let rng = &mut stream_of_locus(seed, Stream::LeadVariants, locus_index);
            add_lead_variants(&mut panel, of_locus, &positions, rng);
            for (variant, &position) in of_locus.iter().zip(&positions) {
                rows.push(row(variant, &variant.locus, position));
            }
            panels.push(panel);
        }
        Ok(InventedPanels {
            panels,
            published: self.of_rows(rows),
        })
    }

    /// Windows of `len_nt` nucleotides around the variants, clipped to the reference.
    ///
    /// Windows that overlap or touch are joined.
    ///
    /// # Errors
    /// The same as [`Preset::variants`].
    pub fn windows(self, len_nt: usize, reference: &Reference) -> Result<Vec<Locus>, Error> {
        let mut windows: Vec<Locus> = Vec::new();
        for variant in self.variants()? {
            let Some(window) = window(&variant, len_nt, reference) else {
                continue;
            };
            let touching = windows.iter_mut().find(|earlier| {
                earlier.contig == window.contig
                    && earlier.end0 >= window.start0
                    && window.end0 >= earlier.start0
            });
            match touching {
                Some(earlier) => {
                    earlier.start0 = earlier.start0.min(window.start0);
                    earlier.end0 = earlier.end0.max(window.end0);
                }
                None => windows.push(window),
            }
        }
        name_uniquely(&mut windows);
        Ok(windows)
    }
}

/// The weight of a variant at a position; additive in the log odds.
fn row(variant: &PresetVariant, contig: &str, position: Position1) -> PublishedRow {
    let log_odds = variant.odds_ratio.ln();
    PublishedRow {
        contig: contig.to_owned(),
        position,
        effect_allele: variant.effect_allele.clone(),
        other_allele: Some(variant.other_allele.clone()),
        log_odds: [0.0, log_odds, 2.0 * log_odds],
    }
}

/// The window around a variant; `None` if the reference does not contain the variant.
fn window(variant: &PresetVariant, len_nt: usize, reference: &Reference) -> Option<Locus> {
    let position0 = variant.position.to_zero_based();
    let (contig, available) = reference.intervals().find(|(contig, available)| {
        same_contig(contig, &variant.contig) && available.contains(position0)
    })?;
    let window =
        Range0::with_len(position0.saturating_sub(len_nt / 2), len_nt).intersection(available);
    Some(Locus {
        name: variant.locus.clone(),
        contig: contig.to_owned(),
        start0: window.start,
        end0: window.end,
        strand: Strand::Forward,
    })
}

/// Numbers the second and later windows of a locus: `NAME`, `NAME.2`, `NAME.3`.
fn name_uniquely(windows: &mut [Locus]) {
    for index in 0..windows.len() {
        let name = windows[index].name.clone();
        let n_earlier = windows[..index]
            .iter()
            .filter(|earlier| earlier.name.split('.').next() == Some(&name))
            .count();
        if n_earlier > 0 {
            windows[index].name = format!("{name}.{}", n_earlier + 1);
        }
    }
}

/// Positions of the lead variants of a locus on its invented contig.
///
/// The variants keep their true distances around the middle of the contig if they fit, else they
/// are spread evenly in the order of the genome.
fn positions_in(len_nt: usize, variants: &[PresetVariant]) -> Vec<Position1> {
    let true_positions = variants.iter().map(|variant| variant.position);
    let first = true_positions.clone().min().unwrap_or_default();
    let span = true_positions.clone().max().unwrap_or_default() - first;
    if (span as f64) < INNER_SHARE * len_nt as f64 {
        let start = nth_base((len_nt - span) / 2);
        return true_positions
            .map(|position| start + (position - first))
            .collect();
    }
    let step = len_nt / (variants.len() + 1);
    true_positions
        .map(|position| {
            let rank = variants.iter().filter(|v| v.position < position).count();
            nth_base((rank + 1) * step)
        })
        .collect()
}

/// A record with the allele of every founder.
struct SiteAlleles {
    site: PanelSite,
    /// Allele number of each founder.
    alleles: Vec<u8>,
}

/// Adds the lead variants of one locus to a panel, at `positions`.
///
/// REF is the other allele and ALT the effect allele. Records that touch a lead variant are
/// removed.
fn add_lead_variants(
    panel: &mut Panel,
    variants: &[PresetVariant],
    positions: &[Position1],
    rng: &mut impl Rng,
) {
    let mut sites = sites_with_alleles(panel);
    let mut leads: Vec<SiteAlleles> = Vec::new();
    for (variant, &position) in variants.iter().zip(positions) {
        let site = PanelSite {
            position,
            id: variant.id.clone(),
            ref_allele: variant.other_allele.clone().into_bytes(),
            alt_alleles: vec![variant.effect_allele.clone().into_bytes()],
        };
        panel.bases[site.start0().get()..site.end0().get()].copy_from_slice(&site.ref_allele);
        let alleles_nearby: Vec<&[u8]> = leads
            .iter()
            .filter(|lead| lead.site.position.abs_diff(position) < NEVER_TOGETHER_NT)
            .map(|lead| &lead.alleles[..])
            .collect();
        let alleles = carriers(variant.frequency, &sites, &alleles_nearby, rng);
        leads.push(SiteAlleles { site, alleles });
    }
    sites.retain(|record| leads.iter().all(|lead| are_apart(&record.site, &lead.site)));
    sites.extend(leads);
    sites.sort_by_key(|record| record.site.position);
    let mut by_site = Vec::with_capacity(sites.len());
    panel.sites.clear();
    for record in sites {
        panel.sites.push(record.site);
        by_site.push(record.alleles);
    }
    panel.haplotypes = PanelHaplotypes::from_sites(&by_site, |_| true);
}

/// Whether at least one base is between two records.
///
/// This unchanged base keeps their alleles distinct in every notation.
fn are_apart(a: &PanelSite, b: &PanelSite) -> bool {
    a.end0() < b.start0() || b.end0() < a.start0()
}

fn sites_with_alleles(panel: &Panel) -> Vec<SiteAlleles> {
    let sites = panel.sites.iter().enumerate();
    sites
        .map(|(index, site)| SiteAlleles {
            site: site.clone(),
            alleles: panel
                .haplotypes
                .iter()
                .map(|founder| founder[index])
                .collect(),
        })
        .collect()
}

/// Chooses the founders that carry an allele of a given frequency (1 = carrier).
///
/// The start is the simulated variant of the nearest frequency, so linkage disequilibrium is that
/// of the genealogy. Then the fewest possible founders change at random. No carrier of one of the
/// alleles in `excluded` becomes a carrier.
fn carriers(
    frequency: f64,
    sites: &[SiteAlleles],
    excluded: &[&[u8]],
    rng: &mut impl Rng,
) -> Vec<u8> {
    let expected_carriers = (frequency * N_FOUNDERS as f64).round() as usize;
    let target = expected_carriers.clamp(1, N_FOUNDERS - 1);
    let nearest = sites
        .iter()
        .min_by_key(|record| sum_of_alleles(&record.alleles).abs_diff(target));
    let mut carriers = nearest.map_or_else(|| vec![0; N_FOUNDERS], |record| record.alleles.clone());
    let may_carry: Vec<bool> = (0..N_FOUNDERS)
        .map(|founder| excluded.iter().all(|alleles| alleles[founder] == 0))
        .collect();
    for (carrier, &may_carry) in carriers.iter_mut().zip(&may_carry) {
        *carrier *= u8::from(may_carry);
    }
    loop {
        let n_carriers = sum_of_alleles(&carriers);
        let from = u8::from(n_carriers > target);
        let candidates: Vec<usize> = (0..N_FOUNDERS)
            .filter(|&founder| carriers[founder] == from && may_carry[founder])
            .collect();
        match candidates.choose(rng) {
            Some(&founder) if n_carriers != target => carriers[founder] = 1 - from,
            _ => return carriers,
        }
    }
}

fn sum_of_alleles(alleles: &[u8]) -> usize {
    alleles.iter().map(|&allele| usize::from(allele)).sum()
}

/// The base of this 1-based number, or the first base.
fn nth_base(number: usize) -> Position1 {
    Position1::new(number).unwrap_or(Position1::FIRST)
}
