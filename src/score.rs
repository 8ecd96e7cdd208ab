//! Stage `score`: applies a saved model to new samples.
//!
//! Input: a model bundle (or a `prs` folder), VCF/BCF and FASTA. Output: a table
//! `sample_id,model,logit,probability`. A reference of another build than the model's is refused.
//!
//! Sequences and tokens are made with the loci, policies, tokenizer and slot grid of the bundle, so
//! that nothing is fitted on the new samples.

mod merge;

pub use self::merge::merge;

use crate::scoring::GenotypeFiles;
use gf_genotypes::FormatOptions;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use gf_cohort_schema::{
    Cohort, CohortNotes, MissingPolicies, Person, Split, nine_significant_digits, probability,
};
use serde::{Deserialize, Serialize};

use crate::layout;
use crate::{
    baselines::{self, AbsentAlleles, PrsModel, Rewritten},
    dataset::{self, Dataset},
    tokens::{self, encode},
    training::{self, Bundle, DeviceChoice},
};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_haplotypes::{
    ApplyFilters, Carried, Dictionary, EmptyLoci, Genomes, Regions, Samples, Sequences,
};

/// Options of the stage `score`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// VCF, VCF.gz or BCF files of the samples.
    pub vcf: Vec<PathBuf>,
    /// What the genotype files do not state about themselves.
    #[serde(default, skip_serializing_if = "FormatOptions::is_default")]
    pub format: FormatOptions,
    /// Samples to read: those of the table with covariates, or of the files without a table.
    #[serde(skip)]
    pub samples: Samples,
    /// FASTA of the model's build. Saved polygenic scores do not need it, but their REF is compared
    /// with it.
    pub reference: Option<PathBuf>,
    /// Folder of a model bundle, or folder that `prs` wrote.
    pub model: PathBuf,
    /// Table with the covariates of the samples, for models that need them. Only its samples are
    /// scored.
    pub cohort: Option<PathBuf>,
    /// Policies for samples without a value of a covariate.
    pub missing: MissingPolicies,
    /// Smallest accepted overlap with the training data, a fraction.
    ///
    /// - Polygenic score: fraction of its alleles in the files. The default is the value of its
    ///   training.
    /// - Sequence model: fraction of the expected common variants that the samples carry. The
    ///   default is [`MIN_OVERLAP`]. It is checked for 50 samples or more.
    pub min_overlap: Option<f64>,
    /// Models of a `prs` folder to apply; all when `None`.
    pub models: Option<Vec<String>>,
    /// Whether a saved polygenic score is applied to one sample without any homozygous-reference
    /// call.
    pub allow_no_hom_ref: bool,
    /// FILTER values of the records that are used; those of the training samples when `None`.
    pub apply_filters: Option<ApplyFilters>,
    /// Device of the computation of a sequence model.
    pub device: DeviceChoice,
    /// CSV file to write; `-` is standard output.
    pub output: PathBuf,
}

/// Summary of a scoring run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Samples scored.
    pub n_people: usize,
    /// Models applied.
    pub models: Vec<String>,
    /// Summary of the sequences, for a sequence model.
    pub sequences: Option<gf_haplotypes::Summary>,
    /// Samples without a value of a covariate: left out, or scored with the training mean.
    #[serde(default)]
    pub cohort: CohortNotes,
    /// Common variants that the samples carry, for a sequence model that lists common variants.
    pub carried: Option<Carried>,
    /// Summary of the tokens, for a sequence model.
    pub tokens: Option<tokens::Summary>,
    /// Warnings about the files, and the dosage rule of chromosome X for a polygenic score.
    pub warnings: Vec<String>,
    /// Alleles of each polygenic score that the files do not have.
    pub absent_alleles: BTreeMap<String, AbsentAlleles>,
    /// Alleles of each polygenic score that are written differently than in the training files.
    pub rewritten_alleles: BTreeMap<String, Rewritten>,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.warnings
            .iter()
            .try_for_each(|warning| writeln!(f, "warning: {warning}"))?;
        write!(f, "{}", self.cohort)?;
        if let Some(sequences) = &self.sequences {
            write!(f, "{sequences}")?;
        }
        if let Some(carried) = &self.carried {
            writeln!(f, "{carried}")?;
        }
        if let Some(tokens) = &self.tokens {
            write!(f, "{tokens}")?;
        }
        for (model, AbsentAlleles { n_alleles, reasons }) in &self.absent_alleles {
            let alleles = counted(*n_alleles, "allele is", "alleles are");
            writeln!(
                f,
                "{model}: {alleles} not counted in these files but read as the mean of the \
                 training samples ({reasons})"
            )?;
        }
        for (model, Rewritten { exchanged, flipped }) in &self.rewritten_alleles {
            let counts = format!(
                "REF and ALT are exchanged at {exchanged} alleles, and {flipped} alleles are on \
                 the opposite strand"
            );
            writeln!(f, "{model}: {counts}. Both are matched by their bases")?;
        }
        writeln!(
            f,
            "{} scored by {}",
            counted(self.n_people, "sample", "samples"),
            self.models.join(", ")
        )
    }
}

