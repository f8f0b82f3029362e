//! Binding at its old place, `namespaces/N/bindings`: what `pods/binding` takes, with the pod's name in the body only.

use crate::registry::strategy::{CREATE_ONLY, KindInfo, NameRule, Strategy};
use api_machinery::field::ErrorList;
use serde_json::Value;

static INFO: KindInfo = KindInfo {
    group: "",
    version: "v1",
    kind: "Binding",
    resource: "bindings",
    singular: "binding",
    short_names: &[],
    categories: &[],
    namespaced: true,
    verbs: CREATE_ONLY,
    subresources: &[],
    name_rule: NameRule::Subdomain,
    stored: false,
};

/// The strategy of Bindings. What they ask for is checked where pods are bound.
#[derive(Debug)]
pub struct Binding;

impl Strategy for Binding {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn validate(&self, _object: &Value) -> ErrorList {
        ErrorList::new()
    }
}
