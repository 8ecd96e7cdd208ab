//! Both haplotypes of every person, each distinct one kept once.