/// An error of `score`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder has no model.
    #[error(
        "{}: neither a model bundle (config.json) nor a folder of `prs` (prs_model.json); give one \
         of these folders",
        .0.display()
    )]
    NoModel(PathBuf),
    /// A sequence model needs the reference.
    #[error("a sequence model needs the FASTA of its build; give it with --reference")]
    NoReference,
    /// The model has covariates and no table was given.
    #[error("the model needs the covariates {0}; give a table of them with --cohort")]
    NoCovariates(String),
    /// The bundle is wrong.
    #[error(transparent)]
    Bundle(#[from] training::Error),
    /// The genomes are wrong, or not of the model's build.
    #[error(transparent)]
    Sequence(#[from] gf_haplotypes::Error),
    /// The sequences cannot be tokenized.
    #[error(transparent)]
    Tokens(#[from] tokens::Error),
    /// The samples carry too few of the model's common variants.
    #[error(
        "{}: {carried}, so all further variants would be read as the reference. Likely causes are \
         (1) a VCF with different sites (an array, a region, a different caller), (2) samples of a \
         different ancestry than the training samples, and (3) genotypes that were not read. If \
         this is intended, lower --min-overlap ({min_overlap} now)",
        vcf.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    CommonVariants {
        /// The files.
        vcf: Vec<PathBuf>,
        /// Counts of the carried variants.
        carried: Carried,
        /// Smallest accepted share.
        min_overlap: f64,
    },
    /// A sample has too few genotypes.
    #[error(
        "{}: `{sample}` has {n_missing} missing alleles at {n_records} records of the model's \
         loci, more than a fraction of {:.2} ({n_samples} such samples in total); leave these \
         samples out (--samples-file), or lower --min-overlap",
        vcf.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
        1.0 - min_overlap
    )]
    MissingGenotypes {
        /// The files.
        vcf: Vec<PathBuf>,
        /// The first of these samples.
        sample: String,
        /// Its missing alleles.
        n_missing: u64,
        /// Records of the loci.
        n_records: u64,
        /// Number of such samples.
        n_samples: usize,
        /// Smallest accepted share of genotypes.
        min_overlap: f64,
    },
    /// A folder of `prs` has no model of this name.
    #[error("{}: no model `{name}`; it has {}", path.display(), known.join(", "))]
    NoSuchModel {
        /// The folder.
        path: PathBuf,
        /// The requested name.
        name: String,
        /// Names of the folder's models.
        known: Vec<String>,
    },
    /// `--models` with a sequence model.
    #[error(
        "{}: --models applies to a folder that `prs` wrote, but this bundle has one model; remove \
         --models",
        .0.display()
    )]
    OneModel(PathBuf),
    /// An option is wrong.
    #[error("min_overlap is {0}; give a fraction between 0 and 1")]
    MinOverlap(f64),
    /// The covariates are wrong.
    #[error(transparent)]
    Cohort(#[from] gf_cohort_schema::Error),
    /// Samples and tokens do not fit each other.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// A saved polygenic score cannot be applied.
    #[error(transparent)]
    Prs(#[from] baselines::Error),
    /// A logit is not finite, although the numbers of the model are.
    #[error(
        "{}: `{model}` gives {logit} for sample `{sample}`, so its numbers are too large or \
         damaged; make or download it again",
        .path.display()
    )]
    NotFinite {
        /// Folder of the model.
        path: PathBuf,
        /// Name of the model.
        model: String,
        /// The first such sample.
        sample: String,
        /// The logit.
        logit: f64,
    },
    /// A table does not fit the other tables or the requested samples.
    #[error("{}: {reason}", .path.display())]
    Table {
        /// The table.
        path: PathBuf,
        /// The finding and the next action.
        reason: String,
    },
    /// A file could not be written.
    #[error(transparent)]
    Output(#[from] output::Error),
}

/// Default share of the expected common variants that the samples must carry.
pub const MIN_OVERLAP: f64 = 0.5;

