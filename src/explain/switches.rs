//! Haplotypes with switched alleles: all versions of many haplotypes, each distinct one tokenized
//! once.
//!
//! Input: distinct haplotypes of a locus and [`Switch`]es. Output: a [`Pass`] with token rows and
//! the row of each version.

use std::collections::HashMap;

use gf_tokenizer::Tokenizer;

use crate::tokens::{self, EncodedHaplotypes, Grid, LocusTokens, encode_haplotypes};
use gf_haplotypes::LocusHaplotypes;

/// Edits of a locus that are switched together in a haplotype, one or two.
pub type Switch<const N: usize> = [u32; N];

/// One haplotype with every combination of REF and ALT at the edits of a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Rows of [`Pass::tokens`] by version. Bit `i` of the index is set if edit `i` is present. One
    /// version is the unchanged haplotype.
    pub rows: Vec<u32>,
    /// Whether the model reads some version as the nearest segment of its training.
    pub approximated: bool,
}

/// The versions of some haplotypes of a locus.
#[derive(Debug)]
pub struct Pass {
    /// Each distinct row of tokens once.
    pub tokens: LocusTokens,
    /// Haplotypes x switches; `None` where an allele overlaps another one of the haplotype.
    pub versions: Vec<Vec<Option<Versions>>>,
}

impl Pass {
    /// Makes all versions, and tokenizes each distinct one.
    pub fn new<const N: usize>(
        locus: &LocusHaplotypes,
        locus_number: usize,
        haplotypes: &[u32],
        switches: &[Switch<N>],
        tokenizer: &Tokenizer,
        grid: &Grid,
    ) -> Result<Self, tokens::Error> {
        let mut distinct = DistinctHaplotypes::default();
        // Haplotypes x switches x versions, as numbers of distinct haplotypes.
        let mut numbers: Vec<Vec<Option<Vec<u32>>>> = Vec::with_capacity(haplotypes.len());
        for &haplotype in haplotypes {
            let edits = &locus.haplotypes[haplotype as usize];
            let haplotype_numbers = switches
                .iter()
                .map(|switch| Some(distinct.numbers(all_versions(locus, edits, *switch)?)))
                .collect();
            numbers.push(haplotype_numbers);
        }
        let mut encoded = encode_haplotypes(
            &LocusHaplotypes {
                haplotypes: distinct.into_haplotypes(),
                pairs: Vec::new(),
                ..locus.clone()
            },
            locus_number,
            tokenizer,
            grid,
        )?;
        let row_of = distinct_rows(&mut encoded.tokens);
        let versions = numbers
            .into_iter()
            .map(|haplotype_numbers| {
                haplotype_numbers
                    .into_iter()
                    .map(|numbers| Some(Versions::new(&numbers?, &row_of, &encoded)))
                    .collect()
            })
            .collect();
        Ok(Self {
            versions,
            tokens: encoded.tokens,
        })
    }
}

impl Versions {
    /// Versions from the numbers of their haplotypes in `encoded`; `row_of` has their token rows.
    fn new(numbers: &[u32], row_of: &[u32], encoded: &EncodedHaplotypes) -> Self {
        let first_approximated = &encoded.approximated[numbers[0] as usize];
        Self {
            // A segment that is approximated in all versions cancels out of every contrast.
            approximated: numbers
                .iter()
                .any(|&number| encoded.approximated[number as usize] != *first_approximated),
            rows: numbers
                .iter()
                .map(|&number| row_of[number as usize])
                .collect(),
        }
    }
}

/// Numbers for distinct haplotypes (sets of edits), from 0 in the order of their first occurrence.
#[derive(Default)]
struct DistinctHaplotypes(HashMap<Vec<u32>, u32>);

impl DistinctHaplotypes {
    fn numbers(&mut self, haplotypes: Vec<Vec<u32>>) -> Vec<u32> {
        haplotypes
            .into_iter()
            .map(|edits| {
                let next = self.0.len() as u32;
                *self.0.entry(edits).or_insert(next)
            })
            .collect()
    }

    fn into_haplotypes(self) -> Vec<Vec<u32>> {
        let mut haplotypes = vec![Vec::new(); self.0.len()];
        for (edits, number) in self.0 {
            haplotypes[number as usize] = edits;
        }
        haplotypes
    }
}

/// All versions of a haplotype; `None` when one of them cannot be made.
fn all_versions<const N: usize>(
    locus: &LocusHaplotypes,
    haplotype: &[u32],
    switch: Switch<N>,
) -> Option<Vec<Vec<u32>>> {
    (0..1 << N)
        .map(|version| version_of(locus, haplotype, switch, version))
        .collect()
}

/// A version of a haplotype: edit `i` of the switch is present if bit `i` of `version` is set.
///
/// `None` when an edit overlaps another one of the haplotype.
fn version_of<const N: usize>(
    locus: &LocusHaplotypes,
    haplotype: &[u32],
    switch: Switch<N>,
    version: usize,
) -> Option<Vec<u32>> {
    let mut edits = haplotype.to_vec();
    // Edits are removed first, so that they cannot overlap the added ones.
    for is_added in [false, true] {
        for (bit, &edit) in switch.iter().enumerate() {
            if (version >> bit & 1 == 1) == is_added {
                edits = locus.switched(&edits, edit, is_added)?;
            }
        }
    }
    Some(edits)
}

