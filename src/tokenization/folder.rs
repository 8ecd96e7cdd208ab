//! A token folder: `tokenizer.json`, `grid.json`, `tokens.safetensors`, `genome.json` (loci, reference digests, policies).

use std::path::Path;

use gf_tokenizer::Tokenizer;

use super::{Error, Grid, TokenSet};
use crate::{output, sequence::Provenance};

/// Everything training needs of the genomes.
#[derive(Debug)]
pub struct Folder {
    /// Bases to tokens.
    pub tokenizer: Tokenizer,
    /// Tokens to slots.
    pub grid: Grid,
    /// Tokens of the distinct haplotypes and who has which.
    pub tokens: TokenSet,
    /// What the sequences were made from.
    pub genome: Provenance,
}

impl Folder {
    /// Writes the four files.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        output::write(&folder.join("tokenizer.json"), |out| out.write_all(self.tokenizer.json().as_bytes()))?;
        self.grid.save(&folder.join("grid.json"))?;
        self.tokens.save(&folder.join("tokens.safetensors"))?;
        Ok(output::write_json(&folder.join("genome.json"), &self.genome)?)
    }

    /// Reads the four files.
    ///
    /// # Errors
    /// Missing, damaged or mismatched files.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).map_err(output::at(&path))
        };
        let wrong = |name: &str, reason: String| Error::Store { path: folder.join(name), reason };
        let tokenizer = Tokenizer::from_json(&read("tokenizer.json")?).map_err(|error| wrong("tokenizer.json", error.to_string()))?;
        let grid = Grid::load(&folder.join("grid.json"))?;
        let tokens = TokenSet::load(&folder.join("tokens.safetensors"))?;
        let genome: Provenance = serde_json::from_str(&read("genome.json")?).map_err(|error| wrong("genome.json", error.to_string()))?;
        let fits = grid.loci.len() == tokens.loci.len()
            && genome.loci.len() == tokens.loci.len()
            && grid.loci.iter().zip(&tokens.loci).all(|(grid, tokens)| grid.name == tokens.name && grid.n_slots() == tokens.n_slots);
        let in_vocabulary = tokens.loci.iter().all(|locus| locus.tokens.iter().all(|&id| (id as usize) < tokenizer.vocab_len()));
        if !fits || !in_vocabulary {
            return Err(wrong("tokens.safetensors", "does not belong to the other files of this folder".into()));
        }
        Ok(Self { tokenizer, grid, tokens, genome })
    }
}
