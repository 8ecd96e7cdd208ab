//! The variants of a locus as its haplotypes have them, and who has which haplotype.
//!
//! Input -> output: [`LocusHaplotypes`] -> [`Variant`]s (an edit of the locus, written as VCF
//! writes it) and [`Carriers`]. Coordinates: edits are 0-based, half-open; `position` is 1-based.

use gf_haplotypes::{ABSENT_HAPLOTYPE, Edit, LocusHaplotypes};

/// An allele that some people carry: what it changes, without what REF and ALT share but for the
/// base before an indel.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Number of the edit in the locus.
    pub edit: u32,
    /// 1-based POS.
    pub position: usize,
    /// REF.
    pub ref_allele: String,
    /// ALT.
    pub alt_allele: String,
    /// Of ALT among the copies of the locus.
    pub frequency: f64,
}

/// The variants of a locus and how many of its edits are none: N and IUPAC codes, by which policies
/// read genotypes that say too little.
pub fn variants(locus: &LocusHaplotypes, carriers: &Carriers) -> (Vec<Variant>, usize) {
    let mut n_copies = vec![0; locus.edits.len()];
    for (edits, copies) in locus.haplotypes.iter().zip(&carriers.of_haplotype) {
        for &edit in edits {
            n_copies[edit as usize] += copies.len();
        }
    }
    let carried = || (0..locus.edits.len()).filter(|&number| n_copies[number] > 0);
    let is_allele = |number: usize| {
        locus.edits[number]
            .alt
            .iter()
            .all(|base| b"ACGT".contains(base))
    };
    let variant = |number: usize| {
        let (position, ref_allele, alt_allele) =
            as_in_vcf(&locus.edits[number], &locus.reference, locus.locus.start0);
        Variant {
            edit: number as u32,
            position,
            ref_allele,
            alt_allele,
            frequency: n_copies[number] as f64 / carriers.n_copies as f64,
        }
    };
    let n_no_alleles = carried().filter(|&number| !is_allele(number)).count();
    (
        carried()
            .filter(|&number| is_allele(number))
            .map(variant)
            .collect(),
        n_no_alleles,
    )
}

/// POS, REF and ALT; an insertion or deletion has the base before it, or behind it at the start of
/// the locus.
fn as_in_vcf(edit: &Edit, reference: &[u8], locus_start0: usize) -> (usize, String, String) {
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
    let text = |bases: &[u8]| String::from_utf8_lossy(bases).into_owned();
    (
        locus_start0 + start + 1,
        text(&reference[start..end]),
        text(&alt),
    )
}

/// One copy of a locus: a person's haplotype, beside the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Number into the people.
    pub person: usize,
    /// The person's other haplotype, or [`ABSENT_HAPLOTYPE`].
    pub partner: u32,
}

/// Who has which haplotype of a locus.
#[derive(Clone, Debug)]
pub struct Carriers {
    /// Of each distinct haplotype; a person who has it twice is there twice.
    pub of_haplotype: Vec<Vec<Copy>>,
    /// Of all.
    pub n_copies: usize,
}

impl Carriers {
    /// Of all people of the locus.
    pub fn new(locus: &LocusHaplotypes) -> Self {
        let mut of_haplotype = vec![Vec::new(); locus.haplotypes.len()];
        for (person, &[a, b]) in locus.pairs.iter().enumerate() {
            for (haplotype, partner) in [(a, b), (b, a)] {
                if haplotype != ABSENT_HAPLOTYPE {
                    of_haplotype[haplotype as usize].push(Copy { person, partner });
                }
            }
        }
        let n_copies = of_haplotype.iter().map(Vec::len).sum();
        Self {
            of_haplotype,
            n_copies,
        }
    }

    /// Haplotypes from the commonest to the rarest.
    pub fn commonest(&self) -> Vec<u32> {
        let mut haplotypes: Vec<u32> = (0..self.of_haplotype.len() as u32).collect();
        haplotypes.retain(|&haplotype| !self.of_haplotype[haplotype as usize].is_empty());
        haplotypes.sort_by_key(|&haplotype| {
            std::cmp::Reverse(self.of_haplotype[haplotype as usize].len())
        });
        haplotypes
    }

    /// Squared correlation of two edits over all copies; `None` when one does not vary.
    pub fn r2(&self, locus: &LocusHaplotypes, edits: [u32; 2]) -> Option<f64> {
        let mut counts = [0; 4];
        for (haplotype, copies) in locus.haplotypes.iter().zip(&self.of_haplotype) {
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
                start0: 100,
                end0: 110,
                strand: Strand::Forward,
            },
            contig_len_nt: None,
            masks: Masks::default(),
            encoding: Encoding::Haplotype,
            reference: b"ACGTACGTAC".to_vec(),
            edits: edits
                .iter()
                .map(|&(start0, end0, alt)| Edit {
                    start0,
                    end0,
                    alt: alt.into(),
                })
                .collect(),
            haplotypes: haplotypes.iter().map(|edits| edits.to_vec()).collect(),
            pairs: pairs.to_vec(),
        }
    }

    #[test]
    fn an_edit_is_written_as_vcf_writes_it() {
        let written = |start0, end0, alt: &str| {
            as_in_vcf(
                &Edit {
                    start0,
                    end0,
                    alt: alt.into(),
                },
                b"ACGTACGTAC",
                100,
            )
        };
        assert_eq!(written(104, 105, "G"), (105, "A".into(), "G".into()));
        assert_eq!(written(105, 107, ""), (105, "ACG".into(), "A".into()));
        assert_eq!(written(105, 105, "TT"), (105, "A".into(), "ATT".into()));
        assert_eq!(written(100, 101, ""), (101, "AC".into(), "C".into()));
        assert_eq!(written(100, 100, "TT"), (101, "A".into(), "TTA".into()));
        assert_eq!(written(104, 107, "TT"), (105, "ACG".into(), "TT".into()));
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
            carriers.of_haplotype[1],
            [(0, 0), (1, 1), (1, 1)].map(|(person, partner)| Copy { person, partner })
        );
        let (variants, n_no_alleles) = variants(&locus, &carriers);
        assert_eq!(n_no_alleles, 2);
        assert_eq!(
            variants
                .iter()
                .map(|variant| (variant.position, variant.frequency))
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
        assert_eq!(carriers.r2(&locus, [0, 2]), None, "everybody has the third");
    }
}
