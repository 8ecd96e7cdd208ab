//! A pipeline file (TOML), and the options of every stage that follow from it.
//!
//! It is the file that a scientist edits and a paper cites. Unknown keys are errors, so that a
//! misspelt option cannot silently have its default. Paths are relative to the file's folder.

use std::{
    collections::HashMap,
    iter,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use clap::Args as _;
use gf_cohort_schema::{Cohort, CohortReading, ScoreLayout, text};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::layout;
use crate::{
    baselines::{self, BaselineSettings, LearningVariants},
    evaluation::{self, ReportSettings},
    scoring, sequences, simulate, tokens,
    training::{self, ModelSettings},
};
use gf_genotypes::{FormatOptions, companions, samples_of_files};
use gf_haplotypes::{ApplyFilters, Policies, Regions, Samples};

/// A pipeline file with every default filled in and every path resolved.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Seed of all random numbers.
    pub seed: u64,
    /// Origin of the samples.
    pub source: Source,
    /// How genotypes become sequences.
    pub sequences: Policies,
    /// How sequences become tokens.
    pub tokens: tokens::Options,
    /// Models, which are trained one after the other.
    pub models: Vec<ModelSettings>,
    /// Settings of the baselines.
    pub baselines: BaselineSettings,
    /// Settings of the comparison.
    pub report: ReportSettings,
}

/// Origin of the samples.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Made by `simulate`.
    Simulate(Box<simulate::Options>),
    /// The user's files.
    Data(Box<Data>),
}

/// The user's files.
///
/// No command has these options as one set. They derive `Args` because clap then knows the names
/// and texts of all keys, for messages and the reference page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Genotype files of the same samples: VCF, VCF.gz, BCF, PGEN, BGEN or PLINK 1 BED. The content
    /// decides the format. The older name of this key is `vcf`.
    #[serde(alias = "vcf")]
    #[arg(long, alias = "vcf", required = true)]
    pub genotypes: Vec<PathBuf>,
    /// Properties that the genotype files do not state.
    #[serde(flatten)]
    #[command(flatten)]
    pub format: FormatOptions,
    /// FASTA of the reference genome.
    #[arg(long)]
    pub reference: PathBuf,
    /// BED of loci.
    #[arg(long)]
    pub regions_file: PathBuf,
    /// BED of positions to read as N.
    #[serde(default)]
    #[arg(long)]
    pub mask: Option<PathBuf>,
    /// BED of callable positions. All other positions are read as N.
    #[serde(default)]
    #[arg(long)]
    pub callable: Option<PathBuf>,
    /// Cohort table.
    #[arg(long)]
    pub cohort: PathBuf,
    /// How the cohort table is read.
    #[serde(flatten)]
    #[command(flatten)]
    pub reading: CohortReading,
}

impl Data {
    /// Names of all keys, each older name after its key.
    fn keys() -> Vec<String> {
        let arguments = Self::augment_args(clap::Command::new("data"));
        let names = arguments.get_arguments().flat_map(|argument| {
            let aliases = argument.get_all_aliases().unwrap_or_default();
            iter::once(argument.get_id().as_str()).chain(aliases)
        });
        names.map(str::to_owned).collect()
    }

    /// Reads the cohort table with phenotypes and covariates, without samples that have no
    /// genotypes.
    ///
    /// # Errors
    /// A file that cannot be read, or more samples without genotypes than the policy allows.
    pub(crate) fn people(&self) -> anyhow::Result<Cohort> {
        let mut cohort = Cohort::read_as(
            &self.cohort,
            self.reading.phenotype_coding,
            &self.reading.covariates(),
            &self.reading.missing(),
        )?;
        cohort.keep_present_in(
            &samples_of_files(&self.genotypes)?,
            self.reading.missing_samples,
        )?;
        Ok(cohort)
    }

    /// Reads the samples whose sequences are made: all that have genotypes, with any
    /// phenotype and covariates.
    ///
    /// # Errors
    /// The same as [`Self::people`].
    pub(crate) fn samples(&self) -> anyhow::Result<Cohort> {
        let mut cohort = Cohort::read_splits(&self.cohort)?;
        cohort.keep_present_in(
            &samples_of_files(&self.genotypes)?,
            self.reading.missing_samples,
        )?;
        Ok(cohort)
    }

