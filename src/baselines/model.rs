//! Fitted baselines: terms, the file `prs_model.json`, and application to new samples.
//!
//! Every baseline is one formula, with a sum over its terms:
//! `logit = intercept + sum of coefficient * (value - mean) / sd`.
//! The value of a sample is that of a [`Feature`]. Means, standard deviations and allele
//! frequencies are those of the training samples, never those of the samples that are scored.
//! Positions are 1-based.

use crate::scoring::GenotypeFiles;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    path::Path,
    sync::OnceLock,
};

use gf_cohort_schema::{Cohort, probability};
use serde::{Deserialize, Serialize};

use crate::{
    baselines::{
        Error,
        apoe::{self, ApoeHaplotypes},
    },
    scoring::{
        self,
        build::Stated,
        dosages::{self, GenotypeTable, ReadCounts, Reading, Request, RequestedAllele, Site},
        effect::Effect,
        genotypes::Totals,
        matching::{MatchType, Unmatched, complement},
        positions::Positions,
        reasons::{Reason, Reasons},
    },
};
use gf_files::stored_format::{self, StoredFormatProblem};
use gf_genotypes::{
    DisjointRegions, GenomeBuild, Position1, Samples, VariantRecord, contig_key, pass,
};

/// Version of `prs_model.json`.
pub const SCHEMA_VERSION: u32 = 2;

/// Everything needed to apply the baselines to new samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrsModel {
    /// [`SCHEMA_VERSION`] when written.
    pub schema_version: u32,
    /// Genome build of the training VCF, if it is known.
    pub genome_build: Option<GenomeBuild>,
    /// Smallest fraction of a baseline's alleles that a VCF must have.
    pub min_overlap: f64,
    /// How genotypes become dosages, in training and in new samples.
    pub reading: Reading,
    /// FILTER names of the records that are used; empty for every record.
    #[serde(default = "pass", skip_serializing_if = "is_pass")]
    pub filters: Vec<String>,
    /// The baselines.
    pub baselines: Vec<Baseline>,
}

/// Whether the filters are the default, which the file leaves out.
fn is_pass(filters: &[String]) -> bool {
    filters == pass()
}

/// One fitted baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Name in `predictions.csv`.
    pub model: String,
    /// Log-odds of a sample with the training mean in every term.
    pub intercept: f64,
    /// Terms of the sum.
    pub terms: Vec<Term>,
}

/// One standardised feature and its coefficient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// The feature before standardisation.
    pub feature: Feature,
    /// Mean over the training samples.
    pub mean: f64,
    /// Standard deviation over the training samples, with divisor n like scikit-learn's
    /// `StandardScaler`.
    pub sd: f64,
    /// Log-odds per standard deviation.
    pub coefficient: f64,
}

/// A quantity that every sample has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Feature {
    /// A column of `cohort.csv`, in its unit.
    Covariate {
        /// Name of the column.
        name: String,
    },
    /// Copies of APOE e2.
    ApoeE2,
    /// Copies of APOE e4.
    ApoeE4,
    /// Sum over alleles of weight times copies.
    AlleleScore {
        /// The alleles.
        alleles: Vec<AlleleWeight>,
    },
}

/// An allele of a record and its weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlleleWeight {
    /// Contig as the training VCF names it.
    pub chrom: String,
    /// POS.
    pub position: Position1,
    /// REF.
    pub ref_allele: String,
    /// ALT.
    pub alt_allele: String,
    /// Copies of REF are counted, not copies of ALT.
    pub effect_is_ref: bool,
    /// Weight per copy.
    pub weight: f64,
    /// Weights of 0, 1 and 2 copies of an effect that is not additive. They replace
    /// [`Self::weight`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dosage_weights: Option<[f64; 3]>,
    /// Frequency of the counted allele in the training samples. A missing dosage is this frequency
    /// times the ploidy.
    pub frequency: f64,
    /// Mean dosage of the training samples.
    pub mean: f64,
    /// Standard deviation of the dosage over the training samples.
    pub sd: f64,
}

impl AlleleWeight {
    /// The allele whose copies are counted.
    #[must_use]
    pub fn effect_allele(&self) -> &str {
        if self.effect_is_ref {
            &self.ref_allele
        } else {
            &self.alt_allele
        }
    }

