mod formats;
mod vcf_corpus;
mod vcf_files;
