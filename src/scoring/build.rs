//! Genome build of a VCF, compared with the builds that options and scoring files state.
//!
//! Input: an opened file and the stated builds. Output: a [`GenomeBuild`], or an error if they
//! disagree. The build is identified by contig lengths, or by NCBI accessions as contig names.

use std::path::Path;

use crate::scoring::Error;
use gf_genotypes::{GenomeBuild, VariantFile, contig_build};

/// A genome build that an option or a scoring file states.
#[derive(Clone, Debug)]
pub struct Stated {
    /// The option or file that states it.
    pub by: String,
    /// The build, or the text that names an unknown build.
    pub build: Result<GenomeBuild, String>,
}

impl Stated {
    /// The build as text.
    #[must_use]
    pub fn text(&self) -> String {
        self.build
            .as_ref()
            .map_or_else(Clone::clone, ToString::to_string)
    }
}

/// The genome build of the contigs of a header; `None` if they do not identify one.
///
/// # Errors
/// Another build is stated.
pub fn of_header(file: &VariantFile, stated: &[Stated]) -> Result<Option<GenomeBuild>, Error> {
    let Some((finding, build)) = file
        .contigs()
        .find_map(|(contig, len_nt)| build_of_contig(contig, len_nt))
    else {
        return Ok(None);
    };
    require_stated(file.path(), finding, build, stated)?;
    Ok(Some(build))
}

/// The finding in words, and the genome build that a contig of a header identifies.
fn build_of_contig(contig: &str, len_nt: Option<usize>) -> Option<(String, GenomeBuild)> {
    if let Some(build) = contig_build(contig) {
        return Some((
            format!("contig `{contig}` in the header is that of {build}"),
            build,
        ));
    }
    let len_nt = len_nt?;
    let build = GenomeBuild::of_contig(contig, len_nt)?;
    Some((
        format!("contig `{contig}` has {len_nt} nt in the header, as in {build}"),
        build,
    ))
}

/// The genome build of a record's contig; `None` if its name does not identify one.
///
/// # Errors
/// Another build is stated.
pub fn of_record(
    file: &Path,
    contig: &str,
    stated: &[Stated],
) -> Result<Option<GenomeBuild>, Error> {
    let Some(build) = contig_build(contig) else {
        return Ok(None);
    };
    let finding = format!("contig `{contig}` of its records is that of {build}");
    require_stated(file, finding, build, stated)?;
    Ok(Some(build))
}

/// Refuses a file whose build differs from a stated one; `finding` names the evidence.
fn require_stated(
    path: &Path,
    finding: String,
    build: GenomeBuild,
    stated: &[Stated],
) -> Result<(), Error> {
    match stated.iter().find(|stated| stated.build != Ok(build)) {
        None => Ok(()),
        Some(contradicting) => Err(Error::HeaderBuild {
            path: path.to_path_buf(),
            finding,
            found: build,
            stated: contradicting.by.clone(),
            expected: contradicting.text(),
        }),
    }
}
