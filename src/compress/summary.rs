//! Summary of the stage `compress`.

use gf_cohort_schema::counted;
use serde::{Deserialize, Serialize};

use super::measure::Measured;
use crate::report;

/// Summary of a compression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Layers of a member that two factors replaced.
    pub n_layers: usize,
    /// The dense model, the low-rank model before fine-tuning (if there is any), and the new model.
    pub models: Vec<Measured>,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let header = [
            "model",
            "parameters",
            "bytes",
            "ms per haplotype",
            "AUC validation",
            "AUC test",
        ]
        .map(str::to_owned)
        .to_vec();
        let rows: Vec<Vec<String>> = std::iter::once(header)
            .chain(self.models.iter().map(Measured::cells))
            .collect();
        let layers = counted(self.n_layers, "layer", "layers");
        writeln!(
            f,
            "{layers} replaced by two factors each\n\n{}",
            report::aligned(&rows).trim_end()
        )
    }
}
