//! A person as one sequence of genotype symbols, one a reference position: needs no phase.
//!
//! Input -> output: a person's edits, each with its number of copies (0, 1, 2) -> [`LocusHaplotypes`] over the 66 letters of [`SYMBOLS`], as long
//! as the reference in everyone. Coordinates: 0-based, half-open. After `SNP2Vec` (HLTCHKUST/snp2vec), whose code for a person's VCF is lost: the
//! rules below are ours.
//!
//! # The 66 symbols
//! Eleven haploid symbols of one position on one haplotype: `A G T C N`, `X` deleted, and `B H U D O`: `A G T C N` followed by an insertion. A
//! person has the unordered pair of two; a homozygote is the single letter. Two bases are their IUPAC code, a base with N is lower case:
//!
//! ```text
//!    A G T C N X B H U D O
//! A  A R W M a 1 b E F I J
//! G  R G K S g 2 L h P Q V
//! T  W K T Y t 3 Z e u f i
//! C  M S Y C c 4 j l n d p
//! N  a g t c N 5 q v x z o
//! X  1 2 3 4 5 X 6 7 8 9 0
//! B  b L Z j q 6 B r w m !
//! H  E h e l v 7 r H k s $
//! U  F P u n x 8 w k U y %
//! D  I Q f d z 9 m s y D ~
//! O  J V i p o 0 ! $ % ~ O
//! ```
//!
//! Case matters. B D H U V are not what they are in a FASTA, whose IUPAC codes are read as N.
//!
//! # What an allele states
//! | allele | states |
//! |---|---|
//! | SNP, MNP | the new base at each replaced position |
//! | deletion | X at each deleted position |
//! | insertion | an insertion after the base before it; at the start of the locus, where there is none, on the base behind it |
//! | both | bases from the left; what is left over is X, or an insertion after the last replaced base |
//!
//! The inserted bases themselves are lost; coordinates are kept.
//!
//! # What a person's genotypes make
//! | genotype | symbols |
//! |---|---|
//! | `0/1`, `1/0`, <code>0&#124;1</code> | the pair of REF and ALT: phase and the order of alleles are not looked at |
//! | `1/2` | the pair of both |
//! | `./.` | REF; `N` over REF's span with `--missing N`; refused with `--missing error` |
//! | <code>.&#124;1</code> | each allele for itself: the pair of what `.` is read as, and ALT |
//! | `1` | the single letter |
//! | `*` | nothing by itself: the deletion's own record states X |
//!
//! Each position has two places. Edits come in the order of `OrderedEdit`, a copy takes one place at each position it states, all or none:
//! a copy without a place is an overlap and is told. A SNP `1/1` inside a deletion `0/1` is thus one copy of each, and one overlap. An edit that
//! several records state counts as often as in the record with most copies, the rest are duplicates. An insertion takes a reference base
//! before a replaced one, of two replaced ones the first in the order `A G T C N`, and a base holds one insertion, X none:
//! SNP `1/1` and insertion `0/1` at one POS are the new base with and without an insertion.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use super::{
    dictionary::{ABSENT_HAPLOTYPE, Clash, LocusHaplotypes},
    haplotype::{Edit, OrderedEdit},
};
use crate::ingest::Locus;

/// Haploid symbols, in the order of the table: bases, deleted, bases followed by an insertion.
pub const HAPLOID_SYMBOLS: [u8; 11] = *b"AGTCNXBHUDO";

/// The letter of each pair of haploid symbols, rows and columns in the order of [`HAPLOID_SYMBOLS`].
const SYMBOL_OF_PAIR: [&[u8; 11]; 11] = [
    b"ARWMa1bEFIJ",
    b"RGKSg2LhPQV",
    b"WKTYt3Zeufi",
    b"MSYCc4jlndp",
    b"agtcN5qvxzo",
    b"12345X67890",
    b"bLZjq6Brwm!",
    b"Ehelv7rHks$",
    b"FPunx8wkUy%",
    b"IQfdz9msyD~",
    b"JVipo0!$%~O",
];

/// Every genotype symbol, ascending.
pub const SYMBOLS: [u8; 66] = *b"!$%0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz~";

const N: usize = 4;
const DELETED: u8 = b'X';
/// From a base to the same base followed by an insertion, in the order of the table.
const WITH_INSERTION: usize = 6;

/// Place of a haploid symbol in the table; N for a byte that is none.
fn index(haploid: u8) -> usize {
    HAPLOID_SYMBOLS.iter().position(|&symbol| symbol == haploid).unwrap_or(N)
}