    /// The other allele of the record.
    #[must_use]
    pub fn other_allele(&self) -> &str {
        if self.effect_is_ref {
            &self.alt_allele
        } else {
            &self.ref_allele
        }
    }

    /// Whether REF and ALT are complements, so that their strand in another file is unknown.
    fn is_ambiguous(&self) -> bool {
        complement(&self.ref_allele).as_deref() == Some(self.alt_allele.as_str())
    }

    /// Contig key and position.
    fn position_key(&self) -> PositionKey<'_> {
        (contig_key(&self.chrom), self.position)
    }

    /// The match with REF and an ALT allele of a record, if the alleles agree.
    fn match_type(&self, site: &Site, alt: i16) -> Option<MatchType> {
        let alleles = (self.effect_allele(), Some(self.other_allele()));
        MatchType::between(alleles, &site.ref_allele, site.allele(alt))
    }

    /// Position and alleles as text, such as `1:100 A>G`.
    fn variant_name(&self) -> String {
        format!(
            "{}:{} {}>{}",
            self.chrom, self.position, self.ref_allele, self.alt_allele
        )
    }

    /// Effect of the copies of the counted allele.
    fn effect(&self) -> Effect {
        self.dosage_weights
            .map_or(Effect::Additive(self.weight), Effect::PerDosage)
    }

    /// Rows of `weights.csv`: the name of the term and its weight.
    pub(crate) fn increments(&self) -> impl Iterator<Item = (&'static str, f64)> + use<> {
        let rows = match self.dosage_weights {
            None => vec![("allele", self.weight)],
            Some([zero, one, two]) => vec![
                ("allele-1-copy", one - zero),
                ("allele-2-copies", two - one),
            ],
        };
        rows.into_iter()
    }
}

/// Risk of one sample by one baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Risk {
    /// The sample's name in the VCF.
    pub sample_id: String,
    /// The baseline.
    pub model: String,
    /// Log-odds of being a case.
    pub logit: f64,
    /// Probability of being a case, at the proportion of cases among the training samples.
    pub probability: f64,
}

/// Alleles of a saved model that a VCF lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsentAlleles {
    /// Number of alleles.
    pub n_alleles: usize,
    /// Reasons in words, with a count and an example of each.
    pub reasons: String,
}

/// Summary of the application of a saved model.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ApplySummary {
    /// Number of samples scored.
    pub n_people: usize,
    /// Counts of records and genotypes.
    pub genotypes: ReadCounts,
    /// Alleles of each baseline that the VCF lacks; the training mean is used for them.
    pub absent_alleles: BTreeMap<String, AbsentAlleles>,
    /// Alleles of each baseline whose REF and ALT differ from training.
    pub rewritten_alleles: BTreeMap<String, Rewritten>,
    /// Samples without a call at the two APOE variants; the training mean is used for them.
    pub people_without_apoe: usize,
    /// Warnings about the input files.
    pub warnings: Vec<String>,
}

/// Why a saved model cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ModelProblem {
    /// The operating system cannot read the file.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// Another version, or not a model of `prs`.
    #[error("not a saved prs model: {0}")]
    Format(#[from] StoredFormatProblem),
    /// Two baselines of one name.
    #[error(
        "two baselines are named `{name}`, so the file is damaged; make it again with `gf-genomics \
         prs`"
    )]
    BaselineTwice {
        /// Name of the baselines.
        name: String,
    },
}

