//! Tokens of every distinct haplotype on one slot grid shared by everyone.
//!
//! Input -> output: a [`Dictionary`] and the people of the training split -> a tokenizer fitted on their distinct segments, a [`Grid`]
//! (how many slots each segment has), and a [`TokenSet`]. Segments are cut at fixed reference coordinates, so that slot `i` means the
//! same place in everyone. Row of a haplotype: `[CLS]`, the slots of each segment (unused ones `[PAD]`), `[SEP]`.

mod folder;
mod grid;
mod store;

pub use self::{
    folder::Folder,
    grid::{Grid, LocusGrid},
    store::{LocusTokens, TokenSet},
};

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use gf_tokenizer::{Bpe, CLS, PAD, SEP, VocabSize, cuts, edit_distance};
use serde::{Deserialize, Serialize};

use crate::{
    ingest::Strand,
    output,
    sequence::{ABSENT_HAPLOTYPE, Dictionary, Edit, LocusHaplotypes, splice},
};

/// How sequences become tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// `saturate`, or the most entries of the vocabulary.
    pub vocab_size: VocabSize,
    /// Reference nucleotides in a segment; no token is longer than its segment.
    pub segment_length: usize,
    /// Longest token in nucleotides; none longer than a segment when absent.
    pub max_token_length: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self { vocab_size: VocabSize::Saturate, segment_length: 128, max_token_length: None }
    }
}

/// What the stage did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// Distinct segments of the training people, the reference's included.
    pub n_training_segments: usize,
    /// Slots of a haplotype over all loci, `[CLS]` and `[SEP]` of each locus included.
    pub n_slots: usize,
    /// Distinct haplotypes over all loci.
    pub n_distinct_haplotypes: usize,
    /// Mean number of nucleotides in a token that is not special.
    pub nt_per_token: f64,
    /// Distinct (haplotype, segment) places whose bases no training person has.
    pub n_unseen_segments: u64,
    /// Of these, places that need more slots than the grid has, read as the nearest segment of training there.
    pub n_slot_overflows: u64,
    /// Haplotypes without a base left (a deletion of the whole locus): only `[CLS]` and `[SEP]`.
    pub n_empty_haplotypes: u64,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} tokens in the vocabulary, {} slots a haplotype, {:.1} nt a token, {} distinct haplotypes",
            self.vocab_size, self.n_slots, self.nt_per_token, self.n_distinct_haplotypes
        )?;
        if self.n_unseen_segments > 0 {
            writeln!(
                f,
                "{} segments that no training person has; {} of them read as the nearest known segment",
                self.n_unseen_segments, self.n_slot_overflows
            )?;
        }
        if self.n_empty_haplotypes > 0 {
            writeln!(f, "{} haplotypes have no base left", self.n_empty_haplotypes)?;
        }
        Ok(())
    }
}

