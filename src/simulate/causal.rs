//! Where risk is planted: the causal sites, and the number x that each person's risk grows with.
//!
//! Input -> output: a [`RiskKind`] and people's haplotypes (person `i` has haplotypes `2 i` and `2
//! i + 1`) -> [`Causal`].
//!
//! `cis` and `trans` risk is planted where dosages tell it worst, as otherwise a regression on
//! dosages does as well as a model that sees haplotypes: among pairs of common SNVs, one of those
//! whose event a linear regression on the dosages of all variants explains least. That no single
//! variant tags the event is not enough: without recombination a haplotype is a linear combination
//! of dosages.

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

/// Sites of additive risk.
const N_ADDITIVE_SITES: usize = 3;
/// Least minor allele frequency and largest r^2 between two of them, from what is wanted to what a
/// panel of few variants can give.
const ADDITIVE_CRITERIA: [(f64, f64); 4] = [(0.2, 0.1), (0.1, 0.3), (0.02, 0.6), (0.02, 1.0)];
/// Common SNVs looked at for a pair; more are thinned at random.
const MAX_COMMON_SNVS: usize = 96;
/// Variants in the regression that tells how well dosages tell an event; of more, those with the
/// commonest minor alleles.
const MAX_VARIANTS: usize = 512;
/// Best pairs of which the seed chooses one.
const N_BEST: usize = 5;

/// What a pair must be like.
struct Criteria {
    /// Of each allele of both sites.
    min_allele_frequency: f64,
    /// Least and largest share of haplotypes with both alleles or neither (cis), of people with
    /// one on each haplotype (trans).
    event_frequency: (f64, f64),
    min_distance_nt: usize,
}

/// From what is wanted to what a panel of few variants can give.
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

/// The causal sites and what they make of each person.
pub struct Causal {
    /// In the order of the locus.
    pub sites: Vec<CausalSite>,
    /// Why these sites; `None` without any.
    pub choice: Option<Choice>,
    /// The number that risk grows with, of each person.
    pub x: Vec<u8>,
    /// Index in the panel and number of the effect allele of each site.
    pub alleles: Vec<(usize, u8)>,
}

/// A site that carries risk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CausalSite {
    /// As in the VCF.
    pub contig: String,
    /// 1-based POS.
    pub position: usize,
    /// ID column.
    pub id: String,
    /// REF.
    pub ref_allele: String,
    /// ALT.
    pub alt_allele: String,
    /// The allele that carries the risk; may be REF.
    pub effect_allele: String,
    /// Of the effect allele among the simulated haplotypes.
    pub effect_allele_frequency: f64,
}

impl CausalSite {
    /// An allele of a panel's record.
    pub(super) fn new(
        panel: &Panel,
        site: usize,
        allele: u8,
        effect_allele_frequency: f64,
    ) -> Self {
        let record = &panel.sites[site];
        let text = |bases: &[u8]| String::from_utf8_lossy(bases).into_owned();
        let alts: Vec<String> = record.alt_alleles.iter().map(|alt| text(alt)).collect();
        let ref_allele = text(&record.ref_allele);
        let alt = usize::from(allele)
            .checked_sub(1)
            .and_then(|alt| alts.get(alt));
        Self {
            contig: panel.locus.contig.clone(),
            position: record.position,
            id: record.id.clone(),
            effect_allele: alt.unwrap_or(&ref_allele).clone(),
            alt_allele: alts.join(","),
            ref_allele,
            effect_allele_frequency,
        }
    }
}

/// x of each person, for risk of `kind` on alleles (index of the site, number of the allele).
pub fn x_of(kind: RiskKind, alleles: &[(usize, u8)], haplotypes: &Mosaics<'_>) -> Vec<u8> {
    let dosage = |allele: &(usize, u8)| Dosage::of_allele(haplotypes.at_site(allele.0), allele.1);
    match (kind, alleles) {
        (RiskKind::Cis, [a, b]) => Dosage::cis(&dosage(a), &dosage(b)).of_people().collect(),
        (RiskKind::Trans, [a, b]) => Dosage::trans(&dosage(a), &dosage(b)).of_people().collect(),
        _ => {
            let mut x = vec![0; haplotypes.len() / 2];
            for allele in alleles {
                x.iter_mut()
                    .zip(dosage(allele).of_people())
                    .for_each(|(x, copies)| *x += copies);
            }
            x
        }
    }
}

