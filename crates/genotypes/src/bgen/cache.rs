//! The list of variants in a file of our own: one sequential read instead of a walk over the BGEN.
//!
//! Layout, little-endian: magic number, `u64` length of the BGEN file, `u32` length of its first
//! bytes and these, `u64` variants, `u64` end of the last record, `u8` whether identifiers are
//! there, `u32` contigs and each as `u16` length and text, then for each variant `u64` offset,
//! `u32` text length, `u32` position (1-based), `u32` contig number, then all text, then the
//! `u32` CRC-32 of everything before it.

use std::{fs, io, path::Path};

use flate2::Crc;

use super::{
    error::{BgenError, BgenProblem},
    fields::{Fields, printable},
    variants::{BgenVariants, Entry},
};

const MAGIC: [u8; 8] = *b"GFBGENV1";
/// Bytes of one variant.
const ENTRY_LEN: u64 = 20;

/// What tells one BGEN file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) file_len: u64,
    /// The first 1000 bytes, or all when there are fewer.
    pub(super) first_bytes: Vec<u8>,
}

/// Writes the list, whole or not at all.
pub(super) fn save(
    path: &Path,
    identity: &Identity,
    variants: &BgenVariants,
) -> Result<(), BgenError> {
    let mut bytes = encode(identity, variants);
    let mut crc = Crc::new();
    crc.update(&bytes);
    bytes.extend_from_slice(&crc.sum().to_le_bytes());
    gf_files::output::write(path, |file| file.write_all(&bytes))
        .map_err(|error| BgenError::file(path, error))
}

fn encode(identity: &Identity, variants: &BgenVariants) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&identity.file_len.to_le_bytes());
    bytes.extend_from_slice(&(identity.first_bytes.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&identity.first_bytes);
    bytes.extend_from_slice(&(variants.entries.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&variants.end.to_le_bytes());
    bytes.push(u8::from(variants.has_ids));
    bytes.extend_from_slice(&(variants.contigs.len() as u32).to_le_bytes());
    for contig in &variants.contigs {
        bytes.extend_from_slice(&(contig.len() as u16).to_le_bytes());
        bytes.extend_from_slice(contig.as_bytes());
    }
    for entry in &variants.entries {
        bytes.extend_from_slice(&entry.start.to_le_bytes());
        bytes.extend_from_slice(&entry.text_len.to_le_bytes());
        bytes.extend_from_slice(&entry.position.to_le_bytes());
        bytes.extend_from_slice(&entry.contig.to_le_bytes());
    }
    for entry in &variants.entries {
        let start = entry.text_start as usize;
        let end = start + entry.text_len as usize;
        let text = variants.text.get(start..end).unwrap_or_default();
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// Reads a list that belongs to this BGEN file. `None` when there is none, or that of another file
/// or of another version of this format, or a damaged one: it is made again.
pub(super) fn load(path: &Path, identity: &Identity) -> Result<Option<BgenVariants>, BgenError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BgenError::file(path, error)),
    };
    Ok(decode(&bytes, identity))
}

fn decode(bytes: &[u8], identity: &Identity) -> Option<BgenVariants> {
    let (content, stored_crc) = bytes.split_last_chunk::<4>()?;
    let mut crc = Crc::new();
    crc.update(content);
    if crc.sum() != u32::from_le_bytes(*stored_crc) {
        return None;
    }
    let mut fields = Fields::of_bytes(content);
    let stored_identity = read_identity(&mut fields).ok()?;
    if stored_identity.as_ref() != Some(identity) {
        return None;
    }
    let variants = read_variants(&mut fields).ok()?;
    (fields.available() == 0 && is_consistent(&variants, identity)).then_some(variants)
}

fn read_identity(fields: &mut Fields<&[u8]>) -> Result<Option<Identity>, BgenProblem> {
    let mut magic = [0; 8];
    fields.fill("the magic number", &mut magic)?;
    if magic != MAGIC {
        return Ok(None);
    }
    let file_len = fields.u64("the length of the BGEN file")?;
    let n_first_bytes = fields.u32("the first bytes")?;
    fields.require("the first bytes", u64::from(n_first_bytes))?;
    let mut first_bytes = vec![0; n_first_bytes as usize];
    fields.fill("the first bytes", &mut first_bytes)?;
    Ok(Some(Identity {
        file_len,
        first_bytes,
    }))
}

fn read_variants(fields: &mut Fields<&[u8]>) -> Result<BgenVariants, BgenProblem> {
    let n_variants = fields.u64("the number of variants")?;
    let end = fields.u64("the end of the last record")?;
    let has_ids = fields.u8("whether identifiers are there")? == 1;
    let n_contigs = fields.u32("the number of contigs")?;
    let mut contigs = Vec::new();
    for _ in 0..n_contigs {
        let len = fields.u16("the length of a contig")?;
        contigs.push(fields.text("a contig", u64::from(len))?);
    }
    fields.require("the variants", n_variants.saturating_mul(ENTRY_LEN))?;
    let mut entries = Vec::with_capacity(n_variants as usize);
    let mut text_start = 0;
    for _ in 0..n_variants {
        let start = fields.u64("an offset")?;
        let text_len = fields.u32("a length")?;
        entries.push(Entry {
            start,
            text_start,
            text_len,
            position: fields.u32("a position")?,
            contig: fields.u32("a contig number")?,
        });
        text_start += u64::from(text_len);
    }
    fields.require("the text", text_start)?;
    let mut text_bytes = vec![0; text_start as usize];
    fields.fill("the text", &mut text_bytes)?;
    let text = String::from_utf8(text_bytes).map_err(|_| BgenProblem::BadText {
        what: "the text of the variants",
    })?;
    Ok(BgenVariants {
        entries,
        contigs,
        text,
        has_ids,
        end,
    })
}

/// That every variant can be taken from the list, and that the records are inside the file.
fn is_consistent(variants: &BgenVariants, identity: &Identity) -> bool {
    variants.end == identity.file_len
        && variants
            .entries
            .is_sorted_by(|one, next| one.start < next.start)
        && variants
            .entries
            .last()
            .is_none_or(|last| last.start < variants.end)
        && variants.iter().count() == variants.len()
        && variants
            .iter()
            .all(|variant| printable("an rsid", variant.rsid.as_bytes().to_vec()).is_ok())
}
