//! Reading and writing paths of a [`Value`] without ceremony.
//!
//! A missing field, a `null` and a field of another type all read as absent, as a Go decoder would leave them unset;
//! [`crate::schema`] refuses wrong types before anything reads.

use serde_json::{Map, Value};

/// What Go's JSON decoder calls a value's type in its complaints.
pub fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The value at a path of field names; `None` if absent or null.
pub fn get<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    let mut at = object;
    for name in path {
        at = at.get(*name)?;
    }
    if at.is_null() { None } else { Some(at) }
}

/// The string at a path.
pub fn str_at<'a>(object: &'a Value, path: &[&str]) -> Option<&'a str> {
    get(object, path)?.as_str()
}

/// The string at a path, empty if absent.
pub fn str_or_empty<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    str_at(object, path).unwrap_or_default()
}

/// The integer at a path.
pub fn i64_at(object: &Value, path: &[&str]) -> Option<i64> {
    get(object, path)?.as_i64()
}

/// The boolean at a path.
pub fn bool_at(object: &Value, path: &[&str]) -> Option<bool> {
    get(object, path)?.as_bool()
}

/// The items at a path; an absent list is empty.
pub fn items_at<'a>(object: &'a Value, path: &[&str]) -> &'a [Value] {
    get(object, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The map at a path.
pub fn map_at<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Map<String, Value>> {
    get(object, path)?.as_object()
}

/// The map at a path for writing; missing ones on the way are made, and anything else there is replaced.
pub fn map_mut<'a>(object: &'a mut Value, path: &[&str]) -> &'a mut Map<String, Value> {
    let mut at = as_map(object);
    for name in path {
        if !at.get(*name).is_some_and(Value::is_object) {
            at.insert((*name).to_string(), Value::Object(Map::new()));
        }
        at = at.get_mut(*name).and_then(Value::as_object_mut).expect("a map was put there above");
    }
    at
}

/// The items at a path for writing, if there is a list.
pub fn items_mut<'a>(object: &'a mut Value, path: &[&str]) -> &'a mut [Value] {
    get_mut(object, path).and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}

/// The value at a path for writing; `None` if absent or null.
pub fn get_mut<'a>(object: &'a mut Value, path: &[&str]) -> Option<&'a mut Value> {
    let mut at = object;
    for name in path {
        at = at.get_mut(*name)?;
    }
    if at.is_null() { None } else { Some(at) }
}

/// Writes a value at a path, making the maps on the way.
pub fn set(object: &mut Value, path: &[&str], value: impl Into<Value>) {
    if let Some((last, parents)) = path.split_last() {
        map_mut(object, parents).insert((*last).to_string(), value.into());
    }
}

/// Writes a value at a path if nothing is there, making the maps on the way. Says whether it wrote.
pub fn set_default(object: &mut Value, path: &[&str], value: impl Into<Value>) -> bool {
    if get(object, path).is_some() {
        return false;
    }
    set(object, path, value);
    true
}

/// Takes the value at a path out; the maps on the way stay.
pub fn remove(object: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    get_mut(object, parents)?.as_object_mut()?.remove(*last)
}

/// Equality in which an absent field, a null and an empty list or map are the same (Go's `Semantic.DeepEqual`).
pub fn semantic_eq(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a.filter(|value| !is_unset(value)), b.filter(|value| !is_unset(value))) {
        (None, None) => true,
        (Some(Value::Object(fields)), None) | (None, Some(Value::Object(fields))) => {
            fields.values().all(|value| semantic_eq(Some(value), None))
        }
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            a.iter().all(|(key, value)| semantic_eq(Some(value), b.get(key)))
                && b.iter().all(|(key, value)| a.contains_key(key) || semantic_eq(None, Some(value)))
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| semantic_eq(Some(a), Some(b)))
        }
        (a, b) => a == b,
    }
}

fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn as_map(object: &mut Value) -> &mut Map<String, Value> {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    object.as_object_mut().expect("a map was put there above")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn null_reads_as_absent_and_writing_makes_the_way() {
        let mut object = json!({"a": null, "b": {"c": 1, "d": [{"e": "x"}]}});
        assert_eq!(get(&object, &["a"]), None);
        assert_eq!(i64_at(&object, &["b", "c"]), Some(1));
        assert_eq!(items_at(&object, &["b", "x"]).len(), 0);
        assert!(set_default(&mut object, &["a", "z"], "v"));
        assert!(!set_default(&mut object, &["a", "z"], "w"));
        assert_eq!(str_or_empty(&object, &["a", "z"]), "v");
        assert_eq!(remove(&mut object, &["b", "c"]), Some(json!(1)));
        assert_eq!(object, json!({"a": {"z": "v"}, "b": {"d": [{"e": "x"}]}}));
    }

    #[test]
    fn empty_and_absent_are_semantically_equal() {
        let cases = [
            (json!({"a": []}), json!({}), true),
            (json!({"a": {"b": null}}), json!({"a": {}}), true),
            (json!({"a": 0}), json!({}), false),
            (json!({"a": [1]}), json!({"a": [1, 2]}), false),
            (json!({"a": [{"x": {}}]}), json!({"a": [{}]}), true),
            (json!(""), json!(null), false),
        ];
        for (a, b, want) in cases {
            assert_eq!(semantic_eq(Some(&a), Some(&b)), want, "{a} {b}");
            assert_eq!(semantic_eq(Some(&b), Some(&a)), want, "{b} {a}");
        }
    }
}
