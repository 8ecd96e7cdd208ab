//! Tokens of every distinct haplotype on one slot grid shared by everyone.
//!
//! Input -> output: a [`Dictionary`] and the people of the training split -> a tokenizer fitted on
//! their distinct segments (or taken from a file), a [`Grid`] (how many slots each place has), and
//! a [`TokenSet`]. Segments are cut at fixed reference coordinates, so that slot `i` means the same
//! place in everyone, or ([`Anchor::Haplotype`]) at every haplotype's own bases. Row of a
//! haplotype: `[CLS]`, the slots of each segment (unused ones `[PAD]`), `[SEP]`.

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
    merge::{Shard, merge},
    options::{Options, Slots, TokenizerKind},
    report::Report,
    segments::Anchor,
    store::{LocusTokens, TokenSet},
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

/// What the stage did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// Distinct segments that tokenizer and grid have seen: of enough training people, or of the
    /// reference.
    pub n_training_segments: usize,
    /// Distinct segments of training people that are kept from tokenizer and grid, because too few
    /// have them.
    #[serde(default)]
    pub n_withheld_segments: u64,
    /// Training people who must have a segment.
    #[serde(default)]
    pub min_token_count: usize,
    /// Slots of a haplotype over all loci, `[CLS]` and `[SEP]` of each locus included.
    pub n_slots: usize,
    /// Distinct haplotypes over all loci.
    pub n_distinct_haplotypes: usize,
    /// Nucleotides of the distinct haplotypes.
    pub n_nt: u64,
    /// Tokens of the distinct haplotypes that are not special, before any is replaced or cut to
    /// fit the slots.
    pub n_tokens: u64,
    /// Nucleotides in a token, the mean; 0 where there is none.
    pub nt_per_token: f64,
    /// Distinct segments (place and bases) that tokenizer and grid have not seen.
    pub n_unseen_segments: u64,
    /// Anchored to the reference: of these, segments that need more slots than their place has,
    /// read as the nearest segment seen there. Not anchored: distinct haplotypes with more
    /// tokens than any of training, cut at the end.
    pub n_slot_overflows: u64,
    /// Where haplotypes were cut.
    pub anchor: Anchor,
    /// Haplotypes without a base left (a deletion of the whole locus): only `[CLS]` and `[SEP]`.
    pub n_empty_haplotypes: u64,
    /// Alleles at places that no training sample varies at, which have no slot: not read. Every
    /// copy in every sample counts.
    #[serde(default)]
    pub n_unread_alleles: u64,
    /// Samples with such an allele at a locus, summed over loci.
    #[serde(default)]
    pub n_samples_with_unread_alleles: u64,
    /// Most such alleles of one sample at one locus.
    #[serde(default)]
    pub most_unread_alleles: u64,
}

impl Summary {
    /// Counts of further loci, on the same tokenizer.
    fn add(&mut self, of_loci: &Self) {
        self.n_training_segments += of_loci.n_training_segments;
        self.n_withheld_segments += of_loci.n_withheld_segments;
        self.n_slots += of_loci.n_slots;
        self.n_distinct_haplotypes += of_loci.n_distinct_haplotypes;
        self.n_unseen_segments += of_loci.n_unseen_segments;
        self.n_slot_overflows += of_loci.n_slot_overflows;
        self.n_empty_haplotypes += of_loci.n_empty_haplotypes;
        self.n_unread_alleles += of_loci.n_unread_alleles;
        self.n_samples_with_unread_alleles += of_loci.n_samples_with_unread_alleles;
        self.most_unread_alleles = self.most_unread_alleles.max(of_loci.most_unread_alleles);
        self.n_nt += of_loci.n_nt;
        self.n_tokens += of_loci.n_tokens;
        self.nt_per_token = if self.n_tokens == 0 {
            0.0
        } else {
            self.n_nt as f64 / self.n_tokens as f64
        };
    }

