//! Opens a `tokenizer.json` of this or another program. A file that would change sequences or crash
//! the library is refused with the reason.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::Error;

/// Field of the pre-tokenizer with the length of overlapping k-mers; Hugging Face's library ignores
/// it.
pub(crate) const OVERLAPPING: &str = "gf_genomics_overlapping_kmer_length";

/// Components that keep letters, or whose loss of letters a check by encoding detects.
const NORMALIZERS: &[&str] = &[
    "BertNormalizer",
    "Lowercase",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Strip",
    "StripAccents",
];
const PRE_TOKENIZERS: &[&str] = &[
    "BertPreTokenizer",
    "Digits",
    "Punctuation",
    "Split",
    "Whitespace",
    "WhitespaceSplit",
];
const MODELS: &[&str] = &["BPE", "WordLevel", "WordPiece"];

/// A checked file.
pub(crate) struct Opened {
    /// The library's tokenizer without the parts that matter only for text: padding, truncation,
    /// templates, decoder.
    pub inner: tokenizers::Tokenizer,
    /// Length of overlapping k-mers, if the file has our field.
    pub overlapping: Option<usize>,
}

/// The parts of a file that are passed to the library.
#[derive(Serialize)]
struct Relevant<'f> {
    added_tokens: &'f Value,
    model: &'f Value,
    normalizer: &'f Value,
    pre_tokenizer: &'f Value,
    version: &'f Value,
}

/// Checks a `tokenizer.json` and passes it to the library.
pub(crate) fn open(json: &str) -> Result<Opened, Error> {
    let file: Value = serde_json::from_str(json).map_err(|error| unusable(error.to_string()))?;
    let normalizer = part(&file, "normalizer");
    let pre_tokenizer = part(&file, "pre_tokenizer");
    let model = part(&file, "model");
    check_components("normalizer", "normalizers", normalizer, NORMALIZERS)?;
    check_components(
        "pre-tokenizer",
        "pretokenizers",
        pre_tokenizer,
        PRE_TOKENIZERS,
    )?;
    check_model(model)?;
    // A value that is not a length becomes 0, which is out of range.
    let overlapping = pre_tokenizer
        .get(OVERLAPPING)
        .map(|length| length.as_u64().map_or(0, |length| length as usize));
    let none = Value::Array(Vec::new());
    let added_tokens = file.get("added_tokens").unwrap_or(&none);
    let relevant = Relevant {
        added_tokens,
        model,
        normalizer,
        pre_tokenizer,
        version: part(&file, "version"),
    };
    // The library's reader borrows from the text, so it gets the checked parts as text. Only one
    // copy exists at a time, because a vocabulary can be large.
    let text = serde_json::to_string(&relevant).map_err(|error| unusable(error.to_string()))?;
    drop(file);
    let inner = text.parse().map_err(|error| unusable(format!("{error}")))?;
    Ok(Opened { inner, overlapping })
}

/// A part of the file; null if it is absent.
fn part<'f>(file: &'f Value, name: &str) -> &'f Value {
    file.get(name).unwrap_or(&Value::Null)
}

fn unusable(reason: impl Into<String>) -> Error {
    Error::Unusable(reason.into())
}

/// Checks that `part` is null, a component of `known`, or a `Sequence` of these (in its field
/// `members`).
fn check_components(what: &str, members: &str, part: &Value, known: &[&str]) -> Result<(), Error> {
    if part.is_null() {
        return Ok(());
    }
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    match part.get(members).and_then(Value::as_array) {
        Some(parts) if kind == "Sequence" => parts
            .iter()
            .try_for_each(|part| check_components(what, members, part, known)),
        None if known.contains(&kind) => Ok(()),
        _ => Err(unusable(format!(
            "a {what} `{kind}` is not supported, because it may change sequences; supported are \
             null, {}",
            known.join(", ")
        ))),
    }
}

/// Refuses models that the library cannot read safely, or whose joined tokens differ from the
/// input.
fn check_model(model: &Value) -> Result<(), Error> {
    let kind = model
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !MODELS.contains(&kind) {
        return Err(unusable(format!(
            "a model `{kind}` is not supported; supported are {}",
            MODELS.join(", ")
        )));
    }
    for affix in ["continuing_subword_prefix", "end_of_word_suffix"] {
        match model.get(affix) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if text.is_empty() => {}
            Some(other) => {
                return Err(unusable(format!(
                    "its tokens have a {affix} ({other}), so the joined tokens differ from the \
                     sequence"
                )));
            }
        }
    }
    if model
        .get("dropout")
        .is_some_and(|dropout| !dropout.is_null() && dropout.as_f64() != Some(0.0))
    {
        return Err(unusable(
            "its `dropout` makes tokens random; set it to null",
        ));
    }
    check_vocabulary(model)
}

/// Refuses vocabularies and merges that would crash the library.
fn check_vocabulary(model: &Value) -> Result<(), Error> {
    let empty = Map::new();
    let vocabulary = model
        .get("vocab")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let ids: HashSet<u64> = vocabulary
        .values()
        .filter_map(Value::as_u64)
        .filter(|&id| u32::try_from(id).is_ok())
        .collect();
    if ids.len() != vocabulary.len() || ids.is_empty() {
        return Err(unusable(
            "its vocabulary is empty, two entries have one id, or an id is not a 32-bit number",
        ));
    }
    for merge in model
        .get("merges")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let parts = match merge {
            Value::String(text) => text.split_once(' '),
            Value::Array(pair) => pair
                .first()
                .and_then(Value::as_str)
                .zip(pair.get(1).and_then(Value::as_str)),
            _ => None,
        };
        // The library copies both parts into a buffer as long as the longest entry, unchecked.
        if !parts.is_some_and(|(a, b)| {
            [a, b, &format!("{a}{b}")]
                .into_iter()
                .all(|token| !token.is_empty() && vocabulary.contains_key(token))
        }) {
            return Err(unusable(format!(
                "its merge {merge} has parts that are not in its vocabulary"
            )));
        }
    }
    Ok(())
}
