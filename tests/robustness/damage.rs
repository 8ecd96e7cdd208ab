//! Runs the cases of a test one by one, keeps and names the input of one that fails, and measures
//! the memory of each; damages files.
//!
//! Everything runs in this process, so a panic fails the test, and so does memory out of proportion
//! to the input. Case N of a test is the same on every machine. `GF_FUZZ_CASES` sets the number of
//! cases, `GF_FUZZ_ONLY` names the one kind of file to damage; docs/src/results/reliability.md says
//! how many have been run.

// Each test file uses a part of this.
#![allow(dead_code)]

use std::{
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use peak_alloc::PeakAlloc;
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tempfile::TempDir;

/// Counts what is allocated, by all threads.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What a case may allocate whatever its input: tables, batches, threads.
const FREE_BYTES: usize = 64 << 20;
/// And for each byte of it.
const BYTES_PER_BYTE: usize = 1_000;

/// Memory is counted for the whole process, so that one case runs at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Runs `work` and gives what it gave and how many bytes it had allocated at most, beyond those
/// before.
pub fn measured<T>(work: impl FnOnce() -> T) -> (T, usize) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let result = work();
    (result, ALLOCATOR.peak_usage().saturating_sub(before))
}

/// As [`measured`], alone, and fails where that is out of proportion to an input of `len` bytes.
#[track_caller]
pub fn in_proportion<T>(what: &str, len: usize, work: impl FnOnce() -> T) -> T {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (result, peak) = measured(work);
    assert!(
        peak <= FREE_BYTES + BYTES_PER_BYTE * len,
        "{what}: {peak} bytes allocated for an input of {len}"
    );
    result
}

fn n_cases(default: u64) -> u64 {
    std::env::var("GF_FUZZ_CASES").map_or(default, |text| text.parse().unwrap())
}

/// Runs `case` with a generator for each number, and tells which one panicked or allocated too
/// much.
pub fn for_each_case(
    name: &'static str,
    default: u64,
    mut case: impl FnMut(&mut ChaCha8Rng, &mut Vec<u8>),
) {
    struct Kept<'a>(&'static str, u64, &'a mut Vec<u8>);
    impl Drop for Kept<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let path =
                    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{}", self.0, self.1));
                eprintln!(
                    "case {} of {} failed; its input: {} ({:?})",
                    self.1,
                    self.0,
                    path.display(),
                    fs::write(&path, &self.2)
                );
            }
        }
    }
    if std::env::var("GF_FUZZ_ONLY").is_ok_and(|only| only != name) {
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut input = Vec::new();
    let mut largest = (0, 0);
    let mut slowest = (Duration::ZERO, 0);
    let n = n_cases(default);
    for number in 0..n {
        input.clear();
        let kept = Kept(name, number, &mut input);
        let started = Instant::now();
        let ((), peak) = measured(|| case(&mut ChaCha8Rng::seed_from_u64(number), kept.2));
        let len = kept.2.len();
        assert!(
            peak <= FREE_BYTES + BYTES_PER_BYTE * len,
            "{name}: {peak} bytes allocated for an input of {len}"
        );
        largest = largest.max((peak, number));
        slowest = slowest.max((started.elapsed(), number));
    }
    eprintln!(
        "{name}: {n} cases; at most {} bytes (case {}), {:?} (case {})",
        largest.0, largest.1, slowest.0, slowest.1
    );
}

/// A folder in memory where the machine has one: thousands of small files need no disk.
pub fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

const BYTES_THAT_MEAN_SOMETHING: &[u8] =
    b"\t\n\r |/.,:;<>*=\"[]#-+^0123456789ACGTNacgtR\x00\x7f\xff";
const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "1",
    "255",
    "32768",
    "2147483647",
    "4294967296",
    "18446744073709551616",
    "1e9",
    "NaN",
    "1e999",
    "-9223372036854775809",
];

const WORDS: [u64; 8] = [
    0,
    1,
    37_450,
    i32::MAX as u64,
    u32::MAX as u64,
    1 << 31,
    1 << 40,
    u64::MAX,
];

