//! Tokens of every distinct haplotype on one slot grid shared by all samples.
//!
//! Input: a [`Dictionary`] and the training samples. Output:
//! - a tokenizer, fitted on the distinct segments of the training samples or read from a file;
//! - a [`Grid`] with the number of slots of each window;
//! - a [`TokenSet`] with the tokens of every distinct haplotype.
//!
//! A window is an interval of a locus, and a segment is the bases that a haplotype has there.
//! Windows begin at fixed reference coordinates, so that slot `i` means the same window in every
//! sample. With [`Anchor::Haplotype`] a haplotype is cut by its own bases instead, and the locus is
//! one window.
//!
//! The row of a haplotype is `[CLS]`, the slots of each window (unused ones `[PAD]`), `[SEP]`.

mod folder;
mod grid;
mod merge;
mod options;
mod report;
mod segments;
mod store;

pub use self::{
    folder::Folder,
    grid::{Grid, LocusGrid},
    merge::{MergeProblem, Shard, merge},
    options::{Options, OptionsProblem, Slots, TokenizerKind},
    report::Report,
    segments::Anchor,
    store::{LocusTokens, StoreProblem, TokenSet},
};

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
    time::Instant,
};

use gf_tokenizer::{CLS, PAD, SEP, Tokenizer, edit_distance};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::segments::{LocusSegments, Segment};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_haplotypes::{ABSENT_HAPLOTYPE, Dictionary, LocusHaplotypes};

/// Counts of one tokenization, over all loci.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// Distinct segments that tokenizer and grid have seen: segments of enough training samples
    /// and of the reference.
    pub n_training_segments: usize,
    /// Distinct training segments that are withheld from tokenizer and grid, because too few
    /// samples carry them.
    #[serde(default)]
    pub n_withheld_segments: u64,
    /// Smallest number of training samples that must carry a segment.
    #[serde(default)]
    pub min_token_count: usize,
    /// Slots of a haplotype over all loci, `[CLS]` and `[SEP]` of each locus included.
    pub n_slots: usize,
    /// Distinct haplotypes over all loci.
    pub n_distinct_haplotypes: usize,
    /// Nucleotides of the distinct haplotypes.
    pub n_nt: u64,
    /// Tokens of the distinct haplotypes, special tokens excluded, before any token is replaced or
    /// cut to fit the slots.
    pub n_tokens: u64,
    /// Mean nucleotides per token; 0 without tokens.
    pub nt_per_token: f64,
    /// Distinct segments (window and bases) that tokenizer and grid have not seen.
    pub n_unseen_segments: u64,
    /// Sequences that do not fit their slots.
    ///
    /// [`Anchor::Reference`]: unseen segments that need more slots than their window has, read as
    /// the nearest segment seen there. [`Anchor::Haplotype`]: distinct haplotypes with more tokens
    /// than any training haplotype, cut at the end.
    pub n_slot_overflows: u64,
    /// Whether segments begin at reference coordinates.
    pub anchor: Anchor,
    /// Haplotypes without a base left (a deletion of the whole locus): only `[CLS]` and `[SEP]`.
    pub n_empty_haplotypes: u64,
    /// Alleles that the model cannot read, because no training sample varies in their window and it
    /// has no slot. Every copy in every sample counts.
    #[serde(default)]
    pub n_unread_alleles: u64,
    /// Samples with an unread allele at a locus, summed over loci.
    #[serde(default)]
    pub n_samples_with_unread_alleles: u64,
    /// Largest number of unread alleles of one sample at one locus.
    #[serde(default)]
    pub most_unread_alleles: u64,
}

impl Summary {
    /// Adds the counts of further loci that were made with the same tokenizer.
    fn add(&mut self, more_loci: &Self) {
        self.n_training_segments += more_loci.n_training_segments;
        self.n_withheld_segments += more_loci.n_withheld_segments;
        self.n_slots += more_loci.n_slots;
        self.n_distinct_haplotypes += more_loci.n_distinct_haplotypes;
        self.n_unseen_segments += more_loci.n_unseen_segments;
        self.n_slot_overflows += more_loci.n_slot_overflows;
        self.n_empty_haplotypes += more_loci.n_empty_haplotypes;
        self.n_unread_alleles += more_loci.n_unread_alleles;
        self.n_samples_with_unread_alleles += more_loci.n_samples_with_unread_alleles;
        self.most_unread_alleles = self.most_unread_alleles.max(more_loci.most_unread_alleles);
        self.n_nt += more_loci.n_nt;
        self.n_tokens += more_loci.n_tokens;
        self.nt_per_token = if self.n_tokens == 0 {
            0.0
        } else {
            self.n_nt as f64 / self.n_tokens as f64
        };
    }

    /// Counts the alleles of unread segments in every sample's haplotypes of a locus.
    ///
    /// `unread[i]` refers to the distinct segment `i`.
    fn count_unread(&mut self, locus: &LocusHaplotypes, segments: &LocusSegments, unread: &[bool]) {
        let haplotype_counts: Vec<u32> = segments
            .haplotypes
            .iter()
            .map(|row| n_unread_alleles(row, &segments.distinct, unread))
            .collect();
        for pair in &locus.pairs {
            let sample_count: u64 = present_haplotypes(*pair)
                .map(|haplotype| u64::from(haplotype_counts[haplotype]))
                .sum();
            self.n_unread_alleles += sample_count;
            self.n_samples_with_unread_alleles += u64::from(sample_count > 0);
            self.most_unread_alleles = self.most_unread_alleles.max(sample_count);
        }
    }

    fn fmt_unseen(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} not seen by tokenizer and grid",
            counted(self.n_unseen_segments, "segment", "segments")
        )?;
        match self.anchor {
            Anchor::Reference => writeln!(
                f,
                "; {} of them read as the nearest known segment",
                self.n_slot_overflows
            ),
            Anchor::Haplotype => writeln!(f),
        }
    }

    fn fmt_unread(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} not read, because their segments do not vary in training; {} affected (counted \
             per locus), at most {} in one",
            counted(self.n_unread_alleles, "allele is", "alleles are"),
            counted(self.n_samples_with_unread_alleles, "sample", "samples"),
            self.most_unread_alleles
        )
    }
}

/// Alleles in the unread segments of one haplotype.
fn n_unread_alleles(row: &[u32], distinct: &[Segment], unread: &[bool]) -> u32 {
    row.iter()
        .map(|&segment| segment as usize)
        .filter(|&segment| unread[segment])
        .map(|segment| distinct[segment].n_alleles)
        .sum()
}

/// The haplotypes of a sample that are present, as numbers into the distinct haplotypes of a locus.
fn present_haplotypes(pair: [u32; 2]) -> impl Iterator<Item = usize> {
    pair.into_iter()
        .filter(|&haplotype| haplotype != ABSENT_HAPLOTYPE)
        .map(|haplotype| haplotype as usize)
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} in the vocabulary, {} per haplotype, {:.1} nt per token, {}",
            counted(self.vocab_size, "token", "tokens"),
            counted(self.n_slots, "slot", "slots"),
            self.nt_per_token,
            counted(
                self.n_distinct_haplotypes,
                "distinct haplotype",
                "distinct haplotypes"
            )
        )?;
        if self.n_withheld_segments > 0 {
            let segments = counted(self.n_withheld_segments, "segment", "segments");
            let least = self.min_token_count;
            writeln!(
                f,
                "{segments} withheld from tokenizer and grid, because fewer than {least} training \
                 samples carry them (--min-token-count)"
            )?;
        }
        if self.n_unseen_segments > 0 {
            self.fmt_unseen(f)?;
        }
        if self.anchor == Anchor::Haplotype && self.n_slot_overflows > 0 {
            let haplotypes = counted(self.n_slot_overflows, "haplotype", "haplotypes");
            writeln!(
                f,
                "{haplotypes} with more tokens than any training haplotype, cut at the end"
            )?;
        }
        if self.n_unread_alleles > 0 {
            self.fmt_unread(f)?;
        }
        if self.n_empty_haplotypes > 0 {
            writeln!(
                f,
                "{} no bases, because the whole locus is deleted",
                counted(self.n_empty_haplotypes, "haplotype has", "haplotypes have")
            )?;
        }
        Ok(())
    }
}

