//! Rewrites `cohort-schema/schemas/` from the Rust types: `cargo run -p gf-cohort-schema --example
//! write_schemas`.

use std::{error::Error, fs, path::Path};

use gf_cohort_schema::{Table, json_schema};

fn main() -> Result<(), Box<dyn Error>> {
    for table in Table::ALL {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("schemas")
            .join(table.schema_file());
        fs::write(
            path,
            serde_json::to_string_pretty(&json_schema(table))? + "\n",
        )?;
    }
    Ok(())
}
