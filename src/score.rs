//! Stage: a saved model on new people.
//!
//! Input -> output: a model bundle (or a `prs` folder), VCF/BCF and FASTA ->
//! `sample_id,model,logit,probability`. One person or a million; refuses a reference or a build
//! other than the model's. Sequences and tokens are made with the loci, policies, tokenizer and
//! slot grid of the bundle, so nothing is measured on the people scored.

mod merge;

pub use self::merge::merge;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use gf_cohort_schema::{
    Cohort, CohortNotes, MissingPolicies, Split, nine_significant_digits, probability,
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
use gf_haplotypes::{ApplyFilters, Carried, Dictionary, EmptyLoci, Regions, Samples};

/// What the stage needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// VCF, VCF.gz or BCF files of the people.
    pub vcf: Vec<PathBuf>,
    /// Whose genotypes are read: of the table with covariates, or of the files without one.
    #[serde(skip)]
    pub samples: Samples,
    /// FASTA of the model's build; for saved polygenic scores it is not needed, but REF is
    /// compared with it.
    pub reference: Option<PathBuf>,
    /// Folder of a model bundle, or folder that `prs` wrote.
    pub model: PathBuf,
    /// Table with the covariates of the people, for models that need them; only the people in it
    /// are scored.
    pub cohort: Option<PathBuf>,
    /// What happens to people without a value of a covariate.
    pub missing: MissingPolicies,
    /// Least share that must be there: of a polygenic score's alleles (what was asked of its
    /// training people when `None`), of a sequence model's common variants that so many people
    /// would be expected to carry ([`MIN_OVERLAP`] when `None`; asked of 50 people and more).
    pub min_overlap: Option<f64>,
    /// Of a folder of `prs`: the models to apply; all when `None`.
    pub models: Option<Vec<String>>,
    /// Score one person whose files hold no homozygous-reference call by a saved polygenic score.
    pub allow_no_hom_ref: bool,
    /// Records that are used by their FILTER; as for the training people when `None`.
    pub apply_filters: Option<ApplyFilters>,
    /// Where a sequence model is computed.
    pub device: DeviceChoice,
    /// CSV to write.
    pub output: PathBuf,
}

/// What the stage did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// People scored.
    pub n_people: usize,
    /// Models applied.
    pub models: Vec<String>,
    /// Of the sequences, for a sequence model.
    pub sequences: Option<gf_haplotypes::Summary>,
    /// People without a value of a covariate: left out, or with the mean of the training people.
    #[serde(default)]
    pub cohort: CohortNotes,
    /// Common variants that the people carry, for a sequence model that says which are.
    pub carried: Option<Carried>,
    /// Of the tokens, for a sequence model.
    pub tokens: Option<tokens::Summary>,
    /// What was odd about the files, and how chromosome X was counted, for a polygenic score.
    pub warnings: Vec<String>,
    /// Alleles of each polygenic score that the files do not have.
    pub absent_alleles: BTreeMap<String, AbsentAlleles>,
    /// Alleles of each polygenic score whose records are written in another way than those of the
    /// training people.
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
                "{model}: {alleles} not counted here and read as the mean of the training people: \
                 {reasons}"
            )?;
        }
        for (model, Rewritten { exchanged, flipped }) in &self.rewritten_alleles {
            let counts = format!(
                "REF and ALT are exchanged at {exchanged} alleles, {flipped} are on the other \
                 strand"
            );
            writeln!(f, "{model}: {counts}; both are matched by their bases")?;
        }
        writeln!(
            f,
            "{} scored by {}",
            counted(self.n_people, "person", "people"),
            self.models.join(", ")
        )
    }
}

