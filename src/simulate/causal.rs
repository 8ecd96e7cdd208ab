//! Choice of the causal sites, and the number x that the risk of each sample increases with.
//!
//! Input: a [`RiskKind`] and the haplotypes of all samples (sample `i` has haplotypes `2 i` and
//! `2 i + 1`). Output: [`Causal`].
//!
//! A pair of alleles for `cis` or `trans` risk is chosen so that dosages predict it badly.
//! Otherwise a regression on dosages would perform as well as a model that sees haplotypes. Among
//! all pairs of common SNVs, the choice is one of those whose event has the lowest R^2 in a linear
//! regression on the dosages of all variants. It is not enough that no single variant tags the
//! event: without recombination, a haplotype is a linear combination of dosages.

use rand::{
    Rng,
    seq::{IndexedRandom, SliceRandom},
};
use rayon::prelude::*;
use serde::Serialize;

use super::{
    Error, RiskKind,
    dosage::{Dosage, Regression},
    mosaic::Mosaics,
    panel::{Panel, PanelSite},
    risk::Risk,
};
use gf_genotypes::Position1;

/// Number of causal sites of additive risk.
const N_ADDITIVE_SITES: usize = 3;
/// Smallest minor allele frequency of an additive site, and largest r^2 between two of them.
///
/// Strictest first; the loosest criteria suit a panel with few variants.
const ADDITIVE_CRITERIA: [(f64, f64); 4] = [(0.2, 0.1), (0.1, 0.3), (0.02, 0.6), (0.02, 1.0)];
/// Largest number of common SNVs that form pairs; a larger number is thinned at random.
const MAX_COMMON_SNVS: usize = 96;
/// Largest number of variants in the regression of an event on dosages.
///
/// Of a larger number, the variants with the highest minor allele frequencies are used.
const MAX_VARIANTS: usize = 512;
/// Number of best pairs from which the seed chooses one.
const N_BEST: usize = 5;

/// Requirements for a pair of causal SNVs.
struct Criteria {
    /// Smallest minor allele frequency of either site.
    min_allele_frequency: f64,
    /// Smallest and largest event frequency.
    ///
    /// For cis: the share of haplotypes with both alleles or neither.
    /// For trans: the share of samples with one allele on each haplotype.
    event_frequency: (f64, f64),
    /// Smallest distance between the sites, in nucleotides.
    min_distance_nt: usize,
}

/// Criteria for a pair, strictest first; the loosest suit a panel with few variants.
const CRITERIA: [Criteria; 3] = [
    Criteria {
        min_allele_frequency: 0.2,
        event_frequency: (0.15, 0.85),
        min_distance_nt: 1_000,
    },
    Criteria {
        min_allele_frequency: 0.1,
        event_frequency: (0.05, 0.95),
        min_distance_nt: 100,
    },
    Criteria {
        min_allele_frequency: 0.02,
        event_frequency: (0.02, 0.98),
        min_distance_nt: 1,
    },
];

/// The causal sites and the x of each sample.
pub struct Causal {
    /// Causal sites, in the order of the locus.
    pub sites: Vec<CausalSite>,
    /// Why these sites were chosen; `None` without causal sites.
    pub choice: Option<Choice>,
    /// The number x of each sample; its risk increases with x.
    pub x: Vec<u8>,
    /// Index in the panel and number of the effect allele of each site.
    pub alleles: Vec<(usize, u8)>,
}

/// A site that carries risk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CausalSite {
    /// Contig as named in the VCF.
    pub contig: String,
    /// POS.
    pub position: Position1,
    /// ID column.
    pub id: String,
    /// REF allele.
    pub ref_allele: String,
    /// ALT alleles, separated by commas.
    pub alt_allele: String,
    /// The allele that carries the risk; may be REF.
    pub effect_allele: String,
    /// Frequency of the effect allele among the simulated haplotypes.
    pub effect_allele_frequency: f64,
}

impl CausalSite {
    /// Describes an allele (0 = REF, 1 or more = ALT) of a panel record.
    pub(super) fn new(
        panel: &Panel,
        site: usize,
        allele: u8,
        effect_allele_frequency: f64,
    ) -> Self {
        let record = &panel.sites[site];
        let ref_allele = String::from_utf8_lossy(&record.ref_allele).into_owned();
        let alt_alleles: Vec<String> = record
            .alt_alleles
            .iter()
            .map(|alt| String::from_utf8_lossy(alt).into_owned())
            .collect();
        let effect_alt = usize::from(allele)
            .checked_sub(1)
            .and_then(|alt_index| alt_alleles.get(alt_index));
        Self {
            contig: panel.locus.contig.clone(),
            position: record.position,
            id: record.id.clone(),
            effect_allele: effect_alt.unwrap_or(&ref_allele).clone(),
            alt_allele: alt_alleles.join(","),
            ref_allele,
            effect_allele_frequency,
        }
    }
}

