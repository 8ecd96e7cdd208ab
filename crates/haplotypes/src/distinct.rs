//! Builds the distinct haplotypes of a locus from edits and their carriers.
//!
//! A table has each distinct haplotype once, and a sample has two indices into it. An edit moves
//! only its carriers to another entry. Memory thus grows with the number of distinct haplotypes,
//! and time with the number of carried alleles.
//!
//! Most edits cannot clash with another one, because they start after the end of all earlier ones.
//! Up to 64 of these form a [`Batch`]: a carrier then costs one bit, and each haplotype is moved
//! once per batch.

use rustc_hash::FxHashMap;

use super::{
    ABSENT_HAPLOTYPE, LocusHaplotypes, Reason,
    builder::{Builder, Clash, Due, Queue, Star, number_of},
    haplotype::{Edit, OrderedEdit},
    mask::Masks,
    policies::{Encoding, Overlap},
    sequence_numbers::{SequenceNumbers, SortedEdits},
};
use gf_genotypes::{Locus, Position0, Position1};

/// No edit: the haplotype is the reference.
const REFERENCE: u32 = u32::MAX;

/// Edits of one [`Batch`] that a haplotype has, linked to its earlier edits.
///
/// Haplotypes share their first edits, so that more edits cost one link for any number of carriers.
#[derive(Clone, Copy)]
struct Link {
    /// Index in [`EditChains::edits`] of the edit that bit 0 of `carried` is about.
    first: u32,
    /// Index of the link with the edits before these, or [`REFERENCE`].
    previous: u32,
    /// Bit `i`: the haplotype has edit `first + i`. At least one bit is set.
    carried: u64,
}

impl Link {
    /// Indices into [`EditChains::edits`], the last one first.
    fn backwards(self) -> impl Iterator<Item = u32> {
        let highest = std::iter::successors(Some(self.carried), |&left| Some(left ^ top_bit(left)));
        highest
            .take_while(|&left| left != 0)
            .map(move |left| self.first + left.ilog2())
    }
}

/// The highest bit that is set; 0 if none is.
fn top_bit(bits: u64) -> u64 {
    bits.checked_ilog2().map_or(0, |highest| 1 << highest)
}

/// The edits of all haplotypes, as linked lists that begin with the last edits.
#[derive(Default)]
struct EditChains {
    /// Numbers of the edits, in the order in which they were applied.
    edits: Vec<u32>,
    links: Vec<Link>,
}

impl EditChains {
    /// Adds edits that haplotypes may have from now on; returns the index of the first one.
    fn add_edits(&mut self, numbers: &[u32]) -> u32 {
        let first = self.edits.len() as u32;
        self.edits.extend_from_slice(numbers);
        first
    }

    /// Adds a link after the chain that it states; returns the new chain.
    fn push(&mut self, link: Link) -> u32 {
        self.links.push(link);
        self.links.len() as u32 - 1
    }

    /// Numbers of the edits of a chain, the last one first.
    fn backwards(&self, chain: u32) -> impl Iterator<Item = u32> {
        let last = self.links.get(chain as usize);
        std::iter::successors(last, |link| self.links.get(link.previous as usize))
            .flat_map(|link| link.backwards())
            .map(|edit| self.edits[edit as usize])
    }
}

/// Edits that start after the end of all earlier ones, and their carriers.
struct Batch {
    /// Numbers of the edits, at most [`Self::SIZE`].
    edits: Vec<u32>,
    /// Of each sample haplotype: bit `i` means that it has `edits[i]`.
    carried: Vec<u64>,
}

impl Batch {
    const SIZE: usize = u64::BITS as usize;

    fn push(&mut self, edit: u32, carriers: &[u32]) {
        let bit = 1 << self.edits.len();
        self.edits.push(edit);
        for &haplotype in carriers {
            self.carried[haplotype as usize] |= bit;
        }
    }

    fn is_full(&self) -> bool {
        self.edits.len() == Self::SIZE
    }
}

/// One of the distinct haplotypes so far.
#[derive(Clone, Copy)]
struct Distinct {
    /// Its edits in [`EditChains`].
    chain: u32,
    /// Number of sample haplotypes that are this one.
    n_holders: u32,
    /// By bcftools' rules: reference bases before this one cannot change any more.
    frozen_end0: Position0,
    /// By bcftools' rules: the last edit added more bases than it replaced.
    inserted_last: bool,
}

