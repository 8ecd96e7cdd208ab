//! Samples of a PSAM or FAM file.

use std::{collections::HashSet, path::Path};

use super::{
    error::{LineFault, PgenError},
    text::{Lines, column, fields},
};

/// Sex of a sample. It decides the ploidy on chromosomes X and Y, which a PGEN file does not store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sex {
    /// `1` or `M`.
    Male,
    /// `2` or `F`.
    Female,
    /// Anything else.
    #[default]
    Unknown,
}

/// The samples of a fileset, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PgenSamples {
    ids: Vec<String>,
    sexes: Vec<Sex>,
}

impl PgenSamples {
    /// Individual ids (IID), each once.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Sexes, parallel to the ids.
    #[must_use]
    pub fn sexes(&self) -> &[Sex] {
        &self.sexes
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// No samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(super) fn read(path: &Path) -> Result<Self, PgenError> {
        let mut lines = Lines::open(path)?;
        let mut builder = Builder::default();
        while let Some(line) = lines.next_line()? {
            let result = builder.read_line(line);
            result.map_err(|fault| lines.fault(fault))?;
        }
        Ok(builder.samples)
    }
}

/// The samples of the lines read so far.
#[derive(Default)]
struct Builder {
    samples: PgenSamples,
    seen: HashSet<String>,
    columns: Option<Columns>,
    has_header: bool,
}

impl Builder {
    fn read_line(&mut self, line: &str) -> Result<(), LineFault> {
        if line.starts_with('#') && self.samples.is_empty() {
            self.has_header = true;
            if matches!(fields(line).next(), Some("#FID" | "#IID")) {
                self.columns = Some(Columns::of_header(line)?);
            }
            return Ok(());
        }
        if self.columns.is_none() && self.has_header {
            return Err(LineFault::Column { column: "IID" });
        }
        let columns = *self.columns.get_or_insert(Columns::FAM);
        let (id, sex) = columns.sample(line)?;
        if !self.seen.insert(id.clone()) {
            return Err(LineFault::DuplicateSample { id });
        }
        self.samples.ids.push(id);
        self.samples.sexes.push(sex);
        Ok(())
    }
}

/// Where the columns are that are used.
#[derive(Clone, Copy)]
struct Columns {
    id: usize,
    sex: Option<usize>,
}

impl Columns {
    /// `FID IID PAT MAT SEX ...`, without a header line.
    const FAM: Self = Self {
        id: 1,
        sex: Some(4),
    };

    fn of_header(line: &str) -> Result<Self, LineFault> {
        let names: Vec<&str> = fields(line.trim_start_matches('#')).collect();
        Ok(Self {
            id: column(&names, "IID").ok_or(LineFault::Column { column: "IID" })?,
            sex: column(&names, "SEX"),
        })
    }

    fn sample(&self, line: &str) -> Result<(String, Sex), LineFault> {
        let values: Vec<&str> = fields(line).collect();
        let last = self.sex.unwrap_or(self.id).max(self.id);
        if values.len() <= last {
            return Err(LineFault::Fields {
                expected: last + 1,
                found: values.len(),
            });
        }
        let sex = match self.sex.map(|index| values[index]) {
            Some("1" | "M" | "m") => Sex::Male,
            Some("2" | "F" | "f") => Sex::Female,
            _ => Sex::Unknown,
        };
        Ok((values[self.id].to_owned(), sex))
    }
}
