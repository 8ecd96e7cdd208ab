//! A token folder: `tokenizer.json`, `grid.json`, `tokens.safetensors`, `genome.json` (loci,
//! reference digests, policies).

use std::{collections::BTreeMap, path::Path};

use gf_tokenizer::Tokenizer;

use super::{
    Error, Grid, TokenSet,
    store::{Origin, Shape, Writer},
};
use crate::layout;
use gf_files::{output, stored_format};
use gf_haplotypes::Provenance;

pub(super) const TOKENS: &str = layout::TOKENS;

/// Everything training needs of the genomes.
#[derive(Debug)]
pub struct Folder {
    /// Bases to tokens.
    pub tokenizer: Tokenizer,
    /// Tokens to slots.
    pub grid: Grid,
    /// Tokens of the distinct haplotypes and who has which.
    pub tokens: TokenSet,
    /// People (numbers into the samples) on whom tokenizer and grid were fitted; a model bundle
    /// does not have them.
    pub fitted_on: Vec<usize>,
    /// What the sequences were made from.
    pub genome: Provenance,
}

impl Folder {
    /// Writes the four files.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        let mut tokens = self.start(folder, self.tokens.loci.iter().map(Shape::new).collect())?;
        self.tokens
            .loci
            .iter()
            .try_for_each(|locus| tokens.add(locus))?;
        tokens.save()
    }

    /// Writes all but the tokens, which come last: older ones go first, so that a folder with
    /// tokens is whole.
    pub(super) fn start(&self, folder: &Path, loci: Vec<Shape>) -> Result<Writer, Error> {
        let tokens = folder.join(TOKENS);
        output::remove_if_there(&tokens)?;
        output::write(&folder.join(layout::TOKENIZER), |out| {
            out.write_all(self.tokenizer.json().as_bytes())
        })?;
        self.grid.save(&folder.join(layout::GRID))?;
        output::write_json(&folder.join(layout::GENOME), &self.genome)?;
        let origin = Origin {
            belongs_to: digests(folder)?,
            fitted_on: self.fitted_on.clone(),
        };
        Writer::create(&tokens, &self.tokens.samples, loci, origin)
    }

    /// Reads the four files.
    ///
    /// # Errors
    /// Missing or damaged files, or files of more than one run.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = folder.join(name);
            String::from_utf8(stored_format::read(&path)?).map_err(|error| Error::Store {
                path,
                reason: error.to_string(),
            })
        };
        let wrong = |name: &str, reason: String| Error::Store {
            path: folder.join(name),
            reason,
        };
        let tokenizer = Tokenizer::from_json(&read(layout::TOKENIZER)?)
            .map_err(|error| wrong(layout::TOKENIZER, error.to_string()))?;
        let grid = Grid::load(&folder.join(layout::GRID))?;
        let (tokens, origin) = TokenSet::load(&folder.join(TOKENS))?;
        let genome: Provenance = serde_json::from_str(&read(layout::GENOME)?)
            .map_err(|error| wrong(layout::GENOME, error.to_string()))?;
        let fits =
            origin.belongs_to == digests(folder)?
                && grid.loci.len() == tokens.loci.len()
                && genome.loci.len() == tokens.loci.len()
                && grid.loci.iter().zip(&tokens.loci).all(|(grid, tokens)| {
                    grid.name == tokens.name && grid.n_slots() == tokens.n_slots
                });
        let in_vocabulary = tokens.loci.iter().all(|locus| {
            locus
                .tokens
                .iter()
                .all(|&id| (id as usize) < tokenizer.vocab_len())
        });
        if !fits || !in_vocabulary {
            return Err(wrong(
                TOKENS,
                "does not belong to the other files of this folder: tokenize again".into(),
            ));
        }
        Ok(Self {
            tokenizer,
            grid,
            tokens,
            fitted_on: origin.fitted_on,
            genome,
        })
    }
}

/// Of the files that the tokens were made with.
fn digests(folder: &Path) -> Result<BTreeMap<String, String>, output::Error> {
    let digest = |name: &str| {
        Ok((
            name.to_string(),
            output::sha256_of_file(&folder.join(name))?,
        ))
    };
    [layout::TOKENIZER, layout::GRID, layout::GENOME]
        .into_iter()
        .map(digest)
        .collect()
}
