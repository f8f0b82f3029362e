//! YAML in and out. One document, no aliases or anchors (a few bytes of them can describe gigabytes).

use bytes::Bytes;
use serde::de::DeserializeSeed;
use serde_json::Value;
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Options, budget, options};

use super::build::{Findings, Seed};
use super::{DecodeError, Decoded};

/// Deepest nesting of YAML, less than of JSON: the parser needs much more stack a level. Deeper is refused.
const NESTING_DEPTH_MAX: usize = 64;

/// Scalars, lists and maps of one document. A body of 3 MiB cannot hold more than this and mean anything.
const NODES_MAX: usize = 1_000_000;

pub(super) fn decode(body: &[u8]) -> Result<Decoded, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| DecodeError::Yaml("invalid leading UTF-8 octet".into()))?;
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
            max_aliases: 0,
            max_anchors: 0,
            max_depth: NESTING_DEPTH_MAX,
            max_documents: 1,
            max_nodes: NODES_MAX,
            max_events: 4 * NODES_MAX,
            max_merge_keys: 0,
        },
        duplicate_keys: duplicate_keys,
        with_snippet: false,
    }
}

/// Duplicates in go-yaml's words. The line is known of the first one only.
fn duplicates(text: &str, paths: Vec<String>) -> Vec<String> {
    if paths.is_empty() {
        return paths;
    }
    let strict: Result<serde::de::IgnoredAny, _> =
        serde_saphyr::from_str_with_options(text, limits(DuplicateKeyPolicy::Error));
    let line = strict.err().and_then(|error| error.location()).map(|location| location.line());
    let complaints: Vec<String> = paths
        .iter()
        .enumerate()
        .map(|(index, path)| {
            let key = path.rsplit('.').next().unwrap_or(path);
            match line {
                Some(line) if index == 0 => format!("line {line}: key \"{key}\" already set in map"),
                _ => format!("key \"{key}\" already set in map"),
            }
        })
        .collect();
    vec![format!("yaml: unmarshal errors:\n  {}", complaints.join("\n  "))]
}

fn words(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default();
    match error.location() {
        Some(location) if location.line() > 0 => format!("line {}: {text}", location.line()),
        _ => text.to_string(),
    }
}
