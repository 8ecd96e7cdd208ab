//! Founder haplotypes from nothing: a random reference, and variants on a coalescent with
//! recombination.
//!
//! Output: a [`Panel`] over one contig. The genealogy changes along the locus as in the
//! sequentially Markov coalescent (`McVean` & Cardin 2005, doi:10.1098/rstb.2005.1673) of a
//! population of constant size, so allele frequencies fall as 1/i and linkage decays with distance
//! as in people. Times are in units of 2 Ne generations; positions on the locus are 0-based
//! nucleotides.

use rand::{
    Rng,
    seq::{IndexedRandom, index},
};

use super::{
    LOCUS_NAME, Stream, exponential,
    panel::{Panel, PanelHaplotypes, PanelSite},
    stream_of_locus,
};
use gf_genotypes::{Locus, Strand};

/// Founder haplotypes that are made.
pub const N_FOUNDERS: usize = 400;
/// Population-scaled mutation rate per nucleotide, 4 Ne mu (human autosomes, indels included).
const THETA_PER_NT: f64 = 1.2e-3;
/// Population-scaled recombination rate per nucleotide, 4 Ne r, with Ne = 10,000 and r = 1e-8 (1 cM
/// per Mb).
const RHO_PER_NT: f64 = 4e-4;
/// Share of mutations that insert or delete.
const INDEL_SHARE: f64 = 0.08;
/// Chance that an indel is longer by one more nucleotide; lengths are geometric.
const INDEL_EXTENSION: f64 = 0.6;
/// Longest indel in nucleotides.
const MAX_INDEL_NT: usize = 30;
/// Share of SNVs that are transitions (A-G, C-T): two for each transversion.
const TRANSITION_SHARE: f64 = 2.0 / 3.0;
/// Share of each of C and G before `CpG` decay: leaves 41 % GC.
const C_SHARE: f64 = 0.2237;
/// Share of `CpG` that has decayed to `TpG` or `CpA`.
const CPG_DECAY: f64 = 0.75;

/// Makes founder haplotypes over a contig of `len_nt` nucleotides, with `n_variants` variants, at
/// most one in four nucleotides, or with as many as [`THETA_PER_NT`] gives.
pub fn panel(len_nt: usize, n_variants: Option<usize>, seed: u64) -> Panel {
    panel_of_locus(len_nt, n_variants, seed, 0)
}

/// Makes the founder haplotypes of one of many unlinked loci; number 0 is that of [`panel`].
pub fn panel_of_locus(len_nt: usize, n_variants: Option<usize>, seed: u64, number: u64) -> Panel {
    let stream = |purpose: Stream| stream_of_locus(seed, purpose, number);
    let bases = reference_bases(len_nt, &mut stream(Stream::Reference));
    let at_rate = |theta_per_nt: f64| {
        let genealogy_rng = &mut stream(Stream::Genealogy);
        mutated_sites(
            &bases,
            theta_per_nt,
            genealogy_rng,
            &mut stream(Stream::Alleles),
        )
    };
    let (sites, by_site) = match n_variants {
        None => at_rate(THETA_PER_NT),
        Some(n_variants) => exactly(n_variants, at_rate, &mut stream(Stream::Thinning)),
    };
    let locus = Locus {
        name: LOCUS_NAME.into(),
        contig: "simulated".into(),
        start0: 0,
        end0: len_nt,
        strand: Strand::Forward,
    };
    Panel {
        locus,
        contig_len_nt: Some(len_nt),
        bases,
        sites,
        haplotypes: PanelHaplotypes::from_sites(&by_site, |_| true),
    }
}

/// A rate that gives enough variants, thinned to the number wanted, so that frequencies stay those
/// of the genealogy.
fn exactly(n_variants: usize, at_rate: impl Fn(f64) -> Variants, rng: &mut impl Rng) -> Variants {
    let mut theta_per_nt = THETA_PER_NT;
    let (mut sites, mut by_site) = at_rate(theta_per_nt);
    while sites.len() < n_variants {
        theta_per_nt *= 1.25;
        (sites, by_site) = at_rate(theta_per_nt);
    }
    let mut kept = vec![false; sites.len()];
    index::sample(rng, sites.len(), n_variants)
        .into_iter()
        .for_each(|site| kept[site] = true);
    let mut of_site = kept.iter();
    let mut of_alleles = kept.iter();
    sites.retain(|_| of_site.next() == Some(&true));
    by_site.retain(|_| of_alleles.next() == Some(&true));
    (sites, by_site)
}

