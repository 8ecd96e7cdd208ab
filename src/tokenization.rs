//! Tokens of every distinct haplotype on one slot grid.
