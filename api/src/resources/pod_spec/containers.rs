//! Validation of containers of each sort: regular, init (and sidecars), ephemeral.

use crate::resources::check;
use crate::resources::pod_spec::env::{validate_env, validate_env_from};
use crate::resources::pod_spec::mounts::{validate_devices, validate_mounts};
use crate::resources::pod_spec::probes::{Probe, validate_lifecycle, validate_probe};
use crate::resources::pod_spec::quantities::validate_requirements;
use crate::resources::pod_spec::security::validate_container_security;
use crate::resources::pod_spec::volumes::Volumes;
use crate::resources::value::{has, int, list, text};
use api_machinery::field::{Error, ErrorList, Path};
use serde_json::Value;
use std::collections::BTreeSet;

/// What containers need to know of their pod.
pub(crate) struct Pod<'a> {
    /// Volumes to mount.
    pub(crate) volumes: Volumes<'a>,
    /// Names in `resourceClaims`.
    pub(crate) claims: BTreeSet<&'a str>,
    /// `terminationGracePeriodSeconds`.
    pub(crate) grace: Option<i64>,
    /// `restartPolicy`.
    pub(crate) restart_policy: &'a str,
    /// False where the pod has a user namespace of its own.
    pub(crate) host_users: bool,
}

const NOT_FOR_INIT: &str = "may not be set for init containers without restartPolicy=Always";
const NOT_FOR_EPHEMERAL: &str = "cannot be set for an Ephemeral Container";

/// Checks `containers`.
pub(crate) fn validate_containers(containers: &[Value], pod: &Pod<'_>, path: &Path, errors: &mut ErrorList) {
    if containers.is_empty() {
        errors.push(Error::required(path, ""));
        return;
    }
    let mut names = BTreeSet::new();
    for (index, container) in containers.iter().enumerate() {
        let path = path.index(index);
        validate_common(container, pod, &path, errors);
        let name = text(container, "name");
        if !names.insert(name) {
            errors.push(Error::duplicate(&path.child("name"), name));
        }
        validate_hooks_and_probes(container, pod, &path, errors);
        validate_restart(container, &path, errors);
    }
    validate_host_ports(containers, path, errors);
}

/// Checks `initContainers`; their names must differ from those of `regular` too.
pub(crate) fn validate_init_containers(
    containers: &[Value],
    regular: &[Value],
    pod: &Pod<'_>,
    path: &Path,
    errors: &mut ErrorList,
) {
    let mut names: BTreeSet<&str> = regular.iter().map(|container| text(container, "name")).collect();
    for (index, container) in containers.iter().enumerate() {
        let item = path.index(index);
        validate_common(container, pod, &item, errors);
        validate_restart(container, &item, errors);
        let name = text(container, "name");
        if !name.is_empty() && !names.insert(name) {
            errors.push(Error::duplicate(&item.child("name"), name));
        }
        validate_host_ports(std::slice::from_ref(container), path, errors);
        if text(container, "restartPolicy") == "Always" {
            validate_hooks_and_probes(container, pod, &item, errors);
        } else {
            for key in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
                if has(container, key) {
                    errors.push(Error::forbidden(&item.child(key), NOT_FOR_INIT));
                }
            }
        }
    }
}

/// Checks `ephemeralContainers` of `spec`.
pub(crate) fn validate_ephemeral_containers(spec: &Value, pod: &Pod<'_>, path: &Path, errors: &mut ErrorList) {
    let others: BTreeSet<&str> = list(spec, "containers")
        .iter()
        .chain(list(spec, "initContainers"))
        .map(|container| text(container, "name"))
        .collect();
    let mut names = others.clone();
    for (index, container) in list(spec, "ephemeralContainers").iter().enumerate() {
        let path = path.index(index);
        validate_common(container, pod, &path, errors);
        validate_image_spaces(container, &path, errors);
        let name = text(container, "name");
        if !names.insert(name) {
            errors.push(Error::duplicate(&path.child("name"), name));
        }
        let target = text(container, "targetContainerName");
        if !target.is_empty() && !others.contains(target) {
            errors.push(Error::not_found(&path.child("targetContainerName"), target));
        }
        for key in ["ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"] {
            if has(container, key) {
                errors.push(Error::forbidden(&path.child(key), NOT_FOR_EPHEMERAL));
            }
        }
        if container["resources"].as_object().is_some_and(|resources| !resources.is_empty()) {
            errors.push(Error::forbidden(&path.child("resources"), NOT_FOR_EPHEMERAL));
        }
        for (index, mount) in list(container, "volumeMounts").iter().enumerate() {
            for key in ["subPath", "subPathExpr"] {
                if !text(mount, key).is_empty() {
                    let path = path.child("volumeMounts").index(index).child(key);
                    errors.push(Error::forbidden(&path, NOT_FOR_EPHEMERAL));
                }
            }
        }
    }
}

/// An image of a Pod has no spaces around it; in a template it may have (for tools that replace it).
pub(crate) fn validate_image_spaces(container: &Value, path: &Path, errors: &mut ErrorList) {
    let image = text(container, "image");
    if image.trim() != image {
        let text = "must not have leading or trailing whitespace";
        errors.push(Error::invalid(&path.child("image"), image, text));
    }
}