    /// The files of genotypes, reference and loci.
    pub(crate) fn genome_files(&self) -> Vec<PathBuf> {
        let companions = self.genotypes.iter().flat_map(|path| companions(path));
        let others = [&self.reference, &self.regions_file];
        self.genotypes
            .iter()
            .cloned()
            .chain(companions)
            .chain(others.into_iter().cloned())
            .chain(self.mask.clone())
            .chain(self.callable.clone())
            .collect()
    }

    /// All files.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let mut paths = self.genome_files();
        paths.push(self.cohort.clone());
        paths
    }

    /// Settings that decide what is read from the genotypes, for the digest of a stage.
    pub(crate) fn genome_key(&self) -> impl Serialize {
        (
            self.genotypes.len(),
            self.mask.is_some(),
            self.callable.is_some(),
            self.reading.missing_samples,
            Some(&self.format).filter(|format| !format.is_default()),
        )
    }

    /// Settings that decide what is read from the cohort table, for the digest of a stage.
    pub(crate) fn cohort_key(&self) -> impl Serialize {
        (
            self.reading.phenotype_coding,
            self.reading.covariates(),
            self.reading.missing(),
        )
    }

    /// Options for the training of `model` on the tokens in a folder.
    pub(crate) fn training_options(
        &self,
        model: &ModelSettings,
        tokens: &Path,
        out: &Path,
    ) -> training::Options {
        training::Options {
            tokens: tokens.to_path_buf(),
            cohort: self.cohort.clone(),
            phenotype_coding: self.reading.phenotype_coding,
            covariates: self.reading.covariates(),
            missing: self.reading.missing(),
            out: out.to_path_buf(),
            name: Some(model.name()),
            architecture: model.architecture.clone(),
            additive: model.additive,
            deep_terms: model.deep_terms,
            offset: model.offset.clone(),
            schedule: model.schedule.clone(),
            init: model.init.clone(),
            device: model.device,
            tensorboard: model.tensorboard.then(|| out.join(layout::TENSORBOARD)),
            resume: training::Resume::IfSame,
        }
    }

    /// Options of the baselines.
    ///
    /// The FILTER values of the sequences apply unless `settings` has its own. So do the callable
    /// regions and the reference.
    pub(crate) fn baseline_options(
        &self,
        settings: &BaselineSettings,
        filters: &ApplyFilters,
        out: &Path,
    ) -> baselines::Options {
        let own_filters = settings.apply_filters.as_ref();
        let filters = own_filters.unwrap_or(filters).names();
        let mut matching = settings.scoring.clone();
        if matching.callable.is_none() && self.callable.is_some() {
            matching.callable.clone_from(&self.callable);
        }
        matching
            .reference
            .get_or_insert_with(|| self.reference.clone());
        baselines::Options {
            scoring: scoring::Options {
                vcf: self.genotypes.clone(),
                format: self.format.clone(),
                filters,
                scoring_files: settings.scoring_files.clone(),
                genome_build: settings.genome_build,
                min_overlap: settings.min_overlap,
                keep_ambiguous: settings.keep_ambiguous,
                matching,
                out: out.to_path_buf(),
                ..scoring::Options::default()
            },
            regions_file: (settings.variants == LearningVariants::Loci)
                .then(|| self.regions_file.clone()),
            cohort: self.cohort.clone(),
            phenotype_coding: self.reading.phenotype_coding,
            covariates: self.reading.covariates(),
            missing: self.reading.missing(),
            offset: settings.offset.clone(),
            study: settings.study.clone(),
            kinship: settings.kinship.clone(),
            kinship_variants: settings.kinship_variants,
            no_fit: settings.no_fit,
            clump_kb: settings.clump_kb,
            clump_r2: settings.clump_r2,
            p_thresholds: settings.p_thresholds.clone(),
            ..baselines::Options::default()
        }
    }

    /// Options of the comparison.
    pub(crate) fn evaluation_options(
        &self,
        settings: &ReportSettings,
        predictions: Vec<PathBuf>,
        seed: u64,
        run: PathBuf,
        out: &Path,
    ) -> evaluation::Options {
        evaluation::Options {
            predictions,
            layout: ScoreLayout {
                phenotype_coding: self.reading.phenotype_coding,
                ..ScoreLayout::default()
            },
            out: out.to_path_buf(),
            compare_to: settings.compare_to.clone(),
            cohort: Some(self.cohort.clone()),
            strata: settings.strata.clone(),
            bootstrap: settings.bootstrap,
            seed,
            prevalence: settings.prevalence,
            recalibration: settings.recalibration,
            guards: settings.guards,
            run: Some(run),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "default_seed")]
    seed: u64,
    simulate: Option<simulate::Options>,
    data: Option<Data>,
    #[serde(default)]
    sequences: Policies,
    #[serde(default)]
    tokens: tokens::Options,
    #[serde(default)]
    models: Vec<ModelSettings>,
    #[serde(default)]
    baselines: BaselineSettings,
    #[serde(default)]
    report: ReportSettings,
}

