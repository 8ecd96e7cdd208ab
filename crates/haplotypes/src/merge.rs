//! Merges the dictionaries of blocks of samples and of loci into one.
//!
//! Input: folders with `loci.json`, `pairs.csv` and `skips.csv`, as [`super::Dictionary::save`] and
//! [`super::SkipTable`] write them. Output: the result of one pass over all samples and loci, with
//! - the same bytes of `loci.json` and `pairs.csv`,
//! - the same counts,
//! - the same rows of `skips.csv`, block after block.
//!
//! Only the blocks of the same loci are in memory at once.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use super::{
    ABSENT_HAPLOTYPE, Dictionary, Encoding, Error, InputsProblem, LocusHaplotypes, Skip, SkipLog,
    SkipTable, Summary,
    provenance::{ContigLens, OtherContigLen},
    sequence_numbers::{SequenceNumbers, SortedEdits},
    skips::SKIPS_FILE,
    store::Writer,
};
use gf_cohort_schema::counted;
use gf_files::output;

/// Why a block cannot be merged with the others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeProblem {
    /// Another encoding than at the other loci.
    #[error("these sequences and the other loci have different encodings")]
    OtherEncoding,
    /// Other loci than the first block of samples.
    #[error("{0}; make all blocks from the same files with the same options")]
    Loci(#[from] LociDifference),
    /// A sample in two blocks.
    #[error("sample `{sample}` is also in an earlier block; give each sample once")]
    SampleTwice {
        /// The sample.
        sample: String,
    },
    /// A locus in two blocks.
    #[error("locus `{locus}` is also in a block of other loci; give each locus once")]
    LocusTwice {
        /// Name of the locus.
        locus: String,
    },
    /// Other samples than at the other loci.
    #[error(transparent)]
    Order(#[from] OtherOrder),
    /// Another genome build.
    #[error(transparent)]
    ContigLen(#[from] OtherContigLen),
    /// Another number of records than another block of the same loci.
    #[error(
        "this block has {}, but another block of these loci has {there}; make all blocks from the \
         same files and masks",
        counted(*here, "record", "records")
    )]
    Records {
        /// Records of this block.
        here: u64,
        /// Records of the other block.
        there: u64,
    },
}

/// A difference between the loci of two blocks of samples.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LociDifference {
    /// Bases and genotype symbols.
    #[error("these sequences have another encoding than the other blocks")]
    Encoding,
    /// The number of loci.
    #[error(
        "this block has {}, but the other blocks have {expected}",
        counted(*found, "locus", "loci")
    )]
    Number {
        /// Loci of this block.
        found: usize,
        /// Loci of the other blocks.
        expected: usize,
    },
    /// A locus with another interval, mask or reference.
    #[error("locus `{locus}` differs from the other blocks")]
    Locus {
        /// Name of the locus.
        locus: String,
    },
}

/// A difference between the samples of two loci.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtherOrder {
    /// The first sample that differs.
    #[error(
        "sample `{found}` is in the place of `{expected}` of the other loci; every locus needs \
         blocks of the same samples, in the same order"
    )]
    Sample {
        /// Sample at this locus.
        found: String,
        /// Sample at the other loci.
        expected: String,
    },
    /// The number of samples.
    #[error(
        "{}, but {expected} at the other loci; every locus needs blocks of the same samples, in \
         the same order",
        counted(*found, "sample", "samples")
    )]
    Number {
        /// Samples at this locus.
        found: usize,
        /// Samples at the other loci.
        expected: usize,
    },
}

/// A finished block of samples and loci.
#[derive(Clone, Debug)]
pub struct Shard {
    /// The folder with its files.
    pub folder: PathBuf,
    /// The counts of its run.
    pub summary: Summary,
}

impl Shard {
    /// The error that this block cannot be merged.
    fn refuse(&self, problem: impl Into<MergeProblem>) -> Error {
        Error::Merge {
            folder: self.folder.clone(),
            problem: Box::new(problem.into()),
        }
    }
}

/// The complete files of a merged dictionary under temporary names. If dropped, they are deleted.
#[derive(Debug)]
#[must_use = "the files have no final names until they are saved"]
pub struct Merged {
    dictionary: Writer,
    skips: SkipTable,
}

impl Merged {
    /// Renames the files to `loci.json`, `pairs.csv` and `skips.csv`.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn save(self) -> Result<(), Error> {
        self.dictionary.save()?;
        self.skips.save()
    }
}

