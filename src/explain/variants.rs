//! The variants of a locus in the VCF notation, and the carriers of its haplotypes.
//!
//! Input: [`LocusHaplotypes`]. Output: [`Variant`]s, one per edit of the locus, and [`Carriers`].
//! Edits are 0-based and half-open; `position` is 1-based.

use gf_genotypes::{Position0, Position1};
use gf_haplotypes::{ABSENT_HAPLOTYPE, Edit, LocusHaplotypes};

/// An allele that some samples carry, trimmed to the bases that differ.
///
/// An insertion or a deletion has one anchor base, like in VCF.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Number of the edit in the locus.
    pub edit: u32,
    /// POS.
    pub position: Position1,
    /// REF.
    pub ref_allele: String,
    /// ALT.
    pub alt_allele: String,
    /// Frequency of ALT among the copies of the locus.
    pub frequency: f64,
}

/// The carried variants of a locus.
#[derive(Debug)]
pub struct LocusVariants {
    /// The variants, in the order of their edits.
    pub variants: Vec<Variant>,
    /// Carried edits that are no alleles but N or an IUPAC code, which policies insert.
    pub n_no_alleles: usize,
}

impl LocusVariants {
    /// Lists the variants with at least one copy.
    pub fn new(locus: &LocusHaplotypes, carriers: &Carriers) -> Self {
        let mut n_copies = vec![0; locus.edits.len()];
        for (edits, copies) in locus.haplotypes.iter().zip(&carriers.copies) {
            for &edit in edits {
                n_copies[edit as usize] += copies.len();
            }
        }
        let mut variants = Vec::new();
        let mut n_no_alleles = 0;
        for (number, edit) in locus.edits.iter().enumerate() {
            if n_copies[number] == 0 {
                continue;
            }
            if !edit.alt.iter().all(|base| b"ACGT".contains(base)) {
                n_no_alleles += 1;
                continue;
            }
            let record = VcfAlleles::new(edit, &locus.reference, locus.locus.start0);
            variants.push(Variant {
                edit: number as u32,
                position: record.position,
                ref_allele: record.ref_allele,
                alt_allele: record.alt_allele,
                frequency: n_copies[number] as f64 / carriers.n_copies as f64,
            });
        }
        Self {
            variants,
            n_no_alleles,
        }
    }
}

/// POS, REF and ALT of an edit.
#[derive(Debug, PartialEq)]
struct VcfAlleles {
    position: Position1,
    ref_allele: String,
    alt_allele: String,
}

impl VcfAlleles {
    /// An insertion or a deletion gets the base before it, or the base after it at the start of the
    /// locus.
    fn new(edit: &Edit, reference: &[u8], locus_start0: Position0) -> Self {
        let mut start = edit.start0 - locus_start0;
        let mut end = edit.end0 - locus_start0;
        let mut alt = edit.alt.clone();
        if edit.is_insertion() || edit.is_deletion() {
            if start > 0 {
                start -= 1;
                alt.insert(0, reference[start]);
            } else if end < reference.len() {
                alt.push(reference[end]);
                end += 1;
            }
        }
        Self {
            position: (locus_start0 + start).to_one_based(),
            ref_allele: String::from_utf8_lossy(&reference[start..end]).into_owned(),
            alt_allele: String::from_utf8_lossy(&alt).into_owned(),
        }
    }
}

/// One copy of a haplotype in a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Number of the sample in the cohort.
    pub person: usize,
    /// The sample's other haplotype, or [`ABSENT_HAPLOTYPE`].
    pub partner: u32,
}

/// The carriers of each haplotype of a locus.
#[derive(Clone, Debug)]
pub struct Carriers {
    /// Copies of each distinct haplotype; a homozygous sample has two.
    pub copies: Vec<Vec<Copy>>,
    /// Copies of all haplotypes.
    pub n_copies: usize,
}

impl Carriers {
    /// Lists the copies of each haplotype over all samples.
    pub fn new(locus: &LocusHaplotypes) -> Self {
        let mut copies = vec![Vec::new(); locus.haplotypes.len()];
        for (person, &[a, b]) in locus.pairs.iter().enumerate() {
            for (haplotype, partner) in [(a, b), (b, a)] {
                if haplotype != ABSENT_HAPLOTYPE {
                    copies[haplotype as usize].push(Copy { person, partner });
                }
            }
        }
        Self {
            n_copies: copies.iter().map(Vec::len).sum(),
            copies,
        }
    }

    /// Haplotypes from the commonest to the rarest.
    pub fn commonest(&self) -> Vec<u32> {
        let mut haplotypes: Vec<u32> = (0..self.copies.len() as u32).collect();
        haplotypes.retain(|&haplotype| !self.copies[haplotype as usize].is_empty());
        haplotypes
            .sort_by_key(|&haplotype| std::cmp::Reverse(self.copies[haplotype as usize].len()));
        haplotypes
    }

