//! The table of scores.

use std::path::Path;

use gf_cohort_schema::{nine_significant_digits, probability};
use gf_files::output;

use super::{Error, Options};

const COLUMNS: [&str; 4] = ["sample_id", "model", "logit", "probability"];

/// The logit of a sample by a model.
pub(super) struct Score<'s> {
    pub(super) sample_id: &'s str,
    pub(super) model: &'s str,
    pub(super) logit: f64,
}

/// Writes the table; `-` is standard output.
pub(super) fn write(options: &Options, scores: Vec<Score<'_>>) -> Result<(), Error> {
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
