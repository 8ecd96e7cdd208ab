//! Rows of all tables of predictions, and the split and phenotype of each sample.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use gf_cohort_schema::{
    Assigned, Phenotype, Role, ScoreLayout, ScoredRef, ScoredTable, Split, StatedPhenotype,
    each_score,
};
use rayon::prelude::*;

use super::{
    Error, Person, Scores,
    columns::{Sorted, Source},
    difference,
};

/// One row of a file.
pub(super) struct Cell {
    /// Index of the person: first by appearance, after sorting by sample id.
    pub(super) person: u32,
    /// Index of the model: first by appearance, after sorting by row of the comparison and name.
    pub(super) model: u32,
    pub(super) fold: Option<u32>,
    pub(super) file: u32,
    pub(super) logit: f64,
    /// `None` where the file has no probabilities.
    pub(super) probability: Option<f64>,
}

/// A model and its role.
pub(super) struct Model {
    pub(super) name: String,
    pub(super) role: Role,
}

/// Distinct texts, indexed by appearance.
#[derive(Default)]
struct Names {
    index: HashMap<String, u32>,
    names: Vec<String>,
}

/// Index of a name in [`Names`].
struct NameIndex {
    index: u32,
    is_new: bool,
}

impl Names {
    fn index(&mut self, name: &str) -> NameIndex {
        if let Some(&index) = self.index.get(name) {
            return NameIndex {
                index,
                is_new: false,
            };
        }
        let index = self.names.len() as u32;
        self.index.insert(name.to_owned(), index);
        self.names.push(name.to_owned());
        NameIndex {
            index,
            is_new: true,
        }
    }
}

/// Split and phenotype that the files state of a sample.
#[derive(Clone, Copy)]
struct Stated {
    split: Option<Split>,
    phenotype: StatedPhenotype,
    /// The first file with this sample.
    file: usize,
}

/// The rows of all files, before splits and phenotypes are taken from the cohort table.
#[derive(Default)]
pub struct Rows {
    /// Sample ids by appearance.
    ids: Names,
    /// By sample id.
    stated: Vec<Stated>,
    model_names: Names,
    /// By model name.
    models: Vec<Model>,
    cells: Vec<Cell>,
    /// Samples without a score in one of the files.
    without_score: HashSet<String>,
    /// How each file was read.
    pub(crate) tables: Vec<ScoredTable>,
}

impl Rows {
    /// Reads all files.
    ///
    /// # Errors
    /// An unreadable or malformed file; two rows that disagree about a sample or a role.
    pub(crate) fn read(paths: &[PathBuf], layout: &ScoreLayout) -> Result<Self, Error> {
        let mut rows = Self::default();
        for (file, path) in paths.iter().enumerate() {
            let table = each_score(path, layout, |row| rows.add(&row, file, paths))?;
            rows.without_score
                .extend(table.without_score.iter().cloned());
            rows.tables.push(table);
        }
        Ok(rows)
    }

    fn add(&mut self, row: &ScoredRef<'_>, file: usize, paths: &[PathBuf]) -> Result<(), Error> {
        let person = self.add_person(row, file, paths)?;
        let model = self.add_model(row, &paths[file])?;
        self.cells.push(Cell {
            person,
            model,
            fold: row.fold,
            file: file as u32,
            logit: row.score,
            probability: row.probability,
        });
        Ok(())
    }

    fn add_person(
        &mut self,
        row: &ScoredRef<'_>,
        file: usize,
        paths: &[PathBuf],
    ) -> Result<u32, Error> {
        let NameIndex { index, is_new } = self.ids.index(row.sample_id);
        if is_new {
            self.stated.push(Stated {
                split: row.split,
                phenotype: row.phenotype,
                file,
            });
            return Ok(index);
        }
        let stated = &mut self.stated[index as usize];
        require_agreement(*stated, row, &paths[file], paths)?;
        stated.split = stated.split.or(row.split);
        stated.phenotype = stated.phenotype.or(row.phenotype);
        Ok(index)
    }