const COLUMNS: [&str; 4] = ["sample_id", "model", "logit", "probability"];

/// Scores all samples of the files.
///
/// # Errors
/// - a model that cannot be read;
/// - genomes that are malformed or of another build;
/// - missing covariates.
pub fn run(options: &Options) -> Result<Summary, Error> {
    if let Some(share) = options
        .min_overlap
        .filter(|share| !(0.0..=1.0).contains(share))
    {
        return Err(Error::MinOverlap(share));
    }
    if options.model.join(layout::CONFIG).exists() {
        sequence_model(options)
    } else if options.model.join(layout::PRS_MODEL).exists() {
        polygenic_scores(options)
    } else {
        Err(Error::NoModel(options.model.clone()))
    }
}

fn sequence_model(options: &Options) -> Result<Summary, Error> {
    if options.models.is_some() {
        return Err(Error::OneModel(options.model.clone()));
    }
    let bundle = Bundle::load(&options.model)?;
    let config = &bundle.config;
    let device = options.device.open()?;
    let source = Source {
        vcf: &options.vcf,
        format: &options.format,
        samples: &options.samples,
        reference: options.reference.as_deref(),
        cohort: options.cohort.as_deref(),
        missing: &options.missing,
        apply_filters: options.apply_filters.as_ref(),
        min_overlap: options.min_overlap.unwrap_or(MIN_OVERLAP),
    };
    let NewSamples {
        dictionary,
        cohort,
        sequences,
    } = people_of(&options.model, &bundle, &source)?;
    let carried = config.genome.carried(&dictionary);
    if carried
        .overlap()
        .is_some_and(|overlap| overlap < source.min_overlap)
    {
        return Err(Error::CommonVariants {
            vcf: options.vcf.clone(),
            carried,
            min_overlap: source.min_overlap,
        });
    }
    let warnings = carried.warning(source.min_overlap).into_iter().collect();
    let (tokens, token_summary) = encode(&dictionary, &bundle.tokenizer, &bundle.grid)?;
    let data = Dataset::new(&tokens, &cohort, config.covariates.clone())?.on(&device);
    let all_samples: Vec<usize> = (0..cohort.people.len()).collect();
    let logits = bundle.logits(&data, &all_samples)?;
    let rows = cohort
        .people
        .iter()
        .zip(logits)
        .map(|(person, logit)| Score {
            sample_id: &person.sample_id,
            model: &config.name,
            logit,
        });
    write(options, rows.collect())?;
    Ok(Summary {
        n_people: all_samples.len(),
        cohort: cohort.notes,
        models: vec![config.name.clone()],
        sequences: Some(sequences),
        carried: Some(carried).filter(|carried| carried.n_common > 0),
        tokens: Some(token_summary),
        warnings,
        ..Summary::default()
    })
}

/// Files and samples to score.
#[derive(Clone, Copy, Debug)]
pub struct Source<'s> {
    /// VCF or BCF files.
    pub vcf: &'s [PathBuf],
    /// What the files do not state about themselves.
    pub format: &'s FormatOptions,
    /// Samples of the table with covariates, or of the files when there is no table.
    pub samples: &'s Samples,
    /// FASTA.
    pub reference: Option<&'s Path>,
    /// Table with the covariates.
    pub cohort: Option<&'s Path>,
    /// Policy for samples without a value of a covariate.
    pub missing: &'s MissingPolicies,
    /// FILTER values of the records that are used; the values of the training when `None`.
    pub apply_filters: Option<&'s ApplyFilters>,
    /// Share of the genotypes that a sample must have.
    pub min_overlap: f64,
}

/// New samples in the form that a model bundle reads.
#[derive(Debug)]
pub struct NewSamples {
    /// Sequences at the loci and by the policies of the bundle. The samples are those of `cohort`,
    /// in the same order.
    pub dictionary: Dictionary,
    /// Covariates of the bundle.
    pub cohort: Cohort,
    /// Summary of the sequences.
    pub sequences: gf_haplotypes::Summary,
}

