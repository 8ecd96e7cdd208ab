//! Token folders of blocks of loci, made one by one with one tokenizer, to the folder of all loci.
//!
//! Input -> output: folders (those of [`Folder::save`]) and what was counted while each was made ->
//! what one pass over all loci with that tokenizer gives: the same bytes of every file, the same
//! counts. Only the tokens of one block are in memory at once, beside the grids of all.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{Error, Folder, Summary, TokenSet, folder::TOKENS, store::Shape};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_haplotypes::require_same_order;

/// A block of loci whose tokens are made.
#[derive(Clone, Debug)]
pub struct Shard {
    /// Its folder.
    pub folder: PathBuf,
    /// What was counted while it was made.
    pub summary: Summary,
}

/// Merges blocks, in the order in which their loci shall stand, into a folder.
///
/// # Errors
/// Blocks that cannot be read, or do not belong together: another tokenizer, other segments, people
/// or training people, other policies or another build of the genome, a locus in two.
pub fn merge(shards: &[Shard], out: &Path) -> Result<Summary, Error> {
    let [first, rest @ ..] = shards else {
        return Err(Error::Inputs("no tokens to merge".into()));
    };
    let (mut all, mut shapes) = without_tokens(first)?;
    let mut summary = first.summary.clone();
    for shard in rest {
        let (block, shapes_of_block) = without_tokens(shard)?;
        let belongs = require_same_making((&all, &summary), (&block, &shard.summary));
        let joined = belongs.and_then(|()| all.genome.join(block.genome));
        joined.map_err(|reason| Error::Store {
            path: shard.folder.clone(),
            reason,
        })?;
        all.grid.loci.extend(block.grid.loci);
        shapes.extend(shapes_of_block);
        summary.add(&shard.summary);
    }
    let mut tokens = all.start(out, shapes)?;
    for shard in shards {
        let (block, _) = TokenSet::load(&shard.folder.join(TOKENS))?;
        block.loci.iter().try_for_each(|locus| tokens.add(locus))?;
    }
    tokens.save()?;
    Ok(summary)
}

/// A folder that was looked at, and how large its tokens are.
fn without_tokens(shard: &Shard) -> Result<(Folder, Vec<Shape>), Error> {
    let mut folder = Folder::load(&shard.folder)?;
    let loci = std::mem::take(&mut folder.tokens.loci);
    Ok((folder, loci.iter().map(Shape::new).collect()))
}

/// All but the loci is the same.
fn require_same_making(
    expected: (&Folder, &Summary),
    found: (&Folder, &Summary),
) -> Result<(), String> {
    let options = |(folder, summary): (&Folder, &Summary)| {
        let digest = output::sha256(folder.tokenizer.json().as_bytes());
        [
            ("anchor", folder.grid.anchor.to_string()),
            ("segment_length", folder.grid.segment_length.to_string()),
            ("slots", folder.grid.slots.to_string()),
            ("min_token_count", summary.min_token_count.to_string()),
            ("a tokenizer.json of SHA-256", digest),
        ]
    };
    for ((what, expected), (_, found)) in options(expected).into_iter().zip(options(found)) {
        if found != expected {
            return Err(format!(
                "made with {what} {found}, the other blocks with {expected}: make all with one \
                 --tokenizer-file"
            ));
        }
    }
    let (expected, _) = expected;
    let (found, _) = found;
    require_same_order(&found.tokens.samples, &expected.tokens.samples)?;
    if found.fitted_on == expected.fitted_on {
        return Ok(());
    }
    let [one, other] = [found, expected].map(|folder| {
        folder
            .fitted_on
            .iter()
            .copied()
            .collect::<BTreeSet<usize>>()
    });
    let sample = one
        .symmetric_difference(&other)
        .next()
        .map(|&person| expected.tokens.samples[person].as_str())
        .unwrap_or_default();
    Err(format!(
        "fitted on {}, the other blocks on {}; sample `{sample}` was one of them here or there \
         only",
        counted(one.len(), "person", "people"),
        other.len()
    ))
}
