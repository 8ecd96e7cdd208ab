//! A pipeline file: what a scientist edits and a paper cites. Unknown keys are errors; paths are
//! relative to the file's folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use gf_cohort_schema::{
    Cohort, CovariateChoice, MissingCovariates, MissingPolicies, MissingSamples, MissingValues,
    PhenotypeCoding, ScoreLayout, text,
};
use serde::{Deserialize, Serialize};

use crate::layout;
use crate::{
    baselines::{self, BaselineSettings, LearningVariants},
    evaluation::{self, ReportSettings},
    scoring::{self, MatchingOptions},
    simulate, tokens,
    training::{self, ModelSettings},
};
use gf_genotypes::samples_of_files;
use gf_haplotypes::{ApplyFilters, Policies, Regions, Samples};

/// The whole file, resolved.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Seed of everything random.
    pub seed: u64,
    /// Where the people come from.
    pub source: Source,
    /// Policies for genotypes.
    pub sequences: Policies,
    /// How sequences become tokens.
    pub tokens: tokens::Options,
    /// Models to train, one after the other.
    pub models: Vec<ModelSettings>,
    /// Baselines.
    pub baselines: BaselineSettings,
    /// The comparison.
    pub report: ReportSettings,
}

/// Where the people come from.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Made by `simulate`.
    Simulate(Box<simulate::Options>),
    /// The user's files.
    Data(Data),
}

/// The user's files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// VCF, VCF.gz or BCF files.
    pub vcf: Vec<PathBuf>,
    /// Reference FASTA.
    pub reference: PathBuf,
    /// BED of loci.
    pub regions_file: PathBuf,
    /// BED of places to read as N.
    #[serde(default)]
    pub mask: Option<PathBuf>,
    /// BED outside of which everything is read as N.
    #[serde(default)]
    pub callable: Option<PathBuf>,
    /// Cohort table.
    pub cohort: PathBuf,
    /// How phenotypes are written.
    #[serde(default)]
    pub phenotype_coding: PhenotypeCoding,
    /// Covariates, for models and baselines alike; `age`, `sex` and `PC1`, `PC2`, ... of the
    /// cohort when absent.
    #[serde(default)]
    covariates: Option<Vec<String>>,
    /// Numbers that stand for a missing value in phenotype and covariates, such as `["-9"]`;
    /// `["none"]` when no number does.
    #[serde(default)]
    missing_value: Option<MissingValues>,
    /// Samples without a value of a covariate: drop-few (drop them where they are at most 5 % of
    /// their split), error, drop, or mean (of the training samples).
    #[serde(default)]
    missing_covariates: MissingCovariates,
    /// Samples of the cohort that are not in the VCF: drop-few (drop them where they are at most 5
    /// % of their split), error, or drop.
    #[serde(default)]
    missing_samples: MissingSamples,
}

impl Data {
    /// As the reader's option.
    pub fn covariates(&self) -> CovariateChoice {
        self.covariates
            .clone()
            .map_or(CovariateChoice::Usual, CovariateChoice::Named)
    }

    /// As the reader's option.
    pub fn missing(&self) -> MissingPolicies {
        let Self {
            missing_value,
            missing_covariates,
            missing_samples,
            ..
        } = self;
        MissingPolicies {
            value: missing_value.clone(),
            covariates: *missing_covariates,
            samples: *missing_samples,
        }
    }

    /// The cohort table with phenotypes and covariates, without samples that are not in the
    /// genotypes.
    pub fn people(&self) -> anyhow::Result<Cohort> {
        let mut cohort = Cohort::read_as(
            &self.cohort,
            self.phenotype_coding,
            &self.covariates(),
            &self.missing(),
        )?;
        cohort.keep_present_in(&samples_of_files(&self.vcf)?, self.missing_samples)?;
        Ok(cohort)
    }

    /// The samples whose sequences are made: everyone in the genotypes, whatever their phenotype
    /// and covariates.
    pub fn samples(&self) -> anyhow::Result<Cohort> {
        let mut cohort = Cohort::read_splits(&self.cohort)?;
        cohort.keep_present_in(&samples_of_files(&self.vcf)?, self.missing_samples)?;
        Ok(cohort)
    }

    /// The files of genotypes and loci.
    pub fn genome_files(&self) -> impl Iterator<Item = &Path> {
        let masks = self.mask.iter().chain(&self.callable);
        self.vcf
            .iter()
            .chain([&self.reference, &self.regions_file])
            .chain(masks)
            .map(PathBuf::as_path)
    }

