//! The list of variants from a bgenix index (`.bgi`), a `SQLite` 3 database.
//!
//! Table `Variant` has one row per record with its offset and size; table `Metadata` has the size
//! and the first 1000 bytes of the BGEN file. Alleles after the second, and the identifier, are not
//! in the index: the former are read from the BGEN file.

use std::path::Path;

use super::{
    cache::Identity,
    error::{BgenError, BgenPlace, BgenProblem},
    fields::printable,
    header::Header,
    sqlite::{Database, Table, Value},
    variants::{BgenVariants, VariantFields, VariantsBuilder},
    walk::fields_at,
};

/// Reads the index of a BGEN file.
pub(super) fn read(
    bgi: &Path,
    bgen: &Path,
    header: &Header,
    identity: &Identity,
) -> Result<BgenVariants, BgenError> {
    let mut database = Database::open(bgi)?;
    if let Some(metadata) = database.table("Metadata")? {
        require_metadata(&mut database, &metadata, bgen, identity)?;
    }
    let table = database.table("Variant")?.ok_or_else(|| {
        BgenError::file(
            bgi,
            BgenProblem::DamagedIndex {
                what: "it has no table Variant",
            },
        )
    })?;
    let mut rows = Rows {
        bgen,
        file_len: identity.file_len,
        columns: Columns::of_table(&table).map_err(|problem| BgenError::file(bgi, problem))?,
        builder: VariantsBuilder::new(false),
        extents: Vec::new(),
    };
    database.scan(&table, &mut |values| rows.add(bgi, values))?;
    require_tiling(&mut rows.extents, header, identity.file_len)
        .map_err(|mismatch| BgenError::file(bgi, mismatch.stale(bgen)))?;
    Ok(rows.builder.finish(identity.file_len))
}

/// The columns of the table `Variant`, by their place in a row.
struct Columns {
    chromosome: usize,
    position: usize,
    rsid: usize,
    n_alleles: usize,
    first_allele: usize,
    second_allele: usize,
    start: usize,
    size: usize,
}

impl Columns {
    fn of_table(table: &Table) -> Result<Self, BgenProblem> {
        Ok(Self {
            chromosome: table.column("chromosome")?,
            position: table.column("position")?,
            rsid: table.column("rsid")?,
            n_alleles: table.column("number_of_alleles")?,
            first_allele: table.column("allele1")?,
            second_allele: table.column("allele2")?,
            start: table.column("file_start_position")?,
            size: table.column("size_in_bytes")?,
        })
    }
}

/// What the rows of the table `Variant` are turned into.
struct Rows<'a> {
    bgen: &'a Path,
    file_len: u64,
    columns: Columns,
    builder: VariantsBuilder,
    /// Offset and size of each record.
    extents: Vec<(u64, u64)>,
}

