//! Haplotypes with alleles switched: every version of many haplotypes, each distinct one tokenized
//! once.
//!
//! Input -> output: distinct haplotypes of a locus and [`Switch`]es -> a [`Pass`]: token rows, and
//! which of them is which version.

use std::collections::HashMap;

use gf_tokenizer::Tokenizer;

use crate::tokens::{self, EncodedHaplotypes, Grid, LocusTokens, encode_haplotypes};
use gf_haplotypes::LocusHaplotypes;

/// What is switched together in a haplotype: edits of the locus, one or two.
pub type Switch<const N: usize> = [u32; N];

/// One haplotype with every combination of REF and ALT at the edits of a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Rows of [`Pass::tokens`]; bit `i` of the index says whether edit `i` is there. One of them
    /// is the haplotype as it is.
    pub rows: Vec<u32>,
    /// The model does not read every version as it is, but as the nearest segment of its training.
    pub approximated: bool,
}

/// The versions of some haplotypes of a locus.
#[derive(Debug)]
pub struct Pass {
    /// Each distinct row of tokens once.
    pub tokens: LocusTokens,
    /// Of each haplotype, of each switch; `None` where an allele overlaps another one of the
    /// haplotype.
    pub versions: Vec<Vec<Option<Versions>>>,
}

impl Pass {
    /// Makes every version, and tokenizes those that differ.
    pub fn new<const N: usize>(
        locus: &LocusHaplotypes,
        locus_number: usize,
        haplotypes: &[u32],
        switches: &[Switch<N>],
        tokenizer: &Tokenizer,
        grid: &Grid,
    ) -> Result<Self, tokens::Error> {
        let mut number_of: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut numbers = Vec::with_capacity(haplotypes.len());
        for &haplotype in haplotypes {
            let edits = &locus.haplotypes[haplotype as usize];
            let of_switch = |switch: &Switch<N>| -> Option<Vec<u32>> {
                let versions: Option<Vec<_>> = (0..1 << N)
                    .map(|version| version_of(locus, edits, *switch, version))
                    .collect();
                let number = |edits: Vec<u32>| {
                    let next = number_of.len() as u32;
                    *number_of.entry(edits).or_insert(next)
                };
                Some(versions?.into_iter().map(number).collect())
            };
            numbers.push(switches.iter().map(of_switch).collect::<Vec<_>>());
        }
        let mut distinct = vec![Vec::new(); number_of.len()];
        for (edits, number) in number_of {
            distinct[number as usize] = edits;
        }
        let EncodedHaplotypes {
            mut tokens,
            approximated,
        } = encode_haplotypes(
            &LocusHaplotypes {
                haplotypes: distinct,
                pairs: Vec::new(),
                ..locus.clone()
            },
            locus_number,
            tokenizer,
            grid,
        )?;
        let row_of = distinct_rows(&mut tokens);
        let versions_of = |numbers: Vec<u32>| Versions {
            approximated: numbers
                .iter()
                .any(|&number| approximated[number as usize] != approximated[numbers[0] as usize]),
            rows: numbers
                .iter()
                .map(|&number| row_of[number as usize])
                .collect(),
        };
        let versions = numbers.into_iter().map(|of_haplotype| {
            of_haplotype
                .into_iter()
                .map(|numbers| numbers.map(versions_of))
                .collect()
        });
        Ok(Self {
            versions: versions.collect(),
            tokens,
        })
    }
}

/// The haplotype with edit `i` of the switch present where bit `i` of `version` is set, and absent
/// where it is not.
fn version_of<const N: usize>(
    locus: &LocusHaplotypes,
    haplotype: &[u32],
    switch: Switch<N>,
    version: usize,
) -> Option<Vec<u32>> {
    // What goes makes room for what comes.
    let (come, go): (Vec<_>, Vec<_>) = switch
        .into_iter()
        .enumerate()
        .partition(|(bit, _)| version >> bit & 1 == 1);
    let without = go
        .into_iter()
        .try_fold(haplotype.to_vec(), |edits, (_, edit)| {
            locus.switched(&edits, edit, false)
        })?;
    come.into_iter().try_fold(without, |edits, (_, edit)| {
        locus.switched(&edits, edit, true)
    })
}

/// Keeps each distinct row once, in the order of their first; the new number of every row.
fn distinct_rows(tokens: &mut LocusTokens) -> Vec<u32> {
    let mut kept = Vec::new();
    let mut number_of: HashMap<&[u32], u32> = HashMap::new();
    let mut numbers = Vec::with_capacity(tokens.n_haplotypes());
    for row in tokens.tokens.chunks_exact(tokens.n_slots) {
        let next = number_of.len() as u32;
        let number = *number_of.entry(row).or_insert(next);
        if number == next {
            kept.extend_from_slice(row);
        }
        numbers.push(number);
    }
    tokens.tokens = kept;
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::{Options, Tokenized, run};
    use gf_genotypes::{Locus, Strand};
    use gf_haplotypes::{Dictionary, Edit, Encoding, Masks};

    /// A SNP, a deletion that spans it, and a SNP further on, on three haplotypes.
    fn tokenized() -> (Dictionary, Tokenized) {
        let edit = |start0, end0, alt: &str| Edit {
            start0,
            end0,
            alt: alt.into(),
        };
        let locus = LocusHaplotypes {
            locus: Locus {
                name: "L".into(),
                contig: "1".into(),
                start0: 100,
                end0: 130,
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
        let dictionary = Dictionary {
            encoding: Encoding::Haplotype,
            iupac: false,
            samples: vec!["a".into(), "b".into()],
            loci: vec![locus],
        };
        let tokenized = run(
            &dictionary,
            &[0, 1],
            &Options {
                segment_length: 10,
                min_token_count: 1,
                ..Options::default()
            },
        )
        .unwrap();
        (dictionary, tokenized)
    }

    fn pass<const N: usize>(switches: &[Switch<N>]) -> (Pass, Tokenized) {
        let (dictionary, tokenized) = tokenized();
        let pass = Pass::new(
            &dictionary.loci[0],
            0,
            &[0, 1, 2],
            switches,
            &tokenized.tokenizer,
            &tokenized.grid,
        )
        .unwrap();
        (pass, tokenized)
    }

    #[test]
    fn one_version_is_the_haplotype_as_it_is_and_the_others_are_shared() {
        let (pass, tokenized) = pass(&[[0], [1], [2]]);
        let row = |haplotype: usize, switch: usize, version: usize| {
            pass.versions[haplotype][switch]
                .as_ref()
                .map(|versions| pass.tokens.row(versions.rows[version]))
        };
        let own = |haplotype: u32| Some(tokenized.tokens.loci[0].row(haplotype));
        assert_eq!((row(0, 1, 0), row(0, 1, 1)), (own(0), own(1)));
        assert_eq!(
            (row(1, 1, 0), row(1, 1, 1)),
            (own(0), own(1)),
            "switched and switched back"
        );
        assert_eq!(row(2, 0, 1), own(2));
        assert_eq!(
            (row(1, 0, 1), row(2, 1, 1)),
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
        let (pass, _) = pass(&[[1, 2]]);
        let versions = pass.versions[0][0].as_ref().unwrap();
        // Every segment of the four is one of training: the SNPs are in different ones.
        assert!(!versions.approximated && versions.rows.len() == 4);
        assert!(pass.versions[2][0].is_none());
        let (dictionary, tokenized) = tokenized();
        let mut locus = dictionary.loci[0].clone();
        locus.edits[2].start0 = 122;
        locus.edits[2].end0 = 123;
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
