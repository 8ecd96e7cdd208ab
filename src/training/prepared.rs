//! The inputs that all members share, read and checked.

use std::{collections::HashSet, path::Path};

use candle_core::Device;
use gf_cohort_schema::{Cohort, Prediction, Split, write_predictions};
use gf_files::output;

use super::{
    MemberSummary, Options, Summary,
    bundle::{Bundle, BundleConfig, MemberRecord, weight_files},
    error::Error,
    init::Initial,
    member::{MemberFiles, SharedByMembers},
    members::{self, MemberPlan},
    memory,
    names::name_of,
    predictions::out_of_fold_auroc,
    ranks::Ranks,
    require_additive_term,
    terms::{self, TermSetup, TrainedMember},
};
use crate::tables::write_shareable;
use crate::{
    dataset::{Dataset, Standardisation},
    layout,
    models::{Config, LocusShape},
    tokens,
};

/// The inputs that all members share, read and checked.
pub(super) struct Prepared<'o> {
    pub(super) options: &'o Options,
    pub(super) ranks: &'o Ranks,
    pub(super) name: String,
    pub(super) device: Device,
    pub(super) cohort: Cohort,
    pub(super) folder: tokens::Folder,
    pub(super) config: Config,
    pub(super) plan: MemberPlan,
    /// One per member of the plan.
    pub(super) member_files: Vec<MemberFiles>,
    /// Numbers of all loci, from 0.
    pub(super) loci: Vec<usize>,
    pub(super) standardisation: Vec<Standardisation>,
    pub(super) initial: Option<Initial>,
    /// SHA-256 of all inputs and options that the weights depend on.
    pub(super) digest: String,
}

impl<'o> Prepared<'o> {
    pub(super) fn new(options: &'o Options, ranks: &'o Ranks) -> Result<Self, Error> {
        options.schedule.check()?;
        require_additive_term(options)?;
        require_no_prs_model(&options.out)?;
        let device = options.device.open()?;
        let Inputs { cohort, folder } = Inputs::read(options)?;
        let config = config_of(options, &folder, &cohort);
        memory::require(&config, options, cohort.people.len())?;
        let plan = MemberPlan::new(&cohort, &options.schedule)?;
        let training: Vec<usize> = cohort
            .in_split(Split::Train)
            .filter(|(_, person)| person.phenotype.is_some())
            .map(|(sample, _)| sample)
            .collect();
        let initial = options
            .init
            .as_ref()
            .map(|path| Initial::load(path, &folder.tokenizer, &folder.grid, &cohort, &plan))
            .transpose()?;
        let name = name_of(options);
        Ok(Self {
            options,
            ranks,
            digest: digest_of(options, &name, ranks)?,
            name,
            device,
            standardisation: Standardisation::fit(&cohort, &training),
            cohort,
            folder,
            loci: (0..config.loci.len()).collect(),
            config,
            member_files: member_files(options, &plan),
            plan,
            initial,
        })
    }

    /// The index of a member (1-based).
    pub(super) fn member_index(&self, number: usize) -> Result<usize, Error> {
        let n_members = self.plan.members.len();
        if !(1..=n_members).contains(&number) {
            let reason = format!("there is no member {number}; choose one from 1 to {n_members}");
            return Err(Error::Options(reason));
        }
        Ok(number - 1)
    }

