//! The predictions of all files as one score for each (split, model, person).
//!
//! Input -> output: `predictions.csv` files -> [`Scores`], after checking that they speak of the
//! same people in the same way.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
};

use gf_cohort_schema::{
    Assigned, Phenotype, Role, ScoreLayout, ScoredRef, ScoredTable, Split, StatedPhenotype,
    each_score, probability,
};
use rayon::prelude::*;

use super::{Error, roc};
use gf_cohort_schema::counted;

/// Fewer cases, or controls, are too few to fit a slope on, or to say that probabilities are right
/// (Peduzzi et al. 1996: ten events a parameter).
const MIN_OF_A_CLASS: usize = 10;

/// Everyone whom the files predict, and what each model says of those whose phenotype is known.
#[derive(Debug, Default)]
pub(super) struct Scores {
    /// Sorted by sample id.
    pub(super) people: Vec<Person>,
    /// By split, then by the row of the comparison (probes last), then by name.
    pub(super) columns: Vec<Column>,
    /// One a (model, repeat, fold), in this order.
    pub(super) held_out: Vec<HeldOut>,
    pub(super) people_averaged_over_folds: usize,
    pub(super) unassigned: Unassigned,
    /// Tables that were read.
    pub(super) n_files: usize,
}

/// A person.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) sample_id: String,
    pub(super) split: Split,
    pub(super) phenotype: Option<Phenotype>,
    /// A table of predictions states the split; else it is that of the cohort table.
    pub(super) states_split: bool,
    /// A table of predictions states the phenotype.
    pub(super) states_phenotype: bool,
}

/// What one model says of the people of one split, in the order of sample ids.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) split: Split,
    pub(super) model: String,
    pub(super) role: Role,
    /// Indices in [`Scores::people`], rising.
    pub(super) people: Vec<u32>,
    pub(super) is_case: Vec<bool>,
    /// Of a person in several folds the mean.
    pub(super) logits: Vec<f64>,
    pub(super) probabilities: Vec<f64>,
    /// The probabilities are stated: a raw score has none, and those above mean nothing.
    pub(super) has_probabilities: bool,
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
    pub(super) fn new(
        split: Split,
        model: &str,
        role: Role,
        people: Vec<u32>,
        is_case: Vec<bool>,
        logits: Vec<f64>,
        probabilities: Vec<f64>,
    ) -> Self {
        let order = roc::by_rising(&logits);
        Self {
            split,
            model: model.to_owned(),
            role,
            people,
            is_case,
            logits,
            probabilities,
            has_probabilities: true,
            order,
        }
    }

    pub(super) fn n_cases(&self) -> usize {
        self.is_case.iter().filter(|&&case| case).count()
    }

    pub(super) fn n_controls(&self) -> usize {
        self.is_case.len() - self.n_cases()
    }

    /// Why there are too few people to fit anything on.
    pub(super) fn too_few(&self) -> Option<String> {
        let n_cases = self.n_cases();
        let n_controls = self.n_controls();
        let is_few = n_cases.min(n_controls) < MIN_OF_A_CLASS;
        let [cases, controls] = [
            counted(n_cases, "case", "cases"),
            counted(n_controls, "control", "controls"),
        ];
        is_few.then(|| {
            format!("{cases} and {controls} are too few, {MIN_OF_A_CLASS} of each are needed")
        })
    }

    /// Why probabilities cannot be compared with outcomes.
    pub(super) fn not_calibrated(&self) -> Option<String> {
        if self.has_probabilities {
            self.too_few()
        } else {
            Some("the table has scores and no probabilities".to_owned())
        }
    }

    /// The people of whom `keep` is true.
    pub(super) fn subset(&self, keep: impl Fn(u32) -> bool) -> Self {
        let kept: Vec<usize> = (0..self.people.len())
            .filter(|&place| keep(self.people[place]))
            .collect();
        let of = |values: &[f64]| {
            kept.iter()
                .map(|&place| values[place])
                .collect::<Vec<f64>>()
        };
        let people = kept.iter().map(|&place| self.people[place]).collect();
        let is_case = kept.iter().map(|&place| self.is_case[place]).collect();
        let logits = of(&self.logits);
        let probabilities = of(&self.probabilities);
        // Those who are kept stand in the order they stood in.
        let mut place_of = vec![None; self.people.len()];
        kept.iter()
            .zip(0..)
            .for_each(|(&place, new)| place_of[place] = Some(new));
        let order = self
            .order
            .iter()
            .filter_map(|&place| place_of[place as usize])
            .collect();
        Self {
            model: self.model.clone(),
            people,
            is_case,
            logits,
            probabilities,
            order,
            ..*self
        }
    }
}

