//! Which sample columns of a file are parsed, and where their people stand in a record.

use gf_cohort_schema::counted;
use std::collections::HashMap;

/// Stands for a column that nobody asked for.
const NOT_WANTED: u32 = u32::MAX;

/// A selection of the sample columns.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    /// Columns of the file.
    n: usize,
    /// Of each person selected; `None` when all columns are read as they stand.
    of_people: Option<Vec<usize>>,
    /// Of each column the number of its person, or [`NOT_WANTED`].
    people: Vec<u32>,
    /// People stand in the order of their columns.
    in_order: bool,
}

impl Columns {
    pub fn all(n_columns: usize) -> Self {
        Self {
            n: n_columns,
            of_people: None,
            people: Vec::new(),
            in_order: true,
        }
    }

    pub fn select(people: &[String], samples: &[String]) -> Result<Self, String> {
        let column_of: HashMap<&str, usize> = samples
            .iter()
            .enumerate()
            .map(|(column, sample)| (sample.as_str(), column))
            .collect();
        let missing: Vec<&String> = people
            .iter()
            .filter(|person| !column_of.contains_key(person.as_str()))
            .collect();
        if let Some(first) = missing.first() {
            return Err(format!(
                "no sample `{first}`; {} of the {} wanted {} not in this file, which has {}, such \
                 as `{}`",
                missing.len(),
                counted(people.len(), "person", "people"),
                if missing.len() == 1 { "is" } else { "are" },
                counted(samples.len(), "sample", "samples"),
                samples[0]
            ));
        }
        let of_people: Vec<usize> = people
            .iter()
            .map(|person| column_of[person.as_str()])
            .collect();
        let mut numbers = vec![NOT_WANTED; samples.len()];
        for (number, (person, &column)) in people.iter().zip(&of_people).enumerate() {
            if std::mem::replace(&mut numbers[column], number as u32) != NOT_WANTED {
                return Err(format!("sample `{person}` is asked for twice"));
            }
        }
        let in_order = of_people.is_sorted();
        Ok(Self {
            n: samples.len(),
            of_people: Some(of_people),
            people: numbers,
            in_order,
        })
    }

    /// Columns of the file.
    pub fn n_columns(&self) -> usize {
        self.n
    }

    /// People wanted.
    pub fn n_people(&self) -> usize {
        self.of_people.as_ref().map_or(self.n, Vec::len)
    }

    /// The column of each person wanted; `None` when everyone is, in the order of the columns.
    pub fn of_people(&self) -> Option<&[usize]> {
        self.of_people.as_deref()
    }

    /// The number of a column's person, `None` when the column is not wanted or not there.
    pub fn person(&self, column: usize) -> Option<usize> {
        if self.of_people.is_none() {
            return (column < self.n).then_some(column);
        }
        self.people
            .get(column)
            .filter(|&&person| person != NOT_WANTED)
            .map(|&person| person as usize)
    }

    pub fn in_order(&self) -> bool {
        self.in_order
    }
}
