//! Writer of TensorBoard scalars: `events.out.tfevents.*`.
//!
//! Input: the log of every epoch. Output: TFRecords (length, masked CRC-32C of the length, data,
//! masked CRC-32C of the data). The data are protobuf messages:
//! ```text
//! Event   { 1: double wall_time, 2: int64 step, 3: string file_version, 5: Summary }
//! Summary { 1: repeated Value }
//! Value   { 1: string tag, 2: float simple_value }
//! ```
//! A step is an epoch.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use super::EpochLog;
use gf_files::output;

/// One name for all runs, so that a resumed run replaces the file. Two files would show its epochs
/// twice.
const FILE_NAME: &str = "events.out.tfevents.1.gf-genomics";

/// An event file to which epochs are appended.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Creates the file with the epochs of earlier runs.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn create(folder: &Path, before: &[EpochLog]) -> Result<Self, output::Error> {
        fs::create_dir_all(folder).map_err(output::at(folder))?;
        let path = folder.join(FILE_NAME);
        let mut file = File::create(&path).map_err(output::at(&path))?;
        let seconds_before: f64 = before.iter().map(|log| log.seconds).sum();
        let mut wall_time = now() - seconds_before;
        let mut bytes = record(&[double(1, wall_time), text(3, "brain.Event:2")].concat());
        for log in before {
            wall_time += log.seconds;
            bytes.extend(record(&event(wall_time, log)));
        }
        file.write_all(&bytes).map_err(output::at(&path))?;
        Ok(Self { path, file })
    }

    /// Appends an epoch.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn add(&mut self, log: &EpochLog) -> Result<(), output::Error> {
        let written = self
            .file
            .write_all(&record(&event(now(), log)))
            .and_then(|()| self.file.flush());
        written.map_err(output::at(&self.path))
    }
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

fn event(wall_time: f64, log: &EpochLog) -> Vec<u8> {
    let scalars = [
        ("loss/train", log.train_loss),
        ("loss/validation", log.validation_loss),
        ("auroc/validation", log.validation_auroc),
        ("learning_rate", log.learning_rate),
    ];
    let summary: Vec<u8> = scalars
        .into_iter()
        .flat_map(|(tag, value)| bytes(1, &[text(1, tag), float(2, value as f32)].concat()))
        .collect();
    [
        double(1, wall_time),
        integer(2, log.epoch as u64),
        bytes(5, &summary),
    ]
    .concat()
}

/// A TFRecord.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [
        &length[..],
        &masked_crc(&length).to_le_bytes(),
        data,
        &masked_crc(data).to_le_bytes(),
    ]
    .concat()
}

/// CRC-32C (Castagnoli), masked as the TFRecord format requires.
///
/// It is computed bit by bit, which is fast enough for the 150 bytes of an epoch.
fn masked_crc(data: &[u8]) -> u32 {
    let crc = data.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    });
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

// Fields of a protobuf message: number and kind of the field, then the value.

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn integer(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn double(field: u64, value: f64) -> Vec<u8> {
    [varint(field << 3 | 1), value.to_le_bytes().to_vec()].concat()
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [
        varint(field << 3 | 2),
        varint(value.len() as u64),
        value.to_vec(),
    ]
    .concat()
}

fn text(field: u64, value: &str) -> Vec<u8> {
    bytes(field, value.as_bytes())
}

fn float(field: u64, value: f32) -> Vec<u8> {
    [varint(field << 3 | 5), value.to_le_bytes().to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(epoch: usize) -> EpochLog {
        let epoch_f = epoch as f64;
        EpochLog {
            epoch,
            train_loss: 1.0 / epoch_f,
            validation_auroc: 0.5 + epoch_f / 1000.0,
            validation_loss: 0.75,
            learning_rate: 1e-3,
            seconds: 2.0,
            people_per_second: 10.0,
        }
    }

    /// (step, tag, value) of every scalar; the frame of every record is checked.
    fn scalars(mut file: &[u8]) -> Vec<(u64, String, f32)> {
        let mut scalars = Vec::new();
        while !file.is_empty() {
            let length = take(&mut file, 8);
            assert_eq!(take(&mut file, 4), masked_crc(length).to_le_bytes());
            let n_bytes = u64::from_le_bytes(length.try_into().unwrap()) as usize;
            let data = take(&mut file, n_bytes);
            assert_eq!(take(&mut file, 4), masked_crc(data).to_le_bytes());
            let event = fields(data);
            let step = event
                .iter()
                .find(|(field, _)| *field == 2)
                .map_or(0, |(_, value)| value[0].into());
            for (_, summary) in event.iter().filter(|(field, _)| *field == 5) {
                for (_, value) in fields(summary) {
                    let value_fields = fields(&value);
                    let tag = String::from_utf8(value_fields[0].1.clone()).unwrap();
                    let simple_value = value_fields[1].1.clone().try_into().unwrap();
                    scalars.push((step, tag, f32::from_le_bytes(simple_value)));
                }
            }
        }
        scalars
    }

    /// Splits the first `n` bytes off.
    fn take<'f>(file: &mut &'f [u8], n: usize) -> &'f [u8] {
        let (head, rest) = file.split_at(n);
        *file = rest;
        head
    }

    /// Numbers and bytes of the fields of a message; every length here fits two bytes.
    fn fields(mut data: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut fields = Vec::new();
        while let [head, rest @ ..] = data {
            // A length precedes the bytes of a text or message.
            let start = match head & 7 {
                0 | 1 | 5 => 0,
                _ if rest[0] & 0x80 == 0 => 1,
                _ => 2,
            };
            let length = match head & 7 {
                0 => rest.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1,
                1 => 8,
                5 => 4,
                _ if start == 1 => usize::from(rest[0]),
                _ => usize::from(rest[0] & 0x7f) | usize::from(rest[1]) << 7,
            };
            fields.push((head >> 3, rest[start..start + length].to_vec()));
            data = &rest[start + length..];
        }
        fields
    }

    #[test]
    fn the_checksum_is_castagnolis() {
        // CRC-32C of "123456789" is 0xe3069283.
        assert_eq!(
            masked_crc(b"123456789"),
            0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8)
        );
    }

    #[test]
    fn a_resumed_run_writes_every_epoch_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = EventFile::create(folder.path(), &[]).unwrap();
        for epoch in 1..=3 {
            file.add(&log(epoch)).unwrap();
        }
        // The run was killed in the third epoch; the checkpoint has two.
        let mut resumed = EventFile::create(folder.path(), &[log(1), log(2)]).unwrap();
        resumed.add(&log(3)).unwrap();
        let written = scalars(&fs::read(folder.path().join(FILE_NAME)).unwrap());
        let mut expected = Vec::new();
        for epoch in 1..=3 {
            let log = log(epoch);
            for (tag, value) in [
                ("loss/train", log.train_loss),
                ("loss/validation", log.validation_loss),
                ("auroc/validation", log.validation_auroc),
                ("learning_rate", log.learning_rate),
            ] {
                expected.push((epoch as u64, tag.to_owned(), value as f32));
            }
        }
        assert_eq!(written, expected);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
