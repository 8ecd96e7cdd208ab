//! A file that states a larger size than it has is refused before memory of that size is allocated:
//! indexes, BCF, FASTA, scoring files. (Models are in `fuzz_folders.rs`.)
//!
//! `tests/robustness/damage.rs` measures the memory.

use std::{fs, path::Path};

use crate::{
    damage::{folder, in_proportion},
    support::{
        compression::{bgzip, gzip},
        options,
    },
};
use gf_genomics::{scoring, sequences};
use tempfile::TempDir;

const VCF: &str = "##fileformat=VCFv4.2\n##contig=<ID=1,length=200>\n##FORMAT=<ID=GT,Number=1,\
                   Type=String,Description=\"Genotype\">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\
                   \tINFO\tFORMAT\tS1\n1\t50\t.\tA\tG\t.\tPASS\t.\tGT\t0|1\n";

/// One sample, one locus of 100 nt, one variant, compressed.
fn study() -> TempDir {
    let study = folder();
    let folder = study.path();
    let reference = format!(">1\n{}\n", "A".repeat(200));
    fs::write(folder.join("reference.fa"), reference).unwrap();
    fs::write(folder.join("loci.bed"), "1\t0\t100\tL\n").unwrap();
    fs::write(folder.join("cohort.vcf.gz"), bgzip(VCF.as_bytes())).unwrap();
    study
}

/// The error for a study, with memory in proportion to `len` bytes of input.
fn refusal(folder: &Path, vcf: &str, len: usize) -> String {
    let options = options::sequences(folder, vcf);
    in_proportion(vcf, len, || sequences::run(&options))
        .unwrap_err()
        .to_string()
}

/// Numbers as the bytes of a binary index.
fn little_endian(words: &[i32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A tabix index of one contig, up to the number of its bins.
fn tabix_head() -> Vec<u8> {
    let words = [1, 2, 1, 2, 0, i32::from(b'#'), 0, 2];
    [&b"TBI\x01"[..], &little_endian(&words), b"1\0"].concat()
}

/// Such a number aborted an earlier version, which allocated 2,000 million bins.
#[test]
fn an_index_that_states_bins_it_does_not_have_is_refused() {
    let study = study();
    for count in [i32::MAX, 1 << 20, -1] {
        let index = bgzip(&[&tabix_head()[..], &count.to_le_bytes()].concat());
        fs::write(study.path().join("cohort.vcf.gz.tbi"), &index).unwrap();
        assert!(
            refusal(study.path(), "cohort.vcf.gz", index.len()).contains("the index is damaged")
        );
    }
}

#[test]
fn a_csi_index_that_states_bins_or_names_it_does_not_have_is_refused() {
    let study = study();
    // log2 of the smallest bin, levels, bytes of names, contigs, bins.
    for words in [
        [14, 5, 0, 1, i32::MAX],
        [14, 5, i32::MAX, 1, 0],
        [14, 30, 0, 1, 0],
        [14, 5, 0, i32::MAX, i32::MAX],
    ] {
        let index = bgzip(&[&b"CSI\x01"[..], &little_endian(&words)].concat());
        fs::write(study.path().join("cohort.vcf.gz.csi"), &index).unwrap();
        assert!(
            refusal(study.path(), "cohort.vcf.gz", index.len()).contains("the index is damaged")
        );
    }
}

/// Such a number was a panic in an earlier version, which used it as an index of a table with one
/// element per bin of the scheme.
#[test]
fn a_bin_that_the_scheme_does_not_have_is_refused() {
    let study = study();
    for bin in [37_449_u32, 1 << 20, u32::MAX] {
        let words = [1, bin.cast_signed(), 0, 0];
        let index = bgzip(&[tabix_head(), little_endian(&words)].concat());
        fs::write(study.path().join("cohort.vcf.gz.tbi"), &index).unwrap();
        assert!(
            refusal(study.path(), "cohort.vcf.gz", index.len())
                .contains(&format!("bin {bin} in a scheme with 37449 bins"))
        );
    }
}

#[test]
fn a_bcf_that_states_lengths_it_does_not_have_is_refused() {
    let study = study();
    let header = "##fileformat=VCFv4.2\n##contig=<ID=1,length=200>\n#CHROM\tPOS\tID\tREF\tALT\
                  \tQUAL\tFILTER\tINFO\tFORMAT\tS1\n\0";
    let magic = &b"BCF\x02\x02"[..];
    let too_long = u32::MAX.to_le_bytes();
    let len = (header.len() as u32).to_le_bytes();
    let head = [magic, &len, header.as_bytes()].concat();
    for bytes in [
        // The header, the site of a record, and the samples of a record.
        [magic, &too_long, header.as_bytes()].concat(),
        [&head[..], &too_long, &[0; 4]].concat(),
        [
            &head[..],
            &24_u32.to_le_bytes(),
            &too_long,
            &[0; 20],
            &too_long,
        ]
        .concat(),
    ] {
        let file = bgzip(&bytes);
        fs::write(study.path().join("cohort.bcf"), &file).unwrap();
        assert!(refusal(study.path(), "cohort.bcf", file.len()).contains("cohort.bcf"));
    }
}

#[test]
fn an_index_of_a_reference_that_states_bases_it_does_not_have_is_refused() {
    let study = study();
    fs::write(
        study.path().join("reference.fa.fai"),
        "1\t1000000000000000\t3\t200\t201\n",
    )
    .unwrap();
    fs::write(study.path().join("loci.bed"), "1\t0\t900000000000000\tL\n").unwrap();
    fs::write(
        study.path().join("cohort.vcf"),
        VCF.replace("length=200", "length=1000000000000000"),
    )
    .unwrap();
    assert!(
        refusal(study.path(), "cohort.vcf", 200)
            .contains("reference.fa.fai: the index does not fit")
    );
}

/// A gzipped table is read into memory as a whole: zeros take a thousandth of their size on disk.
/// No more than a few copies of them may be made.
#[test]
fn a_scoring_file_that_unpacks_to_much_costs_a_few_copies_of_it() {
    let study = study();
    let text = format!(
        "chr_name\tchr_position\teffect_allele\teffect_weight\n1\t50\tG\t0.1\n1\t51\tG\t0.{}\n",
        "0".repeat(16 << 20)
    );
    let packed = gzip(text.as_bytes());
    fs::write(study.path().join("score.txt.gz"), &packed).unwrap();
    let options = scoring::Options {
        vcf: vec![study.path().join("cohort.vcf.gz")],
        scoring_files: vec![study.path().join("score.txt.gz")],
        min_overlap: 0.0,
        out: study.path().join("out"),
        ..scoring::Options::default()
    };
    in_proportion("score.txt.gz", 10 * packed.len(), || {
        scoring::raw_scores(&options).map_err(|error| error.to_string())
    })
    .ok();
}