impl PrsModel {
    /// Reads a `prs_model.json`.
    ///
    /// # Errors
    /// A file that cannot be read, is not a model of `prs`, or has another version.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let json = stored_format::read(path).map_err(|error| Error::model(path, error.source))?;
        let model: Self = stored_format::from_json(&json, SCHEMA_VERSION, "gf-genomics prs")
            .map_err(|problem| Error::model(path, problem))?;
        let mut names = HashSet::new();
        let repeated = model
            .baselines
            .iter()
            .find(|baseline| !names.insert(baseline.model.as_str()));
        match repeated {
            Some(baseline) => {
                let name = baseline.model.clone();
                Err(Error::model(path, ModelProblem::BaselineTwice { name }))
            }
            None => Ok(model),
        }
    }

    /// The covariates that the baselines need, by name, with mean and standard deviation over the
    /// training samples.
    #[must_use]
    pub fn covariates(&self) -> BTreeMap<&str, (f64, f64)> {
        let mut covariates = BTreeMap::new();
        for term in self.baselines.iter().flat_map(|baseline| &baseline.terms) {
            if let Feature::Covariate { name } = &term.feature {
                covariates.insert(name.as_str(), (term.mean, term.sd));
            }
        }
        covariates
    }

    /// Applies every baseline to the samples of new VCF or BCF files: those of `cohort`, or all.
    ///
    /// The phenotypes of `cohort` are not used. Rows are ordered by baseline, then sample. REF is
    /// compared with `reference` if it is given.
    ///
    /// # Errors
    /// - Files that cannot be read.
    /// - Missing covariates or APOE variants of a baseline.
    /// - A VCF with fewer of a baseline's alleles than [`Self::min_overlap`].
    pub fn apply(
        &self,
        files: &GenotypeFiles<'_>,
        samples: &Samples,
        reference: Option<&Path>,
        cohort: Option<&Cohort>,
    ) -> Result<(Vec<Risk>, ApplySummary), Error> {
        let table = self.read_genotypes(files, samples, reference, cohort)?;
        let mut summary = ApplySummary {
            n_people: table.people.len(),
            genotypes: table.counts.clone(),
            warnings: table.warnings.clone(),
            ..ApplySummary::default()
        };
        let mut apoe = Vec::new();
        if self.has_apoe() {
            apoe = apoe::haplotypes(&table.sites, self.genome_build).map_err(Error::NoApoe)?;
            summary.people_without_apoe = apoe.iter().filter(|call| call.is_none()).count();
            summary
                .warnings
                .extend(apoe::written_otherwise(&table.sites, self.genome_build));
        }
        let people = BaselineSamples::new(&table, apoe, cohort).knowing_strands_of(&self.baselines);
        let mut risks = Vec::with_capacity(self.baselines.len() * table.people.len());
        for baseline in &self.baselines {
            self.check_baseline(baseline, &people, &mut summary)?;
            for (sample_id, logit) in table.people.iter().zip(baseline.logits(&people)?) {
                risks.push(Risk {
                    sample_id: sample_id.clone(),
                    model: baseline.model.clone(),
                    logit,
                    probability: probability(logit),
                });
            }
        }
        Ok((risks, summary))
    }

    /// Reads the genotypes of all alleles of the model.
    fn read_genotypes(
        &self,
        files: &GenotypeFiles<'_>,
        samples: &Samples,
        reference: Option<&Path>,
        cohort: Option<&Cohort>,
    ) -> Result<GenotypeTable, Error> {
        let positions = self.positions();
        let regions = DisjointRegions::new(positions.regions(usize::MAX));
        let names: Option<Vec<&str>> = cohort.map(|cohort| {
            cohort
                .people
                .iter()
                .map(|person| person.sample_id.as_str())
                .collect()
        });
        let stated_build: Option<Stated> = self.genome_build.map(|build| Stated {
            by: "the model".into(),
            build: Ok(build),
        });
        let is_wanted = |record: &VariantRecord| positions.has(record);
        let request = Request {
            paths: files.paths,
            format: Some(files.format),
            regions: Some(&regions),
            people: names.as_deref(),
            samples: Some(samples),
            wanted: Some(&is_wanted),
            filters: Some(self.filters.as_slice()).filter(|names| !names.is_empty()),
            keep_unused: Some(&|_| true),
            reference,
            builds: stated_build.as_slice(),
        };
        let mut table = GenotypeTable::read_as(&request, &self.reading)?;
        self.add_reference_calls(&mut table);
        Ok(table)
    }

    /// Adds sites for alleles at records of REF alone, which no sample carries.
    fn add_reference_calls(&self, table: &mut GenotypeTable) {
        let model_alleles = self
            .baselines
            .iter()
            .flat_map(Baseline::alleles)
            .map(|allele| RequestedAllele {
                contig: &allele.chrom,
                position: allele.position,
                allele: allele.effect_allele(),
                other_allele: Some(allele.other_allele()),
            });
        let reference_calls = dosages::reference_calls(
            &table.not_used.without_alt,
            &table.sites,
            model_alleles.chain(apoe::alleles()),
        );
        table.sites.extend(reference_calls);
    }

    /// Checks that the VCF and every sample have enough alleles of a baseline, and adds what is
    /// absent, rewritten or missing to the summary.
    fn check_baseline(
        &self,
        baseline: &Baseline,
        people: &BaselineSamples<'_>,
        summary: &mut ApplySummary,
    ) -> Result<(), Error> {
        let model = &baseline.model;
        let names = &people.table.people;
        let coverage = people.coverage(baseline);
        let n_absent = coverage.reasons.total();
        let n_present = coverage.n_alleles - n_absent;
        if n_absent > 0 {
            self.require_overlap(baseline, &coverage)?;
            let absent = AbsentAlleles {
                n_alleles: n_absent,
                reasons: coverage.reasons.to_string(),
            };
            summary.absent_alleles.insert(model.clone(), absent);
        }
        if coverage.rewritten != Rewritten::default() {
            summary
                .rewritten_alleles
                .insert(model.clone(), coverage.rewritten);
        }
        let n_missing = people.missing_genotypes(baseline);
        self.require_genotypes(baseline, names, &n_missing, n_present)?;
        summary
            .warnings
            .extend(about_missing(model, names, &n_missing, n_present));
        Ok(())
    }

    /// Refuses a VCF with fewer of a baseline's alleles than [`Self::min_overlap`].
    fn require_overlap(&self, baseline: &Baseline, coverage: &Coverage) -> Result<(), Error> {
        let n_present = coverage.n_alleles - coverage.reasons.total();
        if n_present as f64 >= self.min_overlap * coverage.n_alleles as f64 {
            return Ok(());
        }
        let build = self.genome_build;
        Err(scoring::Error::Overlap {
            what: baseline.model.clone(),
            matched: n_present,
            rows: coverage.n_alleles,
            min_overlap: self.min_overlap,
            build: build.map_or_else(|| "not stated".into(), |build| build.to_string()),
            reasons: Box::new(coverage.reasons.clone()),
            log: String::new(),
        }
        .into())
    }

    /// Refuses samples that have genotypes of too few of a baseline's alleles.
    ///
    /// `n_missing` has the number of missing genotypes of each sample. `n_present` alleles are in
    /// the VCF.
    fn require_genotypes(
        &self,
        baseline: &Baseline,
        names: &[String],
        n_missing: &[u32],
        n_present: usize,
    ) -> Result<(), Error> {
        let n_alleles = baseline.alleles().count();
        if n_alleles == 0 {
            return Ok(());
        }
        let mut refused = (0..n_missing.len()).filter(|&sample| {
            let n_called = n_present - n_missing[sample] as usize;
            (n_called as f64) < self.min_overlap * n_alleles as f64
        });
        let Some(first) = refused.next() else {
            return Ok(());
        };
        Err(Error::PeopleWithoutGenotypes {
            model: baseline.model.clone(),
            sample: names[first].clone(),
            n_called: n_present - n_missing[first] as usize,
            n_alleles,
            n_people: refused.count() + 1,
            min_overlap: self.min_overlap,
        })
    }

    /// Whether a baseline has APOE counts.
    fn has_apoe(&self) -> bool {
        self.baselines
            .iter()
            .flat_map(|baseline| &baseline.terms)
            .any(|term| matches!(term.feature, Feature::ApoeE2 | Feature::ApoeE4))
    }

    /// Positions of all alleles of the model.
    fn positions(&self) -> Positions {
        let alleles = self
            .baselines
            .iter()
            .flat_map(Baseline::alleles)
            .map(|allele| (allele.chrom.as_str(), allele.position));
        let apoe = self.has_apoe().then(apoe::positions);
        Positions::new(alleles.chain(apoe.into_iter().flatten()))
    }
}