/// An error of tokenization.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An error of the tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] gf_tokenizer::Error),
    /// A sequence that the tokenizer cannot encode.
    #[error("locus `{locus}`")]
    Locus {
        /// Name of the locus.
        locus: String,
        /// The error of the tokenizer.
        source: gf_tokenizer::Error,
    },
    /// A file could not be written or read back.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// Invalid options.
    #[error(transparent)]
    Options(#[from] OptionsProblem),
    /// Inputs that do not belong together.
    #[error(transparent)]
    Inputs(#[from] InputsProblem),
    /// A stored token set, grid or tokenizer cannot be used.
    #[error("{}: {problem}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// The reason that the file cannot be used.
        problem: Box<StoreProblem>,
    },
}

impl Error {
    fn store(path: impl Into<PathBuf>, problem: impl Into<StoreProblem>) -> Self {
        Self::Store {
            path: path.into(),
            problem: Box::new(problem.into()),
        }
    }
}

/// Why sequences and samples cannot be tokenized.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputsProblem {
    /// No training sample.
    #[error("no training sample to fit the tokenizer on; check the split column of the cohort")]
    NoTrainingSample,
    /// A tokenizer of a file.
    #[error("there is no tokenizer to fit")]
    NoTokenizer,
    /// No segment with two versions.
    #[error(
        "no segment of the loci varies among the training samples, so there is nothing to learn \
         from; check loci and samples, or keep every slot (--slots all)"
    )]
    NothingVaries,
    /// A grid of other loci.
    #[error(
        "locus `{locus}` of the slot grid is not in these sequences; make the sequences with the \
         loci of the grid"
    )]
    NoLocus {
        /// Name of the locus.
        locus: String,
    },
    /// A grid of another tokenizer.
    #[error(
        "locus `{locus}`: a training segment has more tokens than slots, so tokenizer and grid are \
         from different runs; run tokenize again"
    )]
    OtherGrid {
        /// Name of the locus.
        locus: String,
    },
    /// Nothing to merge.
    #[error("there are no token folders to merge; give at least one")]
    NoFolder,
}

/// The tokens of a cohort, with the tokenizer and the grid that were fitted on it.
#[derive(Clone, Debug)]
pub struct Tokenized {
    /// Tokenizer, from bases to tokens.
    pub tokenizer: Tokenizer,
    /// Slot grid, from tokens to slots.
    pub grid: Grid,
    /// Tokens of the distinct haplotypes, and the haplotypes of every sample.
    pub tokens: TokenSet,
    /// Counts.
    pub summary: Summary,
    /// Seconds for cutting haplotypes into segments, training the tokenizer and laying out the
    /// slots.
    pub fit_seconds: f64,
    /// Seconds for encoding every distinct haplotype.
    pub encode_seconds: f64,
    segments: Vec<LocusSegments>,
    measured: Measured,
}

/// Measures of the segments and haplotypes, for the report.
#[derive(Clone, Debug, Default)]
struct Measured {
    /// Loci x distinct segments: whether tokenizer and grid have not seen the segment.
    unseen: Vec<Vec<bool>>,
    /// Tokens of each distinct haplotype of every locus, special tokens excluded, before any token
    /// is replaced or cut to fit the slots.
    n_tokens: Vec<usize>,
}

/// Fits tokenizer and grid on the `training` samples (numbers into `dictionary.samples`), then
/// encodes every distinct haplotype.
///
/// # Errors
/// Options out of range, no training sample, or a tokenizer file that cannot be used.
pub fn run(
    dictionary: &Dictionary,
    training: &[usize],
    options: &Options,
) -> Result<Tokenized, Error> {
    options.kind()?;
    if training.is_empty() {
        return Err(InputsProblem::NoTrainingSample.into());
    }
    let fit_start = Instant::now();
    let segments = cut(dictionary, options.segment_length, options.anchor);
    let copies = count_copies(dictionary, &segments, training, options);
    let has_slots = windows_with_slots(&segments, &copies, options.slots());
    let tokenizer = if let Some(tokenizer) = options.given_tokenizer()? {
        tokenizer
    } else {
        let mut words = Words::default();
        words.add_segments(&segments, &copies, &has_slots);
        words.fit(dictionary.alphabet(), options)?
    };
    let fit_seconds = fit_start.elapsed().as_secs_f64();
    let encode_start = Instant::now();
    let encoded = encode_distinct(dictionary, &segments, &has_slots, &tokenizer)?;
    let grid = lay_out_grid(dictionary, &segments, &encoded, &copies, options);
    let Filled {
        tokens,
        mut summary,
        measured,
    } = fill(dictionary, &segments, encoded, &tokenizer, &grid)?;
    summary.n_withheld_segments = copies.iter().map(|copies| copies.n_withheld).sum();
    summary.min_token_count = options.min_token_count;
    let encode_seconds = encode_start.elapsed().as_secs_f64();
    Ok(Tokenized {
        tokenizer,
        grid,
        tokens,
        summary,
        fit_seconds,
        encode_seconds,
        segments,
        measured,
    })
}

/// Encodes every distinct haplotype on a fitted grid.
///
/// # Errors
/// A dictionary with other loci than the grid, or a tokenizer that does not belong to the grid.
pub fn encode(
    dictionary: &Dictionary,
    tokenizer: &Tokenizer,
    grid: &Grid,
) -> Result<(TokenSet, Summary), Error> {
    let segments = cut(dictionary, grid.segment_length, grid.anchor);
    let has_slots: Vec<Vec<bool>> = grid
        .loci
        .iter()
        .map(LocusGrid::windows_with_slots)
        .collect();
    let encoded = encode_distinct(dictionary, &segments, &has_slots, tokenizer)?;
    let filled = fill(dictionary, &segments, encoded, tokenizer, grid)?;
    Ok((filled.tokens, filled.summary))
}

/// Haplotypes of one locus, encoded on a fitted grid, with the segments that were not read exactly.
#[derive(Clone, Debug)]
pub struct EncodedHaplotypes {
    /// Tokens of the haplotypes.
    pub tokens: LocusTokens,
    /// For each haplotype, the segments that its tokens do not represent exactly, as numbers that
    /// are valid within one call.
    ///
    /// [`Anchor::Reference`]: segments read as the nearest training segment, and segments with an
    /// allele at a dropped slot. [`Anchor::Haplotype`]: all segments of a haplotype that is cut at
    /// the end.
    pub approximated: Vec<Vec<u32>>,
}

/// Encodes the haplotypes of locus number `locus_number` of the grid.
///
/// The haplotypes need not occur in a sample.
///
/// # Errors
/// The same as [`encode`].
pub fn encode_haplotypes(
    locus: &LocusHaplotypes,
    locus_number: usize,
    tokenizer: &Tokenizer,
    grid: &Grid,
) -> Result<EncodedHaplotypes, Error> {
    let segments = LocusSegments::new(locus, grid.segment_length, grid.anchor);
    let locus_grid = &grid.loci[locus_number];
    let has_slots = locus_grid.windows_with_slots();
    let encoded = encode_segments(locus, &segments, &has_slots, tokenizer)?;
    let rows = Rows::new(&segments, encoded, tokenizer, locus_grid, grid.anchor)?;
    let approximated = segments
        .haplotypes
        .iter()
        .enumerate()
        .map(|(haplotype, row)| {
            let is_cut = rows.is_cut(haplotype, grid.anchor);
            row.iter()
                .copied()
                .filter(|&segment| is_cut || rows.is_approximated(segment))
                .collect()
        })
        .collect();
    Ok(EncodedHaplotypes {
        approximated,
        tokens: LocusTokens {
            name: locus.locus.name.clone(),
            n_slots: locus_grid.n_slots(),
            tokens: rows.tokens,
            pairs: locus.pairs.clone(),
        },
    })
}