/// Why the causal sites were chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// In words.
    pub reason: String,
    /// Sites (additive) or pairs of alleles (cis, trans) that met the criteria.
    pub n_candidates: usize,
    /// How well dosages tell the event of a pair.
    #[serde(flatten)]
    pub tagging: Option<Tagging>,
    /// What had to be given up because there is too little to choose from.
    pub relaxed: Option<String>,
}

/// How well dosages tell x, over the simulated people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tagging {
    /// Share of haplotypes with both alleles or neither (cis), or of people with one on each
    /// haplotype (trans).
    pub event_frequency: f64,
    /// R^2 of x by the best linear combination of the dosages of all variants (the 512 with the
    /// commonest minor alleles of more).
    pub all_dosages_r2: f64,
    /// R^2 of x by the best linear combination of the two causal dosages.
    pub causal_dosages_r2: f64,
    /// Largest r^2 between x and the dosage of any one variant.
    pub max_variant_r2: f64,
    /// 1-based position of that variant.
    pub max_variant_position: usize,
}

/// Chooses causal sites of which an effect can give `auc`, where one is asked for.
///
/// # Errors
/// When no sites meet even the loosest criteria.
pub fn choose(
    kind: RiskKind,
    auc: Option<f64>,
    panel: &Panel,
    haplotypes: &Mosaics<'_>,
    rng: &mut impl Rng,
) -> Result<Causal, Error> {
    let locus = || CausalLocus {
        panel,
        haplotypes,
        snvs: common_snvs(panel, haplotypes),
    };
    match kind {
        RiskKind::Null => {
            let x = vec![0; haplotypes.len() / 2];
            Ok(Causal {
                sites: Vec::new(),
                choice: None,
                x,
                alleles: Vec::new(),
            })
        }
        RiskKind::Additive => locus().additive(rng),
        RiskKind::Cis => locus().pair(auc, &CIS, rng),
        RiskKind::Trans => locus().pair(auc, &TRANS, rng),
    }
}

/// A way in which two alleles act together.
struct Event {
    kind: RiskKind,
    x: fn(&Dosage, &Dosage) -> Dosage,
    /// x of a person in whom the event always happens.
    max_x: f64,
    /// Allele numbers at the two sites that make different events.
    alleles: &'static [[usize; 2]],
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
    site: usize,
    /// Of REF and of ALT.
    dosages: [Dosage; 2],
}

impl Snv {
    fn minor_allele_frequency(&self) -> f64 {
        self.dosages[1].minor_allele_frequency()
    }
}

fn common_snvs(panel: &Panel, haplotypes: &Mosaics<'_>) -> Vec<Snv> {
    let may_switch_at = panel.may_switch_at();
    let alone =
        |site: usize| may_switch_at[site] && may_switch_at.get(site + 1).copied().unwrap_or(true);
    let lowest = CRITERIA
        .iter()
        .map(|criteria| criteria.min_allele_frequency)
        .fold(1.0, f64::min);
    (0..panel.sites.len())
        .filter(|&site| panel.sites[site].is_biallelic_snv() && alone(site))
        .map(|site| Snv {
            site,
            dosages: [0, 1].map(|allele| Dosage::of_allele(haplotypes.at_site(site), allele)),
        })
        .filter(|snv| snv.minor_allele_frequency() >= lowest)
        .collect()
}

/// Two alleles, `(SNV, allele number)` each, and what they make together.
struct Pair {
    alleles: [(usize, usize); 2],
    x: Dosage,
    event_frequency: f64,
    /// See [`Tagging::all_dosages_r2`].
    all_dosages_r2: f64,
}

struct CausalLocus<'a> {
    panel: &'a Panel,
    haplotypes: &'a Mosaics<'a>,
    snvs: Vec<Snv>,
}

