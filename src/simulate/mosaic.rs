//! New haplotypes as mosaics of founder haplotypes.
//!
//! Each mosaic copies one founder and switches to another one at random positions. This is the
//! copying model of Li & Stephens 2003 (Genetics 165:2213).
//!
//! Input: a [`Panel`] and a switch rate. Output: [`Mosaics`] over the same sites.

use std::collections::HashSet;

use gf_files::output;
use rand::Rng;

use super::{
    panel::{Panel, PanelHaplotypes},
    random::exponential,
};

/// Haplotypes stored as the founder segments that they copy.
///
/// Memory grows with the number of switches, not with samples times sites.
pub struct Mosaics<'a> {
    founders: &'a PanelHaplotypes,
    /// Segments of all haplotypes, one haplotype after the other.
    pieces: Vec<Piece>,
    /// Index of the first piece of each haplotype, and the number of pieces as the last entry.
    starts: Vec<usize>,
}

/// A segment that is copied from one founder.
///
/// It begins at the end of the previous piece, or at site 0.
#[derive(Clone, Copy)]
struct Piece {
    /// Index of the first site after the segment.
    end_site: u32,
    founder: u32,
}

impl Mosaics<'_> {
    /// Number of haplotypes.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Selects the haplotypes of some individuals, in the given order.
    ///
    /// Individual `i` has haplotypes `2 i` and `2 i + 1`.
    pub fn select(&self, individuals: &[usize]) -> Self {
        let mut selected = Self {
            founders: self.founders,
            pieces: Vec::new(),
            starts: vec![0],
        };
        for haplotype in individuals.iter().flat_map(|&i| [2 * i, 2 * i + 1]) {
            let copied = &self.pieces[self.starts[haplotype]..self.starts[haplotype + 1]];
            selected.pieces.extend_from_slice(copied);
            selected.starts.push(selected.pieces.len());
        }
        selected
    }

    /// The allele of every haplotype at one site.
    pub fn at_site(&self, site: usize) -> impl ExactSizeIterator<Item = u8> {
        let founder_alleles: Vec<u8> = self.founders.iter().map(|founder| founder[site]).collect();
        self.starts.windows(2).map(move |bounds| {
            let pieces = &self.pieces[bounds[0]..bounds[1]];
            let copied = pieces.partition_point(|piece| piece.end_site as usize <= site);
            founder_alleles[pieces[copied].founder as usize]
        })
    }

    /// Replaces `calls` by the two alleles of every sample at one site.
    pub fn read_calls(&self, site: usize, calls: &mut Vec<[u8; 2]>) {
        calls.clear();
        let mut alleles = self.at_site(site);
        while let (Some(first), Some(second)) = (alleles.next(), alleles.next()) {
            calls.push([first, second]);
        }
    }

    /// The alleles of one haplotype, in site order.
    pub fn alleles(&self, haplotype: usize) -> Vec<u8> {
        let mut alleles = Vec::new();
        for piece in &self.pieces[self.starts[haplotype]..self.starts[haplotype + 1]] {
            let founder = self.founders.get(piece.founder as usize);
            alleles.extend_from_slice(&founder[alleles.len()..piece.end_site as usize]);
        }
        alleles
    }

    /// Number of distinct haplotypes.
    pub fn n_distinct(&self) -> usize {
        (0..self.len())
            .map(|haplotype| output::sha256(&self.alleles(haplotype)))
            .collect::<HashSet<_>>()
            .len()
    }
}

