//! Genotypes as BGEN 1.2 with phase. REF is the first allele, and the file has the sample names.

use std::{io, path::Path};

use gf_cohort_schema::Cohort;
use gf_genotypes::bgen::{BgenSite, BgenWriter};

use super::Genomes;
use crate::layout;
use gf_files::output::{self, Pending, at};

/// ALT of a variant without an ALT allele, like in a gVCF. BGEN stores two alleles or more, and `.`
/// is no allele.
const NO_ALT: &[u8] = b"<*>";

/// Writes the BGEN into `folder`.
pub fn write(folder: &Path, genomes: &[Genomes<'_>], cohort: &Cohort) -> Result<(), output::Error> {
    let path = folder.join(layout::COHORT_BGEN);
    let pending = Pending::create(&path)?;
    let pending = write_calls(pending, genomes, cohort).map_err(at(&path))?;
    pending.finish()
}

fn write_calls(out: Pending, genomes: &[Genomes<'_>], cohort: &Cohort) -> io::Result<Pending> {
    let names = cohort.people.iter().map(|person| person.sample_id.as_str());
    let mut writer = BgenWriter::new(out, names)?;
    let mut calls = Vec::with_capacity(cohort.people.len());
    let mut alleles: Vec<&[u8]> = Vec::new();
    for Genomes { panel, haplotypes } in genomes {
        for (index, site) in panel.sites.iter().enumerate() {
            alleles.clear();
            alleles.push(&site.ref_allele);
            alleles.extend(site.alt_alleles.iter().map(Vec::as_slice));
            if site.alt_alleles.is_empty() {
                alleles.push(NO_ALT);
            }
            haplotypes.read_calls(index, &mut calls);
            let stored = BgenSite {
                contig: &panel.locus.contig,
                position: site.position.get(),
                id: &site.id,
                alleles: &alleles,
            };
            writer.write(&stored, &calls)?;
        }
    }
    writer.finish()
}
