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

impl Sex {
    fn of_field(field: &str) -> Self {
        match field {
            "1" | "M" | "m" => Self::Male,
            "2" | "F" | "f" => Self::Female,
            _ => Self::Unknown,
        }
    }
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
            builder
                .line_numbers
                .resize(builder.samples.len(), lines.number());
        }
        if let Some(index) = builder.samples.first_duplicate() {
            return Err(PgenError::Line {
                path: path.to_path_buf(),
                line: builder.line_numbers[index],
                fault: LineFault::DuplicateSample {
                    id: builder.samples.ids[index].clone(),
                },
            });
        }
        Ok(builder.samples)
    }

    /// The first sample whose id an earlier sample has.
    fn first_duplicate(&self) -> Option<usize> {
        let mut seen = HashSet::with_capacity(self.len());
        self.ids.iter().position(|id| !seen.insert(id.as_str()))
    }
}

/// The samples of the lines read so far.
#[derive(Default)]
struct Builder {
    samples: PgenSamples,
    /// The line of each sample.
    line_numbers: Vec<u64>,
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
        let sample = columns.sample(line)?;
        self.samples.ids.push(sample.id.to_owned());
        self.samples.sexes.push(sample.sex);
        Ok(())
    }
}

/// The fields of one line that are used.
struct Sample<'a> {
    id: &'a str,
    sex: Sex,
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

    fn sample<'a>(&self, line: &'a str) -> Result<Sample<'a>, LineFault> {
        let last = self.sex.unwrap_or(self.id).max(self.id);
        let mut sample = Sample {
            id: "",
            sex: Sex::Unknown,
        };
        let mut found = 0;
        for (index, value) in fields(line).take(last + 1).enumerate() {
            if index == self.id {
                sample.id = value;
            } else if self.sex == Some(index) {
                sample.sex = Sex::of_field(value);
            }
            found += 1;
        }
        if found <= last {
            return Err(LineFault::Fields {
                expected: last + 1,
                found,
            });
        }
        Ok(sample)
    }
}
