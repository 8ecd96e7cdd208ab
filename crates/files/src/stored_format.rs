//! Reads files that this program wrote, possibly on another machine or with another version.
//!
//! No file outside of the folder is read. Messages distinguish files of a newer program from files
//! of an older one.

use std::{fs, io, path::Path};

use serde::{Deserialize, de::DeserializeOwned};

use crate::output;

/// Why a file that this program wrote cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StoredFormatProblem {
    /// The text is not JSON, or has other keys or values.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// The file of a newer program.
    #[error(
        "schema version {found} is from a newer gf-genomics, and this one ({}) reads version \
         {schema_version}; update gf-genomics",
        env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// Version of the file.
        found: u32,
        /// Version that this program reads.
        schema_version: u32,
    },
    /// The file of an older program.
    #[error(
        "schema version {found} is from an older gf-genomics, and this one reads version \
         {schema_version}; make the file again with `{again}`"
    )]
    Older {
        /// Version of the file.
        found: u32,
        /// Version that this program reads.
        schema_version: u32,
        /// The command that makes the file.
        again: &'static str,
    },
    /// A file without a version.
    #[error(
        "no schema_version, so the file is damaged or not from gf-genomics; make the file again \
         with `{again}`"
    )]
    NoVersion {
        /// The command that makes the file.
        again: &'static str,
    },
}

/// The bytes of a file, which must be a regular file in its folder: a link in a model of unknown
/// origin could lead to any file.
///
/// # Errors
/// The file cannot be read, is not a regular file, or is a link to a file outside of the folder.
pub fn read(path: &Path) -> Result<Vec<u8>, output::Error> {
    read_inside_folder(path).map_err(output::at(path))
}

fn read_inside_folder(path: &Path) -> io::Result<Vec<u8>> {
    let real = path.canonicalize()?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if !real.starts_with(folder.canonicalize()?) {
        return Err(io::Error::other(format!(
            "this is a link to {}, which is outside of its folder; copy the file itself here (cp \
             -L)",
            real.display()
        )));
    }
    if !real.metadata()?.is_file() {
        return Err(io::Error::other(
            "not a regular file; put the file itself here",
        ));
    }
    fs::read(real)
}

/// The value of a JSON text with a `schema_version`, which must be the one that this program reads.
/// `again` is the command that makes such a file.
///
/// # Errors
/// No version, or the version of a newer or older program, with the next action. JSON that is not
/// such a value.
pub fn from_json<T: DeserializeOwned>(
    json: &[u8],
    schema_version: u32,
    again: &'static str,
) -> Result<T, StoredFormatProblem> {
    // The version comes first: it may explain all other errors.
    let found = version(json)?;
    check(found, schema_version, again)?;
    Ok(serde_json::from_slice(json)?)
}

/// Refuses a JSON text with the version of a newer program; nothing else in it is checked.
///
/// # Errors
/// The version, with the next action.
pub fn require_no_newer(json: &[u8], schema_version: u32) -> Result<(), StoredFormatProblem> {
    no_newer(version(json).ok().flatten(), schema_version)
}

fn version(json: &[u8]) -> serde_json::Result<Option<u32>> {
    #[derive(Deserialize)]
    struct Version {
        schema_version: Option<u32>,
    }
    Ok(serde_json::from_slice::<Version>(json)?.schema_version)
}

fn no_newer(found: Option<u32>, schema_version: u32) -> Result<(), StoredFormatProblem> {
    match found {
        Some(found) if found > schema_version => Err(StoredFormatProblem::Newer {
            found,
            schema_version,
        }),
        _ => Ok(()),
    }
}

/// Refuses a version that this program does not read.
///
/// # Errors
/// The errors of [`from_json`].
pub fn check(
    found: Option<u32>,
    schema_version: u32,
    again: &'static str,
) -> Result<(), StoredFormatProblem> {
    no_newer(found, schema_version)?;
    match found {
        Some(found) if found == schema_version => Ok(()),
        Some(found) => Err(StoredFormatProblem::Older {
            found,
            schema_version,
            again,
        }),
        None => Err(StoredFormatProblem::NoVersion { again }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        #[serde(rename = "schema_version")]
        _schema_version: u32,
        size: u32,
    }

    fn parsed(json: &str) -> Result<u32, String> {
        from_json::<Thing>(json.as_bytes(), 2, "gf-genomics make")
            .map(|thing| thing.size)
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn newer_and_older_files_are_told_apart_whatever_else_is_in_them() {
        assert_eq!(parsed(r#"{"schema_version":2,"size":5}"#), Ok(5));
        let newer = parsed(r#"{"schema_version":3,"volume":[1]}"#).unwrap_err();
        assert!(
            newer.contains("schema version 3 is from a newer gf-genomics")
                && newer.ends_with("reads version 2; update gf-genomics"),
            "{newer}"
        );
        let older = parsed(r#"{"schema_version":1}"#).unwrap_err();
        assert!(
            older.contains("is from an older gf-genomics")
                && older.ends_with("make the file again with `gf-genomics make`"),
            "{older}"
        );
        assert!(
            parsed(r#"{"size":5}"#)
                .unwrap_err()
                .starts_with("no schema_version")
        );
        assert!(
            parsed(r#"{"schema_version":2}"#)
                .unwrap_err()
                .contains("missing field `size`")
        );
        for damaged in [
            "",
            "{",
            "[]",
            r#"{"schema_version":-1}"#,
            r#"{"schema_version":"2"}"#,
            r#"{"schema_version":5000000000}"#,
        ] {
            assert!(parsed(damaged).is_err(), "{damaged}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_folder_is_not_followed() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("bundle");
        let outside = folder.path().join("secret.json");
        fs::create_dir(&inside).unwrap();
        fs::write(&outside, "secret").unwrap();
        fs::write(inside.join("real"), "mine").unwrap();
        let targets = [
            ("real", "link"),
            ("../secret.json", "out"),
            ("/dev/zero", "endless"),
            (".", "folder"),
        ];
        for (target, name) in targets {
            symlink(target, inside.join(name)).unwrap();
        }
        assert_eq!(
            [read_in(&inside, "real"), read_in(&inside, "link")],
            [Ok(b"mine".to_vec()), Ok(b"mine".to_vec())]
        );
        for name in ["out", "endless"] {
            assert!(
                read_in(&inside, name)
                    .unwrap_err()
                    .starts_with("this is a link to "),
                "{name}"
            );
        }
        assert_eq!(
            read_in(&inside, "folder").unwrap_err(),
            "not a regular file; put the file itself here"
        );
        // The folder itself may be a link, because the user names it.
        symlink(&inside, folder.path().join("alias")).unwrap();
        assert!(read(&folder.path().join("alias/real")).is_ok());
    }

    #[cfg(unix)]
    fn read_in(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
        read(&folder.join(name)).map_err(|error| error.source.to_string())
    }
}