/// A few random changes: bytes, ranges, lines, numbers; half of them in the second half of the
/// file.
pub fn damage(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..=4) {
        if bytes.is_empty() {
            return;
        }
        let at = if rng.random_bool(0.5) {
            rng.random_range(0..bytes.len())
        } else {
            rng.random_range(bytes.len() / 2..bytes.len())
        };
        let end = (at + rng.random_range(1..=40)).min(bytes.len());
        match rng.random_range(0..12) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 | 3 => bytes[at] = *BYTES_THAT_MEAN_SOMETHING.choose(rng).unwrap(),
            4 => bytes.insert(at, *BYTES_THAT_MEAN_SOMETHING.choose(rng).unwrap()),
            5 => drop(bytes.remove(at)),
            6 => drop(bytes.drain(at..end)),
            7 => {
                let piece = bytes[at..end].to_vec();
                let to = rng.random_range(0..=bytes.len());
                bytes.splice(to..to, piece);
            }
            8 => bytes.truncate(at),
            9 => {
                let mut lines: Vec<Vec<u8>> = bytes
                    .split(|&byte| byte == b'\n')
                    .map(<[u8]>::to_vec)
                    .collect();
                let a = rng.random_range(0..lines.len());
                let b = rng.random_range(0..lines.len());
                if rng.random_bool(0.5) {
                    lines.swap(a, b);
                } else {
                    lines.insert(b, lines[a].clone());
                }
                *bytes = lines.join(&b'\n');
            }
            // A count or an offset of a binary file.
            10 => {
                let word = WORDS.choose(rng).unwrap().to_le_bytes();
                let end = (at + rng.random_range(1..=8)).min(bytes.len());
                bytes[at..end].copy_from_slice(&word[..end - at]);
            }
            _ => {
                let Some(from) = (at..bytes.len()).find(|&index| bytes[index].is_ascii_digit())
                else {
                    continue;
                };
                let to = (from..bytes.len())
                    .find(|&index| !bytes[index].is_ascii_digit())
                    .unwrap_or(bytes.len());
                bytes.splice(from..to, NUMBERS.choose(rng).unwrap().bytes());
            }
        }
    }
}

/// What a JSON value may be instead.
const VALUES: [&str; 22] = [
    "null",
    "true",
    "0",
    "-1",
    "1",
    "2",
    "1.5",
    "1e308",
    "-1e308",
    "1e999",
    "NaN",
    "255",
    "4294967295",
    "4294967296",
    "1000000000000",
    "9223372036854775807",
    "18446744073709551615",
    "\"\"",
    "\"\u{e4}\u{20ac}../../x\"",
    "\"A\"",
    "[]",
    "{}",
];

/// Stands for a value that `serde_json` cannot hold.
const PLACE: &str = "value that the tests put here";

/// A few changes of a JSON text that keep it one, most often: values, members and elements changed,
/// gone, doubled, or from elsewhere in it.
pub fn damage_json(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    let Ok(mut document) = serde_json::from_slice::<Value>(bytes) else {
        return damage(rng, bytes);
    };
    if rng.random_bool(0.2) {
        return damage(rng, bytes);
    }
    for _ in 0..rng.random_range(1..=3) {
        let places = places_of(&document);
        let from = document
            .pointer(places.choose(rng).unwrap())
            .cloned()
            .unwrap_or_default();
        let place = places.choose(rng).unwrap();
        match rng.random_range(0..8) {
            0 => {
                if let Some(value) = document.pointer_mut(place) {
                    *value = from;
                }
            }
            1 | 2 => remove_or_double(rng, &mut document, place),
            3 => {
                if let Some(Value::Number(number)) = document.pointer_mut(place)
                    && let Some(whole) = number.as_u64()
                {
                    *number = whole.wrapping_add_signed(rng.random_range(-2..=2)).into();
                }
            }
            _ => {
                if let Some(value) = document.pointer_mut(place) {
                    *value = PLACE.into();
                }
            }
        }
    }
    let mut text = document.to_string();
    while let Some(at) = text.find(PLACE) {
        let value = match rng.random_range(0..40) {
            0 => format!("{}{}", "[".repeat(2_000), "]".repeat(2_000)),
            1 => format!("\"{}\"", "A".repeat(5_000)),
            _ => (*VALUES.choose(rng).unwrap()).to_owned(),
        };
        text.replace_range(at - 1..=at + PLACE.len(), &value);
    }
    // A key twice: the same value, or another.
    if rng.random_bool(0.1)
        && let Some(at) = text.find("{\"")
        && let Some(colon) = text[at..].find(':')
    {
        let twice = format!(
            "{}{},",
            &text[at + 1..=at + colon],
            VALUES.choose(rng).unwrap()
        );
        text.insert_str(at + 1, &twice);
    }
    *bytes = text.into_bytes();
}