    /// The files.
    pub fn paths(&self) -> Vec<&Path> {
        self.genome_files().chain([self.cohort.as_path()]).collect()
    }

    /// What matters of genotypes next to the contents of their files.
    pub fn genome_key(&self) -> impl Serialize {
        (
            self.vcf.len(),
            self.mask.is_some(),
            self.callable.is_some(),
            self.missing_samples,
        )
    }

    /// What matters of the cohort next to the contents of its file.
    pub fn cohort_key(&self) -> impl Serialize {
        (self.phenotype_coding, self.covariates(), self.missing())
    }

    /// Options of the training of `model`, with these tokens and cohort.
    pub fn training_options(
        &self,
        model: &ModelSettings,
        tokens: &Path,
        out: &Path,
    ) -> training::Options {
        training::Options {
            tokens: tokens.to_path_buf(),
            cohort: self.cohort.clone(),
            phenotype_coding: self.phenotype_coding,
            covariates: self.covariates(),
            missing: self.missing(),
            out: out.to_path_buf(),
            name: Some(model.name()),
            architecture: model.architecture.clone(),
            additive: model.additive,
            deep_terms: model.deep_terms,
            offset: model.offset.clone(),
            schedule: model.schedule.clone(),
            init: model.init.clone(),
            device: model.device,
            tensorboard: model.tensorboard.then(|| out.join("tensorboard")),
            resume: training::Resume::IfSame,
        }
    }

