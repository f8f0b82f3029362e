//! One constructor for each of upstream's API errors.

use std::fmt::Display;

use super::text;
use super::{Cause, Details, Status, reason};
use crate::field::ErrorList;
use crate::gotext::quote;
use crate::gvk::{GroupKind, GroupResource};

/// What a request wanted, for the sentence of a refusal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// Name of the user.
    pub user: &'a str,
    /// API verb, or the HTTP method in lower case for other paths.
    pub verb: &'a str,
    /// Group; unused for other paths.
    pub group: &'a str,
    /// Plural; empty for a request that is not about a resource.
    pub resource: &'a str,
    /// Subresource or empty.
    pub subresource: &'a str,
    /// Name or empty.
    pub name: &'a str,
    /// Namespace, or empty at the cluster scope.
    pub namespace: &'a str,
    /// Path of a request that is not about a resource.
    pub path: &'a str,
}

impl Attributes<'_> {
    /// `User "x" cannot list resource "pods" in API group "" in the namespace "default"`, sanitized as upstream does.
    pub fn sentence(&self) -> String {
        let sentence = if self.resource.is_empty() {
            format!("User {} cannot {} path {}", quote(self.user), self.verb, quote(self.path))
        } else {
            let resource = match self.subresource {
                "" => quote(self.resource),
                subresource => quote(&format!("{}/{subresource}", self.resource)),
            };
            let place = match self.namespace {
                "" => "at the cluster scope".to_string(),
                namespace => format!("in the namespace {}", quote(namespace)),
            };
            let (user, verb, group) = (quote(self.user), self.verb, quote(self.group));
            format!("User {user} cannot {verb} resource {resource} in API group {group} {place}")
        };
        text::sanitize(&sentence)
    }
}

/// Which 410 of the Expired kind.
#[derive(Clone, Copy, Debug)]
pub enum Expired<'a> {
    /// A watch from a revision that is compacted: asked for, and the oldest that is there.
    Watch {
        /// What the client asked for.
        requested: i64,
        /// The oldest revision that could be served.
        oldest: i64,
    },
    /// A list at a compacted revision.
    List,
    /// A continue token at a compacted revision, and the token that goes on inconsistently, if there is one.
    Continue {
        /// Token for the remainder at the current revision.
        inconsistent: Option<&'a str>,
    },
}

impl Status {
    /// 404 about one object.
    pub fn not_found(resource: GroupResource<'_>, name: &str) -> Status {
        Status::failure(404, reason::NOT_FOUND, format!("{resource} {} not found", quote(name)))
            .with_details(about(resource, name))
    }

    /// 404 about a path or resource that this server does not have.
    pub fn unknown_resource() -> Status {
        Status::failure(404, reason::NOT_FOUND, "the server could not find the requested resource")
            .with_details(Details::default())
    }

    /// 405 about a path that knows other methods.
    pub fn method_not_allowed() -> Status {
        let message = "the server does not allow this method on the requested resource";
        Status::failure(405, reason::METHOD_NOT_ALLOWED, message).with_details(Details::default())
    }

    /// 409: a create of what exists.
    pub fn already_exists(resource: GroupResource<'_>, name: &str) -> Status {
        Status::failure(409, reason::ALREADY_EXISTS, format!("{resource} {} already exists", quote(name)))
            .with_details(about(resource, name))
    }

    /// 409: no free name was found for a generateName.
    pub fn generate_name_conflict(resource: GroupResource<'_>, name: &str, retry_after_seconds: u32) -> Status {
        let message = format!(
            "{resource} {} already exists, the server was not able to generate a unique name for the object",
            quote(name)
        );
        Status::failure(409, reason::ALREADY_EXISTS, message)
            .with_details(about(resource, name))
            .with_retry_after(retry_after_seconds)
    }

    /// 409 with the reason behind it.
    pub fn conflict(resource: GroupResource<'_>, name: &str, why: impl Display) -> Status {
        let message = format!("Operation cannot be fulfilled on {resource} {}: {why}", quote(name));
        Status::failure(409, reason::CONFLICT, message).with_details(about(resource, name))
    }

    /// 409 of optimistic concurrency.
    pub fn conflict_modified(resource: GroupResource<'_>, name: &str) -> Status {
        Status::conflict(resource, name, text::OPTIMISTIC_LOCK_ERROR)
    }

