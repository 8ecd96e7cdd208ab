//! Everything that an evaluation reads, apart from APOE genotypes, costs and guards.

use gf_cohort_schema::{Characteristics, ScoreLayout, ScoredTable, read_assigned};

use super::{Options, background::Background, error::Error, sidecar_files::SidecarFiles};
use crate::predictions::{Rows, Scores};

/// Everything that an evaluation reads, apart from APOE genotypes, costs and guards.
pub(super) struct Inputs {
    pub(super) background: Background,
    /// How each file of predictions was read.
    pub(super) tables: Vec<ScoredTable>,
    pub(super) scores: Scores,
    pub(super) cohort: Option<Characteristics>,
}

impl Inputs {
    /// Reads in parallel: with 500,000 samples each of the three takes a part of a second.
    pub(super) fn read(options: &Options, sidecar_files: &SidecarFiles) -> Result<Self, Error> {
        let (background, (predictions, cohort)) = rayon::join(
            || Background::read(options, sidecar_files),
            || rayon::join(|| Predictions::read(options), || read_cohort(options)),
        );
        let background = background?;
        let Predictions { tables, scores } = predictions?;
        Ok(Self {
            background,
            tables,
            scores,
            cohort: cohort?,
        })
    }
}

fn read_cohort(options: &Options) -> Result<Option<Characteristics>, Error> {
    let path = options.cohort.as_deref();
    Ok(path.map(Characteristics::read).transpose()?)
}

/// The scores of all files, and how each file was read.
struct Predictions {
    tables: Vec<ScoredTable>,
    scores: Scores,
}

impl Predictions {
    /// Reads the predictions. Splits and phenotypes that they lack are those of the cohort table.
    fn read(options: &Options) -> Result<Self, Error> {
        let layout = ScoreLayout {
            with_cohort: options.cohort.is_some(),
            ..options.layout.clone()
        };
        let mut rows = Rows::read(&options.predictions, &layout)?;
        let cohort = options.cohort.as_deref().filter(|_| rows.lack_something());
        let assigned = cohort
            .map(|path| read_assigned(path, layout.phenotype_coding))
            .transpose()?;
        let tables = std::mem::take(&mut rows.tables);
        let scores = rows.into_scores(assigned.as_ref(), &options.predictions)?;
        Ok(Self { tables, scores })
    }
}
