//! `gf-genomics sequences`.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::sequence::{self, ApplyFilters, Haploid, Missing, Options, Policies, Symbolic, Unphased, write_fasta, write_skips};

/// Both haplotypes of every sample over chosen loci, as FASTA, in one pass.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gf-genomics sequences --vcf cohort.vcf.gz --reference GRCh38.fa --regions-file loci.bed -o haplotypes.fa.gz"
)]
pub struct Args {
    #[command(flatten)]
    genomes: Genomes,
    /// FASTA to write (`>sample locus haplotype`); BGZF when it ends in .gz; `-` is standard output.
    #[arg(short, long, default_value = "-", value_name = "FASTA")]
    output: PathBuf,
    /// Table of everything that is not in the sequences as the VCF states it.
    #[arg(long, value_name = "CSV")]
    skips: Option<PathBuf>,
}

/// The genomes of a cohort and how their genotypes are read.
#[derive(Debug, clap::Args)]
pub struct Genomes {
    /// VCF, VCF.gz or BCF files, of the same people.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub vcf: Vec<PathBuf>,
    /// Reference FASTA, plain or bgzipped.
    #[arg(long, value_name = "FASTA")]
    pub reference: PathBuf,
    /// BED of loci (columns 4 and 6: name and strand).
    #[arg(long, value_name = "BED")]
    pub regions_file: PathBuf,
    #[command(flatten)]
    policies: PolicyArgs,
}

impl Genomes {
    /// As options of the stage.
    #[must_use]
    pub fn options(self, samples: Option<Vec<String>>) -> Options {
        let policies = self.policies.policies();
        Options { vcf: self.vcf, reference: self.reference, regions_file: self.regions_file, samples, policies }
    }
}

/// Policies for genotypes that do not say which bases a haplotype has.
#[derive(Debug, clap::Args)]
pub struct PolicyArgs {
    /// Unphased heterozygotes.
    #[arg(long, value_enum, default_value_t = UnphasedArg::Error)]
    unphased: UnphasedArg,
    /// Missing alleles.
    #[arg(long, value_enum, default_value_t = MissingArg::Ref)]
    missing: MissingArg,
    /// Haploid calls: the second haplotype is absent, or repeats the first.
    #[arg(long, value_enum, default_value_t = HaploidArg::Absent)]
    haploid: HaploidArg,
    /// Symbolic alleles and breakends.
    #[arg(long, value_enum, default_value_t = SymbolicArg::Skip)]
    symbolic: SymbolicArg,
    /// Records to apply by their FILTER: PASS and `.`, or all.
    #[arg(long, value_enum, default_value_t = ApplyFiltersArg::Pass)]
    apply_filters: ApplyFiltersArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum UnphasedArg {
    Error,
    GtOrder,
    Ref,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MissingArg {
    Ref,
    #[value(name = "N", alias = "n")]
    N,
    Error,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HaploidArg {
    Absent,
    Dup,
    Error,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SymbolicArg {
    Skip,
    Error,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ApplyFiltersArg {
    #[value(name = "pass", alias = ".,PASS")]
    Pass,
    All,
}

impl PolicyArgs {
    /// As the stage's policies.
    #[must_use]
    pub fn policies(&self) -> Policies {
        Policies {
            unphased: match self.unphased {
                UnphasedArg::Error => Unphased::Error,
                UnphasedArg::GtOrder => Unphased::GtOrder,
                UnphasedArg::Ref => Unphased::Ref,
            },
            missing: match self.missing {
                MissingArg::Ref => Missing::Ref,
                MissingArg::N => Missing::N,
                MissingArg::Error => Missing::Error,
            },
            haploid: match self.haploid {
                HaploidArg::Absent => Haploid::Absent,
                HaploidArg::Dup => Haploid::Dup,
                HaploidArg::Error => Haploid::Error,
            },
            symbolic: match self.symbolic {
                SymbolicArg::Skip => Symbolic::Skip,
                SymbolicArg::Error => Symbolic::Error,
            },
            apply_filters: match self.apply_filters {
                ApplyFiltersArg::Pass => ApplyFilters::Pass,
                ApplyFiltersArg::All => ApplyFilters::All,
            },
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Whatever the stage says.
pub fn run(args: Args) -> anyhow::Result<()> {
    let (dictionary, skips, summary) = sequence::run(&args.genomes.options(None))?;
    write_fasta(&dictionary, &args.output)?;
    if let Some(path) = &args.skips {
        write_skips(&dictionary, &skips, path)?;
    }
    eprint!("{summary}");
    Ok(())
}