/// Merges blocks into files in the folder `out`.
///
/// Blocks of the same loci are blocks of samples and are appended in the order given. All groups of
/// loci must have the same samples.
///
/// # Errors
/// Blocks that cannot be read or do not belong together: different samples, a sample or a locus in
/// two blocks, another reference, or other policies.
pub fn merge(shards: &[Shard], out: &Path) -> Result<(Merged, Summary), Error> {
    let mut log = SkipLog::create(Some(&out.join(SKIPS_FILE)))?;
    let mut summary = Summary::default();
    let mut merged: Option<MergedLoci> = None;
    for group in by_loci(shards) {
        let dictionary = merge_samples(&group)?;
        let merged_loci = match &mut merged {
            None => merged.insert(MergedLoci::create(&dictionary, out)?),
            Some(merged_loci) => merged_loci,
        };
        merged_loci.add(&dictionary, group[0], &mut summary)?;
        add_counts(&mut summary, &group)?;
        for (number, shard) in group.iter().enumerate() {
            // A row about a whole record is in every block of samples, so it is copied once.
            copy_skips(&shard.folder.join(SKIPS_FILE), number == 0, &mut log)?;
        }
    }
    let merged = merged.ok_or(InputsProblem::NoBlock)?;
    let skips = log.finish()?;
    summary.skips = skips.counts;
    summary.n_people = merged.samples.len();
    summary.n_loci = summary.n_distinct_haplotypes.len();
    Ok((
        Merged {
            dictionary: merged.writer,
            skips: skips.table,
        },
        summary,
    ))
}

/// Groups blocks with the same loci, in the order of their first block.
fn by_loci(shards: &[Shard]) -> Vec<Vec<&Shard>> {
    let mut groups: Vec<Vec<&Shard>> = Vec::new();
    for shard in shards {
        let loci = shard.summary.n_distinct_haplotypes.keys();
        let same_loci = groups.iter_mut().find(|group| {
            let loci_of_group = group[0].summary.n_distinct_haplotypes.keys();
            loci_of_group.eq(loci.clone())
        });
        match same_loci {
            Some(group) => group.push(shard),
            None => groups.push(vec![shard]),
        }
    }
    groups
}

/// Merges blocks of samples at the same loci.
fn merge_samples(group: &[&Shard]) -> Result<Dictionary, Error> {
    let dictionaries = group
        .iter()
        .map(|shard| Dictionary::load(&shard.folder))
        .collect::<Result<Vec<_>, _>>()?;
    let first = &dictionaries[0];
    let mut seen = HashSet::new();
    for (dictionary, shard) in dictionaries.iter().zip(group) {
        require_same_loci(dictionary, first).map_err(|difference| shard.refuse(difference))?;
        let repeated = dictionary
            .samples
            .iter()
            .find(|sample| !seen.insert(sample.as_str()));
        if let Some(sample) = repeated {
            let sample = sample.clone();
            return Err(shard.refuse(MergeProblem::SampleTwice { sample }));
        }
    }
    let samples = dictionaries
        .iter()
        .flat_map(|dictionary| dictionary.samples.iter().cloned())
        .collect();
    let loci = (0..first.loci.len()).map(|number| {
        let blocks: Vec<&LocusHaplotypes> = dictionaries
            .iter()
            .map(|dictionary| &dictionary.loci[number])
            .collect();
        merge_locus(&blocks)
    });
    Ok(Dictionary {
        encoding: first.encoding,
        iupac: first.iupac,
        samples,
        loci: loci.collect(),
    })
}

/// Refuses a block with another encoding, other loci or another reference than the first block.
fn require_same_loci(dictionary: &Dictionary, first: &Dictionary) -> Result<(), LociDifference> {
    if (dictionary.encoding, dictionary.iupac) != (first.encoding, first.iupac) {
        return Err(LociDifference::Encoding);
    }
    if dictionary.loci.len() != first.loci.len() {
        return Err(LociDifference::Number {
            found: dictionary.loci.len(),
            expected: first.loci.len(),
        });
    }
    for (a, b) in dictionary.loci.iter().zip(&first.loci) {
        let is_same = a.locus == b.locus
            && a.contig_len_nt == b.contig_len_nt
            && a.masks == b.masks
            && a.reference == b.reference;
        if !is_same {
            let locus = a.locus.name.clone();
            return Err(LociDifference::Locus { locus });
        }
    }
    Ok(())
}

/// Merges one locus of several blocks of samples. Edits and haplotypes get the numbers that one
/// pass over all samples would give them.
fn merge_locus(blocks: &[&LocusHaplotypes]) -> LocusHaplotypes {
    let all_edits: Vec<_> = blocks
        .iter()
        .flat_map(|block| block.edits.iter().cloned())
        .collect();
    let sorted = SortedEdits::new(&all_edits);
    let first = blocks[0];
    let mut numbering = SequenceNumbers::new(&first.reference, first.locus.start0, &sorted.edits);
    let mut pairs = Vec::new();
    let mut n_edits_before = 0;
    for block in blocks {
        let mut new_numbers = Vec::with_capacity(block.haplotypes.len());
        for haplotype in &block.haplotypes {
            let edits: Vec<u32> = haplotype
                .iter()
                .map(|&edit| sorted.new_number[n_edits_before + edit as usize])
                .collect();
            new_numbers.push(numbering.number(&edits));
        }
        for pair in &block.pairs {
            pairs.push(pair.map(|haplotype| match haplotype {
                ABSENT_HAPLOTYPE => ABSENT_HAPLOTYPE,
                number => new_numbers[number as usize],
            }));
        }
        n_edits_before += block.edits.len();
    }
    let distinct = numbering.finish();
    LocusHaplotypes {
        locus: first.locus.clone(),
        contig_len_nt: first.contig_len_nt,
        masks: first.masks.clone(),
        encoding: first.encoding,
        reference: first.reference.clone(),
        edits: distinct.edits,
        haplotypes: distinct.haplotypes,
        pairs,
    }
}

