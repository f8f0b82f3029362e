//! Kinds that are asked, answered and never stored: the reviews, and Binding at its old place. One strategy serves them
//! all.

use crate::registry::strategy::{CREATE_ONLY, KindInfo, NameRule, Strategy};
use api_machinery::field::ErrorList;
use serde_json::Value;

/// The strategy of one of these kinds.
pub struct Question {
    pub(super) info: &'static KindInfo,
    /// What must hold besides the schema.
    pub(super) validate: fn(&Value) -> ErrorList,
}

pub(super) const fn info(
    group: &'static str,
    kind: &'static str,
    resource: &'static str,
    singular: &'static str,
    namespaced: bool,
) -> KindInfo {
    KindInfo {
        group,
        version: "v1",
        kind,
        resource,
        singular,
        short_names: &[],
        categories: &[],
        namespaced,
        verbs: CREATE_ONLY,
        subresources: &[],
        name_rule: NameRule::Subdomain,
        stored: false,
    }
}

/// Nothing: whoever answers checks what it needs.
pub(super) fn unchecked(_object: &Value) -> ErrorList {
    ErrorList::new()
}

impl Strategy for Question {
    fn info(&self) -> &'static KindInfo {
        self.info
    }

    fn validate(&self, object: &Value) -> ErrorList {
        (self.validate)(object)
    }
}