    /// 422 with every refused field as a cause.
    pub fn invalid(kind: GroupKind<'_>, name: &str, errors: &ErrorList) -> Status {
        let message = match errors.aggregate() {
            None => format!("{kind} {} is invalid", quote(name)),
            Some(errors) => format!("{kind} {} is invalid: {errors}", quote(name)),
        };
        Status::failure(422, reason::INVALID, message).with_details(Details {
            name: name.into(),
            group: kind.group.into(),
            kind: kind.kind.into(),
            causes: errors.causes(),
            ..Details::default()
        })
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Status {
        Status::failure(400, reason::BAD_REQUEST, message)
    }

    /// 401; an empty message says "not authorized".
    pub fn unauthorized(message: &str) -> Status {
        let message = if message.is_empty() { "not authorized" } else { message };
        Status::failure(401, reason::UNAUTHORIZED, message)
    }

    /// 403 by admission or validation: `pods "x" is forbidden: why`.
    pub fn forbidden(resource: GroupResource<'_>, name: &str, why: impl Display) -> Status {
        let message = match (resource.resource, name) {
            ("", _) => format!("forbidden: {why}"),
            (_, "") => format!("{resource} is forbidden: {why}"),
            (_, name) => format!("{resource} {} is forbidden: {why}", quote(name)),
        };
        Status::failure(403, reason::FORBIDDEN, message).with_details(about(resource, name))
    }

    /// 403 by authorisation, with upstream's sentence; `why` is the authoriser's reason or empty.
    pub fn not_authorized(attributes: &Attributes<'_>, why: &str) -> Status {
        let sentence = attributes.sentence();
        let message = if why.is_empty() { sentence } else { format!("{sentence}: {why}") };
        let resource = GroupResource { group: attributes.group, resource: attributes.resource };
        Status::forbidden(resource, attributes.name, message)
    }

    /// 405: the resource is there, the verb is not.
    pub fn method_not_supported(resource: GroupResource<'_>, action: &str) -> Status {
        let message = format!("{action} is not supported on resources of kind {}", quote(&resource.to_string()));
        Status::failure(405, reason::METHOD_NOT_ALLOWED, message).with_details(about(resource, ""))
    }

    /// 406 with what would be acceptable.
    pub fn not_acceptable(accepted: &[&str]) -> Status {
        let message = format!("only the following media types are accepted: {}", accepted.join(", "));
        Status::failure(406, reason::NOT_ACCEPTABLE, message)
    }

    /// 415 with what would be understood.
    pub fn unsupported_media_type(accepted: &[&str]) -> Status {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Status::failure(415, reason::UNSUPPORTED_MEDIA_TYPE, message)
    }

    /// 413.
    pub fn request_entity_too_large(why: impl Display) -> Status {
        Status::failure(413, reason::REQUEST_ENTITY_TOO_LARGE, format!("Request entity too large: {why}"))
    }

    /// 429 with a Retry-After.
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Status {
        Status::failure(429, reason::TOO_MANY_REQUESTS, message).with_retry_after(retry_after_seconds)
    }

    /// 504.
    pub fn timeout(why: impl Display, retry_after_seconds: u32) -> Status {
        let details = Details { retry_after_seconds, ..Details::default() };
        Status::failure(504, reason::TIMEOUT, format!("Timeout: {why}")).with_details(details)
    }

    /// 504 for a resource version of the future.
    pub fn too_large_resource_version(requested: i64, current: i64, retry_after_seconds: u32) -> Status {
        let why = format!("Too large resource version: {requested}, current: {current}");
        Status::timeout(why, retry_after_seconds).with_cause(Cause {
            reason: "ResourceVersionTooLarge".into(),
            message: "Too large resource version".into(),
            field: String::new(),
        })
    }

    /// 500 that asks to try again.
    pub fn server_timeout(resource: GroupResource<'_>, operation: &str, retry_after_seconds: u32) -> Status {
        let message = format!(
            "The {operation} operation against {resource} could not be completed at this time, please try again."
        );
        let details = Details { retry_after_seconds, ..about(resource, operation) };
        Status::failure(500, reason::SERVER_TIMEOUT, message).with_details(details)
    }

    /// 500.
    pub fn internal_error(why: impl Display) -> Status {
        let why = why.to_string();
        Status::failure(500, reason::INTERNAL_ERROR, format!("Internal error occurred: {why}"))
            .with_cause(Cause { message: why, ..Cause::default() })
    }

    /// 503.
    pub fn service_unavailable(message: impl Into<String>) -> Status {
        Status::failure(503, reason::SERVICE_UNAVAILABLE, message)
    }

    /// 410 without a remedy.
    pub fn gone(message: impl Into<String>) -> Status {
        Status::failure(410, reason::GONE, message)
    }

    /// 410 because history is compacted: the client lists again.
    pub fn expired(which: Expired<'_>) -> Status {
        match which {
            Expired::Watch { requested, oldest } => {
                Status::resource_expired(format!("too old resource version: {requested} ({oldest})"))
            }
            Expired::List => Status::resource_expired(text::LIST_TOO_OLD),
            Expired::Continue { inconsistent: None } => Status::resource_expired(text::CONTINUE_TOO_OLD),
            Expired::Continue { inconsistent: Some(token) } => {
                let mut status = Status::resource_expired(text::CONTINUE_TOO_OLD_WITH_TOKEN);
                status.metadata.continue_token = token.into();
                status
            }
        }
    }

    /// 410 with a text of the caller's.
    pub fn resource_expired(message: impl Into<String>) -> Status {
        Status::failure(410, reason::EXPIRED, message)
    }

    /// What a client would make of an answer that carries no status: for answers of a node or another server. An
    /// unexpected answer is repeated as a cause.
    pub fn generic_server_response(
        code: u16,
        verb: &str,
        resource: GroupResource<'_>,
        name: &str,
        server_message: &str,
        unexpected: bool,
    ) -> Status {
        let (why, message) = generic(code, server_message);
        let message = match (resource.resource, name) {
            ("", _) => message,
            (_, "") => format!("{message} ({} {resource})", verb.to_lowercase()),
            (_, name) => format!("{message} ({} {resource} {name})", verb.to_lowercase()),
        };
        let status = Status::failure(code, why, message).with_details(about(resource, name));
        if !unexpected {
            return status;
        }
        status.with_cause(Cause {
            reason: "UnexpectedServerResponse".into(),
            message: server_message.into(),
            field: String::new(),
        })
    }
}

fn generic(code: u16, server_message: &str) -> (&'static str, String) {
    let or = |text: &str| if server_message.is_empty() { text.to_string() } else { server_message.to_string() };
    match code {
        409 => (reason::CONFLICT, "the server reported a conflict".into()),
        404 => (reason::NOT_FOUND, "the server could not find the requested resource".into()),
        400 => (reason::BAD_REQUEST, "the server rejected our request for an unknown reason".into()),
        401 => (reason::UNAUTHORIZED, "the server has asked for the client to provide credentials".into()),
        403 => (reason::FORBIDDEN, or("the server has forbidden the request")),
        406 => (
            reason::NOT_ACCEPTABLE,
            or("the server was unable to respond with a content type that the client supports"),
        ),
        415 => (
            reason::UNSUPPORTED_MEDIA_TYPE,
            or("the server was unable to process the content type of the request body"),
        ),
        405 => (reason::METHOD_NOT_ALLOWED, "the server does not allow this method on the requested resource".into()),
        422 => (reason::INVALID, "the server rejected our request due to an error in our request".into()),
        503 => (reason::SERVICE_UNAVAILABLE, or("the server is currently unable to handle the request")),
        504 => (
            reason::TIMEOUT,
            "the server was unable to return a response in the time allotted, but may still be processing the request"
                .into(),
        ),
        429 => (
            reason::TOO_MANY_REQUESTS,
            "the server has received too many requests and has asked us to try again later".into(),
        ),
        code if code >= 500 => (
            reason::INTERNAL_ERROR,
            format!("an error on the server ({}) has prevented the request from succeeding", quote(server_message)),
        ),
        code => (
            reason::UNKNOWN,
            format!("the server responded with the status code {code} but did not return more information"),
        ),
    }
}

fn about(resource: GroupResource<'_>, name: &str) -> Details {
    Details { name: name.into(), group: resource.group.into(), kind: resource.resource.into(), ..Details::default() }
}
