//! The predictions of all files as one score for each (split, model, person).
//!
//! Input -> output: `predictions.csv` files -> [`Scores`], after checking that they speak of the same people in the same way.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
};

use gf_cohort_schema::{Phenotype, PredictionRef, Split, each_prediction, probability, rung};
use rayon::prelude::*;

use super::{Error, roc};

/// Fewer cases, or controls, are too few to fit a slope on, or to say that probabilities are right (Peduzzi et al. 1996: ten events a parameter).
const MIN_OF_A_CLASS: usize = 10;

/// Everyone whom the files predict, and what each model says of those whose phenotype is known.
#[derive(Debug, Default)]
pub(super) struct Scores {
    /// Sorted by sample id.
    pub(super) people: Vec<Person>,
    /// By split, then by [`rung`] (models without one last), then by name.
    pub(super) columns: Vec<Column>,
    /// One a (model, repeat, fold), in this order.
    pub(super) held_out: Vec<HeldOut>,
    pub(super) people_averaged_over_folds: usize,
}

/// A person.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) sample_id: String,
    pub(super) split: Split,
    pub(super) phenotype: Option<Phenotype>,
}

/// What one model says of the people of one split, in the order of sample ids.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) split: Split,
    pub(super) model: String,
    /// Indices in [`Scores::people`], rising.
    pub(super) people: Vec<u32>,
    pub(super) is_case: Vec<bool>,
    /// Of a person in several folds the mean.
    pub(super) logits: Vec<f64>,
    pub(super) probabilities: Vec<f64>,
    /// Places in the vectors above by rising logit.
    pub(super) order: Vec<u32>,
}

/// What a model says of the people of one fold of a cross-validation, whom it has not seen.
#[derive(Debug)]
pub(super) struct HeldOut {
    pub(super) model: String,
    /// 1-based.
    pub(super) repeat: usize,
    pub(super) fold: u32,
    pub(super) people: Vec<u32>,
    pub(super) logits: Vec<f64>,
}

impl Column {
    pub(super) fn new(split: Split, model: &str, people: Vec<u32>, is_case: Vec<bool>, logits: Vec<f64>, probabilities: Vec<f64>) -> Self {
        let order = roc::by_rising(&logits);
        Self { split, model: model.to_owned(), people, is_case, logits, probabilities, order }
    }

    pub(super) fn n_cases(&self) -> usize {
        self.is_case.iter().filter(|&&case| case).count()
    }

    pub(super) fn n_controls(&self) -> usize {
        self.is_case.len() - self.n_cases()
    }

    /// Why there are too few people to fit anything on.
    pub(super) fn too_few(&self) -> Option<String> {
        let (n_cases, n_controls) = (self.n_cases(), self.n_controls());
        let is_few = n_cases.min(n_controls) < MIN_OF_A_CLASS;
        is_few.then(|| format!("{n_cases} cases and {n_controls} controls are too few, {MIN_OF_A_CLASS} of each are needed"))
    }

    /// The people of whom `keep` is true.
    pub(super) fn subset(&self, keep: impl Fn(u32) -> bool) -> Self {
        let kept: Vec<usize> = (0..self.people.len()).filter(|&place| keep(self.people[place])).collect();
        let of = |values: &[f64]| kept.iter().map(|&place| values[place]).collect::<Vec<f64>>();
        let people = kept.iter().map(|&place| self.people[place]).collect();
        let is_case = kept.iter().map(|&place| self.is_case[place]).collect();
        let (logits, probabilities) = (of(&self.logits), of(&self.probabilities));
        // Those who are kept stand in the order they stood in.
        let mut place_of = vec![None; self.people.len()];
        kept.iter().zip(0..).for_each(|(&place, new)| place_of[place] = Some(new));
        let order = self.order.iter().filter_map(|&place| place_of[place as usize]).collect();
        Self { split: self.split, model: self.model.clone(), people, is_case, logits, probabilities, order }
    }
}

