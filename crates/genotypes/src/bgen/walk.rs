//! The list of variants from the file itself: their fields are read, their genotypes are skipped.

use std::{
    fs::File,
    io::{BufReader, Seek, SeekFrom},
    path::Path,
};

use super::{
    error::{BgenError, BgenPlace, BgenProblem},
    fields::Fields,
    header::Header,
    variants::{BgenVariants, VariantFields, VariantsBuilder},
};

/// Bytes read at once: more than the fields of nearly every variant, less than its genotypes.
const BUFFER_LEN: usize = 4096;

/// Fields of the file at an offset, to be read forwards.
pub(super) fn fields_at(
    path: &Path,
    offset: u64,
    end: u64,
) -> Result<Fields<BufReader<File>>, BgenError> {
    let mut file = File::open(path).map_err(|error| BgenError::file(path, error))?;
    file.seek(SeekFrom::Start(offset))
        .map_err(|error| BgenError::file(path, error))?;
    let reader = BufReader::with_capacity(BUFFER_LEN, file);
    Ok(Fields::new(reader, offset, end))
}

/// Goes over all records of the file.
pub(super) fn walk(path: &Path, header: &Header, file_len: u64) -> Result<BgenVariants, BgenError> {
    let mut fields = fields_at(path, header.first_variant, file_len)?;
    let mut builder = VariantsBuilder::new(true);
    for index in 0..header.n_variants {
        let start = fields.offset();
        let variant = next_variant(&mut fields).map_err(|problem| {
            let place = BgenPlace::Variant {
                number: index + 1,
                offset: start,
            };
            BgenError::new(path, place, problem)
        })?;
        builder.push(start, &variant);
    }
    if fields.available() > 0 {
        let problem = BgenProblem::Length {
            what: "the part after the last variant that the header counts",
            expected: 0,
            found: fields.available(),
        };
        return Err(BgenError::file(path, problem));
    }
    Ok(builder.finish(file_len))
}

fn next_variant(fields: &mut Fields<BufReader<File>>) -> Result<VariantFields, BgenProblem> {
    let variant = VariantFields::read(fields)?;
    let data_len = fields.u32("the length of the genotype data")?;
    fields.skip("the genotype data", u64::from(data_len))?;
    Ok(variant)
}
