//! Builds the distinct genotype sequences of a locus from edits and their carriers.
//!
//! The state of a sample is the list of its edits with their copies. Samples share most of these
//! lists, so the states are nodes of a trie: one step per edit and copy number, computed once for
//! all samples in the same state.

use std::collections::{BTreeMap, HashMap};

use super::{
    super::{
        ABSENT_HAPLOTYPE, LocusHaplotypes, Reason,
        builder::{Builder, Clash, Due, Queue, Star, number_of},
        haplotype::{Edit, OrderedEdit},
        mask::Masks,
        policies::Encoding,
    },
    Change, DiploidChange, changes, symbol,
};
use gf_genotypes::{Locus, Position0, Position1, Range0};

/// A state of the trie: the edits of the parent and some copies of one edit more.
struct Node {
    parent: u32,
    edit: u32,
    copies: u8,
    /// No edit up to this one changes a base at or after this offset into the locus.
    reach: u32,
}

/// The state without edits.
const ROOT: u32 = 0;

/// The state after a call, and the copies that could not be applied.
#[derive(Clone, Copy)]
struct Step {
    node: u32,
    n_overlaps: u8,
    n_duplicates: u8,
}

/// Builds the genotype symbols of one locus for all samples, record by record.
pub struct DiploidBuilder {
    /// First base of the locus.
    first0: Position0,
    nodes: Vec<Node>,
    edits: Vec<Edit>,
    /// Node of each sample.
    states: Vec<u32>,
    haploid: Vec<bool>,
    queue: Queue,
    clashes: Vec<Clash>,
}

impl DiploidBuilder {
    /// Starts all samples as the reference, at a locus whose first base is `first0`.
    #[must_use]
    pub fn new(first0: Position0, n_samples: usize) -> Self {
        let root = Node {
            parent: ROOT,
            edit: u32::MAX,
            copies: 0,
            reach: 0,
        };
        Self {
            first0,
            nodes: vec![root],
            edits: Vec::new(),
            states: vec![ROOT; n_samples],
            haploid: vec![false; n_samples],
            queue: Queue::default(),
            clashes: Vec::new(),
        }
    }

    /// Applies one edit to its carriers, as one record states them. `position` is its POS.
    fn apply(&mut self, edit: u32, position: Position1, carriers: &[u32]) {
        let changes = changes(&self.edits[edit as usize], self.first0);
        let mut steps: HashMap<(u32, u8), Step> = HashMap::new();
        for alleles in carriers.chunk_by(|a, b| a / 2 == b / 2) {
            let sample = (alleles[0] / 2) as usize;
            let is_haploid = self.haploid[sample];
            // The one allele of a haploid sample takes both slots of a position.
            let n_copies = if is_haploid { 2 } else { alleles.len() as u8 };
            let from = self.states[sample];
            let step = match steps.get(&(from, n_copies)) {
                Some(&known) => known,
                None => *steps
                    .entry((from, n_copies))
                    .or_insert(self.step(from, edit, n_copies, &changes)),
            };
            self.states[sample] = step.node;
            for (n_left_out, reason) in [
                (step.n_overlaps, Reason::Overlap),
                (step.n_duplicates, Reason::Duplicate),
            ] {
                let n_alleles = if is_haploid {
                    n_left_out / 2
                } else {
                    n_left_out
                };
                self.clashes.extend((0..n_alleles).map(|_| Clash {
                    allele: alleles[0],
                    position,
                    reason,
                }));
            }
        }
    }

    /// Adds `copies` copies of an edit to a state, or as many of them as fit.
    ///
    /// `changes` are those of the edit. Copies that the state has already are duplicates.
    fn step(&mut self, node: u32, edit: u32, copies: u8, changes: &[(Position0, Change)]) -> Step {
        let n_duplicates = copies.min(self.copies_of(node, edit));
        let [(first0, _), ..] = changes else {
            return Step {
                node,
                n_overlaps: 0,
                n_duplicates,
            };
        };
        let last0 = changes[changes.len() - 1].0;
        let present = self.changes_in(node, Range0::new(*first0, last0 + 1));
        let n_new = copies - n_duplicates;
        let n_fitting = (1..=n_new)
            .rev()
            .find(|&n_copies| fits(&present, changes, n_copies))
            .unwrap_or(0);
        let n_overlaps = n_new - n_fitting;
        if n_fitting == 0 {
            return Step {
                node,
                n_overlaps,
                n_duplicates,
            };
        }
        let reach = self.nodes[node as usize]
            .reach
            .max((last0 + 1 - self.first0) as u32);
        self.nodes.push(Node {
            parent: node,
            edit,
            copies: n_fitting,
            reach,
        });
        Step {
            node: self.nodes.len() as u32 - 1,
            n_overlaps,
            n_duplicates,
        }
    }

