//! What bindings of both scopes have in common: a role, subjects, and that nobody binds what he does not hold.

use super::GROUP;
use crate::registry::strategy::Column;
use crate::resources::cells;
use crate::resources::check;
use crate::resources::value::{child, default_zero, items_mut, list, name, text};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::names;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Columns of bindings.
pub(super) const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::new("Role", "string"),
    Column::AGE,
    Column::wide("Users", "string"),
    Column::wide("Groups", "string"),
    Column::wide("ServiceAccounts", "string"),
];

/// Fills in the API groups of the role and of subjects.
pub(super) fn default(object: &mut Value) {
    if let Some(role) = child(object, "roleRef") {
        default_zero(role, "apiGroup", GROUP);
    }
    for subject in items_mut(object, "subjects") {
        if matches!(text(subject, "kind"), "User" | "Group") {
            default_zero(subject, "apiGroup", GROUP);
        }
    }
}

/// Checks a binding. Within a namespace it may name a role of that namespace, and service accounts without theirs.
pub(super) fn validate(object: &Value, namespaced: bool) -> ErrorList {
    let mut errors = ErrorList::new();
    let (role, path) = (&object["roleRef"], Path::root("roleRef"));
    check::one_of(text(role, "apiGroup"), &[GROUP], &path.child("apiGroup"), &mut errors);
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    check::one_of(text(role, "kind"), kinds, &path.child("kind"), &mut errors);
    match text(role, "name") {
        "" => errors.push(Error::required(&path.child("name"), "")),
        name => check::complain(names::is_path_segment_name(name), name, &path.child("name"), &mut errors),
    }
    for (index, subject) in list(object, "subjects").iter().enumerate() {
        validate_subject(subject, namespaced, &Path::root("subjects").index(index), &mut errors);
    }
    errors
}

/// Checks a change of a binding: its role stays.
pub(super) fn validate_update(new: &Value, old: &Value, namespaced: bool) -> ErrorList {
    let mut errors = validate(new, namespaced);
    let role = &new["roleRef"];
    if ["apiGroup", "kind", "name"].iter().any(|key| text(role, key) != text(&old["roleRef"], key)) {
        // Upstream shows the fields under the names its own type has.
        let shown = json!({ "APIGroup": role["apiGroup"], "Kind": role["kind"], "Name": role["name"] });
        errors.push(Error::invalid(&Path::root("roleRef"), shown, "cannot change roleRef"));
    }
    errors
}

fn validate_subject(subject: &Value, namespaced: bool, path: &Path, errors: &mut ErrorList) {
    let (name, group) = (text(subject, "name"), text(subject, "apiGroup"));
    let name_path = path.child("name");
    if name.is_empty() {
        errors.push(Error::required(&name_path, ""));
    }
    match text(subject, "kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                check::subdomain(name, &name_path, errors);
            }
            check::one_of(group, &[""], &path.child("apiGroup"), errors);
            if !namespaced && text(subject, "namespace").is_empty() {
                errors.push(Error::required(&path.child("namespace"), ""));
            }
        }
        kind @ ("User" | "Group") => {
            if name.is_empty() {
                let text = format!("{} name cannot be empty", kind.to_lowercase());
                errors.push(Error::invalid(&name_path, name, text));
            }
            check::one_of(group, &[GROUP], &path.child("apiGroup"), errors);
        }
        other => {
            let kinds = ["ServiceAccount", "User", "Group"];
            errors.push(Error::not_supported(&path.child("kind"), other, &kinds));
        }
    }
}

/// The row of a binding.
pub(super) fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let role = &object["roleRef"];
    let of = |kind: &str| {
        let subjects = list(object, "subjects").iter().filter(|subject| text(subject, "kind") == kind);
        let names: Vec<String> = subjects
            .map(|subject| match (kind, text(subject, "namespace")) {
                ("ServiceAccount", namespace) if !namespace.is_empty() => {
                    format!("{namespace}/{}", text(subject, "name"))
                }
                _ => text(subject, "name").to_owned(),
            })
            .collect();
        Value::String(names.join(", "))
    };
    vec![
        name(object).into(),
        format!("{}/{}", text(role, "kind"), text(role, "name")).into(),
        cells::age(object, now),
        of("User"),
        of("Group"),
        of("ServiceAccount"),
    ]
}