impl Distinct {
    fn reference(n_holders: u32) -> Self {
        Self {
            chain: REFERENCE,
            n_holders,
            frozen_end0: Position0::default(),
            inserted_last: false,
        }
    }

    /// Whether `bcftools consensus` would skip the edit (`apply_variant` of bcftools 1.24): at the
    /// last frozen base only an indel that starts after it may follow.
    fn excludes_by_bcftools_rules(&self, ordered: &OrderedEdit) -> bool {
        let start0 = ordered.position.to_zero_based();
        start0 < self.frozen_end0
            && (start0 + 1 < self.frozen_end0 || !ordered.is_anchored_indel() || self.inserted_last)
    }
}

/// Builds the haplotypes of one locus for all samples, record by record.
pub struct HaplotypeBuilder {
    overlap: Overlap,
    distinct: Vec<Distinct>,
    /// Indices into `distinct` of haplotypes that no sample has any more.
    unused: Vec<u32>,
    chains: EditChains,
    batch: Batch,
    /// The largest end of all edits.
    last_end0: Position0,
    edits: Vec<Edit>,
    /// Index into `distinct` of haplotype `2 * sample + (0 or 1)`.
    distinct_of: Vec<u32>,
    /// Samples whose second haplotype is absent.
    absent: Vec<bool>,
    queue: Queue,
    clashes: Vec<Clash>,
}

impl HaplotypeBuilder {
    /// Starts all samples as the reference.
    #[must_use]
    pub fn new(overlap: Overlap, n_samples: usize) -> Self {
        Self {
            overlap,
            distinct: vec![Distinct::reference(2 * n_samples as u32)],
            unused: Vec::new(),
            chains: EditChains::default(),
            batch: Batch {
                edits: Vec::new(),
                carried: vec![0; 2 * n_samples],
            },
            last_end0: Position0::default(),
            edits: Vec::new(),
            distinct_of: vec![0; 2 * n_samples],
            absent: vec![false; n_samples],
            queue: Queue::default(),
            clashes: Vec::new(),
        }
    }

    /// Logs whether a deletion covers the base of each `*`.
    fn log_star(
        &mut self,
        Star {
            start0,
            position,
            carriers,
        }: Star,
    ) {
        self.apply_batch();
        for allele in carriers {
            let haplotype = &self.distinct[self.distinct_of[allele as usize] as usize];
            let is_covered = self
                .chains
                .backwards(haplotype.chain)
                .map(|edit| &self.edits[edit as usize])
                .take_while(|edit| edit.end0 > start0)
                .any(|edit| edit.start0 <= start0 && edit.alt.len() < edit.end0 - edit.start0);
            let reason = if is_covered {
                Reason::SpanningDeletion
            } else {
                Reason::StarWithoutDeletion
            };
            self.clashes.push(Clash {
                allele,
                position,
                reason,
            });
        }
    }

    /// Applies an edit to its carriers, now or together with a batch.
    fn add_edit(&mut self, ordered: &OrderedEdit, carriers: &[u32]) {
        let edit = &ordered.edit;
        let may_clash = edit.start0 < self.last_end0
            || (edit.start0 == self.last_end0 && (edit.is_insertion() || edit.is_deletion()));
        self.last_end0 = self.last_end0.max(edit.end0);
        if may_clash || edit.is_nothing() || self.overlap == Overlap::Bcftools {
            self.apply_batch();
            self.apply(ordered, carriers);
            return;
        }
        let number = number_of(&mut self.edits, edit);
        self.batch.push(number, carriers);
        if self.batch.is_full() {
            self.apply_batch();
        }
    }

    /// Moves the carriers of the edits of the batch to the haplotypes that have these, and empties
    /// the batch.
    fn apply_batch(&mut self) {
        if self.batch.edits.is_empty() {
            return;
        }
        let first = self.chains.add_edits(&self.batch.edits);
        self.batch.edits.clear();
        let mut targets: FxHashMap<(u32, u64), u32> = FxHashMap::default();
        for haplotype in 0..self.distinct_of.len() {
            let carried = std::mem::take(&mut self.batch.carried[haplotype]);
            if carried == 0 {
                continue;
            }
            let from = self.distinct_of[haplotype];
            let target = *targets
                .entry((from, carried))
                .or_insert_with(|| self.extend_by_batch(from, first, carried));
            self.move_to(haplotype, target);
        }
    }

