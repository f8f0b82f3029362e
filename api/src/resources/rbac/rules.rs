//! What roles of both scopes have in common: rules, and that nobody hands out what he does not hold.

use crate::auth::authz::escalation;
use crate::registry::Registry;
use crate::registry::strategy::{Cx, Hooks, Reservation};
use crate::resources::value::{keep, list, same};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::status::Status;
use async_trait::async_trait;
use serde_json::Value;

/// Checks `rules`. Those of a namespace know no paths outside resources.
pub(super) fn validate(role: &Value, namespaced: bool) -> ErrorList {
    let mut errors = ErrorList::new();
    for (index, rule) in list(role, "rules").iter().enumerate() {
        validate_rule(rule, namespaced, &Path::root("rules").index(index), &mut errors);
    }
    errors
}

fn validate_rule(rule: &Value, namespaced: bool, path: &Path, errors: &mut ErrorList) {
    let empty = |key| list(rule, key).is_empty();
    if empty("verbs") {
        errors.push(Error::required(&path.child("verbs"), "verbs must contain at least one value"));
    }
    if !empty("nonResourceURLs") {
        let path = path.child("nonResourceURLs");
        let urls = || rule["nonResourceURLs"].clone();
        if namespaced {
            errors.push(Error::invalid(&path, urls(), "namespaced rules cannot apply to non-resource URLs"));
        }
        if !empty("apiGroups") || !empty("resources") || !empty("resourceNames") {
            let text = "rules cannot apply to both regular resources and non-resource URLs";
            errors.push(Error::invalid(&path, urls(), text));
        }
        return;
    }
    if empty("apiGroups") {
        let text = "resource rules must supply at least one api group";
        errors.push(Error::required(&path.child("apiGroups"), text));
    }
    if empty("resources") {
        let text = "resource rules must supply at least one resource";
        errors.push(Error::required(&path.child("resources"), text));
    }
}

/// Whether an update only lets the garbage collector finish: nobody needs rights for that.
pub(super) fn only_for_collection(new: &Value, old: &Value) -> bool {
    let mut rest = new.clone();
    if let Some(metadata) = rest.get_mut("metadata") {
        for key in ["ownerReferences", "finalizers", "managedFields", "resourceVersion", "generation"] {
            keep(metadata, &old["metadata"], key);
        }
    }
    same(&rest, old)
}

/// The check of a role before it is written. The field is the plural of its kind.
pub(super) struct NoEscalation(pub(super) &'static str);

impl NoEscalation {
    fn check(&self, cx: &Cx<'_>, registry: &Registry, role: &Value) -> Result<Reservation, Status> {
        escalation::check_role(registry.authorizer(), cx.user, cx.namespace, self.0, role)?;
        Ok(Reservation::new())
    }
}

#[async_trait]
impl Hooks for NoEscalation {
    async fn begin_create(&self, cx: &Cx<'_>, registry: &Registry, new: &mut Value) -> Result<Reservation, Status> {
        self.check(cx, registry, new)
    }

    async fn begin_update(
        &self,
        cx: &Cx<'_>,
        registry: &Registry,
        new: &mut Value,
        old: &Value,
    ) -> Result<Reservation, Status> {
        match only_for_collection(new, old) {
            true => Ok(Reservation::new()),
            false => self.check(cx, registry, new),
        }
    }
}
