//! Simulated founder haplotypes: a random reference, and variants on a coalescent with
//! recombination.
//!
//! Output: a [`Panel`] over one contig.
//!
//! The genealogy changes along the locus as in the sequentially Markov coalescent (SMC; `McVean` &
//! Cardin 2005, doi:10.1098/rstb.2005.1673) for a population of constant size. The number of
//! variants with `i` copies is therefore proportional to `1 / i`, and linkage disequilibrium decays
//! with distance as in humans.
//!
//! Times are in units of 2 Ne generations. Positions on the locus are 0-based nucleotides.

use gf_genotypes::Position0;
use gf_genotypes::{Locus, Strand};
use rand::{
    Rng,
    seq::{IndexedRandom, index},
};

use super::{
    LOCUS_NAME, Stream,
    panel::{Panel, PanelHaplotypes, PanelSite},
    random::{exponential, stream_of_locus},
};

/// Number of simulated founder haplotypes.
pub const N_FOUNDERS: usize = 400;

/// Population-scaled mutation rate per nucleotide, 4 Ne mu (human autosomes, indels included).
const THETA_PER_NT: f64 = 1.2e-3;

/// Population-scaled recombination rate per nucleotide, 4 Ne r, with Ne = 10,000 and r = 1e-8 (1 cM
/// per Mb).
const RHO_PER_NT: f64 = 4e-4;

/// Share of mutations that are insertions or deletions.
const INDEL_SHARE: f64 = 0.08;

/// Probability that an indel has one more nucleotide; lengths are geometric.
const INDEL_EXTENSION: f64 = 0.6;

/// Longest indel in nucleotides.
const MAX_INDEL_NT: usize = 30;

/// Largest number of draws for an indel that is left-aligned.
const MAX_INDEL_DRAWS: usize = 16;

/// Share of SNVs that are transitions (A-G, C-T): two for each transversion.
const TRANSITION_SHARE: f64 = 2.0 / 3.0;

/// Share of each of C and G before `CpG` decay; the final GC content is 41 %.
const C_SHARE: f64 = 0.2237;

/// Share of `CpG` that has decayed to `TpG` or `CpA`.
const CPG_DECAY: f64 = 0.75;

/// Factor by which the mutation rate grows until there are enough variants.
const THETA_STEP: f64 = 1.25;

/// Simulates founder haplotypes over a contig of `len_nt` nucleotides.
///
/// The number of variants is `n_variants` (at most one per four nucleotides), or the number that
/// [`THETA_PER_NT`] gives.
pub fn panel(len_nt: usize, n_variants: Option<usize>, seed: u64) -> Panel {
    panel_of_locus(len_nt, n_variants, seed, 0)
}

/// Simulates the founder haplotypes of one of many unlinked loci.
///
/// Locus 0 is that of [`panel`].
pub fn panel_of_locus(
    len_nt: usize,
    n_variants: Option<usize>,
    seed: u64,
    locus_index: u64,
) -> Panel {
    let reference_rng = &mut stream_of_locus(seed, Stream::Reference, locus_index);
    let bases = reference_bases(len_nt, reference_rng);
    let variants = match n_variants {
        None => variants_at_rate(&bases, THETA_PER_NT, seed, locus_index),
        Some(n_variants) => variants_of_number(&bases, n_variants, seed, locus_index),
    };
    let locus = Locus {
        name: LOCUS_NAME.into(),
        contig: "simulated".into(),
        start0: Position0::FIRST,
        end0: Position0::new(len_nt),
        strand: Strand::Forward,
    };
    Panel {
        locus,
        contig_len_nt: Some(len_nt),
        bases,
        sites: variants.sites,
        haplotypes: PanelHaplotypes::from_sites(&variants.by_site, |_| true),
    }
}

/// Simulates variants at a mutation rate per nucleotide.
///
/// Every call for a locus draws from the start of its random-number streams.
fn variants_at_rate(bases: &[u8], theta_per_nt: f64, seed: u64, locus_index: u64) -> Variants {
    let genealogy_rng = &mut stream_of_locus(seed, Stream::Genealogy, locus_index);
    let allele_rng = &mut stream_of_locus(seed, Stream::Alleles, locus_index);
    mutated_sites(bases, theta_per_nt, genealogy_rng, allele_rng)
}