/// One row of a file.
struct Cell {
    /// Index of the person, first by appearance, then by sample id.
    person: u32,
    /// Index of the model, first by appearance, then by row of the comparison and name.
    model: u32,
    fold: Option<u32>,
    file: u32,
    logit: f64,
    /// `None` where the file has none.
    probability: Option<f64>,
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

/// What the files say of a person.
#[derive(Clone, Copy)]
struct Met {
    split: Option<Split>,
    phenotype: StatedPhenotype,
    /// The first file that says so.
    file: usize,
}

/// A model and its role.
struct Named {
    name: String,
    role: Role,
}

/// The rows of all files, before it is known who is in which split.
pub(super) struct Rows {
    /// Sample ids and what is said of them, by appearance.
    ids: Names,
    met: Vec<Met>,
    models: Vec<Named>,
    cells: Vec<Cell>,
    /// Samples of which a file has no score.
    without_score: HashSet<String>,
    /// How each file was read.
    pub(super) tables: Vec<ScoredTable>,
}

impl Rows {
    pub(super) fn read(paths: &[PathBuf], layout: &ScoreLayout) -> Result<Self, Error> {
        let mut models = Names::default();
        let mut rows = Self {
            ids: Names::default(),
            met: Vec::new(),
            models: Vec::new(),
            cells: Vec::new(),
            without_score: HashSet::new(),
            tables: Vec::new(),
        };
        for (file, path) in paths.iter().enumerate() {
            let table = each_score(path, layout, |row| {
                let (person, is_new) = rows.ids.index(row.sample_id);
                if is_new {
                    rows.met.push(Met {
                        split: row.split,
                        phenotype: row.phenotype,
                        file,
                    });
                } else {
                    let met = &mut rows.met[person as usize];
                    agree(*met, &row, path, paths)?;
                    (met.split, met.phenotype) =
                        (met.split.or(row.split), met.phenotype.or(row.phenotype));
                }
                let (model, is_new) = models.index(row.model);
                if is_new {
                    rows.models.push(Named {
                        name: row.model.to_owned(),
                        role: row.role,
                    });
                } else if rows.models[model as usize].role != row.role {
                    return Err(Error::SaidTwice {
                        path: path.clone(),
                        what: "role",
                        model: row.model.to_owned(),
                    });
                }
                let fold = row.fold;
                let logit = row.score;
                let probability = row.probability;
                rows.cells.push(Cell {
                    person,
                    model,
                    fold,
                    file: file as u32,
                    logit,
                    probability,
                });
                Ok::<(), Error>(())
            })?;
            rows.without_score
                .extend(table.without_score.iter().cloned());
            rows.tables.push(table);
        }
        Ok(rows)
    }

    /// Whether a split or a phenotype of somebody is only in the cohort table.
    pub(super) fn lack_something(&self) -> bool {
        self.met
            .iter()
            .any(|met| met.split.is_none() || met.phenotype.is_none())
    }

