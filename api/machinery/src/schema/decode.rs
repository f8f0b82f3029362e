//! From a request's body to an object of the expected kind, or upstream's 400.

use serde_json::{Map, Value};

use super::{Definition, ERRORS_MAX, Reader, Schema};
use crate::codec::{self, DecodeError, Format};
use crate::field::{Error, ErrorList, Path};
use crate::gotext::quote;
use crate::gvk::{GroupKind, GroupVersion, GroupVersionKind};
use crate::meta;
use crate::status::Status;
use crate::value::type_of;

const SCHEME: &str = "pkg/api/legacyscheme/scheme.go:30";

/// What to do about unknown and duplicate fields (`?fieldValidation=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Drop them.
    Ignore,
    /// Drop them and warn: what a server does that is not told.
    #[default]
    Warn,
    /// Refuse the request.
    Strict,
}

impl FieldValidation {
    /// Reads the query parameter; empty is the default. Refused values get upstream's field error.
    pub fn parse(text: &str) -> Result<FieldValidation, Error> {
        match text {
            "Ignore" => Ok(FieldValidation::Ignore),
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Strict" => Ok(FieldValidation::Strict),
            other => {
                Err(Error::not_supported(&Path::root("fieldValidation"), other, &["", "Ignore", "Strict", "Warn"]))
            }
        }
    }
}

/// A decoded body.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// The object: types checked, pruned, canonical, `kind` and `apiVersion` set.
    pub object: Value,
    /// Warnings to send along.
    pub warnings: Vec<String>,
}

/// Decodes a body that must be an object of this kind. `kind` and `apiVersion` may be missing in it.
pub fn decode_body(
    format: Format,
    body: &[u8],
    expected: &GroupVersionKind,
    validation: FieldValidation,
) -> Result<Body, Status> {
    let decoded = codec::decode(format, body)
        .map_err(|error| Status::bad_request(codec::unrecognized(&expected.kind, &error, body)))?;
    if !decoded.value.is_object() && !decoded.value.is_null() {
        return Err(Status::bad_request(not_an_object(&decoded.value, expected, body)));
    }
    says_what_it_is(&decoded.value)
        .map_err(|error| Status::bad_request(codec::unrecognized(&expected.kind, &error, body)))?;
    let order = |complaints: Vec<String>| match format {
        Format::Json => codec::in_document_order(body, complaints),
        Format::Yaml => complaints,
    };
    decode_ordered(decoded.value, decoded.duplicates, expected, validation, order)
}

/// The same for a value that is decoded already, with the complaints about its duplicate fields.
pub fn decode_value(
    value: Value,
    duplicates: Vec<String>,
    expected: &GroupVersionKind,
    validation: FieldValidation,
) -> Result<Body, Status> {
    decode_ordered(value, duplicates, expected, validation, |complaints| complaints)
}

fn decode_ordered(
    value: Value,
    duplicates: Vec<String>,
    expected: &GroupVersionKind,
    validation: FieldValidation,
    order: impl FnOnce(Vec<String>) -> Vec<String>,
) -> Result<Body, Status> {
    let mut object = match value {
        Value::Null => Value::Object(Map::new()),
        other => other,
    };
    if !object.is_object() {
        return Err(Status::bad_request(not_an_object(&object, expected, object.to_string().as_bytes())));
    }
    let definition = check_kind(&mut object, expected).map_err(|mismatch| mismatch.status(expected))?;
    let refuse = |why: String| {
        let GroupVersionKind { version, kind, .. } = expected;
        Status::bad_request(format!("{kind} in version {} cannot be handled as a {kind}: {why}", quote(version)))
    };
    let unknown = match definition {
        Some(definition) => definition.conform(&mut object).map_err(refuse)?,
        None => Vec::new(),
    };
    let complaints = order(join(duplicates, unknown));
    match validation {
        FieldValidation::Strict if !complaints.is_empty() => Err(refuse(strict_decoding_error(&complaints))),
        FieldValidation::Warn => Ok(Body { object, warnings: complaints.iter().flat_map(|one| lines(one)).collect() }),
        _ => Ok(Body { object, warnings: Vec::new() }),
    }
}

/// Checks the result of a patch. `shown` is what upstream shows as the bad value: the patched JSON, or the patch.
pub fn check_patched(
    object: &mut Value,
    duplicates: Vec<String>,
    expected: &GroupVersionKind,
    validation: FieldValidation,
    reader: Reader,
    shown: impl FnOnce() -> String,
) -> Result<Vec<String>, Status> {
    let refuse = |why: String| {
        let errors = ErrorList::from(Error::invalid(&Path::root("patch"), shown(), why));
        Status::invalid(GroupKind { group: "", kind: "" }, "", &errors)
    };
    let definition = match check_kind(object, expected) {
        Ok(Some(definition)) => definition,
        Ok(None) => return Ok(duplicates),
        Err(mismatch) => return Err(refuse(mismatch.why)),
    };
    let unknown = match definition.conform_as(object, reader) {
        Ok(unknown) => unknown,
        Err(why) => return Err(refuse(why)),
    };
    let complaints = join(duplicates, unknown);
    match validation {
        FieldValidation::Strict if !complaints.is_empty() => Err(refuse(strict_decoding_error(&complaints))),
        FieldValidation::Warn => Ok(complaints),
        _ => Ok(Vec::new()),
    }
}

