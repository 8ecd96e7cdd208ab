//! From edits and their carriers to the distinct genotype sequences of a locus.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use super::{
    super::{
        ABSENT_HAPLOTYPE, LocusHaplotypes, Reason,
        builder::{Builder, Clash, Due, Queue, Star, number_of},
        haplotype::{Edit, OrderedEdit},
        mask::Masks,
        policies::Encoding,
    },
    Change, Stated, changes, symbol,
};
use gf_genotypes::Locus;

/// An edit in so many copies, on top of a person's edits before it.
struct Node {
    parent: u32,
    edit: u32,
    copies: u8,
    /// No edit up to this one states anything at or after this offset into the locus.
    reach: u32,
}

const ROOT: u32 = 0;

/// Where a call takes a person, and how many of its copies it could not.
#[derive(Clone, Copy)]
struct Step {
    node: u32,
    n_overlaps: u8,
    n_duplicates: u8,
}

/// Builds the genotype symbols of one locus for all people, record by record; used as
/// `HaplotypeBuilder` is.
///
/// A person is one node of a trie of edits with their copies: people of one state who have the same
/// call share the next one.
pub struct DiploidBuilder {
    /// First base of the locus.
    first0: usize,
    nodes: Vec<Node>,
    edits: Vec<Edit>,
    /// Node of each person.
    states: Vec<u32>,
    haploid: Vec<bool>,
    queue: Queue,
    clashes: Vec<Clash>,
}