    fn add_model(&mut self, row: &ScoredRef<'_>, path: &Path) -> Result<u32, Error> {
        let NameIndex { index, is_new } = self.model_names.index(row.model);
        if is_new {
            self.models.push(Model {
                name: row.model.to_owned(),
                role: row.role,
            });
        } else if self.models[index as usize].role != row.role {
            return Err(Error::RoleDiffers {
                path: path.to_path_buf(),
                model: row.model.to_owned(),
            });
        }
        Ok(index)
    }

    /// Whether the split or the phenotype of a sample is only in the cohort table.
    pub(crate) fn lack_something(&self) -> bool {
        self.stated
            .iter()
            .any(|stated| stated.split.is_none() || stated.phenotype.is_none())
    }

    /// Takes what the files lack from the cohort table (`assigned`, by sample id), leaves out
    /// samples without a phenotype in either, and sorts everything.
    ///
    /// # Errors
    /// No phenotype of a sample; a model without some samples of its file; a prediction that occurs
    /// twice.
    pub(crate) fn into_scores(
        mut self,
        assigned: Option<&HashMap<String, Assigned>>,
        paths: &[PathBuf],
    ) -> Result<Scores, Error> {
        let Roster {
            people,
            index_of,
            unassigned,
        } = Roster::new(
            self.ids.names,
            &self.stated,
            &self.without_score,
            assigned,
            paths,
        )?;
        self.cells
            .retain(|cell| index_of[cell.person as usize].is_some());
        for cell in &mut self.cells {
            cell.person = index_of[cell.person as usize].unwrap_or_default();
        }
        require_complete(&self.cells, &people, &self.models, paths)?;
        let source = Source { paths, unassigned };
        Sorted::new(people, self.models, self.cells).into_scores(source)
    }
}

/// Samples without a score, a phenotype or a split, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unassigned {
    /// Left out of all models: a file has no score of them.
    pub(crate) without_score: usize,
    /// Left out: neither their file nor the cohort table has a phenotype of them.
    pub(crate) not_in_cohort: usize,
    /// Put into the test split, because no table has a split of them.
    pub(crate) without_split: usize,
}

/// The samples that are evaluated.
struct Roster {
    /// By appearance.
    people: Vec<Person>,
    /// Index in `people` of each sample id; `None` for a sample that is left out.
    index_of: Vec<Option<u32>>,
    unassigned: Unassigned,
}

impl Roster {
    fn new(
        sample_ids: Vec<String>,
        stated: &[Stated],
        without_score: &HashSet<String>,
        assigned: Option<&HashMap<String, Assigned>>,
        paths: &[PathBuf],
    ) -> Result<Self, Error> {
        let mut roster = Self {
            people: Vec::new(),
            index_of: Vec::with_capacity(stated.len()),
            unassigned: Unassigned {
                without_score: without_score.len(),
                ..Unassigned::default()
            },
        };
        // File and sample id of the first sample that is not in the cohort table.
        let mut first_stranger = None;
        for (sample_id, stated) in sample_ids.into_iter().zip(stated) {
            if without_score.contains(&sample_id) {
                roster.index_of.push(None);
                continue;
            }
            let in_cohort = assigned
                .and_then(|assigned| assigned.get(&sample_id))
                .copied();
            if stated.phenotype.is_none() && assigned.is_some() && in_cohort.is_none() {
                roster.unassigned.not_in_cohort += 1;
                roster.index_of.push(None);
                first_stranger.get_or_insert((stated.file, sample_id));
                continue;
            }
            let with_cohort = assigned.is_some();
            roster.add(sample_id, *stated, in_cohort, with_cohort, paths)?;
        }
        if roster.people.is_empty()
            && let Some((file, sample_id)) = first_stranger
            && let Some(assigned) = assigned
        {
            return Err(Error::NobodyInCohort {
                path: paths[file].clone(),
                sample_id,
                of_cohort: assigned.keys().min().cloned().unwrap_or_default(),
            });
        }
        Ok(roster)
    }

