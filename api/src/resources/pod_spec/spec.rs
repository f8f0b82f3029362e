//! Validation of a PodSpec as a whole.

use crate::resources::check;
use crate::resources::pod_spec::affinity::validate_affinity;
use crate::resources::pod_spec::containers::{
    Pod, validate_containers, validate_ephemeral_containers, validate_init_containers,
};
use crate::resources::pod_spec::quantities::validate_requirements;
use crate::resources::pod_spec::scheduling::{validate_dns, validate_gates, validate_spread, validate_tolerations};
use crate::resources::pod_spec::security::{validate_host_users, validate_pod_security, validate_shared_processes};
use crate::resources::pod_spec::volumes::validate_volumes;
use crate::resources::pod_spec::{whole, windows};
use crate::resources::value::{flag, has, int, list, text, texts};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::names;
use api_machinery::schema::Schema;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Checks a defaulted PodSpec. `pod` is the Pod itself; it is absent where the spec is that of a template.
pub(crate) fn validate_pod_spec(spec: &Value, pod: Option<&Value>, path: &Path, errors: &mut ErrorList) {
    if !has(spec, "terminationGracePeriodSeconds") {
        errors.push(Error::required(&path.child("terminationGracePeriodSeconds"), ""));
    }
    let volumes = validate_volumes(spec, pod, &path.child("volumes"), errors);
    validate_resource_claims(spec, &path.child("resourceClaims"), errors);
    let claims = list(spec, "resourceClaims").iter().map(|claim| text(claim, "name")).filter(|name| !name.is_empty());
    let context = Pod {
        volumes,
        claims: claims.collect(),
        grace: int(spec, "terminationGracePeriodSeconds"),
        restart_policy: text(spec, "restartPolicy"),
        host_users: spec["hostUsers"] != false,
    };
    let (regular, init) = (list(spec, "containers"), list(spec, "initContainers"));
    validate_containers(regular, &context, &path.child("containers"), errors);
    validate_init_containers(init, regular, &context, &path.child("initContainers"), errors);
    validate_ephemeral_containers(spec, &context, &path.child("ephemeralContainers"), errors);
    validate_host_network(spec, pod.is_some(), &path.child("containers"), errors);
    let policies = ["Always", "OnFailure", "Never"];
    check::required_one_of(text(spec, "restartPolicy"), &policies, &path.child("restartPolicy"), errors);
    check::labels(&spec["nodeSelector"], &path.child("nodeSelector"), errors);
    validate_pod_security(spec, &path.child("securityContext"), errors);
    validate_shared_processes(spec, path, errors);
    validate_affinity(&spec["affinity"], &path.child("affinity"), errors);
    validate_dns(spec, path, errors);
    validate_gates(spec, path, errors);
    let spread = list(spec, "topologySpreadConstraints");
    validate_spread(spread, &path.child("topologySpreadConstraints"), errors);
    validate_host_users(spec, path, errors);
    for key in ["serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"] {
        let name = text(spec, key);
        if !name.is_empty() {
            for message in names::is_dns1123_subdomain(name) {
                errors.push(Error::invalid(&path.child(key), name, message));
            }
        }
    }
    if let Some(seconds) = int(spec, "activeDeadlineSeconds")
        && !(1..=i64::from(i32::MAX)).contains(&seconds)
    {
        let text = "must be between 1 and 2147483647, inclusive";
        errors.push(Error::invalid(&path.child("activeDeadlineSeconds"), seconds, text));
    }
    for key in ["hostname", "subdomain"] {
        if !text(spec, key).is_empty() {
            check::dns_label(text(spec, key), &path.child(key), errors);
        }
    }
    whole::validate_pod_resources(spec, path, errors);
    validate_hostname_override(spec, &path.child("hostnameOverride"), errors);
    validate_tolerations(list(spec, "tolerations"), &path.child("tolerations"), errors);
    validate_host_aliases(spec, &path.child("hostAliases"), errors);
    if has(spec, "preemptionPolicy") {
        let policies = ["PreemptLowerPriority", "Never"];
        check::required_one_of(text(spec, "preemptionPolicy"), &policies, &path.child("preemptionPolicy"), errors);
    }
    if has(spec, "overhead") {
        let overhead = json!({ "limits": spec["overhead"] });
        validate_requirements(&overhead, &BTreeSet::new(), &path.child("overhead"), errors);
    }
    validate_variables_of_files(spec, path, errors);
    validate_os(spec, path, errors);
    windows::validate_host_processes(spec, path, errors);
}

