//! ClusterRole: rights in every namespace and outside of them.

use crate::auth::authz::escalation;
use crate::registry::strategy::{ALL_VERBS, Hooks, KindInfo, NameRule, Strategy};
use crate::resources::check;
use crate::resources::rbac::GROUP;
use crate::resources::rbac::escalation::NoEscalation;
use crate::resources::rbac::rules;
use crate::resources::value::{has, list, null_if_empty};
use api_machinery::field::{Error, ErrorList, Path};
use serde_json::Value;

static INFO: KindInfo = KindInfo {
    group: GROUP,
    version: "v1",
    kind: "ClusterRole",
    resource: "clusterroles",
    singular: "clusterrole",
    short_names: &[],
    categories: &[],
    namespaced: false,
    verbs: ALL_VERBS,
    subresources: &[],
    name_rule: NameRule::PathSegment,
    stored: true,
};

/// The strategy of ClusterRoles.
#[derive(Debug)]
pub struct ClusterRole;

impl Strategy for ClusterRole {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    /// Upstream writes `rules` even where there are none.
    fn default(&self, object: &mut Value) {
        null_if_empty(object, "rules");
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = rules::validate(object, false);
        if has(object, "aggregationRule") {
            validate_aggregation(&object["aggregationRule"], &mut errors);
        }
        errors
    }

    fn hooks(&self) -> Option<&dyn Hooks> {
        Some(&NoEscalation { resource: "clusterroles", check: escalation::check_role })
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}

fn validate_aggregation(rule: &Value, errors: &mut ErrorList) {
    let path = Path::of(&["aggregationRule", "clusterRoleSelectors"]);
    let selectors = list(rule, "clusterRoleSelectors");
    if selectors.is_empty() {
        let text = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        errors.push(Error::required(&path, text));
    }
    for (index, selector) in selectors.iter().enumerate() {
        let before = errors.len();
        check::label_selector(selector, &path.index(index), errors);
        if errors.len() > before {
            errors.push(Error::invalid(&path.index(index), Value::Null, "invalid label selector."));
        }
    }
}