/// Why no tokens could be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tokenizer refused.
    #[error(transparent)]
    Tokenizer(#[from] gf_tokenizer::Error),
    /// A file could not be written or read back.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// Options or inputs do not fit.
    #[error("{0}")]
    Inputs(String),
    /// A stored token set or grid cannot be used.
    #[error("{}: {reason}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Fits tokenizer and grid on the `training` people (numbers into `dictionary.samples`), then encodes every distinct haplotype.
///
/// # Errors
/// Options out of range, or nobody to train on.
pub fn run(dictionary: &Dictionary, training: &[usize], options: &Options) -> Result<(Bpe, Grid, TokenSet, Summary), Error> {
    let (bpe, grid) = fit(dictionary, training, options)?;
    let (tokens, summary) = encode(dictionary, &bpe, &grid)?;
    Ok((bpe, grid, tokens, summary))
}

/// Trains the tokenizer on the distinct segments of the training people and lays out the slots.
///
/// # Errors
/// As [`run`].
pub fn fit(dictionary: &Dictionary, training: &[usize], options: &Options) -> Result<(Bpe, Grid), Error> {
    if options.segment_length == 0 {
        return Err(Error::Inputs("segment_length must be at least 1".into()));
    }
    if options.max_token_length == Some(0) {
        return Err(Error::Inputs("max_token_length must be at least 1".into()));
    }
    if training.is_empty() {
        return Err(Error::Inputs("no training person to fit the tokenizer on".into()));
    }
    let mut word_counts: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    let mut seen_of_locus = Vec::with_capacity(dictionary.loci.len());
    for locus in &dictionary.loci {
        let mut copies = vec![0u64; locus.haplotypes.len()];
        for &haplotype in training.iter().flat_map(|&person| &locus.pairs[person]).filter(|&&haplotype| haplotype != ABSENT_HAPLOTYPE) {
            copies[haplotype as usize] += 1;
        }
        let mut segments = Segments::new(locus, options.segment_length);
        let mut seen: Vec<BTreeMap<Vec<u8>, u64>> = vec![BTreeMap::new(); segments.len()];
        for (segment, known) in seen.iter_mut().enumerate() {
            // The reference is always known, so that every place has a segment to fall back to.
            let total: u64 = copies.iter().sum();
            known.insert(segments.reference(segment), total);
        }
        for (haplotype, &count) in copies.iter().enumerate().filter(|(_, count)| **count > 0) {
            for (segment, variant) in segments.changed(haplotype) {
                let reference = segments.reference(segment);
                *seen[segment].entry(segments.bases(variant).to_vec()).or_default() += count;
                if let Some(of_reference) = seen[segment].get_mut(&reference) {
                    *of_reference -= count;
                }
            }
        }
        for (bases, count) in seen.iter().flatten() {
            *word_counts.entry(bases.clone()).or_default() += (*count).max(1);
        }
        seen_of_locus.push(seen);
    }
    let words: Vec<(Vec<u8>, u64)> = word_counts.into_iter().filter(|(bases, _)| !bases.is_empty()).collect();
    let bpe = Bpe::train(&words, options.vocab_size, options.max_token_length)?;
    let loci = dictionary.loci.iter().zip(seen_of_locus);
    let loci = loci.map(|(locus, seen)| LocusGrid::new(locus, seen, &bpe)).collect::<Result<Vec<_>, _>>()?;
    Ok((bpe, Grid::new(options.segment_length, loci)))
}

/// Encodes every distinct haplotype on a fitted grid.
///
/// # Errors
/// A dictionary whose loci are not those of the grid, or a tokenizer that it was not made with.
pub fn encode(dictionary: &Dictionary, bpe: &Bpe, grid: &Grid) -> Result<(TokenSet, Summary), Error> {
    let mut summary = Summary { vocab_size: bpe.vocab_len(), n_training_segments: grid.n_known_segments(), ..Summary::default() };
    let mut nt_and_tokens = (0u64, 0u64);
    let mut loci = Vec::with_capacity(dictionary.loci.len());
    for (index, locus_grid) in grid.loci.iter().enumerate() {
        let locus = dictionary
            .loci
            .get(index)
            .filter(|locus| locus.locus.name == locus_grid.name && locus.locus.len_nt() == locus_grid.len_nt)
            .ok_or_else(|| Error::Inputs(format!("locus `{}` of the tokenizer's grid is not in these sequences", locus_grid.name)))?;
        let n_slots = locus_grid.n_slots();
        let mut encoder = SegmentEncoder::new(bpe, locus_grid);
        let mut segments = Segments::new(locus, grid.segment_length);
        let reference: Vec<Vec<u32>> =
            (0..segments.len()).map(|segment| encoder.encode(segment, &segments.reference(segment))).collect::<Result<_, _>>()?;
        let mut tokens = vec![PAD; n_slots * locus.haplotypes.len()];
        for (haplotype, row) in tokens.chunks_exact_mut(n_slots).enumerate() {
            let changed: HashMap<usize, usize> = segments.changed(haplotype).into_iter().collect();
            row[0] = CLS;
            row[n_slots - 1] = SEP;
            let mut n_tokens = 0;
            for (segment, &slot) in locus_grid.first_slot.iter().enumerate() {
                let encoded = match changed.get(&segment) {
                    None => reference[segment].clone(),
                    Some(&variant) => encoder.encode(segment, segments.bases(variant))?,
                };
                row[slot..slot + encoded.len()].copy_from_slice(&encoded);
                n_tokens += encoded.len();
            }
            nt_and_tokens.0 += segments.len_nt(haplotype) as u64;
            nt_and_tokens.1 += n_tokens as u64;
            summary.n_empty_haplotypes += u64::from(n_tokens == 0);
        }
        summary.n_unseen_segments += encoder.n_unseen;
        summary.n_slot_overflows += encoder.n_overflows;
        summary.n_slots += n_slots;
        summary.n_distinct_haplotypes += locus.haplotypes.len();
        loci.push(LocusTokens { name: locus.locus.name.clone(), n_slots, tokens, pairs: locus.pairs.clone() });
    }
    summary.nt_per_token = if nt_and_tokens.1 == 0 { 0.0 } else { nt_and_tokens.0 as f64 / nt_and_tokens.1 as f64 };
    Ok((TokenSet { samples: dictionary.samples.clone(), loci }, summary))
}

/// The segments of one locus; the bases of each distinct changed segment are spliced once.
struct Segments<'l> {
    locus: &'l LocusHaplotypes,
    cuts: Vec<usize>,
    /// (segment, edits in it) -> number of the variant.
    variants: HashMap<(usize, Vec<u32>), usize>,
    bases: Vec<Vec<u8>>,
    /// Parts of each edit by segment.
    parts: Vec<Vec<(usize, Edit)>>,
}

