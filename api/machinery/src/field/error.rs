//! One failed field, and the list of them that becomes a 422.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use super::Path;
use crate::gotext::quote;
use crate::status::Cause;

/// Why a field was refused. The name of each kind is the `reason` of a status cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A value that was looked up does not exist.
    NotFound,
    /// A value that must be given is absent.
    Required,
    /// A value that must be unique occurs twice.
    Duplicate,
    /// A malformed or out-of-range value.
    Invalid,
    /// Not one of the allowed values.
    NotSupported,
    /// Well formed but not permitted here.
    Forbidden,
    /// Longer than allowed.
    TooLong,
    /// More items than allowed.
    TooMany,
    /// Shorter than required.
    TooShort,
    /// Fewer items than required.
    TooFew,
    /// Not the client's fault.
    Internal,
    /// A value of the wrong JSON type.
    TypeInvalid,
}

impl ErrorKind {
    /// The machine-readable reason in a status cause.
    pub fn reason(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "FieldValueNotFound",
            ErrorKind::Required => "FieldValueRequired",
            ErrorKind::Duplicate => "FieldValueDuplicate",
            ErrorKind::Invalid => "FieldValueInvalid",
            ErrorKind::NotSupported => "FieldValueNotSupported",
            ErrorKind::Forbidden => "FieldValueForbidden",
            ErrorKind::TooLong => "FieldValueTooLong",
            ErrorKind::TooMany => "FieldValueTooMany",
            ErrorKind::TooShort => "FieldValueTooShort",
            ErrorKind::TooFew => "FieldValueTooFew",
            ErrorKind::Internal => "InternalError",
            ErrorKind::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    fn text(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "Not found",
            ErrorKind::Required => "Required value",
            ErrorKind::Duplicate => "Duplicate value",
            ErrorKind::Invalid | ErrorKind::TypeInvalid => "Invalid value",
            ErrorKind::NotSupported => "Unsupported value",
            ErrorKind::Forbidden => "Forbidden",
            ErrorKind::TooLong => "Too long",
            ErrorKind::TooMany => "Too many",
            ErrorKind::TooShort => "Too short",
            ErrorKind::TooFew => "Too few",
            ErrorKind::Internal => "Internal error",
        }
    }

    fn shows_value(self) -> bool {
        !matches!(
            self,
            ErrorKind::Required | ErrorKind::Forbidden | ErrorKind::TooLong | ErrorKind::TooShort | ErrorKind::Internal
        )
    }
}

/// One refused field. Displays as `spec.replicas: Invalid value: -1: must be greater than or equal to 0`.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Where, already written out.
    pub path: String,
    /// The offending value; shown by those kinds that show values. `None` hides it.
    pub bad_value: Option<Value>,
    /// Explanation behind the kind; may be empty.
    pub detail: String,
    /// What is shown instead of the value: structs that upstream writes with Go's names, in Go's order.
    pub shown: Option<String>,
}

impl std::error::Error for Error {}

impl Error {
    /// Any kind with a value and a detail.
    pub fn new(kind: ErrorKind, path: &Path, value: Option<Value>, detail: impl Into<String>) -> Error {
        Error { kind, path: path.to_string(), bad_value: value, detail: detail.into(), shown: None }
    }

    /// Shows the value as a Go struct: its fields by their names in Go, in order.
    pub fn shown_as(mut self, fields: &[(&str, Value)]) -> Error {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        self.shown = Some(format!("{{{}}}", fields.join(",")));
        self
    }

    /// Shows the value as this text.
    pub fn shown(mut self, text: String) -> Error {
        self.shown = Some(text);
        self
    }

    /// A malformed value.
    pub fn invalid(path: &Path, value: impl Into<Value>, detail: impl Into<String>) -> Error {
        Error::new(ErrorKind::Invalid, path, Some(value.into()), detail)
    }

