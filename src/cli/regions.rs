//! `gf-genomics regions`: the loci that are known by name.

use std::io::{self, Write};

use gf_genotypes::known_loci;

/// Print a tab-separated table of the loci that `--regions` knows by name, with build, interval,
/// lead variants and source.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gf-genomics regions > loci.tsv")]
pub struct Args {}

/// Prints the table.
///
/// # Errors
/// Standard output that cannot be written.
pub fn run(_: &Args) -> anyhow::Result<()> {
    let mut table = io::stdout().lock();
    writeln!(table, "name\tbuild\tregion\tlead_variants\tsource")?;
    for locus in known_loci() {
        writeln!(
            table,
            "{}\t{}\t{}\t{}\t{}",
            locus.name,
            locus.build,
            locus.region(),
            locus.lead_variants,
            locus.source
        )?;
    }
    Ok(())
}
