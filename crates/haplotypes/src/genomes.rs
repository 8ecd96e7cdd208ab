//! The genomes that sequences are built from: files that belong together, samples and policies.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Encoding, Error, InputsProblem, Masks, Overlap, Policies};
use gf_genotypes::{
    FormatOptions, Locus, Reference, Samples, VariantFile, contig_key, loci_of_regions, read_loci,
    require_build_of_named, tell_different_builds,
};

/// Genotype files, the reference, and how genotypes become sequences.
#[derive(Clone, Copy, Debug)]
pub struct Genomes<'g> {
    /// Genotype files with the same samples. Each locus is in one file; `-` is standard input.
    pub genotypes: &'g [PathBuf],
    /// What the genotype files do not state about themselves.
    pub format: &'g FormatOptions,
    /// Reference FASTA.
    pub reference: &'g Path,
    /// Source of the loci, for messages. The reference must have the build of loci that are named.
    pub regions: &'g Regions,
    /// Samples to read.
    pub samples: &'g Samples,
    /// Policies for genotypes.
    pub policies: &'g Policies,
}

/// Source of the loci.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Regions {
    /// A BED file.
    File(PathBuf),
    /// `chr:beg-end` (1-based, inclusive) and names of known loci, separated by commas.
    Text(String),
}

impl Regions {
    /// The loci, in their order.
    ///
    /// # Errors
    /// A BED file that cannot be read, or a text that names no locus.
    pub fn loci(&self) -> Result<Vec<Locus>, gf_genotypes::Error> {
        match self {
            Self::File(path) => read_loci(path),
            Self::Text(text) => loci_of_regions(text),
        }
    }
}

impl fmt::Display for Regions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Files that belong together, before their records are read.
pub struct Opened {
    pub reference: Reference,
    pub files: Vec<VariantFile>,
    pub samples: Vec<String>,
    pub contig_lens_nt: HashMap<String, usize>,
    pub warnings: Vec<String>,
}

impl Opened {
    pub fn new(loci: &[(Locus, Masks)], genomes: &Genomes<'_>) -> Result<Self, Error> {
        let mut reference = Reference::open(genomes.reference)?;
        let mut files = genomes
            .genotypes
            .iter()
            .map(|path| VariantFile::open_with(path, genomes.format))
            .collect::<Result<Vec<_>, _>>()?;
        for file in files.iter_mut().filter(|file| file.needs_ref_order()) {
            file.decide_ref_order(&mut reference)?;
        }
        let first = files.first().ok_or(InputsProblem::NoFile)?;
        let samples = genomes.samples.select(first)?;
        if !matches!(genomes.samples, Samples::Only(_)) {
            require_same_samples(&files)?;
        }
        require_valid_options(loci, genomes.policies)?;
        let mut warnings = Vec::new();
        for file in &mut files {
            file.select(&samples)?;
            warnings.extend_from_slice(file.warnings());
        }
        if let Regions::Text(text) = genomes.regions {
            require_build_of_named(text, &reference)?;
        }
        let mut opened = Self {
            reference,
            files,
            samples,
            contig_lens_nt: HashMap::new(),
            warnings,
        };
        for (locus, _) in loci {
            opened.check_contig(locus)?;
        }
        Ok(opened)
    }

    /// Checks the contig of a locus: its name and length in all files, and that the FASTA has the
    /// bases of the locus.
    fn check_contig(&mut self, locus: &Locus) -> Result<(), Error> {
        let name_in_reference = self.reference.resolve(&locus.contig)?;
        require_one_build(&self.files, &name_in_reference)?;
        for file in &self.files {
            let Some(header_len_nt) = file.contig_len_nt(&locus.contig) else {
                continue;
            };
            let warning = self
                .reference
                .check_claim(file.path(), &locus.contig, header_len_nt)?;
            if let Some(new) = warning.filter(|warning| !self.warnings.contains(warning)) {
                self.warnings.push(new);
            }
            let largest_nt = self.contig_lens_nt.entry(locus.contig.clone()).or_default();
            *largest_nt = header_len_nt.max(*largest_nt);
        }
        self.reference.covering(&locus.contig, locus.range())?;
        Ok(())
    }
}

/// Refuses policies that contradict each other, and masks outside of their locus.
fn require_valid_options(loci: &[(Locus, Masks)], policies: &Policies) -> Result<(), Error> {
    if policies.encoding == Encoding::Diploid
        && (policies.strict || policies.overlap == Overlap::Bcftools)
    {
        return Err(InputsProblem::RulesForHaplotypes.into());
    }
    if let Some((locus, _)) = loci.iter().find(|(locus, masks)| !masks.are_inside(locus)) {
        let locus = locus.name.clone();
        return Err(InputsProblem::MaskOutside { locus }.into());
    }
    Ok(())
}

/// Refuses a VCF header with the same contig in another build than the reference. Accessions such
/// as `NC_000001.11` identify the build.
fn require_one_build(files: &[VariantFile], in_reference: &str) -> Result<(), Error> {
    for file in files {
        let of_other_build = file.contigs().find(|(name, _)| {
            contig_key(name) == contig_key(in_reference)
                && tell_different_builds(name, in_reference)
        });
        if let Some((name, _)) = of_other_build {
            let problem = InputsProblem::OtherBuild {
                path: file.path().to_path_buf(),
                contig: name.to_owned(),
                in_reference: in_reference.to_owned(),
            };
            return Err(problem.into());
        }
    }
    Ok(())
}

/// Refuses files with different samples: the files of one cohort, split by contig, have the same.
fn require_same_samples(files: &[VariantFile]) -> Result<(), Error> {
    for pair in files.windows(2) {
        let a: HashSet<&String> = pair[0].samples().iter().collect();
        let b: HashSet<&String> = pair[1].samples().iter().collect();
        if let Some(&sample) = a.symmetric_difference(&b).min() {
            let [with, without] = if a.contains(sample) {
                [&pair[0], &pair[1]]
            } else {
                [&pair[1], &pair[0]]
            };
            let problem = InputsProblem::SampleNotInAll {
                sample: sample.clone(),
                with: with.path().to_path_buf(),
                without: without.path().to_path_buf(),
            };
            return Err(problem.into());
        }
    }
    Ok(())
}
