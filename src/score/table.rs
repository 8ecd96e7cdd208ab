//! The table of scores.

use std::path::Path;

use gf_cohort_schema::probability;
use gf_files::output;

use super::{Error, Options};
use crate::tables;
use gf_cohort_schema::{RiskRow, write_rows};

/// The logit of a sample by a model.
pub(super) struct Score<'s> {
    pub(super) sample_id: &'s str,
    pub(super) model: &'s str,
    pub(super) logit: f64,
}

/// Writes the table; `-` is standard output.
pub(super) fn write(options: &Options, scores: &[Score<'_>]) -> Result<(), Error> {
    if let Some(score) = scores.iter().find(|score| !score.logit.is_finite()) {
        return Err(Error::NotFinite {
            path: options.model.clone(),
            model: score.model.into(),
            sample: score.sample_id.into(),
            logit: score.logit,
        });
    }
    let rows = scores.iter().map(|score| RiskRow {
        sample_id: score.sample_id,
        model: score.model,
        logit: score.logit,
        probability: probability(score.logit),
    });
    if options.output == Path::new("-") {
        let written = write_rows::<RiskRow<'_>>(std::io::stdout().lock(), rows);
        return Ok(written.map_err(output::at(&options.output))?);
    }
    Ok(tables::write(&options.output, rows)?)
}