fn cut(dictionary: &Dictionary, segment_length: usize, anchor: Anchor) -> Vec<LocusSegments> {
    dictionary
        .loci
        .par_iter()
        .map(|locus| LocusSegments::new(locus, segment_length, anchor))
        .collect()
}

/// Copies of each distinct haplotype and segment of a locus in the training samples.
struct Copies {
    /// Copies of each distinct haplotype.
    haplotypes: Vec<u64>,
    /// Copies of each distinct segment; 0 for a segment that too few samples carry.
    ///
    /// A segment of the reference has at least one copy, so that every window has a known segment
    /// that an unseen one can be read as.
    segments: Vec<u64>,
    /// Segments that too few samples carry.
    n_withheld: u64,
}

impl Copies {
    fn count(
        locus: &LocusHaplotypes,
        segments: &LocusSegments,
        training: &[usize],
        min_samples: usize,
    ) -> Self {
        let mut haplotype_copies = vec![0; locus.haplotypes.len()];
        let mut n_carriers = vec![0; segments.distinct.len()];
        let mut last_carrier = vec![usize::MAX; segments.distinct.len()];
        for &sample in training {
            for haplotype in present_haplotypes(locus.pairs[sample]) {
                haplotype_copies[haplotype] += 1;
                for &segment in &segments.haplotypes[haplotype] {
                    // A segment on both haplotypes of a sample has one carrier.
                    if std::mem::replace(&mut last_carrier[segment as usize], sample) != sample {
                        n_carriers[segment as usize] += 1;
                    }
                }
            }
        }
        let mut segment_copies = vec![0; segments.distinct.len()];
        for (row, count) in segments.haplotypes.iter().zip(&haplotype_copies) {
            for &segment in row {
                segment_copies[segment as usize] += count;
            }
        }
        for &segment in &segments.reference {
            segment_copies[segment as usize] = segment_copies[segment as usize].max(1);
            // The reference is public: its segments are never withheld.
            n_carriers[segment as usize] = usize::MAX;
        }
        let mut n_withheld = 0;
        for (copies, carriers) in segment_copies.iter_mut().zip(n_carriers) {
            if *copies > 0 && carriers < min_samples {
                *copies = 0;
                n_withheld += 1;
            }
        }
        Self {
            haplotypes: haplotype_copies,
            segments: segment_copies,
            n_withheld,
        }
    }
}

fn count_copies(
    dictionary: &Dictionary,
    segments: &[LocusSegments],
    training: &[usize],
    options: &Options,
) -> Vec<Copies> {
    dictionary
        .loci
        .par_iter()
        .zip(segments)
        .map(|(locus, segments)| Copies::count(locus, segments, training, options.min_token_count))
        .collect()
}

/// Training input of a tokenizer: the distinct training segments over all windows, with their
/// copies, in the order of their bases.
///
/// The words of several dictionaries with different loci add up to the words of one dictionary with
/// all these loci.
#[derive(Clone, Debug, Default)]
pub struct Words(BTreeMap<Vec<u8>, u64>);

impl Words {
    /// Adds the segments of the loci of a dictionary, as [`run`] cuts and counts them.
    pub fn add(&mut self, dictionary: &Dictionary, training: &[usize], options: &Options) {
        let segments = cut(dictionary, options.segment_length, options.anchor);
        let copies = count_copies(dictionary, &segments, training, options);
        let has_slots = windows_with_slots(&segments, &copies, options.slots());
        self.add_segments(&segments, &copies, &has_slots);
    }

    /// Adds segments by locus; `has_slots` is loci x windows.
    fn add_segments(
        &mut self,
        segments: &[LocusSegments],
        copies: &[Copies],
        has_slots: &[Vec<bool>],
    ) {
        for ((locus, copies), has_slots) in segments.iter().zip(copies).zip(has_slots) {
            for (segment, &count) in locus.distinct.iter().zip(&copies.segments) {
                if count > 0 && has_slots[segment.window] && !segment.bases.is_empty() {
                    match self.0.get_mut(&segment.bases) {
                        Some(known) => *known += count,
                        None => _ = self.0.insert(segment.bases.clone(), count),
                    }
                }
            }
        }
    }

    /// Fits the tokenizer that [`run`] would fit on all these segments.
    ///
    /// # Errors
    /// No segment, a letter outside the alphabet, options that contradict each other, or a given
    /// tokenizer file.
    pub fn fit(self, alphabet: &[u8], options: &Options) -> Result<Tokenizer, Error> {
        let kind = options.kind()?.ok_or(InputsProblem::NoTokenizer)?;
        if self.0.is_empty() && options.slots() == Slots::Varying && options.learns_tokenizer() {
            return Err(InputsProblem::NothingVaries.into());
        }
        let mut words: Vec<(Vec<u8>, u64)> = self.0.into_iter().collect();
        if words.is_empty() && !options.learns_tokenizer() {
            // A tokenizer of single nucleotides does not depend on the segments, but `train`
            // refuses an empty input.
            words.extend(alphabet.first().map(|&letter| (vec![letter], 1)));
        }
        Ok(Tokenizer::train(&kind, alphabet, &words)?)
    }
}

/// Whether each window gets slots, loci x windows.
///
/// With [`Slots::Varying`] only a window with at least two distinct segments in training and
/// reference gets slots.
fn windows_with_slots(
    segments: &[LocusSegments],
    copies: &[Copies],
    slots: Slots,
) -> Vec<Vec<bool>> {
    segments
        .iter()
        .zip(copies)
        .map(|(segments, copies)| locus_windows_with_slots(segments, copies, slots))
        .collect()
}

fn locus_windows_with_slots(segments: &LocusSegments, copies: &Copies, slots: Slots) -> Vec<bool> {
    if slots == Slots::All {
        return vec![true; segments.n_windows];
    }
    let mut n_versions = vec![0; segments.n_windows];
    for (segment, &count) in segments.distinct.iter().zip(&copies.segments) {
        if count > 0 {
            n_versions[segment.window] += 1;
        }
    }
    n_versions.into_iter().map(|n| n > 1).collect()
}

/// Encodes every distinct segment: token ids, loci x distinct segments x tokens.
fn encode_distinct(
    dictionary: &Dictionary,
    segments: &[LocusSegments],
    has_slots: &[Vec<bool>],
    tokenizer: &Tokenizer,
) -> Result<Vec<Vec<Vec<u32>>>, Error> {
    dictionary
        .loci
        .iter()
        .zip(segments)
        .zip(has_slots)
        .map(|((locus, segments), has_slots)| {
            encode_segments(locus, segments, has_slots, tokenizer)
        })
        .collect()
}

/// Token ids of every distinct segment of a locus; none in a window without slots.
fn encode_segments(
    locus: &LocusHaplotypes,
    segments: &LocusSegments,
    has_slots: &[bool],
    tokenizer: &Tokenizer,
) -> Result<Vec<Vec<u32>>, Error> {
    segments
        .distinct
        .par_iter()
        .map(|segment| {
            // A grid of other loci can have fewer windows; `fill` refuses it.
            if has_slots.get(segment.window).copied().unwrap_or(false) {
                tokenizer.encode(&segment.bases)
            } else {
                Ok(Vec::new())
            }
        })
        .collect::<Result<_, _>>()
        .map_err(|source| Error::Locus {
            locus: locus.locus.name.clone(),
            source,
        })
}

