//! Unphased encoding: one genotype symbol per reference position for each sample.
//!
//! Input -> output: the edits of a sample, each with its number of copies (0, 1, 2) ->
//! [`super::LocusHaplotypes`] over the 66 letters of [`SYMBOLS`]. Every sequence is as long as the
//! reference. Coordinates: 0-based, half-open.
//!
//! Source of the alphabet: `SNP2Vec` (HLTCHKUST/snp2vec). Its code that reads the VCF of a sample
//! was not published, so the rules below are ours.
//!
//! # The 66 symbols
//! One position of one haplotype has one of eleven haploid symbols:
//! - `A G T C N`: a base;
//! - `X`: a deleted base;
//! - `B H U D O`: `A G T C N`, each followed by an insertion.
//!
//! A genotype symbol means an unordered pair of haploid symbols. A homozygote is the single
//! letter, two bases are their IUPAC code, and a base with N is lower case:
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
//! Case matters. B D H U V differ from the IUPAC codes of the same letters in a FASTA; those codes
//! are read as N.
//!
//! # The changes that an allele makes
//! - SNP or MNP: the new base at each replaced position.
//! - Deletion: X at each deleted position.
//! - Insertion: an insertion after the base before it. At the start of the locus there is no such
//!   base, so the insertion goes to the first base.
//! - Replacement of another length: the new bases from the left. Left-over positions are X;
//!   left-over bases are an insertion after the last replaced base.
//!
//! The letters of inserted bases are lost; coordinates are kept.
//!
//! # The symbols that genotypes give
//! - `0/1`, `1/0`, `0|1`: the pair of REF and ALT. Phase and the order of alleles are ignored.
//! - `1/2`: the pair of both ALT alleles.
//! - `./.`: REF; `N` over the span of REF with `--missing N`; an error with `--missing error`.
//! - `.|1`: each allele by itself, the pair of the symbol for `.` and ALT.
//! - `1`: the single letter.
//! - `*`: no change. The record of the deletion makes the X.
//!
//! # Overlaps
//! Each position has two slots, one per chromosome copy. Edits are applied in the order of
//! `OrderedEdit`. A copy of an edit takes one slot at every position it changes, or none at all. A
//! copy without a free slot is an overlap and is logged. Example: a SNP `1/1` inside a deletion
//! `0/1` gives one copy of each and one overlap.
//!
//! An edit that several records state has as many copies as in the record with most copies; the
//! rest are duplicates.
//!
//! An insertion prefers a reference base to a replaced one, and of two replaced bases the first in
//! the order `A G T C N`. A base takes one insertion, X takes none. Example: SNP `1/1` and
//! insertion `0/1` at one POS give the new base with and without an insertion.

mod builder;

pub use self::builder::DiploidBuilder;

use super::haplotype::Edit;
use gf_genotypes::Position0;

/// Haploid symbols in the order of the table: bases, deleted, bases followed by an insertion.
pub const HAPLOID_SYMBOLS: [u8; 11] = *b"AGTCNXBHUDO";

/// The letter of each pair of haploid symbols, rows and columns in the order of
/// [`HAPLOID_SYMBOLS`].
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
pub const SYMBOLS: [u8; 66] =
    *b"!$%0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz~";

/// Index of N in the table; smaller indices are the other bases.
const N: usize = 4;
const DELETED: u8 = b'X';
/// Distance in the table from a base to the same base followed by an insertion.
const WITH_INSERTION: usize = 6;

/// Index of a haploid symbol in the table; that of N for any other byte.
fn index(haploid: u8) -> usize {
    HAPLOID_SYMBOLS
        .iter()
        .position(|&symbol| symbol == haploid)
        .unwrap_or(N)
}

/// The genotype symbol of two haploid symbols in any order.
///
/// A byte that is not among [`HAPLOID_SYMBOLS`] is read as N.
#[must_use]
pub fn symbol(a: u8, b: u8) -> u8 {
    SYMBOL_OF_PAIR[index(a)][index(b)]
}

/// The two haploid symbols of a genotype symbol, in the order of [`HAPLOID_SYMBOLS`].
///
/// `None` for a byte that is not among [`SYMBOLS`].
#[must_use]
pub fn haploid_symbols(symbol: u8) -> Option<(u8, u8)> {
    let rows = SYMBOL_OF_PAIR.iter().zip(HAPLOID_SYMBOLS);
    rows.into_iter().find_map(|(row, a)| {
        let column = row.iter().position(|&letter| letter == symbol)?;
        Some((a, HAPLOID_SYMBOLS[column]))
    })
}

/// The genotype symbol of the other strand: A with T, C with G, on both haplotypes.
///
/// An insertion stays with its base, so it precedes the base in the new direction. A byte that is
/// not among [`SYMBOLS`] is returned as it is.
#[must_use]
pub fn complement(symbol: u8) -> u8 {
    haploid_symbols(symbol).map_or(symbol, |(a, b)| {
        self::symbol(complement_haploid(a), complement_haploid(b))
    })
}