/// The loci that are written so far, without their haplotypes.
struct MergedLoci {
    samples: Vec<String>,
    encoding: Encoding,
    /// IUPAC codes are among the letters.
    iupac: bool,
    contigs: ContigLens,
    writer: Writer,
}

impl MergedLoci {
    /// Opens the files for loci with the samples and the encoding of `first`; writes no locus.
    fn create(first: &Dictionary, out: &Path) -> Result<Self, Error> {
        Ok(Self {
            samples: first.samples.clone(),
            encoding: first.encoding,
            iupac: first.iupac,
            contigs: ContigLens::default(),
            writer: Writer::create(out, first.encoding, first.iupac)?,
        })
    }

    /// Writes the loci of a group, which must have the same samples.
    fn add(
        &mut self,
        group: &Dictionary,
        shard: &Shard,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        if (group.encoding, group.iupac) != (self.encoding, self.iupac) {
            return Err(shard.refuse(MergeProblem::OtherEncoding));
        }
        require_same_order(&group.samples, &self.samples)
            .map_err(|problem| shard.refuse(problem))?;
        for locus in &group.loci {
            self.contigs
                .add(&locus.locus, locus.contig_len_nt)
                .map_err(|problem| shard.refuse(problem))?;
            let name = &locus.locus.name;
            let is_repeated = summary
                .n_distinct_haplotypes
                .insert(name.clone(), locus.haplotypes.len())
                .is_some();
            if is_repeated {
                let locus = name.clone();
                return Err(shard.refuse(MergeProblem::LocusTwice { locus }));
            }
            self.writer.add(&self.samples, locus)?;
        }
        Ok(())
    }
}

/// Refuses a block of loci whose samples, or their order, differ from those of the other loci.
///
/// # Errors
/// The first difference.
pub fn require_same_order(samples: &[String], expected: &[String]) -> Result<(), OtherOrder> {
    if samples == expected {
        return Ok(());
    }
    let first_difference = samples.iter().zip(expected).find(|(a, b)| a != b);
    Err(match first_difference {
        Some((found, expected)) => OtherOrder::Sample {
            found: found.clone(),
            expected: expected.clone(),
        },
        None => OtherOrder::Number {
            found: samples.len(),
            expected: expected.len(),
        },
    })
}

/// Adds the counts of a group. Counts about loci are the same in each of its blocks of samples, so
/// they are added once.
fn add_counts(summary: &mut Summary, group: &[&Shard]) -> Result<(), Error> {
    let first = &group[0].summary;
    let differing = group.iter().find(|shard| {
        shard.summary.n_records != first.n_records
            || shard.summary.n_reference_iupac_as_n != first.n_reference_iupac_as_n
            || shard.summary.n_masked_nt != first.n_masked_nt
    });
    if let Some(shard) = differing {
        return Err(shard.refuse(MergeProblem::Records {
            here: shard.summary.n_records,
            there: first.n_records,
        }));
    }
    summary.n_records += first.n_records;
    summary.n_reference_iupac_as_n += first.n_reference_iupac_as_n;
    summary.n_masked_nt += first.n_masked_nt;
    summary
        .loci_without_records
        .extend_from_slice(&first.loci_without_records);
    for warning in group.iter().flat_map(|shard| &shard.summary.warnings) {
        if !summary.warnings.contains(warning) {
            summary.warnings.push(warning.clone());
        }
    }
    Ok(())
}

/// Appends the rows of a `skips.csv` to the log; rows about whole records only on request.
fn copy_skips(path: &Path, with_record_rows: bool, log: &mut SkipLog) -> Result<(), Error> {
    let file = std::fs::File::open(path).map_err(output::at(path))?;
    let mut table = csv::Reader::from_reader(file);
    let header = table
        .headers()
        .map_err(|error| Error::damaged(path, error))?
        .clone();
    let mut row = csv::StringRecord::new();
    while table
        .read_record(&mut row)
        .map_err(|error| Error::damaged(path, error))?
    {
        let skip: Skip<'_> = row
            .deserialize(Some(&header))
            .map_err(|error| Error::damaged(path, error))?;
        if with_record_rows || !skip.sample_id.is_empty() {
            log.push(skip)?;
        }
    }
    Ok(())
}