/// One row of a file.
struct Cell {
    /// Index of the person, first by appearance, then by sample id.
    person: u32,
    /// Index of the model, first by appearance, then by rung and name.
    model: u32,
    fold: Option<u32>,
    file: u32,
    logit: f64,
    probability: f64,
}

/// Texts and their indices, by appearance.
#[derive(Default)]
struct Names {
    index: HashMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    /// Index of a name, and whether it is new.
    fn index(&mut self, name: &str) -> (u32, bool) {
        if let Some(&index) = self.index.get(name) {
            return (index, false);
        }
        let index = self.names.len() as u32;
        self.index.insert(name.to_owned(), index);
        self.names.push(name.to_owned());
        (index, true)
    }
}

impl Scores {
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, Error> {
        let (mut ids, mut models) = (Names::default(), Names::default());
        // Split, phenotype and first file of each person.
        let mut met: Vec<(Split, Option<Phenotype>, usize)> = Vec::new();
        let mut cells: Vec<Cell> = Vec::new();
        for (file, path) in paths.iter().enumerate() {
            each_prediction(path, |row| {
                let PredictionRef { split, phenotype, fold, logit, probability, .. } = row;
                let (person, is_new) = ids.index(row.sample_id);
                if is_new {
                    met.push((split, phenotype, file));
                } else {
                    agree(met[person as usize], &row, path, paths)?;
                }
                let (model, _) = models.index(row.model);
                cells.push(Cell { person, model, fold, file: file as u32, logit, probability });
                Ok::<(), Error>(())
            })?;
        }
        let (person_place, ids) = sorted_places(ids.names, Ord::cmp);
        let place_of_model = |model: &str| rung(model).unwrap_or(u8::MAX);
        let (model_place, models) = sorted_places(models.names, |a, b| (place_of_model(a), a).cmp(&(place_of_model(b), b)));
        let mut people: Vec<Person> = ids.into_iter().map(|sample_id| Person { sample_id, split: Split::Train, phenotype: None }).collect();
        for (&place, (split, phenotype, _)) in person_place.iter().zip(met) {
            let person = &mut people[place as usize];
            (person.split, person.phenotype) = (split, phenotype);
        }
        for cell in &mut cells {
            (cell.person, cell.model) = (person_place[cell.person as usize], model_place[cell.model as usize]);
        }
        cells.par_sort_by_key(|cell| (people[cell.person as usize].split, cell.model, cell.person, cell.fold, cell.file));
        cells.dedup_by(|second, first| is_same_additive(first, second, &models));
        let repeats = repeats(&cells);
        refuse_double(&cells, &repeats, &people, &models, paths)?;
        // The check for double rows needs everyone; the comparison is of people whose phenotype is known.
        cells.retain(|cell| people[cell.person as usize].phenotype.is_some());
        let scores = Self { held_out: held_out(&cells, &repeats, &models), people, ..Self::default() };
        Ok(scores.with_columns(&cells, &models))
    }

    fn with_columns(mut self, cells: &[Cell], models: &[String]) -> Self {
        let of_column: Vec<&[Cell]> = cells.chunk_by(|a, b| a.model == b.model && self.split(a.person) == self.split(b.person)).collect();
        self.columns = of_column.par_iter().map(|cells| self.column_of(cells, &models[cells[0].model as usize])).collect();
        let several = cells.chunk_by(|a, b| a.model == b.model && a.person == b.person).filter(|cells| cells.len() > 1);
        self.people_averaged_over_folds = several.map(|cells| cells[0].person).collect::<HashSet<_>>().len();
        self
    }

    fn column_of(&self, cells: &[Cell], model: &str) -> Column {
        let (mut people, mut is_case, mut logits, mut probabilities) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for cells in cells.chunk_by(|a, b| a.person == b.person) {
            people.push(cells[0].person);
            is_case.push(self.is_case(cells[0].person));
            let logit = cells.iter().map(|cell| cell.logit).sum::<f64>() / cells.len() as f64;
            logits.push(logit);
            probabilities.push(if cells.len() == 1 { cells[0].probability } else { probability(logit) });
        }
        Column::new(self.split(people[0]), model, people, is_case, logits, probabilities)
    }

