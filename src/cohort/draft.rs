//! The samples of the tables, step by step towards `cohort.csv`.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
};

use gf_cohort_schema::{CohortColumn, Phenotype, Split};

use super::{
    CohortRow, Error, KinshipPairs, Options, Prepared, RELATED, Summary,
    join::{Joined, Person},
    phenotype::Mapped,
    related, split,
};
use gf_cohort_schema::UnknownSplit;

/// The cohort while samples are dropped and splits are assigned.
///
/// All vectors have one entry per sample of the joined tables.
pub(super) struct Draft<'j> {
    pub(super) joined: &'j Joined,
    pub(super) phenotypes: Vec<Option<Phenotype>>,
    pub(super) splits: Vec<Split>,
    /// Reason why a sample was dropped.
    pub(super) dropped: Vec<Option<String>>,
}

impl<'j> Draft<'j> {
    pub(super) fn new(joined: &'j Joined, mapped: &[Mapped]) -> Self {
        let phenotypes = mapped
            .iter()
            .map(|mapped| match mapped {
                Mapped::Known(phenotype) => Some(*phenotype),
                Mapped::Unknown | Mapped::Other(_) => None,
            })
            .collect();
        let n_samples = joined.people.len();
        Self {
            joined,
            phenotypes,
            splits: vec![Split::Train; n_samples],
            dropped: vec![None; n_samples],
        }
    }