    fn add(
        &mut self,
        sample_id: String,
        stated: Stated,
        in_cohort: Option<Assigned>,
        with_cohort: bool,
        paths: &[PathBuf],
    ) -> Result<(), Error> {
        let split = stated
            .split
            .or(in_cohort.and_then(|assigned| assigned.split));
        let phenotype = stated
            .phenotype
            .or(in_cohort.and_then(|assigned| assigned.phenotype));
        let Some(phenotype) = phenotype else {
            return Err(Error::NoPhenotype {
                path: paths[stated.file].clone(),
                sample_id,
                with_cohort,
            });
        };
        self.unassigned.without_split += usize::from(split.is_none());
        self.index_of.push(Some(self.people.len() as u32));
        self.people.push(Person {
            sample_id,
            split: split.unwrap_or(Split::Test),
            phenotype,
            states_split: stated.split.is_some(),
            states_phenotype: stated.phenotype.is_some(),
        });
        Ok(())
    }
}

/// File, model and person of a row, sorted in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct CellKey {
    file: u32,
    model: u32,
    person: u32,
}

/// Every model of a file predicts the same samples. Otherwise the file was cut, or put together
/// from two files.
fn require_complete(
    cells: &[Cell],
    people: &[Person],
    models: &[Model],
    paths: &[PathBuf],
) -> Result<(), Error> {
    let mut keys: Vec<CellKey> = cells
        .iter()
        .map(|cell| CellKey {
            file: cell.file,
            model: cell.model,
            person: cell.person,
        })
        .collect();
    keys.par_sort_unstable();
    keys.dedup();
    for keys_of_file in keys.chunk_by(|a, b| a.file == b.file) {
        let by_model: Vec<&[CellKey]> = keys_of_file.chunk_by(|a, b| a.model == b.model).collect();
        let Some(most) = by_model.iter().max_by_key(|of_model| of_model.len()) else {
            continue;
        };
        let everyone = people_of(most);
        for of_model in &by_model {
            let missing = difference(&everyone, &people_of(of_model));
            if let Some(&example) = missing.first() {
                return Err(Error::Incomplete {
                    path: paths[of_model[0].file as usize].clone(),
                    model: models[of_model[0].model as usize].name.clone(),
                    other: models[most[0].model as usize].name.clone(),
                    n_missing: missing.len(),
                    n_people: everyone.len(),
                    example: people[example as usize].sample_id.clone(),
                });
            }
        }
    }
    Ok(())
}

fn people_of(keys: &[CellKey]) -> Vec<u32> {
    keys.iter().map(|key| key.person).collect()
}

/// One sample has one split and one phenotype in all files that state them.
fn require_agreement(
    stated: Stated,
    row: &ScoredRef<'_>,
    path: &Path,
    paths: &[PathBuf],
) -> Result<(), Error> {
    let contradiction = if let Some((first, second)) = stated.split.zip(row.split)
        && first != second
    {
        Some([format!("in split {second}"), format!("in split {first}")])
    } else if let Some((first, second)) = stated.phenotype.zip(row.phenotype)
        && first != second
    {
        Some([phenotype_text(second), phenotype_text(first)])
    } else {
        None
    };
    match contradiction {
        None => Ok(()),
        Some([here, there]) => Err(Error::Contradiction {
            path: path.to_path_buf(),
            first_path: paths[stated.file].clone(),
            sample_id: row.sample_id.to_owned(),
            here,
            there,
        }),
    }
}

fn phenotype_text(phenotype: Option<Phenotype>) -> String {
    match phenotype {
        Some(phenotype) => phenotype.to_string(),
        None => "of unknown phenotype".to_owned(),
    }
}
