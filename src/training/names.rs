//! Names of models, of their additive terms, and of the files of members.

use super::{Options, additive::AdditiveKind, terms::DeepTerms};
use crate::models::{Architecture, Config};

/// Name of the additive term by itself in every table.
pub const ADDITIVE: &str = "additive";

/// Default name of a model in every table: the preset, with the prefix `additive+` for a model with
/// an additive term.
#[must_use]
pub fn default_name(architecture: &Architecture, additive: AdditiveKind) -> String {
    match additive {
        AdditiveKind::None => architecture.preset.to_string(),
        AdditiveKind::Dosages | AdditiveKind::Segments => {
            format!("{ADDITIVE}+{}", architecture.preset)
        }
    }
}

/// Name of the additive term of a model by itself: `additive`, or the model's own name with the
/// suffix `-additive`.
#[must_use]
pub fn additive_name(model: &str) -> String {
    if model.starts_with(ADDITIVE) {
        ADDITIVE.to_owned()
    } else {
        format!("{model}-{ADDITIVE}")
    }
}

pub(super) fn name_of(options: &Options) -> String {
    options
        .name
        .clone()
        .unwrap_or_else(|| default_name(&options.architecture, options.additive))
}

/// The networks that a model of this configuration trains.
///
/// A pure sequence model has one network over all loci. Other models have one for each deep term.
#[must_use]
pub fn term_configs(config: &Config, additive: AdditiveKind, deep_terms: DeepTerms) -> Vec<Config> {
    match additive {
        AdditiveKind::None => vec![config.clone()],
        AdditiveKind::Dosages | AdditiveKind::Segments => deep_terms
            .blocks(config)
            .iter()
            .map(|loci| config.of_loci(loci))
            .collect(),
    }
}
