//! The files that sequences are written to.

use std::path::{Path, PathBuf};

use gf_haplotypes::{Dictionary, Error, SkipTable, write_fasta};

use crate::layout;

/// Where the sequences are written: a dictionary, a FASTA, or both.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// Folder for `loci.json` and `pairs.csv`.
    pub folder: Option<PathBuf>,
    /// FASTA; `-` is standard output.
    pub fasta: Option<PathBuf>,
}

impl Outputs {
    /// The files that a user asks for. Without any, the FASTA is written to standard output.
    #[must_use]
    pub fn new(folder: Option<PathBuf>, fasta: Option<PathBuf>) -> Self {
        let fasta = fasta.or_else(|| folder.is_none().then(|| PathBuf::from("-")));
        Self { folder, fasta }
    }

    /// The dictionary alone.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            folder: Some(folder.to_path_buf()),
            fasta: None,
        }
    }

    /// Path of `skips.csv` where the user names none: next to the dictionary.
    #[must_use]
    pub fn default_skips(&self) -> Option<PathBuf> {
        self.folder
            .as_deref()
            .map(|folder| folder.join(layout::SKIPS))
    }

    /// Writes all files, and gives the table of skips its name.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(&self, dictionary: &Dictionary, skips: SkipTable) -> Result<(), Error> {
        if let Some(folder) = &self.folder {
            dictionary.save(folder)?;
        }
        if let Some(path) = &self.fasta {
            write_fasta(dictionary, path)?;
        }
        skips.save()
    }
}
