//! Fitted baselines: what each is made of, how it is saved, and how it is applied to new people.
//!
//! Every baseline is one formula, `logit = intercept + sum over terms of coefficient * (value -
//! mean) / sd`; a [`Feature`] says what the value of a person is. Means, standard deviations and
//! allele frequencies are those of the training people, and are never taken from the people who are
//! scored. Saved as `prs_model.json`. Positions are 1-based.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
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
        dosages::{self, GenotypeTable, ReadCounts, Reading, Request, Site},
        effect::Effect,
        genotypes::Totals,
        matching::{MatchType, Unmatched, complement},
        positions::Positions,
        reasons::{Reason, Reasons},
    },
};
use gf_files::stored_format;
use gf_genotypes::{DisjointRegions, GenomeBuild, Samples, VariantRecord, contig_key, pass};

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
    /// FILTER names of the records that are used; every record when empty.
    #[serde(default = "pass", skip_serializing_if = "is_pass")]
    pub filters: Vec<String>,
    /// The baselines.
    pub baselines: Vec<Baseline>,
}

fn is_pass(filters: &[String]) -> bool {
    filters == pass()
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
    /// Standard deviation over the training people (of the population, as scikit-learn's
    /// `StandardScaler`).
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
    /// The weights of 0, 1 and 2 copies, where they are not additive; [`Self::weight`] is not used
    /// then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dosage_weights: Option<[f64; 3]>,
    /// Frequency of the counted allele in the training people; times ploidy it stands for a
    /// missing dosage.
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
        if self.effect_is_ref {
            &self.ref_allele
        } else {
            &self.alt_allele
        }
    }

    /// The other allele of the record.
    fn other_allele(&self) -> &str {
        if self.effect_is_ref {
            &self.alt_allele
        } else {
            &self.ref_allele
        }
    }

    /// REF and ALT are complements: another file does not say on which strand they are.
    fn is_ambiguous(&self) -> bool {
        complement(&self.ref_allele).as_deref() == Some(self.alt_allele.as_str())
    }

    /// Where it is.
    fn spot(&self) -> Spot<'_> {
        (contig_key(&self.chrom), self.position)
    }

    /// `1:100 A>G`
    fn place(&self) -> String {
        format!(
            "{}:{} {}>{}",
            self.chrom, self.position, self.ref_allele, self.alt_allele
        )
    }

    fn effect(&self) -> Effect {
        self.dosage_weights
            .map_or(Effect::Additive(self.weight), Effect::PerDosage)
    }

    /// Rows of `weights.csv`: the name of the term, and its weight.
    pub(crate) fn increments(&self) -> impl Iterator<Item = (&'static str, f64)> + use<> {
        let (additive, others) = match self.dosage_weights {
            None => (Some(("allele", self.weight)), None),
            Some([none, one, two]) => (
                None,
                Some([
                    ("allele-1-copy", one - none),
                    ("allele-2-copies", two - one),
                ]),
            ),
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

/// Alleles of a saved model that a VCF does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsentAlleles {
    /// How many.
    pub n_alleles: usize,
    /// Why, with a count and an example of each reason.
    pub reasons: String,
}

/// What happened on applying a saved model.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ApplySummary {
    /// People scored.
    pub n_people: usize,
    /// Records and genotypes.
    pub genotypes: ReadCounts,
    /// Alleles of each baseline that the VCF does not have: read as the training mean.
    pub absent_alleles: BTreeMap<String, AbsentAlleles>,
    /// Alleles of each baseline whose record is written in another way than in training.
    pub rewritten_alleles: BTreeMap<String, Rewritten>,
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
        let error = |reason: String| Error::Model {
            path: path.into(),
            reason,
        };
        let json = stored_format::read(path).map_err(|found| error(found.source.to_string()))?;
        let model: Self = stored_format::from_json(&json, SCHEMA_VERSION, "gf-genomics prs")
            .map_err(|reason| error(format!("not a saved prs model: {reason}")))?;
        let mut names = HashSet::new();
        match model
            .baselines
            .iter()
            .find(|baseline| !names.insert(baseline.model.as_str()))
        {
            Some(twice) => Err(error(format!(
                "two of its baselines are named `{}`: the file is damaged",
                twice.model
            ))),
            None => Ok(model),
        }
    }

    /// The covariates that the baselines need, by name, with mean and
    /// standard deviation over the training samples.
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

    /// Applies every baseline to the people of new VCF or BCF files: those of `cohort` (its
    /// phenotypes are not looked at), or all. Rows are ordered by baseline, then person. REF is
    /// compared with `reference` where it is given.
    ///
    /// # Errors
    /// Whatever reading refuses; covariates or APOE sites that a baseline needs and are not there;
    /// a VCF with fewer of a baseline's alleles than [`Self::min_overlap`].
    pub fn apply(
        &self,
        vcf: &[PathBuf],
        samples: &Samples,
        reference: Option<&Path>,
        cohort: Option<&Cohort>,
    ) -> Result<(Vec<Risk>, ApplySummary), Error> {
        let wanted = self.places();
        let regions = DisjointRegions::new(wanted.regions(usize::MAX));
        let names: Option<Vec<&str>> = cohort.map(|cohort| {
            cohort
                .people
                .iter()
                .map(|person| person.sample_id.as_str())
                .collect()
        });
        let is_wanted = |record: &VariantRecord| wanted.has(record);
        let request = Request {
            paths: vcf,
            regions: Some(&regions),
            people: names.as_deref(),
            samples: Some(samples),
            wanted: Some(&is_wanted),
            filters: Some(self.filters.as_slice()).filter(|names| !names.is_empty()),
            keep_unused: Some(&|_| true),
            reference,
            builds: &self
                .genome_build
                .map(|build| Stated {
                    by: "the model".into(),
                    build: Ok(build),
                })
                .into_iter()
                .collect::<Vec<_>>(),
        };
        let mut table = GenotypeTable::read_as(&request, &self.reading)?;
        self.add_reference_calls(&mut table);
        let needs_apoe = self.has_apoe();
        let apoe = if needs_apoe {
            apoe::haplotypes(&table.sites, self.genome_build)
                .map_err(|reason| Error::NoApoe { reason })?
        } else {
            Vec::new()
        };
        let apoe_written = if needs_apoe {
            apoe::written_otherwise(&table.sites, self.genome_build)
        } else {
            None
        };
        let people = BaselineSamples::new(&table, apoe, cohort).knowing_strands_of(&self.baselines);
        let mut summary = ApplySummary {
            n_people: table.people.len(),
            people_without_apoe: if needs_apoe {
                people.apoe.iter().filter(|call| call.is_none()).count()
            } else {
                0
            },
            genotypes: table.counts.clone(),
            warnings: table.warnings.iter().cloned().chain(apoe_written).collect(),
            ..ApplySummary::default()
        };
        let mut rows = Vec::with_capacity(self.baselines.len() * table.people.len());
        for baseline in &self.baselines {
            let coverage = people.coverage(baseline);
            let n_absent = coverage.reasons.total();
            let n_found = coverage.n_alleles - n_absent;
            if n_absent > 0 {
                self.require_overlap(baseline, &coverage)?;
                let absent = AbsentAlleles {
                    n_alleles: n_absent,
                    reasons: coverage.reasons.to_string(),
                };
                summary
                    .absent_alleles
                    .insert(baseline.model.clone(), absent);
            }
            if coverage.rewritten != Rewritten::default() {
                summary
                    .rewritten_alleles
                    .insert(baseline.model.clone(), coverage.rewritten);
            }
            let missing = people.missing_genotypes(baseline);
            self.require_genotypes(baseline, &table.people, &missing, n_found)?;
            summary.warnings.extend(about_missing(
                &baseline.model,
                &table.people,
                &missing,
                n_found,
            ));
            for (sample_id, logit) in table.people.iter().zip(baseline.logits(&people)?) {
                rows.push(Risk {
                    sample_id: sample_id.clone(),
                    model: baseline.model.clone(),
                    logit,
                    probability: probability(logit),
                });
            }
        }
        Ok((rows, summary))
    }

    /// Adds sites for alleles at records of REF alone, which nobody carries.
    fn add_reference_calls(&self, table: &mut GenotypeTable) {
        let asked = self
            .baselines
            .iter()
            .flat_map(Baseline::alleles)
            .map(|allele| {
                let contig = allele.chrom.as_str();
                let position = allele.position;
                (
                    contig,
                    position,
                    allele.effect_allele(),
                    Some(allele.other_allele()),
                )
            });
        let asked = asked.chain(apoe::asked());
        let reference_calls =
            dosages::reference_calls(&table.not_used.without_alt, &table.sites, asked);
        table.sites.extend(reference_calls);
    }

    /// Refuses a VCF with fewer of a baseline's alleles than [`Self::min_overlap`].
    fn require_overlap(&self, baseline: &Baseline, coverage: &Coverage) -> Result<(), Error> {
        let n_found = coverage.n_alleles - coverage.reasons.total();
        if n_found as f64 >= self.min_overlap * coverage.n_alleles as f64 {
            return Ok(());
        }
        let build = self.genome_build;
        Err(scoring::Error::Overlap {
            what: baseline.model.clone(),
            matched: n_found,
            rows: coverage.n_alleles,
            min_overlap: self.min_overlap,
            build: build.map_or_else(|| "not stated".into(), |build| build.to_string()),
            reasons: Box::new(coverage.reasons.clone()),
            log: String::new(),
        }
        .into())
    }

    /// Refuses people with fewer genotypes than [`Self::min_overlap`] of a baseline's alleles.
    fn require_genotypes(
        &self,
        baseline: &Baseline,
        people: &[String],
        missing: &[u32],
        n_found: usize,
    ) -> Result<(), Error> {
        let n_alleles = baseline.alleles().count();
        let is_called_too_little = |&person: &usize| {
            let n_called = n_found - missing[person] as usize;
            n_alleles > 0 && (n_called as f64) < self.min_overlap * n_alleles as f64
        };
        let mut refused = (0..missing.len()).filter(is_called_too_little);
        let Some(first) = refused.next() else {
            return Ok(());
        };
        Err(Error::PeopleWithoutGenotypes {
            model: baseline.model.clone(),
            sample: people[first].clone(),
            n_called: n_found - missing[first] as usize,
            n_alleles,
            n_people: refused.count() + 1,
            min_overlap: self.min_overlap,
        })
    }

    fn has_apoe(&self) -> bool {
        self.baselines
            .iter()
            .flat_map(|baseline| &baseline.terms)
            .any(|term| matches!(term.feature, Feature::ApoeE2 | Feature::ApoeE4))
    }

    fn places(&self) -> Positions {
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
    pub(crate) fn least(&self) -> f64 {
        match self {
            Self::AlleleScore { alleles } => {
                alleles.iter().map(|allele| allele.effect().at(0.0)).sum()
            }
            _ => 0.0,
        }
    }
}