    /// Indices of the samples that are not dropped.
    pub(super) fn remaining(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.dropped.len()).filter(|&index| self.dropped[index].is_none())
    }

    pub(super) fn person(&self, index: usize) -> &'j Person {
        &self.joined.people[index]
    }

    /// Drops samples that a genotype file lacks.
    pub(super) fn drop_absent(&mut self, vcf: &[PathBuf]) -> Result<(), Error> {
        for (path, samples) in gf_genotypes::samples_of_files(vcf)? {
            let present: HashSet<&str> = samples.iter().map(String::as_str).collect();
            let absent: Vec<usize> = self
                .remaining()
                .filter(|&index| !present.contains(self.person(index).sample.as_str()))
                .collect();
            for index in absent {
                self.dropped[index] = Some(format!("{NOT_IN}{}", path.display()));
            }
        }
        Ok(())
    }

    /// Drops samples that are neither case nor control.
    pub(super) fn drop_by_phenotype(&mut self, mapped: &[Mapped], drop_unknown: bool) {
        for (dropped, mapped) in self.dropped.iter_mut().zip(mapped) {
            let reason = match mapped {
                Mapped::Other(value) => {
                    Some(format!("phenotype `{value}`, neither case nor control"))
                }
                Mapped::Unknown if drop_unknown => Some("phenotype unknown".to_owned()),
                Mapped::Unknown | Mapped::Known(_) => None,
            };
            *dropped = dropped.take().or(reason);
        }
    }

    /// Number of dropped samples by reason.
    pub(super) fn reasons(&self) -> BTreeMap<String, usize> {
        let mut reasons = BTreeMap::new();
        for reason in self.dropped.iter().flatten() {
            *reasons.entry(reason.clone()).or_default() += 1;
        }
        reasons
    }

    pub(super) fn require_anybody(&self) -> Result<(), Error> {
        if self.remaining().next().is_some() {
            return Ok(());
        }
        let reasons: Vec<String> = self
            .reasons()
            .iter()
            .map(|(reason, n)| format!("{n} ({reason})"))
            .collect();
        Err(Error::NobodyLeft {
            dropped: reasons.join(", "),
        })
    }

    /// Number of remaining samples of each family.
    pub(super) fn family_sizes(&self, families: &[usize]) -> HashMap<usize, usize> {
        let mut sizes = HashMap::new();
        for index in self.remaining() {
            *sizes.entry(families[index]).or_default() += 1;
        }
        sizes
    }

    /// The family id of each sample.
    ///
    /// It is the FID of the first member with an FID, or the sample id of the first member.
    pub(super) fn family_ids(&self, families: &[usize]) -> Vec<String> {
        let mut fids: HashMap<usize, &str> = HashMap::new();
        for (person, &family) in self.joined.people.iter().zip(families) {
            if let Some(fid) = &person.family {
                fids.entry(family).or_insert(fid);
            }
        }
        families
            .iter()
            .map(|family| match fids.get(family) {
                Some(&fid) => fid.to_owned(),
                // The number of a family is the index of its first member.
                None => self.person(*family).sample.clone(),
            })
            .collect()
    }

    /// Refuses a family with an implausible share of the cohort: its FID may be a study name.
    pub(super) fn require_real_families(&self, families: &[usize]) -> Result<(), Error> {
        let n_samples = self.remaining().count();
        let sizes = self.family_sizes(families);
        let largest = sizes
            .into_iter()
            .max_by_key(|&(family, n)| (n, std::cmp::Reverse(family)));
        match largest {
            Some((family, n))
                if n >= MIN_CHECKED_FAMILY && n as f64 > MAX_FAMILY_SHARE * n_samples as f64 =>
            {
                let family = self
                    .person(family)
                    .family
                    .clone()
                    .unwrap_or_else(|| self.person(family).sample.clone());
                Err(Error::LargeFamily {
                    family,
                    n,
                    n_samples,
                })
            }
            _ => Ok(()),
        }
    }

    /// Takes the split of the table, or makes a new one; returns its origin in words.
    pub(super) fn make_split(
        &mut self,
        options: &Options,
        families: &[usize],
        family_ids: &[String],
    ) -> Result<String, Error> {
        if let (Some(column), None) = (self.joined.column("split"), options.split) {
            return self.take_split(column, families, family_ids);
        }
        let shares = options.split.unwrap_or_default();
        let strata = self.strata(&options.stratify_by)?;
        let mut remaining_people = Vec::new();
        let mut remaining_families = Vec::new();
        let mut remaining_strata = Vec::new();
        for index in self.remaining() {
            remaining_people.push(self.person(index).clone());
            remaining_families.push(families[index]);
            remaining_strata.push(strata[index].clone());
        }
        let new_splits = split::split(
            &remaining_people,
            &remaining_families,
            &remaining_strata,
            shares,
            options.seed,
        );
        let remaining: Vec<usize> = self.remaining().collect();
        for (index, split) in remaining.into_iter().zip(new_splits) {
            self.splits[index] = split;
        }
        let mut stratified_by = vec!["phenotype"];
        stratified_by.extend(options.stratify_by.iter().map(String::as_str));
        Ok(format!(
            "{shares} %, seed {}, stratified by {}",
            options.seed,
            stratified_by.join(", ")
        ))
    }

    /// Takes the split from a column of the table; every family must be in one split.
    pub(super) fn take_split(
        &mut self,
        column: usize,
        families: &[usize],
        family_ids: &[String],
    ) -> Result<String, Error> {
        let mut first_of_family: HashMap<usize, usize> = HashMap::new();
        let remaining: Vec<usize> = self.remaining().collect();
        for index in remaining {
            let Person { sample, cells, .. } = self.person(index);
            self.splits[index] =
                cells[column]
                    .parse()
                    .map_err(|problem: UnknownSplit| Error::Split {
                        sample: sample.clone(),
                        problem,
                    })?;
            let first = *first_of_family.entry(families[index]).or_insert(index);
            if self.splits[first] != self.splits[index] {
                return Err(Error::FamilyInTwoSplits {
                    family: family_ids[index].clone(),
                    first: self.person(first).sample.clone(),
                    first_split: self.splits[first],
                    second: sample.clone(),
                    second_split: self.splits[index],
                });
            }
        }
        Ok(format!(
            "column `split` of {}",
            self.joined.columns[column].path.display()
        ))
    }

    /// Stratum of each sample: the phenotype and the levels of `columns`.
    pub(super) fn strata(&self, columns: &[String]) -> Result<Vec<String>, Error> {
        let mut strata: Vec<String> = self
            .phenotypes
            .iter()
            .map(|phenotype| format!("{phenotype:?}"))
            .collect();
        for name in columns {
            let Some(column) = self.joined.column(name) else {
                return Err(Error::NoColumn {
                    option: "--stratify-by",
                    column: name.clone(),
                    columns: self.joined.column_names(),
                });
            };
            for (stratum, cell) in strata.iter_mut().zip(self.joined.cells(column)) {
                stratum.push('\n');
                stratum.push_str(&cell.to_lowercase());
            }
        }
        Ok(strata)
    }

    /// Drops one sample of each related pair across splits.
    pub(super) fn drop_related(
        &mut self,
        options: &Options,
    ) -> Result<Option<KinshipPairs>, Error> {
        let Some(path) = &options.unrelated else {
            return Ok(None);
        };
        let samples: HashMap<&str, usize> = self
            .remaining()
            .map(|index| (self.person(index).sample.as_str(), index))
            .collect();
        let related = related::read(path, &samples, options.sample_id, options.kinship_cutoff)?;
        let relatives = related::to_remove(&related.pairs, &self.splits, &self.phenotypes);
        let reason = format!("{RELATED} (kinship of {} or more)", options.kinship_cutoff);
        for index in relatives {
            self.dropped[index] = Some(reason.clone());
        }
        let within_split = related
            .pairs
            .iter()
            .filter(|(a, b)| {
                let both_remain = self.dropped[*a].is_none() && self.dropped[*b].is_none();
                both_remain && self.splits[*a] == self.splits[*b]
            })
            .count();
        Ok(Some(KinshipPairs {
            known: related.n_known,
            related: related.pairs.len(),
            within_split,
        }))
    }

    /// Cases, controls and samples of unknown phenotype of a split.
    pub(super) fn counts(&self, split: Split) -> [usize; 3] {
        [Some(Phenotype::Case), Some(Phenotype::Control), None].map(|phenotype| {
            self.remaining()
                .filter(|&index| self.splits[index] == split)
                .filter(|&index| self.phenotypes[index] == phenotype)
                .count()
        })
    }

    /// Number of samples of a split that were dropped as relatives.
    pub(super) fn dropped_relatives(&self, split: Split) -> usize {
        let reasons = self.dropped.iter().zip(&self.splits);
        reasons
            .filter(|(_, sample_split)| **sample_split == split)
            .filter_map(|(reason, _)| reason.as_ref())
            .filter(|reason| reason.starts_with(RELATED))
            .count()
    }

    /// Refuses a split with cases only or controls only.
    pub(super) fn require_both_classes(&self) -> Result<(), Error> {
        for split in Split::ALL {
            let [n_cases, n_controls, _] = self.counts(split);
            if (n_cases == 0) != (n_controls == 0) {
                let n_relatives = self.dropped_relatives(split);
                return Err(Error::OneClass {
                    split,
                    n_cases,
                    n_controls,
                    n_relatives,
                });
            }
        }
        Ok(())
    }

    /// Makes the table of the remaining samples and completes the summary.
    pub(super) fn finish(
        self,
        columns: &[usize],
        families: &[usize],
        family_ids: &[String],
        summary: Summary,
    ) -> (Prepared, Summary) {
        let family_sizes = self.family_sizes(families);
        let mut samples = Vec::new();
        for index in self.remaining() {
            let has_relatives = family_sizes
                .get(&families[index])
                .is_some_and(|&size| size > 1);
            let family_id = has_relatives.then(|| family_ids[index].clone());
            samples.push(self.sample(index, family_id, columns));
        }
        let names: Vec<String> = columns
            .iter()
            .map(|&column| self.joined.columns[column].name.clone())
            .collect();
        let mut dropped = Vec::new();
        for (person, reason) in self.joined.people.iter().zip(&self.dropped) {
            if let Some(reason) = reason {
                dropped.push((person.sample.clone(), reason.clone()));
            }
        }
        let (covariates, other_columns) = names
            .iter()
            .cloned()
            .partition(|name| CohortColumn::from_name(name).is_usual_covariate());
        let complete_summary = Summary {
            dropped: self.reasons(),
            counts: Split::ALL.map(|split| (split, self.counts(split))).to_vec(),
            n_families: family_sizes.values().filter(|&&size| size > 1).count(),
            covariates,
            other_columns,
            ..summary
        };
        let prepared = Prepared {
            samples,
            columns: names,
            dropped,
        };
        (prepared, complete_summary)
    }

    pub(super) fn sample(
        &self,
        index: usize,
        family_id: Option<String>,
        columns: &[usize],
    ) -> CohortRow {
        let Person { sample, cells, .. } = self.person(index);
        CohortRow {
            sample_id: sample.clone(),
            phenotype: self.phenotypes[index],
            split: self.splits[index],
            family_id,
            cells: columns
                .iter()
                .map(|&column| cells[column].clone())
                .collect(),
        }
    }
}

/// Start of the reason for dropping samples that a genotype file lacks.
pub(super) const NOT_IN: &str = "not in ";

/// Largest plausible share of the cohort in one family.
const MAX_FAMILY_SHARE: f64 = 0.5;

/// Smallest family to which [`MAX_FAMILY_SHARE`] applies.
const MIN_CHECKED_FAMILY: usize = 10;
