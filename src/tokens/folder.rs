//! The token folder: `tokenizer.json`, `grid.json`, `tokens.safetensors` and `genome.json`.
//!
//! `genome.json` has the loci, the reference digests and the policies.

use std::{collections::BTreeMap, path::Path};

use gf_tokenizer::Tokenizer;

use super::{
    Error, Grid, TokenSet,
    store::{Origin, Shape, StoreProblem, Writer},
};
use crate::layout;
use gf_files::{output, stored_format};
use gf_haplotypes::Provenance;

pub(super) const TOKENS: &str = layout::TOKENS;

/// Contents of a token folder: all genomic input of training.
#[derive(Debug)]
pub struct Folder {
    /// Tokenizer, from bases to tokens.
    pub tokenizer: Tokenizer,
    /// Slot grid, from tokens to slots.
    pub grid: Grid,
    /// Tokens of the distinct haplotypes, and the haplotypes of every sample.
    pub tokens: TokenSet,
    /// Samples on which tokenizer and grid were fitted, as numbers into the samples of `tokens`.
    /// A model bundle does not contain them.
    pub fitted_on: Vec<usize>,
    /// Loci, reference digests and policies of the sequences.
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

    /// Writes all files except the tokens, and returns a writer for these.
    ///
    /// An older token file is removed first and the new one appears last, so that a folder with
    /// tokens is complete.
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
        let tokenizer_path = folder.join(layout::TOKENIZER);
        let tokenizer = Tokenizer::from_json(&read_text(&tokenizer_path)?)
            .map_err(|error| Error::store(tokenizer_path, error))?;
        let grid = Grid::load(&folder.join(layout::GRID))?;
        let tokens_path = folder.join(TOKENS);
        let (tokens, origin) = TokenSet::load(&tokens_path)?;
        let genome_path = folder.join(layout::GENOME);
        let genome: Provenance = serde_json::from_str(&read_text(&genome_path)?)
            .map_err(|error| Error::store(genome_path, error))?;
        let loaded = Self {
            tokenizer,
            grid,
            tokens,
            fitted_on: origin.fitted_on,
            genome,
        };
        if origin.belongs_to != digests(folder)? || !loaded.is_consistent() {
            return Err(Error::store(tokens_path, StoreProblem::OtherRun));
        }
        Ok(loaded)
    }

    /// Whether tokens, grid, tokenizer and genome have the same loci, slots and vocabulary.
    fn is_consistent(&self) -> bool {
        let loci = &self.tokens.loci;
        self.grid.loci.len() == loci.len()
            && self.genome.loci.len() == loci.len()
            && self
                .grid
                .loci
                .iter()
                .zip(loci)
                .all(|(grid, tokens)| grid.name == tokens.name && grid.n_slots() == tokens.n_slots)
            && loci
                .iter()
                .flat_map(|locus| &locus.tokens)
                .all(|&id| (id as usize) < self.tokenizer.vocab_len())
    }
}

fn read_text(path: &Path) -> Result<String, Error> {
    String::from_utf8(stored_format::read(path)?).map_err(|error| Error::store(path, error))
}

/// SHA-256 by name of the files that the tokens were made with.
fn digests(folder: &Path) -> Result<BTreeMap<String, String>, output::Error> {
    [layout::TOKENIZER, layout::GRID, layout::GENOME]
        .into_iter()
        .map(|name| {
            let digest = output::sha256_of_file(&folder.join(name))?;
            Ok((name.to_string(), digest))
        })
        .collect()
}
