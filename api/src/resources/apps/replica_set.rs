//! ReplicaSet: keeps a number of equal pods.

use crate::registry::strategy::{ALL_VERBS, Column, Cx, KindInfo, NameRule, Strategy, Subresource};
use crate::resources::apps::{validate_counters, validate_replicated};
use crate::resources::core::pod::warnings;
use crate::resources::lifecycle::{set_generation, update_with_status};
use crate::resources::pod_spec::default_template;
use crate::resources::value::{child, default_absent, drop_zero, int, name, set};
use crate::resources::{cells, check};
use api_machinery::field::{ErrorList, Path};
use api_machinery::meta;
use api_machinery::selector::LabelSelector;
use jiff::Timestamp;
use serde_json::{Value, json};

static INFO: KindInfo = KindInfo {
    group: "apps",
    version: "v1",
    kind: "ReplicaSet",
    resource: "replicasets",
    singular: "replicaset",
    short_names: &["rs"],
    categories: &["all"],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[Subresource::SCALE, Subresource::STATUS],
    name_rule: NameRule::Subdomain,
    stored: true,
};

/// The strategy of ReplicaSets.
#[derive(Debug)]
pub struct ReplicaSet;

impl Strategy for ReplicaSet {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn default(&self, object: &mut Value) {
        default_template(object);
        if let Some(spec) = child(object, "spec") {
            default_absent(spec, "replicas", 1);
            drop_zero(spec, &["minReadySeconds"]);
        }
        if let Some(status) = child(object, "status") {
            default_absent(status, "replicas", 0);
        }
    }

    fn prepare_for_create(&self, _cx: &Cx<'_>, object: &mut Value) {
        set(object, "status", json!({ "replicas": 0 }));
        set_generation(object, 1);
    }

    fn prepare_for_update(&self, _cx: &Cx<'_>, new: &mut Value, old: &Value) {
        update_with_status(new, old);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (spec, path) = (&object["spec"], Path::root("spec"));
        let seconds = int(spec, "minReadySeconds").unwrap_or(0);
        check::not_negative(seconds, &path.child("minReadySeconds"), &mut errors);
        validate_replicated(spec, &path, &mut errors);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(new);
        let path = Path::of(&["spec", "selector"]);
        check::immutable(&new["spec"]["selector"], &old["spec"]["selector"], &path, &mut errors);
        errors
    }

    fn validate_status_update(&self, new: &Value, _old: &Value) -> ErrorList {
        const COUNTERS: &[&str] = &[
            "replicas",
            "fullyLabeledReplicas",
            "readyReplicas",
            "availableReplicas",
            "observedGeneration",
            "terminatingReplicas",
        ];
        let mut errors = ErrorList::new();
        let parts = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
        validate_counters(&new["status"], COUNTERS, &parts, &mut errors);
        errors
    }

    /// An update that changes nothing of what is wanted is not told again what is odd about it.
    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        match old {
            Some(old) if meta::generation(old) == meta::generation(object) => Vec::new(),
            _ => warnings::of_template(&object["spec"]["template"], &Path::of(&["spec", "template"])),
        }
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            Column::NAME,
            Column::new("Desired", "integer"),
            Column::new("Current", "integer"),
            Column::new("Ready", "integer"),
            Column::AGE,
            Column::wide("Containers", "string"),
            Column::wide("Images", "string"),
            Column::wide("Selector", "string"),
        ];
        COLUMNS
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&object["spec"], &object["status"]);
        let [containers, images] = cells::containers(&spec["template"]["spec"]);
        vec![
            name(object).into(),
            int(spec, "replicas").unwrap_or(0).into(),
            int(status, "replicas").unwrap_or(0).into(),
            int(status, "readyReplicas").unwrap_or(0).into(),
            cells::age(object, now),
            containers,
            images,
            cells::selector(&spec["selector"]).into(),
        ]
    }

    fn scale_selector(&self, object: &Value) -> Option<String> {
        LabelSelector::from_object(Some(&object["spec"]["selector"])).ok().map(|selector| selector.to_string())
    }
}

#[cfg(test)]
mod tests;
