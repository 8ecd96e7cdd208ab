//! Summaries of a training.

use gf_cohort_schema::{CohortSummary, counted};
use serde::{Deserialize, Serialize};

use super::{
    additive,
    members::Member,
    terms::{TermSummary, TrainedMember},
};

/// Summary of the training of a bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the model.
    pub name: String,
    /// Counts of the samples in the cohort.
    #[serde(default)]
    pub cohort: CohortSummary,
    /// Parameter values of a member.
    pub n_parameters: usize,
    /// The trained models; one without folds and ensemble.
    pub members: Vec<MemberSummary>,
    /// AUC of samples in folds, each predicted by models that have not seen it.
    pub out_of_fold_auroc: Option<f64>,
    /// Covariates with the same value in all training samples, which the model does not see.
    pub constant_covariates: Vec<String>,
}

impl Summary {
    /// Epochs run over all members, including epochs before a resumption.
    #[must_use]
    pub fn epochs_run(&self) -> usize {
        self.members.iter().map(|member| member.epochs_run).sum()
    }

    /// Epochs resumed from checkpoints, over all members.
    #[must_use]
    pub fn epochs_resumed(&self) -> usize {
        self.members
            .iter()
            .map(|member| member.epochs_resumed)
            .sum()
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.cohort)?;
        for name in &self.constant_covariates {
            writeln!(
                f,
                "covariate `{name}` is left out, because it is the same in all training samples"
            )?;
        }
        for member in &self.members {
            writeln!(
                f,
                "{}: {}, {member}",
                self.name,
                counted(self.n_parameters, "parameter", "parameters")
            )?;
        }
        match self.out_of_fold_auroc {
            Some(auroc) => writeln!(
                f,
                "{}: out-of-fold AUC {auroc:.4}. Tokens and covariate scales come from the \
                 training split. They depend on the genomes of all its folds, but on no phenotype",
                self.name
            ),
            None => Ok(()),
        }
    }
}

/// Summary of the training of a member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberSummary {
    /// 1-based fold that it predicts.
    pub fold: Option<u32>,
    /// Seed of its training.
    pub seed: u64,
    /// Training samples.
    pub n_training: usize,
    /// Samples that choose the epoch.
    pub n_validation: usize,
    /// Epochs run, including epochs before a resumption.
    pub epochs_run: usize,
    /// Epoch whose weights were kept.
    pub best_epoch: usize,
    /// Validation AUC of the kept epoch.
    pub best_validation_auroc: f64,
    /// Epochs resumed from a checkpoint.
    pub epochs_resumed: usize,
    /// Fit of the additive term.
    #[serde(default)]
    pub additive: Option<additive::Summary>,
    /// All deep terms next to the additive term, including terms without weight.
    #[serde(default)]
    pub terms: Vec<TermSummary>,
}

impl std::fmt::Display for MemberSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            fold,
            seed,
            n_training,
            epochs_run,
            best_epoch,
            best_validation_auroc,
            additive,
            ..
        } = self;
        if let Some(fold) = fold {
            write!(f, "fold {fold}, ")?;
        }
        if let Some(additive) = additive {
            return self.fmt_terms(additive, f);
        }
        let samples = counted(*n_training, "training sample", "training samples");
        write!(
            f,
            "seed {seed}, {samples}; kept epoch {best_epoch} of {epochs_run} (validation AUC \
             {best_validation_auroc:.4})"
        )
    }
}

impl MemberSummary {
    pub(super) fn new(member: &Member, trained: &TrainedMember) -> Self {
        Self {
            fold: member.fold,
            seed: member.seed,
            n_training: member.training.len(),
            n_validation: member.validation.len(),
            epochs_run: trained.log.len(),
            best_epoch: trained.facts.best_epoch,
            best_validation_auroc: trained.facts.best_validation_auroc,
            epochs_resumed: trained.epochs_resumed,
            additive: trained.facts.additive.clone(),
            terms: trained.facts.terms.clone(),
        }
    }

    /// Describes a member with an additive term.
    pub(super) fn fmt_terms(
        &self,
        additive: &additive::Summary,
        f: &mut std::fmt::Formatter<'_>,
    ) -> std::fmt::Result {
        let seed = self.seed;
        let n_weights = additive.n_weights;
        let samples = counted(self.n_training, "training sample", "training samples");
        let candidates = counted(additive.n_candidates, "version", "versions");
        write!(
            f,
            "seed {seed}, {samples}. The additive term has weights for {n_weights} of {candidates}."
        )?;
        let n_terms = self.terms.len();
        let used: Vec<&TermSummary> = self.terms.iter().filter(|term| term.weight > 0.0).collect();
        write!(f, " Deep terms used: {} of {n_terms}", used.len())?;
        for term in used {
            write!(
                f,
                " ({}, weight {:.2}, gain {:.1}, epoch {})",
                term.loci.join("+"),
                term.weight,
                term.gain,
                term.best_epoch
            )?;
        }
        write!(f, ". Validation AUC {:.4}", self.best_validation_auroc)
    }
}