    /// Gives a sample haplotype another entry of the table.
    fn move_to(&mut self, haplotype: usize, target: u32) {
        let from = std::mem::replace(&mut self.distinct_of[haplotype], target);
        self.distinct[target as usize].n_holders += 1;
        let left = &mut self.distinct[from as usize];
        left.n_holders -= 1;
        if left.n_holders == 0 {
            self.unused.push(from);
        }
    }

    /// Adds edits of a batch to a copy of haplotype `from`; returns the new haplotype, without
    /// holders.
    fn extend_by_batch(&mut self, from: u32, first: u32, carried: u64) -> u32 {
        let chain = self.chains.push(Link {
            first,
            previous: self.distinct[from as usize].chain,
            carried,
        });
        // By bcftools' rules, which need the other fields, there is no batch.
        self.add_distinct(Distinct {
            chain,
            ..Distinct::reference(0)
        })
    }

    /// Moves the carriers of an edit to the haplotypes that have it.
    fn apply(&mut self, ordered: &OrderedEdit, carriers: &[u32]) {
        // The haplotype with the edit, or the reason why it does not fit, for each haplotype
        // without it.
        let mut targets: FxHashMap<u32, Result<u32, Reason>> = FxHashMap::default();
        for &haplotype in carriers {
            let from = self.distinct_of[haplotype as usize];
            let target = *targets
                .entry(from)
                .or_insert_with(|| self.target(from, ordered));
            match target {
                Ok(target) => self.move_to(haplotype as usize, target),
                Err(reason) => self.clashes.push(Clash {
                    allele: haplotype,
                    position: ordered.position,
                    reason,
                }),
            }
        }
    }

    /// The haplotype that `from` becomes by an edit, or the reason why the edit does not fit.
    fn target(&mut self, from: u32, ordered: &OrderedEdit) -> Result<u32, Reason> {
        match self.clash(from, ordered) {
            Some(reason) => Err(reason),
            None => Ok(self.extend(from, ordered)),
        }
    }

    /// The reason why a haplotype cannot take an edit; `None` if it can.
    fn clash(&self, from: u32, ordered: &OrderedEdit) -> Option<Reason> {
        let haplotype = &self.distinct[from as usize];
        let new = &ordered.edit;
        let last_edit = self.chains.backwards(haplotype.chain).next();
        let last = last_edit.map(|last| &self.edits[last as usize]);
        let overlaps = match self.overlap {
            Overlap::Canonical => last.is_some_and(|last| last.excludes(new)),
            Overlap::Bcftools => haplotype.excludes_by_bcftools_rules(ordered),
        };
        if !overlaps {
            return None;
        }
        Some(match last {
            Some(last) if last == new => Reason::Duplicate,
            Some(last)
                if last.start0 == new.start0 && last.end0 == new.end0 && !new.is_insertion() =>
            {
                Reason::Conflict
            }
            _ => Reason::Overlap,
        })
    }

    /// Adds an edit to a copy of haplotype `from`; returns the new haplotype, without holders.
    fn extend(&mut self, from: u32, ordered: &OrderedEdit) -> u32 {
        let mut chain = self.distinct[from as usize].chain;
        if !ordered.edit.is_nothing() {
            let edit = number_of(&mut self.edits, &ordered.edit);
            let first = self.chains.add_edits(&[edit]);
            chain = self.chains.push(Link {
                first,
                previous: chain,
                carried: 1,
            });
        }
        self.add_distinct(Distinct {
            chain,
            n_holders: 0,
            frozen_end0: ordered.record_end0,
            inserted_last: ordered.adds_bases(),
        })
    }

    /// Adds a haplotype to the table; returns its index.
    fn add_distinct(&mut self, haplotype: Distinct) -> u32 {
        if let Some(to) = self.unused.pop() {
            self.distinct[to as usize] = haplotype;
            return to;
        }
        self.distinct.push(haplotype);
        self.distinct.len() as u32 - 1
    }

