//! The published scores of the cohort, matched and summed.

use gf_cohort_schema::{Cohort, Split};

use super::{error::Error, options::Options};
use crate::{
    layout,
    scoring::{
        ScoringFile,
        dosages::GenotypeTable,
        published::{self, Score, Scorer, Usable},
        tables as score_tables,
    },
};

/// Matches and sums every scoring file and writes `match_log.csv`. The log is written also if too
/// few variants match, because it has the reasons.
pub(super) fn score_samples<'f>(
    options: &'f Options,
    scoring_files: &'f Usable<ScoringFile>,
    table: &GenotypeTable,
    cohort: &Cohort,
) -> Result<Usable<Score<'f>>, Error> {
    let files = &scoring_files.scores;
    let not_read = scoring_files.failed.clone();
    if files.is_empty() {
        return Ok(Usable {
            scores: Vec::new(),
            failed: not_read,
        });
    }
    let training = cohort
        .in_split(Split::Train)
        .map(|(person, _)| person)
        .collect();
    let mut scorer = Scorer::new(files, &options.scoring, table.people.len(), training)?;
    scorer.add(&table.sites)?;
    let scores = scorer.finish(&table.sites, &table.not_used)?;
    let log = options.scoring.out.join(layout::MATCH_LOG);
    let logged: Vec<&Score<'_>> = scores.iter().flatten().collect();
    score_tables::write_match_log(&log, &logged, &table.sites, &options.scoring)?;
    Ok(published::usable(
        published::with_enough(scores, files, &table.not_used, &options.scoring, &log),
        not_read,
    )?)
}