impl<'l> Segments<'l> {
    fn new(locus: &'l LocusHaplotypes, segment_length: usize) -> Self {
        let cuts = cuts(locus.locus.start0, locus.locus.end0, segment_length);
        let parts = locus.edits.iter().map(|edit| edit.split_at(&cuts)).collect();
        Self { locus, cuts, variants: HashMap::new(), bases: Vec::new(), parts }
    }

    fn len(&self) -> usize {
        self.cuts.len()
    }

    /// Number in reading order (reversed for a locus on the reverse strand) of the forward segment `forward`, and back.
    fn in_reading_order(&self, forward: usize) -> usize {
        match self.locus.locus.strand {
            Strand::Forward => forward,
            Strand::Reverse => self.len() - 1 - forward,
        }
    }

    fn oriented(&self, bases: Vec<u8>) -> Vec<u8> {
        self.locus.oriented(bases)
    }

    fn forward_reference(&self, forward: usize) -> &'l [u8] {
        let start0 = self.locus.locus.start0;
        let end0 = self.cuts.get(forward + 1).copied().unwrap_or(self.locus.locus.end0);
        &self.locus.reference[self.cuts[forward] - start0..end0 - start0]
    }

    /// Reference bases of a segment (number in reading order).
    fn reference(&self, segment: usize) -> Vec<u8> {
        self.oriented(self.forward_reference(self.in_reading_order(segment)).to_vec())
    }

    fn bases(&self, variant: usize) -> &[u8] {
        &self.bases[variant]
    }

    /// The segments (in reading order) that a haplotype has otherwise than the reference, with the number of their variant.
    fn changed(&mut self, haplotype: usize) -> Vec<(usize, usize)> {
        let mut edits_of_segment: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for &edit in &self.locus.haplotypes[haplotype] {
            for (forward, _) in &self.parts[edit as usize] {
                edits_of_segment.entry(*forward).or_default().push(edit);
            }
        }
        edits_of_segment
            .into_iter()
            .map(|(forward, edits)| {
                let key = (forward, edits);
                let variant = if let Some(&known) = self.variants.get(&key) {
                    known
                } else {
                    let parts = key.1.iter().flat_map(|&edit| &self.parts[edit as usize]);
                    let here = parts.filter(|(segment, _)| *segment == forward).map(|(_, part)| part);
                    let spliced = splice(self.forward_reference(forward), self.cuts[forward], here);
                    self.bases.push(self.oriented(spliced));
                    self.variants.insert(key, self.bases.len() - 1);
                    self.bases.len() - 1
                };
                (self.in_reading_order(forward), variant)
            })
            .collect()
    }

    fn len_nt(&self, haplotype: usize) -> usize {
        let edits = self.locus.haplotypes[haplotype].iter().map(|&edit| &self.locus.edits[edit as usize]);
        edits.fold(self.locus.locus.len_nt(), |len_nt, edit| len_nt + edit.alt.len() - (edit.end0 - edit.start0))
    }
}

/// Encodes segments of one locus, each distinct one once, and fits unseen ones into the grid.
struct SegmentEncoder<'g> {
    bpe: &'g Bpe,
    grid: &'g LocusGrid,
    encoded: HashMap<(usize, Vec<u8>), Vec<u32>>,
    n_unseen: u64,
    n_overflows: u64,
}

impl<'g> SegmentEncoder<'g> {
    fn new(bpe: &'g Bpe, grid: &'g LocusGrid) -> Self {
        Self { bpe, grid, encoded: HashMap::new(), n_unseen: 0, n_overflows: 0 }
    }