    /// Options of the baselines. The FILTER values of the sequences apply unless `settings` has its
    /// own.
    pub fn baseline_options(
        &self,
        settings: &BaselineSettings,
        filters: &ApplyFilters,
        out: &Path,
    ) -> baselines::Options {
        let filters = settings.apply_filters.as_ref().unwrap_or(filters).names();
        let mut matching = settings.scoring.clone();
        if matching.callable.is_none() && self.callable.is_some() {
            matching.callable.clone_from(&self.callable);
        }
        matching
            .reference
            .get_or_insert_with(|| self.reference.clone());
        baselines::Options {
            scoring: scoring::Options {
                vcf: self.vcf.clone(),
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
            phenotype_coding: self.phenotype_coding,
            covariates: self.covariates(),
            missing: self.missing(),
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
    pub fn evaluation_options(
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
                phenotype_coding: self.phenotype_coding,
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
    /// The files that it names.
    fn files_mut(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Simulate(options) => options.files_mut().collect(),
            Self::Data(data) => {
                let required = [
                    &mut data.reference,
                    &mut data.regions_file,
                    &mut data.cohort,
                ];
                let files = data.vcf.iter_mut().chain(required);
                files
                    .chain(&mut data.mask)
                    .chain(&mut data.callable)
                    .collect()
            }
        }
    }
}

/// Refuses names that two models share or that no folder can have, and options without a use.
fn check_models(models: &[ModelSettings]) -> anyhow::Result<()> {
    for (index, model) in models.iter().enumerate() {
        let name = model.name();
        if models[..index].iter().any(|other| other.name() == name) {
            bail!("two models are named `{name}`; give each [[models]] a name of its own");
        }
        let is_usual = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
        if name.is_empty() || !name.chars().all(is_usual) || name.starts_with(['.', '-']) {
            bail!("`{name}` cannot name a model: use letters, digits, `-`, `_`, `.` and `+`");
        }
        model
            .architecture
            .check_unused()
            .with_context(|| format!("model `{name}`"))?;
        if gf_cohort_schema::is_baseline(&name) {
            bail!("names that start with `prs-` are those of baselines, not `{name}`");
        }
    }
    Ok(())
}

impl Plan {
    /// Reads a pipeline file.
    ///
    /// # Errors
    /// A file that cannot be read, unknown or missing keys (with the line), people from nowhere or
    /// from two places, a name used twice.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = text::read(path)?;
        let file: File = toml::from_str(&text).map_err(|error| at_line(path, &text, &error))?;
        let table: toml::Table = toml::from_str(&text)?;
        if let Some((place, key)) = inner_key_set_elsewhere(&table) {
            bail!(
                "{}: `{key}` in [{place}] is set elsewhere: the seed once at the top, folders by \
                 --out",
                path.display()
            );
        }
        if let Some(contradiction) = contradiction_in_simulate(&table) {
            bail!("{}: [simulate] {contradiction}", path.display());
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let at = |path: &mut PathBuf| *path = folder.join(&*path);
        let mut source = match (file.simulate, file.data) {
            (Some(simulate), None) => Source::Simulate(Box::new(simulate)),
            (None, Some(data)) => Source::Data(data),
            _ => bail!("{}: give either [simulate] or [data]", path.display()),
        };
        source.files_mut().into_iter().for_each(at);
        if matches!(&source, Source::Data(data) if data.vcf.is_empty()) {
            bail!("{}: [data] vcf names no file", path.display());
        }
        let mut baselines = file.baselines;
        let MatchingOptions {
            callable,
            reference,
            ..
        } = &mut baselines.scoring;
        baselines
            .scoring_files
            .iter_mut()
            .chain(callable)
            .chain(reference)
            .chain(&mut baselines.kinship)
            .chain(baselines.offset.as_mut().map(|offset| &mut offset.path))
            .for_each(at);
        let mut tokens = file
            .tokens
            .resolved()
            .with_context(|| format!("{}: [tokens]", path.display()))?;
        tokens.tokenizer_file.iter_mut().for_each(at);
        let mut models = if file.models.is_empty() {
            vec![ModelSettings::default()]
        } else {
            file.models
        };
        models
            .iter_mut()
            .filter_map(|model| model.init.as_mut())
            .for_each(at);
        models
            .iter_mut()
            .filter_map(|model| Some(&mut model.offset.as_mut()?.path))
            .for_each(at);
        check_models(&models).map_err(|error| anyhow!("{}: {error:#}", path.display()))?;
        let mut plan = Self {
            seed: file.seed,
            source,
            sequences: file.sequences,
            tokens,
            models,
            baselines,
            report: file.report,
        };
        plan.set_seed(file.seed);
        Ok(plan)
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

    /// The files to read; those of a simulated cohort lie in `simulated`.
    pub fn data(&self, simulated: &Path) -> Data {
        match &self.source {
            Source::Data(data) => data.clone(),
            Source::Simulate(_) => Data {
                vcf: vec![simulated.join(layout::COHORT_VCF)],
                reference: simulated.join(layout::REFERENCE),
                regions_file: simulated.join(layout::LOCI),
                mask: None,
                callable: None,
                cohort: simulated.join(layout::COHORT),
                phenotype_coding: PhenotypeCoding::Auto,
                covariates: None,
                missing_value: None,
                missing_covariates: MissingCovariates::default(),
                missing_samples: MissingSamples::default(),
            },
        }
    }

    /// Options of the sequences of a cohort.
    pub fn sequences_options(
        &self,
        data: &Data,
        cohort: &Cohort,
        out: &Path,
    ) -> gf_haplotypes::Options {
        gf_haplotypes::Options {
            vcf: data.vcf.clone(),
            reference: data.reference.clone(),
            regions: Regions::File(data.regions_file.clone()),
            samples: Samples::Only(
                cohort
                    .people
                    .iter()
                    .map(|person| person.sample_id.clone())
                    .collect(),
            ),
            policies: self.sequences.clone(),
            mask: data.mask.clone(),
            callable: data.callable.clone(),
            skips: Some(out.join(layout::SKIPS)),
        }
    }

    /// Further files that stages read.
    pub fn further_files(&self) -> impl Iterator<Item = &Path> {
        let MatchingOptions {
            callable,
            reference,
            ..
        } = &self.baselines.scoring;
        let BaselineSettings {
            scoring_files,
            offset,
            kinship,
            ..
        } = &self.baselines;
        scoring_files
            .iter()
            .chain(offset.as_ref().map(|offset| &offset.path))
            .chain(callable)
            .chain(reference)
            .chain(kinship)
            .map(PathBuf::as_path)
    }
}

/// What is wrong with a TOML text, in one line.
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

/// A key of `[simulate]` that another key leaves without effect.
fn contradiction_in_simulate(table: &toml::Table) -> Option<String> {
    let simulate = table.get("simulate").and_then(toml::Value::as_table)?;
    let has = |key: &str| simulate.contains_key(key);
    let both = |one: &str, other: &str, why: &str| {
        (has(one) && has(other)).then(|| format!("has `{one}` and `{other}`, and {why}"))
    };
    let published = "published weights are the risk: leave out one of them";
    both("risk", "effects", published)
        .or_else(|| both("risk", "preset", published))
        .or_else(|| {
            let own_length = "the panel has its own length: leave out `len_nt`";
            both("len_nt", "panel", own_length).filter(|_| !has("preset"))
        })
}

/// A key that a stage's options have, but that a pipeline file says in one other place.
fn inner_key_set_elsewhere(table: &toml::Table) -> Option<(&'static str, &'static str)> {
    let simulate = table.get("simulate").and_then(toml::Value::as_table);
    for key in ["seed", "out"] {
        if simulate.is_some_and(|simulate| simulate.contains_key(key)) {
            return Some(("simulate", key));
        }
    }
    let models = table.get("models").and_then(toml::Value::as_array);
    let mut schedules = models
        .into_iter()
        .flatten()
        .filter_map(|model| model.get("schedule"));
    schedules
        .any(|schedule| schedule.get("seed").is_some())
        .then_some(("models.schedule", "seed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Plan> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("x.toml");
        std::fs::write(&path, text)?;
        Plan::read(&path)
    }

    #[test]
    fn the_pipelines_that_ship_are_read() {
        for entry in
            std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines")).unwrap()
        {
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
        let message = format!("{:#}", read("[simulate]\npeple = 5\n").unwrap_err());
        assert!(
            message.contains("line 2") && message.contains("peple"),
            "{message}"
        );
    }

    #[test]
    fn what_is_said_in_one_place_cannot_be_said_in_another() {
        assert!(
            read("[simulate]\nseed = 5\n")
                .unwrap_err()
                .to_string()
                .contains("`seed` in [simulate]")
        );
        assert!(
            read("seed = 5\n")
                .unwrap_err()
                .to_string()
                .contains("either [simulate] or [data]")
        );
        assert!(
            read("[simulate]\n[[models]]\n[[models]]\n")
                .unwrap_err()
                .to_string()
                .contains("two models")
        );
        let of_another = read(
            "[simulate]\n[[models]]\n[models.architecture]\npreset = \"primer\"\nsharing = \
             \"headwise\"\n",
        );
        assert!(
            format!("{:#}", of_another.unwrap_err())
                .contains("model `additive+primer`: `sharing` is of the attention")
        );
        assert!(
            read("[simulate]\n[[models]]\nname = \"../x\"\n")
                .unwrap_err()
                .to_string()
                .contains("cannot name")
        );
    }

    #[test]
    fn keys_of_simulate_that_contradict_each_other_are_refused() {
        let message =
            |keys: &str| format!("{:#}", read(&format!("[simulate]\n{keys}\n")).unwrap_err());
        let found = message("preset = \"ad-2022\"\nrisk = \"cis\"");
        assert!(
            found
                .contains("[simulate] has `risk` and `preset`, and published weights are the risk"),
            "{found}"
        );
        let found = message(
            "effects = \"weights.txt\"\nrisk = \"additive\"\npanel = \"p.vcf\"\nreference = \
             \"p.fa\"",
        );
        assert!(found.contains("`risk` and `effects`"), "{found}");
        assert!(
            message("len_nt = 5000\npanel = \"p.vcf\"\nreference = \"p.fa\"")
                .contains("the panel has its own length")
        );
        assert!(
            read("[simulate]\npreset = \"ad-2022\"\n").is_ok()
                && read("[simulate]\nrisk = \"null\"\n").is_ok()
        );
    }

    #[test]
    fn a_tokenizer_with_options_of_another_is_refused_before_any_work() {
        let message = format!(
            "{:#}",
            read("[simulate]\n[tokens]\ntokenizer = \"kmer\"\nvocab_size = 512\n").unwrap_err()
        );
        assert!(
            message.contains("[tokens]: vocab_size does not go with the tokenizer `kmer`"),
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
        let data = "[data]\nvcf = ['a.vcf']\nreference = 'r.fa'\nregions_file = 'l.bed'\ncohort = \
                    'c.csv'\n";
        let stated = |key: &str| {
            let plan = read(&format!("{data}{key}\n")).unwrap();
            let Source::Data(data) = plan.source else {
                panic!()
            };
            data.missing()
        };
        for key in [
            "missing_value = -9",
            "missing_value = '-9'",
            "missing_value = [-9, '-99']",
        ] {
            assert!(stated(key).value.unwrap().has("-9.0"), "{key}");
        }
        assert!(!stated("missing_value = 'none'").value.unwrap().has("-9"));
        assert_eq!(
            stated("missing_samples = 'error'").samples,
            MissingSamples::Error
        );
        assert!(
            read(&format!("{data}missing_covariates = 'median'\n"))
                .unwrap_err()
                .to_string()
                .contains("drop-few")
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
}
