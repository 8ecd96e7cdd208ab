//! Pipeline files (TOML) that tests of several files run.

/// A pipeline with every stage that runs in a second: one small Linformer without an additive term.
pub const TINY_PIPELINE: &str = "\
seed = 3

[simulate]
people = 150
len_nt = 4000
risk = \"additive\"

[tokens]
segment_length = 128

[[models]]
additive = 'none'
name = \"tiny\"
[models.architecture]
hidden = 8
layers = 1
heads = 2
projected_length = 8
feed_forward = 8
[models.schedule]
epochs = 2
batch_size = 16
";

/// [`TINY_PIPELINE`] with texts replaced, as (old, new); every old text must occur in it.
pub fn tiny_pipeline_with(replacements: &[(&str, &str)]) -> String {
    let mut pipeline = TINY_PIPELINE.to_owned();
    for (old, new) in replacements {
        assert!(pipeline.contains(old), "the tiny pipeline has no `{old}`");
        pipeline = pipeline.replace(old, new);
    }
    pipeline
}

/// The part of [`TINY_PIPELINE`] from `[tokens]` on, without the table of the simulated cohort.
pub fn tiny_pipeline_from_tokens() -> &'static str {
    let start = TINY_PIPELINE.find("[tokens]").unwrap();
    &TINY_PIPELINE[start..]
}

/// A `[data]` table for the four files of a simulated cohort. `prefix` is put before each file
/// name: `"own/"`, or `""` for the folder of the pipeline file.
pub fn data_table(prefix: &str) -> String {
    format!(
        "[data]\nvcf = [\"{prefix}cohort.vcf.gz\"]\nreference = \
         \"{prefix}reference.fa\"\nregions_file = \"{prefix}loci.bed\"\ncohort = \
         \"{prefix}cohort.csv\"\n"
    )
}

/// A temporary folder with this text as `pipeline.toml`.
pub fn folder_with_pipeline(pipeline: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pipeline.toml"), pipeline).unwrap();
    folder
}
