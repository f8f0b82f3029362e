//! Metadata that the server owns: uid, times, generation, generated names.

use api_machinery::meta;
use api_machinery::time::format_seconds;
use jiff::Timestamp;
use rand::Rng;
use serde_json::{Map, Value};

/// Attempts to find a name that is free; upstream's number.
pub const GENERATED_NAME_ATTEMPTS_MAX: u32 = 8;
/// A base name is cut to this many bytes before the suffix, so that the result is a DNS label.
pub const GENERATED_NAME_BASE_BYTES_MAX: usize = 58;
const SUFFIX_CHARS: usize = 5;
/// No vowels and no digits that look like letters: suffixes neither spell words nor confuse.
const SUFFIX_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The base with a random suffix.
pub fn generate_name(base: &str) -> String {
    let mut cut = base.len().min(GENERATED_NAME_BASE_BYTES_MAX);
    while !base.is_char_boundary(cut) {
        cut -= 1;
    }
    let mut name = String::with_capacity(cut + SUFFIX_CHARS);
    name.push_str(&base[..cut]);
    let mut random = rand::rng();
    name.extend((0..SUFFIX_CHARS).map(|_| char::from(SUFFIX_ALPHABET[random.random_range(0..SUFFIX_ALPHABET.len())])));
    name
}

/// Sets what the server owns at a creation and drops what a client may not claim. A generation stays, as upstream has it:
/// the strategies of kinds that count them set their own.
pub fn fill_for_create(object: &mut Value, now: Timestamp) {
    let fields = meta::metadata_mut(object);
    for name in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"] {
        fields.remove(name);
    }
    fields.insert("uid".into(), uuid::Uuid::new_v4().to_string().into());
    fields.insert("creationTimestamp".into(), format_seconds(now).into());
}

/// Keeps what an update cannot change. A field that the client left out is taken from the stored object; one that it
/// changed is left for validation to refuse, except for the times that are set, which upstream restores silently.
pub fn keep_for_update(new: &mut Value, old: &Value) {
    let none = Map::new();
    let old = meta::metadata(old).unwrap_or(&none);
    let fields = meta::metadata_mut(new);
    fields.remove("selfLink");
    fields.remove("managedFields");
    for name in ["creationTimestamp", "generation"] {
        restore(fields, old, name);
    }
    if old.contains_key("deletionTimestamp") {
        restore(fields, old, "deletionTimestamp");
    }
    for name in ["uid", "namespace", "deletionGracePeriodSeconds"] {
        if fields.get(name).is_none_or(|value| value.is_null() || value == "") {
            restore(fields, old, name);
        }
    }
}

fn restore(fields: &mut Map<String, Value>, old: &Map<String, Value>, name: &str) {
    match old.get(name) {
        Some(value) => fields.insert(name.into(), value.clone()),
        None => fields.remove(name),
    };
}

/// Sets the deletion timestamp `grace_seconds` ahead of `now`.
pub fn mark_deleting(object: &mut Value, now: Timestamp, grace_seconds: i64) {
    let when = now.saturating_add(jiff::SignedDuration::from_secs(grace_seconds)).unwrap_or(now);
    let fields = meta::metadata_mut(object);
    fields.insert("deletionTimestamp".into(), format_seconds(when).into());
    fields.insert("deletionGracePeriodSeconds".into(), grace_seconds.into());
}

/// Counts the beginning of the end as a change of what is wanted, if the object counts such changes.
pub fn count_deletion(object: &mut Value) {
    let generation = meta::generation(object);
    if generation > 0 {
        meta::metadata_mut(object).insert("generation".into(), (generation + 1).into());
    }
}

/// Removes empty strings, lists and maps of `metadata`, which Go's encoder leaves out.
pub fn drop_empty_metadata(object: &mut Value) {
    let fields = meta::metadata_mut(object);
    fields.retain(|name, field| match field {
        // A grace period of nothing is a statement; Go keeps it because the field is a pointer.
        _ if name == "deletionGracePeriodSeconds" => !field.is_null(),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Number(number) => number.as_i64() != Some(0),
        _ => true,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn noon() -> Timestamp {
        "2026-11-21T12:00:00.5Z".parse().expect("a time")
    }

    // proves: AM-02
    #[test]
    fn a_generated_name_is_the_base_and_five_characters_and_never_longer_than_a_label() {
        let name = generate_name("web-");
        assert!(name.starts_with("web-") && name.len() == 9, "{name}");
        assert!(name.bytes().skip(4).all(|byte| SUFFIX_ALPHABET.contains(&byte)), "{name}");
        assert_eq!(generate_name(&"x".repeat(80)).len(), 63);
        assert_ne!(generate_name("a-"), generate_name("a-"));
    }

    // proves: AM-06
    #[test]
    fn a_client_cannot_choose_its_uid_or_its_times() {
        let mut object = json!({"metadata": {"name": "a", "uid": "mine", "creationTimestamp": "2000-01-01T00:00:00Z",
            "deletionTimestamp": "2000-01-01T00:00:00Z", "generation": 7, "managedFields": []}});
        fill_for_create(&mut object, noon());
        let metadata = object["metadata"].as_object().expect("metadata");
        assert_eq!(metadata["creationTimestamp"], "2026-11-21T12:00:00Z");
        assert_ne!(metadata["uid"], "mine");
        assert_eq!(metadata["generation"], 7, "for the kind to set, if it counts");
        assert_eq!(metadata.len(), 4);
    }

    // proves: AM-06
    #[test]
    fn an_update_keeps_what_it_cannot_change() {
        let old = json!({"metadata": {"name": "a", "uid": "u", "creationTimestamp": "t", "generation": 2,
            "deletionTimestamp": "d", "deletionGracePeriodSeconds": 30}});
        let mut new = json!({"metadata": {"name": "a", "creationTimestamp": "other", "generation": 9}});
        keep_for_update(&mut new, &old);
        assert_eq!(new, old);
        let mut new = json!({"metadata": {"name": "a", "deletionTimestamp": "now"}});
        keep_for_update(&mut new, &json!({"metadata": {"name": "a"}}));
        assert_eq!(new, json!({"metadata": {"name": "a", "deletionTimestamp": "now"}}), "for validation to refuse");
    }

    #[test]
    fn a_deletion_is_dated_ahead_and_counts_as_a_generation() {
        let mut object = json!({"metadata": {"name": "a", "generation": 1}});
        mark_deleting(&mut object, noon(), 30);
        assert_eq!(object["metadata"]["deletionTimestamp"], "2026-11-21T12:00:30Z");
        assert_eq!(object["metadata"]["generation"], 1);
        count_deletion(&mut object);
        assert_eq!(object["metadata"]["generation"], 2);
        let mut uncounted = json!({"metadata": {"name": "a"}});
        count_deletion(&mut uncounted);
        assert_eq!(uncounted, json!({"metadata": {"name": "a"}}));
    }
}
