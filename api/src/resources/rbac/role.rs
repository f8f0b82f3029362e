//! Role: rights in a namespace.

use crate::auth::authz::escalation;
use crate::registry::strategy::{ALL_VERBS, Hooks, KindInfo, NameRule, Strategy};
use crate::resources::rbac::GROUP;
use crate::resources::rbac::escalation::NoEscalation;
use crate::resources::rbac::rules;
use crate::resources::value::null_if_empty;
use api_machinery::field::ErrorList;
use serde_json::Value;

static INFO: KindInfo = KindInfo {
    group: GROUP,
    version: "v1",
    kind: "Role",
    resource: "roles",
    singular: "role",
    short_names: &[],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[],
    name_rule: NameRule::PathSegment,
    stored: true,
};

/// The strategy of Roles.
#[derive(Debug)]
pub struct Role;

impl Strategy for Role {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    /// Upstream writes `rules` even where there are none.
    fn default(&self, object: &mut Value) {
        null_if_empty(object, "rules");
    }

    fn validate(&self, object: &Value) -> ErrorList {
        rules::validate(object, true)
    }

    fn hooks(&self) -> Option<&dyn Hooks> {
        Some(&NoEscalation { resource: "roles", check: escalation::check_role })
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}
