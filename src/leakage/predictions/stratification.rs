//! Guard for population stratification: principal components alone predict the disease.

use gf_cohort_schema::{GuardRow, GuardVerdict, Role, counted};
use gf_stats::normal::upper_tail;

use super::{ALPHA, STRATIFICATION, components, or_pass, placements_of_many};
use crate::predictions::{Column, Known, Scores};

/// Subject of a finding about the principal components alone.
const PCS: &str = "prs-pcs";
/// One-sided p-value below which a model is better than the principal components.
const BETTER: f64 = 0.05;

/// Compares every model that reads genomes with the principal components alone.
pub(super) fn stratification(scores: &Scores, known: &Known, columns: &[Column]) -> Vec<GuardRow> {
    let pcs = match columns.iter().find(|column| column.role == Role::Probe) {
        Some(probe) => probe.clone(),
        None => match components::alone(scores, known) {
            Ok(column) => column,
            Err(reason) => return not_run(reason),
        },
    };
    let Some(placements) = placements_of_many(&pcs) else {
        return not_run("too few samples, or only one class".to_owned());
    };
    let auroc = placements.auroc();
    let z = match placements.variance() {
        Some(variance) => (auroc - 0.5) / variance.sqrt(),
        None => 0.0,
    };
    if upper_tail(z) >= ALPHA {
        let finding = format!("the principal components alone have AUC {auroc:.3}, not above 0.5");
        return or_pass(Vec::new(), STRATIFICATION, PCS, finding);
    }
    let compared: Vec<ComparedToPcs> = columns
        .iter()
        .filter(|column| column.role.reads_genomes())
        .filter_map(|column| ComparedToPcs::new(column, &pcs))
        .collect();
    findings(auroc, &compared)
}

/// The rows where the principal components are better than chance.
fn findings(auroc_of_pcs: f64, compared: &[ComparedToPcs]) -> Vec<GuardRow> {
    if compared.is_empty() {
        return not_run(format!(
            "the principal components alone have AUC {auroc_of_pcs:.3}, above 0.5, but no model \
             predicts the same samples"
        ));
    }
    let failed: Vec<GuardRow> = compared
        .iter()
        .filter(|model| !model.is_better)
        .map(ComparedToPcs::failure)
        .collect();
    if !failed.is_empty() {
        return failed;
    }
    let finding = format!(
        "the principal components alone have AUC {auroc_of_pcs:.3}, above 0.5; {} of genomes on \
         the same samples, each better",
        counted(compared.len(), "model", "models")
    );
    vec![GuardRow::new(
        STRATIFICATION,
        GuardVerdict::Warn,
        PCS,
        finding,
    )]
}

fn not_run(reason: String) -> Vec<GuardRow> {
    vec![GuardRow::new(
        STRATIFICATION,
        GuardVerdict::NotRun,
        PCS,
        reason,
    )]
}

/// A model compared to the principal components alone, on the samples that both predict.
struct ComparedToPcs {
    model: String,
    auroc: f64,
    auroc_of_pcs: f64,
    is_better: bool,
}

impl ComparedToPcs {
    /// `None` with too few samples, or without both classes.
    fn new(column: &Column, pcs: &Column) -> Option<Self> {
        let shared = column.subset(|person| pcs.people.binary_search(&person).is_ok());
        let shared_pcs = pcs.subset(|person| shared.people.binary_search(&person).is_ok());
        let of_model = placements_of_many(&shared)?;
        let of_pcs = placements_of_many(&shared_pcs)?;
        let test = of_model.paired_test(&of_pcs);
        // Without a test (a difference of variance zero) the sign decides.
        let is_significant = match test.inference {
            Some((_, p_value)) => p_value / 2.0 < BETTER,
            None => true,
        };
        Some(Self {
            model: column.model.clone(),
            auroc: of_model.auroc(),
            auroc_of_pcs: of_pcs.auroc(),
            is_better: test.delta > 0.0 && is_significant,
        })
    }

    fn failure(&self) -> GuardRow {
        let Self {
            model,
            auroc,
            auroc_of_pcs,
            ..
        } = self;
        let finding = format!(
            "AUC {auroc:.3} is not above the {auroc_of_pcs:.3} of the principal components alone, \
             so it may come from ancestry or a batch, not from the disease"
        );
        GuardRow::new(STRATIFICATION, GuardVerdict::Fail, model, finding)
    }
}