/// Lays out the slots of all loci.
fn lay_out_grid(
    dictionary: &Dictionary,
    segments: &[LocusSegments],
    encoded: &[Vec<Vec<u32>>],
    copies: &[Copies],
    options: &Options,
) -> Grid {
    let loci = dictionary
        .loci
        .iter()
        .enumerate()
        .map(|(index, locus)| {
            lay_out(
                locus,
                &segments[index],
                &encoded[index],
                &copies[index],
                options,
            )
        })
        .collect();
    Grid::new(
        options.anchor,
        options.segment_length,
        options.slots(),
        loci,
    )
}

/// Lays out the slots of one locus.
///
/// A window gets as many slots as its longest encoding in training has tokens. With
/// [`Anchor::Haplotype`] the only window gets as many as the longest training haplotype.
fn lay_out(
    locus: &LocusHaplotypes,
    segments: &LocusSegments,
    encoded: &[Vec<u32>],
    copies: &Copies,
    options: &Options,
) -> LocusGrid {
    let training_segments: Vec<(&Segment, &[u32])> = segments
        .distinct
        .iter()
        .zip(encoded)
        .zip(&copies.segments)
        .filter(|(_, count)| **count > 0)
        .map(|((segment, tokens), _)| (segment, tokens.as_slice()))
        .collect();
    let mut slots = vec![0; segments.n_windows];
    match options.anchor {
        Anchor::Reference => {
            for (segment, tokens) in &training_segments {
                slots[segment.window] = slots[segment.window].max(tokens.len());
            }
        }
        Anchor::Haplotype => slots[0] = longest_training_row(segments, encoded, copies),
    }
    let mut grid = LocusGrid::new(locus, &slots, known_segments(segments, copies));
    if options.slots() == Slots::Varying {
        let varying = varying_slots(&grid, &training_segments);
        grid.keep(varying);
    }
    grid
}

/// The training segments of each window, from the commonest to the rarest.
///
/// Segments with equal copies are in the order of their bases.
fn known_segments(segments: &LocusSegments, copies: &Copies) -> Vec<Vec<String>> {
    let mut by_copies: Vec<(&Segment, u64)> = segments
        .distinct
        .iter()
        .zip(copies.segments.iter().copied())
        .filter(|(_, count)| *count > 0)
        .collect();
    by_copies.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.bases.cmp(&b.0.bases)));
    let mut known = vec![Vec::new(); segments.n_windows];
    for (segment, _) in by_copies {
        known[segment.window].push(String::from_utf8_lossy(&segment.bases).into_owned());
    }
    known
}

/// Most tokens of a training haplotype or the reference.
fn longest_training_row(segments: &LocusSegments, encoded: &[Vec<u32>], copies: &Copies) -> usize {
    segments
        .haplotypes
        .iter()
        .zip(&copies.haplotypes)
        .filter(|(_, count)| **count > 0)
        .map(|(row, _)| row)
        .chain([&segments.reference])
        .map(|row| n_row_tokens(row, encoded))
        .max()
        .unwrap_or(0)
}

/// Tokens of a haplotype, given as the numbers of its segments.
fn n_row_tokens(row: &[u32], encoded: &[Vec<u32>]) -> usize {
    row.iter()
        .map(|&segment| encoded[segment as usize].len())
        .sum()
}

/// The slots at which these segments' tokens differ, with the first and the last slot of the row.
fn varying_slots(grid: &LocusGrid, training_segments: &[(&Segment, &[u32])]) -> Vec<usize> {
    let mut first_token: Vec<Option<u32>> = vec![None; grid.n_numbered_slots()];
    let mut varies = vec![false; grid.n_numbered_slots()];
    for (segment, tokens) in training_segments {
        for offset in 0..grid.slots_in(segment.window) {
            let slot = grid.first_slot[segment.window] + offset;
            let token = tokens.get(offset).copied().unwrap_or(PAD);
            varies[slot] |= *first_token[slot].get_or_insert(token) != token;
        }
    }
    let last = grid.n_numbered_slots() - 1;
    (0..=last)
        .filter(|&slot| varies[slot] || slot == 0 || slot == last)
        .collect()
}

/// Output of [`fill`].
struct Filled {
    tokens: TokenSet,
    summary: Summary,
    measured: Measured,
}

/// Writes the tokens of every distinct haplotype into its row, and measures them.
///
/// `encoded` is loci x distinct segments x tokens. It is consumed locus by locus to free memory.
fn fill(
    dictionary: &Dictionary,
    segments: &[LocusSegments],
    encoded: Vec<Vec<Vec<u32>>>,
    tokenizer: &Tokenizer,
    grid: &Grid,
) -> Result<Filled, Error> {
    let mut summary = Summary {
        vocab_size: tokenizer.vocab_len(),
        n_training_segments: grid.n_known_segments(),
        anchor: grid.anchor,
        ..Summary::default()
    };
    let mut loci = Vec::with_capacity(grid.loci.len());
    let mut measured = Measured::default();
    let mut dictionary_loci = dictionary.loci.iter().zip(segments).zip(encoded);
    for locus_grid in &grid.loci {
        let ((locus, segments), encoded) = dictionary_loci
            .next()
            .filter(|((locus, _), _)| {
                locus.locus.name == locus_grid.name && locus.locus.len_nt() == locus_grid.len_nt
            })
            .ok_or_else(|| InputsProblem::NoLocus {
                locus: locus_grid.name.clone(),
            })?;
        let rows = Rows::new(segments, encoded, tokenizer, locus_grid, grid.anchor)?;
        summary.add(&rows.summarize(locus, segments, locus_grid, grid.anchor));
        loci.push(LocusTokens {
            name: locus.locus.name.clone(),
            n_slots: locus_grid.n_slots(),
            tokens: rows.tokens,
            pairs: locus.pairs.clone(),
        });
        measured.unseen.push(rows.unseen);
        measured.n_tokens.extend(rows.n_tokens);
    }
    Ok(Filled {
        tokens: TokenSet {
            samples: dictionary.samples.clone(),
            loci,
        },
        summary,
        measured,
    })
}

/// The token rows of the distinct haplotypes of one locus.
struct Rows {
    /// Token ids, haplotypes x slots.
    tokens: Vec<u32>,
    /// For each distinct segment, whether training did not have it in its window.
    unseen: Vec<bool>,
    /// For each distinct segment, whether it needs more slots than its window has and is read as
    /// another segment.
    replaced: Vec<bool>,
    /// For each distinct segment, whether it differs from all training segments at a dropped slot.
    unread: Vec<bool>,
    /// Tokens of each haplotype, before any segment is replaced or the row is cut.
    n_tokens: Vec<usize>,
    /// Tokens of each haplotype that fitted into its row.
    n_written: Vec<usize>,
}

impl Rows {
    fn new(
        segments: &LocusSegments,
        mut encoded: Vec<Vec<u32>>,
        tokenizer: &Tokenizer,
        grid: &LocusGrid,
        anchor: Anchor,
    ) -> Result<Self, Error> {
        let unseen = unseen_segments(segments, grid);
        let n_tokens = segments
            .haplotypes
            .iter()
            .map(|row| n_row_tokens(row, &encoded))
            .collect();
        let replaced = match anchor {
            Anchor::Reference => {
                fit_into_windows(segments, &mut encoded, &unseen, tokenizer, grid)?
            }
            Anchor::Haplotype => vec![false; encoded.len()],
        };
        let unread = unread_segments(segments, &encoded, &unseen, tokenizer, grid)?;
        let n_slots = grid.n_slots();
        let mut tokens = vec![PAD; n_slots * segments.haplotypes.len()];
        let writer = RowWriter {
            segments,
            encoded: &encoded,
            grid,
            anchor,
        };
        let n_written = tokens
            .par_chunks_exact_mut(n_slots)
            .zip(&segments.haplotypes)
            .map_init(Vec::new, |numbered, (row, haplotype)| {
                writer.write(haplotype, row, numbered)
            })
            .collect();
        Ok(Self {
            tokens,
            unseen,
            replaced,
            unread,
            n_tokens,
            n_written,
        })
    }