    /// The edits of a distinct haplotype in the order of [`SortedEdits`].
    fn sorted_edits(&self, distinct: u32, sorted: &SortedEdits) -> Vec<u32> {
        let chain = self.distinct[distinct as usize].chain;
        let mut edits: Vec<u32> = self
            .chains
            .backwards(chain)
            .map(|edit| sorted.new_number[edit as usize])
            .collect();
        edits.reverse();
        edits
    }
}

impl Builder for HaplotypeBuilder {
    fn set_absent(&mut self, sample: usize) -> bool {
        !std::mem::replace(&mut self.absent[sample], true)
    }

    fn add(&mut self, edit: OrderedEdit, carriers: Vec<u32>) {
        match self.overlap {
            Overlap::Canonical => self.queue.push(edit, carriers),
            Overlap::Bcftools => self.add_edit(&edit, &carriers),
        }
    }

    fn add_stars(&mut self, start0: Position0, position: Position1, carriers: Vec<u32>) {
        self.queue.push_star(Star {
            start0,
            position,
            carriers,
        });
    }

    fn settle_before(&mut self, start0: Position0) -> Vec<Clash> {
        while let Some(due) = self.queue.pop_before(start0) {
            match due {
                Due::Edit(edit, records) => records
                    .iter()
                    .for_each(|carriers| self.add_edit(&edit, carriers)),
                Due::Star(star) => self.log_star(star),
            }
        }
        std::mem::take(&mut self.clashes)
    }

