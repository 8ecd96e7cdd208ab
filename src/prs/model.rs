//! Fitted baselines: what each is made of, how it is saved, and how it is applied to new people.
//!
//! Every baseline is one formula, `logit = intercept + sum over terms of coefficient * (value - mean) / sd`; a [`Feature`] says what the
//! value of a person is. Means, standard deviations and allele frequencies are those of the training people, and are never taken
//! from the people who are scored. Saved as `prs_model.json`. Positions are 1-based.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use gf_cohort_schema::{Cohort, probability};
use serde::{Deserialize, Serialize};

use super::{
    Error, GenomeBuild,
    apoe::{self, Haplotypes},
    build::Stated,
    dosages::{GenotypeTable, ReadCounts, Reading, Request, Site},
    effect::Effect,
    genotypes::Totals,
    places::Places,
};
use crate::{
    ingest::{DisjointRegions, Samples, VariantRecord, contig_key, pass},
    stored,
};

/// Version of `prs_model.json`.
pub const SCHEMA_VERSION: u32 = 2;

/// Everything needed to apply the baselines to new people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrsModel {
    /// [`SCHEMA_VERSION`] when written.
    pub schema_version: u32,
    /// Build of the training genomes, where it was stated.
    pub genome_build: Option<GenomeBuild>,
    /// Smallest share of a baseline's alleles that a VCF must have.
    pub min_overlap: f64,
    /// How the genotypes were read, and are to be read in new people.
    pub reading: Reading,
    /// The baselines.
    pub baselines: Vec<Baseline>,
}

/// One fitted baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Name in `predictions.csv`.
    pub model: String,
    /// Log-odds of a person who is the training mean in every term.
    pub intercept: f64,
    /// What is added up.
    pub terms: Vec<Term>,
}

/// One standardised feature and its coefficient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// What is measured.
    pub feature: Feature,
    /// Mean over the training people.
    pub mean: f64,
    /// Standard deviation over the training people (of the population, as scikit-learn's `StandardScaler`).
    pub sd: f64,
    /// Log-odds per standard deviation.
    pub coefficient: f64,
}

/// What a term measures in a person.
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
    /// 1-based POS.
    pub position: usize,
    /// REF.
    pub ref_allele: String,
    /// ALT.
    pub alt_allele: String,
    /// The copies of REF, not of ALT, are counted.
    pub effect_is_ref: bool,
    /// Weight per copy.
    pub weight: f64,
    /// The weights of 0, 1 and 2 copies, where they are not additive; [`Self::weight`] is not used then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dosage_weights: Option<[f64; 3]>,
    /// Frequency of the counted allele in the training people; times ploidy it stands for a missing dosage.
    pub frequency: f64,
    /// Mean dosage of the training people.
    pub mean: f64,
    /// Standard deviation of the dosage over the training people.
    pub sd: f64,
}

impl AlleleWeight {
    /// The allele whose copies are counted.
    #[must_use]
    pub fn effect_allele(&self) -> &str {
        if self.effect_is_ref { &self.ref_allele } else { &self.alt_allele }
    }

    fn effect(&self) -> Effect {
        self.dosage_weights.map_or(Effect::Additive(self.weight), Effect::PerDosage)
    }

    /// Rows of `weights.csv`: the name of the term, and its weight.
    pub(super) fn increments(&self) -> impl Iterator<Item = (&'static str, f64)> + use<> {
        let (additive, others) = match self.dosage_weights {
            None => (Some(("allele", self.weight)), None),
            Some([none, one, two]) => (None, Some([("allele-1-copy", one - none), ("allele-2-copies", two - one)])),
        };
        additive.into_iter().chain(others.into_iter().flatten())
    }
}

/// One person's risk by one baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Risk {
    /// The sample's name in the VCF.
    pub sample_id: String,
    /// The baseline.
    pub model: String,
    /// Log-odds of being a case.
    pub logit: f64,
    /// Probability of being a case, at the share of cases of the training people.
    pub probability: f64,
}

/// What happened on applying a saved model.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ApplySummary {
    /// People scored.
    pub n_people: usize,
    /// Records and genotypes.
    pub genotypes: ReadCounts,
    /// Alleles of each baseline that the VCF does not have: read as the training mean.
    pub absent_alleles: BTreeMap<String, usize>,
    /// People without a call at the two APOE sites: read as the training mean.
    pub people_without_apoe: usize,
    /// What was odd about the headers, and how X is counted.
    pub warnings: Vec<String>,
}