impl Baseline {
    /// Alleles of the baseline's score; none for a baseline without a score.
    pub fn alleles(&self) -> impl Iterator<Item = &AlleleWeight> {
        self.terms.iter().flat_map(|term| match &term.feature {
            Feature::AlleleScore { alleles } => alleles.as_slice(),
            _ => &[],
        })
    }

    /// Log-odds of each sample.
    ///
    /// # Errors
    /// A covariate is missing.
    pub(crate) fn logits(&self, people: &BaselineSamples<'_>) -> Result<Vec<f64>, Error> {
        let mut logits = vec![self.intercept; people.len()];
        for term in &self.terms {
            let values =
                people
                    .values(&term.feature, term.mean)
                    .ok_or_else(|| Error::NoCovariate {
                        model: self.model.clone(),
                        name: term.feature.name().into(),
                    })?;
            logits.iter_mut().zip(values).for_each(|(logit, value)| {
                *logit += term.coefficient * (value - term.mean) / term.sd;
            });
        }
        Ok(logits)
    }
}

impl Feature {
    /// Name in `weights.csv`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Covariate { name } => name,
            Self::ApoeE2 => "e2",
            Self::ApoeE4 => "e4",
            Self::AlleleScore { .. } => "score",
        }
    }

    /// Value of a sample without any copy: the sum of the weights of 0 copies.
    pub(crate) fn least(&self) -> f64 {
        match self {
            Self::AlleleScore { alleles } => {
                alleles.iter().map(|allele| allele.effect().at(0.0)).sum()
            }
            _ => 0.0,
        }
    }
}

