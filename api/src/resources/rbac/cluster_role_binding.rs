//! ClusterRoleBinding: who has the rights of a role in the whole cluster.

use crate::auth::authz::escalation;
use crate::registry::strategy::{ALL_VERBS, Column, Hooks, KindInfo, NameRule, Strategy};
use crate::resources::rbac::GROUP;
use crate::resources::rbac::binding;
use crate::resources::rbac::escalation::NoEscalation;
use api_machinery::field::ErrorList;
use jiff::Timestamp;
use serde_json::Value;

static INFO: KindInfo = KindInfo {
    group: GROUP,
    version: "v1",
    kind: "ClusterRoleBinding",
    resource: "clusterrolebindings",
    singular: "clusterrolebinding",
    short_names: &[],
    categories: &[],
    namespaced: false,
    verbs: ALL_VERBS,
    subresources: &[],
    name_rule: NameRule::PathSegment,
    stored: true,
};

/// The strategy of ClusterRoleBindings.
#[derive(Debug)]
pub struct ClusterRoleBinding;

impl Strategy for ClusterRoleBinding {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn default(&self, object: &mut Value) {
        binding::default(object);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        binding::validate(object, false)
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        binding::validate_update(new, old, false)
    }

    fn hooks(&self) -> Option<&dyn Hooks> {
        Some(&NoEscalation { resource: "clusterrolebindings", check: escalation::check_binding })
    }

    fn columns(&self) -> &'static [Column] {
        binding::COLUMNS
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        binding::row(object, now)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}