impl PrsModel {
    /// Reads a `prs_model.json`.
    ///
    /// # Errors
    /// A file that cannot be read, is no such model, or is of another version.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let error = |reason: String| Error::Model { path: path.into(), reason };
        let json = stored::read(path).map_err(|found| error(found.source.to_string()))?;
        let model: Self = stored::from_json(&json, SCHEMA_VERSION, "gf-genomics prs")
            .map_err(|reason| error(format!("not a saved prs model: {reason}")))?;
        let mut names = HashSet::new();
        match model.baselines.iter().find(|baseline| !names.insert(baseline.model.as_str())) {
            Some(twice) => Err(error(format!("two of its baselines are named `{}`: the file is damaged", twice.model))),
            None => Ok(model),
        }
    }

    /// Names of the covariates that the baselines need, sorted.
    #[must_use]
    pub fn covariate_names(&self) -> Vec<&str> {
        let names = self.baselines.iter().flat_map(|baseline| &baseline.terms).filter_map(|term| match &term.feature {
            Feature::Covariate { name } => Some(name.as_str()),
            _ => None,
        });
        names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    /// Applies every baseline to the people of new VCF or BCF files: those of `cohort` (its phenotypes are not looked at), or all.
    /// Rows are ordered by baseline, then person. REF is compared with `reference` where it is given.
    ///
    /// # Errors
    /// Whatever reading refuses; covariates or APOE sites that a baseline needs and are not there; a VCF with fewer of a baseline's
    /// alleles than [`Self::min_overlap`].
    pub fn apply(
        &self,
        vcf: &[PathBuf],
        samples: &Samples,
        reference: Option<&Path>,
        cohort: Option<&Cohort>,
    ) -> Result<(Vec<Risk>, ApplySummary), Error> {
        let wanted = self.places();
        let regions = DisjointRegions::new(wanted.regions(usize::MAX));
        let names: Option<Vec<&str>> = cohort.map(|cohort| cohort.people.iter().map(|person| person.sample_id.as_str()).collect());
        let filters = pass();
        let is_wanted = |record: &VariantRecord| wanted.has(record);
        let request = Request {
            paths: vcf,
            regions: Some(&regions),
            people: names.as_deref(),
            samples: Some(samples),
            wanted: Some(&is_wanted),
            filters: Some(&filters),
            reference,
            builds: &self.genome_build.map(|build| Stated { by: "the model".into(), build }).into_iter().collect::<Vec<_>>(),
            ..Request::default()
        };
        let table = GenotypeTable::read_as(&request, &self.reading)?;
        let needs_apoe = self.has_apoe();
        let apoe = if needs_apoe {
            apoe::haplotypes(&table.sites, self.genome_build).map_err(|reason| Error::NoApoe { reason })?
        } else {
            Vec::new()
        };
        let people = People::new(&table, apoe, cohort);
        let mut summary = ApplySummary {
            n_people: table.people.len(),
            people_without_apoe: if needs_apoe { people.apoe.iter().filter(|call| call.is_none()).count() } else { 0 },
            genotypes: table.counts.clone(),
            absent_alleles: BTreeMap::new(),
            warnings: table.warnings.clone(),
        };
        let mut rows = Vec::with_capacity(self.baselines.len() * table.people.len());
        for baseline in &self.baselines {
            let (n_alleles, n_absent) = people.absent_alleles(baseline);
            if n_absent > 0 {
                if (n_alleles - n_absent) as f64 / (n_alleles as f64) < self.min_overlap {
                    return Err(Error::Overlap {
                        what: baseline.model.clone(),
                        matched: n_alleles - n_absent,
                        rows: n_alleles,
                        min_overlap: self.min_overlap,
                        build: self.genome_build.map_or_else(|| "not stated".into(), |build| build.to_string()),
                    });
                }
                summary.absent_alleles.insert(baseline.model.clone(), n_absent);
            }
            for (sample_id, logit) in table.people.iter().zip(baseline.logits(&people)?) {
                rows.push(Risk { sample_id: sample_id.clone(), model: baseline.model.clone(), logit, probability: probability(logit) });
            }
        }
        Ok((rows, summary))
    }

    fn has_apoe(&self) -> bool {
        self.baselines.iter().flat_map(|baseline| &baseline.terms).any(|term| matches!(term.feature, Feature::ApoeE2 | Feature::ApoeE4))
    }

    fn places(&self) -> Places {
        let alleles = self.baselines.iter().flat_map(Baseline::alleles).map(|allele| (allele.chrom.as_str(), allele.position));
        let apoe = self.has_apoe().then(apoe::positions);
        Places::new(alleles.chain(apoe.into_iter().flatten()))
    }
}