/// Numbers of alleles whose REF and ALT differ from training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewritten {
    /// Alleles with REF and ALT exchanged.
    pub exchanged: usize,
    /// Alleles on the other strand, exchanged or not.
    pub flipped: usize,
}

/// The alleles of a baseline compared with a VCF.
struct Coverage {
    n_alleles: usize,
    /// Reasons of the alleles that are absent.
    reasons: Reasons,
    rewritten: Rewritten,
}

/// A record that has an allele of a baseline.
#[derive(Clone, Copy)]
struct AlleleMatch<'a> {
    site: &'a Site,
    /// Number of the effect allele in the record.
    number: i16,
    /// How effect and other allele agree with REF and ALT.
    match_type: MatchType,
}

/// Contig key and position.
type PositionKey<'a> = (&'a str, Position1);

/// Contig key, position, REF and ALT.
type AlleleKey<'a> = (&'a str, Position1, &'a str, &'a str);

/// The samples to which baselines are applied, with the values of all features.
pub struct BaselineSamples<'a> {
    table: &'a GenotypeTable,
    /// APOE haplotypes; empty if the two variants are absent.
    pub apoe: Vec<Option<ApoeHaplotypes>>,
    /// Values of each covariate, by name.
    covariates: HashMap<&'a str, Vec<f64>>,
    /// Site and number of each ALT allele.
    alleles: HashMap<AlleleKey<'a>, (&'a Site, i16)>,
    /// Records by position, for alleles without a record of the same REF and ALT.
    by_position: OnceLock<RecordsByPosition<'a>>,
    /// Whether the VCF has alleles of the baselines on the other strand.
    has_flipped: OnceLock<bool>,
}

impl<'a> BaselineSamples<'a> {
    /// Indexes the samples of `table`. If `cohort` is given, it has the same samples in the same
    /// order.
    #[must_use]
    pub fn new(
        table: &'a GenotypeTable,
        apoe: Vec<Option<ApoeHaplotypes>>,
        cohort: Option<&'a Cohort>,
    ) -> Self {
        let mut covariates = HashMap::new();
        if let Some(cohort) = cohort {
            for (column, name) in cohort.covariate_names.iter().enumerate() {
                covariates.insert(
                    name.as_str(),
                    cohort
                        .people
                        .iter()
                        .map(|person| person.covariates[column])
                        .collect(),
                );
            }
        }
        let mut alleles = HashMap::new();
        for site in &table.sites {
            let contig = contig_key(&site.contig);
            let ref_allele = site.ref_allele.as_str();
            for &alt in &site.counted_alts {
                let key = (contig, site.position, ref_allele, site.allele(alt));
                alleles.insert(key, (site, alt));
            }
        }
        Self {
            table,
            apoe,
            covariates,
            alleles,
            by_position: OnceLock::new(),
            has_flipped: OnceLock::new(),
        }
    }

    /// Finds out whether any allele of `baselines` is on the other strand. If so, the strand of all
    /// A/T and C/G alleles is unknown.
    fn knowing_strands_of(self, baselines: &[Baseline]) -> Self {
        let has_flipped = baselines
            .iter()
            .flat_map(Baseline::alleles)
            .filter(|allele| !allele.is_ambiguous())
            .filter_map(|allele| self.any_match(allele))
            .any(|allele_match| allele_match.match_type.is_flipped());
        Self {
            has_flipped: OnceLock::from(has_flipped),
            ..self
        }
    }

    fn len(&self) -> usize {
        self.table.people.len()
    }