/// Alleles whose record is written in another way than where the model was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewritten {
    /// REF and ALT are exchanged.
    pub exchanged: usize,
    /// REF and ALT are those of the other strand, exchanged or not.
    pub flipped: usize,
}

/// How much of a baseline is in a VCF.
struct Coverage {
    n_alleles: usize,
    /// Of those that are not there.
    reasons: Reasons,
    rewritten: Rewritten,
}

/// A record that has an allele of a baseline.
#[derive(Clone, Copy)]
struct Found<'a> {
    site: &'a Site,
    /// Number of the effect allele in the record.
    number: i16,
    /// How effect and other allele agree with REF and ALT.
    match_type: MatchType,
}

/// Contig key and 1-based position.
type Spot<'a> = (&'a str, usize);

/// The people to whom baselines are applied, with everything that can be measured in them.
pub struct BaselineSamples<'a> {
    table: &'a GenotypeTable,
    /// Calls at the APOE sites; empty when these are not there.
    pub apoe: Vec<Option<ApoeHaplotypes>>,
    covariates: HashMap<&'a str, Vec<f64>>,
    /// (contig key, position, REF, ALT) to (site, number of the ALT).
    alleles: HashMap<(&'a str, usize, &'a str, &'a str), (&'a Site, i16)>,
    /// For alleles that are not there as they were in training.
    by_place: OnceLock<ByPlace<'a>>,
    /// Whether the VCF has alleles of the baselines on the other strand.
    has_flipped: OnceLock<bool>,
}

