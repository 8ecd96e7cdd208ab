//! Opens all text files: tables, BED files, lists of samples, scoring files.
//!
//! Input -> output: the bytes of a file from an editor, a spreadsheet or a download -> text in
//! UTF-8 with LF line ends, or an error with the format that was found and the next action. Every
//! conversion except the removal of a byte order mark or of CRLF leaves a note ([`take_notes`]), so
//! that no file is silently read in a way that its owner does not expect.
//!
//! | found | read as |
//! |---|---|
//! | gzip, BGZF | decompressed; a cut file is refused |
//! | UTF-8 byte order mark, CRLF, Ctrl-Z at the end | left out |
//! | UTF-16 (also without a byte order mark) | decoded, with a note |
//! | bytes that are not UTF-8 | those lines as Windows-1252, with a note |
//! | carriage returns without LF (old Mac) | line ends, with a note |
//! | a binary format, a web page, NUL bytes, UTF-32 | refused, with the name of the format |

mod foreign;
mod separated;

pub(crate) use self::separated::note_columns;
pub use self::{
    foreign::{Foreign, foreign},
    separated::{
        DecimalCommas, Separator, blanks_as_tabs, count_cells, named_row_numbers, regular,
        samples_of, unquoted, why_one_more, with_decimal_points, words,
    },
};

use std::{
    fs,
    io::{self, Read},
    path::Path,
    sync::{Mutex, PoisonError},
};

use flate2::read::MultiGzDecoder;

use crate::{Error, counted};

/// Why a file is not read as text.
#[derive(Debug, thiserror::Error)]
pub enum TextProblem {
    /// A file of 0 bytes.
    #[error("the file is empty; was it copied or downloaded completely?")]
    Empty,
    /// Spaces and line breaks only.
    #[error("the file has only blanks; check that it is complete")]
    Blank,
    /// Another file format.
    #[error("{0}")]
    Foreign(Foreign),
    /// A BGZF file without its last block.
    #[error(
        "no BGZF end-of-file block, so the file is truncated. Copy it again, or check it with \
         `bgzip -t`"
    )]
    NoBgzfEnd,
    /// A gzip file that ends early.
    #[error(
        "the compressed data end early, so the file is truncated. Copy it again, or check it with \
         `gzip -t`"
    )]
    CompressedCut,
    /// A gzip file that cannot be decompressed.
    #[error(
        "the compressed data are damaged ({source}). Copy the file again, or check it with \
         `gzip -t`"
    )]
    CompressedDamaged {
        /// The error of the decompressor.
        source: io::Error,
    },
    /// A gzip file of 0 bytes.
    #[error("the compressed file has no content; check that it is complete")]
    CompressedEmpty,
    /// A gzip file in a gzip file.
    #[error("the file is compressed twice; decompress it once (gunzip)")]
    CompressedTwice,
    /// UTF-32.
    #[error("the text is UTF-32; save it as UTF-8")]
    Utf32,
    /// UTF-16 with an odd number of bytes.
    #[error(
        "{encoding} text with half a character at its end. The file is truncated, so copy it again"
    )]
    HalfCharacter {
        /// Name of the encoding.
        encoding: &'static str,
    },
    /// UTF-16 that is not valid.
    #[error(
        "{encoding} text with half a surrogate pair. The file is damaged, so save it again as \
         UTF-8"
    )]
    HalfSurrogatePair {
        /// Name of the encoding.
        encoding: &'static str,
    },
    /// A NUL byte.
    #[error("a NUL byte, so this is not text or the file is incomplete. Copy or export it again")]
    Nul,
    /// A list of samples without any.
    #[error("no sample in this list; expected one sample ID per line")]
    NoSample,
}

/// The path that means standard input.
const STDIN: &str = "-";
/// The end-of-file block that every complete BGZF file ends with (SAM specification, section
/// 4.1.2).
const BGZF_EOF: [u8; 28] = [
    0x1f, 0x8b, 0x08, 0x04, 0, 0, 0, 0, 0, 0xff, 0x06, 0, 0x42, 0x43, 0x02, 0, 0x1b, 0, 0x03, 0, 0,
    0, 0, 0, 0, 0, 0, 0,
];
/// Characters of a line that a note shows.
const EXCERPT_CHARS: usize = 40;
/// Bytes at the start of a file that are examined for UTF-16 without a byte order mark.
const PROBE_BYTES: usize = 400;

