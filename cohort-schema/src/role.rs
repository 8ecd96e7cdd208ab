//! The role of a model in a comparison: covariates alone, a score, a sequence model, or all of them
//! stacked.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{BASELINE_PREFIX, STACKED, WITHOUT_APOE};

/// The role of a model in a comparison. Tables have it in the column `role`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Covariates alone.
    Covariates,
    /// Covariates and APOE genotype.
    Apoe,
    /// A polygenic score without the APOE region, next to the APOE genotype.
    ScoreWithoutApoe,
    /// A polygenic score.
    Score,
    /// A sequence model, or the additive model that it is compared with.
    SequenceModel,
    /// A score and a sequence model together.
    Stacked,
    /// Principal components alone: a probe for stratification. No model is compared with it.
    Probe,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::Covariates,
        Self::Apoe,
        Self::ScoreWithoutApoe,
        Self::Score,
        Self::SequenceModel,
        Self::Stacked,
        Self::Probe,
    ];

    /// Row of the comparison, 0 to 5, in the usual order of such tables; `None` for a probe.
    #[must_use]
    pub fn comparison_row(self) -> Option<u8> {
        match self {
            Self::Covariates => Some(0),
            Self::Apoe => Some(1),
            Self::ScoreWithoutApoe => Some(2),
            Self::Score => Some(3),
            Self::SequenceModel => Some(4),
            Self::Stacked => Some(5),
            Self::Probe => None,
        }
    }

    /// Whether sequence models are compared with this model.
    #[must_use]
    pub fn is_baseline(self) -> bool {
        matches!(
            self,
            Self::Covariates | Self::Apoe | Self::ScoreWithoutApoe | Self::Score
        )
    }

    /// Whether the model uses genotypes.
    #[must_use]
    pub fn reads_genomes(self) -> bool {
        self.comparison_row().is_some_and(|row| row >= 1)
    }

    /// Role of a model of this program, by its name. Only its baselines have names that begin with
    /// `prs-`. For other programs, the table or an option states the role.
    #[must_use]
    pub fn of_own(model: &str) -> Self {
        match model.strip_prefix(BASELINE_PREFIX) {
            Some("covariates") => Self::Covariates,
            Some("apoe") => Self::Apoe,
            Some("pcs") => Self::Probe,
            Some(score) if score.ends_with(WITHOUT_APOE) => Self::ScoreWithoutApoe,
            Some(_) => Self::Score,
            None if model == STACKED => Self::Stacked,
            None => Self::SequenceModel,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Covariates => "covariates",
            Self::Apoe => "apoe",
            Self::ScoreWithoutApoe => "score-without-apoe",
            Self::Score => "score",
            Self::SequenceModel => "sequence-model",
            Self::Stacked => "stacked",
            Self::Probe => "probe",
        })
    }
}

/// A text that is not the name of a [`Role`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a role; write one of {names}", names = role_names())]
pub struct UnknownRole(String);

fn role_names() -> String {
    Role::ALL.map(|role| role.to_string()).join(", ")
}

/// A text that is not the role of a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownModelRole {
    /// A text without a model or an equals sign.
    #[error("`{0}` is not MODEL=ROLE, such as ldpred2=score")]
    Form(String),
    /// A text whose second part is not a role.
    #[error(transparent)]
    Role(#[from] UnknownRole),
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let found = Self::ALL.into_iter().find(|role| role.to_string() == text);
        found.ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// The role of one model, as `MODEL=ROLE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelRole {
    /// Name of the model.
    pub model: String,
    /// Its role.
    pub role: Role,
}

impl FromStr for ModelRole {
    type Err = UnknownModelRole;

    fn from_str(text: &str) -> Result<Self, UnknownModelRole> {
        match text.rsplit_once('=') {
            Some((model, role)) if !model.is_empty() => Ok(Self {
                model: model.to_owned(),
                role: role.parse()?,
            }),
            _ => Err(UnknownModelRole::Form(text.to_owned())),
        }
    }
}

impl fmt::Display for ModelRole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}", self.model, self.role)
    }
}

impl TryFrom<String> for ModelRole {
    type Error = UnknownModelRole;

    fn try_from(text: String) -> Result<Self, UnknownModelRole> {
        text.parse()
    }
}

impl From<ModelRole> for String {
    fn from(given: ModelRole) -> Self {
        given.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_as_they_are_written() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse::<Role>().unwrap(), role);
            assert_eq!(
                format!("a=b={role}").parse::<ModelRole>().unwrap(),
                ModelRole {
                    model: "a=b".into(),
                    role
                }
            );
        }
        assert!(
            "prs"
                .parse::<Role>()
                .unwrap_err()
                .to_string()
                .contains("covariates, apoe, score-without-apoe, score, sequence-model")
        );
        assert_eq!(
            "ldpred2".parse::<ModelRole>(),
            Err(UnknownModelRole::Form("ldpred2".into()))
        );
    }

    #[test]
    fn the_programs_own_models_have_roles_by_their_names() {
        for (model, role, row) in [
            ("prs-covariates", Role::Covariates, Some(0)),
            ("prs-apoe", Role::Apoe, Some(1)),
            ("prs-dosages-no-apoe", Role::ScoreWithoutApoe, Some(2)),
            ("prs-PGS000001", Role::Score, Some(3)),
            ("additive+linformer", Role::SequenceModel, Some(4)),
            ("stacked", Role::Stacked, Some(5)),
            ("prs-pcs", Role::Probe, None),
        ] {
            assert_eq!(
                (Role::of_own(model), role.comparison_row()),
                (role, row),
                "{model}"
            );
        }
    }
}
