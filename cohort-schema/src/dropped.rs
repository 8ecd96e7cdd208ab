//! Output of `cohort --dropped`: samples that are not in `cohort.csv`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sample that `cohort` dropped. Private, because it names samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DroppedSampleRow<'a> {
    /// ID of the sample.
    pub sample_id: &'a str,
    /// Reason why it was dropped.
    pub reason: &'a str,
}