    /// A value of the wrong type.
    pub fn type_invalid(path: &Path, value: impl Into<Value>, detail: impl Into<String>) -> Error {
        Error::new(ErrorKind::TypeInvalid, path, Some(value.into()), detail)
    }

    /// A missing value.
    pub fn required(path: &Path, detail: impl Into<String>) -> Error {
        Error::new(ErrorKind::Required, path, None, detail)
    }

    /// A value that must be unique.
    pub fn duplicate(path: &Path, value: impl Into<Value>) -> Error {
        Error::new(ErrorKind::Duplicate, path, Some(value.into()), "")
    }

    /// A value that is not one of `supported`; they are listed in the order given.
    pub fn not_supported(path: &Path, value: impl Into<Value>, supported: &[&str]) -> Error {
        let detail = match supported {
            [] => String::new(),
            _ => {
                let quoted: Vec<String> = supported.iter().map(|value| quote(value)).collect();
                format!("supported values: {}", quoted.join(", "))
            }
        };
        Error::new(ErrorKind::NotSupported, path, Some(value.into()), detail)
    }

    /// Not permitted here.
    pub fn forbidden(path: &Path, detail: impl Into<String>) -> Error {
        Error::new(ErrorKind::Forbidden, path, None, detail)
    }

    /// A reference to something that does not exist.
    pub fn not_found(path: &Path, value: impl Into<Value>) -> Error {
        Error::new(ErrorKind::NotFound, path, Some(value.into()), "")
    }

    /// Longer than `bytes_max` bytes.
    pub fn too_long(path: &Path, bytes_max: usize) -> Error {
        let unit = if bytes_max == 1 { "byte" } else { "bytes" };
        Error::new(ErrorKind::TooLong, path, None, format!("may not be more than {bytes_max} {unit}"))
    }

    /// More than `items_max` items.
    pub fn too_many(path: &Path, actual: usize, items_max: usize) -> Error {
        let unit = if items_max == 1 { "item" } else { "items" };
        let detail = format!("must have at most {items_max} {unit}");
        Error::new(ErrorKind::TooMany, path, Some(Value::from(actual)), detail)
    }

    /// A failure that is not the client's.
    pub fn internal(path: &Path, detail: impl Into<String>) -> Error {
        Error::new(ErrorKind::Internal, path, None, detail)
    }

    /// The message without the path, as in a status cause.
    pub fn body(&self) -> String {
        let mut body = String::from(self.kind.text());
        if let Some(value) = &self.bad_value
            && self.kind.shows_value()
        {
            body.push_str(": ");
            match (&self.shown, value) {
                (Some(shown), _) => body.push_str(shown),
                (None, Value::String(text)) => body.push_str(&quote(text)),
                (None, other) => body.push_str(&other.to_string()),
            }
        }
        if !self.detail.is_empty() {
            body.push_str(": ");
            body.push_str(&self.detail);
        }
        body
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.body())
    }
}

/// Every refused field of one object, in the order found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorList(pub Vec<Error>);

impl ErrorList {
    /// No errors.
    pub fn new() -> ErrorList {
        ErrorList::default()
    }

    /// Adds one.
    pub fn push(&mut self, error: Error) {
        self.0.push(error);
    }

    /// Adds all of another list.
    pub fn append(&mut self, other: ErrorList) {
        self.0.extend(other.0);
    }

    /// Whether the object is valid.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many errors.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The errors in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Error> {
        self.0.iter()
    }

    /// These errors without those that say what one before them says.
    pub fn distinct(&self) -> ErrorList {
        let mut seen = HashSet::new();
        self.0.iter().filter(|error| seen.insert(error.to_string())).cloned().collect()
    }

    /// Each error as a cause of an Invalid status.
    pub fn causes(&self) -> Vec<Cause> {
        self.0
            .iter()
            .map(|error| Cause {
                reason: error.kind.reason().to_string(),
                message: error.body(),
                field: error.path.clone(),
            })
            .collect()
    }

    /// All messages as one: repeated ones once, several in brackets. `None` if the list is empty.
    pub fn aggregate(&self) -> Option<String> {
        let mut messages: Vec<String> = Vec::with_capacity(self.0.len());
        for error in &self.0 {
            let message = error.to_string();
            if !messages.contains(&message) {
                messages.push(message);
            }
        }
        match messages.len() {
            0 => None,
            1 => messages.pop(),
            _ => Some(format!("[{}]", messages.join(", "))),
        }
    }
}