    /// The nodes from this one back to the first edit.
    fn path(&self, node: u32) -> impl Iterator<Item = &Node> {
        std::iter::successors(Some(node), |&node| Some(self.nodes[node as usize].parent))
            .take_while(|&node| node != ROOT)
            .map(|node| &self.nodes[node as usize])
    }

    /// Copies of an edit that a state has already.
    fn copies_of(&self, node: u32, edit: u32) -> u8 {
        // Edits come in the order of position, so those at the same start are the last ones.
        let start0 = self.edits[edit as usize].start0;
        self.path(node)
            .take_while(|node| self.edits[node.edit as usize].start0 == start0)
            .filter(|node| node.edit == edit)
            .map(|node| node.copies)
            .sum()
    }

    /// The changes of a state at the positions of `range`.
    fn changes_in(&self, node: u32, range: Range0) -> BTreeMap<Position0, DiploidChange> {
        let mut changes_at: BTreeMap<Position0, DiploidChange> = BTreeMap::new();
        let first_offset = (range.start - self.first0) as u32;
        for node in self.path(node).take_while(|node| node.reach > first_offset) {
            for (position0, change) in changes(&self.edits[node.edit as usize], self.first0) {
                if range.contains(position0) {
                    let diploid = changes_at.entry(position0).or_default();
                    // It always fits, because `step` added only copies that did.
                    *diploid = diploid.and(change, node.copies).unwrap_or(*diploid);
                }
            }
        }
        changes_at
    }

    /// The symbols of a state that differ from the reference, ascending by position.
    fn symbols(&self, node: u32, reference: &[u8]) -> impl Iterator<Item = (Position0, u8)> {
        let window = Range0::with_len(self.first0, reference.len());
        self.changes_in(node, window)
            .into_iter()
            .filter_map(|(position0, change)| {
                let base = reference[position0 - self.first0];
                let letter = change.symbol(base);
                (letter != symbol(base, base)).then_some((position0, letter))
            })
    }

    /// The distinct sequences of all samples, in order of first appearance.
    fn distinct_sequences(&self, reference: &[u8]) -> DistinctSequences {
        let mut number_of_node: HashMap<u32, u32> = HashMap::new();
        let mut distinct = DistinctSequences::default();
        for &node in &self.states {
            let number = *number_of_node
                .entry(node)
                .or_insert_with(|| distinct.number(self.symbols(node, reference)));
            distinct.of_sample.push(number);
        }
        distinct
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
            let state = self.states[allele as usize / 2];
            let changes = self.changes_in(state, Range0::with_len(start0, 1));
            let is_covered = changes.values().any(|change| change.is_deleted());
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
}

/// Whether `n_copies` copies of all `changes` fit on top of the changes that are `present`.
fn fits(
    present: &BTreeMap<Position0, DiploidChange>,
    changes: &[(Position0, Change)],
    n_copies: u8,
) -> bool {
    changes.iter().all(|(position0, change)| {
        let here = present.get(position0).copied().unwrap_or_default();
        here.and(*change, n_copies).is_some()
    })
}

/// Distinct sequences, numbered in order of first appearance.
#[derive(Default)]
struct DistinctSequences {
    number_of_letter: BTreeMap<(Position0, u8), u32>,
    /// A sequence is the numbers of the letters that differ from the reference.
    number_of_sequence: HashMap<Vec<u32>, u32>,
    /// Sequence of each sample.
    of_sample: Vec<u32>,
}

impl DistinctSequences {
    fn number(&mut self, letters: impl Iterator<Item = (Position0, u8)>) -> u32 {
        let sequence: Vec<u32> = letters
            .map(|letter| {
                let next = self.number_of_letter.len() as u32;
                *self.number_of_letter.entry(letter).or_insert(next)
            })
            .collect();
        let next = self.number_of_sequence.len() as u32;
        *self.number_of_sequence.entry(sequence).or_insert(next)
    }
}

impl Builder for DiploidBuilder {
    /// One allele of the sample takes both slots of a position from now on. Must be called before
    /// its first edit.
    fn set_absent(&mut self, sample: usize) -> bool {
        !std::mem::replace(&mut self.haploid[sample], true)
    }

