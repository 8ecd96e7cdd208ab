//! Writes sequences as FASTA: `>sample locus haplotype`, 60 bases per line.

use std::{
    io::{self, Write},
    path::Path,
};

use super::{ABSENT_HAPLOTYPE, Dictionary};
use gf_files::output;

const LINE_NT: usize = 60;

/// Writes both haplotypes of every sample; an absent haplotype has no record.
///
/// `-` is standard output, and a name that ends in `.gz` is written as BGZF.
///
/// # Errors
/// The file cannot be written.
pub fn write_fasta(dictionary: &Dictionary, path: &Path) -> Result<(), output::Error> {
    output::write(path, |out| write_records(dictionary, out))
}

/// Splices each record again: to copy bases costs less memory than to keep all distinct haplotypes.
fn write_records(dictionary: &Dictionary, out: &mut dyn Write) -> io::Result<()> {
    let mut record = Vec::new();
    for locus in &dictionary.loci {
        for (sample, pair) in dictionary.samples.iter().zip(&locus.pairs) {
            for (side, &haplotype) in pair
                .iter()
                .enumerate()
                .filter(|(_, haplotype)| **haplotype != ABSENT_HAPLOTYPE)
            {
                record.clear();
                writeln!(record, ">{sample} {} {}", locus.locus.name, side + 1)?;
                for line in locus.bases(haplotype).chunks(LINE_NT) {
                    record.extend_from_slice(line);
                    record.push(b'\n');
                }
                out.write_all(&record)?;
            }
        }
    }
    Ok(())
}
