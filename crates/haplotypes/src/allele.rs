//! The effect of one ALT on the sequence of a carrier.
//!
//! Input -> output: a record, the number of an ALT and a locus -> an [`Allele`].

use super::haplotype::Edit;
use gf_genotypes::{Position0, Range0, VariantRecord};

/// The effect of one ALT on the sequence of a carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allele {
    /// Replaces, inserts or deletes bases inside the locus.
    Edit {
        /// The edit, clipped to the locus.
        edit: Edit,
        /// Start of the edit before it was clipped, possibly left of the locus.
        uncut_start0: Position0,
        /// An IUPAC code in ALT was read as N.
        iupac: bool,
        /// End (exclusive) of REF, or of the bases that `<DEL>` deletes.
        record_end0: Position0,
    },
    /// Changes nothing inside the locus.
    Outside,
    /// `<NON_REF>` or `<*>` of gVCF, which is read as the reference.
    ReferenceBlock,
    /// ALT equals REF, or is a deletion of no base.
    AltIsRef,
    /// `*`: another record should delete the base.
    Star,
    /// Symbolic allele other than `<DEL>`, or breakend.
    Symbolic,
    /// `<DEL>` without END and SVLEN.
    UnknownEnd,
    /// ALT is neither bases nor a known symbol.
    NotBases,
}

impl Allele {
    /// Reads ALT number `number` (0-based) of a record over the locus `window`.
    pub fn new(record: &VariantRecord, number: usize, window: Range0) -> Self {
        let alt = record.alt_alleles[number].as_slice();
        match alt {
            b"*" => return Self::Star,
            b"<NON_REF>" | b"<*>" => return Self::ReferenceBlock,
            b"<DEL>" => {
                let Some(end0) = record.symbolic_end0(number) else {
                    return Self::UnknownEnd;
                };
                // POS is the base before the deleted ones.
                let start0 = record.start0() + 1;
                if end0 <= start0 {
                    return Self::AltIsRef;
                }
                let edit = Edit {
                    start0,
                    end0,
                    alt: Vec::new(),
                };
                return Self::clipped(edit, record, window, false, end0);
            }
            _ if alt.starts_with(b"<") || is_breakend(alt) => return Self::Symbolic,
            _ if alt.is_empty() || !alt.iter().all(|base| b"ACGTNRYSWKMBDHVU".contains(base)) => {
                return Self::NotBases;
            }
            _ => {}
        }
        let mut bases = alt.to_vec();
        let mut iupac = false;
        for base in bases.iter_mut().filter(|base| !b"ACGTN".contains(base)) {
            *base = b'N';
            iupac = true;
        }
        match Edit::canonical(record.start0(), &record.ref_allele, &bases) {
            None => Self::AltIsRef,
            Some(edit) => Self::clipped(edit, record, window, iupac, record.end0()),
        }
    }

    fn clipped(
        uncut: Edit,
        record: &VariantRecord,
        window: Range0,
        iupac: bool,
        record_end0: Position0,
    ) -> Self {
        let uncut_start0 = uncut.start0;
        let inside = uncut
            .clip(window, record.start0())
            .filter(|edit| !edit.is_nothing());
        inside.map_or(Self::Outside, |edit| Self::Edit {
            edit,
            uncut_start0,
            iupac,
            record_end0,
        })
    }
}

/// Whether ALT is a breakend such as `A[chr2:5[`, or a single breakend (`A.`, `.A`).
fn is_breakend(alt: &[u8]) -> bool {
    let is_single = alt.len() > 1 && (alt.starts_with(b".") || alt.ends_with(b"."));
    is_single || alt.iter().any(|byte| matches!(byte, b'[' | b']'))
}

/// The IUPAC codes of two alleles without phase, base by base.
///
/// `None` if their lengths differ or a letter is not a base.
pub fn iupac_of(a: &[u8], b: &[u8]) -> Option<Vec<u8>> {
    if a.len() != b.len() {
        return None;
    }
    a.iter()
        .zip(b)
        .map(|(&a, &b)| {
            iupac_code(iupac_bits(a) | iupac_bits(b))
                .filter(|_| iupac_bits(a) != 0 && iupac_bits(b) != 0)
        })
        .collect()
}

/// The IUPAC code of each set of bases; bit 0 of the index is A, bit 1 C, bit 2 G, bit 3 T.
const CODES: &[u8; 16] = b".ACMGRSVTWYHKDBN";

fn iupac_code(bits: u8) -> Option<u8> {
    CODES.get(usize::from(bits)).copied().filter(|_| bits != 0)
}

/// The set of bases that an IUPAC code means, as bits (A = 1, C = 2, G = 4, T = 8).
///
/// 0 for a letter that is not an IUPAC code.
pub fn iupac_bits(base: u8) -> u8 {
    let base = if base == b'U' { b'T' } else { base };
    CODES[1..]
        .iter()
        .position(|&code| code == base)
        .map_or(0, |index| index as u8 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bases_have_one_code() {
        assert_eq!(iupac_of(b"A", b"G"), Some(b"R".to_vec()));
        assert_eq!(iupac_of(b"ACG", b"TCG"), Some(b"WCG".to_vec()));
        assert_eq!(iupac_of(b"A", b"N"), Some(b"N".to_vec()));
        assert_eq!(iupac_of(b"A", b"AT"), None);
        assert_eq!(iupac_of(b"A", b"*"), None);
        assert_eq!(
            CODES[1..]
                .iter()
                .map(|&code| iupac_bits(code))
                .collect::<Vec<_>>(),
            (1..16).collect::<Vec<u8>>()
        );
    }
}