    /// Puts a model's column where it belongs.
    pub(super) fn insert(&mut self, column: Column) {
        let key = |column: &Column| (column.split, rung(&column.model).unwrap_or(u8::MAX), column.model.clone());
        let place = self.columns.partition_point(|other| key(other) < key(&column));
        self.columns.insert(place, column);
    }

    fn split(&self, person: u32) -> Split {
        self.people[person as usize].split
    }

    pub(super) fn is_case(&self, person: u32) -> bool {
        self.people[person as usize].phenotype.is_some_and(Phenotype::is_case)
    }

    /// Names of all models, sorted.
    pub(super) fn models(&self) -> BTreeSet<&str> {
        self.columns.iter().map(|column| column.model.as_str()).collect()
    }

    /// The columns of one split.
    pub(super) fn in_split(&self, split: Split) -> &[Column] {
        let start = self.columns.partition_point(|column| column.split < split);
        let end = self.columns.partition_point(|column| column.split <= split);
        &self.columns[start..end]
    }

    pub(super) fn column(&self, split: Split, model: &str) -> Option<&Column> {
        self.in_split(split).iter().find(|column| column.model == model)
    }

    /// The split that decides: test, or the last there is.
    pub(super) fn last_split(&self) -> Option<Split> {
        self.columns.last().map(|column| column.split)
    }

    /// Checks that both models have predictions for the same people of a split.
    pub(super) fn require_same_people(&self, column: &Column, other: &Column) -> Result<(), Error> {
        if column.people == other.people {
            return Ok(());
        }
        let only_in = |a: &[u32], b: &[u32]| a.iter().filter(|person| b.binary_search(person).is_err()).copied().collect::<Vec<u32>>();
        let (only_here, only_there) = (only_in(&column.people, &other.people), only_in(&other.people, &column.people));
        let (example, absent_from) = match (only_here.first(), only_there.first()) {
            (Some(&example), _) => (example, &other.model),
            (None, Some(&example)) => (example, &column.model),
            (None, None) => return Ok(()),
        };
        Err(Error::DifferentPeople {
            split: column.split,
            model: column.model.clone(),
            other: other.model.clone(),
            n_only_here: only_here.len(),
            n_only_there: only_there.len(),
            n_both: column.people.len() - only_here.len(),
            example: self.people[example as usize].sample_id.clone(),
            absent_from: absent_from.clone(),
        })
    }
}

/// The place of each name among the sorted ones, and these.
fn sorted_places(names: Vec<String>, order: impl Fn(&str, &str) -> std::cmp::Ordering + Sync) -> (Vec<u32>, Vec<String>) {
    let mut sorted: Vec<(String, u32)> = names.into_iter().zip(0..).collect();
    sorted.par_sort_by(|a, b| order(&a.0, &b.0));
    let mut places = vec![0; sorted.len()];
    for (place, (_, index)) in sorted.iter().enumerate() {
        places[*index as usize] = place as u32;
    }
    (places, sorted.into_iter().map(|(name, _)| name).collect())
}

/// Bundles with the same additive term next to different deep terms all write its predictions: the same ones are taken once.
fn is_same_additive(first: &Cell, second: &Cell, models: &[String]) -> bool {
    let same_key = (first.person, first.model, first.fold) == (second.person, second.model, second.fold);
    same_key && first.file != second.file && models[first.model as usize] == "additive" && first.logit.to_bits() == second.logit.to_bits()
}

