//! The types of jobs.

/// The type of a job. The number is the index of its model in the pipeline file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Simulate,
    Sequences,
    Merge,
    Fit,
    Tokenize,
    MergeTokens,
    Terms(usize),
    Train(usize),
    Predict(usize),
    Bundle(usize),
    Prs,
    Evaluate,
}

impl Rule {
    /// The name that `plan` prints. It is stable, because workflow engines read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Simulate => "simulate",
            Self::Sequences => "sequences",
            Self::Merge | Self::MergeTokens => "merge",
            Self::Fit => "fit",
            Self::Tokenize => "tokenize",
            Self::Terms(_) => "terms",
            Self::Train(_) => "train",
            Self::Predict(_) => "predict",
            Self::Bundle(_) => "bundle",
            Self::Prs => "prs",
            Self::Evaluate => "evaluate",
        }
    }

    /// Index of the model of a job that computes one.
    pub fn model(self) -> Option<usize> {
        match self {
            Self::Terms(model)
            | Self::Train(model)
            | Self::Predict(model)
            | Self::Bundle(model) => Some(model),
            _ => None,
        }
    }
}