impl Baseline {
    /// Alleles of its score, if it has one.
    pub fn alleles(&self) -> impl Iterator<Item = &AlleleWeight> {
        self.terms.iter().flat_map(|term| match &term.feature {
            Feature::AlleleScore { alleles } => alleles.as_slice(),
            _ => &[],
        })
    }

    /// Log-odds of each person.
    ///
    /// # Errors
    /// When a covariate is not there.
    pub(super) fn logits(&self, people: &People<'_>) -> Result<Vec<f64>, Error> {
        let mut logits = vec![self.intercept; people.len()];
        for term in &self.terms {
            let values = people
                .values(&term.feature, term.mean)
                .ok_or_else(|| Error::NoCovariate { model: self.model.clone(), name: term.feature.name().into() })?;
            logits.iter_mut().zip(values).for_each(|(logit, value)| *logit += term.coefficient * (value - term.mean) / term.sd);
        }
        Ok(logits)
    }
}

impl Feature {
    /// As `weights.csv` names it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Covariate { name } => name,
            Self::ApoeE2 => "e2",
            Self::ApoeE4 => "e4",
            Self::AlleleScore { .. } => "score",
        }
    }

    /// The score of a person without any copy.
    pub(super) fn least(&self) -> f64 {
        match self {
            Self::AlleleScore { alleles } => alleles.iter().map(|allele| allele.effect().at(0.0)).sum(),
            _ => 0.0,
        }
    }
}

/// The people to whom baselines are applied, with everything that can be measured in them.
pub struct People<'a> {
    table: &'a GenotypeTable,
    /// Calls at the APOE sites; empty when these are not there.
    pub apoe: Vec<Option<Haplotypes>>,
    covariates: HashMap<&'a str, Vec<f64>>,
    /// (contig key, position, REF, ALT) to (site, number of the ALT).
    alleles: HashMap<(&'a str, usize, &'a str, &'a str), (&'a Site, i16)>,
}

impl<'a> People<'a> {
    /// `cohort` has the people of `table` in the same order, if it is there.
    #[must_use]
    pub fn new(table: &'a GenotypeTable, apoe: Vec<Option<Haplotypes>>, cohort: Option<&'a Cohort>) -> Self {
        let mut covariates = HashMap::new();
        if let Some(cohort) = cohort {
            for (column, name) in cohort.covariate_names.iter().enumerate() {
                covariates.insert(name.as_str(), cohort.people.iter().map(|person| person.covariates[column]).collect());
            }
        }
        let alleles = table
            .sites
            .iter()
            .flat_map(|site| {
                site.counted_alts
                    .iter()
                    .map(move |&alt| ((contig_key(&site.contig), site.position, site.ref_allele.as_str(), site.allele(alt)), (site, alt)))
            })
            .collect();
        Self { table, apoe, covariates, alleles }
    }

    fn len(&self) -> usize {
        self.table.people.len()
    }

    fn find(&self, allele: &AlleleWeight) -> Option<(&'a Site, i16)> {
        let key = (contig_key(&allele.chrom), allele.position, allele.ref_allele.as_str(), allele.alt_allele.as_str());
        self.alleles.get(&key).map(|&(site, alt)| (site, if allele.effect_is_ref { 0 } else { alt }))
    }

    /// How many alleles a baseline has, and how many of them are not here.
    fn absent_alleles(&self, baseline: &Baseline) -> (usize, usize) {
        let absent = baseline.alleles().filter(|allele| self.find(allele).is_none()).count();
        (baseline.alleles().count(), absent)
    }

    /// What a feature is in each person; `missing` where APOE is not called. `None` for a covariate that is not here.
    #[must_use]
    pub fn values(&self, feature: &Feature, missing: f64) -> Option<Vec<f64>> {
        let copies = |of: fn(Haplotypes) -> u8| self.apoe.iter().map(|call| call.map_or(missing, |call| f64::from(of(call)))).collect();
        match feature {
            Feature::Covariate { name } => self.covariates.get(name.as_str()).cloned(),
            Feature::ApoeE2 => Some(copies(Haplotypes::e2)),
            Feature::ApoeE4 => Some(copies(Haplotypes::e4)),
            Feature::AlleleScore { alleles } => Some(self.scores(alleles)),
        }
    }

    fn scores(&self, alleles: &[AlleleWeight]) -> Vec<f64> {
        let mut totals = Totals::new(self.len());
        for allele in alleles {
            match self.find(allele) {
                Some((site, number)) => site.genotypes.add(number, &allele.effect(), Some(allele.frequency), &mut totals),
                None => totals.add_to_all(allele.effect().expected(allele.frequency, 2, 1)),
            }
        }
        totals.people().map(|total| total.sum).collect()
    }
}
