//! Reading and filling `serde_json::Value` the way Go's decoder and defaulters see an object: null is absent, an
//! absent string is "", an absent list is empty. Nothing here panics on a value of another type; the schema check of
//! the decoder has refused those before a strategy runs.

use api_machinery::quantity::Quantity;
use serde_json::{Map, Value};

/// The string at `key`, "" where there is none.
pub(crate) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap_or("")
}

/// The list at `key`, empty where there is none.
pub(crate) fn list<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    object[key].as_array().map_or(&[], Vec::as_slice)
}

/// The integer at `key`.
pub(crate) fn int(object: &Value, key: &str) -> Option<i64> {
    object[key].as_i64()
}

/// The boolean at `key`, false where there is none.
pub(crate) fn flag(object: &Value, key: &str) -> bool {
    object[key].as_bool().unwrap_or(false)
}

/// Whether `key` holds something besides null.
pub(crate) fn has(object: &Value, key: &str) -> bool {
    !object[key].is_null()
}

/// The pairs of the map at `key`, in order of their keys.
pub(crate) fn pairs<'a>(object: &'a Value, key: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    object[key].as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

/// How many entries the map at `key` has.
pub(crate) fn size(object: &Value, key: &str) -> usize {
    object[key].as_object().map_or(0, Map::len)
}

/// The strings of the list at `key`.
pub(crate) fn texts<'a>(object: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    list(object, key).iter().map(|value| value.as_str().unwrap_or(""))
}

/// `metadata.name`.
pub(crate) fn name(object: &Value) -> &str {
    text(&object["metadata"], "name")
}

/// `metadata.namespace`.
pub(crate) fn namespace(object: &Value) -> &str {
    text(&object["metadata"], "namespace")
}

/// The value of an annotation.
pub(crate) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][key].as_str()
}

/// The object at `key` for writing, created where there is none. `None` where `object` is not an object.
pub(crate) fn child<'a>(object: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    let map = object.as_object_mut()?;
    let value = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    Some(value)
}

/// The existing objects of the list at `key`, for writing.
pub(crate) fn items_mut<'a>(object: &'a mut Value, key: &str) -> std::slice::IterMut<'a, Value> {
    match object.get_mut(key) {
        Some(Value::Array(items)) => items.iter_mut(),
        _ => [].iter_mut(),
    }
}

/// The existing object at `key`, for writing.
pub(crate) fn existing_mut<'a>(object: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    object.get_mut(key).filter(|value| value.is_object())
}

/// Sets `key` where it is absent or null: the default of a pointer.
pub(crate) fn default_absent(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(map) = object.as_object_mut() {
        let slot = map.entry(key).or_insert(Value::Null);
        if slot.is_null() {
            *slot = value.into();
        }
    }
}

/// Writes the list at `key` as null where it is absent or empty: what upstream makes of a list without `omitempty`.
pub(crate) fn null_if_empty(object: &mut Value, key: &str) {
    if list(object, key).is_empty()
        && let Some(map) = object.as_object_mut()
    {
        map.insert(key.to_owned(), Value::Null);
    }
}

/// Sets `key` where it is absent, null, "" or 0: the default of a plain string or number.
pub(crate) fn default_zero(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(map) = object.as_object_mut() {
        let slot = map.entry(key).or_insert(Value::Null);
        if slot.is_null() || slot.as_str() == Some("") || slot.as_i64() == Some(0) {
            *slot = value.into();
        }
    }
}

/// Sets `key`.
pub(crate) fn set(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(map) = object.as_object_mut() {
        map.insert(key.to_owned(), value.into());
    }
}

/// Removes `key`.
pub(crate) fn remove(object: &mut Value, key: &str) {
    if let Some(map) = object.as_object_mut() {
        map.remove(key);
    }
}

/// Makes `new[key]` what `old[key]` is, absence included.
pub(crate) fn keep(new: &mut Value, old: &Value, key: &str) {
    match old.get(key) {
        Some(value) => set(new, key, value.clone()),
        None => remove(new, key),
    }
}

/// Whether two values mean the same to the API: null, absence and empty collections are one.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    api_machinery::value::semantic_eq(Some(a), Some(b))
}

/// Writes every quantity of the resource list at `key` in canonical form (`1000m` becomes `1`), rounded up to
/// thousandths, as decoding and defaulting do upstream.
pub(crate) fn canonical_quantities(object: &mut Value, key: &str) {
    if let Some(Value::Object(map)) = object.get_mut(key) {
        for value in map.values_mut() {
            if let Some(amount) = quantity(value).filter(|amount| !amount.is_whole()) {
                let rounded = Quantity::from_millis(amount.milli_value());
                let amount = if rounded == amount { amount } else { rounded };
                *value = Value::String(amount.to_string());
            } else {
                canonical_quantity(value);
            }
        }
    }
}

/// Writes one quantity in canonical form; what is none stays for validation.
pub(crate) fn canonical_quantity(value: &mut Value) {
    if let Some(quantity) = quantity(value) {
        *value = Value::String(quantity.to_string());
    }
}

/// The quantity a value holds: a string or a number.
pub(crate) fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::Null => None,
        value => Quantity::from_value(value).ok(),
    }
}

/// How many bytes a base64 string stands for.
pub(crate) fn base64_len(value: &Value) -> usize {
    let text = value.as_str().unwrap_or("");
    let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// Removes those of `keys` that hold the zero of a plain type ("", 0 or false): upstream's encoder leaves them out.
pub(crate) fn drop_zero(object: &mut Value, keys: &[&str]) {
    let Some(map) = object.as_object_mut() else { return };
    for key in keys {
        let zero = match map.get(*key) {
            Some(Value::Bool(set)) => !set,
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Number(number)) => number.as_i64() == Some(0),
            _ => false,
        };
        if zero {
            map.remove(*key);
        }
    }
}