fn default_seed() -> u64 {
    1
}

impl Source {
    /// All files that the pipeline file names here.
    fn files_mut(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Simulate(options) => options.files_mut().collect(),
            Self::Data(data) => data
                .genotypes
                .iter_mut()
                .chain([
                    &mut data.reference,
                    &mut data.regions_file,
                    &mut data.cohort,
                ])
                .chain(&mut data.mask)
                .chain(&mut data.callable)
                .collect(),
        }
    }
}

/// Refuses names that two models share, names that cannot be a folder or are reserved for
/// baselines, and options without an effect.
fn check_models(models: &[ModelSettings]) -> anyhow::Result<()> {
    for (index, model) in models.iter().enumerate() {
        let name = model.name();
        if models[..index].iter().any(|earlier| earlier.name() == name) {
            bail!("two models are named `{name}`; give each [[models]] a different name");
        }
        if !can_be_folder(&name) {
            bail!(
                "`{name}` cannot be the name of a model; use letters, digits, `-`, `_`, `.` and `+`"
            );
        }
        model
            .architecture
            .check_unused()
            .with_context(|| format!("model `{name}`"))?;
        if gf_cohort_schema::is_baseline(&name) {
            bail!(
                "`{name}` cannot be the name of a model; choose another one, because names that \
                 start with `prs-` are reserved for baselines"
            );
        }
    }
    Ok(())
}

/// Whether a name is a plain folder name: not empty, neither hidden nor like an option, and
/// without characters that a shell or a file system may treat in a special way.
fn can_be_folder(name: &str) -> bool {
    let starts_well = !name.is_empty() && !name.starts_with(['.', '-']);
    starts_well
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.+".contains(c))
}

impl Plan {
    /// Reads a pipeline file.
    ///
    /// # Errors
    /// A file that cannot be read, unknown or missing keys (with the line), no source of samples or
    /// two, contradicting options, or two models of the same name.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = text::read(path)?;
        let file: File = toml::from_str(&text)
            .map_err(|error| at_line(path, &text, &in_data(&text).unwrap_or(error)))?;
        let table: toml::Table = toml::from_str(&text)?;
        if let Some((place, key)) = inner_key_set_elsewhere(&table) {
            bail!(
                "{}: `{key}` cannot be set in [{place}]; set the seed at the top of the file, and \
                 the folder with --out",
                path.display()
            );
        }
        if let Some(contradiction) = contradiction_in_simulate(&table) {
            bail!("{}: [simulate] {contradiction}", path.display());
        }
        let mut plan = Self::resolve(file, path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for file in plan.files_mut() {
            *file = folder.join(&*file);
        }
        plan.set_seed(plan.seed);
        Ok(plan)
    }

    /// Fills in the defaults that depend on other keys, and checks the result. `path` is for
    /// messages.
    fn resolve(file: File, path: &Path) -> anyhow::Result<Self> {
        let source = match (file.simulate, file.data) {
            (Some(simulate), None) => Source::Simulate(Box::new(simulate)),
            (None, Some(data)) => Source::Data(Box::new(data)),
            _ => bail!("{}: give either [simulate] or [data]", path.display()),
        };
        if matches!(&source, Source::Data(data) if data.genotypes.is_empty()) {
            bail!(
                "{}: `genotypes` in [data] has no file; add at least one",
                path.display()
            );
        }
        let tokens = file
            .tokens
            .resolved()
            .with_context(|| format!("{}: [tokens]", path.display()))?;
        let models = if file.models.is_empty() {
            vec![ModelSettings::default()]
        } else {
            file.models
        };
        check_models(&models).map_err(|error| anyhow!("{}: {error:#}", path.display()))?;
        Ok(Self {
            seed: file.seed,
            source,
            sequences: file.sequences,
            tokens,
            models,
            baselines: file.baselines,
            report: file.report,
        })
    }