/// 1-based number of a file among those that have folds of a model.
fn repeats(cells: &[Cell]) -> HashMap<(u32, u32), usize> {
    let with_folds: BTreeSet<(u32, u32)> = cells.iter().filter(|cell| cell.fold.is_some()).map(|cell| (cell.model, cell.file)).collect();
    let repeat_of = |&(model, file): &(u32, u32)| with_folds.range((model, 0)..=(model, file)).count();
    with_folds.iter().map(|key| (*key, repeat_of(key))).collect()
}

/// Several files with folds of one model are repeats of a cross-validation, unless they say the same; else each (person, model, fold) is there once.
fn refuse_double(
    cells: &[Cell],
    repeats: &HashMap<(u32, u32), usize>,
    people: &[Person],
    models: &[String],
    paths: &[PathBuf],
) -> Result<(), Error> {
    let same_key = |a: &Cell, b: &Cell| (a.person, a.model, a.fold) == (b.person, b.model, b.fold);
    let predicted_twice = |first: &Cell, second: &Cell| Error::PredictedTwice {
        path: paths[second.file as usize].clone(),
        first_path: paths[first.file as usize].clone(),
        sample_id: people[second.person as usize].sample_id.clone(),
        model: models[second.model as usize].clone(),
        fold: second.fold.map_or(String::new(), |fold| format!(", fold {fold}")),
    };
    // By model and two files: the first pair with the same key, and whether all such pairs say the same.
    let mut copies: HashMap<(u32, u32, u32), (&Cell, &Cell, bool)> = HashMap::new();
    for pair in cells.windows(2) {
        let [first, second] = pair else { continue };
        if !same_key(first, second) {
            continue;
        }
        let repeated = |cell: &Cell| repeats.contains_key(&(cell.model, cell.file));
        if first.file == second.file || !repeated(first) || !repeated(second) {
            return Err(predicted_twice(first, second));
        }
        let alike = first.logit.to_bits() == second.logit.to_bits();
        copies.entry((first.model, first.file, second.file)).or_insert((first, second, true)).2 &= alike;
    }
    let copied = copies.iter().filter(|(_, (_, _, alike))| *alike).min_by_key(|(key, _)| **key);
    copied.map_or(Ok(()), |(_, (first, second, _))| Err(predicted_twice(first, second)))
}

fn held_out(cells: &[Cell], repeats: &HashMap<(u32, u32), usize>, models: &[String]) -> Vec<HeldOut> {
    if repeats.is_empty() {
        return Vec::new();
    }
    let key = |cell: &Cell| Some((cell.model, *repeats.get(&(cell.model, cell.file))?, cell.fold?));
    let mut of_folds: Vec<((u32, usize, u32), &Cell)> = cells.iter().filter_map(|cell| Some((key(cell)?, cell))).collect();
    of_folds.sort_by_key(|(key, cell)| (*key, cell.person));
    let of_fold = of_folds.chunk_by(|a, b| a.0 == b.0);
    let of_fold = of_fold.map(|cells| {
        let (model, repeat, fold) = cells[0].0;
        let (people, logits) = cells.iter().map(|(_, cell)| (cell.person, cell.logit)).unzip();
        HeldOut { model: models[model as usize].clone(), repeat, fold, people, logits }
    });
    of_fold.collect()
}

/// One person has one split and one phenotype in all files.
fn agree(first: (Split, Option<Phenotype>, usize), row: &PredictionRef<'_>, path: &Path, paths: &[PathBuf]) -> Result<(), Error> {
    let (split, phenotype, file) = first;
    let said = |phenotype: Option<Phenotype>| phenotype.map_or("of unknown phenotype".to_owned(), |phenotype| phenotype.to_string());
    let (here, there) = if split != row.split {
        (format!("in split {}", row.split), format!("in split {split}"))
    } else if phenotype != row.phenotype {
        (said(row.phenotype), said(phenotype))
    } else {
        return Ok(());
    };
    Err(Error::Contradiction {
        path: path.to_path_buf(),
        first_path: paths[file].clone(),
        sample_id: row.sample_id.to_owned(),
        here,
        there,
    })
}
