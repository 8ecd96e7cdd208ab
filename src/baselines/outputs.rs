//! The files of the stage.

use std::path::PathBuf;

use gf_cohort_schema::{ApoeRow, Cohort, GuardRow, Prediction, write_predictions};
use gf_files::output;

use super::{
    apoe::{self, ApoeCounts},
    association,
    error::Error,
    export,
    fitting::Fitted,
    model::{Baseline, PrsModel, SCHEMA_VERSION},
    options::Options,
    panel,
    summary::Summary,
    tables,
};
use crate::{
    layout,
    leakage::kinship,
    report,
    scoring::{
        ScoreSummary, ScoringFile,
        dosages::GenotypeTable,
        published::{Score, Usable},
        tables as score_tables,
    },
};

/// The results from which the files of the stage are written.
pub(super) struct Outputs<'o> {
    pub(super) options: &'o Options,
    pub(super) cohort: &'o Cohort,
    pub(super) table: &'o GenotypeTable,
    pub(super) scoring_files: &'o [ScoringFile],
    pub(super) scored: &'o Usable<Score<'o>>,
    pub(super) predictions: &'o [Prediction],
    pub(super) related_pairs: &'o [kinship::Pair],
    pub(super) apoe: &'o ApoeResults,
}

impl Outputs<'_> {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.options.scoring.out.join(name)
    }

    /// Summarises what was read, fitted and left out.
    pub(super) fn summary(&self, fitted: &Fitted<'_>, guards: Vec<GuardRow>) -> Summary {
        let files = self.scoring_files.iter();
        let failed_scores = self.scored.failed.iter().chain(&fitted.failed);
        Summary {
            n_people: self.cohort.people.len(),
            cohort: self.cohort.summary(),
            models: fitted
                .baselines
                .iter()
                .map(|baseline| baseline.model.clone())
                .collect(),
            genotypes: self.table.counts.clone(),
            sites_without_training_calls: self.table.not_used.without_calls.len(),
            n_dosages: fitted.associations.len(),
            constant_dosages: fitted.constant_dosages,
            constant_features: fitted.constant_features.clone(),
            apoe_region: self
                .apoe
                .build
                .filter(|_| !fitted.without_apoe.is_empty())
                .map(apoe::region),
            choices: fitted.choices.clone(),
            repeated_covariates: fitted.repeated_covariates.clone(),
            without_apoe: fitted.without_apoe.clone(),
            left_out: fitted.left_out.clone(),
            guards,
            apoe: self
                .apoe
                .calls
                .as_ref()
                .ok()
                .map(|calls| ApoeCounts::count(calls)),
            apoe_left_out: self.apoe.calls.as_ref().err().map(ToString::to_string),
            scores: self.scored.scores.iter().map(ScoreSummary::new).collect(),
            failed_scores: failed_scores.cloned().collect(),
            warnings: self
                .table
                .warnings
                .iter()
                .cloned()
                .chain(self.apoe.warning.clone())
                .chain(files.flat_map(|file| file.warnings.clone()))
                .collect(),
        }
    }

    /// Writes all files of the stage.
    pub(super) fn write(
        &self,
        summary: &Summary,
        associations: &[(panel::Column<'_>, association::Association)],
        baselines: Vec<Baseline>,
    ) -> Result<(), Error> {
        output::write(&self.path(layout::PREDICTIONS), |out| {
            write_predictions(out, self.predictions)
        })?;
        self.write_scores()?;
        tables::write_weights(&self.path(layout::WEIGHTS), &baselines)?;
        association::write(&self.path(layout::ASSOCIATION), associations)?;
        report::write_guards(&self.path(layout::GUARDS), &summary.guards)?;
        let pairs = self.path(layout::RELATED_PAIRS);
        kinship::write_pairs(&pairs, self.cohort, self.related_pairs)?;
        let apoe_csv = self.path(layout::APOE);
        match &self.apoe.calls {
            Ok(calls) => {
                let rows = apoe_rows(self.cohort, calls);
                crate::tables::write(&apoe_csv, rows)?;
            }
            Err(_) => output::remove_if_there(&apoe_csv)?,
        }
        self.write_models(summary, baselines)
    }

    /// Writes the tables of published scores, or removes those of an earlier run.
    pub(super) fn write_scores(&self) -> Result<(), Error> {
        if self.scored.scores.is_empty() {
            [layout::RAW_SCORES, layout::SCORES, layout::MATCH_LOG]
                .iter()
                .try_for_each(|name| output::remove_if_there(&self.path(name)))?;
            return Ok(());
        }
        let scores: Vec<&Score<'_>> = self.scored.scores.iter().collect();
        score_tables::write_raw_scores(
            &self.path(layout::RAW_SCORES),
            &self.table.people,
            &scores,
        )?;
        score_tables::write_scores(&self.path(layout::SCORES), &self.scored.scores)?;
        Ok(())
    }

    /// Writes the learned scores as scoring files, and the model that `score` reads.
    pub(super) fn write_models(
        &self,
        summary: &Summary,
        baselines: Vec<Baseline>,
    ) -> Result<(), Error> {
        let learned: Vec<&str> = summary
            .choices
            .iter()
            .map(|choice| choice.model.as_str())
            .collect();
        let origin = export::Origin {
            cohort: self.cohort,
            study: self.options.study.as_deref(),
            genome_build: self.apoe.genome_build.or(self.apoe.build),
        };
        let folder = self.path(layout::SCORING_FILES);
        export::write_scoring_files(&folder, &baselines, &learned, &origin)?;
        let model = PrsModel {
            schema_version: SCHEMA_VERSION,
            genome_build: self.apoe.genome_build,
            min_overlap: self.options.scoring.min_overlap,
            reading: self.options.scoring.matching.reading.clone(),
            filters: self.options.scoring.filters.clone().unwrap_or_default(),
            baselines,
        };
        Ok(output::shareable::write_json(
            &self.path(layout::PRS_MODEL),
            &model,
        )?)
    }
}

/// Rows of `apoe.csv`.
fn apoe_rows<'a>(
    cohort: &'a Cohort,
    calls: &'a [Option<apoe::ApoeHaplotypes>],
) -> impl Iterator<Item = ApoeRow> + 'a {
    cohort
        .people
        .iter()
        .zip(calls)
        .map(|(person, call)| ApoeRow {
            sample_id: person.sample_id.clone(),
            apoe: call.map(apoe::ApoeHaplotypes::genotype),
        })
}

/// APOE haplotypes of the cohort, and the genome builds.
pub(super) struct ApoeResults {
    /// Build of the VCF, if it is known.
    pub(super) genome_build: Option<gf_genotypes::GenomeBuild>,
    /// Haplotypes of each sample, or why there are none.
    pub(super) calls: Result<Vec<Option<apoe::ApoeHaplotypes>>, apoe::ApoeProblem>,
    /// Build on which the two variants are present.
    pub(super) build: Option<gf_genotypes::GenomeBuild>,
    /// Note about records on the other strand or with REF and ALT exchanged.
    pub(super) warning: Option<String>,
}

impl ApoeResults {
    pub(super) fn new(
        table: &GenotypeTable,
        stated_build: Option<gf_genotypes::GenomeBuild>,
    ) -> Self {
        let genome_build = stated_build.or(table.genome_build);
        Self {
            genome_build,
            calls: apoe::haplotypes(&table.sites, genome_build),
            build: apoe::build_of(&table.sites, genome_build),
            warning: apoe::written_otherwise(&table.sites, genome_build),
        }
    }
}