/// Computes x of each sample for a risk of `kind` on alleles (site index, allele number).
pub fn x_of(kind: RiskKind, alleles: &[(usize, u8)], haplotypes: &Mosaics<'_>) -> Vec<u8> {
    let dosages: Vec<Dosage> = alleles
        .iter()
        .map(|&(site, allele)| Dosage::of_allele(haplotypes.at_site(site), allele))
        .collect();
    match (kind, &dosages[..]) {
        (RiskKind::Cis, [a, b]) => Dosage::cis(a, b).of_people().collect(),
        (RiskKind::Trans, [a, b]) => Dosage::trans(a, b).of_people().collect(),
        _ => sum_of_dosages(&dosages, haplotypes.len() / 2),
    }
}

fn sum_of_dosages<'a>(dosages: impl IntoIterator<Item = &'a Dosage>, n_samples: usize) -> Vec<u8> {
    let mut sums = vec![0; n_samples];
    for dosage in dosages {
        for (sum, copies) in sums.iter_mut().zip(dosage.of_people()) {
            *sum += copies;
        }
    }
    sums
}

/// Why the causal sites were chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// The reason in words, as `truth.json` has it.
    pub reason: String,
    /// Number of sites (additive) or pairs of alleles (cis, trans) that met the criteria.
    pub n_candidates: usize,
    /// How well dosages predict the event of a pair.
    #[serde(flatten)]
    pub tagging: Option<Tagging>,
    /// Criteria that were relaxed because the locus has too few candidates.
    pub relaxed: Option<String>,
}

/// How well dosages predict x, over the simulated samples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tagging {
    /// Share of haplotypes with both alleles or neither (cis), or share of samples with one allele
    /// on each haplotype (trans).
    pub event_frequency: f64,
    /// R^2 of a linear regression of x on the dosages of all variants, or of the 512 variants with
    /// the highest minor allele frequencies.
    pub all_dosages_r2: f64,
    /// R^2 of a linear regression of x on the two causal dosages.
    pub causal_dosages_r2: f64,
    /// Largest r^2 between x and the dosage of any single variant.
    pub max_variant_r2: f64,
    /// 1-based position of that variant; 0 if every r^2 is 0.
    pub max_variant_position: usize,
}

/// Chooses causal sites for a kind of risk.
///
/// With an `auc`, a pair is chosen only if some effect gives this AUC.
///
/// # Errors
/// [`Error::NoCausalSites`] if no sites meet even the loosest criteria.
pub fn choose(
    kind: RiskKind,
    auc: Option<f64>,
    panel: &Panel,
    haplotypes: &Mosaics<'_>,
    rng: &mut impl Rng,
) -> Result<Causal, Error> {
    if kind == RiskKind::Null {
        return Ok(Causal {
            sites: Vec::new(),
            choice: None,
            x: vec![0; haplotypes.len() / 2],
            alleles: Vec::new(),
        });
    }
    let locus = CausalLocus {
        panel,
        haplotypes,
        snvs: common_snvs(panel, haplotypes),
    };
    match kind {
        RiskKind::Cis => locus.pair(auc, &CIS, rng),
        RiskKind::Trans => locus.pair(auc, &TRANS, rng),
        RiskKind::Additive | RiskKind::Null => locus.additive(rng),
    }
}

/// A joint event of two alleles, whose count per sample is x.
struct Event {
    kind: RiskKind,
    /// x of each sample from the dosages of the two alleles.
    x: fn(&Dosage, &Dosage) -> Dosage,
    /// Largest x that a sample can have.
    max_x: f64,
    /// Allele numbers at the two sites that give different events.
    alleles: &'static [[usize; 2]],
    /// Description of the event for `truth.json`.
    words: &'static str,
}

const CIS: Event = Event {
    kind: RiskKind::Cis,
    x: Dosage::cis,
    max_x: 2.0,
    alleles: &[[1, 1], [0, 1]],
    words: "the haplotypes that carry both or neither",
};
const TRANS: Event = Event {
    kind: RiskKind::Trans,
    x: Dosage::trans,
    max_x: 1.0,
    alleles: &[[0, 0], [0, 1], [1, 0], [1, 1]],
    words: "having the two on different haplotypes",
};