    /// Whether a haplotype that is cut by its own bases is longer than its row.
    fn is_cut(&self, haplotype: usize, anchor: Anchor) -> bool {
        anchor == Anchor::Haplotype && self.n_tokens[haplotype] > self.n_written[haplotype]
    }

    /// Whether the tokens do not represent this distinct segment exactly.
    fn is_approximated(&self, segment: u32) -> bool {
        self.replaced[segment as usize] || self.unread[segment as usize]
    }

    /// Counts of one locus.
    fn summarize(
        &self,
        locus: &LocusHaplotypes,
        segments: &LocusSegments,
        grid: &LocusGrid,
        anchor: Anchor,
    ) -> Summary {
        let has_slots = grid.windows_with_slots();
        let mut summary = Summary {
            n_slots: grid.n_slots(),
            n_distinct_haplotypes: locus.haplotypes.len(),
            n_unseen_segments: count_true(&self.unseen),
            n_slot_overflows: count_true(&self.replaced),
            ..Summary::default()
        };
        for (haplotype, row) in segments.haplotypes.iter().enumerate() {
            // Bases of a window without slots make no tokens: they are left out of nt per token.
            summary.n_nt += segments
                .of_row(row)
                .filter(|segment| has_slots[segment.window])
                .map(|segment| segment.bases.len() as u64)
                .sum::<u64>();
            summary.n_tokens += self.n_tokens[haplotype] as u64;
            summary.n_slot_overflows += u64::from(self.is_cut(haplotype, anchor));
            let is_empty = segments.of_row(row).all(|segment| segment.bases.is_empty());
            summary.n_empty_haplotypes += u64::from(is_empty);
        }
        summary.count_unread(locus, segments, &self.unread);
        summary
    }
}

fn count_true(flags: &[bool]) -> u64 {
    flags.iter().filter(|flag| **flag).count() as u64
}

/// For each distinct segment, whether training did not have it in its window.
fn unseen_segments(segments: &LocusSegments, grid: &LocusGrid) -> Vec<bool> {
    let known: Vec<HashSet<&[u8]>> = grid
        .known_segments
        .iter()
        .map(|known| known.iter().map(String::as_bytes).collect())
        .collect();
    segments
        .distinct
        .iter()
        .map(|segment| !known[segment.window].contains(segment.bases.as_slice()))
        .collect()
}

/// For each distinct segment, whether it differs from every training segment at a dropped slot or
/// in a window without slots.
fn unread_segments(
    segments: &LocusSegments,
    encoded: &[Vec<u32>],
    unseen: &[bool],
    tokenizer: &Tokenizer,
    grid: &LocusGrid,
) -> Result<Vec<bool>, Error> {
    let is_kept = grid.is_kept();
    segments
        .distinct
        .par_iter()
        .zip(encoded)
        .zip(unseen)
        .map(|((segment, tokens), unseen)| {
            if *unseen {
                is_unread(segment, tokens, &is_kept, tokenizer, grid)
            } else {
                Ok(false)
            }
        })
        .collect()
}

/// Whether an unseen segment differs from training at a dropped slot or in a window without slots.
///
/// All training segments have the same token at a dropped slot, so that the first one represents
/// all of them.
fn is_unread(
    segment: &Segment,
    tokens: &[u32],
    is_kept: &[bool],
    tokenizer: &Tokenizer,
    grid: &LocusGrid,
) -> Result<bool, Error> {
    let n_slots = grid.slots_in(segment.window);
    if n_slots == 0 {
        return Ok(true);
    }
    let first_slot = grid.first_slot[segment.window];
    let is_kept = &is_kept[first_slot..first_slot + n_slots];
    if is_kept.iter().all(|kept| *kept) {
        return Ok(false);
    }
    let known_bases = grid.known_segments[segment.window][0].as_bytes();
    let known_tokens = tokenizer.encode(known_bases)?;
    Ok((0..n_slots).any(|offset| {
        let token = tokens.get(offset).unwrap_or(&PAD);
        let known_token = known_tokens.get(offset).unwrap_or(&PAD);
        !is_kept[offset] && token != known_token
    }))
}

/// Replaces each segment that needs more slots than its window has by the nearest training segment.
///
/// The nearest has the least edit distance; among equals it is the commonest. A new sample's rare
/// allele is thus read as its closest known relative. Returns which segments were replaced.
fn fit_into_windows(
    segments: &LocusSegments,
    encoded: &mut [Vec<u32>],
    unseen: &[bool],
    tokenizer: &Tokenizer,
    grid: &LocusGrid,
) -> Result<Vec<bool>, Error> {
    segments
        .distinct
        .par_iter()
        .zip(encoded)
        .zip(unseen)
        .map(|((segment, tokens), unseen)| {
            fit_into_window(segment, tokens, *unseen, tokenizer, grid)
        })
        .collect()
}

/// Returns whether the segment was replaced.
fn fit_into_window(
    segment: &Segment,
    tokens: &mut Vec<u32>,
    unseen: bool,
    tokenizer: &Tokenizer,
    grid: &LocusGrid,
) -> Result<bool, Error> {
    let n_slots = grid.slots_in(segment.window);
    if n_slots == 0 {
        return Ok(false);
    }
    let overflows = unseen && tokens.len() > n_slots;
    if overflows
        && let Some(nearest) = nearest(&grid.known_segments[segment.window], &segment.bases)
    {
        *tokens = tokenizer.encode(nearest)?;
    }
    if tokens.len() > n_slots {
        let locus = grid.name.clone();
        return Err(InputsProblem::OtherGrid { locus }.into());
    }
    Ok(overflows)
}

/// The known segment with the least edit distance; the first of equals, which is the commonest.
fn nearest<'k>(known: &'k [String], bases: &[u8]) -> Option<&'k [u8]> {
    let mut nearest = None;
    let mut least_distance = usize::MAX;
    for candidate in known.iter().map(String::as_bytes) {
        // The edit distance is at least the difference in length.
        if candidate.len().abs_diff(bases.len()) < least_distance {
            let distance = edit_distance(candidate, bases);
            if distance < least_distance {
                nearest = Some(candidate);
                least_distance = distance;
            }
        }
    }
    nearest
}

/// Writes haplotypes of one locus into rows of tokens.
struct RowWriter<'a> {
    segments: &'a LocusSegments,
    /// Distinct segments x tokens.
    encoded: &'a [Vec<u32>],
    grid: &'a LocusGrid,
    anchor: Anchor,
}

