//! The files of a simulated cohort.
//!
//! Input: the samples' haplotypes, phenotypes and the truth.
//! Output: the genotypes (module `genotypes`) and the other five files of the stage.
//!
//! The FASTA record of a slice is named `contig:beg-end`, like the output of `samtools faidx`.

mod bcf;
mod bgen;
mod genotypes;
mod pgen;
mod vcf;

use std::{
    io::{self, Write},
    path::Path,
};

use gf_cohort_schema::{Cohort, TruthRow, probability};

pub use self::genotypes::GenotypeFormat;
use super::{Truth, mosaic::Mosaics, panel::Panel};
use crate::{layout, tables};
use gf_files::output;
use gf_genotypes::{Locus, Strand};

const FASTA_COLUMNS: usize = 60;

/// Haplotypes of all samples at one locus.
pub struct Genomes<'a> {
    /// The locus and its records.
    pub panel: &'a Panel,
    /// Two haplotypes per individual.
    pub haplotypes: &'a Mosaics<'a>,
}

impl<'a> Genomes<'a> {
    /// Combines a panel with the haplotypes of the samples.
    pub fn new(panel: &'a Panel, haplotypes: &'a Mosaics<'a>) -> Self {
        Self { panel, haplotypes }
    }
}

/// Writes all files into `folder`; `genomes` are sorted by contig and position.
pub fn write(
    folder: &Path,
    format: GenotypeFormat,
    genomes: &[Genomes<'_>],
    cohort: &Cohort,
    logits: &[f64],
    truth: &Truth,
) -> Result<(), output::Error> {
    genotypes::write(folder, format, genomes, cohort)?;
    output::write(&folder.join(layout::REFERENCE), |out| {
        genomes
            .iter()
            .try_for_each(|locus| write_fasta(out, locus.panel))
    })?;
    output::write(&folder.join(layout::LOCI), |out| {
        genomes
            .iter()
            .try_for_each(|locus| write_locus(out, &locus.panel.locus))
    })?;
    output::write(&folder.join(layout::COHORT), |out| cohort.write(out))?;
    write_truth(&folder.join(layout::TRUTH), cohort, logits)?;
    output::write_json(&folder.join(layout::TRUTH_SUMMARY), truth)
}

/// Writes a line of the BED; the strand only if it is not the forward strand.
fn write_locus(out: &mut dyn Write, locus: &Locus) -> io::Result<()> {
    let Locus {
        name,
        contig,
        start0,
        end0,
        strand,
    } = locus;
    let strand = if *strand == Strand::Reverse {
        "\t0\t-"
    } else {
        ""
    };
    writeln!(
        out,
        "{contig}\t{}\t{}\t{name}{strand}",
        start0.get(),
        end0.get()
    )
}

fn write_fasta(out: &mut dyn Write, panel: &Panel) -> io::Result<()> {
    let locus = &panel.locus;
    let is_whole_contig = panel.contig_len_nt == Some(locus.len_nt());
    let name = if is_whole_contig {
        locus.contig.clone()
    } else {
        locus.region()
    };
    writeln!(out, ">{name}")?;
    for line in panel.bases.chunks(FASTA_COLUMNS) {
        out.write_all(line)?;
        writeln!(out)?;
    }
    Ok(())
}

fn write_truth(path: &Path, cohort: &Cohort, logits: &[f64]) -> Result<(), output::Error> {
    let rows = cohort
        .people
        .iter()
        .zip(logits)
        .map(|(person, &logit)| TruthRow {
            sample_id: &person.sample_id,
            logit,
            probability: probability(logit),
            phenotype: person.phenotype,
            split: person.split,
        });
    tables::write(path, rows)
}
