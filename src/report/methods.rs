//! A methods paragraph for a paper, from what the evaluation and the pipeline know.
//!
//! Input -> output: a [`Verdict`] and its [`Background`] -> sentences. A sentence whose facts are
//! unknown is left out.

use gf_cohort_schema::{AucRow, STACKED};
use serde_json::Value;

use super::{
    Background, Verdict, labels, narrative,
    sections::stratum_names,
    table::{classes, count, grouped},
};
use crate::layout;

/// Last row of baselines.
const LAST_BASELINE_ROW: u8 = 3;
/// Most names that are listed.
const MAX_NAMES: usize = 12;

/// The paragraph.
pub fn paragraph(verdict: &Verdict, background: &Background) -> String {
    let facts = Facts {
        verdict,
        background,
        rows: narrative::shown_rows(verdict),
    };
    [
        facts.genotypes(),
        facts.splits(),
        facts.sequence_models(),
        facts.training(),
        facts.baselines(),
        facts.published_scores(),
        facts.stacked(),
        facts.intervals(),
        facts.correction(),
        facts.recalibration(),
        facts.strata(),
        Some(facts.software()),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(" ")
}

/// What the sentences are made from.
struct Facts<'a> {
    verdict: &'a Verdict,
    background: &'a Background,
    /// Rows of the split that the report shows.
    rows: Vec<&'a AucRow>,
}