/// `strict decoding error: unknown field "a", duplicate field "b"`.
pub fn strict_decoding_error(complaints: &[String]) -> String {
    format!("strict decoding error: {}", complaints.join(", "))
}

/// A body of another kind than the path's.
struct Mismatch {
    /// Kind and version that the body names, where the text begins with them.
    named: Option<(String, String)>,
    why: String,
}

impl Mismatch {
    fn status(self, expected: &GroupVersionKind) -> Status {
        let Self { named, why } = self;
        Status::bad_request(match named {
            Some((kind, version)) => {
                format!("{kind} in version {} cannot be handled as a {}: {why}", quote(&version), expected.kind)
            }
            None => why,
        })
    }
}

/// Fills in or compares `kind` and `apiVersion`.
fn check_kind(object: &mut Value, expected: &GroupVersionKind) -> Result<Option<&'static Definition>, Mismatch> {
    let expected_version = expected.api_version();
    let kind = match meta::kind(object) {
        "" => expected.kind.clone(),
        kind => kind.to_string(),
    };
    let api_version = match meta::api_version(object) {
        "" => expected_version.clone(),
        api_version => api_version.to_string(),
    };
    let schema = Schema::get();
    if kind == expected.kind && api_version == expected_version {
        meta::set_gvk(object, &expected_version, &expected.kind);
        return Ok(schema.kind(&expected.group, &expected.version, &expected.kind));
    }
    let version = GroupVersion::parse(&api_version).map_err(|why| Mismatch { named: None, why })?;
    let named = Some((kind.clone(), version.version.clone()));
    // Upstream's scheme knows these too, and nothing is made of them.
    let is_known = match kind.as_str() {
        "List" => api_version == "v1",
        "Scale" => matches!(api_version.as_str(), "extensions/v1beta1" | "apps/v1beta1" | "apps/v1beta2"),
        _ => false,
    };
    if !is_known && schema.kind(&version.group, &version.version, &kind).is_none() {
        let (kind, api_version) = (quote(&kind), quote(&api_version));
        let why = format!("no kind {kind} is registered for version {api_version} in scheme {}", quote(SCHEME));
        return Err(Mismatch { named, why });
    }
    if api_version != expected_version {
        let why = format!(
            "the API version in the data ({api_version}) does not match the expected API version ({expected_version})"
        );
        return Err(Mismatch { named: None, why });
    }
    let internal = match expected.group.split('.').next().unwrap_or_default() {
        "" => "core",
        group => group,
    };
    let why = format!("converting ({}.{kind}) to ({internal}.{}): unknown conversion", version.version, expected.kind);
    Err(Mismatch { named, why })
}

/// YAML's duplicates are one complaint of several lines; each is a warning of its own.
fn lines(complaint: &str) -> Vec<String> {
    match complaint.strip_prefix("yaml: unmarshal errors:\n  ") {
        Some(lines) => lines.split("\n  ").map(str::to_owned).collect(),
        None => vec![complaint.to_owned()],
    }
}

fn join(mut complaints: Vec<String>, unknown: Vec<String>) -> Vec<String> {
    complaints.extend(unknown);
    complaints.truncate(ERRORS_MAX);
    complaints
}

/// Whether `kind` and `apiVersion` can be read at all.
fn says_what_it_is(value: &Value) -> Result<(), DecodeError> {
    for name in ["kind", "apiVersion"] {
        match value.get(name) {
            None | Some(Value::Null | Value::String(_)) => {}
            Some(other) => {
                let found = type_of(other);
                let text = format!("json: cannot unmarshal {found} into Go struct field .{name} of type string");
                return Err(DecodeError::Json(text));
            }
        }
    }
    GroupVersion::parse(meta::api_version(value)).map(drop).map_err(DecodeError::Kind)
}

/// What upstream says of JSON that has no place for a kind: its reader of kinds is a struct of two fields.
fn not_an_object(value: &Value, expected: &GroupVersionKind, body: &[u8]) -> String {
    let found = match value {
        Value::Array(_) => "array",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        _ => "string",
    };
    let error = format!(
        "json: cannot unmarshal {found} into Go value of type struct {{ APIVersion string \
         \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
    );
    codec::unrecognized(&expected.kind, &codec::DecodeError::Json(error), body)
}
