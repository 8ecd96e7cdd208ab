//! `run.json`: how the files of a folder were made.
//!
//! It contains no sample names, but paths, so only its owner can read it.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of `run.json` of a pipeline, and of `stage.json` of its stages.
pub const SCHEMA_VERSION: u32 = 1;

/// `run.json` of a pipeline. Fields that an earlier version did not write are empty.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`SCHEMA_VERSION`] of the program that wrote it.
    #[serde(default)]
    pub schema_version: u32,
    /// Name of the program.
    #[serde(default)]
    pub program: String,
    /// Version of the program.
    #[serde(default)]
    pub version: String,
    /// Pipeline file, as it was named on the command line.
    #[serde(default)]
    pub pipeline: PathBuf,
    /// Seed of the whole run.
    #[serde(default)]
    pub seed: u64,
    /// Resolved options: every key of the pipeline file has its value.
    #[serde(default)]
    pub options: Value,
    /// SHA-256 of every input file, by path.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// Stages that are done, by name.
    pub stages: BTreeMap<String, StageRun>,
}

/// A finished stage of a pipeline.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StageRun {
    /// Wall time of the stage.
    pub seconds: f64,
    /// An earlier run did it.
    pub done_before: bool,
    /// Digest of its options, its input files and the stages before it.
    pub digest: String,
    /// Counts that the stage reports, in the form of its own summary.
    pub summary: Value,
}

/// `run.json` of a single command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CommandRecord {
    /// Name of the program.
    #[serde(default)]
    pub program: String,
    /// Version of the program.
    #[serde(default)]
    pub version: String,
    /// Name of the command.
    pub command: String,
    /// Its options.
    #[serde(default)]
    pub options: Value,
    /// SHA-256 of every input file, by path. A file that can be read only once, or is very long,
    /// has none.
    #[serde(default)]
    pub inputs: BTreeMap<String, Option<String>>,
    /// Counts that the stage reports.
    #[serde(default)]
    pub summary: Value,
    /// Wall time.
    #[serde(default)]
    pub seconds: f64,
}
