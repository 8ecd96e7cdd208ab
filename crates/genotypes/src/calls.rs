//! Calls to write: checks that the writers of all formats share.

use std::io;

/// The error of calls that a file cannot hold.
pub(crate) fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}

/// Checks the calls of a variant: the allele numbers of both haplotypes of every sample.
///
/// # Errors
/// Another number of samples; an allele number that the variant does not have.
pub(crate) fn require_valid(
    calls: &[[u8; 2]],
    sample_count: usize,
    allele_count: usize,
) -> io::Result<()> {
    if calls.len() != sample_count {
        return Err(invalid("a variant has another number of samples"));
    }
    let mut alleles = calls.iter().flatten();
    if alleles.any(|&allele| usize::from(allele) >= allele_count) {
        return Err(invalid(
            "an allele number exceeds the number of alleles of the variant",
        ));
    }
    Ok(())
}
