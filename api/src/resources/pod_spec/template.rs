//! Pod templates of workloads.

use crate::resources::check;
use crate::resources::pod_spec::{annotations, default_pod_spec, validate_pod_spec};
use crate::resources::value::{child, has, list, text};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::selector::LabelSelector;
use serde_json::Value;

/// Fills in the template at `spec.template` of a workload.
pub(crate) fn default_template(object: &mut Value) {
    if let Some(template) = child(object, "spec").and_then(|spec| child(spec, "template")) {
        child(template, "metadata");
        annotations::drop_unread(template);
        if let Some(spec) = child(template, "spec") {
            default_pod_spec(spec);
        }
    }
}

/// Checks the template of a workload that keeps `selector`ed pods running. `kind` names it in errors.
pub(crate) fn validate_template(
    template: &Value,
    selector: &LabelSelector,
    kind: &str,
    path: &Path,
    errors: &mut ErrorList,
) {
    let metadata = &template["metadata"];
    if !check::selects(selector, &metadata["labels"]) {
        let path = path.child("metadata").child("labels");
        let labels = metadata["labels"].clone();
        errors.push(Error::invalid(&path, labels, "`selector` does not match template `labels`"));
    }
    check::labels(&metadata["labels"], &path.child("labels"), errors);
    check::annotations(&metadata["annotations"], &path.child("annotations"), errors);
    let spec = &template["spec"];
    annotations::validate(metadata, spec, &path.child("annotations"), errors);
    let spec_path = path.child("spec");
    validate_pod_spec(spec, None, &spec_path, errors);
    if !list(spec, "ephemeralContainers").is_empty() {
        let text = "ephemeral containers not allowed in pod template";
        errors.push(Error::forbidden(&spec_path.child("ephemeralContainers"), text));
    }
    let policy = text(spec, "restartPolicy");
    if policy != "Always" {
        errors.push(Error::not_supported(&spec_path.child("restartPolicy"), policy, &["Always"]));
    }
    if has(spec, "activeDeadlineSeconds") {
        let text = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.push(Error::forbidden(&spec_path.child("activeDeadlineSeconds"), text));
    }
}