    /// The record with exactly this REF and ALT.
    fn exact_match(&self, allele: &AlleleWeight) -> Option<AlleleMatch<'a>> {
        let key = (
            contig_key(&allele.chrom),
            allele.position,
            allele.ref_allele.as_str(),
            allele.alt_allele.as_str(),
        );
        let &(site, alt) = self.alleles.get(&key)?;
        let match_type = if allele.effect_is_ref {
            MatchType::Refalt
        } else {
            MatchType::Altref
        };
        Some(AlleleMatch::new(site, alt, match_type))
    }

    /// The best match, in the order in which `prs` matches scoring files: exact, exchanged, on the
    /// other strand.
    fn any_match(&self, allele: &AlleleWeight) -> Option<AlleleMatch<'a>> {
        if let Some(exact) = self.exact_match(allele) {
            return Some(exact);
        }
        let sites = self.by_position().used.get(&allele.position_key())?;
        sites
            .iter()
            .flat_map(|&site| site.counted_alts.iter().map(move |&alt| (site, alt)))
            .filter_map(|(site, alt)| {
                let match_type = allele.match_type(site, alt)?;
                Some(AlleleMatch::new(site, alt, match_type))
            })
            .min_by_key(|allele_match| allele_match.match_type.is_flipped())
    }

    /// The record of an allele; `None` also if its strand is unknown.
    fn find(&self, allele: &AlleleWeight) -> Option<AlleleMatch<'a>> {
        self.any_match(allele)
            .filter(|_| !self.has_unknown_strand(allele))
    }

    /// Whether an A/T or C/G allele is in a file with alleles on the other strand.
    fn has_unknown_strand(&self, allele: &AlleleWeight) -> bool {
        allele.is_ambiguous() && self.has_flipped.get() == Some(&true)
    }

    /// Records by position, indexed at the first use.
    fn by_position(&self) -> &RecordsByPosition<'a> {
        self.by_position
            .get_or_init(|| RecordsByPosition::index(self.table))
    }

    /// Counts the alleles of a baseline that are absent, exchanged or on the other strand.
    fn coverage(&self, baseline: &Baseline) -> Coverage {
        let mut coverage = Coverage {
            n_alleles: 0,
            reasons: Reasons::new(&self.table.not_used.contigs),
            rewritten: Rewritten::default(),
        };
        for allele in baseline.alleles() {
            coverage.n_alleles += 1;
            match self.find(allele) {
                Some(AlleleMatch { match_type, .. }) if match_type.is_flipped() => {
                    coverage.rewritten.flipped += 1;
                }
                Some(AlleleMatch { match_type, .. }) => {
                    let is_exchanged = match_type.effect_is_ref() != allele.effect_is_ref;
                    coverage.rewritten.exchanged += usize::from(is_exchanged);
                }
                None => coverage
                    .reasons
                    .add(self.why_absent(allele), || allele.variant_name()),
            }
        }
        coverage
    }

    /// Reason of an allele without a usable record.
    fn why_absent(&self, allele: &AlleleWeight) -> Reason {
        if self.has_unknown_strand(allele) && self.any_match(allele).is_some() {
            return Reason::UnknownStrand;
        }
        let records = self.by_position();
        let key = allele.position_key();
        let filtered = records.filtered.get(&key).map_or(&[][..], Vec::as_slice);
        let is_filtered = filtered.iter().any(|site| {
            site.counted_alts
                .iter()
                .any(|&alt| allele.match_type(site, alt).is_some())
        });
        let unmatched = if is_filtered {
            Unmatched::Filter
        } else if records.without_alt.contains_key(&key) {
            Unmatched::NoAlt
        } else if records.used.contains_key(&key) || !filtered.is_empty() {
            Unmatched::Alleles
        } else if records.contigs.contains(key.0) {
            Unmatched::Position
        } else {
            Unmatched::Contig
        };
        Reason::of_unmatched(
            unmatched,
            allele.effect_allele(),
            Some(allele.other_allele()),
        )
    }

    /// Values of a feature, one per sample, with `missing` for samples without an APOE call. `None`
    /// for an unknown covariate.
    #[must_use]
    pub fn values(&self, feature: &Feature, missing: f64) -> Option<Vec<f64>> {
        match feature {
            Feature::Covariate { name } => self.covariates.get(name.as_str()).cloned(),
            Feature::ApoeE2 => Some(self.apoe_copies(ApoeHaplotypes::e2, missing)),
            Feature::ApoeE4 => Some(self.apoe_copies(ApoeHaplotypes::e4, missing)),
            Feature::AlleleScore { alleles } => Some(self.scores(alleles)),
        }
    }

    /// Copies of one APOE haplotype in each sample.
    fn apoe_copies(&self, copies: fn(ApoeHaplotypes) -> u8, missing: f64) -> Vec<f64> {
        self.apoe
            .iter()
            .map(|call| call.map_or(missing, |call| f64::from(copies(call))))
            .collect()
    }

    /// Number of missing genotypes of each sample at the records of a baseline's alleles.
    fn missing_genotypes(&self, baseline: &Baseline) -> Vec<u32> {
        let mut missing = vec![0; self.len()];
        if self.table.counts.missing_genotypes == 0 {
            return missing;
        }
        for term in &baseline.terms {
            if let Feature::AlleleScore { alleles } = &term.feature {
                let totals = self.totals(alleles);
                for (sum, total) in missing.iter_mut().zip(totals.samples()) {
                    *sum += total.n_missing;
                }
            }
        }
        missing
    }

    /// Sum of the effects of `alleles` in each sample.
    fn scores(&self, alleles: &[AlleleWeight]) -> Vec<f64> {
        self.totals(alleles)
            .samples()
            .map(|total| total.sum)
            .collect()
    }

    /// Sums of effects and numbers of missing genotypes. An absent allele adds the value expected
    /// at the training frequency.
    fn totals(&self, alleles: &[AlleleWeight]) -> Totals {
        let mut totals = Totals::new(self.len());
        for allele in alleles {
            match self.find(allele) {
                Some(AlleleMatch { site, number, .. }) => {
                    site.genotypes.add(
                        number,
                        &allele.effect(),
                        Some(allele.frequency),
                        &mut totals,
                    );
                }
                None => totals.add_to_all(allele.effect().expected(allele.frequency, 2, 1)),
            }
        }
        totals
    }
}

