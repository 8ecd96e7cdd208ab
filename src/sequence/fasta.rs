//! Sequences as FASTA: `>sample locus haplotype`, 60 bases a line.

use std::{
    io::{self, Write},
    path::Path,
};

use super::{ABSENT_HAPLOTYPE, Dictionary};
use crate::output;

const LINE_NT: usize = 60;

/// Writes both haplotypes of everyone; `-` is standard output, a name ending in `.gz` is BGZF. Absent haplotypes have no record.
///
/// # Errors
/// When the file cannot be written.
pub fn write_fasta(dictionary: &Dictionary, path: &Path) -> Result<(), output::Error> {
    if path == Path::new("-") {
        let mut out = io::BufWriter::new(io::stdout().lock());
        return write_records(dictionary, &mut out).and_then(|()| out.flush()).map_err(output::at(path));
    }
    output::write(path, |out| write_records(dictionary, out))
}

fn write_records(dictionary: &Dictionary, out: &mut dyn Write) -> io::Result<()> {
    for locus in &dictionary.loci {
        let distinct: Vec<Vec<u8>> = (0..locus.haplotypes.len()).map(|haplotype| locus.bases(haplotype as u32)).collect();
        for (sample, pair) in dictionary.samples.iter().zip(&locus.pairs) {
            for (side, &haplotype) in pair.iter().enumerate() {
                if haplotype == ABSENT_HAPLOTYPE {
                    continue;
                }
                writeln!(out, ">{sample} {} {}", locus.locus.name, side + 1)?;
                for line in distinct[haplotype as usize].chunks(LINE_NT) {
                    out.write_all(line)?;
                    out.write_all(b"\n")?;
                }
            }
        }
    }
    Ok(())
}
