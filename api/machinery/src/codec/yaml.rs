//! YAML in and out. Of several documents the first. A few bytes of aliases can describe gigabytes, so that what they repeat
//! is bounded.

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Options, alias_limits, budget, options};

use super::build::{Findings, Seed};
use super::{DecodeError, Decoded};
use std::cell::RefCell;
use std::collections::HashSet;

/// Deepest nesting of YAML, less than of JSON: the parser needs much more stack a level. Deeper is refused.
const NESTING_DEPTH_MAX: usize = 64;

/// Scalars, lists and maps of one document. A body of 3 MiB cannot hold more than this and mean anything.
const NODES_MAX: usize = 1_000_000;

/// Anchors of one document, and aliases of them. Far more than anybody writes.
const ALIASES_MAX: usize = 1_000;

/// Scalars, lists and maps that aliases repeat, all together.
const REPEATED_NODES_MAX: usize = 4_000;

/// Text behind anchors: with the limit above, aliases make at most 64 MiB of a document.
const ANCHORED_BYTES_MAX: usize = 16 * 1024;

pub(super) fn decode(body: &[u8]) -> Result<Decoded, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| DecodeError::Yaml("invalid leading UTF-8 octet".into()))?;
    let text = first_document(text);
    if text.trim().is_empty() {
        return Ok(Decoded { value: Value::Null, duplicates: Vec::new() });
    }
    let findings = Findings::default();
    let parsed =
        serde_saphyr::with_deserializer_from_str_with_options(text, limits(DuplicateKeyPolicy::LastWins), |de| {
            Seed { findings: &findings, depth: 0 }.deserialize(de)
        });
    match parsed {
        Ok(value) => Ok(Decoded { duplicates: duplicates(text, findings.into_duplicates()), value }),
        Err(_) if findings.too_deep() => Err(DecodeError::Yaml("exceeded max depth".into())),
        Err(error) => Err(DecodeError::Yaml(words(&error))),
    }
}

pub(super) fn encode(value: &Value) -> Bytes {
    // A long word as a folded block would be valid and would surprise everybody who reads the text by lines.
    let unfolded = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    let text = serde_saphyr::to_string_with_options(value, unfolded).expect("a JSON value has a YAML form");
    Bytes::from(text)
}

fn limits(duplicate_keys: DuplicateKeyPolicy) -> Options {
    options! {
        budget: budget! {
            max_aliases: ALIASES_MAX,
            max_anchors: ALIASES_MAX,
            max_recorded_anchor_bytes: ANCHORED_BYTES_MAX,
            max_depth: NESTING_DEPTH_MAX,
            max_documents: 1,
            max_nodes: NODES_MAX,
            max_events: 4 * NODES_MAX,
            max_merge_keys: ALIASES_MAX,
        },
        alias_limits: alias_limits! { max_total_replayed_events: REPEATED_NODES_MAX },
        duplicate_keys: duplicate_keys,
        with_snippet: false,
    }
}

/// The text up to the end of its first document: upstream reads no further.
fn first_document(text: &str) -> &str {
    let is_marker = |line: &str, marker: &str| {
        line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
    };
    let (mut at, mut has_begun) = (0, false);
    for line in text.split_inclusive('\n') {
        let starts = is_marker(line, "---");
        if has_begun && (starts || is_marker(line, "...")) {
            return &text[..at];
        }
        has_begun |= starts || !(line.trim().is_empty() || line.starts_with(['#', '%']));
        at += line.len();
    }
    text
}

/// Duplicates in go-yaml's words, in the order of the document.
fn duplicates(text: &str, paths: Vec<String>) -> Vec<String> {
    if paths.is_empty() {
        return paths;
    }
    let repeated = RefCell::new(Vec::new());
    let walked =
        serde_saphyr::with_deserializer_from_str_with_options(text, limits(DuplicateKeyPolicy::LastWins), |de| {
            Lines(&repeated).deserialize(de)
        });
    let complaints: Vec<String> = match walked {
        Ok(()) => {
            repeated.into_inner().into_iter().map(|(line, key)| format!("line {line}: {}", set_twice(&key))).collect()
        }
        Err(_) => paths.iter().map(|path| set_twice(path.rsplit('.').next().unwrap_or(path))).collect(),
    };
    vec![format!("yaml: unmarshal errors:\n  {}", complaints.join("\n  "))]
}

fn set_twice(key: &str) -> String {
    format!("key \"{key}\" already set in map")
}

/// Finds the lines of keys that were there already. Only documents with duplicates are walked twice.
struct Lines<'a>(&'a RefCell<Vec<(u64, String)>>);

impl<'de> DeserializeSeed<'de> for Lines<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Lines<'_> {
    type Value = ();

    super::walk::passes_over_scalars!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Lines(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = fields.next_key::<serde_saphyr::Spanned<String>>()? {
            if seen.contains(&key.value) {
                self.0.borrow_mut().push((key.referenced.line(), key.value.clone()));
            }
            seen.insert(key.value);
            fields.next_value_seed(Lines(self.0))?;
        }
        Ok(())
    }
}

fn words(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default();
    match error.location() {
        Some(location) if location.line() > 0 => format!("line {}: {text}", location.line()),
        _ => text.to_string(),
    }
}
