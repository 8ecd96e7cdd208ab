//! The split of a cohort into training, validation and test samples, fixed before any model is
//! trained.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The use of a sample. Every model and every baseline uses the same split.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Weights are fitted on these samples.
    Train,
    /// Penalties, thresholds and the epoch (early stopping) are chosen on these samples.
    Validation,
    /// Only the final evaluation uses these samples.
    Test,
}

impl Split {
    /// All splits, in the order of tables.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];
}

impl fmt::Display for Split {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

/// A text that is not the name of a [`Split`].
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a split; write train, validation or test")]
pub struct UnknownSplit(String);

impl FromStr for Split {
    type Err = UnknownSplit;

    fn from_str(text: &str) -> Result<Self, UnknownSplit> {
        Self::ALL
            .into_iter()
            .find(|split| split.to_string().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownSplit(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_reads_back_from_its_text_and_another_word_is_refused() {
        for split in Split::ALL {
            assert_eq!(split.to_string().parse::<Split>().unwrap(), split);
        }
        assert_eq!(
            "val".parse::<Split>().unwrap_err().to_string(),
            "`val` is not a split; write train, validation or test"
        );
    }
}