impl Rows<'_> {
    fn add(&mut self, bgi: &Path, values: &[Value<'_>]) -> Result<(), BgenError> {
        let row = self
            .read_row(values)
            .map_err(|problem| BgenError::file(bgi, problem))?;
        let mut fields = row.fields;
        if row.n_alleles > 2 {
            fields.alleles = self.all_alleles(row.start)?;
        }
        self.builder.push(row.start, &fields);
        self.extents.push((row.start, row.size));
        Ok(())
    }

    fn read_row(&self, values: &[Value<'_>]) -> Result<Row, BgenProblem> {
        let columns = &self.columns;
        let n_alleles = number(values, columns.n_alleles)?;
        let mut alleles = vec![text(values, columns.first_allele)?];
        if n_alleles >= 2 {
            alleles.push(text(values, columns.second_allele)?);
        }
        let position = u32::try_from(number(values, columns.position)?).map_err(|_| BAD_NUMBER)?;
        Ok(Row {
            fields: VariantFields {
                id: String::new(),
                rsid: text(values, columns.rsid)?,
                contig: text(values, columns.chromosome)?,
                position,
                alleles,
            },
            n_alleles,
            start: number(values, columns.start)?,
            size: number(values, columns.size)?,
        })
    }

    /// The alleles of the record at this offset of the BGEN file.
    fn all_alleles(&self, start: u64) -> Result<Vec<String>, BgenError> {
        let mut fields = fields_at(self.bgen, start, self.file_len)?;
        let variant = VariantFields::read(&mut fields).map_err(|problem| {
            let place = BgenPlace::Variant {
                number: self.extents.len() as u64 + 1,
                offset: start,
            };
            BgenError::new(self.bgen, place, problem)
        })?;
        Ok(variant.alleles)
    }
}

/// One row of the table `Variant`.
struct Row {
    fields: VariantFields,
    n_alleles: u64,
    /// 0-based offset of the record in the BGEN file.
    start: u64,
    size: u64,
}

const BAD_NUMBER: BgenProblem = BgenProblem::DamagedIndex {
    what: "a column has text or a negative number where a number is expected",
};

fn number(values: &[Value<'_>], column: usize) -> Result<u64, BgenProblem> {
    match values.get(column) {
        Some(Value::Integer(value)) => u64::try_from(*value).map_err(|_| BAD_NUMBER),
        _ => Err(BAD_NUMBER),
    }
}

fn text(values: &[Value<'_>], column: usize) -> Result<String, BgenProblem> {
    match values.get(column) {
        Some(Value::Bytes(bytes)) => printable("a text of the index", bytes.to_vec()),
        Some(Value::Integer(value)) => Ok(value.to_string()),
        _ => Err(BgenProblem::DamagedIndex {
            what: "a column has no text where text is expected",
        }),
    }
}

/// A number of the index that contradicts the BGEN file.
struct Mismatch {
    what: &'static str,
    expected: u64,
    found: u64,
}

impl Mismatch {
    fn stale(self, bgen: &Path) -> BgenProblem {
        BgenProblem::StaleIndex {
            bgen: bgen.to_path_buf(),
            what: self.what,
            expected: self.expected,
            found: self.found,
        }
    }
}

fn require_metadata(
    database: &mut Database,
    metadata: &Table,
    bgen: &Path,
    identity: &Identity,
) -> Result<(), BgenError> {
    let bgi = database.path().to_path_buf();
    let size_column = metadata.column("file_size");
    let bytes_column = metadata.column("first_1000_bytes");
    let (Ok(size_column), Ok(bytes_column)) = (size_column, bytes_column) else {
        return Ok(());
    };
    database.scan(metadata, &mut |values| {
        check_metadata(values, size_column, bytes_column, bgen, identity)
            .map_err(|problem| BgenError::file(&bgi, problem))
    })
}

fn check_metadata(
    values: &[Value<'_>],
    size_column: usize,
    bytes_column: usize,
    bgen: &Path,
    identity: &Identity,
) -> Result<(), BgenProblem> {
    let found = number(values, size_column)?;
    require_equal("the size of the BGEN file", identity.file_len, found)
        .map_err(|mismatch| mismatch.stale(bgen))?;
    match values.get(bytes_column) {
        Some(Value::Bytes(bytes)) if *bytes == identity.first_bytes => Ok(()),
        _ => Err(BgenProblem::StaleIndexBytes {
            bgen: bgen.to_path_buf(),
        }),
    }
}

const fn require_equal(what: &'static str, expected: u64, found: u64) -> Result<(), Mismatch> {
    if expected == found {
        return Ok(());
    }
    Err(Mismatch {
        what,
        expected,
        found,
    })
}

/// That the records of the index follow each other from the first variant to the end of the file.
fn require_tiling(
    extents: &mut [(u64, u64)],
    header: &Header,
    file_len: u64,
) -> Result<(), Mismatch> {
    require_equal(
        "the number of variants",
        header.n_variants,
        extents.len() as u64,
    )?;
    extents.sort_unstable();
    let mut expected = header.first_variant;
    for &(start, size) in extents.iter() {
        require_equal("the offset of a variant", expected, start)?;
        expected = start.saturating_add(size);
    }
    require_equal("the end of the last variant", file_len, expected)
}
