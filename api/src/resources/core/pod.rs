//! Pod: what it asks for is fixed at creation but for a few fields; how it goes is written by scheduler and node.

mod columns;
mod quality;
mod status;
mod update;
pub(crate) mod warnings;

use crate::registry::strategy::{
    ALL_VERBS, Column, Cx, Grace, KindInfo, NameRule, SelectableFields, Strategy, Subresource,
};
use crate::resources::lifecycle::{bump_generation, set_generation};
use crate::resources::pod_spec::containers::validate_image_spaces;
use crate::resources::pod_spec::defaults::{default_host_ports, default_requests, mirror_service_account};
use crate::resources::pod_spec::whole::default_pod_requests;
use crate::resources::pod_spec::{annotations, default_pod_spec, validate_pod_spec};
use crate::resources::value::{child, default_absent, existing_mut, flag, has, int, keep, list, set, text};
use api_machinery::field::{Error, ErrorList, Path};
use jiff::Timestamp;
use serde_json::{Value, json};
use smallvec::smallvec;

static INFO: KindInfo = KindInfo {
    group: "",
    version: "v1",
    kind: "Pod",
    resource: "pods",
    singular: "pod",
    short_names: &["po"],
    categories: &["all"],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[Subresource::BINDING, Subresource::EVICTION, Subresource::LOG, Subresource::STATUS],
    name_rule: NameRule::Subdomain,
    stored: true,
};

/// The strategy of Pods.
#[derive(Debug)]
pub struct Pod;

impl Strategy for Pod {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn default(&self, object: &mut Value) {
        annotations::drop_unread(object);
        if let Some(status) = existing_mut(object, "status") {
            status::default_status(status);
        }
        let Some(spec) = child(object, "spec") else { return };
        default_pod_spec(spec);
        default_requests(spec);
        default_absent(spec, "enableServiceLinks", true);
        if flag(spec, "hostNetwork") {
            default_host_ports(spec);
        }
    }

    fn prepare_for_create(&self, cx: &Cx<'_>, object: &mut Value) {
        set_generation(object, 1);
        annotations::apply_app_armor(object);
        if let Some(spec) = existing_mut(object, "spec") {
            default_pod_requests(spec);
            if int(spec, "terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0) {
                set(spec, "terminationGracePeriodSeconds", 1);
            }
        }
        let mut status = json!({ "phase": "Pending", "qosClass": quality::class(&object["spec"]) });
        if !list(&object["spec"], "schedulingGates").is_empty() {
            let condition = json!({
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": null,
                "lastTransitionTime": api_machinery::time::format_seconds(cx.now),
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            });
            set(&mut status, "conditions", json!([condition]));
        }
        set(object, "status", status);
    }

    fn prepare_for_update(&self, _cx: &Cx<'_>, new: &mut Value, old: &Value) {
        keep(new, old, "status");
        bump_generation(new, old, &["spec"]);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_annotations(object, &mut errors);
        validate_spec(object, &mut errors);
        let (spec, path) = (&object["spec"], Path::root("spec"));
        if !list(spec, "ephemeralContainers").is_empty() {
            errors.push(Error::forbidden(&path.child("ephemeralContainers"), "cannot be set on create"));
        }
        if !text(spec, "nodeName").is_empty() && !list(spec, "schedulingGates").is_empty() {
            let text = "cannot be set until all schedulingGates have been cleared";
            errors.push(Error::forbidden(&path.child("nodeName"), text));
        }
        annotations::validate_app_armor(object, &mut errors);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_annotations(new, &mut errors);
        validate_spec(new, &mut errors);
        annotations::validate_update(new, old, &mut errors);
        update::validate_spec(&new["spec"], &old["spec"], &mut errors);
        errors
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        match old {
            None => warnings::of_pod(object),
            Some(_) => Vec::new(),
        }
    }

    fn canonicalize(&self, object: &mut Value) {
        if let Some(spec) = child(object, "spec") {
            mirror_service_account(spec);
        }
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }

    /// Old nodes sent back owners they had not understood, and no quality of service.
    fn prepare_for_status_update(&self, _cx: &Cx<'_>, new: &mut Value, old: &Value) {
        keep(new, old, "spec");
        if let Some(metadata) = child(new, "metadata") {
            keep(metadata, &old["metadata"], "ownerReferences");
            keep(metadata, &old["metadata"], "deletionTimestamp");
            keep(metadata, &old["metadata"], "generation");
        }
        if let Some(status) = child(new, "status") {
            if text(status, "qosClass").is_empty() {
                keep(status, &old["status"], "qosClass");
            }
            status::keep_observed_generations(status, &old["status"]);
        }
    }

    fn validate_status_update(&self, new: &Value, old: &Value) -> ErrorList {
        status::validate(new, old)
    }

    fn grace(&self, object: &Value, requested: Option<i64>) -> Grace {
        let seconds = requested.or_else(|| int(&object["spec"], "terminationGracePeriodSeconds")).unwrap_or(0);
        let ended = matches!(text(&object["status"], "phase"), "Failed" | "Succeeded");
        Grace::Seconds(match seconds {
            _ if ended || text(&object["spec"], "nodeName").is_empty() => 0,
            ..0 => 1,
            seconds => seconds,
        })
    }

    fn field_labels(&self) -> &'static [&'static str] {
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ]
    }

    /// Nodes watch their own pods.
    fn indexed_fields(&self) -> &'static [&'static str] {
        &["spec.nodeName"]
    }

    fn fields(&self, object: &Value) -> SelectableFields {
        let (spec, status) = (&object["spec"], &object["status"]);
        let of = |object: &Value, key| text(object, key).to_owned();
        let address = list(status, "podIPs").first().map_or_else(|| of(status, "podIP"), |first| of(first, "ip"));
        smallvec![
            ("spec.nodeName", of(spec, "nodeName")),
            ("spec.restartPolicy", of(spec, "restartPolicy")),
            ("spec.schedulerName", of(spec, "schedulerName")),
            ("spec.serviceAccountName", of(spec, "serviceAccountName")),
            ("spec.hostNetwork", flag(spec, "hostNetwork").to_string()),
            ("status.phase", of(status, "phase")),
            ("status.podIP", address.clone()),
            ("status.podIPs", address),
            ("status.nominatedNodeName", of(status, "nominatedNodeName")),
        ]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        columns::row(object, now)
    }
}

fn validate_spec(object: &Value, errors: &mut ErrorList) {
    let (spec, path) = (&object["spec"], Path::root("spec"));
    validate_pod_spec(spec, Some(object), &path, errors);
    if text(spec, "serviceAccountName").is_empty() {
        for (index, volume) in list(spec, "volumes").iter().enumerate() {
            for (source_index, source) in list(&volume["projected"], "sources").iter().enumerate() {
                if has(source, "serviceAccountToken") {
                    let path = path.child("volumes").index(index).child("projected");
                    let path = path.child("sources").index(source_index).child("serviceAccountToken");
                    let text = "must not be specified when serviceAccountName is not set";
                    errors.push(Error::forbidden(&path, text));
                }
            }
        }
    }
    for key in ["containers", "initContainers"] {
        for (index, container) in list(spec, key).iter().enumerate() {
            validate_image_spaces(container, &path.child(key).index(index), errors);
        }
    }
}

fn validate_annotations(object: &Value, errors: &mut ErrorList) {
    let path = Path::of(&["metadata", "annotations"]);
    annotations::validate(&object["metadata"], &object["spec"], &path, errors);
}

#[cfg(test)]
mod tests;
