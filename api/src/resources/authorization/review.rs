//! What the access reviews have in common: exactly one question, about somebody.

use crate::resources::check;
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
    if resource.is_null() == other.is_null() {
        let text = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        let error = Error::invalid(&path, other.clone(), text);
        errors.push(if other.is_null() { error } else { error.shown_as(&shown) });
    }
    if asked != Asked::Oneself && text(spec, "user").is_empty() && list(spec, "groups").is_empty() {
        let text = "at least one of user or group must be specified";
        errors.push(Error::invalid(&path.child("user"), "", text));
    }
    for kind in ["fieldSelector", "labelSelector"] {
        validate_selector(&resource[kind], kind, &path.child("resourceAttributes").child(kind), &mut errors);
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

/// A selector is given as text or as requirements. An operator that is not known makes the question no worse.
fn validate_selector(selector: &Value, kind: &str, path: &Path, errors: &mut ErrorList) {
    if selector.is_null() {
        return;
    }
    let (raw, requirements) = (text(selector, "rawSelector"), list(selector, "requirements"));
    if !raw.is_empty() && !requirements.is_empty() {
        let text = "may not specified at the same time as requirements";
        errors.push(Error::invalid(&path.child("rawSelector"), raw, text));
    }
    if raw.is_empty() && requirements.is_empty() {
        let text = format!("when {path} is specified, requirements or rawSelector is required");
        errors.push(Error::required(&path.child("requirements"), text));
    }
    for (index, requirement) in requirements.iter().enumerate() {
        let path = path.child("requirements").index(index);
        let (key, values) = (text(requirement, "key"), list(requirement, "values"));
        if kind == "fieldSelector" && key.is_empty() {
            errors.push(Error::required(&path.child("key"), "must be specified"));
        }
        match text(requirement, "operator") {
            "In" | "NotIn" if values.is_empty() => {
                let text = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(Error::required(&path.child("values"), text));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(Error::forbidden(&path.child("values"), text));
            }
            _ => {}
        }
        if kind == "labelSelector" {
            check::label_name(key, &path.child("key"), errors);
            for (index, value) in values.iter().filter_map(Value::as_str).enumerate() {
                let complaints = api_machinery::names::is_label_value(value);
                check::complain(complaints, value, &path.child("values").index(index), errors);
            }
        }
    }
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
                "spec: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified",
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

    // proves: AM-33
    #[test]
    fn a_selector_of_a_question_is_text_or_requirements() {
        let ask =
            |resource: Value| messages(validate(&json!({"spec": {"resourceAttributes": resource}}), Asked::Oneself));
        let known = json!({"key": "a", "operator": "In", "values": ["x"]});
        let unknown = json!({"key": "a", "operator": "Foo", "values": ["x"]});
        assert_eq!(ask(json!({"fieldSelector": {"requirements": [known, unknown]}})), [""; 0]);
        let bad = json!({
            "fieldSelector": {"rawSelector": "a=b", "requirements": [{"key": "", "operator": "In"}]},
            "labelSelector": {},
        });
        assert_eq!(
            ask(bad),
            [
                "spec.resourceAttributes.fieldSelector.rawSelector: Invalid value: \"a=b\": may not specified at the same \
                 time as requirements",
                "spec.resourceAttributes.fieldSelector.requirements[0].key: Required value: must be specified",
                "spec.resourceAttributes.fieldSelector.requirements[0].values: Required value: must be specified when \
                 `operator` is 'In' or 'NotIn'",
                "spec.resourceAttributes.labelSelector.requirements: Required value: when \
                 spec.resourceAttributes.labelSelector is specified, requirements or rawSelector is required",
            ]
        );
        let bad = json!({"labelSelector": {"requirements": [{"key": "a b", "operator": "Exists", "values": ["$"]}]}});
        assert_eq!(ask(bad).len(), 3);
    }
}