impl CausalLocus<'_> {
    fn additive(&self, rng: &mut impl Rng) -> Result<Causal, Error> {
        let mut order: Vec<usize> = (0..self.snvs.len()).collect();
        order.shuffle(rng);
        let chosen = ADDITIVE_CRITERIA
            .into_iter()
            .find_map(|(min_frequency, max_r2)| {
                let common = order
                    .iter()
                    .copied()
                    .filter(|&snv| self.snvs[snv].minor_allele_frequency() >= min_frequency);
                let n_candidates = common.clone().count();
                let mut chosen: Vec<usize> = Vec::new();
                for snv in common {
                    let r2 =
                        |&other: &usize| self.snvs[other].dosages[1].r2(&self.snvs[snv].dosages[1]);
                    if chosen.len() < N_ADDITIVE_SITES
                        && chosen.iter().all(|other| r2(other) <= max_r2)
                    {
                        chosen.push(snv);
                    }
                }
                (chosen.len() == N_ADDITIVE_SITES).then_some((
                    chosen,
                    n_candidates,
                    min_frequency,
                    max_r2,
                ))
            });
        let Some((mut chosen, n_candidates, min_frequency, max_r2)) = chosen else {
            let found = format!(
                "{} SNVs of minor allele frequency 0.02 or more, where 3 are needed",
                order.len()
            );
            return Err(Error::NoCausalSites {
                kind: RiskKind::Additive,
                found,
            });
        };
        chosen.sort_unstable();
        let mut x = vec![0; self.haplotypes.len() / 2];
        for &snv in &chosen {
            x.iter_mut()
                .zip(self.snvs[snv].dosages[1].of_people())
                .for_each(|(x, dosage)| *x += dosage);
        }
        let reason = format!(
            "three common SNVs drawn by the seed, r^2 between any two of them at most {max_r2}; x \
             is the sum of their dosages, so that a regression on dosages can reach the best \
             possible AUC"
        );
        let sites = chosen
            .iter()
            .map(|&snv| self.causal_site((snv, 1)))
            .collect();
        let relaxed = (max_r2 > ADDITIVE_CRITERIA[0].1).then(|| {
            format!(
                "too few variants to choose from: minor allele frequencies from {min_frequency}, \
                 r^2 between two of them up to {max_r2}"
            )
        });
        let alleles = chosen.iter().map(|&snv| (self.snvs[snv].site, 1)).collect();
        let choice = Some(Choice {
            reason,
            n_candidates,
            tagging: None,
            relaxed,
        });
        Ok(Causal {
            sites,
            choice,
            x,
            alleles,
        })
    }

    fn pair(&self, auc: Option<f64>, event: &Event, rng: &mut impl Rng) -> Result<Causal, Error> {
        for (level, criteria) in CRITERIA.iter().enumerate() {
            let (pairs, n_candidates) = self.pairs(auc, event, criteria, rng);
            let best = &pairs[..pairs.len().min(N_BEST)];
            let Some(pair) = best.choose(rng) else {
                continue;
            };
            let reason = format!(
                "of {n_candidates} pairs of alleles, one of the {} whose event ({}) the dosages \
                 of all variants tell worst (all_dosages_r2)",
                best.len(),
                event.words
            );
            let (low, high) = criteria.event_frequency;
            let relaxed = (level > 0).then(|| {
                format!(
                    "too few variants to choose from: allele frequencies from {}, event frequency \
                     {low} to {high}, {} nt apart or more",
                    criteria.min_allele_frequency, criteria.min_distance_nt
                )
            });
            let choice = Choice {
                reason,
                n_candidates,
                tagging: Some(self.tagging(pair)),
                relaxed,
            };
            let sites = pair
                .alleles
                .iter()
                .map(|&allele| self.causal_site(allele))
                .collect();
            let allele = |(snv, allele): (usize, usize)| (self.snvs[snv].site, allele as u8);
            let x = pair.x.of_people().collect();
            let alleles = pair.alleles.map(allele).to_vec();
            return Ok(Causal {
                sites,
                choice: Some(choice),
                x,
                alleles,
            });
        }
        let n = self.snvs.len();
        let wanted = auc.map_or("is common enough".into(), |auc| {
            format!("can give AUC {auc}")
        });
        let found = format!("among {n} common SNVs no two alleles whose event {wanted}");
        Err(Error::NoCausalSites {
            kind: event.kind,
            found,
        })
    }

    /// Pairs that meet the criteria and can give the AUC, those that dosages tell worst first; and
    /// how many there are.
    fn pairs(
        &self,
        auc: Option<f64>,
        event: &Event,
        criteria: &Criteria,
        rng: &mut impl Rng,
    ) -> (Vec<Pair>, usize) {
        let mut pairs = self.candidates(event, criteria, rng);
        if let Some(auc) = auc {
            pairs.retain(|pair| Risk::solve(&pair.x.of_people().collect::<Vec<_>>(), auc).is_ok());
        }
        let mut variants = Vec::new();
        let keep_commonest = |variants: &mut Vec<(usize, Dosage)>| {
            variants.sort_by(|(_, a), (_, b)| {
                b.minor_allele_frequency()
                    .total_cmp(&a.minor_allele_frequency())
            });
            variants.truncate(MAX_VARIANTS);
        };
        for variant in self.variants() {
            variants.push(variant);
            if variants.len() > 2 * MAX_VARIANTS {
                keep_commonest(&mut variants);
            }
        }
        keep_commonest(&mut variants);
        let regression = Regression::on(variants.iter().map(|(_, dosage)| dosage));
        pairs
            .par_iter_mut()
            .for_each(|pair| pair.all_dosages_r2 = regression.r2(&pair.x));
        pairs.sort_by(|a, b| a.all_dosages_r2.total_cmp(&b.all_dosages_r2));
        let n_candidates = pairs.len();
        (pairs, n_candidates)
    }

    fn tagging(&self, pair: &Pair) -> Tagging {
        let mut max_variant = (0.0, 0);
        for (position, dosage) in self.variants() {
            let r2 = pair.x.r2(&dosage);
            if r2 > max_variant.0 {
                max_variant = (r2, position);
            }
        }
        let [a, b] = pair
            .alleles
            .map(|(snv, allele)| &self.snvs[snv].dosages[allele]);
        Tagging {
            event_frequency: pair.event_frequency,
            all_dosages_r2: pair.all_dosages_r2,
            causal_dosages_r2: Regression::on([a, b]).r2(&pair.x),
            max_variant_r2: max_variant.0,
            max_variant_position: max_variant.1,
        }
    }

    /// Pairs that meet the criteria.
    fn candidates(&self, event: &Event, criteria: &Criteria, rng: &mut impl Rng) -> Vec<Pair> {
        let mut common: Vec<usize> = (0..self.snvs.len())
            .filter(|&snv| self.snvs[snv].minor_allele_frequency() >= criteria.min_allele_frequency)
            .collect();
        if common.len() > MAX_COMMON_SNVS {
            common.shuffle(rng);
            common.truncate(MAX_COMMON_SNVS);
            common.sort_unstable();
        }
        let (low, high) = criteria.event_frequency;
        let mut pairs = Vec::new();
        for (index, &first) in common.iter().enumerate() {
            for &second in &common[index + 1..] {
                if self.site(second).position - self.site(first).position < criteria.min_distance_nt
                {
                    continue;
                }
                for &alleles in event.alleles {
                    let a = &self.snvs[first].dosages[alleles[0]];
                    let b = &self.snvs[second].dosages[alleles[1]];
                    let x = (event.x)(a, b);
                    let event_frequency = x.mean() / event.max_x;
                    if (low..=high).contains(&event_frequency) {
                        let alleles = [(first, alleles[0]), (second, alleles[1])];
                        pairs.push(Pair {
                            alleles,
                            x,
                            event_frequency,
                            all_dosages_r2: 0.0,
                        });
                    }
                }
            }
        }
        pairs
    }

    /// Position and dosage of every ALT allele of the locus.
    fn variants(&self) -> impl Iterator<Item = (usize, Dosage)> {
        let sites = self.panel.sites.iter().enumerate();
        let of_site = move |(site, record): (usize, &PanelSite)| {
            let alleles = 1..=record.alt_alleles.len() as u8;
            let position = record.position;
            alleles.map(move |allele| {
                (
                    position,
                    Dosage::of_allele(self.haplotypes.at_site(site), allele),
                )
            })
        };
        sites.flat_map(of_site)
    }

    fn site(&self, snv: usize) -> &PanelSite {
        &self.panel.sites[self.snvs[snv].site]
    }

    fn causal_site(&self, (snv, allele): (usize, usize)) -> CausalSite {
        let frequency = self.snvs[snv].dosages[allele].mean() / 2.0;
        CausalSite::new(self.panel, self.snvs[snv].site, allele as u8, frequency)
    }
}