impl DiploidBuilder {
    /// Everyone starts as the reference, at a locus whose first base is `first0`.
    #[must_use]
    pub fn new(first0: usize, n_people: usize) -> Self {
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
            states: vec![ROOT; n_people],
            haploid: vec![false; n_people],
            queue: Queue::default(),
            clashes: Vec::new(),
        }
    }

    fn apply(&mut self, edit: u32, position: usize, carriers: &[u32]) {
        let changes = changes(&self.edits[edit as usize], self.first0);
        let mut steps: HashMap<(u32, u8), Step> = HashMap::new();
        for alleles in carriers.chunk_by(|a, b| a / 2 == b / 2) {
            let person = alleles[0] / 2;
            let haploid = self.haploid[person as usize];
            let from = (
                self.states[person as usize],
                if haploid { 2 } else { alleles.len() as u8 },
            );
            let step = match steps.get(&from) {
                Some(&known) => known,
                None => *steps
                    .entry(from)
                    .or_insert(self.step(from.0, edit, from.1, &changes)),
            };
            self.states[person as usize] = step.node;
            for (n_copies, reason) in [
                (step.n_overlaps, Reason::Overlap),
                (step.n_duplicates, Reason::Duplicate),
            ] {
                let n_alleles = if haploid { n_copies / 2 } else { n_copies };
                self.clashes.extend((0..n_alleles).map(|_| Clash {
                    allele: alleles[0],
                    position,
                    reason,
                }));
            }
        }
    }

    fn step(&mut self, node: u32, edit: u32, copies: u8, changes: &[(usize, Change)]) -> Step {
        let n_duplicates = copies.min(self.copies_of(node, edit));
        let (Some(&(first0, _)), Some(&(last0, _))) = (changes.first(), changes.last()) else {
            return Step {
                node,
                n_overlaps: 0,
                n_duplicates,
            };
        };
        let stated = self.stated(node, first0..last0 + 1);
        let fit = |copies: u8| {
            changes.iter().all(|(position0, change)| {
                stated
                    .get(position0)
                    .copied()
                    .unwrap_or_default()
                    .and(*change, copies)
                    .is_some()
            })
        };
        let new = copies - n_duplicates;
        let n_fitting = (1..=new).rev().find(|&copies| fit(copies)).unwrap_or(0);
        let n_overlaps = new - n_fitting;
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

    /// The nodes from this one to the first.
    fn path(&self, node: u32) -> impl Iterator<Item = &Node> {
        std::iter::successors(Some(node), |&node| Some(self.nodes[node as usize].parent))
            .take_while(|&node| node != ROOT)
            .map(|node| &self.nodes[node as usize])
    }

    /// Copies of an edit that are applied already.
    fn copies_of(&self, node: u32, edit: u32) -> u8 {
        let start0 = self.edits[edit as usize].start0;
        let same_place = self
            .path(node)
            .take_while(|node| self.edits[node.edit as usize].start0 == start0);
        same_place
            .filter(|node| node.edit == edit)
            .map(|node| node.copies)
            .sum()
    }

    /// What is stated at the positions of `range`.
    fn stated(&self, node: u32, range: Range<usize>) -> BTreeMap<usize, Stated> {
        let mut stated: BTreeMap<usize, Stated> = BTreeMap::new();
        let first = (range.start - self.first0) as u32;
        for node in self.path(node).take_while(|node| node.reach > first) {
            for (position0, change) in changes(&self.edits[node.edit as usize], self.first0) {
                if range.contains(&position0) {
                    let place = stated.entry(position0).or_default();
                    // What stands in the trie fitted when it was entered.
                    *place = place.and(change, node.copies).unwrap_or(*place);
                }
            }
        }
        stated
    }

    /// Where a node's sequence is not the reference, ascending by position.
    fn letters(&self, node: u32, reference: &[u8]) -> impl Iterator<Item = (usize, u8)> {
        let window = self.first0..self.first0 + reference.len();
        self.stated(node, window)
            .into_iter()
            .filter_map(|(position0, stated)| {
                let reference = reference[position0 - self.first0];
                let letter = stated.symbol(reference);
                (letter != symbol(reference, reference)).then_some((position0, letter))
            })
    }

    fn tell_star(
        &mut self,
        Star {
            start0,
            position,
            carriers,
        }: Star,
    ) {
        for allele in carriers {
            let stated = self.stated(self.states[allele as usize / 2], start0..start0 + 1);
            let covered = stated.values().any(|stated| stated.is_deleted());
            let reason = if covered {
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

impl Builder for DiploidBuilder {
    /// One allele of theirs takes both places from now on; to be told before their first edit.
    fn set_absent(&mut self, person: usize) -> bool {
        !std::mem::replace(&mut self.haploid[person], true)
    }

    /// For missing alleles read as N the edit is N over the span of REF.
    fn add(&mut self, edit: OrderedEdit, carriers: Vec<u32>) {
        self.queue.push(edit, carriers);
    }

    fn add_stars(&mut self, start0: usize, position: usize, carriers: Vec<u32>) {
        self.queue.push_star(Star {
            start0,
            position,
            carriers,
        });
    }

    fn settle_before(&mut self, start0: usize) -> Vec<Clash> {
        while let Some(due) = self.queue.pop_before(start0) {
            match due {
                Due::Edit(ordered, records) => {
                    let edit = number_of(&mut self.edits, &ordered.edit);
                    for carriers in records {
                        self.apply(edit, ordered.position, &carriers);
                    }
                }
                Due::Star(star) => self.tell_star(star),
            }
        }
        std::mem::take(&mut self.clashes)
    }

    /// Everyone's second sequence is absent.
    fn finish(
        self: Box<Self>,
        locus: Locus,
        contig_len_nt: Option<usize>,
        masks: Masks,
        reference: Vec<u8>,
    ) -> LocusHaplotypes {
        let mut number_of_node: HashMap<u32, u32> = HashMap::new();
        let mut number_of_letter: BTreeMap<(usize, u8), u32> = BTreeMap::new();
        let mut number_of_sequence: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut pairs = Vec::with_capacity(self.states.len());
        for &node in &self.states {
            let number = *number_of_node.entry(node).or_insert_with(|| {
                let letters: Vec<u32> = self
                    .letters(node, &reference)
                    .map(|letter| {
                        let next = number_of_letter.len() as u32;
                        *number_of_letter.entry(letter).or_insert(next)
                    })
                    .collect();
                let next = number_of_sequence.len() as u32;
                *number_of_sequence.entry(letters).or_insert(next)
            });
            pairs.push([number, ABSENT_HAPLOTYPE]);
        }

        let mut by_place = vec![0; number_of_letter.len()];
        let mut edits = Vec::with_capacity(number_of_letter.len());
        for ((position0, letter), number) in number_of_letter {
            by_place[number as usize] = edits.len() as u32;
            edits.push(Edit {
                start0: position0,
                end0: position0 + 1,
                alt: vec![letter],
            });
        }
        let mut haplotypes = vec![Vec::new(); number_of_sequence.len()];
        for (mut letters, number) in number_of_sequence {
            for letter in &mut letters {
                *letter = by_place[*letter as usize];
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
    use proptest::prelude::*;

    use super::{
        super::{SYMBOLS, haploid_symbols},
        *,
    };
    use gf_genotypes::Strand;

    const REFERENCE: &str = "ACGTACGTACGTACGTACGTACGTACGTAC";

    /// POS, REF, ALT (comma-separated), GT.
    type Record<'a> = (usize, &'a str, &'a str, &'a str);

    fn built(
        reference: &str,
        records: &[Record<'_>],
        missing_as_n: bool,
    ) -> (LocusHaplotypes, Vec<Reason>) {
        let locus = Locus {
            name: "golden".into(),
            contig: "chr1".into(),
            start0: 0,
            end0: reference.len(),
            strand: Strand::Forward,
        };
        let mut builder = DiploidBuilder::new(0, 1);
        let mut clashes = Vec::new();
        for &(position, ref_allele, alts, genotype) in records {
            clashes.extend(
                builder
                    .settle_before(position - 1)
                    .into_iter()
                    .map(|clash| clash.reason),
            );
            let ordered = |edit: Edit, alt: &str| OrderedEdit {
                edit,
                uncut_start0: position - 1,
                by_policy: false,
                position,
                record_end0: position - 1 + ref_allele.len(),
                ref_allele: ref_allele.as_bytes().into(),
                alt_allele: alt.as_bytes().into(),
            };
            let alleles: Vec<&str> = genotype.split(['/', '|']).collect();
            if alleles.len() == 1 {
                builder.set_absent(0);
            }
            let sides = |wanted: &str| -> Vec<u32> {
                (0..alleles.len() as u32)
                    .filter(|&side| alleles[side as usize] == wanted)
                    .collect()
            };
            for (number, alt) in alts.split(',').enumerate() {
                let carriers = sides(&(number + 1).to_string());
                if alt != "*"
                    && !carriers.is_empty()
                    && let Some(edit) =
                        Edit::canonical(position - 1, ref_allele.as_bytes(), alt.as_bytes())
                {
                    builder.add(ordered(edit, alt), carriers);
                }
            }
            if missing_as_n && !sides(".").is_empty() {
                let edit = Edit {
                    start0: position - 1,
                    end0: position - 1 + ref_allele.len(),
                    alt: vec![b'N'; ref_allele.len()],
                };
                builder.add(ordered(edit, "N"), sides("."));
            }
        }
        clashes.extend(
            builder
                .settle_before(usize::MAX)
                .into_iter()
                .map(|clash| clash.reason),
        );
        (
            Box::new(builder).finish(locus, None, Masks::default(), reference.as_bytes().to_vec()),
            clashes,
        )
    }

    fn symbols_of(
        reference: &str,
        records: &[Record<'_>],
        missing_as_n: bool,
    ) -> (String, Vec<Reason>) {
        let (built, clashes) = built(reference, records, missing_as_n);
        assert_eq!(built.pairs, [[0, ABSENT_HAPLOTYPE]]);
        (String::from_utf8(built.bases(0)).unwrap(), clashes)
    }

    /// The first letters of the golden contig's symbols; nothing clashes, whichever way round the
    /// alleles are written.
    #[track_caller]
    fn starts(records: &[Record<'_>], expected: &str) {
        clashes(records, expected, &[]);
    }

    #[track_caller]
    fn clashes(records: &[Record<'_>], expected: &str, expected_clashes: &[Reason]) {
        for turned in [false, true] {
            let genotypes: Vec<String> = records
                .iter()
                .map(|record| {
                    if turned {
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
            let (symbols, clashes) = symbols_of(REFERENCE, &records, true);
            assert_eq!(
                symbols,
                format!("{expected}{}", &REFERENCE[expected.len()..]),
                "{records:?}"
            );
            assert_eq!(clashes, expected_clashes, "{records:?}");
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
        assert_eq!(
            symbols_of(REFERENCE, &[(5, "A", "G", "./.")], false).0,
            REFERENCE
        );
        assert_eq!(
            &symbols_of(REFERENCE, &[(5, "A", "G", "./1")], false).0[..6],
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
        assert_eq!(
            &symbols_of(REFERENCE, &[(30, "C", "CGG", "0/1")], true).0[28..],
            "Ad"
        );
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
        for order in [[0, 1], [1, 0]] {
            let both = |snp: &'static str, insertion: &'static str, expected: &str| {
                let records = [(5, "A", "G", snp), (5, "A", "ATT", insertion)];
                starts(&order.map(|index: usize| records[index]), expected);
            };
            both("1/1", "1/1", "ACGTH");
            both("1/1", "0/1", "ACGTh");
            both("0/1", "1/1", "ACGTr");
            both("0/1", "0/1", "ACGTL");
        }
        // An insertion on a deleted base goes to the other place.
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
            start0: 100,
            end0: 104,
            strand: Strand::Reverse,
        };
        let mut builder = DiploidBuilder::new(100, 4);
        let ordered = |start0: usize, r: &str, a: &str| OrderedEdit {
            edit: Edit::canonical(start0, r.as_bytes(), a.as_bytes()).unwrap(),
            uncut_start0: start0,
            by_policy: false,
            position: start0 + 1,
            record_end0: start0 + r.len(),
            ref_allele: r.as_bytes().into(),
            alt_allele: a.as_bytes().into(),
        };
        // Person 0: 0|1 twice; 1: none; 2: as 0, the other way round; 3: 1|1 at the second place.
        builder.add(ordered(101, "C", "T"), vec![1, 4]);
        builder.add(ordered(103, "T", "A"), vec![1, 5, 6, 7]);
        assert_eq!(builder.settle_before(usize::MAX), []);
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
            .map(|edit| (edit.start0, &edit.alt[..]))
            .collect();
        assert_eq!(letters, [(101, &b"Y"[..]), (103, b"A"), (103, b"W")]);
    }

    const BASES: [&str; 4] = ["A", "C", "G", "T"];

    prop_compose! {
        /// A record that fits a reference of 30 nt, its ALTs, and a genotype.
        fn record()(position in 1usize..=26, len in 1usize..=4, alts in proptest::collection::vec("[ACGT]{1,4}", 1..=3),
            a in 0usize..=4, b in 0usize..=4, phased: bool) -> (usize, usize, Vec<String>, [usize; 2], bool) {
            (position, len, alts, [a, b], phased)
        }
    }

    type Drawn = (usize, usize, Vec<String>, [usize; 2], bool);

    fn texts(drawn: &[Drawn], turned: bool) -> Vec<(usize, String, String, String)> {
        let text = |(position, len, alts, alleles, phased): &Drawn| {
            let allele = |number: usize| {
                if number > alts.len() {
                    ".".to_string()
                } else {
                    number.to_string()
                }
            };
            let [a, b] = if turned {
                [alleles[1], alleles[0]]
            } else {
                *alleles
            };
            let slash = if *phased == turned { '/' } else { '|' };
            (
                *position,
                REFERENCE[position - 1..position - 1 + len].to_string(),
                alts.join(","),
                format!("{}{slash}{}", allele(a), allele(b)),
            )
        };
        drawn.iter().map(text).collect()
    }

    fn symbols_of_drawn(texts: &[(usize, String, String, String)]) -> (String, Vec<Reason>) {
        let records: Vec<Record<'_>> = texts
            .iter()
            .map(|(position, r, a, genotype)| (*position, &r[..], &a[..], &genotype[..]))
            .collect();
        symbols_of(REFERENCE, &records, true)
    }

    proptest! {
        #[test]
        fn symbols_depend_on_neither_phase_nor_the_order_of_alleles_and_records_of_one_position(
            drawn in proptest::collection::vec(record(), 0..8), keys in proptest::collection::vec(any::<u32>(), 8)
        ) {
            let mut drawn = drawn;
            drawn.sort_by_key(|record| record.0);
            let (symbols, mut clashes) = symbols_of_drawn(&texts(&drawn, false));
            prop_assert_eq!(symbols.len(), REFERENCE.len());
            prop_assert!(symbols.bytes().all(|symbol| SYMBOLS.contains(&symbol)));

            let mut shuffled: Vec<_> = texts(&drawn, true).into_iter().zip(keys).collect();
            shuffled.sort_by_key(|(record, key)| (record.0, *key));
            let (again, mut clashes_again) = symbols_of_drawn(&shuffled.into_iter().map(|(record, _)| record).collect::<Vec<_>>());
            clashes.sort_unstable();
            clashes_again.sort_unstable();
            prop_assert_eq!((symbols, clashes), (again, clashes_again));
        }

        #[test]
        fn a_persons_snps_are_the_two_haplotypes_bases(alleles in proptest::collection::vec([0usize..4, 0usize..4], 30)) {
            let texts: Vec<_> = alleles.iter().enumerate().map(|(position0, pair)| {
                let reference = &REFERENCE[position0..=position0];
                let alts: Vec<&str> = BASES.into_iter().filter(|base| *base != reference).collect();
                let number = |allele: usize| alts.iter().position(|alt| *alt == BASES[allele]).map_or(0, |index| index + 1);
                (position0 + 1, reference.to_string(), alts.join(","), format!("{}|{}", number(pair[0]), number(pair[1])))
            }).collect();
            let (symbols, clashes) = symbols_of_drawn(&texts);
            prop_assert!(clashes.is_empty());
            for (symbol, pair) in symbols.bytes().zip(&alleles) {
                let (a, b) = haploid_symbols(symbol).unwrap();
                let mut found = [a, b];
                let mut expected = pair.map(|allele| BASES[allele].as_bytes()[0]);
                found.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