/// A biallelic SNV that no other record overlaps.
struct Snv {
    /// Index of its record in the panel.
    site: usize,
    /// Dosages of REF and of ALT.
    dosages: [Dosage; 2],
}

impl Snv {
    fn minor_allele_frequency(&self) -> f64 {
        self.dosages[1].minor_allele_frequency()
    }
}

/// Isolated biallelic SNVs that are common enough for the loosest criteria.
fn common_snvs(panel: &Panel, haplotypes: &Mosaics<'_>) -> Vec<Snv> {
    let may_switch_at = panel.may_switch_at();
    let lowest_frequency = CRITERIA
        .iter()
        .map(|criteria| criteria.min_allele_frequency)
        .fold(1.0, f64::min);
    (0..panel.sites.len())
        .filter(|&site| panel.sites[site].is_biallelic_snv())
        .filter(|&site| {
            // A switch is possible at this record and at the next one: no REF overlaps another.
            let next_is_free = may_switch_at.get(site + 1).copied().unwrap_or(true);
            may_switch_at[site] && next_is_free
        })
        .map(|site| Snv {
            site,
            dosages: [0, 1].map(|allele| Dosage::of_allele(haplotypes.at_site(site), allele)),
        })
        .filter(|snv| snv.minor_allele_frequency() >= lowest_frequency)
        .collect()
}

/// One allele of a common SNV.
#[derive(Clone, Copy)]
struct SnvAllele {
    /// Index into [`CausalLocus::snvs`].
    snv: usize,
    /// Allele number: 0 = REF, 1 = ALT.
    allele: usize,
}

/// Two alleles and their joint event.
struct Pair {
    alleles: [SnvAllele; 2],
    /// Count of the event in each sample.
    x: Dosage,
    /// Mean of x relative to its largest value.
    event_frequency: f64,
    /// See [`Tagging::all_dosages_r2`].
    all_dosages_r2: f64,
}

/// Dosage of one ALT allele.
struct VariantDosage {
    /// POS.
    position: Position1,
    dosage: Dosage,
}

/// Sites of additive risk, and the criteria that they meet.
struct AdditiveSites {
    /// Indices into [`CausalLocus::snvs`].
    snvs: Vec<usize>,
    /// SNVs that are common enough.
    n_candidates: usize,
    min_frequency: f64,
    max_r2: f64,
}

/// A locus from which causal sites are chosen.
struct CausalLocus<'a> {
    panel: &'a Panel,
    haplotypes: &'a Mosaics<'a>,
    /// Candidates for causal sites, in the order of the locus.
    snvs: Vec<Snv>,
}

