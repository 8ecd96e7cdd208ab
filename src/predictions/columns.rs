//! Sorted rows as columns of scores, one per (split, model), and as folds of cross-validations.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap, HashSet},
    path::PathBuf,
};

use gf_cohort_schema::probability;
use rayon::prelude::*;

use super::{
    Column, Error, HeldOut, Person, Scores, row_of,
    rows::{Cell, Model, Unassigned},
};

/// The files of the rows, and the samples whose phenotype or split they lack.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) paths: &'a [PathBuf],
    pub(super) unassigned: Unassigned,
}

/// Samples, models and rows in the order of the tables that are written.
pub(super) struct Sorted {
    /// By sample id.
    people: Vec<Person>,
    /// By row of the comparison, then by name.
    models: Vec<Model>,
    /// By split, model, person, fold and file.
    cells: Vec<Cell>,
}

impl Sorted {
    pub(super) fn new(people: Vec<Person>, models: Vec<Model>, mut cells: Vec<Cell>) -> Self {
        let rank_of_person = ranks(&people, |a, b| a.sample_id.cmp(&b.sample_id));
        let rank_of_model = ranks(&models, |a, b| {
            (row_of(a.role), &a.name).cmp(&(row_of(b.role), &b.name))
        });
        let people = by_rank(people, &rank_of_person);
        let models = by_rank(models, &rank_of_model);
        for cell in &mut cells {
            cell.person = rank_of_person[cell.person as usize];
            cell.model = rank_of_model[cell.model as usize];
        }
        cells.par_sort_by_key(|cell| {
            (
                people[cell.person as usize].split,
                cell.model,
                cell.person,
                cell.fold,
                cell.file,
            )
        });
        Self {
            people,
            models,
            cells,
        }
    }

    /// # Errors
    /// A prediction that occurs twice.
    pub(super) fn into_scores(self, source: Source<'_>) -> Result<Scores, Error> {
        let Self {
            people,
            models,
            mut cells,
        } = self;
        cells.dedup_by(|second, first| is_same_additive(first, second, &models));
        let repeats = repeats(&cells);
        if let Some(duplicate) = duplicate(&cells, &repeats) {
            return Err(duplicate.error(&people, &models, source.paths));
        }
        // Duplicates are searched among all samples; only those with a known phenotype are
        // compared.
        cells.retain(|cell| people[cell.person as usize].phenotype.is_some());
        let scores = Scores {
            held_out: held_out(&cells, &repeats, &models),
            people,
            unassigned: source.unassigned,
            n_files: source.paths.len(),
            ..Scores::default()
        };
        Ok(scores.with_columns(&cells, &models))
    }
}

/// The position of each item among the sorted ones.
fn ranks<T: Sync>(items: &[T], order: impl Fn(&T, &T) -> Ordering + Sync) -> Vec<u32> {
    let mut sorted: Vec<u32> = (0..items.len() as u32).collect();
    sorted.par_sort_by(|a, b| order(&items[*a as usize], &items[*b as usize]));
    let mut ranks = vec![0; items.len()];
    for (rank, index) in sorted.into_iter().enumerate() {
        ranks[index as usize] = rank as u32;
    }
    ranks
}

fn by_rank<T: Send>(items: Vec<T>, ranks: &[u32]) -> Vec<T> {
    let mut ranked: Vec<(u32, T)> = ranks.iter().copied().zip(items).collect();
    ranked.par_sort_unstable_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, item)| item).collect()
}

/// Several bundles with the same additive term all write its predictions: those that are bitwise
/// the same count once.
fn is_same_additive(first: &Cell, second: &Cell, models: &[Model]) -> bool {
    has_same_key(first, second)
        && first.file != second.file
        && models[first.model as usize].name == "additive"
        && first.logit.to_bits() == second.logit.to_bits()
}

/// Whether two rows predict the same (sample, model, fold).
fn has_same_key(a: &Cell, b: &Cell) -> bool {
    a.person == b.person && a.model == b.model && a.fold == b.fold
}

/// Number of the repeat of each (model, file) with folds. Several files with folds of one model are
/// repeats of its cross-validation.
struct Repeats {
    /// 1-based number of the file among those with folds of the model.
    number: HashMap<(u32, u32), usize>,
}

impl Repeats {
    fn number(&self, cell: &Cell) -> Option<usize> {
        self.number.get(&(cell.model, cell.file)).copied()
    }
}

fn repeats(cells: &[Cell]) -> Repeats {
    let with_folds: BTreeSet<(u32, u32)> = cells
        .iter()
        .filter(|cell| cell.fold.is_some())
        .map(|cell| (cell.model, cell.file))
        .collect();
    let number = with_folds
        .iter()
        .map(|&(model, file)| {
            let up_to_here = with_folds.range((model, 0)..=(model, file));
            ((model, file), up_to_here.count())
        })
        .collect();
    Repeats { number }
}

/// Two rows with the same (sample, model, fold).
#[derive(Clone, Copy)]
struct Duplicate<'a> {
    first: &'a Cell,
    second: &'a Cell,
}

