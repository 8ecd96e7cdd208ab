//! Genotypes as BCF.
//!
//! A record has the sizes of its two parts (u32), then CHROM and POS (i32, 0-based), the length of
//! REF, QUAL, the numbers of INFO fields, alleles, samples and FORMAT fields, ID, the alleles,
//! FILTER; then GT. All numbers are little-endian. GT is one byte for each allele:
//! `(number + 1) << 1`, and 1 more if the allele is phased with the one before it.

use std::{
    io::{self, Write},
    path::Path,
};

use gf_cohort_schema::Cohort;
use noodles::{bcf, bgzf, csi};

use super::{Genomes, vcf};
use crate::{layout, simulate::panel::PanelSite};
use gf_files::output::{self, at};

const MAGIC: [u8; 5] = *b"BCF\x02\x02";
const MISSING_QUAL: u32 = 0x7f80_0001;
/// `FILTER` is a list of one 8-bit number, that of `PASS`.
const PASS: [u8; 2] = [0x11, 0];
/// The number of `GT` in the dictionary of strings, behind `PASS`.
const GT: [u8; 2] = [0x11, 1];
/// Two 8-bit numbers for each sample.
const TWO_INT8: u8 = 0x21;
/// Two 16-bit numbers for each sample.
const TWO_INT16: u8 = 0x22;
/// The largest allele number of 8-bit genotypes.
const MOST_INT8: usize = 62;
/// A text of 15 bytes or more has its length behind its type.
const LONG_TEXT: usize = 15;
const TEXT: u8 = 7;

/// Writes the BCF and its index into `folder`.
pub fn write(folder: &Path, genomes: &[Genomes<'_>], cohort: &Cohort) -> Result<(), output::Error> {
    let path = folder.join(layout::COHORT_BCF);
    output::write(&path, |out| {
        let mut out = bgzf::io::Writer::new(out);
        write_header(&mut out, genomes, cohort)?;
        write_records(&mut out, genomes, cohort.people.len())?;
        out.try_finish()
    })?;
    let index = bcf::fs::index(&path).map_err(at(&path))?;
    output::write(&folder.join(layout::COHORT_BCF_CSI), |out| {
        let mut writer = csi::io::Writer::new(out);
        writer.write_index(&index)?;
        writer.get_mut().try_finish()
    })
}

fn write_header(out: &mut dyn Write, genomes: &[Genomes<'_>], cohort: &Cohort) -> io::Result<()> {
    let mut text = Vec::new();
    vcf::write_header(&mut text, genomes, cohort)?;
    text.push(0);
    out.write_all(&MAGIC)?;
    out.write_all(&number(text.len())?.to_le_bytes())?;
    out.write_all(&text)
}

fn write_records(out: &mut dyn Write, genomes: &[Genomes<'_>], n_samples: usize) -> io::Result<()> {
    let mut contig_index = 0;
    let mut contig = genomes.first().map(|locus| &locus.panel.locus.contig);
    let mut shared = Vec::new();
    let mut calls = Vec::new();
    for Genomes { panel, haplotypes } in genomes {
        if contig != Some(&panel.locus.contig) {
            contig_index += 1;
            contig = Some(&panel.locus.contig);
        }
        for (index, site) in panel.sites.iter().enumerate() {
            shared.clear();
            push_site(&mut shared, contig_index, site, n_samples)?;
            calls.clear();
            push_calls(&mut calls, site, haplotypes.at_site(index));
            out.write_all(&number(shared.len())?.to_le_bytes())?;
            out.write_all(&number(calls.len())?.to_le_bytes())?;
            out.write_all(&shared)?;
            out.write_all(&calls)?;
        }
    }
    Ok(())
}

fn push_site(
    record: &mut Vec<u8>,
    contig_index: u32,
    site: &PanelSite,
    n_samples: usize,
) -> io::Result<()> {
    let n_alleles = number(1 + site.alt_alleles.len())?;
    record.extend(contig_index.to_le_bytes());
    record.extend(number(site.start0().get())?.to_le_bytes());
    record.extend(number(site.ref_allele.len())?.to_le_bytes());
    record.extend(MISSING_QUAL.to_le_bytes());
    record.extend((n_alleles << 16).to_le_bytes());
    // One FORMAT field.
    record.extend((1 << 24 | number(n_samples)?).to_le_bytes());
    push_text(record, site.id.as_bytes())?;
    push_text(record, &site.ref_allele)?;
    for alt in &site.alt_alleles {
        push_text(record, alt)?;
    }
    record.extend(PASS);
    Ok(())
}

fn push_text(record: &mut Vec<u8>, text: &[u8]) -> io::Result<()> {
    if text.len() < LONG_TEXT {
        record.push((text.len() as u8) << 4 | TEXT);
    } else {
        record.push(0xf0 | TEXT);
        // The length is a list of one 32-bit number.
        record.push(0x13);
        record.extend(number(text.len())?.to_le_bytes());
    }
    record.extend(text);
    Ok(())
}

fn push_calls(record: &mut Vec<u8>, site: &PanelSite, alleles: impl Iterator<Item = u8>) {
    record.extend(GT);
    let is_int8 = site.alt_alleles.len() <= MOST_INT8;
    record.push(if is_int8 { TWO_INT8 } else { TWO_INT16 });
    for (haplotype, allele) in alleles.enumerate() {
        let value = (u16::from(allele) + 1) << 1 | (haplotype % 2) as u16;
        if is_int8 {
            record.push(value as u8);
        } else {
            record.extend(value.to_le_bytes());
        }
    }
}

fn number(value: usize) -> io::Result<u32> {
    u32::try_from(value).map_err(|_| io::Error::other("a number exceeds the limit of BCF"))
}