/// Reads new samples from VCF or BCF files for the bundle in the folder `model`.
///
/// With a table of covariates only its samples are read.
///
/// # Errors
/// Genomes that are malformed or of another build than the bundle's, or missing covariates.
pub fn people_of(model: &Path, bundle: &Bundle, source: &Source<'_>) -> Result<NewSamples, Error> {
    let config = &bundle.config;
    let known: Vec<KnownCovariate> = config
        .covariates
        .iter()
        .map(|covariate| KnownCovariate {
            name: covariate.name.clone(),
            mean: covariate.mean,
            sd: covariate.sd,
        })
        .collect();
    let covariates = covariates(source.cohort, &known, source.missing, source.samples)?;
    let mut policies = config.genome.policies.clone();
    if let Some(filters) = source.apply_filters {
        policies.apply_filters = filters.clone();
    }
    let loci: Vec<_> = config
        .genome
        .loci
        .iter()
        .map(|locus| (locus.locus.clone(), locus.masks.clone()))
        .collect();
    let samples = match &covariates {
        None => source.samples.clone(),
        Some(table) => {
            let ids = table.people.iter().map(|person| person.sample_id.clone());
            Samples::Only(ids.collect())
        }
    };
    let genomes = Genomes {
        genotypes: source.vcf,
        format: source.format,
        reference: source.reference.ok_or(Error::NoReference)?,
        regions: &Regions::File(model.join(layout::CONFIG)),
        samples: &samples,
        policies: &policies,
    };
    let Sequences {
        dictionary,
        summary: mut sequences,
        ..
    } = gf_haplotypes::build(&loci, &genomes, EmptyLoci::AsReference, None)?;
    config.genome.require_same_genome(&dictionary)?;
    require_genotypes(&dictionary.samples, &sequences, source)?;
    let cohort = covariates.unwrap_or_else(|| without_covariates(&dictionary.samples));
    sequences
        .warnings
        .extend(unusual_covariates(&cohort, &known));
    Ok(NewSamples {
        dictionary,
        cohort,
        sequences,
    })
}

/// Refuses samples with a smaller share of genotypes than [`Source::min_overlap`].
///
/// Missing genotypes are read as the reference, so that the score would belong to a different
/// genome.
fn require_genotypes(
    samples: &[String],
    sequences: &gf_haplotypes::Summary,
    source: &Source<'_>,
) -> Result<(), Error> {
    let max_missing = (1.0 - source.min_overlap) * 2.0 * sequences.n_records as f64;
    let mut refused = samples
        .iter()
        .zip(&sequences.n_missing_alleles)
        .filter(|(_, n_missing)| **n_missing as f64 > max_missing);
    let Some((sample, &n_missing)) = refused.next() else {
        return Ok(());
    };
    Err(Error::MissingGenotypes {
        vcf: source.vcf.to_vec(),
        sample: sample.clone(),
        n_missing,
        n_records: sequences.n_records,
        n_samples: refused.count() + 1,
        min_overlap: source.min_overlap,
    })
}

/// Number of standard deviations from the training mean beyond which a covariate is probably in
/// another unit.
const UNUSUAL_SD: f64 = 6.0;

/// A covariate of a model, with its mean and standard deviation in the training samples.
struct KnownCovariate {
    name: String,
    mean: f64,
    sd: f64,
}

impl KnownCovariate {
    fn is_unusual(&self, value: f64) -> bool {
        self.sd > 0.0 && (value - self.mean).abs() > UNUSUAL_SD * self.sd
    }
}

/// Warnings about covariates that are far from the training samples.
fn unusual_covariates(cohort: &Cohort, known: &[KnownCovariate]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (column, name) in cohort.covariate_names.iter().enumerate() {
        let Some(covariate) = known.iter().find(|covariate| covariate.name == *name) else {
            continue;
        };
        let KnownCovariate { mean, sd, .. } = covariate;
        let mut unusual = cohort
            .people
            .iter()
            .map(|person| person.covariates[column])
            .filter(|&value| covariate.is_unusual(value));
        if let Some(first) = unusual.next() {
            warnings.push(format!(
                "`{name}` of {} is more than {UNUSUAL_SD} standard deviations from the mean of \
                 the training samples ({mean:.3}, standard deviation {sd:.3}), such as {first}; \
                 check that it is in the same unit",
                counted(unusual.count() + 1, "sample", "samples")
            ));
        }
    }
    warnings
}