/// Notes that have not been shown yet.
static NOTES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Stores a note for the user about a conversion. The same note is stored once.
pub fn note(text: String) {
    let mut notes = NOTES.lock().unwrap_or_else(PoisonError::into_inner);
    if !notes.contains(&text) {
        notes.push(text);
    }
}

/// The notes since the last call, for the program to show.
#[must_use]
pub fn take_notes() -> Vec<String> {
    std::mem::take(&mut NOTES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The text of a file, plain or compressed; `-` is standard input.
///
/// # Errors
/// A file that cannot be read, is empty, cut or damaged, or is not text.
pub fn read(path: &Path) -> Result<String, Error> {
    let bytes = read_bytes(path).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })?;
    of_bytes(path, bytes)
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    if path == Path::new(STDIN) {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        Ok(bytes)
    } else {
        fs::read(path)
    }
}

/// Like [`read`], for bytes in memory. `path` is only used in messages.
///
/// # Errors
/// See [`read`].
pub fn of_bytes(path: &Path, bytes: Vec<u8>) -> Result<String, Error> {
    let text = decode(path, decompressed(path, bytes)?)?;
    if text.trim().is_empty() {
        return Err(Error::file(path, TextProblem::Blank));
    }
    Ok(text)
}

/// Decompresses gzip and BGZF, and refuses files that are not text or compressed text.
fn decompressed(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
    if bytes.is_empty() {
        return Err(Error::file(path, TextProblem::Empty));
    }
    if let Some(format) = foreign(&bytes) {
        return Err(Error::file(path, TextProblem::Foreign(format)));
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let is_bgzf = bytes.len() >= 18 && bytes[3] & 4 != 0 && bytes[12..14] == *b"BC";
    if is_bgzf && !bytes.ends_with(&BGZF_EOF) {
        return Err(Error::file(path, TextProblem::NoBgzfEnd));
    }
    let mut plain = Vec::with_capacity(5 * bytes.len());
    MultiGzDecoder::new(bytes.as_slice())
        .read_to_end(&mut plain)
        .map_err(|error| Error::file(path, damaged(error)))?;
    if plain.is_empty() {
        return Err(Error::file(path, TextProblem::CompressedEmpty));
    }
    if plain.starts_with(&[0x1f, 0x8b]) {
        return Err(Error::file(path, TextProblem::CompressedTwice));
    }
    match foreign(&plain) {
        Some(format) => Err(Error::file(path, TextProblem::Foreign(format))),
        None if plain.starts_with(b"BCF") => {
            Err(Error::file(path, TextProblem::Foreign(Foreign::BCF)))
        }
        None => Ok(plain),
    }
}

/// The problem of compressed data that cannot be decompressed.
fn damaged(source: io::Error) -> TextProblem {
    if source.kind() == io::ErrorKind::UnexpectedEof {
        TextProblem::CompressedCut
    } else {
        TextProblem::CompressedDamaged { source }
    }
}

/// Text of bytes that are not compressed: UTF-8, UTF-16 or Windows-1252, with LF line ends.
///
/// # Errors
/// UTF-32, half a UTF-16 character, or NUL bytes, which text does not have.
pub fn decode(path: &Path, bytes: Vec<u8>) -> Result<String, Error> {
    let name = path.display();
    if bytes.starts_with(&[0xff, 0xfe, 0, 0]) || bytes.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(Error::file(path, TextProblem::Utf32));
    }
    let text = if let Some(utf_16) = Utf16::recognise(&bytes) {
        note(format!(
            "{name}: the text is {} and was converted to UTF-8",
            utf_16.encoding()
        ));
        utf_16.decode(path)?
    } else {
        from_bytes(path, bytes)?
    };
    Ok(with_line_feeds(path, text))
}

/// UTF-16 text.
struct Utf16<'b> {
    is_little_endian: bool,
    /// The bytes after the byte order mark, if any.
    body: &'b [u8],
}