impl Extend<Error> for ErrorList {
    fn extend<T: IntoIterator<Item = Error>>(&mut self, errors: T) {
        self.0.extend(errors);
    }
}

impl FromIterator<Error> for ErrorList {
    fn from_iter<T: IntoIterator<Item = Error>>(errors: T) -> ErrorList {
        ErrorList(errors.into_iter().collect())
    }
}

impl IntoIterator for ErrorList {
    type Item = Error;
    type IntoIter = std::vec::IntoIter<Error>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Error> for ErrorList {
    fn from(error: Error) -> ErrorList {
        ErrorList(vec![error])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_prints_as_upstream_does() {
        let path = Path::of(&["spec", "x"]);
        let cases = [
            (
                Error::invalid(&path, -1, "must be greater than or equal to 0"),
                "spec.x: Invalid value: -1: must be greater than or equal to 0",
            ),
            (Error::invalid(&path, "a\"b", "bad"), "spec.x: Invalid value: \"a\\\"b\": bad"),
            (
                Error::invalid(&path, json!({"a": ["b"]}), "field is immutable"),
                "spec.x: Invalid value: {\"a\":[\"b\"]}: field is immutable",
            ),
            (Error::invalid(&path, Value::Null, "nope"), "spec.x: Invalid value: null: nope"),
            (
                Error::not_supported(&path, "x", &["A", "B"]),
                "spec.x: Unsupported value: \"x\": supported values: \"A\", \"B\"",
            ),
            (Error::not_supported(&path, "x", &[]), "spec.x: Unsupported value: \"x\""),
            (Error::required(&path, ""), "spec.x: Required value"),
            (
                Error::required(&path, "name or generateName is required"),
                "spec.x: Required value: name or generateName is required",
            ),
            (Error::duplicate(&path, "x"), "spec.x: Duplicate value: \"x\""),
            (Error::forbidden(&path, "no"), "spec.x: Forbidden: no"),
            (Error::not_found(&path, "v"), "spec.x: Not found: \"v\""),
            (Error::too_long(&path, 63), "spec.x: Too long: may not be more than 63 bytes"),
            (Error::too_long(&path, 1), "spec.x: Too long: may not be more than 1 byte"),
            (Error::too_many(&path, 5, 3), "spec.x: Too many: 5: must have at most 3 items"),
            (Error::internal(&path, "oops"), "spec.x: Internal error: oops"),
            (Error::type_invalid(&path, true, "must be a string"), "spec.x: Invalid value: true: must be a string"),
        ];
        for (error, want) in cases {
            assert_eq!(error.to_string(), want);
        }
    }

    #[test]
    fn several_errors_are_bracketed_and_repeated_ones_said_once() {
        let path = Path::root("a");
        let one = Error::required(&path, "");
        assert_eq!(ErrorList::new().aggregate(), None);
        let mut list = ErrorList::from(one.clone());
        list.push(one);
        assert_eq!(list.aggregate().unwrap(), "a: Required value");
        list.push(Error::forbidden(&path, "no"));
        assert_eq!(list.aggregate().unwrap(), "[a: Required value, a: Forbidden: no]");
        assert_eq!(list.distinct().len(), 2);
        assert_eq!(
            list.causes()[2],
            Cause { reason: "FieldValueForbidden".into(), message: "Forbidden: no".into(), field: "a".into() }
        );
    }
}