fn validate_resource_claims(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (index, claim) in list(spec, "resourceClaims").iter().enumerate() {
        let path = path.index(index);
        let name = text(claim, "name");
        if name.is_empty() {
            errors.push(Error::required(&path.child("name"), ""));
        } else if !seen.insert(name) {
            errors.push(Error::duplicate(&path.child("name"), name));
        } else {
            check::dns_label(name, &path.child("name"), errors);
        }
        let sources = (has(claim, "resourceClaimName"), has(claim, "resourceClaimTemplateName"));
        let text = match sources {
            (true, true) => "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
            (false, false) => "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
            _ => continue,
        };
        let shown = Schema::internal_line("PodResourceClaim", claim);
        errors.push(Error::invalid(&path, claim.clone(), text).shown(shown));
    }
}

/// Variables that are read from files come from volumes that the containers fill.
fn validate_variables_of_files(spec: &Value, path: &Path, errors: &mut ErrorList) {
    for key in ["initContainers", "containers", "ephemeralContainers"] {
        for (index, container) in list(spec, key).iter().enumerate() {
            let path = path.child(key).index(index).child("env");
            for (index, variable) in list(container, "env").iter().enumerate() {
                let source = &variable["valueFrom"]["fileKeyRef"];
                if source.is_null() {
                    continue;
                }
                let path = path.index(index).child("valueFrom").child("fileKeyRef").child("volumeName");
                let name = text(source, "volumeName");
                match list(spec, "volumes").iter().find(|volume| text(volume, "name") == name) {
                    None => errors.push(Error::not_found(&path, name)),
                    Some(volume) if !has(volume, "emptyDir") => {
                        errors.push(Error::invalid(&path, name, "referenced volume must be of type emptyDir"));
                    }
                    Some(_) => {}
                }
            }
        }
    }
}

/// Longest name that Linux takes for a host.
const HOSTNAME_BYTES_MAX: usize = 64;

/// The name of the host, if it is neither the pod's name nor the node's.
fn validate_hostname_override(spec: &Value, path: &Path, errors: &mut ErrorList) {
    if !has(spec, "hostnameOverride") {
        return;
    }
    for key in ["setHostnameAsFQDN", "hostNetwork"] {
        if flag(spec, key) {
            errors.push(Error::forbidden(path, format!("may not be specified when {key} is true")));
        }
    }
    let name = text(spec, "hostnameOverride");
    if name.len() > HOSTNAME_BYTES_MAX {
        errors.push(Error::too_long(path, HOSTNAME_BYTES_MAX));
    }
    check::subdomain(name, path, errors);
}

/// On the host's network, a container's port is the host's port. Templates may leave the latter to the Pod's defaults.
fn validate_host_network(spec: &Value, is_pod: bool, path: &Path, errors: &mut ErrorList) {
    if !flag(spec, "hostNetwork") {
        return;
    }
    for (index, container) in list(spec, "containers").iter().enumerate() {
        for (port_index, port) in list(container, "ports").iter().enumerate() {
            let host = int(port, "hostPort").unwrap_or(0);
            if (is_pod || host != 0) && host != int(port, "containerPort").unwrap_or(0) {
                let path = path.index(index).child("ports").index(port_index).child("hostPort");
                let text = "must match `containerPort` when `hostNetwork` is true";
                errors.push(Error::invalid(&path, host, text));
            }
        }
    }
}

fn validate_host_aliases(spec: &Value, path: &Path, errors: &mut ErrorList) {
    for (index, alias) in list(spec, "hostAliases").iter().enumerate() {
        let path = path.index(index);
        check::ip(text(alias, "ip"), &path.child("ip"), errors);
        for (host_index, host) in texts(alias, "hostnames").enumerate() {
            check::subdomain(host, &path.child("hostnames").index(host_index), errors);
        }
    }
}

fn validate_os(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let os = &spec["os"];
    if os.is_null() {
        return;
    }
    match text(os, "name") {
        "" => errors.push(Error::required(&path.child("os").child("name"), "")),
        "windows" => windows::validate(spec, path, errors),
        "linux" => {
            let text = "windows options cannot be set for a linux pod";
            if has(&spec["securityContext"], "windowsOptions") {
                let path = path.child("securityContext").child("windowsOptions");
                errors.push(Error::forbidden(&path, text));
            }
            for key in ["initContainers", "containers"] {
                for (index, container) in list(spec, key).iter().enumerate() {
                    if has(&container["securityContext"], "windowsOptions") {
                        let path = path.child(key).index(index).child("securityContext").child("windowsOptions");
                        errors.push(Error::forbidden(&path, text));
                    }
                }
            }
        }
        other => errors.push(Error::not_supported(&path.child("os"), other, &["linux", "windows"])),
    }
}