/// The letter of the unordered pair of two haploid symbols; a byte that is none of [`HAPLOID_SYMBOLS`] is read as N.
#[must_use]
pub fn symbol(a: u8, b: u8) -> u8 {
    SYMBOL_OF_PAIR[index(a)][index(b)]
}

/// The two haploid symbols of a letter, in the order of [`HAPLOID_SYMBOLS`]; `None` for a byte that is none of [`SYMBOLS`].
#[must_use]
pub fn haploid_symbols(symbol: u8) -> Option<(u8, u8)> {
    let rows = SYMBOL_OF_PAIR.iter().zip(HAPLOID_SYMBOLS);
    rows.into_iter().find_map(|(row, a)| Some((a, HAPLOID_SYMBOLS[row.iter().position(|&letter| letter == symbol)?])))
}

/// The letter on the other strand: A with T, C with G in both parts. An insertion stays with its base, and so stands before it in the new
/// direction. A byte that is none of [`SYMBOLS`] stays.
#[must_use]
pub fn complement(symbol: u8) -> u8 {
    let haploid = |part: u8| match part {
        b'A' => b'T',
        b'T' => b'A',
        b'C' => b'G',
        b'G' => b'C',
        b'B' => b'U',
        b'U' => b'B',
        b'D' => b'H',
        b'H' => b'D',
        other => other,
    };
    haploid_symbols(symbol).map_or(symbol, |(a, b)| self::symbol(haploid(a), haploid(b)))
}

/// Genotype symbols of the other strand, in its direction.
#[must_use]
pub fn reverse_complement(symbols: &[u8]) -> Vec<u8> {
    symbols.iter().rev().map(|&symbol| complement(symbol)).collect()
}

/// What an allele states at one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// This haploid symbol in place of the reference base.
    Replaced(u8),
    /// An insertion after whatever base stands there.
    InsertedAfter,
}

/// What an edit states, ascending by position, of a locus whose first base is `first0`.
#[must_use]
pub fn changes(edit: &Edit, first0: usize) -> Vec<(usize, Change)> {
    if edit.is_insertion() {
        return vec![(edit.start0.max(first0 + 1) - 1, Change::InsertedAfter)];
    }
    let plain = |&base: &u8| HAPLOID_SYMBOLS[index(base).min(N)];
    let mut symbols: Vec<u8> = edit.alt.iter().map(plain).collect();
    let is_longer = symbols.len() > edit.end0 - edit.start0;
    symbols.resize(edit.end0 - edit.start0, DELETED);
    if let (true, Some(last)) = (is_longer, symbols.last_mut()) {
        *last = followed_by_insertion(*last);
    }
    (edit.start0..).zip(symbols.into_iter().map(Change::Replaced)).collect()
}

fn followed_by_insertion(base: u8) -> u8 {
    HAPLOID_SYMBOLS[WITH_INSERTION + index(base).min(N)]
}

fn is_plain_base(haploid: u8) -> bool {
    index(haploid) <= N
}

/// What is stated of a person's two places at one position, in no order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    /// In place of the reference base.
    replaced: [Option<u8>; 2],
    /// Insertions after a base that no replacement brought along.
    n_insertions: u8,
}

impl Stated {
    /// With so many copies of a change more; `None` when they do not fit.
    #[must_use]
    pub fn and(mut self, change: Change, copies: u8) -> Option<Self> {
        for _ in 0..copies {
            match change {
                Change::Replaced(haploid) => *self.replaced.iter_mut().find(|place| place.is_none())? = Some(haploid),
                Change::InsertedAfter => self.n_insertions += 1,
            }
        }
        let n_taking = self.replaced.iter().filter(|place| place.is_none_or(is_plain_base)).count();
        (usize::from(self.n_insertions) <= n_taking).then_some(self)
    }

    /// The letter, over a reference base.
    #[must_use]
    pub fn symbol(self, reference: u8) -> u8 {
        let Self { mut replaced, mut n_insertions } = self;
        // Reference places first, then in the order of the table.
        replaced.sort_by_key(|place| place.map(index));
        let [a, b] = replaced.map(|place| {
            let haploid = place.unwrap_or(reference);
            if n_insertions == 0 || !is_plain_base(haploid) {
                return haploid;
            }
            n_insertions -= 1;
            followed_by_insertion(haploid)
        });
        symbol(a, b)
    }
}

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

