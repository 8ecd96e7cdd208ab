//! The files of a simulated cohort.
//!
//! Input: the samples' haplotypes, phenotypes and the truth.
//! Output: the six files of the stage and the index of the VCF.
//!
//! The VCF has no INFO, and FILTER is `PASS`. The FASTA record of a slice is named
//! `contig:beg-end`, like the output of `samtools faidx`.

use std::{
    io::{self, Write},
    path::Path,
};

use gf_cohort_schema::{Cohort, nine_significant_digits, probability};
use noodles::{csi, tabix, vcf};

use super::{
    Truth,
    mosaic::Mosaics,
    panel::{Panel, PanelSite},
};
use crate::layout;
use gf_files::output::{self, at};
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
    genomes: &[Genomes<'_>],
    cohort: &Cohort,
    logits: &[f64],
    truth: &Truth,
) -> Result<(), output::Error> {
    write_vcf(folder, genomes, cohort)?;
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
    output::write(&folder.join(layout::TRUTH), |out| {
        write_truth(out, cohort, logits)
    })?;
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
    writeln!(out, "{contig}\t{start0}\t{end0}\t{name}{strand}")
}

fn write_vcf(folder: &Path, genomes: &[Genomes<'_>], cohort: &Cohort) -> Result<(), output::Error> {
    let path = folder.join(layout::COHORT_VCF);
    output::write(&path, |out| {
        write_vcf_header(out, genomes, cohort)?;
        genomes
            .iter()
            .try_for_each(|locus| write_records(out, locus))
    })?;
    // A tabix index, or a CSI index if a contig is too long for tabix.
    match vcf::fs::index(&path).map_err(at(&path))? {
        vcf::Index::Tabix(index) => output::write(&folder.join("cohort.vcf.gz.tbi"), |out| {
            let mut writer = tabix::io::Writer::new(out);
            writer.write_index(&index)?;
            writer.try_finish()
        }),
        vcf::Index::Csi(index) => output::write(&folder.join("cohort.vcf.gz.csi"), |out| {
            let mut writer = csi::io::Writer::new(out);
            writer.write_index(&index)?;
            writer.get_mut().try_finish()
        }),
    }
}

fn write_records(out: &mut dyn Write, genomes: &Genomes<'_>) -> io::Result<()> {
    let Genomes { panel, haplotypes } = genomes;
    let mut line = Vec::new();
    for (index, site) in panel.sites.iter().enumerate() {
        line.clear();
        write_site(&mut line, &panel.locus.contig, site)?;
        for (haplotype, allele) in haplotypes.at_site(index).enumerate() {
            line.push(if haplotype % 2 == 0 { b'\t' } else { b'|' });
            match allele {
                0..=9 => line.push(b'0' + allele),
                _ => write!(line, "{allele}")?,
            }
        }
        line.push(b'\n');
        out.write_all(&line)?;
    }
    Ok(())
}

fn write_vcf_header(
    out: &mut dyn Write,
    genomes: &[Genomes<'_>],
    cohort: &Cohort,
) -> io::Result<()> {
    writeln!(out, "##fileformat=VCFv4.2")?;
    writeln!(out, "##FILTER=<ID=PASS,Description=\"All filters passed\">")?;
    writeln!(
        out,
        "##source=gf-genomics {} simulate",
        env!("CARGO_PKG_VERSION")
    )?;
    // Loci on one contig are consecutive, so each contig gets one header line.
    for of_contig in genomes.chunk_by(|a, b| a.panel.locus.contig == b.panel.locus.contig) {
        let Panel {
            locus,
            contig_len_nt,
            ..
        } = of_contig[0].panel;
        match contig_len_nt {
            Some(len_nt) => writeln!(out, "##contig=<ID={},length={len_nt}>", locus.contig)?,
            None => writeln!(out, "##contig=<ID={}>", locus.contig)?,
        }
    }
    writeln!(
        out,
        "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Phased genotype\">"
    )?;
    write!(out, "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT")?;
    for person in &cohort.people {
        write!(out, "\t{}", person.sample_id)?;
    }
    writeln!(out)
}

fn write_site(line: &mut Vec<u8>, contig: &str, site: &PanelSite) -> io::Result<()> {
    write!(line, "{contig}\t{}\t{}\t", site.position, site.id)?;
    line.extend(&site.ref_allele);
    line.push(b'\t');
    if site.alt_alleles.is_empty() {
        line.push(b'.');
    }
    line.extend(site.alt_alleles.join(&b','));
    line.extend(b"\t.\tPASS\t.\tGT");
    Ok(())
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

fn write_truth(out: &mut dyn Write, cohort: &Cohort, logits: &[f64]) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(out);
    table.write_record(["sample_id", "logit", "probability", "phenotype", "split"])?;
    for (person, &logit) in cohort.people.iter().zip(logits) {
        let phenotype = person
            .phenotype
            .map_or(String::new(), |phenotype| phenotype.to_string());
        table.write_record([
            &person.sample_id,
            &nine_significant_digits(logit),
            &nine_significant_digits(probability(logit)),
            &phenotype,
            &person.split.to_string(),
        ])?;
    }
    table.flush()
}