fn polygenic_scores(options: &Options) -> Result<Summary, Error> {
    let model = load_prs_model(options)?;
    let known: Vec<KnownCovariate> = model
        .covariates()
        .into_iter()
        .map(|(name, (mean, sd))| KnownCovariate {
            name: name.to_owned(),
            mean,
            sd,
        })
        .collect();
    let cohort = covariates(
        options.cohort.as_deref(),
        &known,
        &options.missing,
        &options.samples,
    )?;
    let (rows, applied) = model.apply(
        &GenotypeFiles {
            paths: &options.vcf,
            format: &options.format,
        },
        &options.samples,
        options.reference.as_deref(),
        cohort.as_ref(),
    )?;
    let scores = rows.iter().map(|row| Score {
        sample_id: &row.sample_id,
        model: &row.model,
        logit: row.logit,
    });
    write(options, scores.collect())?;
    let mut warnings = applied.warnings;
    warnings.extend(
        cohort
            .iter()
            .flat_map(|cohort| unusual_covariates(cohort, &known)),
    );
    let mut models: Vec<String> = rows.iter().map(|row| row.model.clone()).collect();
    models.dedup();
    Ok(Summary {
        n_people: applied.n_people,
        cohort: cohort.map(|cohort| cohort.notes).unwrap_or_default(),
        models,
        absent_alleles: applied.absent_alleles,
        rewritten_alleles: applied.rewritten_alleles,
        warnings,
        ..Summary::default()
    })
}

/// Loads the saved scores, with the options applied and only the chosen models.
fn load_prs_model(options: &Options) -> Result<PrsModel, Error> {
    let mut model = PrsModel::load(&options.model.join(layout::PRS_MODEL))?;
    model.reading.allow_no_hom_ref |= options.allow_no_hom_ref;
    if let Some(filters) = &options.apply_filters {
        model.filters = filters.names().unwrap_or_default();
    }
    model.min_overlap = options.min_overlap.unwrap_or(model.min_overlap);
    let Some(chosen) = &options.models else {
        return Ok(model);
    };
    let known: Vec<String> = model
        .baselines
        .iter()
        .map(|baseline| baseline.model.clone())
        .collect();
    if let Some(unknown) = chosen.iter().find(|name| !known.contains(name)) {
        return Err(Error::NoSuchModel {
            path: options.model.clone(),
            name: unknown.clone(),
            known,
        });
    }
    model
        .baselines
        .retain(|baseline| chosen.contains(&baseline.model));
    Ok(model)
}

/// The table of covariates, when the model needs them or the user gave one.
fn covariates(
    cohort: Option<&Path>,
    known: &[KnownCovariate],
    missing: &MissingPolicies,
    samples: &Samples,
) -> Result<Option<Cohort>, Error> {
    match cohort {
        Some(path) => {
            let means: Vec<(String, f64)> = known
                .iter()
                .map(|covariate| (covariate.name.clone(), covariate.mean))
                .collect();
            let mut cohort = Cohort::read_covariates(path, &means, missing)?;
            samples
                .retain(&mut cohort.people, |person| &person.sample_id)
                .map_err(|reason| Error::Table {
                    path: path.into(),
                    reason,
                })?;
            Ok(Some(cohort))
        }
        None if known.is_empty() => Ok(None),
        None => {
            let names: Vec<&str> = known
                .iter()
                .map(|covariate| covariate.name.as_str())
                .collect();
            Err(Error::NoCovariates(names.join(", ")))
        }
    }
}

fn without_covariates(samples: &[String]) -> Cohort {
    Cohort {
        people: samples
            .iter()
            .map(|sample_id| Person {
                sample_id: sample_id.clone(),
                phenotype: None,
                split: Split::Test,
                family_id: None,
                covariates: Vec::new(),
            })
            .collect(),
        covariate_names: Vec::new(),
        ..Cohort::default()
    }
}

/// The logit of a sample by a model.
struct Score<'s> {
    sample_id: &'s str,
    model: &'s str,
    logit: f64,
}

/// Writes the table; `-` is standard output.
fn write(options: &Options, scores: Vec<Score<'_>>) -> Result<(), Error> {
    if let Some(score) = scores.iter().find(|score| !score.logit.is_finite()) {
        return Err(Error::NotFinite {
            path: options.model.clone(),
            model: score.model.into(),
            sample: score.sample_id.into(),
            logit: score.logit,
        });
    }
    let mut rows = scores.into_iter().map(|score| {
        (
            score.sample_id.to_string(),
            score.model.to_string(),
            nine_significant_digits(score.logit),
            nine_significant_digits(probability(score.logit)),
        )
    });
    if options.output == Path::new("-") {
        let mut table = csv::Writer::from_writer(std::io::stdout().lock());
        let written = table
            .write_record(COLUMNS)
            .and_then(|()| rows.try_for_each(|row| table.serialize(row)));
        return Ok(written
            .map_err(std::io::Error::from)
            .and_then(|()| table.flush())
            .map_err(output::at(&options.output))?);
    }
    Ok(output::write_csv(&options.output, &COLUMNS, rows)?)
}