    /// All files that the pipeline file names.
    fn files_mut(&mut self) -> Vec<&mut PathBuf> {
        let baselines = &mut self.baselines;
        let matching = &mut baselines.scoring;
        let mut files = self.source.files_mut();
        files.extend(&mut baselines.scoring_files);
        files.extend(&mut matching.callable);
        files.extend(&mut matching.reference);
        files.extend(&mut baselines.kinship);
        files.extend(baselines.offset.as_mut().map(|offset| &mut offset.path));
        files.extend(&mut self.tokens.tokenizer_file);
        for model in &mut self.models {
            files.extend(&mut model.init);
            files.extend(model.offset.as_mut().map(|offset| &mut offset.path));
        }
        files
    }

    /// Uses `seed` in every stage.
    pub fn set_seed(&mut self, seed: u64) {
        self.seed = seed;
        if let Source::Simulate(options) = &mut self.source {
            options.seed = seed;
        }
        for model in &mut self.models {
            model.schedule.seed = seed;
        }
    }

    /// The files to read. Those of a simulated cohort are in the folder `simulated`.
    pub fn data(&self, simulated: &Path) -> Data {
        match &self.source {
            Source::Data(data) => Data::clone(data),
            Source::Simulate(options) => Data {
                genotypes: vec![simulated.join(options.format.file_name())],
                reference: simulated.join(layout::REFERENCE),
                regions_file: simulated.join(layout::LOCI),
                cohort: simulated.join(layout::COHORT),
                ..Data::default()
            },
        }
    }

    /// Options of the sequences of a cohort.
    pub fn sequences_options(
        &self,
        data: &Data,
        cohort: &Cohort,
        out: &Path,
    ) -> sequences::Options {
        let sample_ids = cohort
            .people
            .iter()
            .map(|person| person.sample_id.clone())
            .collect();
        sequences::Options {
            vcf: data.genotypes.clone(),
            format: data.format.clone(),
            reference: data.reference.clone(),
            regions: Regions::File(data.regions_file.clone()),
            samples: Samples::Only(sample_ids),
            policies: self.sequences.clone(),
            mask: data.mask.clone(),
            callable: data.callable.clone(),
            skips: Some(out.join(layout::SKIPS)),
        }
    }

    /// Files that the baselines read in addition to genotypes and cohort.
    pub fn further_files(&self) -> impl Iterator<Item = &Path> {
        let baselines = &self.baselines;
        let matching = &baselines.scoring;
        baselines
            .scoring_files
            .iter()
            .chain(baselines.offset.as_ref().map(|offset| &offset.path))
            .chain(&matching.callable)
            .chain(&matching.reference)
            .chain(&baselines.kinship)
            .map(PathBuf::as_path)
    }
}

/// Describes an error of a TOML text in one line, with the line of the text.
fn at_line(path: &Path, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let number = error
        .span()
        .map_or(0, |span| text[..span.start].matches('\n').count());
    let line = text.lines().nth(number).unwrap_or_default().trim();
    anyhow!(
        "{}: line {} (`{line}`): {}",
        path.display(),
        number + 1,
        error.message().replace('\n', ", ")
    )
}

/// The first error inside `[data]`, with its line. serde reads the keys of flattened structs
/// without their lines, and does not list them when a key is unknown.
fn in_data(text: &str) -> Option<toml::de::Error> {
    let checks = [
        check_data::<HashMap<DataKey, toml::Value>>,
        check_data::<FormatOptions>,
        check_data::<CohortReading>,
    ];
    checks.iter().find_map(|check| check(text).err())
}

/// Reads `[data]` alone, as a `T`.
fn check_data<T: DeserializeOwned>(text: &str) -> Result<(), toml::de::Error> {
    #[derive(Deserialize)]
    struct Only<T> {
        #[serde(rename = "data")]
        _data: Option<T>,
    }
    toml::from_str::<Only<T>>(text).map(drop)
}

/// A key of `[data]`.
#[derive(PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
struct DataKey(String);

impl TryFrom<String> for DataKey {
    type Error = String;

    fn try_from(key: String) -> Result<Self, String> {
        let known = Data::keys();
        if known.contains(&key) {
            return Ok(Self(key));
        }
        let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        let known = known.join(", ");
        Err(format!("unknown field `{key}`, expected one of {known}"))
    }
}

