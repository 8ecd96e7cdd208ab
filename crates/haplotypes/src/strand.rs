//! Reverse complements, for loci on BED strand `-`.

use super::policies::Encoding;

/// The letters of the reverse strand: complemented, in reverse order.
#[must_use]
pub fn reverse_complement(letters: &[u8], encoding: Encoding) -> Vec<u8> {
    let complement = match encoding {
        Encoding::Haplotype => complement,
        Encoding::Diploid => super::diploid::complement,
    };
    letters
        .iter()
        .rev()
        .map(|&letter| complement(letter))
        .collect()
}

/// The complement of an upper-case base or IUPAC code; N, S and W are their own complements.
fn complement(base: u8) -> u8 {
    match base {
        b'A' => b'T',
        b'C' => b'G',
        b'G' => b'C',
        b'T' => b'A',
        b'R' => b'Y',
        b'Y' => b'R',
        b'K' => b'M',
        b'M' => b'K',
        b'B' => b'V',
        b'V' => b'B',
        b'D' => b'H',
        b'H' => b'D',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_and_codes_are_complemented_and_reversed() {
        assert_eq!(
            reverse_complement(b"ACGTNRYKMBVDHSW", Encoding::Haplotype),
            b"WSDHBVKMRYNACGT"
        );
    }
}