    /// Tokens of a segment. One that needs more slots than its place has is read as the nearest segment of training there
    /// (least edit distance; then the commonest), so that a new person's rare allele reads as its closest known relative.
    fn encode(&mut self, segment: usize, bases: &[u8]) -> Result<Vec<u32>, Error> {
        if let Some(known) = self.encoded.get(&(segment, bases.to_vec())) {
            return Ok(known.clone());
        }
        let mut tokens = self.bpe.encode(bases)?;
        let known = &self.grid.known_segments[segment];
        if !known.iter().any(|text| text.as_bytes() == bases) {
            self.n_unseen += 1;
            if tokens.len() > self.grid.slots_in(segment) {
                self.n_overflows += 1;
                // `known_segments` runs from the commonest to the rarest, and `min_by_key` keeps the first of equals.
                if let Some(nearest) = known.iter().min_by_key(|text| edit_distance(text.as_bytes(), bases)) {
                    tokens = self.bpe.encode(nearest.as_bytes())?;
                }
            }
        }
        if tokens.len() > self.grid.slots_in(segment) {
            let reason = "a segment of training has more tokens than slots: tokenizer and grid do not belong together";
            return Err(Error::Inputs(format!("locus `{}`: {reason}", self.grid.name)));
        }
        self.encoded.insert((segment, bases.to_vec()), tokens.clone());
        Ok(tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ingest::Locus,
        sequence::{Encoding, Masks},
    };

    fn dictionary(strand: Strand) -> Dictionary {
        let locus = Locus { name: "L".into(), contig: "1".into(), start0: 100, end0: 130, strand };
        let edits = vec![
            Edit { start0: 105, end0: 106, alt: b"G".to_vec() },
            Edit { start0: 112, end0: 125, alt: Vec::new() },
            Edit { start0: 128, end0: 128, alt: b"TTT".to_vec() },
        ];
        let haplotypes = vec![vec![], vec![0], vec![1], vec![0, 2]];
        let reference = b"ACGTACGTACGTTGCATGCAACGTNACGTA".to_vec();
        let pairs = vec![[0, 1], [2, 0], [3, ABSENT_HAPLOTYPE]];
        Dictionary {
            encoding: Encoding::Haplotype,
            iupac: false,
            samples: vec!["a".into(), "b".into(), "c".into()],
            loci: vec![LocusHaplotypes {
                locus,
                contig_len_nt: None,
                masks: Masks::default(),
                encoding: Encoding::Haplotype,
                reference,
                edits,
                haplotypes,
                pairs,
            }],
        }
    }

    fn text_of(tokens: &[u32], bpe: &Bpe) -> String {
        tokens.iter().filter(|&&id| id > gf_tokenizer::MASK).map(|&id| bpe.token(id).unwrap()).collect()
    }

    #[test]
    fn tokens_joined_are_the_haplotype_on_both_strands_and_any_vocabulary() {
        for strand in [Strand::Forward, Strand::Reverse] {
            for vocab_size in [VocabSize::Saturate, VocabSize::AtMost(12)] {
                let dictionary = dictionary(strand);
                let options = Options { vocab_size, segment_length: 7, ..Options::default() };
                let (bpe, grid, tokens, summary) = run(&dictionary, &[0, 1, 2], &options).unwrap();
                let locus = &tokens.loci[0];
                for haplotype in 0..4 {
                    let row = &locus.tokens[haplotype * locus.n_slots..][..locus.n_slots];
                    let bases = String::from_utf8(dictionary.loci[0].bases(haplotype as u32)).unwrap();
                    assert_eq!(text_of(row, &bpe), bases);
                    assert_eq!((row[0], row[locus.n_slots - 1]), (CLS, SEP));
                }
                assert_eq!(summary.n_slot_overflows, 0);
                assert_eq!(grid.loci[0].n_slots(), locus.n_slots);
            }
        }
    }

    #[test]
    fn an_unseen_segment_that_does_not_fit_reads_as_the_nearest_known_one_and_is_counted() {
        let dictionary = dictionary(Strand::Forward);
        let options = Options { segment_length: 10, ..Options::default() };
        // Haplotypes 0 and 1 are known; 2 (a deletion) and 3 (an insertion) are new.
        let (bpe, _, tokens, summary) = run(&dictionary, &[0], &options).unwrap();
        assert!(summary.n_unseen_segments > 0 && summary.n_slot_overflows > 0, "{summary:?}");
        let locus = &tokens.loci[0];
        assert_eq!(locus.n_slots, 2 + 3, "saturated: one slot a segment");
        let row = &locus.tokens[3 * locus.n_slots..][..locus.n_slots];
        assert_eq!(text_of(row, &bpe), "ACGTAGGTACGTTGCATGCAACGTNACGTA", "the inserted TTT is not known, the G is");
    }

    #[test]
    fn nothing_of_people_outside_training_is_in_the_vocabulary() {
        let dictionary = dictionary(Strand::Forward);
        let options = Options { segment_length: 10, ..Options::default() };
        let of_first = fit(&dictionary, &[0], &options).unwrap().0.to_json().unwrap();
        let mut others_changed = dictionary.clone();
        others_changed.loci[0].edits[2].alt = b"CCCCCC".to_vec();
        assert_eq!(of_first, fit(&others_changed, &[0], &options).unwrap().0.to_json().unwrap());
    }
}