impl Facts<'_> {
    fn genotypes(&self) -> Option<String> {
        let summary = self.background.stage(layout::SEQUENCES_FOLDER)?;
        let samples = grouped(summary["n_people"].as_u64()?, "sample", "samples");
        let records = grouped(
            summary["n_records"].as_u64()?,
            "variant record",
            "variant records",
        );
        let loci = grouped(summary["n_loci"].as_u64()?, "locus", "loci");
        let missing = match self.background.option("sequences.missing").as_deref() {
            Some("ref") => " Missing alleles were read as the reference.",
            Some("n") => " Missing alleles were read as N.",
            _ => "",
        };
        Some(format!(
            "Haplotype sequences of {samples} were built from {records} at {loci} and split into \
             tokens.{missing}"
        ))
    }

    fn splits(&self) -> Option<String> {
        let splits: Vec<String> = self
            .verdict
            .people
            .iter()
            .map(|row| format!("{} ({})", row.split, classes(row.n_cases, row.n_controls)))
            .collect();
        match splits.as_slice() {
            [] => None,
            [only] => Some(format!("All samples were in one split, {only}.")),
            _ => Some(format!(
                "Samples were divided into the splits {}.",
                listed(&splits)
            )),
        }
    }

    fn sequence_models(&self) -> Option<String> {
        let models: Vec<String> = narrative::sequence_models(self.verdict)
            .iter()
            .map(|row| match row.parameters {
                Some(n) => format!("{} ({})", row.model, grouped(n, "parameter", "parameters")),
                None => row.model.clone(),
            })
            .collect();
        match models.as_slice() {
            [] => None,
            [only] => Some(format!("The sequence model was {only}.")),
            _ => Some(format!("Sequence models were {}.", listed(&models))),
        }
    }

    /// Schedule of the networks, where all have the same one.
    fn training(&self) -> Option<String> {
        let models = self
            .background
            .run
            .as_ref()?
            .get("options")?
            .get("models")?;
        let schedules: Vec<&Value> = models
            .as_array()?
            .iter()
            .filter_map(|model| model.get("schedule"))
            .collect();
        let first = schedules.first()?;
        if schedules.iter().any(|schedule| schedule != first) {
            return Some(
                "Networks were trained on the training split with AdamW, and the best epoch on the \
                 validation split was kept."
                    .to_owned(),
            );
        }
        let epochs = grouped(first["epochs"].as_u64()?, "epoch", "epochs");
        Some(format!(
            "Networks were trained on the training split for up to {epochs} with AdamW (batch size \
             {}, peak learning rate {}, weight decay {}), and the best epoch on the validation \
             split was kept.",
            first["batch_size"], first["learning_rate"], first["weight_decay"]
        ))
    }

    fn baselines(&self) -> Option<String> {
        let published: Vec<&str> = self
            .background
            .scores
            .iter()
            .map(|score| score.model.as_str())
            .collect();
        let baselines: Vec<String> = self
            .rows
            .iter()
            .filter(|row| row.row.is_some_and(|number| number <= LAST_BASELINE_ROW))
            .filter(|row| !published.contains(&row.model.as_str()))
            .map(|row| labels::baseline(&row.model))
            .collect();
        if baselines.is_empty() {
            return None;
        }
        let fitted = if self.background.stage(layout::BASELINES_FOLDER).is_some() {
            ", fitted on the training split"
        } else {
            ""
        };
        Some(format!("Baselines were {}{fitted}.", listed(&baselines)))
    }

    fn published_scores(&self) -> Option<String> {
        let scores: Vec<String> = self
            .background
            .scores
            .iter()
            .map(|score| {
                format!(
                    "{} ({} of {} variants matched)",
                    score.accession,
                    count(score.n_matched),
                    count(score.n_variants)
                )
            })
            .collect();
        (!scores.is_empty()).then(|| format!("Published scores were {}.", listed(&scores)))
    }

    fn stacked(&self) -> Option<String> {
        let is_stacked = self.rows.iter().any(|row| row.model == STACKED);
        is_stacked.then(|| {
            "The stacked model is a logistic regression on the best score and the best sequence \
             model, fitted on the validation split and shrunk to the better of both."
                .to_owned()
        })
    }

    fn intervals(&self) -> Option<String> {
        let split = narrative::split(self.verdict)?;
        let Some(reference) = narrative::compared_to(self.verdict) else {
            return Some(format!(
                "AUCs on the {split} split have 95 % confidence intervals by {}.",
                self.interval_method()
            ));
        };
        let choice = if !self.background.evaluation["compare_to"].is_null() {
            ", named in advance"
        } else if narrative::validation_auroc(self.verdict, reference).is_some() {
            ", the baseline with the highest validation AUC"
        } else {
            ", the only baseline"
        };
        let interval = self.interval_method();
        let test = match self.n_resamples() {
            Some(_) => "bootstrap test",
            None => "DeLong test",
        };
        Some(format!(
            "AUCs on the {split} split have 95 % confidence intervals by {interval}. Each model \
             was compared with the reference {reference}{choice}, by a two-sided paired {test}."
        ))
    }

    fn interval_method(&self) -> String {
        match self.n_resamples() {
            Some(n) => format!("a bootstrap over families with {} resamples", count(n)),
            None => "DeLong's method".to_owned(),
        }
    }

    /// Resamples of the bootstrap; `None` without a bootstrap.
    fn n_resamples(&self) -> Option<u64> {
        self.background.evaluation["bootstrap"].as_u64()
    }

    fn correction(&self) -> Option<String> {
        let test = narrative::HeadlineTest::new(self.verdict)?;
        (test.n_tests > 1).then(|| {
            format!(
                "The p-value of the headline model was corrected by Holm's method for {} sequence \
                 models; other p-values are uncorrected.",
                test.n_tests
            )
        })
    }

    fn recalibration(&self) -> Option<String> {
        let is_recalibrated = self
            .verdict
            .calibration
            .iter()
            .any(|row| row.mean_recalibrated.is_some());
        let method = match self.background.evaluation["recalibration"].as_str() {
            Some("isotonic") => "isotonic regression",
            _ => "Platt's method",
        };
        is_recalibrated.then(|| {
            format!("Probabilities were recalibrated on the validation split by {method}.")
        })
    }

    fn strata(&self) -> Option<String> {
        let names: Vec<String> = stratum_names(self.verdict)
            .iter()
            .map(|name| labels::in_sentence(name))
            .collect();
        (!names.is_empty()).then(|| format!("Results were stratified by {}.", listed(&names)))
    }

    fn software(&self) -> String {
        let run = self.background.run.as_ref();
        let version = run
            .and_then(|run| run.get("version")?.as_str())
            .unwrap_or(env!("CARGO_PKG_VERSION"));
        let seed = run
            .and_then(|run| run.get("seed"))
            .unwrap_or(&self.background.evaluation["seed"]);
        let seed = if seed.is_null() {
            String::new()
        } else {
            format!(" (seed {seed})")
        };
        format!("Analyses used gf-genomics {version}{seed}.")
    }
}

/// `a`, `a and b`, `a, b and c`; with more than [`MAX_NAMES`], the number of the others.
fn listed(names: &[String]) -> String {
    if names.len() > MAX_NAMES {
        let n_others = names.len() - (MAX_NAMES - 1);
        return format!("{} and {n_others} more", names[..MAX_NAMES - 1].join(", "));
    }
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