/// Simulates exactly `n_variants` variants.
///
/// The mutation rate is raised until there are enough variants, which are then thinned at random.
/// Allele frequencies therefore stay those of the genealogy.
fn variants_of_number(bases: &[u8], n_variants: usize, seed: u64, locus_index: u64) -> Variants {
    let mut theta_per_nt = THETA_PER_NT;
    let mut variants = variants_at_rate(bases, theta_per_nt, seed, locus_index);
    while variants.sites.len() < n_variants {
        theta_per_nt *= THETA_STEP;
        variants = variants_at_rate(bases, theta_per_nt, seed, locus_index);
    }
    let thinning_rng = &mut stream_of_locus(seed, Stream::Thinning, locus_index);
    variants.thin(n_variants, thinning_rng);
    variants
}

/// A random reference with human GC content and few `CpG`.
fn reference_bases(len_nt: usize, rng: &mut impl Rng) -> Vec<u8> {
    let mut bases: Vec<u8> = (0..len_nt).map(|_| random_base(rng)).collect();
    for index in 1..len_nt {
        if bases[index - 1..=index] == *b"CG" && rng.random_bool(CPG_DECAY) {
            // Deamination of the C on the forward strand, or of that on the reverse strand.
            if rng.random() {
                bases[index - 1] = b'T';
            } else {
                bases[index] = b'A';
            }
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

/// Simulated sites with the alleles of the founders.
#[derive(Default)]
struct Variants {
    sites: Vec<PanelSite>,
    /// `by_site[site][founder]`: 0 = REF, 1 = ALT.
    by_site: Vec<Vec<u8>>,
}

impl Variants {
    /// Keeps a random subset of `n_variants` sites.
    fn thin(&mut self, n_variants: usize, rng: &mut impl Rng) {
        let mut is_sampled = vec![false; self.sites.len()];
        for site in index::sample(rng, self.sites.len(), n_variants) {
            is_sampled[site] = true;
        }
        let mut site_is_sampled = is_sampled.iter();
        let mut alleles_are_sampled = is_sampled.iter();
        self.sites.retain(|_| site_is_sampled.next() == Some(&true));
        self.by_site
            .retain(|_| alleles_are_sampled.next() == Some(&true));
    }
}

/// Simulates mutations and recombinations along the locus.
///
/// Mutations fall on branches of the genealogy; recombinations change the genealogy. A mutation
/// that would touch an earlier record is left out, so no two records overlap.
fn mutated_sites(
    bases: &[u8],
    theta_per_nt: f64,
    genealogy_rng: &mut impl Rng,
    allele_rng: &mut impl Rng,
) -> Variants {
    let mut genealogy = Genealogy::coalescent(N_FOUNDERS, genealogy_rng);
    let mut variants = Variants::default();
    let mut position0 = 0.0;
    let mut free_from0 = 0;
    loop {
        // Both kinds of event occur on branches, each at half its scaled rate per unit of branch
        // length (theta / 2 and rho / 2 with time in units of 2 Ne generations).
        let rate_per_nt = 0.5 * (theta_per_nt + RHO_PER_NT) * genealogy.length();
        position0 += exponential(rate_per_nt, genealogy_rng);
        if position0 >= bases.len() as f64 {
            return variants;
        }
        let point = genealogy.random_point(genealogy_rng);
        if !genealogy_rng.random_bool(theta_per_nt / (theta_per_nt + RHO_PER_NT)) {
            genealogy.recombine(point, genealogy_rng);
            continue;
        }
        let start0 = position0 as usize;
        // Drawn also when it is left out, so that later mutations do not depend on it.
        let site = mutation(bases, start0, allele_rng);
        if start0 >= free_from0 {
            // One unchanged base between records keeps their alleles distinct in every notation.
            free_from0 = site.end0().get() + 1;
            let mut alleles = vec![0; N_FOUNDERS];
            genealogy.for_each_founder_below(point.node, &mut |founder| alleles[founder] = 1);
            variants.sites.push(site);
            variants.by_site.push(alleles);
        }
    }
}

/// Draws an SNV or indel at a 0-based position.
fn mutation(bases: &[u8], start0: usize, rng: &mut impl Rng) -> PanelSite {
    let indel = if rng.random_bool(INDEL_SHARE) {
        indel(bases, start0, rng)
    } else {
        None
    };
    let alleles = indel.unwrap_or_else(|| RefAlt {
        ref_allele: vec![bases[start0]],
        alt_allele: vec![substitution(bases[start0], rng)],
    });
    PanelSite {
        position: Position0::new(start0).to_one_based(),
        id: ".".into(),
        ref_allele: alleles.ref_allele,
        alt_alleles: vec![alleles.alt_allele],
    }
}

/// Draws a base that differs from `base`; transitions are twice as frequent as transversions.
fn substitution(base: u8, rng: &mut impl Rng) -> u8 {
    if rng.random_bool(TRANSITION_SHARE) {
        match base {
            b'A' => b'G',
            b'G' => b'A',
            b'C' => b'T',
            _ => b'C',
        }
    } else {
        let transversions = match base {
            b'A' | b'G' => [b'C', b'T'],
            _ => [b'A', b'G'],
        };
        transversions[usize::from(rng.random::<bool>())]
    }
}

/// REF and ALT of a mutation.
struct RefAlt {
    ref_allele: Vec<u8>,
    alt_allele: Vec<u8>,
}

/// Draws an insertion or deletion behind the anchor base at `start0`.
///
/// An indel that could also be written further to the left is drawn again, so records are
/// left-aligned as in normalised VCF files. A deletion past the end of the contig is drawn again,
/// too. `None` if no draw fits.
fn indel(bases: &[u8], start0: usize, rng: &mut impl Rng) -> Option<RefAlt> {
    let anchor = bases[start0];
    (0..MAX_INDEL_DRAWS).find_map(|_| {
        let mut len_nt = 1;
        while len_nt < MAX_INDEL_NT && rng.random_bool(INDEL_EXTENSION) {
            len_nt += 1;
        }
        let is_deletion = rng.random();
        let alleles = if is_deletion {
            RefAlt {
                ref_allele: bases.get(start0..=start0 + len_nt)?.to_vec(),
                alt_allele: vec![anchor],
            }
        } else {
            let inserted = (0..len_nt).map(|_| random_base(rng));
            RefAlt {
                ref_allele: vec![anchor],
                alt_allele: std::iter::once(anchor).chain(inserted).collect(),
            }
        };
        // Equal last bases could be rotated to the front: the indel would not be left-aligned.
        (alleles.ref_allele.last() != alleles.alt_allele.last()).then_some(alleles)
    })
}

/// Binary tree of the founders' ancestry at one position.
///
/// Nodes `0..n_founders` are the founders (time 0); the other nodes are common ancestors.
struct Genealogy {
    /// Time of each node, in units of 2 Ne generations before the present.
    time: Vec<f64>,
    parent: Vec<Option<usize>>,
    children: Vec<Option<[usize; 2]>>,
}

/// A point on the branch above a node.
#[derive(Clone, Copy)]
struct BranchPoint {
    node: usize,
    time: f64,
}

impl Genealogy {
    /// Draws Kingman's coalescent of `n_founders` founders (at least two).
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

    /// Makes `pair` the children of `ancestor`.
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

    /// Draws a point uniformly from all branches.
    fn random_point(&self, rng: &mut impl Rng) -> BranchPoint {
        let mut remaining_length = rng.random::<f64>() * self.length();
        let mut point = BranchPoint { node: 0, time: 0.0 };
        for node in 0..self.time.len() {
            let length = self.branch_length(node);
            if length > 0.0 {
                // Also set when the point is on a later branch: rounding must not lose the point.
                point = BranchPoint {
                    node,
                    time: self.time[node] + remaining_length.min(length),
                };
                if remaining_length < length {
                    break;
                }
                remaining_length -= length;
            }
        }
        point
    }

    /// Recombination of the SMC at a point.
    ///
    /// The branch is cut at the point, its upper part is removed, and the loose lineage coalesces
    /// with the rest of the tree.
    fn recombine(&mut self, cut: BranchPoint, rng: &mut impl Rng) {
        let loose = cut.node;
        let Some(freed) = self.parent[loose] else {
            return;
        };
        let Some([a, b]) = self.children[freed] else {
            return;
        };
        let sibling = if a == loose { b } else { a };
        self.replace_below_parent(freed, sibling);

        let coalescence = self.coalescence(cut, freed, rng);
        // The freed node becomes the new common ancestor.
        self.replace_below_parent(coalescence.node, freed);
        self.time[freed] = coalescence.time;
        self.adopt(freed, [loose, coalescence.node]);
    }

    /// Makes `new` a child of the parent of `old`, instead of `old`.
    fn replace_below_parent(&mut self, old: usize, new: usize) {
        let parent = self.parent[old];
        self.parent[new] = parent;
        if let Some(children) = parent.and_then(|parent| self.children[parent].as_mut()) {
            for child in children.iter_mut().filter(|child| **child == old) {
                *child = new;
            }
        }
    }

    /// Draws the point at which the lineage cut off at `cut` coalesces with the tree.
    ///
    /// The rate is one per branch that exists at the time. `freed` was cut out of the tree and is
    /// no branch.
    fn coalescence(&self, cut: BranchPoint, freed: usize, rng: &mut impl Rng) -> BranchPoint {
        let loose = cut.node;
        let mut merge_times: Vec<f64> = (0..self.time.len())
            .filter(|&node| node != freed && self.time[node] > cut.time)
            .map(|node| self.time[node])
            .collect();
        merge_times.sort_by(f64::total_cmp);
        let mut n_branches = self.branches_at(cut.time, [loose, freed]).count();
        let mut time = cut.time;
        let mut later_merges = merge_times.into_iter();
        loop {
            // The exponential distribution has no memory, so the waiting time is drawn again after
            // each merge of two other branches.
            let coalescence_time = time + exponential(n_branches as f64, rng);
            match later_merges.next() {
                Some(merge_time) if merge_time <= coalescence_time => {
                    time = merge_time;
                    n_branches -= 1;
                }
                _ => {
                    let branches: Vec<usize> =
                        self.branches_at(coalescence_time, [loose, freed]).collect();
                    return BranchPoint {
                        node: branches.choose(rng).copied().unwrap_or(loose),
                        time: coalescence_time,
                    };
                }
            }
        }
    }

    /// Nodes whose branch exists at a time, without the nodes in `excluded`; the branch of the root
    /// has no end.
    fn branches_at(&self, time: f64, excluded: [usize; 2]) -> impl Iterator<Item = usize> {
        (0..self.time.len()).filter(move |node| {
            let end = self.parent[*node].map_or(f64::INFINITY, |parent| self.time[parent]);
            !excluded.contains(node) && self.time[*node] <= time && time < end
        })
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
            let point = tree.random_point(&mut rng);
            tree.recombine(point, &mut rng);
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
        // E[length] of Kingman's coalescent of 10 = 2 (1 + 1/2 + ... + 1/9) = 5.658; the SMC has
        // this expectation at every position.
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let lengths: Vec<f64> = (0..4_000)
            .map(|_| {
                let mut tree = Genealogy::coalescent(10, &mut rng);
                // Distances between recombinations are exponential with the tree length as rate, so
                // the walk weights each tree by the distance that it spans.
                let mut length = tree.length();
                let mut distance = exponential(tree.length(), &mut rng);
                while distance < 2.0 {
                    let point = tree.random_point(&mut rng);
                    tree.recombine(point, &mut rng);
                    length = tree.length();
                    distance += exponential(length, &mut rng);
                }
                length
            })
            .collect();
        let mean_length = mean(&lengths);
        assert!((mean_length - 5.658).abs() < 0.15, "{mean_length}");
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
            let observed = counts
                .iter()
                .filter(|count| (low..=high).contains(*count))
                .count() as f64
                / counts.len() as f64;
            assert!(
                (observed / expected - 1.0).abs() < 0.25,
                "{low}-{high}: {observed} for {expected}"
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
        let share_of_c = share_of_base(&bases, b'C');
        let share_of_g = share_of_base(&bases, b'G');
        let gc = share_of_c + share_of_g;
        // Observed over expected number of CpG.
        let cpg = bases.windows(2).filter(|pair| *pair == b"CG").count() as f64
            / bases.len() as f64
            / (share_of_c * share_of_g);
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
            assert_eq!(
                reference[..],
                panel.bases[site.start0().get()..site.end0().get()]
            );
            assert!(reference[0] == alternate[0] && reference.last() != alternate.last());
            assert!((1..=MAX_INDEL_NT).contains(&reference.len().abs_diff(alternate.len())));
        }
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    fn share_of_base(bases: &[u8], base: u8) -> f64 {
        let indicators = bases.iter().map(|&b| f64::from(u8::from(b == base)));
        indicators.sum::<f64>() / bases.len() as f64
    }
}
