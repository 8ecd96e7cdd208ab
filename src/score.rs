//! Stage: a saved model on new people.
//!
//! Input -> output: a model bundle (or a `prs` folder), VCF/BCF and FASTA -> `sample_id,model,logit,probability`. One person or a million;
//! refuses a reference or a build other than the model's. Sequences and tokens are made with the loci, policies, tokenizer and slot grid of the
//! bundle, so nothing is measured on the people scored.

mod merge;

pub use self::merge::merge;

use std::path::{Path, PathBuf};

use gf_cohort_schema::{Cohort, Split, nine_significant_digits, probability};
use serde::{Deserialize, Serialize};

use crate::{
    dataset::{self, Dataset},
    output,
    prs::{self, PrsModel},
    sequence::{self, Dictionary, EmptyLoci, Regions, Samples},
    tokenization::{self, encode},
    training::{self, Bundle, DeviceChoice},
};

/// What the stage needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// VCF, VCF.gz or BCF files of the people.
    pub vcf: Vec<PathBuf>,
    /// FASTA of the model's build; not needed for saved polygenic scores.
    pub reference: Option<PathBuf>,
    /// Folder of a model bundle, or folder that `prs` wrote.
    pub model: PathBuf,
    /// Table with the covariates of the people, for models that need them; only the people in it are scored.
    pub cohort: Option<PathBuf>,
    /// Score one person whose files hold no homozygous-reference call by a saved polygenic score.
    pub allow_no_hom_ref: bool,
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
    pub sequences: Option<sequence::Summary>,
    /// Of the tokens, for a sequence model.
    pub tokens: Option<tokenization::Summary>,
    /// What was odd about the files, and how chromosome X was counted, for a polygenic score.
    pub warnings: Vec<String>,
    /// Alleles of each polygenic score that the files do not have.
    pub absent_alleles: std::collections::BTreeMap<String, usize>,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))?;
        if let Some(sequences) = &self.sequences {
            write!(f, "{sequences}")?;
        }
        if let Some(tokens) = &self.tokens {
            write!(f, "{tokens}")?;
        }
        for (model, n_absent) in &self.absent_alleles {
            writeln!(f, "{model}: {n_absent} alleles are not in these files and read as the mean of the training people")?;
        }
        writeln!(f, "{} people scored by {}", self.n_people, self.models.join(", "))
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
    Sequence(#[from] sequence::Error),
    /// The sequences cannot be tokenized.
    #[error(transparent)]
    Tokens(#[from] tokenization::Error),
    /// The covariates are wrong.
    #[error(transparent)]
    Cohort(#[from] gf_cohort_schema::Error),
    /// People and tokens do not fit.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// A saved polygenic score cannot be applied.
    #[error(transparent)]
    Prs(#[from] prs::Error),
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
    /// Tables of blocks of people do not belong together.
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

const COLUMNS: [&str; 4] = ["sample_id", "model", "logit", "probability"];

/// Scores everyone in the files.
///
/// # Errors
/// A model that cannot be read, genomes that are wrong or of another build, covariates that are missing.
pub fn run(options: &Options) -> Result<Summary, Error> {
    if options.model.join("config.json").exists() {
        sequence_model(options)
    } else if options.model.join("prs_model.json").exists() {
        polygenic_scores(options)
    } else {
        Err(Error::NoModel(options.model.clone()))
    }
}

fn sequence_model(options: &Options) -> Result<Summary, Error> {
    let bundle = Bundle::load(&options.model)?;
    let config = &bundle.config;
    let device = options.device.open()?;
    let People { dictionary, cohort, sequences } =
        people_of(&options.model, &bundle, &options.vcf, options.reference.as_deref(), options.cohort.as_deref())?;
    let (tokens, token_summary) = encode(&dictionary, &bundle.tokenizer, &bundle.grid)?;
    let data = Dataset::new(&tokens, &cohort, config.covariates.clone())?.on(&device);
    let everyone: Vec<usize> = (0..cohort.people.len()).collect();
    let scored = cohort.people.iter().zip(bundle.logits(&data, &everyone)?);
    write(options, scored.map(|(person, logit)| (person.sample_id.as_str(), config.name.as_str(), logit)))?;
    Ok(Summary {
        n_people: everyone.len(),
        models: vec![config.name.clone()],
        sequences: Some(sequences),
        tokens: Some(token_summary),
        ..Summary::default()
    })
}

/// People of some files as a model bundle reads them.
#[derive(Debug)]
pub struct People {
    /// Their sequences, at the loci and by the policies of the bundle; its people are those of `cohort`, in the same order.
    pub dictionary: Dictionary,
    /// Their covariates, as the bundle needs them.
    pub cohort: Cohort,
    /// Of the sequences.
    pub sequences: sequence::Summary,
}

/// Reads the people of VCF or BCF files, all of them or those of a table with the covariates that the bundle in `model` needs.
///
/// # Errors
/// Genomes that are wrong or of another build than the bundle's, covariates that are missing.
pub fn people_of(model: &Path, bundle: &Bundle, vcf: &[PathBuf], reference: Option<&Path>, cohort: Option<&Path>) -> Result<People, Error> {
    let config = &bundle.config;
    let names: Vec<String> = config.covariates.iter().map(|covariate| covariate.name.clone()).collect();
    let cohort = covariates(cohort, &names)?;
    let loci: Vec<_> = config.genome.loci.iter().map(|locus| (locus.locus.clone(), locus.masks.clone())).collect();
    let sequence_options = sequence::Options {
        vcf: vcf.to_vec(),
        reference: reference.ok_or(Error::NoReference)?.into(),
        regions: Regions::File(model.join("config.json")),
        samples: cohort
            .as_ref()
            .map_or(Samples::All, |cohort| Samples::Only(cohort.people.iter().map(|person| person.sample_id.clone()).collect())),
        policies: config.genome.policies.clone(),
        mask: None,
        callable: None,
        skips: None,
    };
    let (dictionary, _, sequences) = sequence::of_loci(&loci, &sequence_options, EmptyLoci::AsReference)?;
    config.genome.require_same_genome(&dictionary)?;
    let cohort = cohort.unwrap_or_else(|| without_covariates(&dictionary.samples));
    Ok(People { dictionary, cohort, sequences })
}

fn polygenic_scores(options: &Options) -> Result<Summary, Error> {
    let mut model = PrsModel::load(&options.model.join("prs_model.json"))?;
    model.reading.allow_no_hom_ref |= options.allow_no_hom_ref;
    let names: Vec<String> = model.covariate_names().into_iter().map(String::from).collect();
    let cohort = covariates(options.cohort.as_deref(), &names)?;
    let (rows, applied) = model.apply(&options.vcf, cohort.as_ref())?;
    write(options, rows.iter().map(|row| (row.sample_id.as_str(), row.model.as_str(), row.logit)))?;
    let mut models: Vec<String> = rows.iter().map(|row| row.model.clone()).collect();
    models.dedup();
    let (absent_alleles, warnings) = (applied.absent_alleles, applied.warnings);
    Ok(Summary { n_people: applied.n_people, models, absent_alleles, warnings, ..Summary::default() })
}

/// The table of covariates, when the model needs them or the user gave one.
fn covariates(cohort: Option<&Path>, names: &[String]) -> Result<Option<Cohort>, Error> {
    match cohort {
        Some(path) => Ok(Some(Cohort::read_covariates(path, names)?)),
        None if names.is_empty() => Ok(None),
        None => Err(Error::NoCovariates(names.join(", "))),
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
    Cohort { people: samples.iter().map(person).collect(), covariate_names: Vec::new() }
}

fn write<'a>(options: &Options, rows: impl Iterator<Item = (&'a str, &'a str, f64)>) -> Result<(), Error> {
    let rows: Vec<_> = rows.collect();
    if let Some(&(sample, model, logit)) = rows.iter().find(|(.., logit)| !logit.is_finite()) {
        return Err(Error::NotFinite { path: options.model.clone(), model: model.into(), sample: sample.into(), logit });
    }
    let rows = rows.into_iter().map(|(sample_id, model, logit)| {
        (sample_id.to_string(), model.to_string(), nine_significant_digits(logit), nine_significant_digits(probability(logit)))
    });
    if options.output == Path::new("-") {
        let mut table = csv::Writer::from_writer(std::io::stdout().lock());
        let at = output::at(&options.output);
        let written = table.write_record(COLUMNS).and_then(|()| rows.into_iter().try_for_each(|row| table.serialize(row)));
        return Ok(written.map_err(std::io::Error::from).and_then(|()| table.flush()).map_err(at)?);
    }
    Ok(output::write_csv(&options.output, &COLUMNS, rows)?)
}
