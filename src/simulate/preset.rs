//! Built-in published risk: odds ratios of known loci, on a panel or on an invented reference.
//!
//! Input -> output: `ad-2022.tsv` (sources and licences are in its header) -> [`PresetVariant`]s.
//! Without a panel -> one [`Panel`] per locus whose lead variants have the published frequencies.
//! For a panel -> a window around each variant. Positions of the table are GRCh38 and 1-based.

use std::{fmt, str::FromStr};

use rand::{Rng, seq::IndexedRandom};
use serde::{Deserialize, Serialize};

use super::{
    Error, Options, Stream,
    effects::{Published, PublishedRow},
    founders::{self, N_FOUNDERS},
    panel::{Panel, PanelHaplotypes, PanelSite},
    stream_of_locus,
};
use gf_genotypes::{Locus, Reference, Strand, same_contig};

const AD_2022: &str = include_str!("ad-2022.tsv");
/// Alleles of variants closer than this lie on different haplotypes, as APOE e2 and e4 do.
const NEVER_TOGETHER_NT: usize = 1_000;
/// Share of a locus within which lead variants keep their true distances.
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

impl FromStr for Preset {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "ad-2022" => Ok(Self::Ad2022),
            _ => Err(Error::Options(format!(
                "`{text}` is not a preset; write ad-2022"
            ))),
        }
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
    /// 1-based, GRCh38.
    #[serde(rename = "chr_position")]
    pub position: usize,
    /// The allele that is counted.
    pub effect_allele: String,
    /// The other allele.
    pub other_allele: String,
    /// For one copy of the effect allele.
    pub odds_ratio: f64,
    /// Of the effect allele, in the samples of the study.
    pub frequency: f64,
}

impl Preset {
    /// The variants, those of one locus after each other.
    ///
    /// # Errors
    /// A damaged table (a fault of this program).
    pub fn variants(self) -> Result<Vec<PresetVariant>, Error> {
        let Self::Ad2022 = self;
        let mut table = csv::ReaderBuilder::new();
        let mut table = table
            .delimiter(b'\t')
            .comment(Some(b'#'))
            .from_reader(AD_2022.as_bytes());
        let damaged = |error: csv::Error| Error::Effects {
            source_name: format!("preset {self}"),
            reason: format!("the built-in table is damaged ({error}); please report this"),
        };
        let variants: Result<Vec<PresetVariant>, _> = table.deserialize().collect();
        variants.map_err(damaged)
    }

    /// The loci of `Preset::invented`: whole contigs.
    ///
    /// # Errors
    /// As [`Preset::variants`].
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
    /// As [`Preset::variants`].
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

    /// Founder haplotypes of every locus on an invented reference, one contig of `len_nt`
    /// nucleotides for each, and the weights at their invented positions.
    ///
    /// # Errors
    /// As [`Preset::variants`].
    pub(super) fn invented(self, options: &Options) -> Result<(Vec<Panel>, Published), Error> {
        let Options {
            len_nt,
            variants: n_variants,
            seed,
            ..
        } = *options;
        let variants = self.variants()?;
        let mut panels = Vec::new();
        let mut rows = Vec::new();
        for (number, of_locus) in (0..).zip(variants.chunk_by(|a, b| a.locus == b.locus)) {
            let mut panel = founders::panel_of_locus(len_nt, n_variants, seed, number);
            panel.locus = Locus::whole_contig(&of_locus[0].locus, len_nt);
            let positions = positions_in(len_nt, of_locus);
            let rng = &mut stream_of_locus(seed, Stream::LeadVariants, number);
            add_lead_variants(&mut panel, of_locus, &positions, rng);
            for (variant, &position) in of_locus.iter().zip(&positions) {
                rows.push(row(variant, &variant.locus, position));
            }
            panels.push(panel);
        }
        Ok((panels, self.of_rows(rows)))
    }

    /// Windows of `len_nt` nucleotides around the variants, as far as the reference has them;
    /// windows that overlap are joined.
    ///
    /// # Errors
    /// As [`Preset::variants`].
    pub fn windows(self, len_nt: usize, reference: &Reference) -> Result<Vec<Locus>, Error> {
        let mut windows: Vec<Locus> = Vec::new();
        for variant in self.variants()? {
            let Some(window) = window(&variant, len_nt, reference) else {
                continue;
            };
            let overlaps = |other: &&mut Locus| {
                let apart = other.end0 < window.start0 || window.end0 < other.start0;
                other.contig == window.contig && !apart
            };
            match windows.iter_mut().find(overlaps) {
                Some(other) => {
                    other.start0 = other.start0.min(window.start0);
                    other.end0 = other.end0.max(window.end0);
                }
                None => windows.push(window),
            }
        }
        name_uniquely(&mut windows);
        Ok(windows)
    }
}

fn row(variant: &PresetVariant, contig: &str, position: usize) -> PublishedRow {
    let log_odds = variant.odds_ratio.ln();
    PublishedRow {
        contig: contig.to_owned(),
        position,
        effect_allele: variant.effect_allele.clone(),
        other_allele: Some(variant.other_allele.clone()),
        log_odds: [0.0, log_odds, 2.0 * log_odds],
    }
}