    /// Takes what the files lack from the cohort table, leaves out those who are in neither, and
    /// sorts everything.
    ///
    /// # Errors
    /// No phenotype anywhere; a model without some of the people of its file; a person predicted
    /// twice.
    pub(super) fn with(
        mut self,
        assigned: Option<&HashMap<String, Assigned>>,
        paths: &[PathBuf],
    ) -> Result<Scores, Error> {
        let mut unassigned = Unassigned {
            without_score: self.without_score.len(),
            ..Unassigned::default()
        };
        let mut places: Vec<Option<u32>> = Vec::with_capacity(self.met.len());
        let mut people = Vec::new();
        let mut stranger = None;
        for (name, met) in self.ids.names.into_iter().zip(&self.met) {
            if self.without_score.contains(&name) {
                places.push(None);
                continue;
            }
            let of_cohort = assigned.and_then(|assigned| assigned.get(&name)).copied();
            let split = met.split.or(of_cohort.and_then(|known| known.split));
            let phenotype = met
                .phenotype
                .or(of_cohort.and_then(|known| known.phenotype));
            if met.phenotype.is_none() && assigned.is_some() && of_cohort.is_none() {
                unassigned.not_in_cohort += 1;
                places.push(None);
                stranger.get_or_insert((met.file, name));
                continue;
            }
            let Some(phenotype) = phenotype else {
                return Err(Error::NoPhenotype {
                    path: paths[met.file].clone(),
                    sample_id: name,
                    with_cohort: assigned.is_some(),
                });
            };
            unassigned.without_split += usize::from(split.is_none());
            places.push(Some(people.len() as u32));
            people.push(Person {
                sample_id: name,
                split: split.unwrap_or(Split::Test),
                phenotype,
                states_split: met.split.is_some(),
                states_phenotype: met.phenotype.is_some(),
            });
        }
        if let (true, Some((file, sample_id)), Some(assigned)) =
            (people.is_empty(), stranger, assigned)
        {
            let of_cohort = assigned.keys().min().cloned().unwrap_or_default();
            return Err(Error::NobodyInCohort {
                path: paths[file].clone(),
                sample_id,
                of_cohort,
            });
        }
        self.cells
            .retain(|cell| places[cell.person as usize].is_some());
        for cell in &mut self.cells {
            cell.person = places[cell.person as usize].unwrap_or_default();
        }
        require_complete(&self.cells, &people, &self.models, paths)?;
        Sorted::sort(people, self.models, self.cells).scores(paths, unassigned)
    }
}

/// People of whom the files say too little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unassigned {
    /// Left out of all models: a file has no score of them.
    pub(super) without_score: usize,
    /// Left out: no phenotype in their file, and no row in the cohort table.
    pub(super) not_in_cohort: usize,
    /// Taken for the test split, as no table has a split of them.
    pub(super) without_split: usize,
}

/// Every model of a file predicts the same people: else the file was cut, or put together from two.
fn require_complete(
    cells: &[Cell],
    people: &[Person],
    models: &[Named],
    paths: &[PathBuf],
) -> Result<(), Error> {
    let mut keys: Vec<(u32, u32, u32)> = cells
        .iter()
        .map(|cell| (cell.file, cell.model, cell.person))
        .collect();
    keys.par_sort_unstable();
    keys.dedup();
    let people_of = |keys: &[(u32, u32, u32)]| {
        keys.iter()
            .map(|(.., person)| *person)
            .collect::<Vec<u32>>()
    };
    for of_file in keys.chunk_by(|a, b| a.0 == b.0) {
        let of_models: Vec<&[(u32, u32, u32)]> = of_file.chunk_by(|a, b| a.1 == b.1).collect();
        let Some(most) = of_models.iter().max_by_key(|of_model| of_model.len()) else {
            continue;
        };
        let everyone = people_of(most);
        for of_model in &of_models {
            let here = people_of(of_model);
            let missing: Vec<u32> = everyone
                .iter()
                .filter(|person| here.binary_search(person).is_err())
                .copied()
                .collect();
            if let Some(&example) = missing.first() {
                return Err(Error::Incomplete {
                    path: paths[of_model[0].0 as usize].clone(),
                    model: models[of_model[0].1 as usize].name.clone(),
                    other: models[most[0].1 as usize].name.clone(),
                    n_missing: missing.len(),
                    n_people: everyone.len(),
                    example: people[example as usize].sample_id.clone(),
                });
            }
        }
    }
    Ok(())
}

/// People, models and rows in the order of the tables that are written.
struct Sorted {
    people: Vec<Person>,
    models: Vec<Named>,
    cells: Vec<Cell>,
}

