//! Genotypes as VCF.
//!
//! The VCF has no INFO, and FILTER is `PASS`.

use std::{
    io::{self, Write},
    path::Path,
};

use gf_cohort_schema::Cohort;
use noodles::{csi, tabix, vcf};

use super::Genomes;
use crate::{
    layout,
    simulate::panel::{Panel, PanelSite},
};
use gf_files::output::{self, at};

/// Writes the VCF and its index into `folder`.
pub fn write(folder: &Path, genomes: &[Genomes<'_>], cohort: &Cohort) -> Result<(), output::Error> {
    let path = folder.join(layout::COHORT_VCF);
    output::write(&path, |out| {
        write_header(out, genomes, cohort)?;
        genomes
            .iter()
            .try_for_each(|locus| write_records(out, locus))
    })?;
    // A tabix index, or a CSI index if a contig is too long for tabix.
    match vcf::fs::index(&path).map_err(at(&path))? {
        vcf::Index::Tabix(index) => output::write(&folder.join(layout::COHORT_VCF_TBI), |out| {
            let mut writer = tabix::io::Writer::new(out);
            writer.write_index(&index)?;
            writer.try_finish()
        }),
        vcf::Index::Csi(index) => output::write(&folder.join(layout::COHORT_VCF_CSI), |out| {
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

/// Writes the header up to the line of the samples.
pub fn write_header(
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
