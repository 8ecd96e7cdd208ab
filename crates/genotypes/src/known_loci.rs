//! Loci that `--regions` knows by name: those of Alzheimer's disease, on GRCh38, with their
//! sources.
//!
//! Input -> output: a name -> its interval, from `ad-loci.tsv`, which also has the sources.
//! Coordinates: 1-based, both ends included.

use std::path::PathBuf;

use super::{Error, Locus, Position1, Reference, Strand};

const TABLE: &str = include_str!("ad-loci.tsv");
/// Columns of the table.
const N_COLUMNS: usize = 7;

/// A locus with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownLocus {
    /// Name of the gene or genes.
    pub name: &'static str,
    /// Build of the positions.
    pub build: &'static str,
    /// Contig.
    pub contig: &'static str,
    /// First base.
    pub begin: Position1,
    /// Last base.
    pub end: Position1,
    /// Variants that define it, separated by commas.
    pub lead_variants: &'static str,
    /// Publications; the comments of the table have the full references.
    pub source: &'static str,
}

impl KnownLocus {
    /// `contig:begin-end`, 1-based and inclusive.
    #[must_use]
    pub fn region(&self) -> String {
        format!("{}:{}-{}", self.contig, self.begin, self.end)
    }

    pub(super) fn locus(&self) -> Locus {
        let name = self.name.to_owned();
        let contig = self.contig.to_owned();
        Locus {
            name,
            contig,
            start0: self.begin.to_zero_based(),
            end0: self.end.to_end0(),
            strand: Strand::Forward,
        }
    }

    fn of_line(line: &'static str) -> Option<Self> {
        let cells: Vec<&'static str> = line.split('\t').collect();
        let [name, build, contig, begin, end, lead_variants, source] =
            <[&str; N_COLUMNS]>::try_from(cells).ok()?;
        Some(Self {
            name,
            build,
            contig,
            begin: begin.parse().ok()?,
            end: end.parse().ok()?,
            lead_variants,
            source,
        })
    }
}

/// All known loci, in the order of the genome.
pub fn known_loci() -> impl Iterator<Item = KnownLocus> {
    TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(KnownLocus::of_line)
}

/// The locus of this name, in upper or lower case.
pub(super) fn known_locus(name: &str) -> Option<KnownLocus> {
    known_loci().find(|locus| locus.name.eq_ignore_ascii_case(name))
}

/// The name that is most like `name`, for a message.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let upper = name.to_uppercase();
    known_loci()
        .map(|locus| locus.name)
        .find(|known| known.to_uppercase().split('-').any(|gene| gene == upper))
}

/// A known locus on another genome build than the FASTA.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this known locus is on {build} ({region}), but {} is {}; give its interval on that build as \
     contig:beg-end",
    fasta.display(),
    builds.join(" or ")
)]
pub struct OtherBuild {
    /// Build of the locus.
    pub build: &'static str,
    /// The locus on that build.
    pub region: String,
    /// The FASTA.
    pub fasta: PathBuf,
    /// Builds of the FASTA.
    pub builds: Vec<&'static str>,
}

/// Compares the build of the loci that a list of regions names with that of the FASTA.
///
/// # Errors
/// A FASTA of another build, in which the interval has other bases.
pub fn require_build_of_named(regions: &str, reference: &Reference) -> Result<(), Error> {
    let builds = reference.builds();
    let of_other_build = regions
        .split(',')
        .filter_map(|part| known_locus(part.trim()))
        .find(|locus| !builds.is_empty() && !builds.contains(&locus.build));
    let Some(locus) = of_other_build else {
        return Ok(());
    };
    let problem = OtherBuild {
        build: locus.build,
        region: locus.region(),
        fasta: reference.path().to_path_buf(),
        builds,
    };
    Err(Error::region(locus.name, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_locus() {
        let n_lines = TABLE.lines().filter(|line| !line.starts_with('#')).count() - 1;
        let loci: Vec<KnownLocus> = known_loci().collect();
        assert_eq!(loci.len(), n_lines);
        assert!(loci.iter().all(|locus| locus.begin <= locus.end
            && locus.build == "GRCh38"
            && locus.contig.starts_with("chr")));
        let names: std::collections::HashSet<String> =
            loci.iter().map(|locus| locus.name.to_lowercase()).collect();
        assert_eq!(names.len(), loci.len());
        let apoe = known_locus("apoe").unwrap();
        assert_eq!(
            (apoe.region().as_str(), apoe.locus().start0.get()),
            ("chr19:44905754-44909393", 44_905_753)
        );
        assert_eq!(
            (nearest("SPI1"), nearest("nothing")),
            (Some("CELF1-SPI1"), None)
        );
    }
}