/// Why nobody was scored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder holds no model.
    #[error("{}: neither a model bundle (config.json) nor a folder of `prs` (prs_model.json)", .0.display())]
    NoModel(PathBuf),
    /// A sequence model needs the reference.
    #[error("a sequence model needs --reference, the FASTA of its build")]
    NoReference,
    /// The model has covariates and the table has not.
    #[error("the model needs the covariates {0}: give them with --cohort")]
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
    /// Other people's files, or another kind of file.
    #[error(
        "{}: {carried}, so the others would be read as the reference. Likely causes: (1) a VCF of other sites (an array, a region, another caller); \
         (2) people of another ancestry than the training people; (3) genotypes that were not read. If this is meant, lower the wanted share \
         (--min-overlap, {min_overlap} now)",
        vcf.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    CommonVariants {
        /// The files.
        vcf: Vec<PathBuf>,
        /// What was found.
        carried: Carried,
        /// Share wanted.
        min_overlap: f64,
    },
    /// A sample has too few genotypes.
    #[error(
        "{}: `{sample}` has {n_missing} missing alleles at {n_records} records of the model's loci, \
         more than a share of {:.2} ({n_samples} such samples in all): leave these samples out \
         (--samples-file), or accept it with a smaller --min-overlap",
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
        /// All such samples.
        n_samples: usize,
        /// Share of genotypes that is wanted.
        min_overlap: f64,
    },
    /// A folder of `prs` has no such model.
    #[error("{}: no model `{name}`; it has {}", path.display(), known.join(", "))]
    NoSuchModel {
        /// The folder.
        path: PathBuf,
        /// The name asked for.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// `--models` with a sequence model.
    #[error("{}: a model bundle is one model; --models chooses among those of a folder that `prs` wrote", .0.display())]
    OneModel(PathBuf),
    /// An option is wrong.
    #[error("min_overlap is {0}; it is a share between 0 and 1")]
    MinOverlap(f64),
    /// The covariates are wrong.
    #[error(transparent)]
    Cohort(#[from] gf_cohort_schema::Error),
    /// People and tokens do not fit.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// A saved polygenic score cannot be applied.
    #[error(transparent)]
    Prs(#[from] baselines::Error),
    /// The numbers of the model are finite, but not what comes of them.
    #[error("{}: `{model}` gives {logit} for person `{sample}`: its numbers are too large or damaged; make or download it again", .path.display())]
    NotFinite {
        /// Folder of the model.
        path: PathBuf,
        /// Its name.
        model: String,
        /// The first such person.
        sample: String,
        /// What came out.
        logit: f64,
    },
    /// A table does not belong to the others, or to the samples asked for.
    #[error("{}: {reason}", .path.display())]
    Table {
        /// The table.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file could not be written.
    #[error(transparent)]
    Output(#[from] output::Error),
}

/// Share of the common variants to be expected that must be there, unless something else is asked
/// for.
pub const MIN_OVERLAP: f64 = 0.5;

const COLUMNS: [&str; 4] = ["sample_id", "model", "logit", "probability"];

/// Scores everyone in the files.
///
/// # Errors
/// A model that cannot be read, genomes that are wrong or of another build, covariates that are
/// missing.
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
        samples: &options.samples,
        reference: options.reference.as_deref(),
        cohort: options.cohort.as_deref(),
        missing: &options.missing,
        apply_filters: options.apply_filters.as_ref(),
        min_overlap: options.min_overlap.unwrap_or(MIN_OVERLAP),
    };
    let min_overlap = source.min_overlap;
    let NewSamples {
        dictionary,
        cohort,
        sequences,
    } = people_of(&options.model, &bundle, &source)?;
    let carried = config.genome.carried(&dictionary);
    if carried
        .overlap()
        .is_some_and(|overlap| overlap < min_overlap)
    {
        return Err(Error::CommonVariants {
            vcf: options.vcf.clone(),
            carried,
            min_overlap,
        });
    }
    let warnings = carried.warning(min_overlap).into_iter().collect();
    let (tokens, token_summary) = encode(&dictionary, &bundle.tokenizer, &bundle.grid)?;
    let data = Dataset::new(&tokens, &cohort, config.covariates.clone())?.on(&device);
    let everyone: Vec<usize> = (0..cohort.people.len()).collect();
    let scored = cohort.people.iter().zip(bundle.logits(&data, &everyone)?);
    write(
        options,
        scored.map(|(person, logit)| (person.sample_id.as_str(), config.name.as_str(), logit)),
    )?;
    Ok(Summary {
        n_people: everyone.len(),
        cohort: cohort.notes,
        models: vec![config.name.clone()],
        sequences: Some(sequences),
        carried: Some(carried).filter(|carried| carried.n_common > 0),
        tokens: Some(token_summary),
        warnings,
        ..Summary::default()
    })
}

/// Where people come from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'s> {
    /// VCF or BCF files.
    pub vcf: &'s [PathBuf],
    /// Which people of the table, or of the files without one.
    pub samples: &'s Samples,
    /// FASTA.
    pub reference: Option<&'s Path>,
    /// Table with the covariates.
    pub cohort: Option<&'s Path>,
    /// What happens to people without a value of one.
    pub missing: &'s MissingPolicies,
    /// Records that are used by their FILTER; as for the training samples when `None`.
    pub apply_filters: Option<&'s ApplyFilters>,
    /// Share of the genotypes that a sample must have.
    pub min_overlap: f64,
}

/// People of some files as a model bundle reads them.
#[derive(Debug)]
pub struct NewSamples {
    /// Their sequences, at the loci and by the policies of the bundle; its people are those of
    /// `cohort`, in the same order.
    pub dictionary: Dictionary,
    /// Their covariates, as the bundle needs them.
    pub cohort: Cohort,
    /// Of the sequences.
    pub sequences: gf_haplotypes::Summary,
}

/// Reads the people of VCF or BCF files, all of them or those of a table with the covariates that
/// the bundle in `model` needs.
///
/// # Errors
/// Genomes that are wrong or of another build than the bundle's, covariates that are missing.
pub fn people_of(model: &Path, bundle: &Bundle, source: &Source<'_>) -> Result<NewSamples, Error> {
    let config = &bundle.config;
    let known: Vec<KnownCovariate> = config
        .covariates
        .iter()
        .map(|covariate| (covariate.name.clone(), covariate.mean, covariate.sd))
        .collect();
    let cohort = covariates(source.cohort, &known, source.missing, source.samples)?;
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
    let sequence_options = gf_haplotypes::Options {
        vcf: source.vcf.to_vec(),
        reference: source.reference.ok_or(Error::NoReference)?.into(),
        regions: Regions::File(model.join(layout::CONFIG)),
        samples: cohort.as_ref().map_or_else(
            || source.samples.clone(),
            |cohort| {
                Samples::Only(
                    cohort
                        .people
                        .iter()
                        .map(|person| person.sample_id.clone())
                        .collect(),
                )
            },
        ),
        policies,
        mask: None,
        callable: None,
        skips: None,
    };
    let (dictionary, _, mut sequences) =
        gf_haplotypes::of_loci(&loci, &sequence_options, EmptyLoci::AsReference)?;
    config.genome.require_same_genome(&dictionary)?;
    require_genotypes(&dictionary.samples, &sequences, source)?;
    let cohort = cohort.unwrap_or_else(|| without_covariates(&dictionary.samples));
    sequences
        .warnings
        .extend(unusual_covariates(&cohort, &known));
    Ok(NewSamples {
        dictionary,
        cohort,
        sequences,
    })
}

/// Refuses samples with fewer genotypes than [`Source::min_overlap`]: the missing ones are read as
/// the reference, so they would be scored as somebody else.
fn require_genotypes(
    samples: &[String],
    sequences: &gf_haplotypes::Summary,
    source: &Source<'_>,
) -> Result<(), Error> {
    let most = (1.0 - source.min_overlap) * 2.0 * sequences.n_records as f64;
    let mut refused = samples
        .iter()
        .zip(&sequences.n_missing_alleles)
        .filter(|(_, n_missing)| **n_missing as f64 > most);
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

/// Standard deviations from the mean of the training samples beyond which a covariate is probably in
/// another unit.
const UNUSUAL_SD: f64 = 6.0;

/// A covariate of a model: its name, and mean and standard deviation among the training samples.
type KnownCovariate = (String, f64, f64);

/// Says which covariates are far from those of the training samples.
fn unusual_covariates(cohort: &Cohort, known: &[KnownCovariate]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (place, name) in cohort.covariate_names.iter().enumerate() {
        let Some((_, mean, sd)) = known.iter().find(|(other, ..)| other == name) else {
            continue;
        };
        let values = cohort.people.iter().map(|person| person.covariates[place]);
        let is_unusual = |value: &f64| *sd > 0.0 && (value - mean).abs() > UNUSUAL_SD * sd;
        let mut unusual = values.filter(is_unusual);
        if let Some(first) = unusual.next() {
            warnings.push(format!(
                "`{name}` of {} is more than {UNUSUAL_SD} standard deviations from the mean of \
                 the training samples ({mean:.3}, standard deviation {sd:.3}), such as {first}: \
                 is it in the same unit?",
                counted(unusual.count() + 1, "sample", "samples")
            ));
        }
    }
    warnings
}

fn polygenic_scores(options: &Options) -> Result<Summary, Error> {
    let mut model = PrsModel::load(&options.model.join(layout::PRS_MODEL))?;
    model.reading.allow_no_hom_ref |= options.allow_no_hom_ref;
    if let Some(filters) = &options.apply_filters {
        model.filters = filters.names().unwrap_or_default();
    }
    model.min_overlap = options.min_overlap.unwrap_or(model.min_overlap);
    if let Some(models) = &options.models {
        if let Some(unknown) = models.iter().find(|name| {
            !model
                .baselines
                .iter()
                .any(|baseline| baseline.model == **name)
        }) {
            let known = model
                .baselines
                .iter()
                .map(|baseline| baseline.model.clone())
                .collect();
            return Err(Error::NoSuchModel {
                path: options.model.clone(),
                name: unknown.clone(),
                known,
            });
        }
        model
            .baselines
            .retain(|baseline| models.contains(&baseline.model));
    }
    let known: Vec<KnownCovariate> = model
        .covariates()
        .into_iter()
        .map(|(name, (mean, sd))| (name.to_owned(), mean, sd))
        .collect();
    let cohort = covariates(
        options.cohort.as_deref(),
        &known,
        &options.missing,
        &options.samples,
    )?;
    let (rows, applied) = model.apply(
        &options.vcf,
        &options.samples,
        options.reference.as_deref(),
        cohort.as_ref(),
    )?;
    write(
        options,
        rows.iter()
            .map(|row| (row.sample_id.as_str(), row.model.as_str(), row.logit)),
    )?;
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
                .map(|(name, mean, _)| (name.clone(), *mean))
                .collect();
            let mut cohort = Cohort::read_covariates(path, &means, missing)?;
            let kept = samples.retain(&mut cohort.people, |person| &person.sample_id);
            kept.map_err(|reason| Error::Table {
                path: path.into(),
                reason,
            })?;
            Ok(Some(cohort))
        }
        None if known.is_empty() => Ok(None),
        None => {
            let names: Vec<&str> = known.iter().map(|(name, ..)| name.as_str()).collect();
            Err(Error::NoCovariates(names.join(", ")))
        }
    }
}