/// Pointers to all that is in a document, and to itself.
fn places_of(document: &Value) -> Vec<String> {
    let mut places = Vec::new();
    let mut next = vec![(String::new(), document)];
    while let Some((place, value)) = next.pop() {
        match value {
            Value::Object(members) => {
                let inside = members.iter().map(|(key, value)| {
                    (
                        format!("{place}/{}", key.replace('~', "~0").replace('/', "~1")),
                        value,
                    )
                });
                next.extend(inside);
            }
            Value::Array(elements) => {
                next.extend(
                    elements
                        .iter()
                        .enumerate()
                        .map(|(number, value)| (format!("{place}/{number}"), value)),
                );
            }
            _ => {}
        }
        places.push(place);
    }
    places
}

fn remove_or_double(rng: &mut ChaCha8Rng, document: &mut Value, place: &str) {
    let Some((parent, key)) = place.rsplit_once('/') else {
        return;
    };
    match document.pointer_mut(parent) {
        Some(Value::Object(members)) => drop(members.remove(key)),
        Some(Value::Array(elements)) => {
            let Ok(number) = key.parse::<usize>() else {
                return;
            };
            if rng.random_bool(0.5) {
                elements.remove(number);
            } else {
                elements.push(elements[number].clone());
            }
        }
        _ => {}
    }
}

/// Changes of a safetensors file: anywhere, the length of its header, its header as JSON (with the
/// length put right), its numbers.
pub fn damage_safetensors(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    let Some((head, rest)) = bytes.split_first_chunk::<8>() else {
        return damage(rng, bytes);
    };
    let len = u64::from_le_bytes(*head) as usize;
    let Some((header, data)) = rest.split_at_checked(len) else {
        return damage(rng, bytes);
    };
    let mut header = header.to_vec();
    let mut data = data.to_vec();
    match rng.random_range(0..10) {
        0 | 1 => return damage(rng, bytes),
        2 => {
            let len = [
                0,
                1,
                len as u64 - 1,
                len as u64 + 8,
                99_999_999,
                1 << 40,
                u64::MAX,
            ]
            .choose(rng)
            .copied()
            .unwrap();
            bytes[..8].copy_from_slice(&len.to_le_bytes());
            return;
        }
        3 | 4 if data.len() >= 4 => {
            let at = rng.random_range(0..data.len() / 4) * 4;
            let word = *[
                0,
                1,
                u32::MAX,
                0x7f80_0000,
                0x7fc0_0000,
                0x7f7f_ffff,
                0xff7f_ffff,
                0x8000_0000,
            ]
            .choose(rng)
            .unwrap();
            data[at..at + 4].copy_from_slice(&u32::to_le_bytes(word));
        }
        5 | 6 => change_metadata(&mut header, |text| {
            let mut inner = std::mem::take(text).into_bytes();
            damage_json(rng, &mut inner);
            *text = String::from_utf8_lossy(&inner).into_owned();
        }),
        _ => damage_json(rng, &mut header),
    }
    *bytes = [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat();
}

/// Changes the texts of `__metadata__` in the header of a safetensors file.
pub fn change_metadata(header: &mut Vec<u8>, mut change: impl FnMut(&mut String)) {
    let Ok(mut document) = serde_json::from_slice::<Value>(header) else {
        return;
    };
    let texts = document
        .pointer_mut("/__metadata__")
        .and_then(Value::as_object_mut);
    for text in texts.into_iter().flat_map(|texts| texts.values_mut()) {
        if let Value::String(text) = text {
            change(text);
        }
    }
    *header = document.to_string().into_bytes();
}