/// The haploid symbol of the other strand; N, X and O are their own complements.
fn complement_haploid(haploid: u8) -> u8 {
    match haploid {
        b'A' => b'T',
        b'T' => b'A',
        b'C' => b'G',
        b'G' => b'C',
        b'B' => b'U',
        b'U' => b'B',
        b'D' => b'H',
        b'H' => b'D',
        other => other,
    }
}

/// The change that an allele makes at one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// This haploid symbol in place of the reference base.
    Replaced(u8),
    /// An insertion after the base at the position, whichever it is.
    InsertedAfter,
}

/// The changes of an edit, ascending by position; `first0` is the first base of the locus.
#[must_use]
pub fn changes(edit: &Edit, first0: Position0) -> Vec<(Position0, Change)> {
    if edit.is_insertion() {
        return vec![(edit.start0.max(first0 + 1) - 1, Change::InsertedAfter)];
    }
    let mut symbols: Vec<u8> = edit.alt.iter().map(|&base| plain_base(base)).collect();
    let is_longer = symbols.len() > edit.end0 - edit.start0;
    symbols.resize(edit.end0 - edit.start0, DELETED);
    if let (true, Some(last)) = (is_longer, symbols.last_mut()) {
        *last = followed_by_insertion(*last);
    }
    (0..)
        .map(|offset| edit.start0 + offset)
        .zip(symbols.into_iter().map(Change::Replaced))
        .collect()
}

/// One of `A G T C N`; other letters are read as N.
fn plain_base(base: u8) -> u8 {
    HAPLOID_SYMBOLS[index(base).min(N)]
}

fn followed_by_insertion(base: u8) -> u8 {
    HAPLOID_SYMBOLS[WITH_INSERTION + index(base).min(N)]
}

fn is_plain_base(haploid: u8) -> bool {
    index(haploid) <= N
}

/// The changes of one sample at one position, without phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiploidChange {
    /// The haploid symbols that replace the reference base; `None` is a free slot.
    replaced: [Option<u8>; 2],
    /// Insertions from edits of their own. A replacement may bring another one along in its symbol.
    n_insertions: u8,
}

impl DiploidChange {
    /// Adds `copies` copies of a change; `None` if they do not fit.
    #[must_use]
    pub fn and(mut self, change: Change, copies: u8) -> Option<Self> {
        for _ in 0..copies {
            match change {
                Change::Replaced(haploid) => {
                    *self.replaced.iter_mut().find(|slot| slot.is_none())? = Some(haploid);
                }
                Change::InsertedAfter => self.n_insertions += 1,
            }
        }
        // X and a base that has an insertion already cannot take one.
        let n_open_to_insertion = self
            .replaced
            .iter()
            .filter(|slot| slot.is_none_or(is_plain_base))
            .count();
        (usize::from(self.n_insertions) <= n_open_to_insertion).then_some(self)
    }

    /// Whether the base is deleted on at least one haplotype.
    #[must_use]
    pub fn is_deleted(self) -> bool {
        self.replaced.contains(&Some(DELETED))
    }

    /// The genotype symbol, given the reference base.
    #[must_use]
    pub fn symbol(self, reference: u8) -> u8 {
        let Self {
            mut replaced,
            mut n_insertions,
        } = self;
        // `None` sorts first: insertions go to a reference base before a replaced one, then in the
        // order of the table.
        replaced.sort_by_key(|slot| slot.map(index));
        let [a, b] = replaced.map(|slot| {
            let haploid = slot.unwrap_or(reference);
            if n_insertions == 0 || !is_plain_base(haploid) {
                return haploid;
            }
            n_insertions -= 1;
            followed_by_insertion(haploid)
        });
        symbol(a, b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(
            SYMBOLS
                .iter()
                .all(|letter| letter.is_ascii_graphic() && !b"[]\"\\<>".contains(letter))
        );
        assert_eq!(haploid_symbols(b'['), None);
    }

    #[test]
    fn the_complement_is_an_involution_and_that_of_iupac_on_two_bases() {
        for letter in SYMBOLS {
            assert_eq!(complement(complement(letter)), letter);
            let (a, b) = haploid_symbols(letter).unwrap();
            assert_eq!(
                haploid_symbols(complement(letter)).map(|(c, d)| symbol(c, d)),
                Some(symbol(complement(a), complement(b)))
            );
        }
        let complements = SYMBOLS.map(complement);
        assert!(SYMBOLS.iter().all(|letter| complements.contains(letter)));
        assert_eq!(b"ACGTNRYSWKMX".map(complement), *b"TGCANYRSWMKX");
        assert_eq!(b"BHUDO".map(complement), *b"UDBHO");
    }
}
