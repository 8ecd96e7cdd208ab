//! Builds the distinct haplotypes of a locus from edits and their carriers.
//!
//! A table has each distinct haplotype once, and a sample has two indices into it. An edit moves
//! only its carriers to another entry. Memory thus grows with the number of distinct haplotypes,
//! and time with the number of carried alleles.

use super::{
    ABSENT_HAPLOTYPE, LocusHaplotypes, Reason,
    builder::{Builder, Clash, Due, Queue, Star, number_of},
    haplotype::{Edit, OrderedEdit},
    mask::Masks,
    policies::{Encoding, Overlap},
    sequence_numbers::{SequenceNumbers, SortedEdits},
};
use gf_genotypes::{Locus, Position0, Position1};

/// One of the distinct haplotypes so far.
#[derive(Clone, Default)]
struct Distinct {
    edits: Vec<u32>,
    /// Reference bases before this one cannot change any more.
    frozen_end0: Position0,
    /// The last edit added more bases than it replaced.
    inserted_last: bool,
    /// Number of sample haplotypes that are this one.
    n_holders: u32,
}

impl Distinct {
    /// Whether `bcftools consensus` would skip the edit (`apply_variant` of bcftools 1.24): at the
    /// last frozen base only an indel that starts after it may follow.
    fn excludes_by_bcftools_rules(&self, ordered: &OrderedEdit) -> bool {
        let start0 = ordered.position.to_zero_based();
        start0 < self.frozen_end0
            && (start0 + 1 < self.frozen_end0 || !ordered.is_anchored_indel() || self.inserted_last)
    }
}

/// The effect of the current edit on those of its carriers that share one haplotype.
#[derive(Clone, Copy, Default)]
struct Move {
    n_moving: u32,
    /// The haplotype with the edit, or the reason why the edit does not fit. `None` until the first
    /// carrier is moved.
    target: Option<Result<u32, Reason>>,
}

/// Builds the haplotypes of one locus for all samples, record by record.
pub struct HaplotypeBuilder {
    overlap: Overlap,
    distinct: Vec<Distinct>,
    edits: Vec<Edit>,
    /// Index into `distinct` of haplotype `2 * sample + (0 or 1)`.
    distinct_of: Vec<u32>,
    /// Samples whose second haplotype is absent.
    absent: Vec<bool>,
    queue: Queue,
    /// One per distinct haplotype. A buffer: all are the default between edits.
    moves: Vec<Move>,
    /// Indices of the [`Self::moves`] that differ from the default.
    moved: Vec<u32>,
    clashes: Vec<Clash>,
}

impl HaplotypeBuilder {
    /// Starts all samples as the reference.
    #[must_use]
    pub fn new(overlap: Overlap, n_samples: usize) -> Self {
        Self {
            overlap,
            distinct: vec![Distinct {
                n_holders: 2 * n_samples as u32,
                ..Distinct::default()
            }],
            edits: Vec::new(),
            distinct_of: vec![0; 2 * n_samples],
            absent: vec![false; n_samples],
            queue: Queue::default(),
            moves: Vec::new(),
            moved: Vec::new(),
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
        for allele in carriers {
            let edits = &self.distinct[self.distinct_of[allele as usize] as usize].edits;
            let is_covered = edits
                .iter()
                .rev()
                .map(|&edit| &self.edits[edit as usize])
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

    /// Moves the carriers of an edit to the haplotypes that have it.
    fn apply(&mut self, ordered: &OrderedEdit, carriers: &[u32]) {
        self.moves.resize(self.distinct.len(), Move::default());
        for &haplotype in carriers {
            self.moves[self.distinct_of[haplotype as usize] as usize].n_moving += 1;
        }
        for &haplotype in carriers {
            match self.target(self.distinct_of[haplotype as usize], ordered) {
                Ok(to) => self.distinct_of[haplotype as usize] = to,
                Err(reason) => self.clashes.push(Clash {
                    allele: haplotype,
                    position: ordered.position,
                    reason,
                }),
            }
        }
        for from in self.moved.drain(..) {
            self.moves[from as usize] = Move::default();
        }
    }

    /// The new haplotype of an edit's carriers that had haplotype `from`, or the reason why the
    /// edit does not fit. It is computed for the first carrier and looked up for the others.
    fn target(&mut self, from: u32, ordered: &OrderedEdit) -> Result<u32, Reason> {
        let known = self.moves[from as usize];
        known.target.unwrap_or_else(|| {
            let target = match self.clash(from, ordered) {
                Some(reason) => Err(reason),
                None => Ok(self.extend(from, known.n_moving, ordered)),
            };
            self.moves[from as usize].target = Some(target);
            self.moved.push(from);
            target
        })
    }

    /// The reason why a haplotype cannot take an edit; `None` if it can.
    fn clash(&self, from: u32, ordered: &OrderedEdit) -> Option<Reason> {
        let haplotype = &self.distinct[from as usize];
        let new = &ordered.edit;
        let last = haplotype
            .edits
            .last()
            .map(|&last| &self.edits[last as usize]);
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

    /// Adds an edit to haplotype `from` for `n_moving` of its holders; returns the new haplotype.
    ///
    /// If all holders move, the entry is changed in place.
    fn extend(&mut self, from: u32, n_moving: u32, ordered: &OrderedEdit) -> u32 {
        let edit = (!ordered.edit.is_nothing()).then(|| number_of(&mut self.edits, &ordered.edit));
        let old = &mut self.distinct[from as usize];
        old.n_holders -= n_moving;
        let to = if old.n_holders == 0 {
            from
        } else {
            let copy = old.clone();
            self.distinct.push(copy);
            self.distinct.len() as u32 - 1
        };
        let haplotype = &mut self.distinct[to as usize];
        haplotype.n_holders = n_moving;
        haplotype.edits.extend(edit);
        haplotype.inserted_last = ordered.adds_bases();
        haplotype.frozen_end0 = match self.overlap {
            Overlap::Canonical => ordered.edit.end0,
            Overlap::Bcftools => ordered.record_end0,
        };
        to
    }
}

impl Builder for HaplotypeBuilder {
    fn set_absent(&mut self, sample: usize) -> bool {
        !std::mem::replace(&mut self.absent[sample], true)
    }

    fn add(&mut self, edit: OrderedEdit, carriers: Vec<u32>) {
        match self.overlap {
            Overlap::Canonical => self.queue.push(edit, carriers),
            Overlap::Bcftools => self.apply(&edit, &carriers),
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
                    .for_each(|carriers| self.apply(&edit, carriers)),
                Due::Star(star) => self.log_star(star),
            }
        }
        std::mem::take(&mut self.clashes)
    }

    fn finish(
        self: Box<Self>,
        locus: Locus,
        contig_len_nt: Option<usize>,
        masks: Masks,
        reference: Vec<u8>,
    ) -> LocusHaplotypes {
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
            let number = number_of[distinct as usize].unwrap_or_else(|| {
                let edits: Vec<u32> = self.distinct[distinct as usize]
                    .edits
                    .iter()
                    .map(|&edit| sorted.new_number[edit as usize])
                    .collect();
                numbering.number(&edits)
            });
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
    use super::*;
    use gf_genotypes::Strand;

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
        let locus = Locus {
            name: "golden".into(),
            contig: "chr1".into(),
            start0: Position0::new(0),
            end0: Position0::new(30),
            strand: Strand::Forward,
        };
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
        let built = Box::new(builder).finish(locus, None, Masks::default(), REFERENCE.to_vec());
        Built {
            bases: String::from_utf8(built.bases(built.pairs[0][0])).unwrap(),
            reasons,
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
}