    /// Counts the alleles of unread segments in every sample's haplotypes of a locus.
    fn count_unread(&mut self, locus: &LocusHaplotypes, segments: &LocusSegments, unread: &[bool]) {
        let n_unread = |&segment: &u32| {
            if unread[segment as usize] {
                segments.distinct[segment as usize].n_alleles
            } else {
                0
            }
        };
        let of_haplotype: Vec<u32> = segments
            .haplotypes
            .iter()
            .map(|row| row.iter().map(n_unread).sum())
            .collect();
        for pair in &locus.pairs {
            let haplotypes = pair
                .iter()
                .filter(|&&haplotype| haplotype != ABSENT_HAPLOTYPE);
            let of_sample: u64 = haplotypes
                .map(|&haplotype| u64::from(of_haplotype[haplotype as usize]))
                .sum();
            self.n_unread_alleles += of_sample;
            self.n_samples_with_unread_alleles += u64::from(of_sample > 0);
            self.most_unread_alleles = self.most_unread_alleles.max(of_sample);
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} in the vocabulary, {} a haplotype, {:.1} nt a token, {}",
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
                "{segments} of fewer than {least} training people kept from tokenizer and grid \
                 (--min-token-count)"
            )?;
        }
        if self.n_unseen_segments > 0 {
            write!(
                f,
                "{} that tokenizer and grid have not seen",
                counted(self.n_unseen_segments, "segment", "segments")
            )?;
            match self.anchor {
                Anchor::Reference => writeln!(
                    f,
                    "; {} of them read as the nearest known segment",
                    self.n_slot_overflows
                )?,
                Anchor::Haplotype => writeln!(f)?,
            }
        }
        if self.anchor == Anchor::Haplotype && self.n_slot_overflows > 0 {
            let haplotypes = counted(self.n_slot_overflows, "haplotype", "haplotypes");
            writeln!(
                f,
                "{haplotypes} with more tokens than any of training, cut at the end"
            )?;
        }
        if self.n_unread_alleles > 0 {
            writeln!(
                f,
                "{} at places without variation in training and not read: in {} (counted per \
                 locus), at most {} in one",
                counted(self.n_unread_alleles, "allele is", "alleles are"),
                counted(self.n_samples_with_unread_alleles, "sample", "samples"),
                self.most_unread_alleles
            )?;
        }
        if self.n_empty_haplotypes > 0 {
            writeln!(
                f,
                "{} no base left",
                counted(self.n_empty_haplotypes, "haplotype has", "haplotypes have")
            )?;
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
    /// The tokenizer refused a sequence.
    #[error("locus `{locus}`")]
    Locus {
        /// Name of the locus.
        locus: String,
        /// What the tokenizer said.
        source: gf_tokenizer::Error,
    },
    /// A file could not be written or read back.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// Options or inputs do not fit.
    #[error("{0}")]
    Inputs(String),
    /// A stored token set, grid or tokenizer cannot be used.
    #[error("{}: {reason}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// What [`run`] makes.
#[derive(Clone, Debug)]
pub struct Tokenized {
    /// Bases to tokens.
    pub tokenizer: Tokenizer,
    /// Tokens to slots.
    pub grid: Grid,
    /// Tokens of the distinct haplotypes and who has which.
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

/// What [`fill`] sees beside the tokens.
#[derive(Clone, Debug, Default)]
struct Measured {
    /// Of each locus, for each distinct segment: tokenizer and grid have not seen it.
    unseen: Vec<Vec<bool>>,
    /// Tokens of each distinct haplotype of every locus, special ones not counted, before any is
    /// replaced or cut to fit the slots.
    n_tokens: Vec<usize>,
}

/// Fits tokenizer and grid on the `training` people (numbers into `dictionary.samples`), then
/// encodes every distinct haplotype.
///
/// # Errors
/// Options out of range, nobody to train on, or a tokenizer file that cannot be used.
pub fn run(
    dictionary: &Dictionary,
    training: &[usize],
    options: &Options,
) -> Result<Tokenized, Error> {
    options.kind()?;
    if training.is_empty() {
        return Err(Error::Inputs(
            "no training person to fit the tokenizer on".into(),
        ));
    }
    let started = Instant::now();
    let segments = cut(dictionary, options.segment_length, options.anchor);
    let copies = copies(dictionary, &segments, training, options);
    let places: Vec<Vec<bool>> = segments
        .iter()
        .zip(&copies)
        .map(|(segments, copies)| places_with_slots(segments, copies, options.slots()))
        .collect();
    let tokenizer = if let Some(tokenizer) = options.given_tokenizer()? {
        tokenizer
    } else {
        let mut words = Words::default();
        words.add_segments(&segments, &copies, &places);
        words.fit(dictionary.alphabet(), options)?
    };
    let fit_seconds = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let encoded = encode_distinct(dictionary, &segments, &places, &tokenizer)?;
    let loci = dictionary.loci.iter().enumerate();
    let loci = loci
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
    let grid = Grid::new(
        options.anchor,
        options.segment_length,
        options.slots(),
        loci,
    );
    let (tokens, mut summary, measured) = fill(dictionary, &segments, encoded, &tokenizer, &grid)?;
    summary.n_withheld_segments = copies.iter().map(|copies| copies.n_withheld).sum();
    summary.min_token_count = options.min_token_count;
    let encode_seconds = started.elapsed().as_secs_f64();
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
/// A dictionary whose loci are not those of the grid, or a tokenizer that it was not made with.
pub fn encode(
    dictionary: &Dictionary,
    tokenizer: &Tokenizer,
    grid: &Grid,
) -> Result<(TokenSet, Summary), Error> {
    let segments = cut(dictionary, grid.segment_length, grid.anchor);
    let places: Vec<Vec<bool>> = grid.loci.iter().map(places_of_grid).collect();
    let encoded = encode_distinct(dictionary, &segments, &places, tokenizer)?;
    let (tokens, summary, _) = fill(dictionary, &segments, encoded, tokenizer, grid)?;
    Ok((tokens, summary))
}

/// Haplotypes of one locus, encoded on a fitted grid, with what could not be read as it is.
#[derive(Clone, Debug)]
pub struct EncodedHaplotypes {
    /// Their tokens.
    pub tokens: LocusTokens,
    /// Of each haplotype, the segments (numbered within this call) that its tokens do not say:
    /// anchored to the reference, those read as the nearest segment of training and those with
    /// an allele where no slot is; not anchored, all of a haplotype that is cut at the end.
    pub approximated: Vec<Vec<u32>>,
}

/// As [`encode`], for the haplotypes of locus number `locus_number` of the grid, which nobody needs
/// to have.
///
/// # Errors
/// As [`encode`].
pub fn encode_haplotypes(
    locus: &LocusHaplotypes,
    locus_number: usize,
    tokenizer: &Tokenizer,
    grid: &Grid,
) -> Result<EncodedHaplotypes, Error> {
    let segments = LocusSegments::new(locus, grid.segment_length, grid.anchor);
    let locus_grid = &grid.loci[locus_number];
    let encoded = encode_segments(locus, &segments, &places_of_grid(locus_grid), tokenizer)?;
    let Rows {
        tokens,
        replaced,
        unread,
        n_tokens,
        n_written,
        ..
    } = Rows::new(&segments, encoded, tokenizer, locus_grid, grid.anchor)?;
    let approximated = segments.haplotypes.iter().zip(n_tokens).zip(n_written).map(
        |((segments, n_tokens), n_written)| {
            let is_cut = grid.anchor == Anchor::Haplotype && n_tokens > n_written;
            segments
                .iter()
                .copied()
                .filter(|&segment| is_cut || replaced[segment as usize] || unread[segment as usize])
                .collect()
        },
    );
    let name = locus.locus.name.clone();
    let n_slots = locus_grid.n_slots();
    let pairs = locus.pairs.clone();
    Ok(EncodedHaplotypes {
        approximated: approximated.collect(),
        tokens: LocusTokens {
            name,
            n_slots,
            tokens,
            pairs,
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

/// How often the training people have each distinct haplotype and segment of a locus.
struct Copies {
    of_haplotype: Vec<u64>,
    /// 0 for what too few people have. The reference is known to everyone: at least one of each of
    /// its segments, so that every place has one to fall back to.
    of_segment: Vec<u64>,
    /// Segments that too few people have.
    n_withheld: u64,
}

impl Copies {
    fn count(
        locus: &LocusHaplotypes,
        segments: &LocusSegments,
        training: &[usize],
        min_people: usize,
    ) -> Self {
        let mut of_haplotype = vec![0; locus.haplotypes.len()];
        let mut n_people = vec![0; segments.distinct.len()];
        let mut last_met = vec![usize::MAX; segments.distinct.len()];
        for &person in training {
            for &haplotype in locus.pairs[person]
                .iter()
                .filter(|&&haplotype| haplotype != ABSENT_HAPLOTYPE)
            {
                of_haplotype[haplotype as usize] += 1;
                for &segment in &segments.haplotypes[haplotype as usize] {
                    // On both haplotypes it is one person's all the same.
                    if std::mem::replace(&mut last_met[segment as usize], person) != person {
                        n_people[segment as usize] += 1;
                    }
                }
            }
        }
        let mut of_segment = vec![0; segments.distinct.len()];
        for (row, count) in segments.haplotypes.iter().zip(&of_haplotype) {
            for &segment in row {
                of_segment[segment as usize] += count;
            }
        }
        for &segment in &segments.reference {
            of_segment[segment as usize] = of_segment[segment as usize].max(1);
            n_people[segment as usize] = usize::MAX;
        }
        let mut n_withheld = 0;
        for (copies, _) in of_segment
            .iter_mut()
            .zip(n_people)
            .filter(|(copies, n_people)| **copies > 0 && *n_people < min_people)
        {
            *copies = 0;
            n_withheld += 1;
        }
        Self {
            of_haplotype,
            of_segment,
            n_withheld,
        }
    }
}

fn copies(
    dictionary: &Dictionary,
    segments: &[LocusSegments],
    training: &[usize],
    options: &Options,
) -> Vec<Copies> {
    let of_locus =
        |(locus, segments)| Copies::count(locus, segments, training, options.min_token_count);
    dictionary
        .loci
        .par_iter()
        .zip(segments)
        .map(of_locus)
        .collect()
}

/// What a tokenizer is fitted on: the distinct segments of training over all places, with their
/// copies, in the order of their bases.
///
/// Those of dictionaries of other loci add up to those of one dictionary of all.
#[derive(Clone, Debug, Default)]
pub struct Words(BTreeMap<Vec<u8>, u64>);

impl Words {
    /// Adds the segments of the loci of a dictionary, as [`run`] cuts and counts them.
    pub fn add(&mut self, dictionary: &Dictionary, training: &[usize], options: &Options) {
        let segments = cut(dictionary, options.segment_length, options.anchor);
        let copies = copies(dictionary, &segments, training, options);
        let places = segments
            .iter()
            .zip(&copies)
            .map(|(segments, copies)| places_with_slots(segments, copies, options.slots()));
        self.add_segments(&segments, &copies, &places.collect::<Vec<_>>());
    }

    fn add_segments(
        &mut self,
        segments: &[LocusSegments],
        copies: &[Copies],
        places: &[Vec<bool>],
    ) {
        for ((locus, copies), places) in segments.iter().zip(copies).zip(places) {
            for (segment, &count) in locus.distinct.iter().zip(&copies.of_segment) {
                if count > 0 && places[segment.place] && !segment.bases.is_empty() {
                    match self.0.get_mut(&segment.bases) {
                        Some(known) => *known += count,
                        None => _ = self.0.insert(segment.bases.clone(), count),
                    }
                }
            }
        }
    }

    /// The tokenizer that [`run`] would fit on all of them.
    ///
    /// # Errors
    /// No segment, a letter outside the alphabet, or options that do not go together or give a
    /// tokenizer.
    pub fn fit(self, alphabet: &[u8], options: &Options) -> Result<Tokenizer, Error> {
        let kind = options
            .kind()?
            .ok_or_else(|| Error::Inputs("neither a tokenizer to fit nor a file of one".into()))?;
        if self.0.is_empty() && options.slots() == Slots::Varying && options.learns_tokenizer() {
            return Err(Error::Inputs(
                "no place of the loci varies among the training samples, so there is nothing to \
                 learn from: check loci and samples, or keep every slot (--slots all)"
                    .into(),
            ));
        }
        let mut words: Vec<(Vec<u8>, u64)> = self.0.into_iter().collect();
        if words.is_empty() && !options.learns_tokenizer() {
            // Single nucleotides are the same whatever the segments are, but a tokenizer is not
            // made of nothing.
            words.extend(alphabet.first().map(|&letter| (vec![letter], 1)));
        }
        Ok(Tokenizer::train(&kind, alphabet, &words)?)
    }
}

/// For each place, whether it gets slots: with [`Slots::Varying`] only where training (and the
/// reference) has two versions or more.
fn places_with_slots(segments: &LocusSegments, copies: &Copies, slots: Slots) -> Vec<bool> {
    if slots == Slots::All {
        return vec![true; segments.n_places];
    }
    let mut n_versions = vec![0; segments.n_places];
    for (segment, _) in segments
        .distinct
        .iter()
        .zip(&copies.of_segment)
        .filter(|(_, count)| **count > 0)
    {
        n_versions[segment.place] += 1;
    }
    n_versions.into_iter().map(|n| n > 1).collect()
}

/// For each place of a fitted grid, whether it has slots.
fn places_of_grid(grid: &LocusGrid) -> Vec<bool> {
    (0..grid.first_slot.len())
        .map(|place| grid.slots_in(place) > 0)
        .collect()
}

/// Token ids of every distinct segment of every locus.
fn encode_distinct(
    dictionary: &Dictionary,
    segments: &[LocusSegments],
    places: &[Vec<bool>],
    tokenizer: &Tokenizer,
) -> Result<Vec<Vec<Vec<u32>>>, Error> {
    let loci = dictionary.loci.iter().zip(segments).zip(places);
    loci.map(|((locus, segments), places)| encode_segments(locus, segments, places, tokenizer))
        .collect()
}

/// Token ids of every distinct segment of a locus at the places that have slots; none at the
/// others.
fn encode_segments(
    locus: &LocusHaplotypes,
    segments: &LocusSegments,
    places: &[bool],
    tokenizer: &Tokenizer,
) -> Result<Vec<Vec<u32>>, Error> {
    let has_slots = |segment: &Segment| places.get(segment.place).copied().unwrap_or(false);
    let encode = |segment: &Segment| {
        if has_slots(segment) {
            tokenizer.encode(&segment.bases)
        } else {
            Ok(Vec::new())
        }
    };
    let encoded: Result<_, _> = segments.distinct.par_iter().map(encode).collect();
    encoded.map_err(|source| Error::Locus {
        locus: locus.locus.name.clone(),
        source,
    })
}

/// Each place gets as many slots as its longest encoding in training; rows that are not anchored,
/// as many as the longest of them.
fn lay_out(
    locus: &LocusHaplotypes,
    segments: &LocusSegments,
    encoded: &[Vec<u32>],
    copies: &Copies,
    options: &Options,
) -> LocusGrid {
    let mut seen: Vec<(&Segment, u64)> = segments
        .distinct
        .iter()
        .zip(copies.of_segment.iter().copied())
        .filter(|(_, count)| *count > 0)
        .collect();
    seen.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.bases.cmp(&b.0.bases)));
    let mut known_segments = vec![Vec::new(); segments.n_places];
    for (segment, _) in seen {
        known_segments[segment.place].push(String::from_utf8_lossy(&segment.bases).into_owned());
    }
    let mut slots = vec![0; segments.n_places];
    match options.anchor {
        Anchor::Reference => {
            for ((segment, tokens), _) in segments
                .distinct
                .iter()
                .zip(encoded)
                .zip(&copies.of_segment)
                .filter(|(_, count)| **count > 0)
            {
                slots[segment.place] = slots[segment.place].max(tokens.len());
            }
        }
        Anchor::Haplotype => {
            let training = segments
                .haplotypes
                .iter()
                .zip(&copies.of_haplotype)
                .filter(|(_, count)| **count > 0)
                .map(|(row, _)| row);
            let n_tokens = |row: &Vec<u32>| {
                row.iter()
                    .map(|&segment| encoded[segment as usize].len())
                    .sum()
            };
            slots[0] = training
                .chain([&segments.reference])
                .map(n_tokens)
                .max()
                .unwrap_or(0);
        }
    }
    let mut grid = LocusGrid::new(locus, &slots, known_segments);
    if options.slots() == Slots::Varying {
        let seen = segments
            .distinct
            .iter()
            .zip(encoded)
            .zip(&copies.of_segment)
            .filter(|(_, count)| **count > 0);
        let varying = varying_slots(
            &grid,
            seen.map(|((segment, tokens), _)| (segment.place, tokens.as_slice())),
        );
        grid.keep(varying);
    }
    grid
}

/// The slots at which these encodings (place, tokens) differ, with the first and the last slot of
/// the row.
fn varying_slots<'e>(
    grid: &LocusGrid,
    encodings: impl Iterator<Item = (usize, &'e [u32])>,
) -> Vec<usize> {
    let mut tokens_of_slot: Vec<Option<u32>> = vec![None; grid.n_numbered_slots()];
    let mut varies = vec![false; grid.n_numbered_slots()];
    for (place, tokens) in encodings {
        for offset in 0..grid.slots_in(place) {
            let slot = grid.first_slot[place] + offset;
            let token = tokens.get(offset).copied().unwrap_or(PAD);
            varies[slot] |= *tokens_of_slot[slot].get_or_insert(token) != token;
        }
    }
    let last = grid.n_numbered_slots() - 1;
    (0..=last)
        .filter(|&slot| varies[slot] || slot == 0 || slot == last)
        .collect()
}

/// Writes the tokens of every distinct haplotype into its row, and measures them.
fn fill(
    dictionary: &Dictionary,
    segments: &[LocusSegments],
    encoded: Vec<Vec<Vec<u32>>>,
    tokenizer: &Tokenizer,
    grid: &Grid,
) -> Result<(TokenSet, Summary, Measured), Error> {
    let vocab_size = tokenizer.vocab_len();
    let n_training_segments = grid.n_known_segments();
    let mut summary = Summary {
        vocab_size,
        n_training_segments,
        anchor: grid.anchor,
        ..Summary::default()
    };
    let mut loci = Vec::with_capacity(grid.loci.len());
    let mut measured = Measured::default();
    let of_dictionary = dictionary
        .loci
        .iter()
        .zip(segments)
        .zip(encoded)
        .map(Some)
        .chain(std::iter::repeat_with(|| None));
    for (locus_grid, found) in grid.loci.iter().zip(of_dictionary) {
        let ((locus, segments), encoded) = found
            .filter(|((locus, _), _)| {
                locus.locus.name == locus_grid.name && locus.locus.len_nt() == locus_grid.len_nt
            })
            .ok_or_else(|| {
                Error::Inputs(format!(
                    "locus `{}` of the tokenizer's grid is not in these sequences",
                    locus_grid.name
                ))
            })?;
        let Rows {
            tokens,
            unseen,
            replaced,
            unread,
            n_tokens,
            n_written,
        } = Rows::new(segments, encoded, tokenizer, locus_grid, grid.anchor)?;
        let n_slots = locus_grid.n_slots();
        let places = places_of_grid(locus_grid);
        let mut of_locus = Summary {
            n_slots,
            n_distinct_haplotypes: locus.haplotypes.len(),
            ..Summary::default()
        };
        of_locus.n_unseen_segments = unseen.iter().filter(|unseen| **unseen).count() as u64;
        of_locus.n_slot_overflows = replaced.iter().filter(|replaced| **replaced).count() as u64;
        for ((haplotype, n_tokens), n_written) in
            segments.haplotypes.iter().zip(&n_tokens).zip(n_written)
        {
            let with_slots = haplotype
                .iter()
                .map(|&segment| &segments.distinct[segment as usize])
                .filter(|s| places[s.place]);
            of_locus.n_nt += with_slots
                .map(|segment| segment.bases.len() as u64)
                .sum::<u64>();
            of_locus.n_tokens += *n_tokens as u64;
            of_locus.n_slot_overflows +=
                u64::from(grid.anchor == Anchor::Haplotype && *n_tokens > n_written);
            let is_empty = haplotype
                .iter()
                .all(|&segment| segments.distinct[segment as usize].bases.is_empty());
            of_locus.n_empty_haplotypes += u64::from(is_empty);
        }
        of_locus.count_unread(locus, segments, &unread);
        summary.add(&of_locus);
        loci.push(LocusTokens {
            name: locus.locus.name.clone(),
            n_slots,
            tokens,
            pairs: locus.pairs.clone(),
        });
        measured.unseen.push(unseen);
        measured.n_tokens.extend(n_tokens);
    }
    Ok((
        TokenSet {
            samples: dictionary.samples.clone(),
            loci,
        },
        summary,
        measured,
    ))
}

/// The haplotypes of one locus on its slots.
struct Rows {
    /// Haplotypes x slots.
    tokens: Vec<u32>,
    /// Of each distinct segment: it was not seen at its place.
    unseen: Vec<bool>,
    /// Of each distinct segment: it needs more slots than its place has and is read as another.
    replaced: Vec<bool>,
    /// Of each distinct segment: it differs from all of training where no slot is kept.
    unread: Vec<bool>,
    /// Of each haplotype, before any segment is replaced or the row cut.
    n_tokens: Vec<usize>,
    /// Of each haplotype, tokens for which its row had room.
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
        let n_tokens = |haplotype: &Vec<u32>| {
            haplotype
                .iter()
                .map(|&segment| encoded[segment as usize].len())
                .sum()
        };
        let n_tokens = segments.haplotypes.iter().map(n_tokens).collect();
        let replaced = match anchor {
            Anchor::Reference => fit_into_places(segments, &mut encoded, &unseen, tokenizer, grid)?,
            Anchor::Haplotype => vec![false; encoded.len()],
        };
        let unread = unread_segments(segments, &encoded, &unseen, tokenizer, grid)?;
        let n_slots = grid.n_slots();
        let mut tokens = vec![PAD; n_slots * segments.haplotypes.len()];
        let write = |numbered: &mut Vec<u32>, (row, haplotype): (&mut [u32], &Vec<u32>)| {
            let parts = haplotype.iter().map(|&segment| {
                (
                    segments.distinct[segment as usize].place,
                    &encoded[segment as usize],
                )
            });
            let Some(kept) = grid.kept_slots() else {
                return write_row(row, parts, grid, anchor);
            };
            numbered.clear();
            numbered.resize(grid.n_numbered_slots(), PAD);
            let n_written = write_row(numbered, parts, grid, anchor);
            row.iter_mut()
                .zip(kept)
                .for_each(|(token, &slot)| *token = numbered[slot]);
            n_written
        };
        let rows = tokens
            .par_chunks_exact_mut(n_slots)
            .zip(&segments.haplotypes);
        let n_written = rows.map_init(Vec::new, write).collect();
        Ok(Self {
            tokens,
            unseen,
            replaced,
            unread,
            n_tokens,
            n_written,
        })
    }
}

/// For each distinct segment, whether it was not seen at its place.
fn unseen_segments(segments: &LocusSegments, grid: &LocusGrid) -> Vec<bool> {
    let known: Vec<HashSet<&[u8]>> = grid
        .known_segments
        .iter()
        .map(|known| known.iter().map(String::as_bytes).collect())
        .collect();
    segments
        .distinct
        .iter()
        .map(|segment| !known[segment.place].contains(segment.bases.as_slice()))
        .collect()
}

/// For each distinct segment, whether it differs from every training segment at a slot that is not
/// kept, or at a place without slots.
fn unread_segments(
    segments: &LocusSegments,
    encoded: &[Vec<u32>],
    unseen: &[bool],
    tokenizer: &Tokenizer,
    grid: &LocusGrid,
) -> Result<Vec<bool>, Error> {
    let mut is_kept = vec![grid.kept_slots().is_none(); grid.n_numbered_slots()];
    grid.kept_slots()
        .unwrap_or_default()
        .iter()
        .for_each(|&slot| is_kept[slot] = true);
    let is_unread = |((segment, tokens), unseen): ((&Segment, &Vec<u32>), &bool)| {
        if !unseen {
            return Ok(false);
        }
        let first = grid.first_slot[segment.place];
        let n_slots = grid.slots_in(segment.place);
        if n_slots == 0 || is_kept[first..first + n_slots].iter().all(|kept| *kept) {
            return Ok(n_slots == 0);
        }
        let known = tokenizer.encode(grid.known_segments[segment.place][0].as_bytes())?;
        let differs =
            |offset: usize| tokens.get(offset).unwrap_or(&PAD) != known.get(offset).unwrap_or(&PAD);
        Ok((0..n_slots).any(|offset| !is_kept[first + offset] && differs(offset)))
    };
    segments
        .distinct
        .par_iter()
        .zip(encoded)
        .zip(unseen)
        .map(is_unread)
        .collect()
}

/// A segment that needs more slots than its place has is read as the nearest segment of training
/// there (least edit distance; then the commonest), so that a new person's rare allele reads as its
/// closest known relative. Returns which were.
fn fit_into_places(
    segments: &LocusSegments,
    encoded: &mut [Vec<u32>],
    unseen: &[bool],
    tokenizer: &Tokenizer,
    grid: &LocusGrid,
) -> Result<Vec<bool>, Error> {
    let fit = |((segment, tokens), unseen): ((&Segment, &mut Vec<u32>), &bool)| {
        let n_slots = grid.slots_in(segment.place);
        if n_slots == 0 {
            return Ok(false);
        }
        let overflows = *unseen && tokens.len() > n_slots;
        if overflows
            && let Some(nearest) = nearest(&grid.known_segments[segment.place], &segment.bases)
        {
            *tokens = tokenizer.encode(nearest)?;
        }
        if tokens.len() > n_slots {
            let reason = "a segment of training has more tokens than slots: tokenizer and grid do \
                          not belong together";
            return Err(Error::Inputs(format!("locus `{}`: {reason}", grid.name)));
        }
        Ok(overflows)
    };
    segments
        .distinct
        .par_iter()
        .zip(encoded)
        .zip(unseen)
        .map(fit)
        .collect()
}

/// The known segment with the least edit distance; the first of equals, which is the commonest.
fn nearest<'k>(known: &'k [String], bases: &[u8]) -> Option<&'k [u8]> {
    let mut nearest = None;
    let mut least = usize::MAX;
    for known in known.iter().map(String::as_bytes) {
        // No distance is less than the difference in length.
        if known.len().abs_diff(bases.len()) < least {
            let distance = edit_distance(known, bases);
            if distance < least {
                (nearest, least) = (Some(known), distance);
            }
        }
    }
    nearest
}

/// Writes the tokens of one haplotype, given with their places; returns how many there was room
/// for.
fn write_row<'e>(
    row: &mut [u32],
    parts: impl Iterator<Item = (usize, &'e Vec<u32>)>,
    grid: &LocusGrid,
    anchor: Anchor,
) -> usize {
    let last = row.len() - 1;
    (row[0], row[last]) = (CLS, SEP);
    let mut next = 1;
    let mut n_written = 0;
    for (place, tokens) in parts {
        let start = if anchor == Anchor::Reference {
            grid.first_slot[place]
        } else {
            next
        };
        let n_fitting = tokens.len().min(last - start);
        row[start..start + n_fitting].copy_from_slice(&tokens[..n_fitting]);
        next = start + n_fitting;
        n_written += n_fitting;
    }
    n_written
}

#[cfg(test)]
mod tests {
    use super::*;
    use gf_tokenizer::VocabSize;

    use gf_genotypes::{Locus, Strand};
    use gf_haplotypes::{Edit, Encoding, Masks};

    fn dictionary(strand: Strand) -> Dictionary {
        let locus = Locus {
            name: "L".into(),
            contig: "1".into(),
            start0: 100,
            end0: 130,
            strand,
        };
        let edits = vec![
            Edit {
                start0: 105,
                end0: 106,
                alt: b"G".to_vec(),
            },
            Edit {
                start0: 112,
                end0: 125,
                alt: Vec::new(),
            },
            Edit {
                start0: 128,
                end0: 128,
                alt: b"TTT".to_vec(),
            },
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

    /// Segments of single people too: there are only three.
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
                let Tokenized {
                    tokenizer,
                    grid,
                    tokens,
                    summary,
                    ..
                } = run(&dictionary, &[0, 1, 2], &options).unwrap();
                let locus = &tokens.loci[0];
                for haplotype in 0..4 {
                    let row = &locus.tokens[haplotype * locus.n_slots..][..locus.n_slots];
                    let bases =
                        String::from_utf8(dictionary.loci[0].bases(haplotype as u32)).unwrap();
                    assert_eq!(text_of(row, &tokenizer), bases);
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
    fn not_anchored_tokens_stand_one_after_another_and_a_longer_haplotype_is_cut_and_counted() {
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
                .contains("1 haplotype with more tokens than any of training"),
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
        let kind = |tokenizer| Options {
            tokenizer: Some(tokenizer),
            segment_length: 7,
            ..everything()
        };
        let kinds = [
            kind(TokenizerKind::Bpe),
            Options {
                vocab_size: Some(VocabSize::AtMost(12)),
                ..kind(TokenizerKind::Bpe)
            },
            Options {
                kmer_length: Some(3),
                ..kind(TokenizerKind::Kmer)
            },
            Options {
                kmer_length: Some(3),
                kmer_overlapping: true,
                ..kind(TokenizerKind::Kmer)
            },
            kind(TokenizerKind::Nucleotide),
            Options {
                tokenizer: None,
                tokenizer_file: Some(file),
                ..kind(TokenizerKind::Bpe)
            },
        ];
        for (options, anchor) in kinds.iter().flat_map(|options| {
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

    /// A file with ids of its own and without N.
    const FOREIGN: &str = r#"{"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
        "decoder": null, "truncation": null, "padding": null, "model": {"type": "BPE", "unk_token": "<unk>", "merges": [["A", "C"]],
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
        let people = [
            (Split::Train, vec![0]),
            (Split::Validation, vec![1, 2]),
            (Split::Test, vec![]),
        ];
        let report = Report::new(&made, &people, 1.5);
        assert_eq!(report.value("unseen_share_train"), Some(0.0));
        // Haplotypes 2, 0 and 3 at three places each: the deletion is new at two places (one base
        // of it stands in the last), the insertion at one.
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
        use gf_haplotypes::{Policies, Provenance};
        let dictionary = dictionary(Strand::Forward);
        let save = |training: &[usize], name: &str| {
            let Tokenized {
                tokenizer,
                grid,
                tokens,
                ..
            } = run(&dictionary, training, &everything()).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let genome = Provenance::from_dictionary(
                &dictionary,
                Policies {
                    strict: name == "other",
                    ..Policies::default()
                },
            );
            Folder {
                tokenizer,
                grid,
                tokens,
                fitted_on: training.to_vec(),
                genome,
            }
            .save(folder.path())
            .unwrap();
            folder
        };
        let one = save(&[0], "one");
        let other = save(&[0, 1], "other");
        for name in ["tokenizer.json", "grid.json", "genome.json"] {
            let before = std::fs::read(one.path().join(name)).unwrap();
            std::fs::copy(other.path().join(name), one.path().join(name)).unwrap();
            let error = Folder::load(one.path()).unwrap_err().to_string();
            assert!(
                error.contains(
                    "tokens.safetensors: does not belong to the other files of this folder"
                ),
                "{name}: {error}"
            );
            std::fs::write(one.path().join(name), before).unwrap();
        }
        assert_eq!(Folder::load(one.path()).unwrap().fitted_on, [0]);
    }

    #[test]
    fn what_too_few_people_have_is_in_neither_tokenizer_nor_grid() {
        let dictionary = dictionary(Strand::Forward);
        let of = |min_token_count| Options {
            min_token_count,
            segment_length: 10,
            ..everything()
        };
        // `a` and `b` have the reference, `a` the G of haplotype 1 on one, `c` it with an
        // insertion.
        let made = run(&dictionary, &[0, 1, 2], &of(2)).unwrap();
        let known = &made.grid.loci[0].known_segments;
        assert_eq!(
            known.concat(),
            ["ACGTACGTAC", "ACGTAGGTAC", "GTTGCATGCA", "ACGTNACGTA"],
            "the G is of two people"
        );
        assert_eq!(
            (
                made.summary.n_withheld_segments,
                made.summary.n_unseen_segments
            ),
            (3, 3)
        );
        assert!(
            made.summary.to_string().contains(
                "3 segments of fewer than 2 training people kept from tokenizer and grid"
            )
        );
        let row = made.tokens.loci[0].row(3);
        assert_eq!(
            text_of(row, &made.tokenizer),
            "ACGTAGGTACGTTGCATGCAACGTNACGTA",
            "the insertion of one person reads as for a new one"
        );
        assert_eq!(
            run(&dictionary, &[0, 1, 2], &of(3))
                .unwrap()
                .grid
                .n_known_segments(),
            3,
            "the reference alone"
        );
        assert_eq!(
            run(&dictionary, &[0, 1, 2], &of(1))
                .unwrap()
                .summary
                .n_withheld_segments,
            0
        );
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        /// For any cohort, kind of token and least number of people.
        #[test]
        fn every_token_is_of_enough_people_or_of_the_reference(
            edits in proptest::collection::vec((0..30usize, 0..3usize, "[ACGT]{0,3}"), 1..8),
            carried in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<bool>(), 8), 2..12),
            least in 1..5usize,
            kind in 0..4usize,
            is_anchored in proptest::prelude::any::<bool>(),
        ) {
            let mut dictionary = dictionary(Strand::Forward);
            let locus = &mut dictionary.loci[0];
            let mut edits: Vec<Edit> = edits
                .into_iter()
                .map(|(at, len, alt)| Edit { start0: 100 + at, end0: (100 + at + len).min(130), alt: alt.into_bytes() })
                .collect();
            edits.sort_by_key(|edit| edit.start0);
            edits.dedup_by(|next, before| next.start0 <= before.end0);
            locus.edits = edits;
            let of = |carries: &Vec<bool>| (0..locus.edits.len() as u32).filter(|&edit| carries[edit as usize]).collect();
            locus.haplotypes = carried.iter().map(of).collect();
            let n = locus.haplotypes.len() as u32;
            locus.pairs = (0..n).map(|person| [person, (person * 3 + 1) % n]).collect();
            dictionary.samples = (0..n).map(|person| person.to_string()).collect();
            let options = Options {
                tokenizer: Some([TokenizerKind::Bpe, TokenizerKind::Bpe, TokenizerKind::Kmer, TokenizerKind::Nucleotide][kind]),
                vocab_size: (kind == 1).then_some(VocabSize::AtMost(20)),
                kmer_length: (kind == 2).then_some(3),
                segment_length: 8,
                min_token_count: least,
                anchor: if is_anchored { Anchor::Reference } else { Anchor::Haplotype },
                slots: Some(Slots::All),
                ..Options::default()
            };
            let training: Vec<usize> = (0..n as usize).filter(|person| person % 4 != 3).collect();
            let made = run(&dictionary, &training, &options).unwrap();
            let locus = &dictionary.loci[0];
            let bases = |haplotype: u32| String::from_utf8(locus.bases(haplotype)).unwrap();
            let reference = String::from_utf8(locus.reference.clone()).unwrap();
            let ids = gf_tokenizer::MASK + 1..made.tokenizer.vocab_len() as u32;
            let tokens = ids.map(|id| made.tokenizer.token(id).unwrap().to_owned()).filter(|token| token.len() > 1);
            let known = made.grid.loci[0].known_segments.concat();
            for text in tokens.chain(known.into_iter().filter(|segment| segment.len() > 1)) {
                let has = |person: &&usize| locus.pairs[**person].iter().any(|&haplotype| bases(haplotype).contains(&text));
                let n_people = training.iter().filter(has).count();
                proptest::prop_assert!(n_people >= least || reference.contains(&text), "{text} is of {n_people} people");
            }
        }
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
        let all = &all.tokens.loci[0];
        let kept = &varying.tokens.loci[0];
        let differs =
            |&slot: &usize| (1..4).any(|haplotype| all.row(haplotype)[slot] != all.row(0)[slot]);
        let expected: Vec<usize> = (0..all.n_slots)
            .filter(|slot| *slot == 0 || *slot == all.n_slots - 1 || differs(slot))
            .collect();
        assert_eq!(kept.n_slots, expected.len());
        for haplotype in 0..4 {
            let of_all: Vec<u32> = expected
                .iter()
                .map(|&slot| all.row(haplotype)[slot])
                .collect();
            assert_eq!(kept.row(haplotype), of_all);
        }
        let known = &varying.grid.loci[0].known_segments;
        assert!(
            known.iter().all(|segments| !segments.is_empty()),
            "the segments of every place are known"
        );
    }

    #[test]
    fn a_place_that_does_not_vary_has_no_slot_and_is_not_in_the_vocabulary() {
        let dictionary = dictionary(Strand::Forward);
        let options = Options {
            segment_length: 10,
            slots: Some(Slots::Varying),
            ..everything()
        };
        // Haplotypes 0 and 1 differ by a G at the first of three places.
        let made = run(&dictionary, &[0], &options).unwrap();
        assert_eq!(made.tokens.loci[0].n_slots, 2 + 1);
        let row = made.tokens.loci[0].row(1);
        assert_eq!(text_of(row, &made.tokenizer), "ACGTAGGTAC");
        let in_vocabulary = |bases: &str| {
            (0..made.tokenizer.vocab_len() as u32).any(|id| made.tokenizer.token(id) == Some(bases))
        };
        assert!(in_vocabulary("ACGTAGGTAC") && !in_vocabulary("GTTGCATGCA"));
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
        // Sample b has the deletion (one allele, in two places), sample c the insertion; both are
        // new, at places without slots.
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
            "3 alleles are at places without variation in training and not read: in 2 samples"
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
            message.contains("no place of the loci varies") && message.contains("--slots all"),
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
    fn nothing_of_people_outside_training_is_in_the_vocabulary() {
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