    pub(super) fn data(&self) -> Result<Dataset<'_>, Error> {
        Ok(Dataset::new(
            &self.folder.tokens,
            &self.cohort,
            self.standardisation.clone(),
        )?
        .on(&self.device))
    }

    pub(super) fn term_setup(&self) -> TermSetup<'_> {
        TermSetup {
            additive: self.options.additive,
            deep_terms: self.options.deep_terms,
            tokenizer: &self.folder.tokenizer,
        }
    }

    pub(super) fn setting<'s>(&'s self, data: &'s Dataset<'s>) -> SharedByMembers<'s> {
        SharedByMembers {
            config: &self.config,
            data,
            loci: &self.loci,
            cohort: &self.cohort,
            schedule: &self.options.schedule,
            digest: &self.digest,
            initial: self.initial.as_ref(),
            resume: self.options.resume,
            device: &self.device,
            ranks: self.ranks,
        }
    }

    /// The members that were trained one by one.
    pub(super) fn trained(
        &self,
        setting: &SharedByMembers<'_>,
    ) -> Result<Vec<TrainedMember>, Error> {
        self.member_files
            .iter()
            .map(|files| terms::trained(setting, self.term_setup(), files))
            .collect()
    }

    /// Writes the bundle.
    pub(super) fn bundle(
        self,
        trained: Vec<TrainedMember>,
        rows: &[Prediction],
    ) -> Result<Summary, Error> {
        let summary = self.summarize(&trained, rows)?;
        let records = summary
            .members
            .iter()
            .zip(&trained)
            .map(|(member, trained)| MemberRecord {
                fold: member.fold,
                seed: member.seed,
                best_epoch: member.best_epoch,
                terms: trained.terms.clone(),
            })
            .collect();
        let log = trained.iter().enumerate().flat_map(|(index, trained)| {
            trained
                .log
                .iter()
                .map(move |(term, log)| log.row(index + 1, *term))
        });
        // `config.json` marks a complete bundle: an older one goes first, and `save` writes it
        // last.
        let out = &self.options.out;
        output::remove_if_there(&out.join(layout::CONFIG))?;
        write_shareable(&out.join(layout::TRAINING_LOG), log)?;
        output::write(&out.join(layout::PREDICTIONS), |out| {
            write_predictions(out, rows)
        })?;
        Bundle {
            config: BundleConfig::new(
                self.name,
                self.config,
                self.folder.genome,
                self.standardisation,
                records,
            ),
            tokenizer: self.folder.tokenizer,
            grid: self.folder.grid,
            members: trained.into_iter().map(|trained| trained.weights).collect(),
        }
        .save(out)?;
        for files in &self.member_files {
            terms::remove_files(files)?;
        }
        Ok(summary)
    }

    pub(super) fn summarize(
        &self,
        trained: &[TrainedMember],
        rows: &[Prediction],
    ) -> Result<Summary, Error> {
        Ok(Summary {
            name: self.name.clone(),
            cohort: self.cohort.summary(),
            n_parameters: trained
                .first()
                .map_or(0, |trained| trained.facts.n_parameters),
            members: self
                .plan
                .members
                .iter()
                .zip(trained)
                .map(|(member, trained)| MemberSummary::new(member, trained))
                .collect(),
            out_of_fold_auroc: out_of_fold_auroc(&self.name, rows)?,
            constant_covariates: self
                .standardisation
                .iter()
                .filter(|column| column.is_constant())
                .map(|column| column.name.clone())
                .collect(),
        })
    }
}

/// Refuses an output folder of `prs`, whose `predictions.csv` would be overwritten.
fn require_no_prs_model(out: &Path) -> Result<(), Error> {
    if out.join(layout::PRS_MODEL).exists() {
        let reason = format!(
            "{} contains the output of `prs`; choose another folder for the model (--out)",
            out.display()
        );
        return Err(Error::Options(reason));
    }
    Ok(())
}

/// The cohort table and the tokens of its samples.
pub(super) struct Inputs {
    pub(super) cohort: Cohort,
    pub(super) folder: tokens::Folder,
}

