//! What the access reviews have in common: exactly one question, about somebody.

use crate::resources::value::{has, list, namespace, text};
use api_machinery::field::{Error, ErrorList, Path};
use serde_json::Value;

/// Whom a review asks about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The user who asks.
    Oneself,
    /// Any user.
    Subject,
    /// Any user, in the namespace of the review.
    SubjectInNamespace,
}

/// Errors of a review.
pub(super) fn validate(review: &Value, asked: Asked) -> ErrorList {
    let mut errors = ErrorList::new();
    let (spec, path) = (&review["spec"], Path::root("spec"));
    let (resource, other) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let shown = [("Path", text(other, "path").into()), ("Verb", text(other, "verb").into())];
    match (resource.is_null(), other.is_null()) {
        (false, false) => {
            let text = "cannot be specified in combination with resourceAttributes";
            errors.push(Error::invalid(&path.child("nonResourceAttributes"), other.clone(), text).shown_as(&shown));
        }
        (true, true) => {
            let text = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            errors.push(Error::invalid(&path.child("resourceAttributes"), Value::Null, text));
        }
        _ => {}
    }
    if asked != Asked::Oneself && text(spec, "user").is_empty() && list(spec, "groups").is_empty() {
        let text = "at least one of user or group must be specified";
        errors.push(Error::invalid(&path.child("user"), "", text));
    }
    let foreign = review["metadata"].as_object().into_iter().flatten().any(|(key, value)| {
        let allowed = key == "managedFields" || (key == "namespace" && asked == Asked::SubjectInNamespace);
        !allowed && !value.is_null() && !value.as_object().is_some_and(serde_json::Map::is_empty)
    });
    if foreign {
        let text = match asked {
            Asked::SubjectInNamespace => "must be empty except for namespace",
            _ => "must be empty",
        };
        errors.push(Error::invalid(&Path::root("metadata"), review["metadata"].clone(), text));
    }
    if asked == Asked::SubjectInNamespace {
        let wanted = text(resource, "namespace");
        if has(spec, "resourceAttributes") && wanted != namespace(review) {
            let path = Path::of(&["spec", "resourceAttributes", "namespace"]);
            errors.push(Error::invalid(&path, wanted, "must match metadata.namespace"));
        }
        if !other.is_null() {
            let path = path.child("nonResourceAttributes");
            let error = Error::invalid(&path, other.clone(), "disallowed on this kind of request");
            errors.push(error.shown_as(&shown));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::testing::messages;
    use serde_json::json;

    // proves: AM-33
    #[test]
    fn a_review_asks_one_question_about_somebody() {
        let question = json!({"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "a"}});
        assert_eq!(messages(validate(&json!({"spec": question}), Asked::Oneself)), [""; 0]);
        assert_eq!(
            messages(validate(&json!({"spec": {}}), Asked::Subject)),
            [
                "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or \
                 resourceAttributes must be specified",
                "spec.user: Invalid value: \"\": at least one of user or group must be specified",
            ]
        );
        let mut local = json!({"metadata": {"namespace": "b"}, "spec": question});
        local["spec"]["user"] = json!("u");
        assert_eq!(
            messages(validate(&local, Asked::SubjectInNamespace)),
            ["spec.resourceAttributes.namespace: Invalid value: \"a\": must match metadata.namespace"]
        );
    }
}