/// Removes repeated rows and returns the new number of every old row.
///
/// The remaining rows are in the order of their first occurrence.
fn distinct_rows(tokens: &mut LocusTokens) -> Vec<u32> {
    let mut distinct = Vec::new();
    let mut number_of: HashMap<&[u32], u32> = HashMap::new();
    let mut numbers = Vec::with_capacity(tokens.n_haplotypes());
    for row in tokens.tokens.chunks_exact(tokens.n_slots) {
        let next = number_of.len() as u32;
        let number = *number_of.entry(row).or_insert(next);
        if number == next {
            distinct.extend_from_slice(row);
        }
        numbers.push(number);
    }
    tokens.tokens = distinct;
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::{Options, Tokenized, run};
    use gf_genotypes::{Locus, Position0, Strand};
    use gf_haplotypes::{Dictionary, Edit, Encoding, Masks};

    fn edit(start0: usize, end0: usize, alt: &str) -> Edit {
        Edit {
            start0: Position0::new(start0),
            end0: Position0::new(end0),
            alt: alt.into(),
        }
    }

    /// Three haplotypes with a SNP, a deletion that spans it, and a SNP further downstream.
    fn dictionary() -> Dictionary {
        let locus = LocusHaplotypes {
            locus: Locus {
                name: "L".into(),
                contig: "1".into(),
                start0: Position0::new(100),
                end0: Position0::new(130),
                strand: Strand::Forward,
            },
            contig_len_nt: None,
            masks: Masks::default(),
            encoding: Encoding::Haplotype,
            reference: b"ACGTACGTACGTTGCATGCAACGTTACGTA".to_vec(),
            edits: vec![edit(104, 108, ""), edit(105, 106, "G"), edit(120, 121, "T")],
            haplotypes: vec![vec![], vec![1], vec![0, 2]],
            pairs: vec![[0, 1], [1, 2]],
        };
        Dictionary {
            encoding: Encoding::Haplotype,
            iupac: false,
            samples: vec!["a".into(), "b".into()],
            loci: vec![locus],
        }
    }

    fn tokenized() -> Tokenized {
        run(
            &dictionary(),
            &[0, 1],
            &Options {
                segment_length: 10,
                min_token_count: 1,
                ..Options::default()
            },
        )
        .unwrap()
    }

    fn pass<const N: usize>(tokenized: &Tokenized, switches: &[Switch<N>]) -> Pass {
        Pass::new(
            &dictionary().loci[0],
            0,
            &[0, 1, 2],
            switches,
            &tokenized.tokenizer,
            &tokenized.grid,
        )
        .unwrap()
    }

    fn row(pass: &Pass, haplotype: usize, switch: usize, version: usize) -> Option<&[u32]> {
        let versions = pass.versions[haplotype][switch].as_ref()?;
        Some(pass.tokens.row(versions.rows[version]))
    }

    #[test]
    fn one_version_is_the_haplotype_as_it_is_and_the_others_are_shared() {
        let tokenized = tokenized();
        let pass = pass(&tokenized, &[[0], [1], [2]]);
        let locus = &tokenized.tokens.loci[0];
        assert_eq!(row(&pass, 0, 1, 0), Some(locus.row(0)));
        assert_eq!(row(&pass, 0, 1, 1), Some(locus.row(1)));
        assert_eq!(
            (row(&pass, 1, 1, 0), row(&pass, 1, 1, 1)),
            (Some(locus.row(0)), Some(locus.row(1))),
            "switched and switched back"
        );
        assert_eq!(row(&pass, 2, 0, 1), Some(locus.row(2)));
        assert_eq!(
            (row(&pass, 1, 0, 1), row(&pass, 2, 1, 1)),
            (None, None),
            "the deletion spans the SNP"
        );
        let rows: std::collections::HashSet<&[u32]> = pass
            .tokens
            .tokens
            .chunks_exact(pass.tokens.n_slots)
            .collect();
        assert_eq!(rows.len(), pass.tokens.n_haplotypes());
    }

    #[test]
    fn a_version_that_needs_another_segment_is_counted_as_approximated() {
        let tokenized = tokenized();
        let known = pass(&tokenized, &[[1, 2]]);
        let versions = known.versions[0][0].as_ref().unwrap();
        // All segments of the four versions occur in training, for the SNPs are in different ones.
        assert!(!versions.approximated && versions.rows.len() == 4);
        assert!(known.versions[2][0].is_none());
        let mut locus = dictionary().loci.remove(0);
        locus.edits[2].start0 = Position0::new(122);
        locus.edits[2].end0 = Position0::new(123);
        let pass = Pass::new(
            &locus,
            0,
            &[0],
            &[[2]],
            &tokenized.tokenizer,
            &tokenized.grid,
        )
        .unwrap();
        let versions = pass.versions[0][0].as_ref().unwrap();
        assert!(versions.approximated);
        assert_eq!(
            versions.rows[0], versions.rows[1],
            "read as the segment without it"
        );
    }
}
