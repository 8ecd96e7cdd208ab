mod formats;
mod loci;
