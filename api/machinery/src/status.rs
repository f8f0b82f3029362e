//! `metav1.Status`: how every refusal, and some successes, reach the client.
//!
//! One constructor for each of upstream's `apierrors`, with its code, reason, text and details. A handler that fails
//! returns a [`Status`]; nothing else decides an HTTP code for an API error.

mod constructors;
mod text;

use bytes::Bytes;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

pub use constructors::{Attributes, Expired};
pub use text::OPTIMISTIC_LOCK_ERROR;

/// The `status` of a failure.
pub const FAILURE: &str = "Failure";
/// The `status` of a success.
pub const SUCCESS: &str = "Success";

/// The machine-readable reasons of upstream.
pub mod reason {
    /// 401.
    pub const UNAUTHORIZED: &str = "Unauthorized";
    /// 403.
    pub const FORBIDDEN: &str = "Forbidden";
    /// 404.
    pub const NOT_FOUND: &str = "NotFound";
    /// 409, the object is there already.
    pub const ALREADY_EXISTS: &str = "AlreadyExists";
    /// 409, somebody else was faster.
    pub const CONFLICT: &str = "Conflict";
    /// 410 without a way to continue.
    pub const GONE: &str = "Gone";
    /// 422.
    pub const INVALID: &str = "Invalid";
    /// 500, try again.
    pub const SERVER_TIMEOUT: &str = "ServerTimeout";
    /// 504.
    pub const TIMEOUT: &str = "Timeout";
    /// 429.
    pub const TOO_MANY_REQUESTS: &str = "TooManyRequests";
    /// 400.
    pub const BAD_REQUEST: &str = "BadRequest";
    /// 405.
    pub const METHOD_NOT_ALLOWED: &str = "MethodNotAllowed";
    /// 406.
    pub const NOT_ACCEPTABLE: &str = "NotAcceptable";
    /// 413.
    pub const REQUEST_ENTITY_TOO_LARGE: &str = "RequestEntityTooLarge";
    /// 415.
    pub const UNSUPPORTED_MEDIA_TYPE: &str = "UnsupportedMediaType";
    /// 500.
    pub const INTERNAL_ERROR: &str = "InternalError";
    /// 410, the history is compacted.
    pub const EXPIRED: &str = "Expired";
    /// 503.
    pub const SERVICE_UNAVAILABLE: &str = "ServiceUnavailable";
    /// An answer that none of the others describes.
    pub const UNKNOWN: &str = "";
}

/// List metadata inside a status; only `continue` is ever set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListMeta {
    /// Token that goes on with a list that has become inconsistent.
    #[serde(rename = "continue", default, skip_serializing_if = "String::is_empty")]
    pub continue_token: String,
}

/// One cause of a failure, mostly one refused field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Machine-readable, such as `FieldValueInvalid`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Path of the field.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
}

/// What the status is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// Name of the object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// API group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind, or the plural resource where upstream says so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// UID of the object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Single causes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// When to try again; also the Retry-After header.
    #[serde(rename = "retryAfterSeconds", default, skip_serializing_if = "is_zero")]
    pub retry_after_seconds: u32,
}

/// `metav1.Status`. Serializes in Go's field order, with `kind` and `apiVersion`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// List metadata.
    #[serde(default)]
    pub metadata: ListMeta,
    /// [`SUCCESS`] or [`FAILURE`].
    #[serde(default)]
    pub status: String,
    /// For people.
    #[serde(default)]
    pub message: String,
    /// One of [`reason`].
    #[serde(default)]
    pub reason: String,
    /// What it is about. Boxed: a `Result` with a status stays small.
    #[serde(default)]
    pub details: Option<Box<Details>>,
    /// HTTP code; 0 (absent) in most successes.
    #[serde(default)]
    pub code: u16,
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", "Status")?;
        map.serialize_entry("apiVersion", "v1")?;
        map.serialize_entry("metadata", &self.metadata)?;
        for (name, text) in [("status", &self.status), ("message", &self.message), ("reason", &self.reason)] {
            if !text.is_empty() {
                map.serialize_entry(name, text)?;
            }
        }
        if let Some(details) = &self.details {
            map.serialize_entry("details", details)?;
        }
        if self.code != 0 {
            map.serialize_entry("code", &self.code)?;
        }
        map.end()
    }
}

impl Status {
    /// A failure with no details.
    pub fn failure(code: u16, reason: &str, message: impl Into<String>) -> Status {
        Status {
            metadata: ListMeta::default(),
            status: FAILURE.into(),
            message: message.into(),
            reason: reason.into(),
            details: None,
            code,
        }
    }

    /// A success about one object, as deletes answer.
    pub fn success(details: Details) -> Status {
        Status { status: SUCCESS.into(), details: Some(Box::new(details)), ..Status::failure(0, "", "") }
    }

    /// The same with details.
    pub fn with_details(mut self, details: Details) -> Status {
        self.details = Some(Box::new(details));
        self
    }

    /// The same with a Retry-After.
    pub fn with_retry_after(mut self, seconds: u32) -> Status {
        self.details.get_or_insert_default().retry_after_seconds = seconds;
        self
    }

    /// The same with one more cause.
    pub fn with_cause(mut self, cause: Cause) -> Status {
        self.details.get_or_insert_default().causes.push(cause);
        self
    }

    /// Seconds for the Retry-After header, if any.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        self.details.as_ref().map(|details| details.retry_after_seconds).filter(|seconds| *seconds > 0)
    }

    /// The HTTP code to answer with.
    pub fn http_code(&self) -> u16 {
        match self.code {
            0 if self.status == FAILURE => 500,
            0 => 200,
            code => code,
        }
    }

    /// The JSON body, without the line feed that upstream's JSON encoder ends with.
    pub fn to_json(&self) -> Bytes {
        Bytes::from(serde_json::to_vec(self).expect("a status holds nothing that JSON cannot express"))
    }
}

fn is_zero(seconds: &u32) -> bool {
    *seconds == 0
}

#[cfg(test)]
mod tests;