    fn finish(
        mut self: Box<Self>,
        locus: Locus,
        contig_len_nt: Option<usize>,
        masks: Masks,
        reference: Vec<u8>,
    ) -> LocusHaplotypes {
        self.apply_batch();
        // By bcftools' rules edits come in the order of the file, which need not be that of
        // position.
        let sorted = SortedEdits::new(&self.edits);
        let mut numbering = SequenceNumbers::new(&reference, locus.start0, &sorted.edits);
        let mut number_of: Vec<Option<u32>> = vec![None; self.distinct.len()];
        let mut numbers = Vec::with_capacity(self.distinct_of.len());
        for (haplotype, &distinct) in self.distinct_of.iter().enumerate() {
            if haplotype % 2 == 1 && self.absent[haplotype / 2] {
                numbers.push(ABSENT_HAPLOTYPE);
                continue;
            }
            let number = number_of[distinct as usize]
                .unwrap_or_else(|| numbering.number(&self.sorted_edits(distinct, &sorted)));
            number_of[distinct as usize] = Some(number);
            numbers.push(number);
        }
        let pairs = numbers
            .chunks_exact(2)
            .map(|pair| [pair[0], pair[1]])
            .collect();
        let distinct = numbering.finish();
        LocusHaplotypes {
            locus,
            contig_len_nt,
            masks,
            encoding: Encoding::Haplotype,
            reference,
            edits: distinct.edits,
            haplotypes: distinct.haplotypes,
            pairs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::haplotype::splice, *};
    use gf_genotypes::Strand;
    use proptest::prelude::*;

    const REFERENCE: &[u8] = b"ACGTACGTACGTACGTACGTACGTACGTAC";

    /// Haplotype 1 of one sample, and the reasons of the alleles that it lacks.
    #[derive(Debug, PartialEq)]
    struct Built {
        bases: String,
        reasons: Vec<Reason>,
    }

    /// Applies records (POS, REF, ALT), all on haplotype 1, to a contig of 30 nt. The expected
    /// bases are those of bcftools 1.24 `consensus -s S1 -H 1`.
    fn h1(overlap: Overlap, records: &[(usize, &str, &str)]) -> Built {
        let mut builder = HaplotypeBuilder::new(overlap, 1);
        let mut reasons = Vec::new();
        for (position, r, a) in records {
            let position = Position1::new(*position).unwrap();
            let start0 = position.to_zero_based();
            reasons.extend(
                builder
                    .settle_before(start0)
                    .into_iter()
                    .map(|clash| clash.reason),
            );
            if let Some(edit) = Edit::canonical(start0, r.as_bytes(), a.as_bytes()) {
                let ordered = OrderedEdit {
                    edit,
                    uncut_start0: start0,
                    by_policy: false,
                    position,
                    record_end0: start0 + r.len(),
                    ref_allele: r.as_bytes().into(),
                    alt_allele: a.as_bytes().into(),
                };
                builder.add(ordered, vec![0]);
            }
        }
        reasons.extend(
            builder
                .settle_before(Position0::MAX)
                .into_iter()
                .map(|clash| clash.reason),
        );
        let built =
            Box::new(builder).finish(golden_locus(), None, Masks::default(), REFERENCE.to_vec());
        Built {
            bases: String::from_utf8(built.bases(built.pairs[0][0])).unwrap(),
            reasons,
        }
    }

    fn golden_locus() -> Locus {
        Locus {
            name: "golden".into(),
            contig: "chr1".into(),
            start0: Position0::new(0),
            end0: Position0::new(REFERENCE.len()),
            strand: Strand::Forward,
        }
    }

    fn canonical_h1(records: &[(usize, &str, &str)]) -> Built {
        h1(Overlap::Canonical, records)
    }

    fn starts(records: &[(usize, &str, &str)], expected: &str) {
        for overlap in [Overlap::Canonical, Overlap::Bcftools] {
            let built = h1(overlap, records);
            assert!(built.bases.starts_with(expected), "{records:?}: {built:?}");
            assert!(built.reasons.is_empty(), "{records:?}: {built:?}");
        }
    }

    #[test]
    fn neighbouring_alleles_are_all_applied() {
        starts(&[(5, "AC", "A"), (7, "G", "T")], "ACGTATTACG");
        starts(&[(5, "ACG", "A"), (7, "G", "GTT")], "ACGTATTTACG");
        starts(&[(5, "A", "G"), (5, "A", "ATT")], "ACGTGTTCGT");
        starts(&[(5, "A", "G"), (5, "ACG", "A")], "ACGTGTACG");
        starts(&[(5, "A", "ATT"), (6, "C", "CGG")], "ACGTATTCGGGT");
        starts(&[(5, "ACG", "TTT")], "ACGTTTTTACG");
        starts(&[(5, "ACG", "TT")], "ACGTTTTACG");
        starts(&[(1, "AC", "C")], "CGTACG");
        starts(&[(1, "A", "TTA")], "TTACGT");
    }

    #[test]
    fn the_order_of_records_at_one_position_does_not_matter() {
        assert!(
            canonical_h1(&[(5, "A", "ATT"), (5, "A", "G")])
                .bases
                .starts_with("ACGTGTTCGT")
        );
        assert!(
            canonical_h1(&[(5, "ACG", "A"), (5, "A", "G")])
                .bases
                .starts_with("ACGTGTACG")
        );
        assert_eq!(
            canonical_h1(&[(5, "A", "ATT"), (5, "ACG", "A")]),
            canonical_h1(&[(5, "ACG", "A"), (5, "A", "ATT")])
        );
    }

    #[test]
    fn the_order_of_the_file_decides_where_bcftools_is_followed() {
        let built = h1(Overlap::Bcftools, &[(5, "A", "ATT"), (5, "A", "G")]);
        assert!(built.bases.starts_with("ACGTATTCGT"), "{built:?}");
        assert_eq!(built.reasons, [Reason::Overlap]);
    }

    #[test]
    fn an_overlap_is_skipped_and_told() {
        assert_eq!(
            canonical_h1(&[(5, "ACG", "A"), (6, "C", "T")]),
            Built {
                bases: "ACGTATACGTACGTACGTACGTACGTAC".into(),
                reasons: vec![Reason::Overlap]
            }
        );
        assert_eq!(
            canonical_h1(&[(5, "ACGT", "A"), (7, "GTA", "G")]).reasons,
            [Reason::Overlap]
        );
        assert_eq!(
            canonical_h1(&[(5, "A", "ATT"), (5, "A", "AGG")]).reasons,
            [Reason::Overlap]
        );
        assert_eq!(
            canonical_h1(&[(5, "A", "G"), (5, "A", "T")]).reasons,
            [Reason::Conflict]
        );
        let repeated = canonical_h1(&[(5, "A", "G"), (5, "A", "G")]);
        assert!(repeated.bases.starts_with("ACGTG"));
        assert_eq!(repeated.reasons, [Reason::Duplicate]);
    }

    #[test]
    fn a_star_is_told_apart_by_the_deletion_that_should_cover_it() {
        let mut builder = HaplotypeBuilder::new(Overlap::Canonical, 1);
        let edit = Edit::canonical(Position0::new(4), b"ACG", b"A").unwrap();
        let deletion = OrderedEdit {
            edit,
            uncut_start0: Position0::new(5),
            by_policy: false,
            position: Position1::new(5).unwrap(),
            record_end0: Position0::new(7),
            ref_allele: b"ACG".into(),
            alt_allele: b"A".into(),
        };
        builder.add(deletion, vec![0]);
        let star = Position1::new(6).unwrap();
        builder.add_stars(star.to_zero_based(), star, vec![0, 1]);
        let reasons: Vec<Reason> = builder
            .settle_before(Position0::new(100))
            .into_iter()
            .map(|clash| clash.reason)
            .collect();
        assert_eq!(
            reasons,
            [Reason::SpanningDeletion, Reason::StarWithoutDeletion]
        );
    }

    const BASES: [&[u8]; 4] = [b"", b"A", b"C", b"GT"];
    const N_SAMPLES: usize = 5;

    /// An edit (start, length, number of new bases) and whether each haplotype carries it.
    type DrawnEdit = ((usize, usize, usize), Vec<bool>);

    fn drawn_edits() -> impl Strategy<Value = Vec<DrawnEdit>> {
        let edit = (0_usize..REFERENCE.len(), 0_usize..3, 0..BASES.len());
        let carriers = proptest::collection::vec(proptest::bool::ANY, 2 * N_SAMPLES);
        proptest::collection::vec((edit, carriers), 0..40)
    }

    /// All edits of a haplotype, one after the other, without those that an earlier one excludes.
    fn bases_one_by_one(edits: &[OrderedEdit]) -> Vec<u8> {
        let mut applied: Vec<&Edit> = Vec::new();
        for ordered in edits {
            if applied
                .last()
                .is_none_or(|last| !last.excludes(&ordered.edit))
            {
                applied.push(&ordered.edit);
            }
        }
        splice(REFERENCE, Position0::new(0), applied)
    }

    proptest! {
        #[test]
        fn batches_of_edits_give_the_bases_of_edits_one_by_one(drawn in drawn_edits()) {
            let mut edits: Vec<(OrderedEdit, Vec<bool>)> = drawn
                .into_iter()
                .filter_map(|((start0, len, alt), carried)| {
                    let end0 = (start0 + len).min(REFERENCE.len());
                    let edit = Edit {
                        start0: Position0::new(start0),
                        end0: Position0::new(end0),
                        alt: BASES[alt].to_vec(),
                    };
                    (!edit.is_nothing()).then(|| (ordered_by_start(edit), carried))
                })
                .collect();
            edits.sort_by(|(one, _), (other, _)| one.cmp(other));
            let mut builder = HaplotypeBuilder::new(Overlap::Canonical, N_SAMPLES);
            for (ordered, carried) in &edits {
                let haplotypes = (0..2 * N_SAMPLES as u32).filter(|&h| carried[h as usize]);
                builder.add(ordered.clone(), haplotypes.collect());
            }
            builder.settle_before(Position0::new(usize::MAX));
            let built = Box::new(builder)
                .finish(golden_locus(), None, Masks::default(), REFERENCE.to_vec());
            for haplotype in 0..2 * N_SAMPLES {
                let of_haplotype: Vec<OrderedEdit> = edits
                    .iter()
                    .filter(|(_, carried)| carried[haplotype])
                    .map(|(ordered, _)| ordered.clone())
                    .collect();
                let number = built.pairs[haplotype / 2][haplotype % 2];
                prop_assert_eq!(built.bases(number), bases_one_by_one(&of_haplotype));
            }
        }
    }

    fn ordered_by_start(edit: Edit) -> OrderedEdit {
        OrderedEdit {
            uncut_start0: edit.start0,
            by_policy: false,
            position: edit.start0.to_one_based(),
            record_end0: edit.end0,
            ref_allele: REFERENCE[edit.start0.get()..edit.end0.get()].into(),
            alt_allele: edit.alt.clone(),
            edit,
        }
    }
}