/// Builds the genotype symbols of one locus for all people, record by record; used as `LocusBuilder` is.
///
/// A person is one node of a trie of edits with their copies: people of one state who have the same call share the next one.
pub struct DiploidBuilder {
    locus: Locus,
    contig_len_nt: Option<usize>,
    reference: Vec<u8>,
    nodes: Vec<Node>,
    edits: Vec<Edit>,
    /// Node of each person.
    states: Vec<u32>,
    haploid: Vec<bool>,
    /// Edits not yet applied, because a later record may hold one that comes before them, with their carriers in each record.
    pending: BTreeMap<OrderedEdit, Vec<Vec<u32>>>,
}

impl DiploidBuilder {
    /// Everyone starts as the reference, ACGTN.
    #[must_use]
    pub fn new(locus: Locus, contig_len_nt: Option<usize>, reference: Vec<u8>, n_people: usize) -> Self {
        let root = Node { parent: ROOT, edit: u32::MAX, copies: 0, reach: 0 };
        Self {
            locus,
            contig_len_nt,
            reference,
            nodes: vec![root],
            edits: Vec::new(),
            states: vec![ROOT; n_people],
            haploid: vec![false; n_people],
            pending: BTreeMap::new(),
        }
    }

    /// The locus's interval, 0-based and half-open.
    #[must_use]
    pub fn window(&self) -> Range<usize> {
        self.locus.start0..self.locus.end0
    }

    /// The locus.
    #[must_use]
    pub fn locus(&self) -> &Locus {
        &self.locus
    }

    /// This person is haploid, so that one allele takes both places; `true` when that was not known yet. Before the first edit of theirs.
    pub fn set_absent(&mut self, person: usize) -> bool {
        !std::mem::replace(&mut self.haploid[person], true)
    }

    /// Adds an edit of one record with the alleles (`2 * person + 0|1`, a person's two next to each other) that carry it; for missing alleles
    /// read as N the edit is N over the span of REF. Records must come in order of POS.
    pub fn add(&mut self, edit: OrderedEdit, carriers: &[u32]) {
        self.pending.entry(edit).or_default().push(carriers.to_vec());
    }

    /// Applies every pending edit that starts before `start0`; `on_clash(person, position, clash)` hears of each copy skipped.
    pub fn settle_before(&mut self, start0: usize, on_clash: &mut dyn FnMut(u32, usize, Clash)) {
        while let Some(first) = self.pending.first_entry() {
            if first.key().edit.start0 >= start0 {
                return;
            }
            let (ordered, records) = first.remove_entry();
            let edit = self.number(ordered.edit);
            for carriers in records {
                self.apply(edit, ordered.position, &carriers, on_clash);
            }
        }
    }

    fn apply(&mut self, edit: u32, position: usize, carriers: &[u32], on_clash: &mut dyn FnMut(u32, usize, Clash)) {
        let changes = changes(&self.edits[edit as usize], self.locus.start0);
        let mut steps: HashMap<(u32, u8), Step> = HashMap::new();
        for alleles in carriers.chunk_by(|a, b| a / 2 == b / 2) {
            let person = alleles[0] / 2;
            let haploid = self.haploid[person as usize];
            let from = (self.states[person as usize], if haploid { 2 } else { alleles.len() as u8 });
            let step = match steps.get(&from) {
                Some(&known) => known,
                None => *steps.entry(from).or_insert(self.step(from.0, edit, from.1, &changes)),
            };
            self.states[person as usize] = step.node;
            for (n_copies, clash) in [(step.n_overlaps, Clash::Overlap), (step.n_duplicates, Clash::Duplicate)] {
                let n_alleles = if haploid { n_copies / 2 } else { n_copies };
                (0..n_alleles).for_each(|_| on_clash(person, position, clash));
            }
        }
    }

    fn step(&mut self, node: u32, edit: u32, copies: u8, changes: &[(usize, Change)]) -> Step {
        let n_duplicates = copies.min(self.copies_of(node, edit));
        let (Some(&(first0, _)), Some(&(last0, _))) = (changes.first(), changes.last()) else {
            return Step { node, n_overlaps: 0, n_duplicates };
        };
        let stated = self.stated(node, first0..last0 + 1);
        let fit = |copies: u8| {
            changes.iter().all(|(position0, change)| stated.get(position0).copied().unwrap_or_default().and(*change, copies).is_some())
        };
        let new = copies - n_duplicates;
        let n_fitting = (1..=new).rev().find(|&copies| fit(copies)).unwrap_or(0);
        let n_overlaps = new - n_fitting;
        if n_fitting == 0 {
            return Step { node, n_overlaps, n_duplicates };
        }
        let reach = self.nodes[node as usize].reach.max((last0 + 1 - self.locus.start0) as u32);
        self.nodes.push(Node { parent: node, edit, copies: n_fitting, reach });
        Step { node: self.nodes.len() as u32 - 1, n_overlaps, n_duplicates }
    }

