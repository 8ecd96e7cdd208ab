mod loci;