/// Describes a key of `[simulate]` that another key leaves without effect.
fn contradiction_in_simulate(table: &toml::Table) -> Option<String> {
    let simulate = table.get("simulate").and_then(toml::Value::as_table)?;
    let published = "published weights determine the risk; leave out one of them";
    let own_length = "the panel determines the length; leave out `len_nt`";
    both_set(simulate, "risk", "effects", published)
        .or_else(|| both_set(simulate, "risk", "preset", published))
        // A preset uses `len_nt` even with a panel.
        .or_else(|| {
            both_set(simulate, "len_nt", "panel", own_length)
                .filter(|_| !simulate.contains_key("preset"))
        })
}

/// Describes the contradiction if both keys are set.
fn both_set(table: &toml::Table, one: &str, other: &str, why: &str) -> Option<String> {
    (table.contains_key(one) && table.contains_key(other))
        .then(|| format!("has both `{one}` and `{other}`, but {why}"))
}

/// A table and a key of it that must be set in another place: the seed at the top of the file, the
/// folder on the command line.
fn inner_key_set_elsewhere(table: &toml::Table) -> Option<(&'static str, &'static str)> {
    let simulate = table.get("simulate").and_then(toml::Value::as_table);
    for key in ["seed", "out"] {
        if simulate.is_some_and(|simulate| simulate.contains_key(key)) {
            return Some(("simulate", key));
        }
    }
    let models = table.get("models").and_then(toml::Value::as_array);
    let has_seed = models
        .into_iter()
        .flatten()
        .filter_map(|model| model.get("schedule"))
        .any(|schedule| schedule.get("seed").is_some());
    has_seed.then_some(("models.schedule", "seed"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use gf_cohort_schema::{CovariateChoice, MissingPolicies, MissingSamples};

    use super::*;

    #[test]
    fn the_pipelines_that_ship_are_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                Plan::read(&path).unwrap();
            }
        }
    }

    #[test]
    fn a_typing_error_is_named_with_its_line() {
        let message = refusal("[simulate]\npeple = 5\n");
        assert!(
            message.contains("line 2") && message.contains("peple"),
            "{message}"
        );
    }

    #[test]
    fn keys_in_the_wrong_place_and_wrong_names_of_models_are_refused() {
        assert!(refusal("[simulate]\nseed = 5\n").contains("`seed` cannot be set in [simulate]"));
        assert!(refusal("seed = 5\n").contains("either [simulate] or [data]"));
        assert!(refusal("[simulate]\n[[models]]\n[[models]]\n").contains("two models"));
        let unused_option = refusal(
            "[simulate]\n[[models]]\n[models.architecture]\npreset = \"primer\"\nsharing = \
             \"headwise\"\n",
        );
        assert!(
            unused_option
                .contains("model `additive+primer`: `sharing` is an option of the attention")
        );
        assert!(
            refusal("[simulate]\n[[models]]\nname = \"../x\"\n").contains("cannot be the name")
        );
    }

    #[test]
    fn keys_of_simulate_that_contradict_each_other_are_refused() {
        let message = refusal("[simulate]\npreset = \"ad-2022\"\nrisk = \"cis\"\n");
        assert!(
            message.contains(
                "[simulate] has both `risk` and `preset`, but published weights determine"
            ),
            "{message}"
        );
        let message = refusal(
            "[simulate]\neffects = \"weights.txt\"\nrisk = \"additive\"\npanel = \
             \"p.vcf\"\nreference = \"p.fa\"\n",
        );
        assert!(message.contains("`risk` and `effects`"), "{message}");
        let message =
            refusal("[simulate]\nlen_nt = 5000\npanel = \"p.vcf\"\nreference = \"p.fa\"\n");
        assert!(
            message.contains("the panel determines the length"),
            "{message}"
        );
        assert!(
            read("[simulate]\npreset = \"ad-2022\"\n").is_ok()
                && read("[simulate]\nrisk = \"null\"\n").is_ok()
        );
    }

    #[test]
    fn a_tokenizer_with_options_of_another_is_refused_before_any_work() {
        let message = refusal("[simulate]\n[tokens]\ntokenizer = \"kmer\"\nvocab_size = 512\n");
        assert!(
            message.contains("[tokens]: vocab_size does not apply to the tokenizer `kmer`"),
            "{message}"
        );
        let plan =
            read("[simulate]\n[tokens]\ntokenizer_file = \"t.json\"\nanchor = \"haplotype\"\n")
                .unwrap();
        assert!(
            plan.tokens.tokenizer_file.unwrap().is_absolute(),
            "as all paths, relative to the folder of the pipeline file"
        );
    }

    #[test]
    fn missing_values_are_stated_as_numbers_or_texts_one_or_several() {
        for key in [
            "missing_value = -9",
            "missing_value = '-9'",
            "missing_value = [-9, '-99']",
        ] {
            assert!(missing(key).value.unwrap().has("-9.0"), "{key}");
        }
        assert!(!missing("missing_value = 'none'").value.unwrap().has("-9"));
        assert_eq!(
            missing("missing_samples = 'error'").samples,
            MissingSamples::Error
        );
        let message = refusal(&format!("{DATA}missing_covariates = 'median'\n"));
        assert!(message.contains("drop-few"), "{message}");
    }

    #[test]
    fn errors_of_data_have_their_line_and_the_keys() {
        let message = refusal(&format!("{DATA}\nmissing_covariats = 'drop'\n"));
        for part in [
            "line 7 (`missing_covariats = 'drop'`)",
            "unknown field `missing_covariats`, expected one of `genotypes`, `vcf`, `ref_first`",
            "`cohort`, `phenotype_coding`",
        ] {
            assert!(message.contains(part), "{message}");
        }
        for (setting, expected) in [
            ("covariates = 3", "expected a sequence"),
            ("phenotype_coding = 'plink'", "unknown variant `plink`"),
            ("missing_samples = 'mean'", "unknown variant `mean`"),
            ("ref_first = 'no'", "expected a boolean"),
            ("mask = 1", "expected path string"),
        ] {
            let message = refusal(&format!("{DATA}{setting}\n"));
            assert!(
                message.contains(&format!("line 6 (`{setting}`)")) && message.contains(expected),
                "{message}"
            );
        }
    }

    #[test]
    fn covariates_are_chosen_as_on_the_command_line() {
        #[derive(clap::Parser)]
        struct Command {
            #[arg(long)]
            cohort: PathBuf,
            #[command(flatten)]
            reading: CohortReading,
        }
        for (key, option) in [
            ("covariates = ['none']", "--covariates none"),
            ("covariates = ['age', 'PC1']", "--covariates age,PC1"),
            ("", ""),
        ] {
            let plan = read(&format!("{DATA}{key}\n")).unwrap();
            let Source::Data(data) = plan.source else {
                panic!()
            };
            let line = format!("command --cohort c.csv {option}");
            let command = Command::parse_from(line.split_whitespace());
            assert!(command.cohort.ends_with("c.csv"));
            assert_eq!(data.reading, command.reading, "{key}");
            assert_eq!(data.reading.covariates(), command.reading.covariates());
        }
        let none = read(&format!("{DATA}covariates = ['none']\n")).unwrap();
        let Source::Data(data) = none.source else {
            panic!()
        };
        assert_eq!(
            data.reading.covariates(),
            CovariateChoice::Named(Vec::new())
        );
    }

    #[test]
    fn one_seed_reaches_every_stage() {
        let plan = read("seed = 9\n[simulate]\n").unwrap();
        let Source::Simulate(simulate) = &plan.source else {
            panic!()
        };
        assert_eq!((simulate.seed, plan.models[0].schedule.seed), (9, 9));
    }

    /// A pipeline file with the required keys only.
    const DATA: &str = "[data]\nvcf = ['a.vcf']\nreference = 'r.fa'\nregions_file = \
                        'l.bed'\ncohort = 'c.csv'\n";

    fn read(text: &str) -> anyhow::Result<Plan> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("x.toml");
        std::fs::write(&path, text)?;
        Plan::read(&path)
    }

    /// The error of a pipeline file, with its causes.
    fn refusal(text: &str) -> String {
        format!("{:#}", read(text).unwrap_err())
    }

    /// The policies for missing values of a pipeline file with this key in `[data]`.
    fn missing(key: &str) -> MissingPolicies {
        let plan = read(&format!("{DATA}{key}\n")).unwrap();
        let Source::Data(data) = plan.source else {
            panic!()
        };
        data.reading.missing()
    }
}