impl Sorted {
    fn sort(unsorted: Vec<Person>, models: Vec<Named>, mut cells: Vec<Cell>) -> Self {
        let ids = unsorted
            .iter()
            .map(|person| person.sample_id.clone())
            .collect();
        let (person_place, _) = sorted_places(ids, Ord::cmp);
        let roles: HashMap<String, Role> = models
            .iter()
            .map(|model| (model.name.clone(), model.role))
            .collect();
        let place_of_model = |model: &str| row_of(roles[model]);
        let names = models.into_iter().map(|model| model.name).collect();
        let (model_place, names) = sorted_places(names, |a, b| {
            (place_of_model(a), a).cmp(&(place_of_model(b), b))
        });
        let models = names
            .into_iter()
            .map(|name| Named {
                role: roles[&name],
                name,
            })
            .collect();
        let mut placed: Vec<(u32, Person)> = person_place.iter().copied().zip(unsorted).collect();
        placed.par_sort_unstable_by_key(|(place, _)| *place);
        let people: Vec<Person> = placed.into_iter().map(|(_, person)| person).collect();
        for cell in &mut cells {
            (cell.person, cell.model) = (
                person_place[cell.person as usize],
                model_place[cell.model as usize],
            );
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

    fn scores(self, paths: &[PathBuf], unassigned: Unassigned) -> Result<Scores, Error> {
        let Self {
            people,
            models,
            mut cells,
        } = self;
        cells.dedup_by(|second, first| is_same_additive(first, second, &models));
        let repeats = repeats(&cells);
        refuse_double(&cells, &repeats, &people, &models, paths)?;
        // The check for double rows needs everyone; the comparison is of people whose phenotype is
        // known.
        cells.retain(|cell| people[cell.person as usize].phenotype.is_some());
        let scores = Scores {
            held_out: held_out(&cells, &repeats, &models),
            people,
            unassigned,
            n_files: paths.len(),
            ..Scores::default()
        };
        Ok(scores.with_columns(&cells, &models))
    }
}

/// Row of the comparison, or behind all of them.
fn row_of(role: Role) -> u8 {
    role.rung().unwrap_or(u8::MAX)
}

impl Scores {
    fn with_columns(mut self, cells: &[Cell], models: &[Named]) -> Self {
        let of_column: Vec<&[Cell]> = cells
            .chunk_by(|a, b| a.model == b.model && self.split(a.person) == self.split(b.person))
            .collect();
        self.columns = of_column
            .par_iter()
            .map(|cells| self.column_of(cells, &models[cells[0].model as usize]))
            .collect();
        let several = cells
            .chunk_by(|a, b| a.model == b.model && a.person == b.person)
            .filter(|cells| cells.len() > 1);
        self.people_averaged_over_folds = several
            .map(|cells| cells[0].person)
            .collect::<HashSet<_>>()
            .len();
        self
    }

    fn column_of(&self, cells: &[Cell], model: &Named) -> Column {
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

    /// Puts a model's column where it belongs.
    pub(super) fn insert(&mut self, column: Column) {
        let key = |column: &Column| (column.split, row_of(column.role), column.model.clone());
        let place = self
            .columns
            .partition_point(|other| key(other) < key(&column));
        self.columns.insert(place, column);
    }

    fn split(&self, person: u32) -> Split {
        self.people[person as usize].split
    }

    pub(super) fn is_case(&self, person: u32) -> bool {
        self.people[person as usize]
            .phenotype
            .is_some_and(Phenotype::is_case)
    }

    /// Names of all models, sorted.
    pub(super) fn models(&self) -> BTreeSet<&str> {
        self.columns
            .iter()
            .map(|column| column.model.as_str())
            .collect()
    }

    /// The columns of one split.
    pub(super) fn in_split(&self, split: Split) -> &[Column] {
        let start = self.columns.partition_point(|column| column.split < split);
        let end = self.columns.partition_point(|column| column.split <= split);
        &self.columns[start..end]
    }

    pub(super) fn column(&self, split: Split, model: &str) -> Option<&Column> {
        self.in_split(split)
            .iter()
            .find(|column| column.model == model)
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
        let only_in = |a: &[u32], b: &[u32]| {
            a.iter()
                .filter(|person| b.binary_search(person).is_err())
                .copied()
                .collect::<Vec<u32>>()
        };
        let only_here = only_in(&column.people, &other.people);
        let only_there = only_in(&other.people, &column.people);
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
fn sorted_places(
    names: Vec<String>,
    order: impl Fn(&str, &str) -> std::cmp::Ordering + Sync,
) -> (Vec<u32>, Vec<String>) {
    let mut sorted: Vec<(String, u32)> = names.into_iter().zip(0..).collect();
    sorted.par_sort_by(|a, b| order(&a.0, &b.0));
    let mut places = vec![0; sorted.len()];
    for (place, (_, index)) in sorted.iter().enumerate() {
        places[*index as usize] = place as u32;
    }
    (places, sorted.into_iter().map(|(name, _)| name).collect())
}

/// Bundles with the same additive term next to different deep terms all write its predictions: the
/// same ones are taken once.
fn is_same_additive(first: &Cell, second: &Cell, models: &[Named]) -> bool {
    let same_key =
        (first.person, first.model, first.fold) == (second.person, second.model, second.fold);
    same_key
        && first.file != second.file
        && models[first.model as usize].name == "additive"
        && first.logit.to_bits() == second.logit.to_bits()
}

/// 1-based number of a file among those that have folds of a model.
fn repeats(cells: &[Cell]) -> HashMap<(u32, u32), usize> {
    let with_folds: BTreeSet<(u32, u32)> = cells
        .iter()
        .filter(|cell| cell.fold.is_some())
        .map(|cell| (cell.model, cell.file))
        .collect();
    let repeat_of =
        |&(model, file): &(u32, u32)| with_folds.range((model, 0)..=(model, file)).count();
    with_folds
        .iter()
        .map(|key| (*key, repeat_of(key)))
        .collect()
}

/// Several files with folds of one model are repeats of a cross-validation, unless they say the
/// same; else each (person, model, fold) is there once.
fn refuse_double(
    cells: &[Cell],
    repeats: &HashMap<(u32, u32), usize>,
    people: &[Person],
    models: &[Named],
    paths: &[PathBuf],
) -> Result<(), Error> {
    let same_key = |a: &Cell, b: &Cell| (a.person, a.model, a.fold) == (b.person, b.model, b.fold);
    let predicted_twice = |first: &Cell, second: &Cell| Error::PredictedTwice {
        path: paths[second.file as usize].clone(),
        first_path: paths[first.file as usize].clone(),
        sample_id: people[second.person as usize].sample_id.clone(),
        model: models[second.model as usize].name.clone(),
        fold: second
            .fold
            .map_or(String::new(), |fold| format!(", fold {fold}")),
    };
    // By model and two files: the first pair with the same key, and whether all such pairs say the
    // same.
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
        copies
            .entry((first.model, first.file, second.file))
            .or_insert((first, second, true))
            .2 &= alike;
    }
    let copied = copies
        .iter()
        .filter(|(_, (_, _, alike))| *alike)
        .min_by_key(|(key, _)| **key);
    copied.map_or(Ok(()), |(_, (first, second, _))| {
        Err(predicted_twice(first, second))
    })
}

fn held_out(
    cells: &[Cell],
    repeats: &HashMap<(u32, u32), usize>,
    models: &[Named],
) -> Vec<HeldOut> {
    if repeats.is_empty() {
        return Vec::new();
    }
    let key = |cell: &Cell| {
        Some((
            cell.model,
            *repeats.get(&(cell.model, cell.file))?,
            cell.fold?,
        ))
    };
    let mut of_folds: Vec<((u32, usize, u32), &Cell)> = cells
        .iter()
        .filter_map(|cell| Some((key(cell)?, cell)))
        .collect();
    of_folds.sort_by_key(|(key, cell)| (*key, cell.person));
    let of_fold = of_folds.chunk_by(|a, b| a.0 == b.0);
    let of_fold = of_fold.map(|cells| {
        let (model, repeat, fold) = cells[0].0;
        let (people, logits) = cells
            .iter()
            .map(|(_, cell)| (cell.person, cell.logit))
            .unzip();
        HeldOut {
            model: models[model as usize].name.clone(),
            repeat,
            fold,
            people,
            logits,
        }
    });
    of_fold.collect()
}

/// One person has one split and one phenotype in all files that state them.
fn agree(met: Met, row: &ScoredRef<'_>, path: &Path, paths: &[PathBuf]) -> Result<(), Error> {
    let stated = |phenotype: Option<Phenotype>| {
        phenotype.map_or("of unknown phenotype".to_owned(), |phenotype| {
            phenotype.to_string()
        })
    };
    let (here, there) = match (met.split.zip(row.split), met.phenotype.zip(row.phenotype)) {
        (Some((first, other)), _) if first != other => {
            (format!("in split {other}"), format!("in split {first}"))
        }
        (_, Some((first, other))) if first != other => (stated(other), stated(first)),
        _ => return Ok(()),
    };
    Err(Error::Contradiction {
        path: path.to_path_buf(),
        first_path: paths[met.file].clone(),
        sample_id: row.sample_id.to_owned(),
        here,
        there,
    })
}