    /// The number of an edit; the same edit from another record has the same number.
    fn number(&mut self, edit: Edit) -> u32 {
        let same_place = self.edits.iter().enumerate().rev().take_while(|(_, other)| other.start0 == edit.start0);
        if let Some((number, _)) = same_place.into_iter().find(|(_, other)| **other == edit) {
            return number as u32;
        }
        self.edits.push(edit);
        self.edits.len() as u32 - 1
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
        let same_place = self.path(node).take_while(|node| self.edits[node.edit as usize].start0 == start0);
        same_place.filter(|node| node.edit == edit).map(|node| node.copies).sum()
    }

    /// What is stated at the positions of `range`.
    fn stated(&self, node: u32, range: Range<usize>) -> BTreeMap<usize, Stated> {
        let mut stated: BTreeMap<usize, Stated> = BTreeMap::new();
        let first = (range.start - self.locus.start0) as u32;
        for node in self.path(node).take_while(|node| node.reach > first) {
            for (position0, change) in changes(&self.edits[node.edit as usize], self.locus.start0) {
                if range.contains(&position0) {
                    let place = stated.entry(position0).or_default();
                    // What stands in the trie fitted when it was entered.
                    *place = place.and(change, node.copies).unwrap_or(*place);
                }
            }
        }
        stated
    }

