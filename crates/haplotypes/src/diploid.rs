//! A person as one sequence of genotype symbols, one a reference position: needs no phase.
//!
//! Input -> output: a person's edits, each with its number of copies (0, 1, 2) ->
//! [`super::LocusHaplotypes`] over the 66 letters of [`SYMBOLS`], as long as the reference in
//! everyone. Coordinates: 0-based, half-open. After `SNP2Vec` (HLTCHKUST/snp2vec), whose code for a
//! person's VCF is lost: the rules below are ours.
//!
//! # The 66 symbols
//! Eleven haploid symbols of one position on one haplotype: `A G T C N`, `X` deleted, and `B H U D
//! O`: `A G T C N` followed by an insertion. A person has the unordered pair of two; a homozygote
//! is the single letter. Two bases are their IUPAC code, a base with N is lower case:
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
//! Each position has two places. Edits come in the order of `OrderedEdit`, a copy takes one place
//! at each position it states, all or none: a copy without a place is an overlap and is told. A SNP
//! `1/1` inside a deletion `0/1` is thus one copy of each, and one overlap. An edit that
//! several records state counts as often as in the record with most copies, the rest are
//! duplicates. An insertion takes a reference base before a replaced one, of two replaced ones the
//! first in the order `A G T C N`, and a base holds one insertion, X none: SNP `1/1` and insertion
//! `0/1` at one POS are the new base with and without an insertion.

mod builder;

pub use self::builder::DiploidBuilder;

use super::haplotype::Edit;

/// Haploid symbols, in the order of the table: bases, deleted, bases followed by an insertion.
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

const N: usize = 4;
const DELETED: u8 = b'X';
/// From a base to the same base followed by an insertion, in the order of the table.
const WITH_INSERTION: usize = 6;

/// Place of a haploid symbol in the table; N for a byte that is none.
fn index(haploid: u8) -> usize {
    HAPLOID_SYMBOLS
        .iter()
        .position(|&symbol| symbol == haploid)
        .unwrap_or(N)
}

/// The letter of the unordered pair of two haploid symbols; a byte that is none of
/// [`HAPLOID_SYMBOLS`] is read as N.
#[must_use]
pub fn symbol(a: u8, b: u8) -> u8 {
    SYMBOL_OF_PAIR[index(a)][index(b)]
}

/// The two haploid symbols of a letter, in the order of [`HAPLOID_SYMBOLS`]; `None` for a byte that
/// is none of [`SYMBOLS`].
#[must_use]
pub fn haploid_symbols(symbol: u8) -> Option<(u8, u8)> {
    let rows = SYMBOL_OF_PAIR.iter().zip(HAPLOID_SYMBOLS);
    rows.into_iter().find_map(|(row, a)| {
        Some((
            a,
            HAPLOID_SYMBOLS[row.iter().position(|&letter| letter == symbol)?],
        ))
    })
}

/// The letter on the other strand: A with T, C with G in both parts. An insertion stays with its
/// base, and so stands before it in the new direction. A byte that is none of [`SYMBOLS`] stays.
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
    (edit.start0..)
        .zip(symbols.into_iter().map(Change::Replaced))
        .collect()
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
                Change::Replaced(haploid) => {
                    *self.replaced.iter_mut().find(|place| place.is_none())? = Some(haploid);
                }
                Change::InsertedAfter => self.n_insertions += 1,
            }
        }
        let n_taking = self
            .replaced
            .iter()
            .filter(|place| place.is_none_or(is_plain_base))
            .count();
        (usize::from(self.n_insertions) <= n_taking).then_some(self)
    }

    /// Deleted on one haplotype at least.
    #[must_use]
    pub fn is_deleted(self) -> bool {
        self.replaced.contains(&Some(DELETED))
    }

    /// The letter, over a reference base.
    #[must_use]
    pub fn symbol(self, reference: u8) -> u8 {
        let Self {
            mut replaced,
            mut n_insertions,
        } = self;
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
        let both = SYMBOLS.map(complement);
        assert!(SYMBOLS.iter().all(|letter| both.contains(letter)));
        assert_eq!(b"ACGTNRYSWKMX".map(complement), *b"TGCANYRSWMKX");
        assert_eq!(b"BHUDO".map(complement), *b"UDBHO");
    }
}
