//! PATCH: JSON patch, JSON merge patch, strategic merge patch. Server-side apply is not here.
//!
//! A patch is parsed once and applied as often as a conflict makes it necessary. Errors are upstream's statuses. The
//! result of a patch is any JSON: [`Patch::apply`] brings it back to what the kind allows, or refuses it.

mod json;
mod strategic;

use serde_json::{Map, Value};

use crate::codec::{self, Format};
use crate::gotext;
use crate::gvk::GroupVersionKind;
use crate::schema::{self, Body, FieldValidation, Reader, Schema};
use crate::status::Status;

pub use json::{COPIED_BYTES_MAX, OPERATIONS_MAX};
pub use strategic::{StrategicError, merge as strategic_merge};

/// Which kind of patch, by its media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' own, which knows lists by their merge keys.
    StrategicMerge,
}

impl PatchType {
    /// All media types that PATCH takes, as a 415 lists them.
    pub const MEDIA_TYPES: [&'static str; 3] =
        ["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"];

    /// The type of a body; parameters of the media type are ignored.
    pub fn from_media_type(media_type: &str) -> Option<PatchType> {
        match media_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Some(PatchType::Json),
            "application/merge-patch+json" => Some(PatchType::Merge),
            "application/strategic-merge-patch+json" => Some(PatchType::StrategicMerge),
            _ => None,
        }
    }
}

/// A parsed patch.
#[derive(Clone, Debug)]
pub struct Patch {
    content: Content,
    duplicates: Vec<String>,
}

#[derive(Clone, Debug)]
enum Content {
    Json(json::Operations),
    Merge(Value),
    StrategicMerge(Value),
}

/// A list replaces a list. What it holds is new, so that a null in it removes nothing and is not kept either.
fn drop_nulls_in_lists(value: &mut Value, is_listed: bool) {
    match value {
        Value::Object(fields) => {
            if is_listed {
                fields.retain(|_, field| !field.is_null());
            }
            fields.values_mut().for_each(|field| drop_nulls_in_lists(field, is_listed));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| drop_nulls_in_lists(item, true)),
        _ => {}
    }
}

impl Patch {
    /// Parses a body. What is no patch is a 400, what is too long a 413.
    pub fn parse(kind: PatchType, body: &[u8]) -> Result<Patch, Status> {
        let decoded = codec::decode(Format::Json, body).map_err(|_| Status::bad_request("invalid JSON patch"))?;
        let content = match (kind, decoded.value) {
            (PatchType::Json, value) => Content::Json(json::Operations::parse(value)?),
            (PatchType::Merge, mut patch @ Value::Object(_)) => {
                drop_nulls_in_lists(&mut patch, false);
                Content::Merge(patch)
            }
            (PatchType::Merge, Value::Null) => return Err(Status::bad_request("Invalid JSON Patch")),
            (PatchType::StrategicMerge, patch @ Value::Object(_)) => Content::StrategicMerge(patch),
            (PatchType::StrategicMerge, Value::Null) => Content::StrategicMerge(Value::Object(Map::new())),
            (kind, other) => {
                let found = match other {
                    Value::Array(_) => "array",
                    Value::String(_) => "string",
                    Value::Number(_) => "number",
                    Value::Bool(_) => "bool",
                    _ => "null",
                };
                let error = format!("json: cannot unmarshal {found} into Go value of type map[string]interface {{}}");
                return Err(Status::bad_request(kind.decoding(&error)));
            }
        };
        let duplicates = match &content {
            Content::Json(operations) => {
                let duplicates = decoded.duplicates.into_iter().map(|text| format!("json patch {text}"));
                duplicates.chain(operations.unknown.iter().cloned()).collect()
            }
            _ => decoded.duplicates,
        };
        Ok(Patch { content, duplicates })
    }

    /// Applies the patch to the stored object of this kind and checks the result as a decoded body is checked.
    pub fn apply(
        &self,
        original: &Value,
        expected: &GroupVersionKind,
        validation: FieldValidation,
    ) -> Result<Body, Status> {
        let mut object = self.apply_unchecked(original, expected)?;
        // Rarely asked for, so the patched object is made again rather than kept.
        let shown = || match &self.content {
            Content::StrategicMerge(patch) => gotext::plain(patch),
            _ => self.apply_unchecked(original, expected).map(|object| object.to_string()).unwrap_or_default(),
        };
        let reader = match &self.content {
            Content::StrategicMerge(_) => Reader::Converter,
            _ => Reader::Json,
        };
        let duplicates = self.duplicates.clone();
        let warnings = schema::check_patched(&mut object, duplicates, expected, validation, reader, shown)?;
        Ok(Body { object, warnings })
    }

    /// Applies the patch; the result is not checked.
    pub fn apply_unchecked(&self, original: &Value, expected: &GroupVersionKind) -> Result<Value, Status> {
        match &self.content {
            Content::Json(operations) => operations.apply(original),
            Content::Merge(patch) => {
                let mut object = original.clone();
                json_patch::merge(&mut object, patch);
                Ok(object)
            }
            Content::StrategicMerge(patch) => {
                let definition = Schema::get().kind(&expected.group, &expected.version, &expected.kind);
                let Some(definition) = definition else {
                    return Err(Status::unsupported_media_type(&PatchType::MEDIA_TYPES[..2]));
                };
                let mut patched =
                    strategic::merge(original.clone(), patch.clone(), definition).map_err(Status::from)?;
                // Upstream merges into a typed object, which cannot become another kind.
                if let (Some(patched), Some(original)) = (patched.as_object_mut(), original.as_object()) {
                    for name in ["kind", "apiVersion"] {
                        match original.get(name) {
                            Some(value) => patched.insert(name.into(), value.clone()),
                            None => patched.remove(name),
                        };
                    }
                }
                Ok(patched)
            }
        }
    }

    /// Whether the patch names this resource version, so that a conflict must not be retried.
    pub fn resource_version(&self) -> Option<&str> {
        match &self.content {
            Content::Merge(patch) | Content::StrategicMerge(patch) => {
                Some(crate::meta::resource_version(patch)).filter(|text| !text.is_empty())
            }
            Content::Json(_) => None,
        }
    }
}

impl PatchType {
    fn decoding(self, error: &str) -> String {
        match self {
            PatchType::StrategicMerge => error.to_string(),
            _ => format!("error decoding patch: {error}"),
        }
    }
}

#[cfg(test)]
mod tests;