fn window(variant: &PresetVariant, len_nt: usize, reference: &Reference) -> Option<Locus> {
    let start0 = (variant.position - 1).saturating_sub(len_nt / 2);
    let end0 = start0 + len_nt;
    let has_variant = |(contig, from0, to0): &(&str, usize, usize)| {
        same_contig(contig, &variant.contig) && (*from0..*to0).contains(&(variant.position - 1))
    };
    let (contig, from0, to0) = reference.intervals().find(has_variant)?;
    Some(Locus {
        name: variant.locus.clone(),
        contig: contig.to_owned(),
        start0: start0.max(from0),
        end0: end0.min(to0),
        strand: Strand::Forward,
    })
}

/// A locus with several windows gets a number behind its name.
fn name_uniquely(windows: &mut [Locus]) {
    for index in 0..windows.len() {
        let name = windows[index].name.clone();
        let earlier = windows[..index].iter();
        let n = earlier
            .filter(|other| other.name.split('.').next() == Some(&name))
            .count();
        if n > 0 {
            windows[index].name = format!("{name}.{}", n + 1);
        }
    }
}

/// 1-based positions of a locus's lead variants: in the middle with their true distances where they
/// fit, else evenly spread in the order of the genome.
fn positions_in(len_nt: usize, variants: &[PresetVariant]) -> Vec<usize> {
    let true_positions = variants.iter().map(|variant| variant.position);
    let first = true_positions.clone().min().unwrap_or_default();
    let span = true_positions.clone().max().unwrap_or_default() - first;
    if (span as f64) < INNER_SHARE * len_nt as f64 {
        let start = (len_nt - span) / 2;
        return true_positions
            .map(|position| start + position - first)
            .collect();
    }
    let rank = |position: usize| variants.iter().filter(|v| v.position < position).count();
    let step = len_nt / (variants.len() + 1);
    true_positions
        .map(|position| (rank(position) + 1) * step)
        .collect()
}

/// A record and the allele of every founder.
type Alleles = (PanelSite, Vec<u8>);

/// Puts the lead variants at `positions` into a panel: REF is the other allele, ALT the effect
/// allele. Records in the way are removed.
fn add_lead_variants(
    panel: &mut Panel,
    variants: &[PresetVariant], // those of one locus
    positions: &[usize],        // 1-based
    rng: &mut impl Rng,
) {
    let mut sites: Vec<Alleles> = with_alleles(panel);
    let mut leads: Vec<Alleles> = Vec::new();
    for (variant, &position) in variants.iter().zip(positions) {
        let site = PanelSite {
            position,
            id: variant.id.clone(),
            ref_allele: variant.other_allele.clone().into_bytes(),
            alt_alleles: vec![variant.effect_allele.clone().into_bytes()],
        };
        panel.bases[site.start0()..site.end0()].copy_from_slice(&site.ref_allele);
        let is_near = |lead: &PanelSite| lead.position.abs_diff(position) < NEVER_TOGETHER_NT;
        let near = leads.iter().filter(|(lead, _)| is_near(lead));
        let avoided: Vec<&[u8]> = near.map(|(_, alleles)| &alleles[..]).collect();
        let carriers = carriers(variant.frequency, &sites, &avoided, rng);
        leads.push((site, carriers));
    }
    // One untouched base between records keeps their alleles apart in every notation.
    let apart = |a: &PanelSite, b: &PanelSite| a.end0() < b.start0() || b.end0() < a.start0();
    sites.retain(|(site, _)| leads.iter().all(|(lead, _)| apart(site, lead)));
    sites.extend(leads);
    sites.sort_by_key(|(site, _)| site.position);
    let by_site: Vec<Vec<u8>>;
    (panel.sites, by_site) = sites.into_iter().unzip();
    panel.haplotypes = PanelHaplotypes::from_sites(&by_site, |_| true);
}

fn with_alleles(panel: &Panel) -> Vec<Alleles> {
    let alleles = |site: usize| {
        panel
            .haplotypes
            .iter()
            .map(|founder| founder[site])
            .collect()
    };
    panel
        .sites
        .iter()
        .enumerate()
        .map(|(index, site)| (site.clone(), alleles(index)))
        .collect()
}

/// Founders (1 = carrier) as many as the frequency gives: those of the variant that has the nearest
/// frequency, so that linkage is that of the genealogy, with the fewest random changes.
fn carriers(
    frequency: f64,
    sites: &[Alleles],
    avoided: &[&[u8]], // no carrier of these alleles may carry this one
    rng: &mut impl Rng,
) -> Vec<u8> {
    let wanted = (frequency * N_FOUNDERS as f64).round() as usize;
    let wanted = wanted.clamp(1, N_FOUNDERS - 1);
    let count = |alleles: &[u8]| {
        alleles
            .iter()
            .map(|&allele| usize::from(allele))
            .sum::<usize>()
    };
    let nearest = sites
        .iter()
        .min_by_key(|(_, alleles)| count(alleles).abs_diff(wanted));
    let mut carriers = nearest.map_or_else(|| vec![0; N_FOUNDERS], |(_, alleles)| alleles.clone());
    let may_carry = |founder: usize| avoided.iter().all(|alleles| alleles[founder] == 0);
    for (founder, carrier) in carriers.iter_mut().enumerate() {
        *carrier *= u8::from(may_carry(founder));
    }
    loop {
        let n = count(&carriers);
        let from = u8::from(n > wanted);
        let may_change = |&founder: &usize| carriers[founder] == from && may_carry(founder);
        let candidates: Vec<usize> = (0..N_FOUNDERS).filter(may_change).collect();
        match candidates.choose(rng) {
            Some(&founder) if n != wanted => carriers[founder] = 1 - from,
            _ => return carriers,
        }
    }
}