impl Duplicate<'_> {
    fn has_same_logit(&self) -> bool {
        self.first.logit.to_bits() == self.second.logit.to_bits()
    }

    fn error(&self, people: &[Person], models: &[Model], paths: &[PathBuf]) -> Error {
        let Self { first, second } = self;
        Error::PredictedTwice {
            path: paths[second.file as usize].clone(),
            first_path: paths[first.file as usize].clone(),
            sample_id: people[second.person as usize].sample_id.clone(),
            model: models[second.model as usize].name.clone(),
            fold: match second.fold {
                Some(fold) => format!(", fold {fold}"),
                None => String::new(),
            },
        }
    }
}

/// Duplicates between two repeats of one model.
struct SharedKeys<'a> {
    first: Duplicate<'a>,
    /// All duplicates have the same logit, so one file is a copy of the other and no repeat.
    are_all_same: bool,
}

/// A prediction that occurs twice. Two repeats of a cross-validation predict the same (sample,
/// model, fold) and are no duplicates, unless one file is a copy of the other.
fn duplicate<'a>(cells: &'a [Cell], repeats: &Repeats) -> Option<Duplicate<'a>> {
    // By model and two files.
    let mut shared: HashMap<(u32, u32, u32), SharedKeys<'a>> = HashMap::new();
    for pair in cells.windows(2) {
        let [first, second] = pair else { continue };
        if !has_same_key(first, second) {
            continue;
        }
        let duplicate = Duplicate { first, second };
        let are_repeats = first.file != second.file
            && repeats.number(first).is_some()
            && repeats.number(second).is_some();
        if !are_repeats {
            return Some(duplicate);
        }
        shared
            .entry((first.model, first.file, second.file))
            .or_insert(SharedKeys {
                first: duplicate,
                are_all_same: true,
            })
            .are_all_same &= duplicate.has_same_logit();
    }
    shared
        .into_iter()
        .filter(|(_, keys)| keys.are_all_same)
        .min_by_key(|(files, _)| *files)
        .map(|(_, keys)| keys.first)
}

/// A fold of a repeat of a cross-validation of a model.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct FoldKey {
    model: u32,
    repeat: usize,
    fold: u32,
}

impl FoldKey {
    /// `None` for a row without a fold.
    fn new(cell: &Cell, repeats: &Repeats) -> Option<Self> {
        Some(Self {
            model: cell.model,
            repeat: repeats.number(cell)?,
            fold: cell.fold?,
        })
    }
}

fn held_out(cells: &[Cell], repeats: &Repeats, models: &[Model]) -> Vec<HeldOut> {
    if repeats.number.is_empty() {
        return Vec::new();
    }
    let mut cells_by_fold: Vec<(FoldKey, &Cell)> = cells
        .iter()
        .filter_map(|cell| Some((FoldKey::new(cell, repeats)?, cell)))
        .collect();
    cells_by_fold.sort_by_key(|(key, cell)| (*key, cell.person));
    cells_by_fold
        .chunk_by(|a, b| a.0 == b.0)
        .map(|cells| {
            let key = cells[0].0;
            HeldOut {
                model: models[key.model as usize].name.clone(),
                repeat: key.repeat,
                fold: key.fold,
                people: cells.iter().map(|(_, cell)| cell.person).collect(),
                logits: cells.iter().map(|(_, cell)| cell.logit).collect(),
            }
        })
        .collect()
}

impl Scores {
    /// Adds the columns of `cells`, which are sorted as in [`Sorted`].
    fn with_columns(mut self, cells: &[Cell], models: &[Model]) -> Self {
        let by_column: Vec<&[Cell]> = cells
            .chunk_by(|a, b| a.model == b.model && self.split(a.person) == self.split(b.person))
            .collect();
        self.columns = by_column
            .par_iter()
            .map(|cells| self.column_of(cells, &models[cells[0].model as usize]))
            .collect();
        self.people_averaged_over_folds = cells
            .chunk_by(|a, b| a.model == b.model && a.person == b.person)
            .filter(|cells| cells.len() > 1)
            .map(|cells| cells[0].person)
            .collect::<HashSet<_>>()
            .len();
        self
    }

    /// The column of one model on one split. A sample with several rows (folds) has their mean
    /// logit, and the probability of that.
    fn column_of(&self, cells: &[Cell], model: &Model) -> Column {
        let mut people = Vec::new();
        let mut is_case = Vec::new();
        let mut logits = Vec::new();
        let mut probabilities = Vec::new();
        let has_probabilities = cells.iter().all(|cell| cell.probability.is_some());
        for cells in cells.chunk_by(|a, b| a.person == b.person) {
            people.push(cells[0].person);
            is_case.push(self.is_case(cells[0].person));
            let logit = cells.iter().map(|cell| cell.logit).sum::<f64>() / cells.len() as f64;
            logits.push(logit);
            let stated = cells[0].probability.filter(|_| cells.len() == 1);
            probabilities.push(stated.unwrap_or_else(|| probability(logit)));
        }
        let column = Column::new(
            self.split(people[0]),
            &model.name,
            model.role,
            people,
            is_case,
            logits,
            probabilities,
        );
        Column {
            has_probabilities,
            ..column
        }
    }
}