fn without_covariates(samples: &[String]) -> Cohort {
    let person = |sample_id: &String| gf_cohort_schema::Person {
        sample_id: sample_id.clone(),
        phenotype: None,
        split: Split::Test,
        family_id: None,
        covariates: Vec::new(),
    };
    Cohort {
        people: samples.iter().map(person).collect(),
        covariate_names: Vec::new(),
        ..Cohort::default()
    }
}

fn write<'a>(
    options: &Options,
    rows: impl Iterator<Item = (&'a str, &'a str, f64)>,
) -> Result<(), Error> {
    let rows: Vec<_> = rows.collect();
    if let Some(&(sample, model, logit)) = rows.iter().find(|(.., logit)| !logit.is_finite()) {
        return Err(Error::NotFinite {
            path: options.model.clone(),
            model: model.into(),
            sample: sample.into(),
            logit,
        });
    }
    let rows = rows.into_iter().map(|(sample_id, model, logit)| {
        (
            sample_id.to_string(),
            model.to_string(),
            nine_significant_digits(logit),
            nine_significant_digits(probability(logit)),
        )
    });
    if options.output == Path::new("-") {
        let mut table = csv::Writer::from_writer(std::io::stdout().lock());
        let at = output::at(&options.output);
        let written = table
            .write_record(COLUMNS)
            .and_then(|()| rows.into_iter().try_for_each(|row| table.serialize(row)));
        return Ok(written
            .map_err(std::io::Error::from)
            .and_then(|()| table.flush())
            .map_err(at)?);
    }
    Ok(output::write_csv(&options.output, &COLUMNS, rows)?)
}