/// Draws `n_haplotypes` mosaics.
///
/// Switches are a Poisson process with `recombinations_per_mb` per million nucleotides; each switch
/// is to a founder drawn uniformly. A switch inside overlapping records takes effect at the next
/// site that [`Panel::may_switch_at`] allows.
pub fn mosaics<'a>(
    panel: &'a Panel,
    n_haplotypes: usize,
    recombinations_per_mb: f64,
    rng: &mut impl Rng,
) -> Mosaics<'a> {
    let n_sites = panel.sites.len();
    let may_switch_at = panel.may_switch_at();
    let rate_per_nt = recombinations_per_mb / 1e6;
    let mut mosaics = Mosaics {
        founders: &panel.haplotypes,
        pieces: Vec::new(),
        starts: vec![0],
    };
    for _ in 0..n_haplotypes {
        let mut switch0 = panel.locus.start0.get() as f64;
        let mut start_site = 0;
        while start_site < n_sites {
            let founder = rng.random_range(0..panel.haplotypes.len());
            switch0 += exponential(rate_per_nt, rng);
            let first_site_after_switch = panel
                .sites
                .partition_point(|site| (site.start0().get() as f64) < switch0);
            let end_site = (first_site_after_switch.max(start_site)..n_sites)
                .find(|&site| may_switch_at[site])
                .unwrap_or(n_sites);
            if end_site > start_site {
                mosaics.pieces.push(Piece {
                    end_site: end_site as u32,
                    founder: founder as u32,
                });
            }
            start_site = end_site;
        }
        mosaics.starts.push(mosaics.pieces.len());
    }
    mosaics
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::simulate::founders;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn every_allele_of_a_mosaic_is_that_of_a_founder(seed in 0..1_000_u64, rate in 0.0..500.0) {
            let mut panel = founders::panel(20_000, None, seed);
            let pair = [0, 1].map(|founder| panel.haplotypes.get(founder).to_vec());
            panel.haplotypes = PanelHaplotypes::new(panel.sites.len());
            for founder in &pair {
                panel.haplotypes.extend(founder);
            }
            let mosaics = mosaics(&panel, 50, rate, &mut ChaCha8Rng::seed_from_u64(seed));
            prop_assert_eq!(mosaics.len(), 50);
            for mosaic in (0..mosaics.len()).map(|haplotype| mosaics.alleles(haplotype)) {
                prop_assert!(is_mosaic_of(&mosaic, &pair));
            }
            for site in [0, panel.sites.len() / 2, panel.sites.len() - 1] {
                let alleles = (0..50).map(|haplotype| mosaics.alleles(haplotype)[site]);
                prop_assert!(mosaics.at_site(site).eq(alleles));
            }
        }
    }

    /// Whether each allele is that of one of the founders at the same site.
    fn is_mosaic_of(mosaic: &[u8], founders: &[Vec<u8>]) -> bool {
        mosaic
            .iter()
            .enumerate()
            .all(|(site, allele)| founders.iter().any(|founder| founder[site] == *allele))
    }

    #[test]
    fn without_recombination_every_mosaic_is_a_founder() {
        let panel = founders::panel(20_000, None, 3);
        let mosaics = mosaics(&panel, 100, 0.0, &mut ChaCha8Rng::seed_from_u64(1));
        assert!((0..mosaics.len()).all(|haplotype| {
            panel
                .haplotypes
                .iter()
                .any(|founder| founder == mosaics.alleles(haplotype))
        }));
    }

    #[test]
    fn switches_come_at_the_rate_asked_for() {
        // Two founders that differ at every site show half of the switches.
        let mut panel = founders::panel(100_000, None, 5);
        let n_sites = panel.sites.len();
        panel.haplotypes = PanelHaplotypes::new(n_sites);
        panel.haplotypes.extend(&vec![0; n_sites]);
        panel.haplotypes.extend(&vec![1; n_sites]);
        let mosaics = mosaics(&panel, 4_000, 20.0, &mut ChaCha8Rng::seed_from_u64(1));
        let seen: usize = (0..mosaics.len())
            .map(|haplotype| {
                mosaics
                    .alleles(haplotype)
                    .windows(2)
                    .filter(|pair| pair[0] != pair[1])
                    .count()
            })
            .sum();
        // 4,000 haplotypes x 0.1 Mb x 20 per Mb / 2 = 4,000 changes, less those between
        // neighbouring sites.
        assert!((3_700..4_100).contains(&seen), "{seen}");
    }
}