    /// Squared correlation of two edits over all copies; `None` when one does not vary.
    ///
    /// `r2 = (p_both - p q)^2 / (p (1 - p) q (1 - q))`.
    pub fn r2(&self, locus: &LocusHaplotypes, edits: [u32; 2]) -> Option<f64> {
        // Index: 1 for the first edit plus 2 for the second.
        let mut counts = [0; 4];
        for (haplotype, copies) in locus.haplotypes.iter().zip(&self.copies) {
            let [first, second] =
                edits.map(|edit| usize::from(haplotype.binary_search(&edit).is_ok()));
            counts[first + 2 * second] += copies.len();
        }
        let [_, only_first, only_second, both] =
            counts.map(|count| count as f64 / self.n_copies as f64);
        let p = only_first + both;
        let q = only_second + both;
        let variance = p * (1.0 - p) * q * (1.0 - q);
        (variance > 0.0).then(|| ((both - p * q).powi(2) / variance).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gf_genotypes::{Locus, Strand};
    use gf_haplotypes::{Encoding, Masks};

    fn locus(
        edits: &[(usize, usize, &str)],
        haplotypes: &[&[u32]],
        pairs: &[[u32; 2]],
    ) -> LocusHaplotypes {
        LocusHaplotypes {
            locus: Locus {
                name: "L".into(),
                contig: "1".into(),
                start0: Position0::new(100),
                end0: Position0::new(110),
                strand: Strand::Forward,
            },
            contig_len_nt: None,
            masks: Masks::default(),
            encoding: Encoding::Haplotype,
            reference: b"ACGTACGTAC".to_vec(),
            edits: edits
                .iter()
                .map(|&(start0, end0, alt)| Edit {
                    start0: Position0::new(start0),
                    end0: Position0::new(end0),
                    alt: alt.into(),
                })
                .collect(),
            haplotypes: haplotypes.iter().map(|edits| edits.to_vec()).collect(),
            pairs: pairs.to_vec(),
        }
    }

    #[test]
    fn an_edit_is_written_as_vcf_writes_it() {
        for (start0, end0, alt, position, vcf_ref, vcf_alt) in [
            (104, 105, "G", 105, "A", "G"),
            (105, 107, "", 105, "ACG", "A"),
            (105, 105, "TT", 105, "A", "ATT"),
            (100, 101, "", 101, "AC", "C"),
            (100, 100, "TT", 101, "A", "TTA"),
            (104, 107, "TT", 105, "ACG", "TT"),
        ] {
            let edit = Edit {
                start0: Position0::new(start0),
                end0: Position0::new(end0),
                alt: alt.into(),
            };
            let expected = VcfAlleles {
                position: Position1::new(position).unwrap(),
                ref_allele: vcf_ref.into(),
                alt_allele: vcf_alt.into(),
            };
            let found = VcfAlleles::new(&edit, b"ACGTACGTAC", Position0::new(100));
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn copies_are_counted_and_what_is_no_allele_is_left_out() {
        let edits = [
            (101, 102, "G"),
            (103, 104, "N"),
            (105, 106, "R"),
            (107, 107, "A"),
        ];
        let locus = locus(
            &edits,
            &[&[], &[0, 3], &[1, 2, 3]],
            &[[0, 1], [1, 1], [2, ABSENT_HAPLOTYPE]],
        );
        let carriers = Carriers::new(&locus);
        assert_eq!(
            (carriers.n_copies, carriers.commonest()),
            (5, vec![1, 0, 2])
        );
        assert_eq!(
            carriers.copies[1],
            [(0, 0), (1, 1), (1, 1)].map(|(person, partner)| Copy { person, partner })
        );
        let found = LocusVariants::new(&locus, &carriers);
        assert_eq!(found.n_no_alleles, 2);
        assert_eq!(
            found
                .variants
                .iter()
                .map(|variant| (variant.position.get(), variant.frequency))
                .collect::<Vec<_>>(),
            [(102, 0.6), (107, 0.8)]
        );
    }

    #[test]
    fn r2_is_that_of_its_definition() {
        let edits = [(101, 102, "G"), (103, 104, "A"), (105, 106, "T")];
        let locus = locus(&edits, &[&[2], &[0, 1, 2], &[0, 2]], &[[0, 1], [1, 2]]);
        let carriers = Carriers::new(&locus);
        // Copies: 01 of (first, second): 00, 11, 11, 10; p = 3/4, q = 1/2, D = 1/2 - 3/8.
        assert!(
            (carriers.r2(&locus, [0, 1]).unwrap() - 0.125_f64.powi(2) / (0.75 * 0.25 * 0.25)).abs()
                < 1e-12
        );
        assert_eq!(carriers.r2(&locus, [0, 0]), Some(1.0));
        assert_eq!(
            carriers.r2(&locus, [0, 2]),
            None,
            "all copies have the third"
        );
    }
}
