//! Genotypes as PGEN with phase, with their variants (PVAR) and samples (PSAM).

use std::{
    io::{self, Write},
    path::Path,
};

use gf_cohort_schema::Cohort;
use gf_genotypes::pgen::PgenWriter;

use super::Genomes;
use crate::{
    layout,
    simulate::panel::{Panel, PanelSite},
};
use gf_files::output::{self, Pending, at};

/// Writes PGEN, PVAR and PSAM into `folder`.
pub fn write(folder: &Path, genomes: &[Genomes<'_>], cohort: &Cohort) -> Result<(), output::Error> {
    let path = folder.join(layout::COHORT_PGEN);
    let pending = Pending::create(&path)?;
    let pending = write_calls(pending, genomes, cohort.people.len()).map_err(at(&path))?;
    pending.finish()?;
    output::write(&folder.join(layout::COHORT_PVAR), |out| {
        writeln!(out, "#CHROM\tPOS\tID\tREF\tALT\tFILTER")?;
        genomes
            .iter()
            .try_for_each(|locus| write_variants(out, locus.panel))
    })?;
    output::write(&folder.join(layout::COHORT_PSAM), |out| {
        writeln!(out, "#IID")?;
        let mut people = cohort.people.iter();
        people.try_for_each(|person| writeln!(out, "{}", person.sample_id))
    })
}

fn write_calls(out: Pending, genomes: &[Genomes<'_>], n_samples: usize) -> io::Result<Pending> {
    let sites = genomes.iter().flat_map(|locus| &locus.panel.sites);
    let allele_counts = sites.map(allele_count).collect::<io::Result<_>>()?;
    let mut writer = PgenWriter::new(out, n_samples, allele_counts)?;
    let mut calls = Vec::with_capacity(n_samples);
    for Genomes { panel, haplotypes } in genomes {
        for index in 0..panel.sites.len() {
            haplotypes.read_calls(index, &mut calls);
            writer.write(&calls)?;
        }
    }
    writer.finish()
}

/// Number of alleles of a variant. A variant without an ALT allele has a placeholder for it.
fn allele_count(site: &PanelSite) -> io::Result<u8> {
    u8::try_from(site.alt_alleles.len().max(1) + 1).map_err(|_| {
        io::Error::other(format!(
            "the variant at POS {} has {} ALT alleles, and PGEN is written for at most 254; \
             choose another format",
            site.position,
            site.alt_alleles.len()
        ))
    })
}

fn write_variants(out: &mut dyn Write, panel: &Panel) -> io::Result<()> {
    for site in &panel.sites {
        write!(
            out,
            "{}\t{}\t{}\t",
            panel.locus.contig, site.position, site.id
        )?;
        out.write_all(&site.ref_allele)?;
        let alts = match &site.alt_alleles[..] {
            [] => b".".to_vec(),
            alts => alts.join(&b','),
        };
        out.write_all(b"\t")?;
        out.write_all(&alts)?;
        writeln!(out, "\tPASS")?;
    }
    Ok(())
}
