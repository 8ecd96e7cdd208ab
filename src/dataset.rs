//! Batches of people as the distinct haplotypes in them; never drops one.
