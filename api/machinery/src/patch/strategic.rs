//! Strategic merge patch: a merge patch that knows which lists are maps.
//!
//! Semantics of upstream's `k8s.io/apimachinery/pkg/util/strategicpatch` as the server applies it: `$patch: replace`,
//! `$patch: delete`, `$retainKeys`, `$deleteFromPrimitiveList/<field>`, `$setElementOrder/<field>`; lists with a merge key
//! merge by it, primitive lists with strategy `merge` are sets, all others are replaced; a null removes.

mod lists;
mod order;
mod set_element_order;

use serde_json::{Map, Value};

use crate::gotext::plain;
use crate::schema::{Definition, Field, Schema, Shape};
use crate::status::Status;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList";
const SET_ELEMENT_ORDER: &str = "$setElementOrder";

type Fields = Map<String, Value>;

/// A patch that cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StrategicError {
    /// The patch itself is malformed: 400.
    #[error("{0}")]
    Malformed(&'static str),
    /// The patch does not fit: upstream answers 500 with this text.
    #[error("{0}")]
    Unfit(String),
}

impl From<StrategicError> for Status {
    fn from(error: StrategicError) -> Status {
        match error {
            StrategicError::Malformed(text) => Status::bad_request(text),
            StrategicError::Unfit(text) => Status::failure(500, "", text),
        }
    }
}

/// Applies a patch to an object of a kind.
pub fn merge(original: Value, patch: Value, definition: &'static Definition) -> Result<Value, StrategicError> {
    match (original, patch) {
        (Value::Object(original), Value::Object(patch)) => {
            merge_map(original, patch, Known::Fields(definition)).map(Value::Object)
        }
        _ => Err(StrategicError::Malformed("invalid JSON document")),
    }
}

/// What is known of a map's values.
#[derive(Clone, Copy)]
enum Known {
    Fields(&'static Definition),
    Values(&'static Field),
    Nothing,
}

impl Known {
    fn of(field: Option<&'static Field>) -> Known {
        match field.map(|field| &field.shape) {
            Some(Shape::Ref(index)) => Known::Fields(Schema::get().at(*index)),
            Some(Shape::Map(item)) => Known::Values(item),
            _ => Known::Nothing,
        }
    }

    fn field(self, name: &str) -> Option<&'static Field> {
        match self {
            Known::Fields(definition) => definition.field(name),
            Known::Values(item) => Some(item),
            Known::Nothing => None,
        }
    }
}

fn merge_map(mut original: Fields, mut patch: Fields, known: Known) -> Result<Fields, StrategicError> {
    if let Some(directive) = patch.remove(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => Ok(patch),
            Some("delete") => Ok(Fields::new()),
            _ => {
                let text = plain(&directive);
                patch.insert(DIRECTIVE.into(), directive);
                Err(StrategicError::Unfit(format!(
                    "unknown patch type: {text} in map: {}",
                    plain(&Value::Object(patch))
                )))
            }
        };
    }
    retain_keys(&mut original, &mut patch)?;
    set_element_order::apply(&mut original, &mut patch, known)?;
    for (key, value) in patch {
        let (name, deletes) = match key.strip_prefix(DELETE_FROM_LIST) {
            None => (key.as_str(), false),
            Some(rest) => (rest.strip_prefix('/').ok_or(malformed_primitive_list())?, true),
        };
        if value.is_null() {
            original.remove(name);
            continue;
        }
        let Some(present) = original.get_mut(name) else {
            if !deletes && let Some(value) = clean(value) {
                original.insert(name.into(), value);
            }
            continue;
        };
        let field = known.field(name);
        match (&mut *present, value) {
            (Value::Object(before), Value::Object(change)) => {
                *present = Value::Object(merge_map(std::mem::take(before), change, Known::of(field))?);
            }
            (Value::Array(before), Value::Array(change)) => {
                let merged = lists::merge(std::mem::take(before), change, field, deletes)?;
                *present = Value::Array(merged);
            }
            (_, value) if !deletes => {
                if let Some(value) = clean(value) {
                    *present = value;
                }
            }
            _ => {}
        }
    }
    Ok(original)
}

/// Unions: fields that the patch does not retain are cleared before it is merged.
fn retain_keys(original: &mut Fields, patch: &mut Fields) -> Result<(), StrategicError> {
    const MALFORMED: StrategicError = StrategicError::Malformed("invalid patch format of retainKeys");
    let Some(retained) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(retained) = retained else { return Err(MALFORMED) };
    let is_retained = |key: &str| retained.iter().any(|one| one == key);
    let is_directive = |key: &str| key.starts_with(DELETE_FROM_LIST) || key.starts_with(SET_ELEMENT_ORDER);
    if patch.iter().any(|(key, value)| !value.is_null() && !is_directive(key) && !is_retained(key)) {
        return Err(MALFORMED);
    }
    original.retain(|key, _| is_retained(key));
    Ok(())
}

/// What is taken as it is from a patch loses its directives and nulls. A map with a directive vanishes.
fn clean(value: Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(DIRECTIVE) => None,
        Value::Object(fields) => Some(Value::Object(
            fields
                .into_iter()
                .filter(|(key, value)| {
                    let is_directive =
                        key == RETAIN_KEYS || key.starts_with(DELETE_FROM_LIST) || key.starts_with(SET_ELEMENT_ORDER);
                    !is_directive && !value.is_null()
                })
                .filter_map(|(key, value)| Some((key, clean(value)?)))
                .collect(),
        )),
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(clean).collect())),
        other => Some(other),
    }
}

fn malformed_primitive_list() -> StrategicError {
    StrategicError::Malformed("invalid patch format of primitive list")
}

fn no_merge_key(item: &Value, key: &str) -> StrategicError {
    StrategicError::Unfit(format!("map: {} does not contain declared merge key: {key}", plain(item)))
}