fn validate_common(container: &Value, pod: &Pod<'_>, path: &Path, errors: &mut ErrorList) {
    let name = text(container, "name");
    if name.is_empty() {
        errors.push(Error::required(&path.child("name"), ""));
    } else {
        check::dns_label(name, &path.child("name"), errors);
    }
    if text(container, "image").is_empty() {
        errors.push(Error::required(&path.child("image"), ""));
    }
    check::required_one_of(
        text(container, "terminationMessagePolicy"),
        &["File", "FallbackToLogsOnError"],
        &path.child("terminationMessagePolicy"),
        errors,
    );
    validate_ports(container, &path.child("ports"), errors);
    validate_env(container, &path.child("env"), errors);
    validate_env_from(container, &path.child("envFrom"), errors);
    validate_mounts(container, &pod.volumes, &path.child("volumeMounts"), errors);
    validate_devices(container, &pod.volumes, &path.child("volumeDevices"), errors);
    check::required_one_of(
        text(container, "imagePullPolicy"),
        &["Always", "IfNotPresent", "Never"],
        &path.child("imagePullPolicy"),
        errors,
    );
    validate_requirements(&container["resources"], &pod.claims, &path.child("resources"), errors);
    validate_resize(container, pod, &path.child("resizePolicy"), errors);
    let security = path.child("securityContext");
    validate_container_security(&container["securityContext"], pod.host_users, &security, errors);
}

fn validate_hooks_and_probes(container: &Value, pod: &Pod<'_>, path: &Path, errors: &mut ErrorList) {
    if has(container, "lifecycle") {
        validate_lifecycle(&container["lifecycle"], pod.grace, &path.child("lifecycle"), errors);
    }
    for (kind, key) in Probe::ALL {
        validate_probe(&container[key], kind, &path.child(key), errors);
    }
}

/// Most rules of a container for its restarts.
const RESTART_RULES_MAX: usize = 20;
/// Most exit codes of such a rule.
const EXIT_CODES_MAX: usize = 255;

/// A container's own restart policy, with the rules upstream has since containers of any sort may have one.
fn validate_restart(container: &Value, path: &Path, errors: &mut ErrorList) {
    let rules = list(container, "restartPolicyRules");
    if !has(container, "restartPolicy") {
        if !rules.is_empty() {
            let text = "must specify restartPolicy when restart rules are used";
            errors.push(Error::required(&path.child("restartPolicy"), text));
        }
    } else {
        let policies = ["Always", "Never", "OnFailure"];
        check::one_of(text(container, "restartPolicy"), &policies, &path.child("restartPolicy"), errors);
    }
    let path = path.child("restartPolicyRules");
    if rules.len() > RESTART_RULES_MAX {
        errors.push(Error::too_many(&path, rules.len(), RESTART_RULES_MAX));
    }
    for (index, rule) in rules.iter().enumerate() {
        let (path, codes) = (path.index(index), &rule["exitCodes"]);
        check::one_of(text(rule, "action"), &["Restart", "RestartAllContainers"], &path.child("action"), errors);
        let path = path.child("exitCodes");
        if codes.is_null() {
            errors.push(Error::required(&path, "must be specified"));
            continue;
        }
        check::one_of(text(codes, "operator"), &["In", "NotIn"], &path.child("operator"), errors);
        let count = list(codes, "values").len();
        if count > EXIT_CODES_MAX {
            errors.push(Error::too_many(&path.child("values"), count, EXIT_CODES_MAX));
        }
    }
}

fn validate_ports(container: &Value, path: &Path, errors: &mut ErrorList) {
    let mut names = BTreeSet::new();
    for (index, port) in list(container, "ports").iter().enumerate() {
        let path = path.index(index);
        let name = text(port, "name");
        if !name.is_empty() {
            let before = errors.len();
            check::port_name(name, &path.child("name"), errors);
            if errors.len() == before && !names.insert(name) {
                errors.push(Error::duplicate(&path.child("name"), name));
            }
        }
        match int(port, "containerPort").unwrap_or(0) {
            0 => errors.push(Error::required(&path.child("containerPort"), "")),
            number => check::port_number(number, &path.child("containerPort"), errors),
        }
        let host_port = int(port, "hostPort").unwrap_or(0);
        if host_port != 0 {
            check::port_number(host_port, &path.child("hostPort"), errors);
        }
        check::required_one_of(text(port, "protocol"), &["SCTP", "TCP", "UDP"], &path.child("protocol"), errors);
    }
}

/// No two of these containers may claim one port of the host.
fn validate_host_ports(containers: &[Value], path: &Path, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (index, container) in containers.iter().enumerate() {
        for (port_index, port) in list(container, "ports").iter().enumerate() {
            let number = int(port, "hostPort").unwrap_or(0);
            if number == 0 {
                continue;
            }
            let claim = format!("{}/{}/{number}", text(port, "protocol"), text(port, "hostIP"));
            if seen.contains(&claim) {
                let path = path.index(index).child("ports").index(port_index).child("hostPort");
                errors.push(Error::duplicate(&path, claim));
            } else {
                seen.insert(claim);
            }
        }
    }
}

fn validate_resize(container: &Value, pod: &Pod<'_>, path: &Path, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (index, policy) in list(container, "resizePolicy").iter().enumerate() {
        let (resource, restart) = (text(policy, "resourceName"), text(policy, "restartPolicy"));
        if !seen.insert(resource) {
            errors.push(Error::duplicate(&path.index(index), resource));
        }
        check::required_one_of(resource, &["cpu", "memory"], path, errors);
        check::required_one_of(restart, &["NotRequired", "RestartContainer"], path, errors);
        if pod.restart_policy == "Never" && restart != "NotRequired" {
            let text = "must be 'NotRequired' when `restartPolicy` is 'Never'";
            errors.push(Error::invalid(path, restart, text));
        }
    }
}