impl<'b> Utf16<'b> {
    /// Recognises UTF-16 by its byte order mark, or by zeros in every second byte.
    fn recognise(bytes: &'b [u8]) -> Option<Self> {
        let (is_little_endian, body) = match bytes {
            [0xff, 0xfe, body @ ..] => (true, body),
            [0xfe, 0xff, body @ ..] => (false, body),
            _ => {
                let probe = &bytes[..bytes.len().min(PROBE_BYTES) & !1];
                let n_pairs = probe.len() / 2;
                let min_zeros = (n_pairs * 8).div_ceil(10);
                if n_pairs < 4 {
                    return None;
                }
                // Mostly ASCII text has zeros in most high bytes and in no low byte.
                match (zeros_at(probe, 0), zeros_at(probe, 1)) {
                    (0, n) if n >= min_zeros => (true, bytes),
                    (n, 0) if n >= min_zeros => (false, bytes),
                    _ => return None,
                }
            }
        };
        Some(Self {
            is_little_endian,
            body,
        })
    }

    fn encoding(&self) -> &'static str {
        if self.is_little_endian {
            "UTF-16 LE"
        } else {
            "UTF-16 BE"
        }
    }

    fn decode(&self, path: &Path) -> Result<String, Error> {
        let encoding = self.encoding();
        let (pairs, rest) = self.body.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(Error::file(path, TextProblem::HalfCharacter { encoding }));
        }
        let units = pairs.iter().map(|pair| {
            if self.is_little_endian {
                u16::from_le_bytes(*pair)
            } else {
                u16::from_be_bytes(*pair)
            }
        });
        let mut text = String::with_capacity(pairs.len());
        for character in char::decode_utf16(units) {
            match character {
                Ok('\0') => return Err(nul(path, last_line(&text))),
                Ok(character) => text.push(character),
                Err(_) => {
                    let problem = TextProblem::HalfSurrogatePair { encoding };
                    return Err(Error::line(path, last_line(&text), problem));
                }
            }
        }
        Ok(text)
    }
}

/// Zeros at even (`first` 0) or odd (`first` 1) positions.
fn zeros_at(bytes: &[u8], first: usize) -> usize {
    bytes
        .iter()
        .skip(first)
        .step_by(2)
        .filter(|byte| **byte == 0)
        .count()
}

/// The 1-based number of the last line.
fn last_line(text: &str) -> u64 {
    text.matches('\n').count() as u64 + 1
}

/// The error of a NUL byte.
fn nul(path: &Path, line: u64) -> Error {
    Error::line(path, line, TextProblem::Nul)
}

/// Decodes UTF-8. Lines that are not UTF-8 are decoded as Windows-1252, with a note.
fn from_bytes(path: &Path, mut bytes: Vec<u8>) -> Result<String, Error> {
    if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
        bytes.drain(..3);
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let line = bytes[..at].split(|byte| *byte == b'\n').count() as u64;
        return Err(nul(path, line));
    }
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error.into_bytes(),
    };
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 8);
    let mut first = None;
    let mut n_lines = 0_u64;
    for (number, line) in (1_u64..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        if let Ok(line) = std::str::from_utf8(line) {
            text.push_str(line);
            continue;
        }
        let decoded: String = line.iter().copied().map(windows_1252).collect();
        n_lines += 1;
        first.get_or_insert_with(|| (number, excerpt(&decoded)));
        text.push_str(&decoded);
    }
    if let Some((number, excerpt)) = first {
        let more = if n_lines > 1 {
            format!(
                " and {} are not UTF-8 and were",
                counted(n_lines - 1, "more line", "more lines")
            )
        } else {
            " is not UTF-8 and was".to_owned()
        };
        let name = path.display();
        note(format!(
            "{name}: line {number}{more} read as Windows-1252 (`{excerpt}`). If this is wrong, \
             save the file as UTF-8"
        ));
    }
    Ok(text)
}

/// The start of the first cell that is not ASCII, for a note.
fn excerpt(line: &str) -> String {
    let cells = line.trim_end().split([',', ';', '\t']);
    let odd = cells
        .into_iter()
        .find(|cell| !cell.is_ascii())
        .unwrap_or_default();
    odd.trim().chars().take(EXCERPT_CHARS).collect()
}

/// Windows-1252 from 0x80 to 0x9f. Like in the WHATWG standard, the five bytes without a character
/// are C1 controls, so that no two bytes become the same character.
const WINDOWS_1252: [char; 32] = [
    '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}',
    '\u{2c6}', '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}',
    '\u{90}', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}',
    '\u{2dc}', '\u{2122}', '\u{161}', '\u{203a}', '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
];

fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// Converts every line end to LF, and removes Ctrl-Z at the end of the file.
fn with_line_feeds(path: &Path, mut text: String) -> String {
    if text.ends_with('\u{1a}') {
        text.truncate(text.trim_end_matches('\u{1a}').len());
    }
    if !text.contains('\r') {
        return text;
    }
    let without_crlf = text.replace("\r\n", "\n");
    let Some(first) = without_crlf.find('\r') else {
        return without_crlf;
    };
    let line = last_line(&without_crlf[..first]);
    let name = path.display();
    note(format!(
        "{name}: line {line} ends with only a carriage return (old Mac format), which was read as \
         a line break"
    ));
    without_crlf.replace('\r', "\n")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn decoded(bytes: &[u8]) -> Result<String, String> {
        of_bytes(Path::new("t.csv"), bytes.to_vec()).map_err(|error| error.to_string())
    }

    fn utf_16_of(text: &str, is_little: bool) -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| {
                if is_little {
                    unit.to_le_bytes()
                } else {
                    unit.to_be_bytes()
                }
            })
            .collect()
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn every_encoding_gives_the_same_text() {
        let expected = "id,site\nA,M\u{fc}nchen\u{20ac}\n";
        let windows = b"id,site\r\nA,M\xfcnchen\x80\r\n";
        let marked = [b"\xff\xfe".to_vec(), utf_16_of(expected, true)].concat();
        let big = [b"\xfe\xff".to_vec(), utf_16_of(expected, false)].concat();
        let cases = [
            expected.as_bytes().to_vec(),
            ["\u{feff}", expected].concat().into_bytes(),
            expected.replace('\n', "\r\n").into_bytes(),
            expected.replace('\n', "\r").into_bytes(),
            [expected, "\u{1a}"].concat().into_bytes(),
            windows.to_vec(),
            marked,
            big,
            utf_16_of(expected, true),
            utf_16_of(expected, false),
            gzipped(windows),
            [
                gzipped(b"id,site\n"),
                gzipped("A,M\u{fc}nchen\u{20ac}\n".as_bytes()),
            ]
            .concat(),
        ];
        for (number, bytes) in cases.iter().enumerate() {
            assert_eq!(decoded(bytes).as_deref(), Ok(expected), "case {number}");
        }
    }

    #[test]
    fn a_line_in_another_encoding_leaves_the_others_as_they_are() {
        assert_eq!(
            decoded(b"a,\xc3\xbc\nb,\xfc\n").unwrap(),
            "a,\u{fc}\nb,\u{fc}\n"
        );
        let bytes: Vec<char> = (0x80..=0xff).map(windows_1252).collect();
        let distinct: std::collections::HashSet<char> = bytes.iter().copied().collect();
        assert_eq!(
            distinct.len(),
            bytes.len(),
            "two bytes would become one name"
        );
    }

    #[test]
    fn decoding_leaves_a_note_with_the_line() {
        let path = Path::new("noted.csv");
        of_bytes(path, b"id\nM\xfcller\n".to_vec()).unwrap();
        of_bytes(path, b"id\nM\xfcller\n".to_vec()).unwrap();
        of_bytes(path, b"id\rA\r".to_vec()).unwrap();
        let of_file: Vec<String> = take_notes()
            .into_iter()
            .filter(|note| note.starts_with("noted.csv"))
            .collect();
        assert_eq!(of_file.len(), 2, "{of_file:?}");
        assert!(
            of_file[0].contains("line 2 is not UTF-8 and was read as Windows-1252 (`M\u{fc}ller`)"),
            "{of_file:?}"
        );
        assert!(
            of_file[1].contains("line 1 ends with only a carriage return"),
            "{of_file:?}"
        );
    }

    #[test]
    fn what_is_not_text_is_named() {
        let whole = gzipped("id,site\nA,B\n".repeat(50).as_bytes());
        let cut = &whole[..whole.len() - 12];
        let cases: [(&[u8], &str); 7] = [
            (b"", "the file is empty"),
            (b" \n\n", "only blanks"),
            (b"\xff\xfe\x00\x00i\x00\x00\x00", "UTF-32"),
            (b"\xff\xfei\x00d", "half a character"),
            (b"id\nA\0B\n", "line 2: a NUL byte"),
            (cut, "truncated"),
            (b"\x1f\x8b\x08\x00", "truncated"),
        ];
        for (bytes, expected) in cases {
            let message = decoded(bytes).unwrap_err();
            assert!(
                message.starts_with("t.csv: ") && message.contains(expected),
                "{expected}: {message}"
            );
        }
    }
}
