//! Puts complaints about fields in the order of the document. Decoded maps are sorted, so the order is found in a second
//! walk, which only bodies with several complaints cost.

use std::collections::HashMap;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

const UNKNOWN: &str = "unknown field \"";
const DUPLICATE: &str = "duplicate field \"";

/// Complaints (`unknown field "a.b"`, `duplicate field "c"`) about a JSON body, as a decoder that reads it once meets
/// them. What is unknown is no duplicate too.
pub fn in_document_order(body: &[u8], complaints: Vec<String>) -> Vec<String> {
    if complaints.len() < 2 {
        return complaints;
    }
    let path = |complaint: &str, kind: &str| {
        complaint.strip_prefix(kind).and_then(|rest| rest.strip_suffix('"')).map(str::to_owned)
    };
    let mut walk = Walk { path: String::new(), seen: 0, places: HashMap::new() };
    for complaint in &complaints {
        if let Some(path) = path(complaint, UNKNOWN).or_else(|| path(complaint, DUPLICATE)) {
            walk.places.insert(path, Vec::new());
        }
    }
    let walked = Step(&mut walk).deserialize(&mut serde_json::Deserializer::from_slice(body));
    if walked.is_err() {
        return complaints;
    }
    let unknown: Vec<String> = complaints.iter().filter_map(|complaint| path(complaint, UNKNOWN)).collect();
    let mut placed: Vec<(usize, String)> = Vec::new();
    for complaint in complaints {
        let place = match (path(&complaint, UNKNOWN), path(&complaint, DUPLICATE)) {
            (Some(path), _) => walk.places.get(&path).and_then(|places| places.first()),
            (_, Some(path)) if unknown.contains(&path) => continue,
            (_, Some(path)) => walk.places.get(&path).and_then(|places| places.get(1)),
            _ => None,
        };
        placed.push((place.copied().unwrap_or(usize::MAX), complaint));
    }
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, complaint)| complaint).collect()
}

struct Walk {
    /// The way to the value at hand, as complaints write it.
    path: String,
    /// Fields so far.
    seen: usize,
    /// Where the fields that matter were met.
    places: HashMap<String, Vec<usize>>,
}

struct Step<'a>(&'a mut Walk);

impl<'de> DeserializeSeed<'de> for Step<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Step<'_> {
    type Value = ();

    super::walk::passes_over_scalars!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let length = self.0.path.len();
        let mut index = 0;
        loop {
            self.0.path.push_str(&format!("[{index}]"));
            let more = items.next_element_seed(Step(&mut *self.0))?.is_some();
            self.0.path.truncate(length);
            if !more {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let length = self.0.path.len();
        while let Some(key) = fields.next_key::<String>()? {
            if length > 0 {
                self.0.path.push('.');
            }
            self.0.path.push_str(&key);
            self.0.seen += 1;
            let seen = self.0.seen;
            if let Some(places) = self.0.places.get_mut(&self.0.path) {
                places.push(seen);
            }
            fields.next_value_seed(Step(&mut *self.0))?;
            self.0.path.truncate(length);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_come_in_the_order_of_the_document_and_what_is_unknown_is_no_duplicate() {
        let body = br#"{"z": 1, "m": {"b": [{"q": 1}, {"q": 2, "p": 3}], "b": 1}, "a": 1, "a": 2}"#;
        let complaints = [
            r#"duplicate field "a""#,
            r#"duplicate field "m.b""#,
            r#"unknown field "a""#,
            r#"unknown field "m.b[1].p""#,
            r#"unknown field "z""#,
        ];
        let ordered = in_document_order(body, complaints.map(str::to_owned).to_vec());
        assert_eq!(
            ordered,
            [r#"unknown field "z""#, r#"unknown field "m.b[1].p""#, r#"duplicate field "m.b""#, r#"unknown field "a""#,]
        );
    }
}
