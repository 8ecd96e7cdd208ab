//! `gf-genomics sequences`: both haplotypes of every sample over chosen loci.

use std::path::{Path, PathBuf};

use gf_files::output;
use gf_haplotypes::{Policies, Regions, Samples};
use serde_json::Value;

use super::{
    genotypes::GenotypeArgs,
    record::{Invocation, OverwriteArgs, PendingRecord},
    samples::{SampleArgs, without_names},
};
use crate::{
    pipeline,
    sequences::{self, Options, Outputs, Sequences},
};

/// Make both haplotypes of every sample at chosen loci in one pass. The output is FASTA, a
/// dictionary of the distinct haplotypes, or both.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gf-genomics sequences --vcf cohort.vcf.gz --reference GRCh38.fa \
                  \\\n    --regions chr19:44905754-44909393 --skips skips.csv -o haplotypes.fa.gz"
)]
pub struct Args {
    #[command(flatten)]
    genomes: Genomes,
    #[command(flatten)]
    people: SampleArgs,
    /// FASTA to write (`>sample locus haplotype`), compressed with BGZF if the name ends in .gz;
    /// `-` is standard output [default: `-` without --out].
    #[arg(short, long, value_name = "FASTA")]
    output: Option<PathBuf>,
    /// Folder for the dictionary: loci.json (distinct haplotypes as edits), pairs.csv (the two
    /// haplotypes of each sample), and skips.csv.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Table of all differences between the sequences and the VCF, such as records that were not
    /// applied [default: DIR/skips.csv].
    #[arg(long, value_name = "CSV")]
    skips: Option<PathBuf>,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// The genomes of a cohort and how their genotypes are read.
#[derive(Debug, clap::Args)]
pub struct Genomes {
    #[command(flatten)]
    genotypes: GenotypeArgs,
    /// Reference FASTA, plain or bgzipped.
    #[arg(long, value_name = "FASTA")]
    reference: PathBuf,
    /// BED of loci. Columns 4 and 6 are name and strand.
    #[arg(long, value_name = "BED", required_unless_present = "regions")]
    regions_file: Option<PathBuf>,
    /// Loci as `chr:beg-end` (1-based, inclusive) or by a name that `gf-genomics regions` lists,
    /// such as APOE, separated by commas.
    #[arg(long, value_name = "REGIONS", num_args = 1.., conflicts_with = "regions_file")]
    regions: Vec<String>,
    /// BED of positions to read as N. Records that touch these positions are not applied.
    #[arg(long, value_name = "BED")]
    mask: Option<PathBuf>,
    /// BED of callable positions. All other positions are read as N.
    #[arg(long, value_name = "BED")]
    callable: Option<PathBuf>,
    #[command(flatten)]
    policies: Policies,
}

impl Genomes {
    /// The options of the stage.
    #[must_use]
    pub fn options(self, samples: Samples, skips: Option<PathBuf>) -> Options {
        let regions = match (self.regions_file, self.regions) {
            (Some(path), _) => Regions::File(path),
            (None, regions) => Regions::Text(regions.join(",")),
        };
        Options {
            vcf: self.genotypes.files(),
            format: self.genotypes.format,
            reference: self.reference,
            regions,
            samples,
            policies: self.policies,
            mask: self.mask,
            callable: self.callable,
            skips,
        }
    }
}

/// Makes the sequences, and writes them as FASTA, as a dictionary, or both.
///
/// # Errors
/// Any error of the stage.
pub fn run(args: Args) -> anyhow::Result<()> {
    let samples = args.people.samples()?;
    let outputs = Outputs::new(args.out, args.output);
    let skips = args.skips.or_else(|| outputs.default_skips());
    let options = args.genomes.options(samples, skips);
    let output_files: Vec<&Path> = outputs
        .fasta
        .iter()
        .chain(&options.skips)
        .map(PathBuf::as_path)
        .collect();
    output::check_outputs(options.inputs(), &output_files)?;
    let folder = outputs.folder.as_deref();
    let _lock = folder.map(pipeline::lock_folder).transpose()?;
    let record = folder
        .map(|folder| PendingRecord::begin(folder, invocation(&options), args.overwrite))
        .transpose()?;
    let Sequences {
        dictionary,
        skips,
        summary,
    } = sequences::run(&options)?;
    outputs.save(&dictionary, skips)?;
    if let Some(record) = record {
        record.finish(&summary)?;
    }
    gf_files::message_text!("{summary}");
    Ok(())
}

fn invocation(options: &Options) -> Invocation<'_> {
    Invocation {
        command: "sequences",
        options: without_sample_names(options),
        inputs: options.inputs().collect(),
    }
}

/// Options as a record stores them: with a digest in place of the names of the samples. The names
/// are in `pairs.csv` and in the cohort table.
pub fn without_sample_names(options: &Options) -> Value {
    without_names(options, &options.samples)
}