impl Inputs {
    /// Reads the cohort and the tokens.
    ///
    /// Samples without tokens are left out. A published score is the last covariate.
    pub(super) fn read(options: &Options) -> Result<Self, Error> {
        let Options {
            cohort: path,
            phenotype_coding,
            covariates,
            missing,
            ..
        } = options;
        let mut cohort = Cohort::read_as(path, *phenotype_coding, covariates, missing)?;
        members::require_both_classes(&cohort, path, &options.schedule)?;
        let folder = tokens::Folder::load(&options.tokens)?;
        require_not_fitted_on_held_out(&cohort, &folder, &options.tokens)?;
        cohort.keep_present(&folder.tokens.samples, &options.tokens, missing.samples)?;
        members::require_both_classes(&cohort, path, &options.schedule)?;
        if let Some(offset) = &options.offset {
            offset.join(&mut cohort)?;
        }
        Ok(Self { cohort, folder })
    }
}

/// Architecture and shapes of the model to train.
pub(super) fn config_of(options: &Options, folder: &tokens::Folder, cohort: &Cohort) -> Config {
    Config {
        architecture: options.architecture.clone(),
        vocab_size: folder.tokenizer.vocab_len(),
        loci: folder
            .tokens
            .loci
            .iter()
            .map(|locus| LocusShape {
                name: locus.name.clone(),
                n_slots: locus.n_slots,
            })
            .collect(),
        n_covariates: cohort.covariate_names.len(),
    }
}

/// Refuses a cohort that holds out a sample on which the tokens were fitted.
fn require_not_fitted_on_held_out(
    cohort: &Cohort,
    folder: &tokens::Folder,
    path: &Path,
) -> Result<(), Error> {
    let fitted_on: HashSet<&str> = folder
        .fitted_on
        .iter()
        .map(|&person| folder.tokens.samples[person].as_str())
        .collect();
    let mut held_out = [Split::Validation, Split::Test]
        .into_iter()
        .flat_map(|split| cohort.in_split(split));
    match held_out.find(|(_, person)| fitted_on.contains(person.sample_id.as_str())) {
        Some((_, person)) => Err(Error::FittedOnHeldOut {
            path: path.into(),
            sample: person.sample_id.clone(),
            split: person.split,
        }),
        None => Ok(()),
    }
}

/// Files of each member.
fn member_files(options: &Options, plan: &MemberPlan) -> Vec<MemberFiles> {
    let n_members = plan.members.len();
    (1..=n_members)
        .map(|number| {
            let events = options.tensorboard.as_ref().map(|folder| match n_members {
                1 => folder.clone(),
                _ => folder.join(layout::member_folder(number)),
            });
            MemberFiles {
                number: (number, n_members),
                term: None,
                fold: None,
                checkpoint: options.out.join(layout::member_checkpoint(number)),
                trained: options.out.join(layout::trained_member(number)),
                keep: false,
                events,
            }
        })
        .collect()
}

/// SHA-256 of all inputs and options that the trained weights depend on.
fn digest_of(options: &Options, name: &str, ranks: &Ranks) -> Result<String, Error> {
    let Options {
        tokens,
        phenotype_coding,
        covariates,
        missing,
        architecture,
        additive,
        deep_terms,
        offset,
        schedule,
        device,
        ..
    } = options;
    let mut input_files = vec![
        options.cohort.clone(),
        tokens.join(layout::TOKENS),
        tokens.join(layout::TOKENIZER),
    ];
    input_files.extend(options.offset.iter().map(|offset| offset.path.clone()));
    if let Some(bundle) = &options.init {
        input_files.push(bundle.join(layout::CONFIG));
        input_files.extend(weight_files(bundle));
    }
    let input_digests = input_files
        .iter()
        .map(|path| output::sha256_of_file(path))
        .collect::<Result<Vec<_>, _>>()?;
    let json = serde_json::json!([
        input_digests,
        name,
        phenotype_coding,
        covariates,
        missing,
        architecture,
        additive,
        deep_terms,
        offset.as_ref().map(|offset| &offset.column),
        schedule,
        device
    ]);
    // More ranks take larger steps and so train other weights.
    let ranks_suffix = if ranks.n() > 1 {
        format!("{} ranks", ranks.n())
    } else {
        String::new()
    };
    Ok(output::sha256(format!("{json}{ranks_suffix}").as_bytes()))
}
