//! Merges the token folders of blocks of loci into one folder.
//!
//! Input: folders written by [`Folder::save`] with one tokenizer, and the counts of each. Output:
//! the same file bytes and the same counts as one pass over all loci with that tokenizer. Only the
//! tokens of one block and the grids of all blocks are in memory at once.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{Error, Folder, InputsProblem, Summary, TokenSet, folder::TOKENS, store::Shape};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_haplotypes::{JoinProblem, OtherOrder, require_same_order};

/// Why token folders cannot be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeProblem {
    /// Another option or tokenizer.
    #[error(
        "made with {what} {found}, the other blocks with {expected}; make all blocks with one \
         --tokenizer-file"
    )]
    Option {
        /// Name of the option.
        what: &'static str,
        /// Its value in the block.
        found: String,
        /// Its value in the other blocks.
        expected: String,
    },
    /// Other samples.
    #[error(transparent)]
    Order(#[from] OtherOrder),
    /// Other training samples.
    #[error(
        "fitted on {}, the other blocks on {expected}; sample `{sample}` is in one of the two sets \
         only. Tokenize all blocks with the same training samples",
        counted(*found, "sample", "samples")
    )]
    Training {
        /// Training samples of the block.
        found: usize,
        /// Training samples of the other blocks.
        expected: usize,
        /// The first sample that differs.
        sample: String,
    },
    /// Another genome, policy, or a repeated locus.
    #[error(transparent)]
    Join(#[from] JoinProblem),
}

/// A tokenized block of loci.
#[derive(Clone, Debug)]
pub struct Shard {
    /// Token folder of the block.
    pub folder: PathBuf,
    /// Counts of the block.
    pub summary: Summary,
}

/// Merges blocks into a folder; the order of the blocks is the order of the loci.
///
/// # Errors
/// - a block that cannot be read;
/// - blocks with different tokenizers, segments, samples, training samples, policies or builds of
///   the genome;
/// - a locus in two blocks.
pub fn merge(shards: &[Shard], out: &Path) -> Result<Summary, Error> {
    let [first, rest @ ..] = shards else {
        return Err(InputsProblem::NoFolder.into());
    };
    let mut merged = Block::load(first)?;
    for shard in rest {
        let block = Block::load(shard)?;
        merged
            .append(block)
            .map_err(|problem| Error::store(&shard.folder, problem))?;
    }
    let mut writer = merged.folder.start(out, merged.shapes)?;
    for shard in shards {
        let tokens = TokenSet::load(&shard.folder.join(TOKENS))?.0;
        for locus in &tokens.loci {
            writer.add(locus)?;
        }
    }
    writer.save()?;
    Ok(merged.summary)
}

/// A token folder in memory without its tokens.
struct Block {
    /// The folder, with an empty list of loci in its token set.
    folder: Folder,
    /// Shapes of the tokens on disk, one per locus.
    shapes: Vec<Shape>,
    summary: Summary,
}

impl Block {
    fn load(shard: &Shard) -> Result<Self, Error> {
        let mut folder = Folder::load(&shard.folder)?;
        let loci = std::mem::take(&mut folder.tokens.loci);
        Ok(Self {
            folder,
            shapes: loci.iter().map(Shape::new).collect(),
            summary: shard.summary.clone(),
        })
    }

    /// Adds the loci of another block.
    fn append(&mut self, next: Self) -> Result<(), MergeProblem> {
        self.require_same_options(&next)?;
        require_same_order(&next.folder.tokens.samples, &self.folder.tokens.samples)?;
        self.require_same_training(&next)?;
        self.folder.genome.join(next.folder.genome)?;
        self.folder.grid.loci.extend(next.folder.grid.loci);
        self.shapes.extend(next.shapes);
        self.summary.add(&next.summary);
        Ok(())
    }

    fn require_same_options(&self, next: &Self) -> Result<(), MergeProblem> {
        for ((what, expected), (_, found)) in self.options().into_iter().zip(next.options()) {
            if found != expected {
                return Err(MergeProblem::Option {
                    what,
                    found,
                    expected,
                });
            }
        }
        Ok(())
    }

    /// Names and values of the options that all blocks must share.
    fn options(&self) -> [(&'static str, String); 5] {
        let grid = &self.folder.grid;
        let digest = output::sha256(self.folder.tokenizer.json().as_bytes());
        [
            ("anchor", grid.anchor.to_string()),
            ("segment_length", grid.segment_length.to_string()),
            ("slots", grid.slots.to_string()),
            ("min_token_count", self.summary.min_token_count.to_string()),
            ("a tokenizer.json of SHA-256", digest),
        ]
    }

    fn require_same_training(&self, next: &Self) -> Result<(), MergeProblem> {
        if next.folder.fitted_on == self.folder.fitted_on {
            return Ok(());
        }
        let expected: BTreeSet<usize> = self.folder.fitted_on.iter().copied().collect();
        let found: BTreeSet<usize> = next.folder.fitted_on.iter().copied().collect();
        let sample = found
            .symmetric_difference(&expected)
            .next()
            .map(|&sample| self.folder.tokens.samples[sample].clone())
            .unwrap_or_default();
        Err(MergeProblem::Training {
            found: found.len(),
            expected: expected.len(),
            sample,
        })
    }
}