fn reference_bases(len_nt: usize, rng: &mut impl Rng) -> Vec<u8> {
    let mut bases: Vec<u8> = (0..len_nt).map(|_| random_base(rng)).collect();
    for at in 1..len_nt {
        if bases[at - 1..=at] == *b"CG" && rng.random_bool(CPG_DECAY) {
            let (decayed, base) = if rng.random() {
                (at - 1, b'T')
            } else {
                (at, b'A')
            };
            bases[decayed] = base;
        }
    }
    bases
}

fn random_base(rng: &mut impl Rng) -> u8 {
    match rng.random::<f64>() {
        u if u < C_SHARE => b'C',
        u if u < 2.0 * C_SHARE => b'G',
        u if u < C_SHARE + 0.5 => b'A',
        _ => b'T',
    }
}

/// Sites, and their carriers (`by_site[site][founder]`, 1 = ALT).
type Variants = (Vec<PanelSite>, Vec<Vec<u8>>);

/// Walks along the locus: mutations fall on the genealogy, recombinations change it. A mutation
/// that would touch an earlier record is left out, so no two records overlap.
fn mutated_sites(
    bases: &[u8],
    theta_per_nt: f64,
    genealogy_rng: &mut impl Rng,
    allele_rng: &mut impl Rng,
) -> Variants {
    let mut genealogy = Genealogy::coalescent(N_FOUNDERS, genealogy_rng);
    let (mut sites, mut by_site): (Vec<PanelSite>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
    let mut at = 0.0;
    let mut free_from0 = 0;
    loop {
        // Both kinds of event fall on branches, each at half its scaled rate for each unit of
        // branch length.
        let rate_per_nt = 0.5 * (theta_per_nt + RHO_PER_NT) * genealogy.length();
        at += exponential(rate_per_nt, genealogy_rng);
        if at >= bases.len() as f64 {
            return (sites, by_site);
        }
        let (node, time) = genealogy.random_point(genealogy_rng);
        if !genealogy_rng.random_bool(theta_per_nt / (theta_per_nt + RHO_PER_NT)) {
            genealogy.recombine(node, time, genealogy_rng);
            continue;
        }
        let start0 = at as usize;
        let site = mutation(bases, start0, allele_rng);
        if start0 >= free_from0 {
            // One untouched base between records keeps their alleles apart in every notation.
            free_from0 = site.end0() + 1;
            let mut alleles = vec![0; N_FOUNDERS];
            genealogy.for_each_founder_below(node, &mut |founder| alleles[founder] = 1);
            sites.push(site);
            by_site.push(alleles);
        }
    }
}

fn mutation(bases: &[u8], start0: usize, rng: &mut impl Rng) -> PanelSite {
    let indel = if rng.random_bool(INDEL_SHARE) {
        indel(bases, start0, rng)
    } else {
        None
    };
    let (ref_allele, alt_allele) =
        indel.unwrap_or_else(|| (vec![bases[start0]], vec![other_base(bases[start0], rng)]));
    PanelSite {
        position: start0 + 1,
        id: ".".into(),
        ref_allele,
        alt_alleles: vec![alt_allele],
    }
}

fn other_base(base: u8, rng: &mut impl Rng) -> u8 {
    let (transition, transversions) = match base {
        b'A' => (b'G', [b'C', b'T']),
        b'G' => (b'A', [b'C', b'T']),
        b'C' => (b'T', [b'A', b'G']),
        _ => (b'C', [b'A', b'G']),
    };
    if rng.random_bool(TRANSITION_SHARE) {
        transition
    } else {
        transversions[usize::from(rng.random::<bool>())]
    }
}

/// REF and ALT of an insertion or deletion behind the anchor base at `start0`. One that could also
/// be written further to the left is drawn again (left-aligned, as normalised VCF files are);
/// `None` when no draw fits.
fn indel(bases: &[u8], start0: usize, rng: &mut impl Rng) -> Option<(Vec<u8>, Vec<u8>)> {
    let anchor = bases[start0];
    (0..16).find_map(|_| {
        let mut len_nt = 1;
        while len_nt < MAX_INDEL_NT && rng.random_bool(INDEL_EXTENSION) {
            len_nt += 1;
        }
        let (ref_allele, alt_allele) = if rng.random() {
            (bases.get(start0..=start0 + len_nt)?.to_vec(), vec![anchor])
        } else {
            (
                vec![anchor],
                std::iter::once(anchor)
                    .chain((0..len_nt).map(|_| random_base(rng)))
                    .collect(),
            )
        };
        (ref_allele.last() != alt_allele.last()).then_some((ref_allele, alt_allele))
    })
}

/// A binary tree of the founders at one place. Nodes `0..n_founders` are the founders (time 0), the
/// others their common ancestors.
struct Genealogy {
    time: Vec<f64>,
    parent: Vec<Option<usize>>,
    children: Vec<Option<[usize; 2]>>,
}

impl Genealogy {
    /// Kingman's coalescent of `n_founders` (at least two).
    fn coalescent(n_founders: usize, rng: &mut impl Rng) -> Self {
        let n_nodes = 2 * n_founders - 1;
        let mut tree = Self {
            time: vec![0.0; n_nodes],
            parent: vec![None; n_nodes],
            children: vec![None; n_nodes],
        };
        let mut lineages: Vec<usize> = (0..n_founders).collect();
        let mut time = 0.0;
        for ancestor in n_founders..n_nodes {
            let k = lineages.len() as f64;
            time += exponential(k * (k - 1.0) / 2.0, rng);
            let pair = [(); 2].map(|()| lineages.swap_remove(rng.random_range(0..lineages.len())));
            tree.time[ancestor] = time;
            tree.adopt(ancestor, pair);
            lineages.push(ancestor);
        }
        tree
    }

    fn adopt(&mut self, ancestor: usize, pair: [usize; 2]) {
        self.children[ancestor] = Some(pair);
        for child in pair {
            self.parent[child] = Some(ancestor);
        }
    }

    /// Length of the branch above a node; 0 for the root.
    fn branch_length(&self, node: usize) -> f64 {
        self.parent[node].map_or(0.0, |parent| self.time[parent] - self.time[node])
    }

    /// Total length of all branches.
    fn length(&self) -> f64 {
        (0..self.time.len())
            .map(|node| self.branch_length(node))
            .sum()
    }

    /// A point drawn uniformly from all branches: the node below it, and its time.
    fn random_point(&self, rng: &mut impl Rng) -> (usize, f64) {
        let mut left = rng.random::<f64>() * self.length();
        let mut point = (0, 0.0);
        for node in 0..self.time.len() {
            let length = self.branch_length(node);
            if length > 0.0 {
                point = (node, self.time[node] + left.min(length));
                if left < length {
                    break;
                }
                left -= length;
            }
        }
        point
    }

    /// Cuts the branch above `node` at `cut_time`, forgets its upper part, and lets the loose
    /// lineage coalesce with the rest.
    fn recombine(&mut self, node: usize, cut_time: f64, rng: &mut impl Rng) {
        let Some(freed) = self.parent[node] else {
            return;
        };
        let Some([a, b]) = self.children[freed] else {
            return;
        };
        let sibling = if a == node { b } else { a };
        self.replace_below_parent(freed, sibling);

        let (time, branch) = self.coalescence(node, freed, cut_time, rng);
        self.replace_below_parent(branch, freed);
        self.time[freed] = time;
        self.adopt(freed, [node, branch]);
    }

    /// Puts `new` into the place of `old` under the parent of `old`.
    fn replace_below_parent(&mut self, old: usize, new: usize) {
        let parent = self.parent[old];
        self.parent[new] = parent;
        if let Some(children) = parent.and_then(|parent| self.children[parent].as_mut()) {
            for child in children.iter_mut().filter(|child| **child == old) {
                *child = new;
            }
        }
    }

    /// When, and with which branch, the lineage of `loose` coalesces: at a rate of one for each
    /// branch that exists at the time. `freed`, cut out of the tree, is no branch.
    fn coalescence(
        &self,
        loose: usize,
        freed: usize,
        cut_time: f64,
        rng: &mut impl Rng,
    ) -> (f64, usize) {
        let branches_at = |time: f64| {
            let exists = move |&node: &usize| {
                let ends = self.parent[node].map_or(f64::INFINITY, |parent| self.time[parent]);
                node != loose && node != freed && self.time[node] <= time && time < ends
            };
            (0..self.time.len()).filter(exists)
        };
        let mut merges: Vec<f64> = (0..self.time.len())
            .filter(|&node| node != freed && self.time[node] > cut_time)
            .map(|node| self.time[node])
            .collect();
        merges.sort_by(f64::total_cmp);
        let mut n_branches = branches_at(cut_time).count();
        let mut time = cut_time;
        let mut merges = merges.into_iter();
        loop {
            let coalesces = time + exponential(n_branches as f64, rng);
            match merges.next() {
                Some(merge) if merge <= coalesces => {
                    time = merge;
                    n_branches -= 1;
                }
                _ => {
                    let branches: Vec<usize> = branches_at(coalesces).collect();
                    return (coalesces, branches.choose(rng).copied().unwrap_or(loose));
                }
            }
        }
    }

    fn for_each_founder_below(&self, node: usize, visit: &mut impl FnMut(usize)) {
        match self.children[node] {
            None => visit(node),
            Some(pair) => pair
                .into_iter()
                .for_each(|child| self.for_each_founder_below(child, visit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn alt_count(panel: &Panel, site: usize) -> usize {
        panel
            .haplotypes
            .iter()
            .map(|haplotype| usize::from(haplotype[site]))
            .sum()
    }

    /// r^2 of two sites over founder haplotypes.
    fn r2(panel: &Panel, a: usize, b: usize) -> f64 {
        let n = panel.haplotypes.len() as f64;
        let both = panel
            .haplotypes
            .iter()
            .filter(|haplotype| haplotype[a] == 1 && haplotype[b] == 1)
            .count() as f64
            / n;
        let p = alt_count(panel, a) as f64 / n;
        let q = alt_count(panel, b) as f64 / n;
        (both - p * q).powi(2) / (p * (1.0 - p) * q * (1.0 - q))
    }

    #[test]
    fn the_genealogy_stays_a_tree_of_all_founders_through_recombinations() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut tree = Genealogy::coalescent(20, &mut rng);
        for _ in 0..500 {
            let (node, time) = tree.random_point(&mut rng);
            tree.recombine(node, time, &mut rng);
            let roots: Vec<usize> = (0..tree.time.len())
                .filter(|&node| tree.parent[node].is_none())
                .collect();
            assert_eq!(roots.len(), 1);
            let mut seen = vec![0; 20];
            tree.for_each_founder_below(roots[0], &mut |founder| seen[founder] += 1);
            assert_eq!(seen, [1; 20]);
            assert!(
                (0..tree.time.len())
                    .all(|node| tree.parent[node].is_none() || tree.branch_length(node) > 0.0)
            );
        }
    }

    #[test]
    fn recombination_leaves_the_expected_tree_length_as_it_is() {
        // E[length] of Kingman's coalescent of 10 = 2 (1 + 1/2 + ... + 1/9) = 5.658; the SMC has it
        // at every place.
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let lengths: Vec<f64> = (0..4_000)
            .map(|_| {
                let mut tree = Genealogy::coalescent(10, &mut rng);
                // Distances between recombinations are exponential in the length, so the walk is
                // weighed by distance.
                let mut walked = tree.length();
                let mut at = exponential(tree.length(), &mut rng);
                while at < 2.0 {
                    let (node, time) = tree.random_point(&mut rng);
                    tree.recombine(node, time, &mut rng);
                    walked = tree.length();
                    at += exponential(walked, &mut rng);
                }
                walked
            })
            .collect();
        let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
        assert!((mean - 5.658).abs() < 0.15, "{mean}");
    }

    #[test]
    fn allele_frequencies_fall_as_one_over_i() {
        let panels: Vec<Panel> = (0..10).map(|seed| panel(33_000, None, seed)).collect();
        let n_sites: usize = panels.iter().map(|panel| panel.sites.len()).sum();
        // theta 33,000 sum(1/i) = 39.6 x 6.57 = 260 mutations, less the few that touch another
        // record.
        assert!((2_200..2_900).contains(&n_sites), "{n_sites}");
        let counts: Vec<usize> = panels
            .iter()
            .flat_map(|panel| (0..panel.sites.len()).map(|site| alt_count(panel, site)))
            .collect();
        let total: f64 = (1..N_FOUNDERS).map(|i| 1.0 / i as f64).sum();
        for (low, high) in [(1, 1), (2, 3), (4, 10), (11, 40), (41, 399)] {
            let expected = (low..=high).map(|i| 1.0 / i as f64).sum::<f64>() / total;
            let found = counts
                .iter()
                .filter(|count| (low..=high).contains(*count))
                .count() as f64
                / counts.len() as f64;
            assert!(
                (found / expected - 1.0).abs() < 0.25,
                "{low}-{high}: {found} for {expected}"
            );
        }
    }

    #[test]
    fn variants_are_as_many_as_asked_for_and_those_of_the_genealogy() {
        for n_variants in [1, 253, 900, 8_250] {
            let panel = panel(33_000, Some(n_variants), 1);
            assert_eq!(
                (panel.sites.len(), panel.haplotypes.get(0).len()),
                (n_variants, n_variants)
            );
            assert!(
                panel
                    .sites
                    .windows(2)
                    .all(|pair| pair[1].start0() > pair[0].end0())
            );
            assert!((0..n_variants).all(|site| (1..N_FOUNDERS).contains(&alt_count(&panel, site))));
        }
    }

    #[test]
    fn linkage_decays_with_distance() {
        let mut near = Vec::new();
        let mut far = Vec::new();
        for panel in (0..5).map(|seed| panel(100_000, None, seed)) {
            let common: Vec<usize> = (0..panel.sites.len())
                .filter(|&site| (60..340).contains(&alt_count(&panel, site)))
                .collect();
            for (i, &a) in common.iter().enumerate() {
                for &b in &common[i + 1..] {
                    match panel.sites[b].position - panel.sites[a].position {
                        0..=2_000 => near.push(r2(&panel, a, b)),
                        50_000.. => far.push(r2(&panel, a, b)),
                        _ => {}
                    }
                }
            }
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        assert!(
            mean(&near) > 0.3 && mean(&far) < 0.1,
            "near {} far {}",
            mean(&near),
            mean(&far)
        );
    }

    #[test]
    fn the_reference_has_human_base_composition_and_few_cpg() {
        let bases = reference_bases(1_000_000, &mut ChaCha8Rng::seed_from_u64(1));
        let share = |wanted: u8| {
            bases
                .iter()
                .map(|&base| f64::from(u8::from(base == wanted)))
                .sum::<f64>()
                / bases.len() as f64
        };
        let gc = share(b'C') + share(b'G');
        let cpg = bases.windows(2).filter(|pair| *pair == b"CG").count() as f64
            / bases.len() as f64
            / (share(b'C') * share(b'G'));
        assert!((gc - 0.41).abs() < 0.01, "{gc}");
        assert!((0.2..0.4).contains(&cpg), "{cpg}");
    }

    #[test]
    fn records_do_not_overlap_and_about_8_percent_are_short_left_aligned_indels() {
        let panel = panel(1_000_000, None, 2);
        assert!(
            panel
                .sites
                .windows(2)
                .all(|pair| pair[1].start0() > pair[0].end0())
        );
        let indels: Vec<&PanelSite> = panel
            .sites
            .iter()
            .filter(|site| !site.is_biallelic_snv())
            .collect();
        let share = indels.len() as f64 / panel.sites.len() as f64;
        assert!((0.07..0.09).contains(&share), "{share}");
        for site in indels {
            let reference = &site.ref_allele;
            let alternate = &site.alt_alleles[0];
            assert_eq!(reference[..], panel.bases[site.start0()..site.end0()]);
            assert!(reference[0] == alternate[0] && reference.last() != alternate.last());
            assert!((1..=MAX_INDEL_NT).contains(&reference.len().abs_diff(alternate.len())));
        }
    }
}
