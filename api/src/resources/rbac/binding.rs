//! RoleBinding and ClusterRoleBinding: who has the rights of a role in a namespace, or in the whole cluster. One strategy
//! serves both kinds, which differ in their scope and in what that allows.

use super::GROUP;
use super::escalation::NoEscalation;
use crate::auth::authz::escalation;
use crate::registry::strategy::{ALL_VERBS, Column, Hooks, KindInfo, NameRule, Strategy};
use crate::resources::cells;
use crate::resources::check;
use crate::resources::value::{child, default_zero, items_mut, list, name, text};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::names;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The strategy of one of the two kinds.
pub struct Binding {
    info: &'static KindInfo,
    hooks: NoEscalation,
}

const fn info(kind: &'static str, resource: &'static str, singular: &'static str, namespaced: bool) -> KindInfo {
    KindInfo {
        group: GROUP,
        version: "v1",
        kind,
        resource,
        singular,
        short_names: &[],
        categories: &[],
        namespaced,
        verbs: ALL_VERBS,
        subresources: &[],
        name_rule: NameRule::PathSegment,
        stored: true,
    }
}

/// Binds a role of the namespace or of the cluster within a namespace.
pub static ROLE_BINDING: Binding = Binding {
    info: &info("RoleBinding", "rolebindings", "rolebinding", true),
    hooks: NoEscalation { resource: "rolebindings", check: escalation::check_binding },
};

/// Binds a role of the cluster everywhere.
pub static CLUSTER_ROLE_BINDING: Binding = Binding {
    info: &info("ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding", false),
    hooks: NoEscalation { resource: "clusterrolebindings", check: escalation::check_binding },
};

impl Strategy for Binding {
    fn info(&self) -> &'static KindInfo {
        self.info
    }

    fn default(&self, object: &mut Value) {
        default(object);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        validate(object, self.info.namespaced)
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        validate_update(new, old, self.info.namespaced)
    }

    fn hooks(&self) -> Option<&dyn Hooks> {
        Some(&self.hooks)
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        row(object, now)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}

/// Columns of bindings.
const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::new("Role", "string"),
    Column::AGE,
    Column::wide("Users", "string"),
    Column::wide("Groups", "string"),
    Column::wide("ServiceAccounts", "string"),
];

/// Fills in the API groups of the role and of subjects.
fn default(object: &mut Value) {
    if let Some(role) = child(object, "roleRef") {
        default_zero(role, "apiGroup", GROUP);
    }
    for subject in items_mut(object, "subjects") {
        if matches!(text(subject, "kind"), "User" | "Group") {
            default_zero(subject, "apiGroup", GROUP);
        }
    }
}

/// Checks a binding. Within a namespace it may name a role of that namespace, and service accounts without theirs. What
/// upstream declares comes last.
fn validate(object: &Value, namespaced: bool) -> ErrorList {
    let mut errors = ErrorList::new();
    let (role, path) = (&object["roleRef"], Path::root("roleRef"));
    check::one_of(text(role, "apiGroup"), &[GROUP], &path.child("apiGroup"), &mut errors);
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    check::one_of(text(role, "kind"), kinds, &path.child("kind"), &mut errors);
    let name = text(role, "name");
    if !name.is_empty() {
        check::complain(names::is_path_segment_name(name), name, &path.child("name"), &mut errors);
    }
    for (index, subject) in list(object, "subjects").iter().enumerate() {
        validate_subject(subject, namespaced, &Path::root("subjects").index(index), &mut errors);
    }
    for (index, subject) in list(object, "subjects").iter().enumerate() {
        if text(subject, "name").is_empty() {
            errors.push(Error::required(&Path::root("subjects").index(index).child("name"), ""));
        }
    }
    if name.is_empty() {
        errors.push(Error::required(&path.child("name"), ""));
    }
    errors
}

/// Checks a change of a binding: its role stays.
fn validate_update(new: &Value, old: &Value, namespaced: bool) -> ErrorList {
    let mut errors = validate(new, namespaced);
    let role = &new["roleRef"];
    if ["apiGroup", "kind", "name"].iter().any(|key| text(role, key) != text(&old["roleRef"], key)) {
        // Upstream shows the fields under the names its own type has.
        let shown = json!({ "APIGroup": role["apiGroup"], "Kind": role["kind"], "Name": role["name"] });
        errors.push(Error::invalid(&Path::root("roleRef"), shown, check::IMMUTABLE));
    }
    errors
}

fn validate_subject(subject: &Value, namespaced: bool, path: &Path, errors: &mut ErrorList) {
    let (name, group) = (text(subject, "name"), text(subject, "apiGroup"));
    match text(subject, "kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                check::subdomain(name, &path.child("name"), errors);
            }
            check::one_of(group, &[""], &path.child("apiGroup"), errors);
            if !namespaced && text(subject, "namespace").is_empty() {
                errors.push(Error::required(&path.child("namespace"), ""));
            }
        }
        "User" | "Group" => check::one_of(group, &[GROUP], &path.child("apiGroup"), errors),
        other => {
            let kinds = ["ServiceAccount", "User", "Group"];
            errors.push(Error::not_supported(&path.child("kind"), other, &kinds));
        }
    }
}

/// The row of a binding.
fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let role = &object["roleRef"];
    let of = |kind: &str| {
        let subjects = list(object, "subjects").iter().filter(|subject| text(subject, "kind") == kind);
        let names: Vec<String> = subjects
            .map(|subject| match (kind, text(subject, "namespace")) {
                ("ServiceAccount", namespace) => format!("{namespace}/{}", text(subject, "name")),
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