    /// Applies what is pending and numbers the distinct sequences in order of first appearance; everyone's second one is absent.
    #[must_use]
    pub fn finish(mut self, on_clash: &mut dyn FnMut(u32, usize, Clash)) -> LocusHaplotypes {
        self.settle_before(usize::MAX, on_clash);
        let mut number_of_node: HashMap<u32, u32> = HashMap::new();
        let mut number_of_letter: BTreeMap<(usize, u8), u32> = BTreeMap::new();
        let mut number_of_sequence: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut pairs = Vec::with_capacity(self.states.len());
        for &node in &self.states {
            let number = *number_of_node.entry(node).or_insert_with(|| {
                let letters: Vec<u32> = self
                    .letters(node)
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
            edits.push(Edit { start0: position0, end0: position0 + 1, alt: vec![letter] });
        }
        let mut haplotypes = vec![Vec::new(); number_of_sequence.len()];
        for (mut letters, number) in number_of_sequence {
            for letter in &mut letters {
                *letter = by_place[*letter as usize];
            }
            haplotypes[number as usize] = letters;
        }
        let Self { locus, contig_len_nt, reference, .. } = self;
        LocusHaplotypes { locus, contig_len_nt, reference, edits, haplotypes, pairs }
    }

    /// Where a node's sequence is not the reference, ascending by position.
    fn letters(&self, node: u32) -> impl Iterator<Item = (usize, u8)> {
        self.stated(node, self.window()).into_iter().filter_map(|(position0, stated)| {
            let reference = self.reference[position0 - self.locus.start0];
            let letter = stated.symbol(reference);
            (letter != symbol(reference, reference)).then_some((position0, letter))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ingest::Strand;

    const REFERENCE: &str = "ACGTACGTACGTACGTACGTACGTACGTAC";

    /// POS, REF, ALT (comma-separated), GT.
    type Record<'a> = (usize, &'a str, &'a str, &'a str);

    fn built(reference: &str, records: &[Record<'_>], missing_as_n: bool) -> (LocusHaplotypes, Vec<Clash>) {
        let locus = Locus { name: "golden".into(), contig: "chr1".into(), start0: 0, end0: reference.len(), strand: Strand::Forward };
        let mut builder = DiploidBuilder::new(locus, None, reference.as_bytes().to_vec(), 1);
        let mut clashes = Vec::new();
        let mut on_clash = |person: u32, _: usize, clash: Clash| {
            assert_eq!(person, 0);
            clashes.push(clash);
        };
        for &(position, ref_allele, alts, genotype) in records {
            builder.settle_before(position - 1, &mut on_clash);
            let ordered = |edit: Edit, alt: &str| OrderedEdit {
                edit,
                position,
                ref_allele: ref_allele.as_bytes().into(),
                alt_allele: alt.as_bytes().into(),
            };
            let alleles: Vec<&str> = genotype.split(['/', '|']).collect();
            if alleles.len() == 1 {
                builder.set_absent(0);
            }
            let sides = |wanted: &str| -> Vec<u32> { (0..alleles.len() as u32).filter(|&side| alleles[side as usize] == wanted).collect() };
            for (number, alt) in alts.split(',').enumerate() {
                let carriers = sides(&(number + 1).to_string());
                if alt != "*"
                    && !carriers.is_empty()
                    && let Some(edit) = Edit::canonical(position - 1, ref_allele.as_bytes(), alt.as_bytes())
                {
                    builder.add(ordered(edit, alt), &carriers);
                }
            }
            if missing_as_n && !sides(".").is_empty() {
                let edit = Edit { start0: position - 1, end0: position - 1 + ref_allele.len(), alt: vec![b'N'; ref_allele.len()] };
                builder.add(ordered(edit, "N"), &sides("."));
            }
        }
        let built = builder.finish(&mut on_clash);
        (built, clashes)
    }

    fn symbols_of(reference: &str, records: &[Record<'_>], missing_as_n: bool) -> (String, Vec<Clash>) {
        let (built, clashes) = built(reference, records, missing_as_n);
        assert_eq!(built.pairs, [[0, ABSENT_HAPLOTYPE]]);
        (String::from_utf8(built.bases(0)).unwrap(), clashes)
    }

    /// The first letters of the golden contig's symbols; nothing clashes, whichever way round the alleles are written.
    #[track_caller]
    fn starts(records: &[Record<'_>], expected: &str) {
        clashes(records, expected, &[]);
    }

    #[track_caller]
    fn clashes(records: &[Record<'_>], expected: &str, expected_clashes: &[Clash]) {
        for turned in [false, true] {
            let genotypes: Vec<String> =
                records.iter().map(|record| if turned { record.3.chars().rev().collect() } else { record.3.to_string() }).collect();
            let records: Vec<Record<'_>> =
                records.iter().zip(&genotypes).map(|(&(position, r, a, _), genotype)| (position, r, a, genotype.as_str())).collect();
            let (symbols, clashes) = symbols_of(REFERENCE, &records, true);
            assert_eq!(symbols, format!("{expected}{}", &REFERENCE[expected.len()..]), "{records:?}");
            assert_eq!(clashes, expected_clashes, "{records:?}");
        }
    }

    #[test]
    fn sixty_six_letters_stand_for_the_pairs_one_to_one() {
        let mut letters: Vec<u8> = Vec::new();
        for (i, &a) in HAPLOID_SYMBOLS.iter().enumerate() {
            assert_eq!(symbol(a, a), a);
            for &b in &HAPLOID_SYMBOLS[i..] {
                assert_eq!(symbol(a, b), symbol(b, a));
                assert_eq!(haploid_symbols(symbol(a, b)), Some((a, b)));
                letters.push(symbol(a, b));
            }
        }
        letters.sort_unstable();
        assert_eq!(letters, SYMBOLS);
        assert!(SYMBOLS.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(SYMBOLS.iter().all(|letter| letter.is_ascii_graphic() && !b"[]\"\\<>".contains(letter)));
        assert_eq!(haploid_symbols(b'['), None);
    }

    #[test]
    fn the_complement_is_an_involution_and_that_of_iupac_on_two_bases() {
        for letter in SYMBOLS {
            assert_eq!(complement(complement(letter)), letter);
            let (a, b) = haploid_symbols(letter).unwrap();
            assert_eq!(haploid_symbols(complement(letter)).map(|(c, d)| symbol(c, d)), Some(symbol(complement(a), complement(b))));
        }
        let both = SYMBOLS.map(complement);
        assert!(SYMBOLS.iter().all(|letter| both.contains(letter)));
        assert_eq!(b"ACGTNRYSWKMX".map(complement), *b"TGCANYRSWMKX");
        assert_eq!(b"BHUDO".map(complement), *b"UDBHO");
        assert_eq!(reverse_complement(b"AACR"), b"YGTT");
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
        assert_eq!(symbols_of(REFERENCE, &[(5, "A", "G", "./.")], false).0, REFERENCE);
        assert_eq!(&symbols_of(REFERENCE, &[(5, "A", "G", "./1")], false).0[..6], "ACGTRC");
    }

    #[test]
    fn a_haploid_call_is_the_single_letter() {
        starts(&[(5, "A", "G", "1")], "ACGTG");
        starts(&[(5, "A", "G", "0")], "ACGTA");
        starts(&[(5, "ACG", "A", "1"), (9, "A", "ATT", "1")], "ACGTAXXTB");
        clashes(&[(5, "ACG", "A", "1"), (6, "C", "T", "1")], "ACGTAXX", &[Clash::Overlap]);
        clashes(&[(5, "A", "G", "1"), (5, "A", "G", "1")], "ACGTG", &[Clash::Duplicate]);
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
        assert_eq!(&symbols_of(REFERENCE, &[(30, "C", "CGG", "0/1")], true).0[28..], "Ad");
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
        starts(&[(5, "ACG", "A", "0/1"), (7, "GTA", "G", "0/1")], "ACGTA4231");
        starts(&[(5, "ACGT", "A", "0/1"), (7, "GTA", "G", "0/1")], "ACGTA42X1");
    }

    #[test]
    fn what_has_no_place_is_told() {
        use Clash::{Duplicate, Overlap};
        clashes(&[(5, "ACG", "A", "1/1"), (6, "C", "T", "0/1")], "ACGTAXX", &[Overlap]);
        clashes(&[(5, "ACG", "A", "1/1"), (6, "C", "T", "1/1")], "ACGTAXX", &[Overlap, Overlap]);
        clashes(&[(5, "ACG", "A", "0/1"), (6, "C", "T", "1/1")], "ACGTA32", &[Overlap]);
        clashes(&[(5, "ACG", "A", "1/1"), (7, "G", "GTT", "0/1")], "ACGTAXX", &[Overlap]);
        clashes(&[(5, "ACGT", "A", "1/1"), (7, "GTA", "G", "0/1")], "ACGTAXXX", &[Overlap]);
        clashes(&[(5, "A", "G", "1/1"), (5, "A", "T", "0/1")], "ACGTG", &[Overlap]);
        clashes(&[(5, "A", "ATT", "1/1"), (5, "A", "AGG", "0/1")], "ACGTB", &[Overlap]);
        clashes(&[(5, "A", "G", "0/1"), (5, "A", "G", "0/1")], "ACGTR", &[Duplicate]);
        clashes(&[(5, "A", "G", "0/1"), (5, "A", "G", "1/1")], "ACGTG", &[Duplicate]);
        clashes(&[(5, "A", "G", "1/1"), (5, "AC", "GC", "0/1")], "ACGTG", &[Duplicate]);
        clashes(&[(5, "A", "G", "0/1"), (5, "A", "T", "0/1"), (5, "A", "C", "0/1")], "ACGTS", &[Overlap]);
    }

    #[test]
    fn people_of_one_state_share_one_sequence_and_edits_are_numbered_by_place() {
        let locus = Locus { name: "l".into(), contig: "chr1".into(), start0: 100, end0: 104, strand: Strand::Reverse };
        let mut builder = DiploidBuilder::new(locus, Some(1_000), b"ACGT".to_vec(), 4);
        let ordered = |start0: usize, r: &str, a: &str| OrderedEdit {
            edit: Edit::canonical(start0, r.as_bytes(), a.as_bytes()).unwrap(),
            position: start0 + 1,
            ref_allele: r.as_bytes().into(),
            alt_allele: a.as_bytes().into(),
        };
        // Person 0: 0|1 twice; 1: none; 2: as 0, the other way round; 3: 1|1 at the second place.
        builder.add(ordered(101, "C", "T"), &[1, 4]);
        builder.add(ordered(103, "T", "A"), &[1, 5, 6, 7]);
        let built = builder.finish(&mut |_, _, clash| panic!("{clash:?}"));
        assert_eq!(built.pairs, [0, 1, 0, 2].map(|number| [number, ABSENT_HAPLOTYPE]));
        assert_eq!(built.haplotypes, [vec![0, 2], vec![], vec![1]]);
        let letters: Vec<(usize, &[u8])> = built.edits.iter().map(|edit| (edit.start0, &edit.alt[..])).collect();
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
            let allele = |number: usize| if number > alts.len() { ".".to_string() } else { number.to_string() };
            let [a, b] = if turned { [alleles[1], alleles[0]] } else { *alleles };
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

    fn symbols_of_drawn(texts: &[(usize, String, String, String)]) -> (String, Vec<Clash>) {
        let records: Vec<Record<'_>> = texts.iter().map(|(position, r, a, genotype)| (*position, &r[..], &a[..], &genotype[..])).collect();
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
                let (mut found, mut expected) = ([a, b], pair.map(|allele| BASES[allele].as_bytes()[0]));
                found.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