impl CausalLocus<'_> {
    /// Chooses three SNVs whose ALT dosages add up to x.
    fn additive(&self, rng: &mut impl Rng) -> Result<Causal, Error> {
        let mut order: Vec<usize> = (0..self.snvs.len()).collect();
        order.shuffle(rng);
        let additive_sites = ADDITIVE_CRITERIA
            .into_iter()
            .find_map(|(min_frequency, max_r2)| self.additive_sites(&order, min_frequency, max_r2));
        let Some(AdditiveSites {
            mut snvs,
            n_candidates,
            min_frequency,
            max_r2,
        }) = additive_sites
        else {
            let found = format!(
                "{} SNVs with a minor allele frequency of 0.02 or more, but 3 are needed",
                order.len()
            );
            return Err(Error::NoCausalSites {
                kind: RiskKind::Additive,
                found,
            });
        };
        snvs.sort_unstable();
        let alt_dosages = snvs.iter().map(|&snv| &self.snvs[snv].dosages[1]);
        let x = sum_of_dosages(alt_dosages, self.haplotypes.len() / 2);
        let reason = format!(
            "three common SNVs drawn by the seed, with r^2 of at most {max_r2} between any two of \
             them. x is the sum of their dosages, so a regression on dosages can reach the best \
             achievable AUC"
        );
        let relaxed = (max_r2 > ADDITIVE_CRITERIA[0].1).then(|| {
            format!(
                "too few variants to choose from, so minor allele frequencies of {min_frequency} \
                 or more and r^2 up to {max_r2} between two of them were accepted"
            )
        });
        let alleles: Vec<SnvAllele> = snvs
            .into_iter()
            .map(|snv| SnvAllele { snv, allele: 1 })
            .collect();
        let choice = Choice {
            reason,
            n_candidates,
            tagging: None,
            relaxed,
        };
        Ok(self.causal(&alleles, x, choice))
    }

    /// The first SNVs in `order` that are common enough and nearly independent of each other;
    /// `None` if there are too few.
    fn additive_sites(
        &self,
        order: &[usize],
        min_frequency: f64,
        max_r2: f64,
    ) -> Option<AdditiveSites> {
        let common = order
            .iter()
            .copied()
            .filter(|&snv| self.snvs[snv].minor_allele_frequency() >= min_frequency);
        let n_candidates = common.clone().count();
        let mut chosen: Vec<usize> = Vec::new();
        for snv in common {
            if chosen.len() < N_ADDITIVE_SITES
                && chosen
                    .iter()
                    .all(|&earlier| self.r2_of_alts(earlier, snv) <= max_r2)
            {
                chosen.push(snv);
            }
        }
        (chosen.len() == N_ADDITIVE_SITES).then_some(AdditiveSites {
            snvs: chosen,
            n_candidates,
            min_frequency,
            max_r2,
        })
    }

    /// Squared correlation of the ALT dosages of two SNVs.
    fn r2_of_alts(&self, a: usize, b: usize) -> f64 {
        self.snvs[a].dosages[1].r2(&self.snvs[b].dosages[1])
    }

    /// Chooses two alleles whose joint event dosages predict badly.
    fn pair(&self, auc: Option<f64>, event: &Event, rng: &mut impl Rng) -> Result<Causal, Error> {
        for (level, criteria) in CRITERIA.iter().enumerate() {
            let pairs = self.pairs(auc, event, criteria, rng);
            let n_candidates = pairs.len();
            let best = &pairs[..n_candidates.min(N_BEST)];
            let Some(pair) = best.choose(rng) else {
                continue;
            };
            let reason = format!(
                "of {n_candidates} pairs of alleles, one of the {} whose event ({}) the dosages of \
                 all variants predict worst (all_dosages_r2)",
                best.len(),
                event.words
            );
            let choice = Choice {
                reason,
                n_candidates,
                tagging: Some(self.tagging(pair)),
                relaxed: (level > 0).then(|| criteria.relaxed_in_words()),
            };
            let x = pair.x.of_people().collect();
            return Ok(self.causal(&pair.alleles, x, choice));
        }
        let n = self.snvs.len();
        let requirement = auc.map_or("is common enough".into(), |auc| {
            format!("can give AUC {auc}")
        });
        let found =
            format!("among {n} common SNVs, there are no two alleles whose event {requirement}");
        Err(Error::NoCausalSites {
            kind: event.kind,
            found,
        })
    }

    fn causal(&self, alleles: &[SnvAllele], x: Vec<u8>, choice: Choice) -> Causal {
        Causal {
            sites: alleles
                .iter()
                .map(|&allele| self.causal_site(allele))
                .collect(),
            choice: Some(choice),
            x,
            alleles: alleles
                .iter()
                .map(|allele| (self.snvs[allele.snv].site, allele.allele as u8))
                .collect(),
        }
    }

    /// Pairs that meet the criteria and can give the AUC, lowest R^2 on all dosages first.
    fn pairs(
        &self,
        auc: Option<f64>,
        event: &Event,
        criteria: &Criteria,
        rng: &mut impl Rng,
    ) -> Vec<Pair> {
        let mut pairs = self.candidates(event, criteria, rng);
        if let Some(auc) = auc {
            pairs.retain(|pair| Risk::solve(&pair.x.of_people().collect::<Vec<_>>(), auc).is_ok());
        }
        let variants = self.commonest_variants();
        let regression = Regression::on(variants.iter().map(|variant| &variant.dosage));
        pairs
            .par_iter_mut()
            .for_each(|pair| pair.all_dosages_r2 = regression.r2(&pair.x));
        pairs.sort_by(|a, b| a.all_dosages_r2.total_cmp(&b.all_dosages_r2));
        pairs
    }

    /// The [`MAX_VARIANTS`] variants with the highest minor allele frequencies, highest first.
    fn commonest_variants(&self) -> Vec<VariantDosage> {
        let mut variants = Vec::new();
        for variant in self.variants() {
            variants.push(variant);
            // Truncating in between bounds the memory on loci with many variants.
            if variants.len() > 2 * MAX_VARIANTS {
                truncate_to_commonest(&mut variants);
            }
        }
        truncate_to_commonest(&mut variants);
        variants
    }

    fn tagging(&self, pair: &Pair) -> Tagging {
        let mut max_variant_r2 = 0.0;
        let mut max_variant_position = 0;
        for variant in self.variants() {
            let r2 = pair.x.r2(&variant.dosage);
            if r2 > max_variant_r2 {
                max_variant_r2 = r2;
                max_variant_position = variant.position.get();
            }
        }
        let causal_dosages = pair.alleles.map(|allele| self.dosage(allele));
        Tagging {
            event_frequency: pair.event_frequency,
            all_dosages_r2: pair.all_dosages_r2,
            causal_dosages_r2: Regression::on(causal_dosages).r2(&pair.x),
            max_variant_r2,
            max_variant_position,
        }
    }

    /// Pairs that meet the criteria, before any check of the AUC.
    fn candidates(&self, event: &Event, criteria: &Criteria, rng: &mut impl Rng) -> Vec<Pair> {
        let mut common: Vec<usize> = (0..self.snvs.len())
            .filter(|&snv| self.snvs[snv].minor_allele_frequency() >= criteria.min_allele_frequency)
            .collect();
        if common.len() > MAX_COMMON_SNVS {
            common.shuffle(rng);
            common.truncate(MAX_COMMON_SNVS);
            common.sort_unstable();
        }
        let mut pairs = Vec::new();
        for (index, &first) in common.iter().enumerate() {
            for &second in &common[index + 1..] {
                let distance_nt = self.site(second).position - self.site(first).position;
                if distance_nt >= criteria.min_distance_nt {
                    self.add_pairs_of_snvs([first, second], event, criteria, &mut pairs);
                }
            }
        }
        pairs
    }

    /// Adds each combination of alleles of two SNVs whose event has a suitable frequency.
    fn add_pairs_of_snvs(
        &self,
        snvs: [usize; 2],
        event: &Event,
        criteria: &Criteria,
        pairs: &mut Vec<Pair>,
    ) {
        let (low, high) = criteria.event_frequency;
        for allele_numbers in event.alleles {
            let alleles = [0, 1].map(|index| SnvAllele {
                snv: snvs[index],
                allele: allele_numbers[index],
            });
            let x = (event.x)(self.dosage(alleles[0]), self.dosage(alleles[1]));
            let event_frequency = x.mean() / event.max_x;
            if (low..=high).contains(&event_frequency) {
                pairs.push(Pair {
                    alleles,
                    x,
                    event_frequency,
                    all_dosages_r2: 0.0,
                });
            }
        }
    }

    /// The dosages of all ALT alleles of the locus.
    fn variants(&self) -> impl Iterator<Item = VariantDosage> {
        let sites = self.panel.sites.iter().enumerate();
        sites.flat_map(move |(site, record)| {
            let alt_numbers = 1..=record.alt_alleles.len() as u8;
            alt_numbers.map(move |allele| VariantDosage {
                position: record.position,
                dosage: Dosage::of_allele(self.haplotypes.at_site(site), allele),
            })
        })
    }

    fn site(&self, snv: usize) -> &PanelSite {
        &self.panel.sites[self.snvs[snv].site]
    }

    fn dosage(&self, SnvAllele { snv, allele }: SnvAllele) -> &Dosage {
        &self.snvs[snv].dosages[allele]
    }

    fn causal_site(&self, allele: SnvAllele) -> CausalSite {
        let frequency = self.dosage(allele).mean() / 2.0;
        let site = self.snvs[allele.snv].site;
        CausalSite::new(self.panel, site, allele.allele as u8, frequency)
    }
}

fn truncate_to_commonest(variants: &mut Vec<VariantDosage>) {
    variants.sort_by(|a, b| {
        let frequency_of_a = a.dosage.minor_allele_frequency();
        b.dosage.minor_allele_frequency().total_cmp(&frequency_of_a)
    });
    variants.truncate(MAX_VARIANTS);
}

impl Criteria {
    /// The text for [`Choice::relaxed`].
    fn relaxed_in_words(&self) -> String {
        let (low, high) = self.event_frequency;
        format!(
            "too few variants to choose from, so allele frequencies of {} or more, event \
             frequencies from {low} to {high} and distances of {} nt or more were accepted",
            self.min_allele_frequency, self.min_distance_nt
        )
    }
}