impl RowWriter<'_> {
    /// Writes one haplotype into a row of kept slots; returns the tokens that fitted.
    ///
    /// `numbered` is scratch space for the row before slots are dropped.
    fn write(&self, haplotype: &[u32], row: &mut [u32], numbered: &mut Vec<u32>) -> usize {
        let Some(kept_slots) = self.grid.kept_slots() else {
            return self.write_numbered(haplotype, row);
        };
        numbered.clear();
        numbered.resize(self.grid.n_numbered_slots(), PAD);
        let n_written = self.write_numbered(haplotype, numbered);
        for (token, &slot) in row.iter_mut().zip(kept_slots) {
            *token = numbered[slot];
        }
        n_written
    }

    /// Writes one haplotype into a row of all numbered slots; returns the tokens that fitted.
    fn write_numbered(&self, haplotype: &[u32], row: &mut [u32]) -> usize {
        let last = row.len() - 1;
        row[0] = CLS;
        row[last] = SEP;
        let mut next = 1;
        let mut n_written = 0;
        for &segment in haplotype {
            let window = self.segments.distinct[segment as usize].window;
            let tokens = &self.encoded[segment as usize];
            let start = match self.anchor {
                Anchor::Reference => self.grid.first_slot[window],
                Anchor::Haplotype => next,
            };
            let n_fitting = tokens.len().min(last - start);
            row[start..start + n_fitting].copy_from_slice(&tokens[..n_fitting]);
            next = start + n_fitting;
            n_written += n_fitting;
        }
        n_written
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use gf_genotypes::{Locus, Position0, Strand};
    use gf_haplotypes::{Edit, Encoding, Masks, Policies, Provenance};
    use gf_tokenizer::VocabSize;
    use proptest::{collection::vec, prelude::any};

    use super::*;

    /// Three samples on a locus of 30 nt with an SNV, a deletion of 13 nt and an insertion.
    fn dictionary(strand: Strand) -> Dictionary {
        let locus = Locus {
            name: "L".into(),
            contig: "1".into(),
            start0: Position0::new(100),
            end0: Position0::new(130),
            strand,
        };
        let edits = vec![
            edit(105, 106, "G"),
            edit(112, 125, ""),
            edit(128, 128, "TTT"),
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

    fn edit(start0: usize, end0: usize, alt: &str) -> Edit {
        Edit {
            start0: Position0::new(start0),
            end0: Position0::new(end0),
            alt: alt.as_bytes().to_vec(),
        }
    }

    /// Options that keep every segment and slot. Segments of single samples are kept too, because
    /// there are only three samples.
    fn everything() -> Options {
        Options {
            min_token_count: 1,
            slots: Some(Slots::All),
            ..Options::default()
        }
    }

    fn text_of(tokens: &[u32], tokenizer: &Tokenizer) -> String {
        tokens
            .iter()
            .filter(|&&id| id > gf_tokenizer::MASK)
            .map(|&id| tokenizer.token(id).unwrap())
            .collect()
    }

    #[test]
    fn tokens_joined_are_the_haplotype_on_both_strands_and_any_vocabulary() {
        for strand in [Strand::Forward, Strand::Reverse] {
            for vocab_size in [VocabSize::Saturate, VocabSize::AtMost(12)] {
                let dictionary = dictionary(strand);
                let options = Options {
                    vocab_size: Some(vocab_size),
                    segment_length: 7,
                    ..everything()
                };
                let made = run(&dictionary, &[0, 1, 2], &options).unwrap();
                let locus = &made.tokens.loci[0];
                for haplotype in 0..4 {
                    let row = &locus.tokens[haplotype * locus.n_slots..][..locus.n_slots];
                    let bases =
                        String::from_utf8(dictionary.loci[0].bases(haplotype as u32)).unwrap();
                    assert_eq!(text_of(row, &made.tokenizer), bases);
                    assert_eq!((row[0], row[locus.n_slots - 1]), (CLS, SEP));
                }
                assert_eq!(made.summary.n_slot_overflows, 0);
                assert_eq!(made.grid.loci[0].n_slots(), locus.n_slots);
            }
        }
    }

    #[test]
    fn an_unseen_segment_that_does_not_fit_reads_as_the_nearest_known_one_and_is_counted() {
        let dictionary = dictionary(Strand::Forward);
        let options = Options {
            segment_length: 10,
            ..everything()
        };
        // Haplotypes 0 and 1 are known; 2 (a deletion) and 3 (an insertion) are new.
        let Tokenized {
            tokenizer,
            tokens,
            summary,
            ..
        } = run(&dictionary, &[0], &options).unwrap();
        assert!(
            summary.n_unseen_segments > 0 && summary.n_slot_overflows > 0,
            "{summary:?}"
        );
        let locus = &tokens.loci[0];
        assert_eq!(locus.n_slots, 2 + 3, "saturated: one slot a segment");
        let row = &locus.tokens[3 * locus.n_slots..][..locus.n_slots];
        assert_eq!(
            text_of(row, &tokenizer),
            "ACGTAGGTACGTTGCATGCAACGTNACGTA",
            "the inserted TTT is not known, the G is"
        );
    }

    #[test]
    fn not_anchored_tokens_follow_one_another_and_a_longer_haplotype_is_cut_and_counted() {
        let dictionary = dictionary(Strand::Forward);
        let options = Options {
            tokenizer: Some(TokenizerKind::Nucleotide),
            segment_length: 10,
            anchor: Anchor::Haplotype,
            ..everything()
        };
        // Haplotypes 0 and 1 (30 nt) are known; 2 (17 nt) and 3 (33 nt) are new.
        let Tokenized {
            tokenizer,
            grid,
            tokens,
            summary,
            ..
        } = run(&dictionary, &[0], &options).unwrap();
        let locus = &tokens.loci[0];
        assert_eq!(
            (locus.n_slots, &grid.loci[0].first_slot),
            (2 + 30, &vec![1]),
            "the longest row of training"
        );
        assert_eq!((summary.n_slot_overflows, summary.nt_per_token), (1, 1.0));
        assert!(
            summary
                .to_string()
                .contains("1 haplotype with more tokens than any training haplotype"),
            "{summary}"
        );
        let deletion = locus.row(2);
        assert_eq!(
            text_of(deletion, &tokenizer).as_bytes(),
            dictionary.loci[0].bases(2)
        );
        assert!(
            deletion[1..18].iter().all(|&id| id != PAD)
                && deletion[18..31].iter().all(|&id| id == PAD)
                && deletion[31] == SEP
        );
        assert_eq!(
            text_of(locus.row(3), &tokenizer).as_bytes(),
            &dictionary.loci[0].bases(3)[..30]
        );
    }

    #[test]
    fn saved_tokenizer_and_grid_give_the_same_tokens_again_for_every_kind_and_anchor() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("foreign.json");
        std::fs::write(&file, FOREIGN).unwrap();
        let all_kinds = options_of_every_kind(&file);
        for (options, anchor) in all_kinds.iter().flat_map(|options| {
            [Anchor::Reference, Anchor::Haplotype].map(|anchor| (options, anchor))
        }) {
            let dictionary = dictionary(Strand::Reverse);
            let made = run(
                &dictionary,
                &[0, 1],
                &Options {
                    anchor,
                    ..options.clone()
                },
            )
            .unwrap();
            let path = folder.path().join("grid.json");
            made.grid.save(&path).unwrap();
            let tokenizer = Tokenizer::from_json(made.tokenizer.json()).unwrap();
            let (tokens, summary) =
                encode(&dictionary, &tokenizer, &Grid::load(&path).unwrap()).unwrap();
            // Only fitting knows what was withheld.
            assert_eq!(
                (tokens, summary),
                (
                    made.tokens.clone(),
                    Summary {
                        min_token_count: 0,
                        ..made.summary.clone()
                    }
                )
            );
            if !options.kmer_overlapping {
                let bases = dictionary.loci[0].bases(2);
                assert_eq!(
                    text_of(made.tokens.loci[0].row(2), &tokenizer).as_bytes(),
                    bases,
                    "{options:?} {anchor:?}"
                );
            }
        }
    }

    fn options_of_every_kind(tokenizer_file: &Path) -> [Options; 6] {
        [
            segments_of_7(TokenizerKind::Bpe),
            Options {
                vocab_size: Some(VocabSize::AtMost(12)),
                ..segments_of_7(TokenizerKind::Bpe)
            },
            Options {
                kmer_length: Some(3),
                ..segments_of_7(TokenizerKind::Kmer)
            },
            Options {
                kmer_length: Some(3),
                kmer_overlapping: true,
                ..segments_of_7(TokenizerKind::Kmer)
            },
            segments_of_7(TokenizerKind::Nucleotide),
            Options {
                tokenizer: None,
                tokenizer_file: Some(tokenizer_file.into()),
                ..segments_of_7(TokenizerKind::Bpe)
            },
        ]
    }

    fn segments_of_7(tokenizer: TokenizerKind) -> Options {
        Options {
            tokenizer: Some(tokenizer),
            segment_length: 7,
            ..everything()
        }
    }

    /// A tokenizer file with different ids for the special tokens.
    const FOREIGN: &str = r#"{
        "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null,
        "post_processor": null, "decoder": null, "truncation": null, "padding": null,
        "model": {"type": "BPE", "unk_token": "<unk>", "merges": [["A", "C"]],
        "vocab": {"A": 0, "C": 1, "G": 2, "T": 3, "<unk>": 4, "<pad>": 5, "AC": 6, "N": 7}}}"#;

    #[test]
    fn letters_that_a_given_tokenizer_lacks_are_refused_with_the_locus() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let options = Options {
            tokenizer_file: Some(file.path().into()),
            ..everything()
        };
        std::fs::write(file.path(), FOREIGN.replace("\"N\": 7", "\"X\": 7")).unwrap();
        let error = format!(
            "{:#}",
            anyhow::Error::from(run(&dictionary(Strand::Forward), &[0], &options).unwrap_err())
        );
        assert!(error.starts_with("locus `L`: `N` at offset 24"), "{error}");
        std::fs::write(file.path(), "{}").unwrap();
        let error = run(&dictionary(Strand::Forward), &[0], &options)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(&file.path().display().to_string()),
            "{error}"
        );
    }

    #[test]
    fn the_report_counts_unseen_segments_of_each_split_and_leaves_empty_what_is_undefined() {
        use gf_cohort_schema::Split;
        let dictionary = dictionary(Strand::Forward);
        let made = run(
            &dictionary,
            &[0],
            &Options {
                segment_length: 10,
                ..everything()
            },
        )
        .unwrap();
        let splits = [
            (Split::Train, vec![0]),
            (Split::Validation, vec![1, 2]),
            (Split::Test, vec![]),
        ];
        let report = Report::new(&made, &splits, 1.5);
        assert_eq!(report.value("unseen_share_train"), Some(0.0));
        // Haplotypes 2, 0 and 3 have three windows each. The deletion is new in two of them, the
        // insertion in one.
        assert_eq!(report.value("unseen_share_validation"), Some(3.0 / 9.0));
        assert_eq!(
            report.value("unseen_distinct_share_validation"),
            Some(3.0 / 7.0)
        );
        assert_eq!(report.value("unseen_share_test"), None);
        assert_eq!(
            (
                report.value("distinct_segments"),
                report.value("training_segments")
            ),
            (Some(7.0), Some(4.0))
        );
        assert_eq!(
            (
                report.value("tokens_per_haplotype_max"),
                report.value("sequences_seconds")
            ),
            (Some(9.0), Some(1.5))
        );
        let folder = tempfile::tempdir().unwrap();
        report.write(&folder.path().join("report.csv")).unwrap();
        let table = std::fs::read_to_string(folder.path().join("report.csv")).unwrap();
        assert!(
            table.starts_with("measure,value\nnt_per_token,")
                && table.contains("\nunseen_share_test,\n"),
            "{table}"
        );
    }

    #[test]
    fn a_folder_with_files_of_two_runs_is_refused() {
        let lenient = Policies {
            strict: false,
            ..Policies::default()
        };
        let strict = Policies {
            strict: true,
            ..Policies::default()
        };
        let first = saved_folder(&[0], lenient);
        let second = saved_folder(&[0, 1], strict);
        for name in ["tokenizer.json", "grid.json", "genome.json"] {
            let before = std::fs::read(first.path().join(name)).unwrap();
            std::fs::copy(second.path().join(name), first.path().join(name)).unwrap();
            let error = Folder::load(first.path()).unwrap_err().to_string();
            assert!(
                error.contains(
                    "tokens.safetensors: is from a different run than the other files of this \
                     folder"
                ),
                "{name}: {error}"
            );
            std::fs::write(first.path().join(name), before).unwrap();
        }
        assert_eq!(Folder::load(first.path()).unwrap().fitted_on, [0]);
    }

    fn saved_folder(training: &[usize], policies: Policies) -> tempfile::TempDir {
        let dictionary = dictionary(Strand::Forward);
        let made = run(&dictionary, training, &everything()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        Folder {
            tokenizer: made.tokenizer,
            grid: made.grid,
            tokens: made.tokens,
            fitted_on: training.to_vec(),
            genome: Provenance::from_dictionary(&dictionary, policies),
        }
        .save(folder.path())
        .unwrap();
        folder
    }

    #[test]
    fn segments_of_too_few_samples_are_in_neither_tokenizer_nor_grid() {
        let dictionary = dictionary(Strand::Forward);
        // `a` and `b` have the reference. `a` has the G of haplotype 1 on one haplotype, `c` has
        // it together with an insertion.
        let made = run(&dictionary, &[0, 1, 2], &carriers_at_least(2)).unwrap();
        let known = &made.grid.loci[0].known_segments;
        assert_eq!(
            known.concat(),
            ["ACGTACGTAC", "ACGTAGGTAC", "GTTGCATGCA", "ACGTNACGTA"],
            "two samples carry the G"
        );
        assert_eq!(
            (
                made.summary.n_withheld_segments,
                made.summary.n_unseen_segments
            ),
            (3, 3)
        );
        assert!(made.summary.to_string().contains(
            "3 segments withheld from tokenizer and grid, because fewer than 2 training \
                 samples carry them"
        ));
        let row = made.tokens.loci[0].row(3);
        assert_eq!(
            text_of(row, &made.tokenizer),
            "ACGTAGGTACGTTGCATGCAACGTNACGTA",
            "the insertion of one sample is read like that of a new sample"
        );
        assert_eq!(
            run(&dictionary, &[0, 1, 2], &carriers_at_least(3))
                .unwrap()
                .grid
                .n_known_segments(),
            3,
            "the reference alone"
        );
        assert_eq!(
            run(&dictionary, &[0, 1, 2], &carriers_at_least(1))
                .unwrap()
                .summary
                .n_withheld_segments,
            0
        );
    }

    fn carriers_at_least(min_token_count: usize) -> Options {
        Options {
            min_token_count,
            segment_length: 10,
            ..everything()
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        /// For any cohort, tokenizer and least number of carriers.
        #[test]
        fn every_token_is_of_enough_people_or_of_the_reference(
            edits in vec((0..30usize, 0..3usize, "[ACGT]{0,3}"), 1..8),
            carried in vec(vec(any::<bool>(), 8), 2..12),
            least in 1..5usize,
            kind in 0..4usize,
            is_anchored in any::<bool>(),
        ) {
            let dictionary = dictionary_with_edits(edits, &carried);
            let options = Options {
                min_token_count: least,
                anchor: if is_anchored { Anchor::Reference } else { Anchor::Haplotype },
                ..segments_of_8(kind)
            };
            let training: Vec<usize> = (0..dictionary.samples.len())
                .filter(|sample| sample % 4 != 3)
                .collect();
            let made = run(&dictionary, &training, &options).unwrap();
            let locus = &dictionary.loci[0];
            let reference = String::from_utf8(locus.reference.clone()).unwrap();
            let ids = gf_tokenizer::MASK + 1..made.tokenizer.vocab_len() as u32;
            let tokens = ids.map(|id| made.tokenizer.token(id).unwrap().to_owned());
            let known = made.grid.loci[0].known_segments.concat();
            for text in tokens.chain(known).filter(|text| text.len() > 1) {
                let n_people = training
                    .iter()
                    .filter(|sample| has_text(locus, **sample, &text))
                    .count();
                proptest::prop_assert!(
                    n_people >= least || reference.contains(&text),
                    "{n_people} samples carry {text}"
                );
            }
        }
    }

    /// One sample per haplotype; `carried` is haplotypes x edits.
    fn dictionary_with_edits(
        edits: Vec<(usize, usize, String)>,
        carried: &[Vec<bool>],
    ) -> Dictionary {
        let mut edits: Vec<Edit> = edits
            .into_iter()
            .map(|(offset, len, alt)| edit(100 + offset, (100 + offset + len).min(130), &alt))
            .collect();
        edits.sort_by_key(|edit| edit.start0);
        edits.dedup_by(|next, before| next.start0 <= before.end0);
        let n_edits = edits.len();
        let n = carried.len() as u32;
        let mut dictionary = dictionary(Strand::Forward);
        let locus = &mut dictionary.loci[0];
        locus.edits = edits;
        locus.haplotypes = carried
            .iter()
            .map(|carries| {
                (0..n_edits as u32)
                    .filter(|&edit| carries[edit as usize])
                    .collect()
            })
            .collect();
        locus.pairs = (0..n)
            .map(|sample| [sample, (sample * 3 + 1) % n])
            .collect();
        dictionary.samples = (0..n).map(|sample| sample.to_string()).collect();
        dictionary
    }

    /// Kind 0: saturated BPE; 1: BPE of 20 tokens; 2: 3-mers; 3: nucleotides.
    fn segments_of_8(kind: usize) -> Options {
        let tokenizer = match kind {
            0 | 1 => TokenizerKind::Bpe,
            2 => TokenizerKind::Kmer,
            _ => TokenizerKind::Nucleotide,
        };
        Options {
            tokenizer: Some(tokenizer),
            vocab_size: (kind == 1).then_some(VocabSize::AtMost(20)),
            kmer_length: (kind == 2).then_some(3),
            segment_length: 8,
            slots: Some(Slots::All),
            ..Options::default()
        }
    }

    fn has_text(locus: &LocusHaplotypes, sample: usize, text: &str) -> bool {
        locus.pairs[sample].iter().any(|&haplotype| {
            let bases = String::from_utf8(locus.bases(haplotype)).unwrap();
            bases.contains(text)
        })
    }

    /// Single nucleotides, so that a token is a base and the slots of both grids can be compared.
    fn nucleotides(slots: Slots) -> Options {
        Options {
            tokenizer: Some(TokenizerKind::Nucleotide),
            segment_length: 10,
            slots: Some(slots),
            ..everything()
        }
    }

    #[test]
    fn only_slots_with_two_versions_in_training_are_kept_and_the_others_are_known() {
        let dictionary = dictionary(Strand::Forward);
        let all = run(&dictionary, &[0, 1, 2], &nucleotides(Slots::All)).unwrap();
        let varying = run(&dictionary, &[0, 1, 2], &nucleotides(Slots::Varying)).unwrap();
        let all_slots = &all.tokens.loci[0];
        let varying_slots = &varying.tokens.loci[0];
        let expected_slots: Vec<usize> = (0..all_slots.n_slots)
            .filter(|&slot| {
                slot == 0
                    || slot == all_slots.n_slots - 1
                    || (1..4).any(|i| all_slots.row(i)[slot] != all_slots.row(0)[slot])
            })
            .collect();
        assert_eq!(varying_slots.n_slots, expected_slots.len());
        for haplotype in 0..4 {
            let expected_row: Vec<u32> = expected_slots
                .iter()
                .map(|&slot| all_slots.row(haplotype)[slot])
                .collect();
            assert_eq!(varying_slots.row(haplotype), expected_row);
        }
        let known = &varying.grid.loci[0].known_segments;
        assert!(
            known.iter().all(|segments| !segments.is_empty()),
            "the segments of every window are known"
        );
    }

    #[test]
    fn a_segment_that_does_not_vary_has_no_slot_and_is_not_in_the_vocabulary() {
        let dictionary = dictionary(Strand::Forward);
        let options = Options {
            segment_length: 10,
            slots: Some(Slots::Varying),
            ..everything()
        };
        // Haplotypes 0 and 1 differ by a G in the first of three windows.
        let made = run(&dictionary, &[0], &options).unwrap();
        assert_eq!(made.tokens.loci[0].n_slots, 2 + 1);
        let row = made.tokens.loci[0].row(1);
        assert_eq!(text_of(row, &made.tokenizer), "ACGTAGGTAC");
        assert!(is_in_vocabulary("ACGTAGGTAC", &made.tokenizer));
        assert!(!is_in_vocabulary("GTTGCATGCA", &made.tokenizer));
    }

    fn is_in_vocabulary(bases: &str, tokenizer: &Tokenizer) -> bool {
        (0..tokenizer.vocab_len() as u32).any(|id| tokenizer.token(id) == Some(bases))
    }

    #[test]
    fn alleles_where_training_does_not_vary_are_counted_for_every_sample() {
        let dictionary = dictionary(Strand::Forward);
        let options = Options {
            segment_length: 10,
            slots: Some(Slots::Varying),
            ..everything()
        };
        let made = run(&dictionary, &[0], &options).unwrap();
        // Sample b has the deletion (one allele, in two windows), sample c the insertion; both are
        // new, in windows without slots.
        let summary = &made.summary;
        assert_eq!(
            (
                summary.n_unread_alleles,
                summary.n_samples_with_unread_alleles,
                summary.most_unread_alleles
            ),
            (3, 2, 2)
        );
        assert!(summary.to_string().contains(
            "3 alleles are not read, because their segments do not vary in training; 2 samples \
             affected"
        ));
        let locus = &dictionary.loci[0];
        let encoded = encode_haplotypes(locus, 0, &made.tokenizer, &made.grid).unwrap();
        let approximated: Vec<usize> = encoded.approximated.iter().map(Vec::len).collect();
        assert_eq!(
            approximated,
            [0, 0, 2, 1],
            "explain reports switches that the model does not read"
        );
    }

    #[test]
    fn nothing_that_varies_is_an_error_that_names_the_next_action() {
        let mut dictionary = dictionary(Strand::Forward);
        dictionary.loci[0].pairs = vec![[0, 0]; 3];
        let options = Options {
            slots: Some(Slots::Varying),
            ..everything()
        };
        let message = run(&dictionary, &[0, 1, 2], &options)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("no segment of the loci varies") && message.contains("--slots all"),
            "{message}"
        );
        let message = Options {
            anchor: Anchor::Haplotype,
            ..options
        }
        .kind()
        .unwrap_err()
        .to_string();
        assert!(
            message.contains("needs segments anchored to the reference"),
            "{message}"
        );
    }

    #[test]
    fn nothing_of_samples_outside_training_is_in_the_vocabulary() {
        let dictionary = dictionary(Strand::Forward);
        let options = Options {
            segment_length: 10,
            ..everything()
        };
        let of_first = run(&dictionary, &[0], &options)
            .unwrap()
            .tokenizer
            .json()
            .to_string();
        let mut others_changed = dictionary.clone();
        others_changed.loci[0].edits[2].alt = b"CCCCCC".to_vec();
        assert_eq!(
            of_first,
            run(&others_changed, &[0], &options)
                .unwrap()
                .tokenizer
                .json()
        );
    }
}