impl<'a> BaselineSamples<'a> {
    /// `cohort` has the people of `table` in the same order, if it is there.
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
        let alleles = table
            .sites
            .iter()
            .flat_map(|site| {
                site.counted_alts.iter().map(move |&alt| {
                    (
                        (
                            contig_key(&site.contig),
                            site.position,
                            site.ref_allele.as_str(),
                            site.allele(alt),
                        ),
                        (site, alt),
                    )
                })
            })
            .collect();
        Self {
            table,
            apoe,
            covariates,
            alleles,
            by_place: OnceLock::new(),
            has_flipped: OnceLock::new(),
        }
    }

    /// People for whom `baselines` are applied: alleles on the other strand anywhere make every A/T
    /// and C/G doubtful.
    fn knowing_strands_of(self, baselines: &[Baseline]) -> Self {
        let is_flipped = |allele: &AlleleWeight| {
            let found = self.any_match(allele).filter(|_| !allele.is_ambiguous());
            found.is_some_and(|found| found.match_type.is_flipped())
        };
        let has_flipped = baselines.iter().flat_map(Baseline::alleles).any(is_flipped);
        Self {
            has_flipped: OnceLock::from(has_flipped),
            ..self
        }
    }

    fn len(&self) -> usize {
        self.table.people.len()
    }

    /// The record with exactly this REF and ALT.
    fn exact(&self, allele: &AlleleWeight) -> Option<Found<'a>> {
        let key = (
            contig_key(&allele.chrom),
            allele.position,
            allele.ref_allele.as_str(),
            allele.alt_allele.as_str(),
        );
        let &(site, alt) = self.alleles.get(&key)?;
        let (number, match_type) = if allele.effect_is_ref {
            (0, MatchType::Refalt)
        } else {
            (alt, MatchType::Altref)
        };
        Some(Found {
            site,
            number,
            match_type,
        })
    }

    /// The best match, as `prs` matches scoring files: exact, exchanged, on the other strand.
    fn any_match(&self, allele: &AlleleWeight) -> Option<Found<'a>> {
        if let Some(found) = self.exact(allele) {
            return Some(found);
        }
        let sites = self.by_place().used.get(&allele.spot())?;
        let of_site = |site: &&'a Site| {
            let site = *site;
            let of_alt = move |&alt: &i16| {
                let alleles = (allele.effect_allele(), Some(allele.other_allele()));
                let match_type = MatchType::between(alleles, &site.ref_allele, site.allele(alt))?;
                let number = if match_type.effect_is_ref() { 0 } else { alt };
                Some(Found {
                    site,
                    number,
                    match_type,
                })
            };
            site.counted_alts
                .iter()
                .filter_map(of_alt)
                .collect::<Vec<_>>()
        };
        sites
            .iter()
            .flat_map(of_site)
            .min_by_key(|found| found.match_type.is_flipped())
    }

    /// The record of an allele; `None` too where its strand cannot be told.
    fn find(&self, allele: &AlleleWeight) -> Option<Found<'a>> {
        self.any_match(allele)
            .filter(|_| !self.has_unknown_strand(allele))
    }

    fn has_unknown_strand(&self, allele: &AlleleWeight) -> bool {
        allele.is_ambiguous() && self.has_flipped.get() == Some(&true)
    }

    fn by_place(&self) -> &ByPlace<'a> {
        self.by_place.get_or_init(|| ByPlace::index(self.table))
    }

    /// How many alleles a baseline has, which of them are not here and why, and how the others are
    /// written.
    fn coverage(&self, baseline: &Baseline) -> Coverage {
        let mut coverage = Coverage {
            n_alleles: 0,
            reasons: Reasons::new(&self.table.not_used.contigs),
            rewritten: Rewritten::default(),
        };
        for allele in baseline.alleles() {
            coverage.n_alleles += 1;
            match self.find(allele) {
                Some(found) if found.match_type.is_flipped() => coverage.rewritten.flipped += 1,
                Some(found) => {
                    let is_exchanged = found.match_type.effect_is_ref() != allele.effect_is_ref;
                    coverage.rewritten.exchanged += usize::from(is_exchanged);
                }
                None => coverage
                    .reasons
                    .add(self.why_absent(allele), || allele.place()),
            }
        }
        coverage
    }

    fn why_absent(&self, allele: &AlleleWeight) -> Reason {
        if self.has_unknown_strand(allele) && self.any_match(allele).is_some() {
            return Reason::UnknownStrand;
        }
        let by_place = self.by_place();
        let spot = allele.spot();
        let has_alleles = |site: &&Site| {
            let alleles = (allele.effect_allele(), Some(allele.other_allele()));
            site.counted_alts.iter().any(|&alt| {
                MatchType::between(alleles, &site.ref_allele, site.allele(alt)).is_some()
            })
        };
        let filtered = by_place.filtered.get(&spot).map_or(&[][..], Vec::as_slice);
        let unmatched = if filtered.iter().any(has_alleles) {
            Unmatched::Filter
        } else if by_place.without_alt.contains_key(&spot) {
            Unmatched::NoAlt
        } else if by_place.used.contains_key(&spot) || !filtered.is_empty() {
            Unmatched::Alleles
        } else if by_place.contigs.contains(spot.0) {
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

    /// What a feature is in each person; `missing` where APOE is not called. `None` for a covariate
    /// that is not here.
    #[must_use]
    pub fn values(&self, feature: &Feature, missing: f64) -> Option<Vec<f64>> {
        let copies = |of: fn(ApoeHaplotypes) -> u8| {
            self.apoe
                .iter()
                .map(|call| call.map_or(missing, |call| f64::from(of(call))))
                .collect()
        };
        match feature {
            Feature::Covariate { name } => self.covariates.get(name.as_str()).cloned(),
            Feature::ApoeE2 => Some(copies(ApoeHaplotypes::e2)),
            Feature::ApoeE4 => Some(copies(ApoeHaplotypes::e4)),
            Feature::AlleleScore { alleles } => Some(self.scores(alleles)),
        }
    }

    /// Genotypes of a baseline's alleles that are missing in records that are here, by person.
    fn missing_genotypes(&self, baseline: &Baseline) -> Vec<u32> {
        let mut missing = vec![0; self.len()];
        if self.table.counts.missing_genotypes == 0 {
            return missing;
        }
        for term in &baseline.terms {
            if let Feature::AlleleScore { alleles } = &term.feature {
                let totals = self.totals(alleles);
                let n_missing = totals.people().map(|total| total.n_missing);
                missing
                    .iter_mut()
                    .zip(n_missing)
                    .for_each(|(sum, n)| *sum += n);
            }
        }
        missing
    }

    fn scores(&self, alleles: &[AlleleWeight]) -> Vec<f64> {
        self.totals(alleles)
            .people()
            .map(|total| total.sum)
            .collect()
    }

    fn totals(&self, alleles: &[AlleleWeight]) -> Totals {
        let mut totals = Totals::new(self.len());
        for allele in alleles {
            match self.find(allele) {
                Some(Found { site, number, .. }) => {
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

/// How many genotypes of a baseline are missing, in words; `None` when none is.
fn about_missing(
    model: &str,
    people: &[String],
    missing: &[u32],
    n_alleles: usize,
) -> Option<String> {
    let n_missing: u64 = missing.iter().map(|&n| u64::from(n)).sum();
    let (person, most) = missing.iter().enumerate().max_by_key(|(_, n)| **n)?;
    (n_missing > 0).then(|| {
        format!(
            "{model}: {n_missing} of {} genotypes are missing and read as the mean of the training \
             people; `{}` has the most, {most} of {n_alleles}",
            n_alleles * people.len(),
            people[person],
        )
    })
}

/// What a VCF has at each place.
struct ByPlace<'a> {
    used: HashMap<Spot<'a>, Vec<&'a Site>>,
    filtered: HashMap<Spot<'a>, Vec<&'a Site>>,
    without_alt: HashMap<Spot<'a>, Vec<&'a Site>>,
    /// Keys of the contigs with records.
    contigs: HashSet<&'a str>,
}

impl<'a> ByPlace<'a> {
    fn index(table: &'a GenotypeTable) -> Self {
        Self {
            used: sites_by_place(&table.sites),
            filtered: sites_by_place(&table.not_used.filtered),
            without_alt: sites_by_place(&table.not_used.without_alt),
            contigs: table
                .not_used
                .contigs
                .iter()
                .map(|contig| contig_key(contig))
                .collect(),
        }
    }
}

fn sites_by_place(sites: &[Site]) -> HashMap<Spot<'_>, Vec<&Site>> {
    let mut at: HashMap<Spot<'_>, Vec<&Site>> = HashMap::new();
    for site in sites {
        at.entry((contig_key(&site.contig), site.position))
            .or_default()
            .push(site);
    }
    at
}