    /// Adds an edit; for missing alleles read as N it is N over the span of REF.
    fn add(&mut self, edit: OrderedEdit, carriers: Vec<u32>) {
        self.queue.push(edit, carriers);
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
                Due::Edit(ordered, records) => {
                    let edit = number_of(&mut self.edits, &ordered.edit);
                    for carriers in records {
                        self.apply(edit, ordered.position, &carriers);
                    }
                }
                Due::Star(star) => self.log_star(star),
            }
        }
        std::mem::take(&mut self.clashes)
    }

    /// Returns one sequence per sample; the second one is absent for all.
    fn finish(
        self: Box<Self>,
        locus: Locus,
        contig_len_nt: Option<usize>,
        masks: Masks,
        reference: Vec<u8>,
    ) -> LocusHaplotypes {
        let DistinctSequences {
            number_of_letter,
            number_of_sequence,
            of_sample,
        } = self.distinct_sequences(&reference);
        let pairs = of_sample
            .into_iter()
            .map(|number| [number, ABSENT_HAPLOTYPE])
            .collect();

        // Letters were numbered by first appearance; a dictionary has them in order of position.
        let mut edit_of_letter = vec![0; number_of_letter.len()];
        let mut edits = Vec::with_capacity(number_of_letter.len());
        for ((position0, letter), number) in number_of_letter {
            edit_of_letter[number as usize] = edits.len() as u32;
            edits.push(Edit {
                start0: position0,
                end0: position0 + 1,
                alt: vec![letter],
            });
        }
        let mut haplotypes = vec![Vec::new(); number_of_sequence.len()];
        for (mut letters, number) in number_of_sequence {
            for letter in &mut letters {
                *letter = edit_of_letter[*letter as usize];
            }
            haplotypes[number as usize] = letters;
        }
        LocusHaplotypes {
            locus,
            contig_len_nt,
            masks,
            encoding: Encoding::Diploid,
            reference,
            edits,
            haplotypes,
            pairs,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{
        super::{SYMBOLS, haploid_symbols},
        *,
    };
    use gf_genotypes::Strand;

    const REFERENCE: &str = "ACGTACGTACGTACGTACGTACGTACGTAC";

    /// POS, REF, ALT (comma-separated), GT.
    type Record<'a> = (usize, &'a str, &'a str, &'a str);

    /// The symbols of one sample, and the reasons of the alleles that they lack.
    #[derive(Debug, PartialEq)]
    struct Built {
        symbols: String,
        clashes: Vec<Reason>,
    }

    /// Builds the symbols of one sample at [`REFERENCE`].
    fn build(records: &[Record<'_>], missing_as_n: bool) -> Built {
        let mut builder = DiploidBuilder::new(Position0::new(0), 1);
        let mut clashes = Vec::new();
        for record in records {
            clashes.extend(reasons(builder.settle_before(Position0::new(record.0 - 1))));
            add_record(&mut builder, record, missing_as_n);
        }
        clashes.extend(reasons(builder.settle_before(Position0::MAX)));
        let locus = Locus {
            name: "golden".into(),
            contig: "chr1".into(),
            start0: Position0::new(0),
            end0: Position0::new(REFERENCE.len()),
            strand: Strand::Forward,
        };
        let reference = REFERENCE.as_bytes().to_vec();
        let built = Box::new(builder).finish(locus, None, Masks::default(), reference);
        assert_eq!(built.pairs, [[0, ABSENT_HAPLOTYPE]]);
        Built {
            symbols: String::from_utf8(built.bases(0)).unwrap(),
            clashes,
        }
    }

    fn reasons(clashes: Vec<Clash>) -> impl Iterator<Item = Reason> {
        clashes.into_iter().map(|clash| clash.reason)
    }

    fn add_record(builder: &mut DiploidBuilder, record: &Record<'_>, missing_as_n: bool) {
        let &(position, ref_allele, alts, genotype) = record;
        let alleles: Vec<&str> = genotype.split(['/', '|']).collect();
        if alleles.len() == 1 {
            builder.set_absent(0);
        }
        for (number, alt) in alts.split(',').enumerate() {
            let carriers = sides_with(&alleles, &(number + 1).to_string());
            if alt != "*"
                && !carriers.is_empty()
                && let Some(edit) = Edit::canonical(
                    Position0::new(position - 1),
                    ref_allele.as_bytes(),
                    alt.as_bytes(),
                )
            {
                builder.add(ordered_edit(position, ref_allele, alt, edit), carriers);
            }
        }
        let missing_sides = sides_with(&alleles, ".");
        if missing_as_n && !missing_sides.is_empty() {
            let edit = Edit {
                start0: Position0::new(position - 1),
                end0: Position0::new(position - 1 + ref_allele.len()),
                alt: vec![b'N'; ref_allele.len()],
            };
            builder.add(ordered_edit(position, ref_allele, "N", edit), missing_sides);
        }
    }

    fn ordered_edit(position: usize, ref_allele: &str, alt: &str, edit: Edit) -> OrderedEdit {
        OrderedEdit {
            edit,
            uncut_start0: Position0::new(position - 1),
            by_policy: false,
            position: Position1::new(position).unwrap(),
            record_end0: Position0::new(position - 1 + ref_allele.len()),
            ref_allele: ref_allele.as_bytes().into(),
            alt_allele: alt.as_bytes().into(),
        }
    }

    /// The haplotypes (0 or 1) of a call that have this allele.
    fn sides_with(alleles: &[&str], allele: &str) -> Vec<u32> {
        (0..alleles.len() as u32)
            .filter(|&side| alleles[side as usize] == allele)
            .collect()
    }

    /// Checks the first symbols of [`REFERENCE`], and that nothing clashes.
    #[track_caller]
    fn starts(records: &[Record<'_>], expected: &str) {
        clashes(records, expected, &[]);
    }

    /// Checks the first symbols and the clashes, with the alleles of each call in both orders.
    #[track_caller]
    fn clashes(records: &[Record<'_>], expected: &str, expected_clashes: &[Reason]) {
        for is_reversed in [false, true] {
            let genotypes: Vec<String> = records
                .iter()
                .map(|record| {
                    if is_reversed {
                        record.3.chars().rev().collect()
                    } else {
                        record.3.to_string()
                    }
                })
                .collect();
            let records: Vec<Record<'_>> = records
                .iter()
                .zip(&genotypes)
                .map(|(&(position, r, a, _), genotype)| (position, r, a, genotype.as_str()))
                .collect();
            let built = build(&records, true);
            assert_eq!(
                built.symbols,
                format!("{expected}{}", &REFERENCE[expected.len()..]),
                "{records:?}"
            );
            assert_eq!(built.clashes, expected_clashes, "{records:?}");
        }
    }

    #[test]
    fn one_genotype() {
        starts(&[(5, "A", "G", "0/0")], "ACGTA");
        starts(&[(5, "A", "G", "0/1")], "ACGTR");
        starts(&[(5, "A", "G", "0|1")], "ACGTR");
        starts(&[(5, "A", "G", "1/1")], "ACGTG");
        starts(&[(5, "A", "G,T", "1|2")], "ACGTK");
        starts(&[(5, "A", "G,T", "2/2")], "ACGTT");
    }

    #[test]
    fn missing_alleles_are_n_over_the_whole_ref_or_the_reference() {
        starts(&[(5, "A", "G", "./.")], "ACGTN");
        starts(&[(5, "ACG", "A", "./.")], "ACGTNNN");
        starts(&[(5, "A", "G", ".|1")], "ACGTg");
        starts(&[(5, "A", "G", "0|.")], "ACGTa");
        starts(&[(5, "ACG", "A", "./1")], "ACGTa55");
        starts(&[(5, "A", "G", ".")], "ACGTN");
        assert_eq!(build(&[(5, "A", "G", "./.")], false).symbols, REFERENCE);
        assert_eq!(
            &build(&[(5, "A", "G", "./1")], false).symbols[..6],
            "ACGTRC"
        );
    }

    #[test]
    fn a_haploid_call_is_the_single_letter() {
        starts(&[(5, "A", "G", "1")], "ACGTG");
        starts(&[(5, "A", "G", "0")], "ACGTA");
        starts(&[(5, "ACG", "A", "1"), (9, "A", "ATT", "1")], "ACGTAXXTB");
        clashes(
            &[(5, "ACG", "A", "1"), (6, "C", "T", "1")],
            "ACGTAXX",
            &[Reason::Overlap],
        );
        clashes(
            &[(5, "A", "G", "1"), (5, "A", "G", "1")],
            "ACGTG",
            &[Reason::Duplicate],
        );
    }

    #[test]
    fn alleles_of_every_kind() {
        starts(&[(5, "ACG", "A", "1/1")], "ACGTAXX");
        starts(&[(5, "ACG", "A", "0/1")], "ACGTA42");
        starts(&[(5, "A", "ATT", "1/1")], "ACGTB");
        starts(&[(5, "A", "ATT", "0/1")], "ACGTb");
        starts(&[(5, "ACG", "TTT", "1/1")], "ACGTTTT");
        starts(&[(5, "ACG", "TTT", "0/1")], "ACGTWYK");
        starts(&[(5, "ACG", "TT", "1/1")], "ACGTTTX");
        starts(&[(5, "AC", "TTG", "1/1")], "ACGTTU");
        starts(&[(5, "AC", "TTG", "0/1")], "ACGTWn");
        starts(&[(5, "A", "ATT,AG", "1/2")], "ACGTB");
        starts(&[(5, "AC", "ATC,A", "1/2")], "ACGTb4");
        starts(&[(5, "A", "N", "0/1")], "ACGTa");
        starts(&[(1, "AC", "C", "0/1")], "1CGT");
        starts(&[(1, "A", "TTA", "0/1")], "bCGT");
        starts(&[(1, "A", "TTA", "1/1")], "BCGT");
        assert_eq!(&build(&[(30, "C", "CGG", "0/1")], true).symbols[28..], "Ad");
    }

    #[test]
    fn a_spanning_deletion_states_nothing_by_itself() {
        starts(&[(6, "C", "T,*", "2|1")], "ACGTAY");
        starts(&[(5, "ACG", "A", "1|0"), (6, "C", "T,*", "2|1")], "ACGTA32");
        starts(&[(5, "ACG", "A", "1/1"), (6, "C", "T,*", "2/2")], "ACGTAXX");
    }

    #[test]
    fn records_at_one_place_share_it() {
        // Split multi-allelic records.
        starts(&[(5, "A", "G", "1|0"), (5, "A", "T", "0|1")], "ACGTK");
        // An insertion after a base that a SNP replaced.
        for (snp, insertion, expected) in [
            ("1/1", "1/1", "ACGTH"),
            ("1/1", "0/1", "ACGTh"),
            ("0/1", "1/1", "ACGTr"),
            ("0/1", "0/1", "ACGTL"),
        ] {
            let records = [(5, "A", "G", snp), (5, "A", "ATT", insertion)];
            starts(&records, expected);
            starts(&[records[1], records[0]], expected);
        }
        // An insertion on a deleted base goes to the other haplotype.
        starts(&[(5, "ACG", "A", "0/1"), (7, "G", "GTT", "0/1")], "ACGTA47");
        // A replacement that brings its insertion along keeps it.
        starts(&[(5, "A", "GTT", "0/1")], "ACGTE");
        starts(&[(5, "A", "GTT", "0/1"), (5, "A", "ACC", "0/1")], "ACGTr");
        starts(
            &[(5, "ACG", "A", "0/1"), (7, "GTA", "G", "0/1")],
            "ACGTA4231",
        );
        starts(
            &[(5, "ACGT", "A", "0/1"), (7, "GTA", "G", "0/1")],
            "ACGTA42X1",
        );
    }

    #[test]
    fn what_has_no_place_is_told() {
        use Reason::{Duplicate, Overlap};
        clashes(
            &[(5, "ACG", "A", "1/1"), (6, "C", "T", "0/1")],
            "ACGTAXX",
            &[Overlap],
        );
        clashes(
            &[(5, "ACG", "A", "1/1"), (6, "C", "T", "1/1")],
            "ACGTAXX",
            &[Overlap, Overlap],
        );
        clashes(
            &[(5, "ACG", "A", "0/1"), (6, "C", "T", "1/1")],
            "ACGTA32",
            &[Overlap],
        );
        clashes(
            &[(5, "ACG", "A", "1/1"), (7, "G", "GTT", "0/1")],
            "ACGTAXX",
            &[Overlap],
        );
        clashes(
            &[(5, "ACGT", "A", "1/1"), (7, "GTA", "G", "0/1")],
            "ACGTAXXX",
            &[Overlap],
        );
        clashes(
            &[(5, "A", "G", "1/1"), (5, "A", "T", "0/1")],
            "ACGTG",
            &[Overlap],
        );
        clashes(
            &[(5, "A", "ATT", "1/1"), (5, "A", "AGG", "0/1")],
            "ACGTB",
            &[Overlap],
        );
        clashes(
            &[(5, "A", "G", "0/1"), (5, "A", "G", "0/1")],
            "ACGTR",
            &[Duplicate],
        );
        clashes(
            &[(5, "A", "G", "0/1"), (5, "A", "G", "1/1")],
            "ACGTG",
            &[Duplicate],
        );
        clashes(
            &[(5, "A", "G", "1/1"), (5, "AC", "GC", "0/1")],
            "ACGTG",
            &[Duplicate],
        );
        clashes(
            &[
                (5, "A", "G", "0/1"),
                (5, "A", "T", "0/1"),
                (5, "A", "C", "0/1"),
            ],
            "ACGTS",
            &[Overlap],
        );
    }

    #[test]
    fn people_of_one_state_share_one_sequence_and_edits_are_numbered_by_place() {
        let locus = Locus {
            name: "l".into(),
            contig: "chr1".into(),
            start0: Position0::new(100),
            end0: Position0::new(104),
            strand: Strand::Reverse,
        };
        let mut builder = DiploidBuilder::new(Position0::new(100), 4);
        // Sample 0: 0|1 twice. Sample 1: no ALT. Sample 2: like sample 0, but in the other order.
        // Sample 3: 1|1 at the second position.
        builder.add(snp(101, "C", "T"), vec![1, 4]);
        builder.add(snp(103, "T", "A"), vec![1, 5, 6, 7]);
        assert_eq!(builder.settle_before(Position0::MAX), []);
        let built =
            Box::new(builder).finish(locus, Some(1_000), Masks::default(), b"ACGT".to_vec());
        assert_eq!(
            built.pairs,
            [0, 1, 0, 2].map(|number| [number, ABSENT_HAPLOTYPE])
        );
        assert_eq!(built.haplotypes, [vec![0, 2], vec![], vec![1]]);
        let letters: Vec<(usize, &[u8])> = built
            .edits
            .iter()
            .map(|edit| (edit.start0.get(), &edit.alt[..]))
            .collect();
        assert_eq!(letters, [(101, &b"Y"[..]), (103, b"A"), (103, b"W")]);
    }

    fn snp(start0: usize, ref_allele: &str, alt: &str) -> OrderedEdit {
        let position0 = Position0::new(start0);
        let edit = Edit::canonical(position0, ref_allele.as_bytes(), alt.as_bytes()).unwrap();
        ordered_edit(start0 + 1, ref_allele, alt, edit)
    }

    const BASES: [&str; 4] = ["A", "C", "G", "T"];

    /// A record that fits a reference of 30 nt, with a genotype.
    #[derive(Clone, Debug)]
    struct DrawnRecord {
        position: usize,
        ref_len: usize,
        alts: Vec<String>,
        /// A number above that of the last ALT is a missing allele.
        alleles: [usize; 2],
        phased: bool,
    }

    prop_compose! {
        fn drawn_record()(
            position in 1usize..=26,
            ref_len in 1usize..=4,
            alts in vec("[ACGT]{1,4}", 1..=3),
            a in 0usize..=4,
            b in 0usize..=4,
            phased: bool,
        ) -> DrawnRecord {
            DrawnRecord { position, ref_len, alts, alleles: [a, b], phased }
        }
    }

    /// POS, REF, ALT and GT as the columns of a VCF.
    type RecordText = (usize, String, String, String);

    impl DrawnRecord {
        /// The record as text; `is_reversed` exchanges the alleles of GT and its phase sign.
        fn text(&self, is_reversed: bool) -> RecordText {
            let [a, b] = if is_reversed {
                [self.alleles[1], self.alleles[0]]
            } else {
                self.alleles
            };
            let sign = if self.phased == is_reversed { '/' } else { '|' };
            let start0 = self.position - 1;
            (
                self.position,
                REFERENCE[start0..start0 + self.ref_len].to_string(),
                self.alts.join(","),
                format!("{}{sign}{}", self.allele_text(a), self.allele_text(b)),
            )
        }

        fn allele_text(&self, allele: usize) -> String {
            if allele > self.alts.len() {
                ".".to_string()
            } else {
                allele.to_string()
            }
        }
    }

    fn build_texts<'t>(texts: impl Iterator<Item = &'t RecordText>) -> Built {
        let records: Vec<Record<'_>> = texts
            .map(|(position, r, a, genotype)| (*position, &r[..], &a[..], &genotype[..]))
            .collect();
        build(&records, true)
    }

    /// A SNP record at a position with all three other bases as ALT.
    fn snp_with_every_alt(position0: usize, pair: [usize; 2]) -> RecordText {
        let reference = &REFERENCE[position0..=position0];
        let alts: Vec<&str> = BASES
            .into_iter()
            .filter(|base| *base != reference)
            .collect();
        let [a, b] = pair.map(|allele| {
            alts.iter()
                .position(|alt| *alt == BASES[allele])
                .map_or(0, |index| index + 1)
        });
        (
            position0 + 1,
            reference.to_string(),
            alts.join(","),
            format!("{a}|{b}"),
        )
    }

    proptest! {
        #[test]
        fn symbols_depend_on_neither_phase_nor_the_order_of_alleles_and_records_of_one_position(
            drawn in vec(drawn_record(), 0..8),
            keys in vec(any::<u32>(), 8),
        ) {
            let mut sorted = drawn;
            sorted.sort_by_key(|record| record.position);
            let texts: Vec<RecordText> = sorted.iter().map(|record| record.text(false)).collect();
            let mut built = build_texts(texts.iter());
            prop_assert_eq!(built.symbols.len(), REFERENCE.len());
            prop_assert!(built.symbols.bytes().all(|symbol| SYMBOLS.contains(&symbol)));

            let mut shuffled: Vec<(RecordText, u32)> =
                sorted.iter().map(|record| record.text(true)).zip(keys).collect();
            shuffled.sort_by_key(|(record, key)| (record.0, *key));
            let mut built_shuffled = build_texts(shuffled.iter().map(|(record, _)| record));
            built.clashes.sort_unstable();
            built_shuffled.clashes.sort_unstable();
            prop_assert_eq!(built, built_shuffled);
        }

        #[test]
        fn a_persons_snps_are_the_two_haplotypes_bases(
            alleles in vec([0usize..4, 0usize..4], 30),
        ) {
            let texts: Vec<RecordText> = alleles
                .iter()
                .enumerate()
                .map(|(position0, &pair)| snp_with_every_alt(position0, pair))
                .collect();
            let built = build_texts(texts.iter());
            prop_assert!(built.clashes.is_empty());
            for (symbol, pair) in built.symbols.bytes().zip(&alleles) {
                let haploid = haploid_symbols(symbol).unwrap();
                let mut symbol_bases = [haploid.0, haploid.1];
                let mut expected = pair.map(|allele| BASES[allele].as_bytes()[0]);
                symbol_bases.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(symbol_bases, expected);
            }
        }
    }
}
