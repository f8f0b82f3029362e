//! Deployment: rolls a template out through ReplicaSets.

use crate::registry::strategy::{ALL_VERBS, Column, Cx, KindInfo, NameRule, Strategy, Subresource};
use crate::resources::apps::{validate_counters, validate_replicated};
use crate::resources::core::pod::warnings;
use crate::resources::lifecycle::{bump_generation_if, create_with_status};
use crate::resources::pod_spec::default_template;
use crate::resources::value::{
    child, default_absent, default_zero, drop_zero, existing_mut, has, int, keep, name, same, text,
};
use crate::resources::{cells, check};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::meta;
use api_machinery::names;
use api_machinery::selector::LabelSelector;
use jiff::Timestamp;
use serde_json::{Value, json};

static INFO: KindInfo = KindInfo {
    group: "apps",
    version: "v1",
    kind: "Deployment",
    resource: "deployments",
    singular: "deployment",
    short_names: &["deploy"],
    categories: &["all"],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[Subresource::SCALE, Subresource::STATUS],
    name_rule: NameRule::Subdomain,
    stored: true,
};

/// The strategy of Deployments.
#[derive(Debug)]
pub struct Deployment;

impl Strategy for Deployment {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn default(&self, object: &mut Value) {
        default_template(object);
        let Some(spec) = child(object, "spec") else { return };
        default_absent(spec, "replicas", 1);
        default_absent(spec, "revisionHistoryLimit", 10);
        default_absent(spec, "progressDeadlineSeconds", 600);
        drop_zero(spec, &["minReadySeconds", "paused"]);
        let Some(strategy) = child(spec, "strategy") else { return };
        default_zero(strategy, "type", "RollingUpdate");
        if text(strategy, "type") == "RollingUpdate" {
            default_absent(strategy, "rollingUpdate", json!({}));
            if let Some(rolling) = existing_mut(strategy, "rollingUpdate") {
                default_absent(rolling, "maxUnavailable", "25%");
                default_absent(rolling, "maxSurge", "25%");
            }
        }
    }

    fn prepare_for_create(&self, _cx: &Cx<'_>, object: &mut Value) {
        create_with_status(object);
    }

    /// Annotations count as well: they hold the cause of a change.
    fn prepare_for_update(&self, _cx: &Cx<'_>, new: &mut Value, old: &Value) {
        keep(new, old, "status");
        let annotations = |object: &Value| object["metadata"]["annotations"].clone();
        let changed = !same(&new["spec"], &old["spec"]) || !same(&annotations(new), &annotations(old));
        bump_generation_if(changed, new, old);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (spec, path) = (&object["spec"], Path::root("spec"));
        validate_replicated(spec, &path, &mut errors);
        validate_strategy(&spec["strategy"], &path.child("strategy"), &mut errors);
        for key in ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
            check::not_negative(int(spec, key).unwrap_or(0), &path.child(key), &mut errors);
        }
        if let Some(deadline) = int(spec, "progressDeadlineSeconds")
            && deadline <= int(spec, "minReadySeconds").unwrap_or(0)
        {
            let text = "must be greater than minReadySeconds";
            errors.push(Error::invalid(&path.child("progressDeadlineSeconds"), deadline, text));
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(new);
        let path = Path::of(&["spec", "selector"]);
        check::immutable(&new["spec"]["selector"], &old["spec"]["selector"], &path, &mut errors);
        errors
    }

    fn prepare_for_status_update(&self, _cx: &Cx<'_>, new: &mut Value, old: &Value) {
        keep(new, old, "spec");
        if let Some(metadata) = child(new, "metadata") {
            keep(metadata, &old["metadata"], "labels");
        }
    }

    fn validate_status_update(&self, new: &Value, old: &Value) -> ErrorList {
        const COUNTERS: &[&str] = &[
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
            "terminatingReplicas",
            "collisionCount",
        ];
        let mut errors = ErrorList::new();
        let parts = ["updatedReplicas", "readyReplicas", "availableReplicas"];
        validate_counters(&new["status"], COUNTERS, &parts, &mut errors);
        let collisions = |object: &Value| int(&object["status"], "collisionCount");
        if collisions(new) < collisions(old) {
            let path = Path::of(&["status", "collisionCount"]);
            let value = new["status"]["collisionCount"].clone();
            errors.push(Error::invalid(&path, value, "cannot be decremented"));
        }
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
            Column::new("Ready", "string"),
            Column::new("Up-to-date", "string"),
            Column::new("Available", "string"),
            Column::AGE,
            Column::wide("Containers", "string"),
            Column::wide("Images", "string"),
            Column::wide("Selector", "string"),
        ];
        COLUMNS
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&object["spec"], &object["status"]);
        let count = |key: &str| int(status, key).unwrap_or(0);
        let ready = format!("{}/{}", count("readyReplicas"), int(spec, "replicas").unwrap_or(0));
        let [containers, images] = cells::containers(&spec["template"]["spec"]);
        let selector = match LabelSelector::from_object(Some(&spec["selector"])) {
            Ok(selector) => selector.to_string(),
            Err(error) => format!("<invalid>: {error}"),
        };
        vec![
            name(object).into(),
            ready.into(),
            count("updatedReplicas").into(),
            count("availableReplicas").into(),
            cells::age(object, now),
            containers,
            images,
            selector.into(),
        ]
    }

    fn scale_selector(&self, object: &Value) -> Option<String> {
        LabelSelector::from_object(Some(&object["spec"]["selector"])).ok().map(|selector| selector.to_string())
    }
}

fn validate_strategy(strategy: &Value, path: &Path, errors: &mut ErrorList) {
    let rolling = path.child("rollingUpdate");
    match text(strategy, "type") {
        "Recreate" => {
            if has(strategy, "rollingUpdate") {
                let text = "may not be specified when strategy `type` is 'Recreate'";
                errors.push(Error::forbidden(&rolling, text));
            }
        }
        "RollingUpdate" => validate_rolling(&strategy["rollingUpdate"], &rolling, errors),
        other => {
            let error = Error::not_supported(path, strategy.clone(), &["Recreate", "RollingUpdate"]);
            let shown = [("Type", other.into()), ("RollingUpdate", strategy["rollingUpdate"].clone())];
            errors.push(error.shown_as(&shown));
        }
    }
}

fn validate_rolling(rolling: &Value, path: &Path, errors: &mut ErrorList) {
    let unavailable_path = path.child("maxUnavailable");
    let unavailable = validate_share(&rolling["maxUnavailable"], &unavailable_path, errors);
    let surge = validate_share(&rolling["maxSurge"], &path.child("maxSurge"), errors);
    let bad_value = || rolling["maxUnavailable"].clone();
    if unavailable == 0 && surge == 0 {
        errors.push(Error::invalid(&unavailable_path, bad_value(), "may not be 0 when `maxSurge` is 0"));
    }
    if rolling["maxUnavailable"].is_string() && unavailable > 100 {
        errors.push(Error::invalid(&unavailable_path, bad_value(), "must not be greater than 100%"));
    }
}

/// A number of pods or a percentage; returns its number.
fn validate_share(share: &Value, path: &Path, errors: &mut ErrorList) -> i64 {
    match share {
        Value::String(percent) => {
            check::complain(names::is_percent(percent), percent, path, errors);
            percent.strip_suffix('%').and_then(|digits| digits.parse().ok()).unwrap_or(0)
        }
        number => {
            let number = number.as_i64().unwrap_or(0);
            check::not_negative(number, path, errors);
            number
        }
    }
}

#[cfg(test)]
mod tests;
