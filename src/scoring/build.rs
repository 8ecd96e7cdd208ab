//! How a VCF header tells the build of the genome, and who says another one.
//!
//! Input -> output: an opened file, and what options and scoring files state -> a [`GenomeBuild`],
//! or a refusal. Contig lengths tell the build, and accessions of NCBI as contig names do.

use std::path::Path;

use crate::scoring::Error;
use gf_genotypes::{GenomeBuild, VariantFile, contig_build};

/// What somebody says of the build of the VCF.
#[derive(Clone, Debug)]
pub struct Stated {
    /// Who says so: an option, or a file.
    pub by: String,
    /// The build; a text that names none that is known.
    pub build: Result<GenomeBuild, String>,
}

impl Stated {
    /// As somebody wrote it.
    #[must_use]
    pub fn text(&self) -> String {
        self.build
            .as_ref()
            .map_or_else(Clone::clone, ToString::to_string)
    }
}

/// The build that the contigs of a header are of.
///
/// # Errors
/// Somebody says another one, or the contigs are of two builds.
pub fn of_header(file: &VariantFile, stated: &[Stated]) -> Result<Option<GenomeBuild>, Error> {
    let Some((finding, build)) = file
        .contigs()
        .find_map(|(contig, len_nt)| tell(contig, len_nt))
    else {
        return Ok(None);
    };
    if let Some(other) = stated.iter().find(|stated| stated.build != Ok(build)) {
        return Err(Error::HeaderBuild {
            path: Path::to_path_buf(file.path()),
            finding,
            found: build,
            stated: other.by.clone(),
            expected: other.text(),
        });
    }
    Ok(Some(build))
}

/// What a contig of a header says of the build.
fn tell(contig: &str, len_nt: Option<usize>) -> Option<(String, GenomeBuild)> {
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

/// The build of records, where their contigs tell it; `stated` must not say another.
///
/// # Errors
/// Somebody says another one.
pub fn of_record(
    file: &Path,
    contig: &str,
    stated: &[Stated],
) -> Result<Option<GenomeBuild>, Error> {
    let Some(build) = contig_build(contig) else {
        return Ok(None);
    };
    let Some(other) = stated.iter().find(|stated| stated.build != Ok(build)) else {
        return Ok(Some(build));
    };
    Err(Error::HeaderBuild {
        path: file.to_path_buf(),
        finding: format!("contig `{contig}` of its records is that of {build}"),
        found: build,
        stated: other.by.clone(),
        expected: other.text(),
    })
}
