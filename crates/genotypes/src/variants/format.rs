//! Formats of genotype files, told apart by their first bytes.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use crate::{Error, bgen::BgenFile, pgen::PgenFile};

use super::bgen_records::BgenRecords;

/// The format of an open file.
pub(super) enum Format {
    /// VCF, plain or compressed.
    Text,
    /// BCF.
    Bcf,
    /// PLINK 2 PGEN or PLINK 1 BED.
    Pgen(Box<PgenFile>),
    /// BGEN.
    Bgen(Box<BgenRecords>),
}

/// First bytes of PGEN and BED files.
const PLINK_MAGIC: [u8; 2] = [0x6c, 0x1b];
/// Bytes 17 to 20 of a BGEN file.
const BGEN_MAGIC: &[u8] = b"bgen";
const BGEN_MAGIC_AT: usize = 16;

impl Format {
    /// Opens a PGEN, BED or BGEN file; `None` for any other file. The lists of variants of BGEN
    /// files without a `.bgi` index are kept in the folder `bgen_lists`.
    ///
    /// # Errors
    /// A damaged file, or one without its companions.
    pub fn open_binary(path: &Path, bgen_lists: Option<&Path>) -> Result<Option<Self>, Error> {
        match BinaryFormat::of_file(path)? {
            Some(BinaryFormat::Plink) => {
                let file = PgenFile::open(path)?;
                Ok(Some(Self::Pgen(Box::new(file))))
            }
            Some(BinaryFormat::Bgen) => {
                let file = BgenFile::open(path)?;
                Ok(Some(Self::Bgen(Box::new(BgenRecords::new(
                    file, bgen_lists,
                )?))))
            }
            None => Ok(None),
        }
    }

    /// The samples of a PGEN, BED or BGEN file, without its variants; `None` for any other file.
    ///
    /// # Errors
    /// A damaged file, or one without its companions.
    pub fn samples_of_binary(path: &Path) -> Result<Option<Vec<String>>, Error> {
        match BinaryFormat::of_file(path)? {
            Some(BinaryFormat::Plink) => {
                let samples = PgenFile::samples_of(path)?;
                Ok(Some(samples.ids().to_vec()))
            }
            Some(BinaryFormat::Bgen) => Ok(Some(BgenFile::open(path)?.samples().to_vec())),
            None => Ok(None),
        }
    }
}

/// Formats that are not read as a stream.
enum BinaryFormat {
    /// PGEN or BED.
    Plink,
    /// BGEN.
    Bgen,
}

impl BinaryFormat {
    /// The format that the first bytes of a file state; `None` for VCF, BCF and anything else.
    fn of_file(path: &Path) -> Result<Option<Self>, Error> {
        let start = first_bytes(path)?;
        if start.starts_with(&PLINK_MAGIC) {
            Ok(Some(Self::Plink))
        } else if start.get(BGEN_MAGIC_AT..) == Some(BGEN_MAGIC) {
            Ok(Some(Self::Bgen))
        } else {
            Ok(None)
        }
    }
}

fn first_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| {
            file.take((BGEN_MAGIC_AT + BGEN_MAGIC.len()) as u64)
                .read_to_end(&mut start)
        })
        .map_err(Error::io(path))?;
    Ok(start)
}

/// Names that companions of a file may have, with the extension that they replace or follow.
const COMPANIONS: [(&str, &[&str]); 3] = [
    (
        "pgen",
        &[
            "pvar", "pvar.zst", "psam", "bim", "bim.zst", "fam", "pgen.pgi", "pgi",
        ],
    ),
    ("bed", &["bim", "bim.zst", "fam"]),
    ("bgen", &["sample", "bgen.sample", "bgen.bgi"]),
];

/// The files next to `path` that are read together with it: samples, variants and indexes of PGEN,
/// BED and BGEN files.
#[must_use]
pub fn companions(path: &Path) -> Vec<PathBuf> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let names = COMPANIONS
        .iter()
        .find(|(format, _)| Some(*format) == extension)
        .map_or(&[][..], |(_, names)| names);
    names
        .iter()
        .map(|name| path.with_extension(name))
        .filter(|companion| companion.is_file())
        .collect()
}
