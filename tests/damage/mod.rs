//! Damages files, case by case, and keeps the one that made a test fail. Case N of a test is the same on every machine; `GF_FUZZ_CASES` sets the
//! number of cases.

use std::{fs, path::Path};

use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

fn n_cases(default: u64) -> u64 {
    std::env::var("GF_FUZZ_CASES").map_or(default, |text| text.parse().unwrap())
}

/// Runs `case` with a generator for each number, and tells which one panicked.
pub fn for_each_case(name: &'static str, default: u64, mut case: impl FnMut(&mut ChaCha8Rng, &mut Vec<u8>)) {
    struct Kept<'a>(&'static str, u64, &'a mut Vec<u8>);
    impl Drop for Kept<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{}", self.0, self.1));
                eprintln!("case {} of {} failed; its input: {} ({:?})", self.1, self.0, path.display(), fs::write(&path, &self.2));
            }
        }
    }
    let mut input = Vec::new();
    for number in 0..n_cases(default) {
        input.clear();
        let kept = Kept(name, number, &mut input);
        case(&mut ChaCha8Rng::seed_from_u64(number), kept.2);
    }
}

/// A folder in memory where the machine has one: thousands of small files need no disk.
pub fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

const BYTES_THAT_MEAN_SOMETHING: &[u8] = b"\t\n\r |/.,:;<>*=\"[]#-+^0123456789ACGTNacgtR\x00\x7f\xff";
const NUMBERS: [&str; 9] = ["0", "-1", "1", "255", "32768", "2147483647", "4294967296", "18446744073709551616", "1e9"];

/// A few random changes: bytes, ranges, lines, numbers; half of them in the second half of the file.
pub fn damage(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..=4) {
        if bytes.is_empty() {
            return;
        }
        let at = if rng.random_bool(0.5) { rng.random_range(0..bytes.len()) } else { rng.random_range(bytes.len() / 2..bytes.len()) };
        let end = (at + rng.random_range(1..=40)).min(bytes.len());
        match rng.random_range(0..11) {
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
                let mut lines: Vec<Vec<u8>> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
                let (a, b) = (rng.random_range(0..lines.len()), rng.random_range(0..lines.len()));
                if rng.random_bool(0.5) {
                    lines.swap(a, b);
                } else {
                    lines.insert(b, lines[a].clone());
                }
                *bytes = lines.join(&b'\n');
            }
            _ => {
                let Some(from) = (at..bytes.len()).find(|&index| bytes[index].is_ascii_digit()) else { continue };
                let to = (from..bytes.len()).find(|&index| !bytes[index].is_ascii_digit()).unwrap_or(bytes.len());
                bytes.splice(from..to, NUMBERS.choose(rng).unwrap().bytes());
            }
        }
    }
}