impl<'a> AlleleMatch<'a> {
    /// A match with REF and the ALT allele `alt` of a record.
    fn new(site: &'a Site, alt: i16, match_type: MatchType) -> Self {
        Self {
            site,
            number: if match_type.effect_is_ref() { 0 } else { alt },
            match_type,
        }
    }
}

/// Warning about missing genotypes of a baseline; `None` if none is missing. `missing` has the
/// number of each sample.
fn about_missing(
    model: &str,
    names: &[String],
    missing: &[u32],
    n_alleles: usize,
) -> Option<String> {
    let n_missing: u64 = missing.iter().map(|&n| u64::from(n)).sum();
    let (sample, most) = missing.iter().enumerate().max_by_key(|(_, n)| **n)?;
    (n_missing > 0).then(|| {
        format!(
            "{model}: {n_missing} of {} genotypes are missing and replaced by the training mean; \
             sample `{}` has the most, {most} of {n_alleles}",
            n_alleles * names.len(),
            names[sample],
        )
    })
}

/// Records of a VCF by position.
struct RecordsByPosition<'a> {
    used: HashMap<PositionKey<'a>, Vec<&'a Site>>,
    filtered: HashMap<PositionKey<'a>, Vec<&'a Site>>,
    without_alt: HashMap<PositionKey<'a>, Vec<&'a Site>>,
    /// Keys of the contigs with records.
    contigs: HashSet<&'a str>,
}

impl<'a> RecordsByPosition<'a> {
    fn index(table: &'a GenotypeTable) -> Self {
        Self {
            used: sites_by_position(&table.sites),
            filtered: sites_by_position(&table.not_used.filtered),
            without_alt: sites_by_position(&table.not_used.without_alt),
            contigs: table
                .not_used
                .contigs
                .iter()
                .map(|contig| contig_key(contig))
                .collect(),
        }
    }
}

fn sites_by_position(sites: &[Site]) -> HashMap<PositionKey<'_>, Vec<&Site>> {
    let mut by_position: HashMap<PositionKey<'_>, Vec<&Site>> = HashMap::new();
    for site in sites {
        by_position
            .entry((contig_key(&site.contig), site.position))
            .or_default()
            .push(site);
    }
    by_position
}
