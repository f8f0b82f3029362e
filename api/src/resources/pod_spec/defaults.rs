//! Defaults of a PodSpec, whether of a Pod or of a template.

use crate::resources::pod_spec::images::default_pull_policy;
use crate::resources::value::{
    canonical_quantities, canonical_quantity, child, default_absent, default_zero, drop_zero, existing_mut, has,
    items_mut, list, remove, text,
};
use serde_json::{Value, json};

/// Plain fields that upstream does not write where they are zero.
const SPEC_ZEROS: &[&str] = &[
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostname",
    "nodeName",
    "priorityClassName",
    "serviceAccountName",
    "subdomain",
];
const CONTAINER_ZEROS: &[&str] = &["stdin", "stdinOnce", "tty", "workingDir"];
const PORT_ZEROS: &[&str] = &["hostIP", "hostPort", "name"];
const MOUNT_ZEROS: &[&str] = &["readOnly", "subPath", "subPathExpr"];

/// Mode of files in secret, config map, downward and projected volumes: 0644.
const DEFAULT_MODE: i64 = 0o644;
/// Life of a projected service-account token.
const DEFAULT_TOKEN_SECONDS: i64 = 3600;
/// How long a pod may take to end.
const DEFAULT_GRACE_SECONDS: i64 = 30;

/// Fills in a PodSpec as upstream does, and takes out what upstream's gates keep out by default.
pub(crate) fn default_pod_spec(spec: &mut Value) {
    remove(spec, "schedulingGroup");
    remove(spec, "evictionResponders");
    default_zero(spec, "dnsPolicy", "ClusterFirst");
    default_zero(spec, "restartPolicy", "Always");
    default_zero(spec, "schedulerName", "default-scheduler");
    default_absent(spec, "securityContext", json!({}));
    default_absent(spec, "terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS);
    if text(spec, "serviceAccountName").is_empty() && !text(spec, "serviceAccount").is_empty() {
        let name = spec["serviceAccount"].clone();
        default_zero(spec, "serviceAccountName", name);
    }
    mirror_service_account(spec);
    for volume in items_mut(spec, "volumes") {
        default_volume(volume);
    }
    for key in ["initContainers", "containers", "ephemeralContainers"] {
        for container in items_mut(spec, key) {
            default_container(container);
        }
    }
    canonical_quantities(spec, "overhead");
    drop_zero(spec, SPEC_ZEROS);
}

/// Keeps the deprecated `serviceAccount` equal to `serviceAccountName`.
pub(crate) fn mirror_service_account(spec: &mut Value) {
    let name = text(spec, "serviceAccountName").to_owned();
    if let Some(map) = spec.as_object_mut() {
        if name.is_empty() {
            map.remove("serviceAccount");
        } else {
            map.insert("serviceAccount".to_owned(), Value::String(name));
        }
    }
}

/// Gives every container port of the host's network its own number.
pub(crate) fn default_host_ports(spec: &mut Value) {
    for key in ["containers", "initContainers"] {
        for container in items_mut(spec, key) {
            for port in items_mut(container, "ports") {
                let number = port["containerPort"].clone();
                if number.as_i64().is_some_and(|number| number != 0) {
                    default_zero(port, "hostPort", number);
                }
            }
        }
    }
}

/// Requests what is limited but not requested. Only Pods do so, not templates.
pub(crate) fn default_requests(spec: &mut Value) {
    for key in ["containers", "initContainers"] {
        for container in items_mut(spec, key) {
            let limits = container["resources"]["limits"].clone();
            let (Some(resources), Value::Object(limits)) = (existing_mut(container, "resources"), limits) else {
                continue;
            };
            if let Some(requests) = child(resources, "requests") {
                for (name, limit) in limits {
                    default_absent(requests, &name, limit);
                }
            }
        }
    }
}

fn default_container(container: &mut Value) {
    if let Some(lifecycle) = existing_mut(container, "lifecycle")
        && has(lifecycle, "stopSignal")
    {
        remove(lifecycle, "stopSignal");
        if !has(lifecycle, "postStart") && !has(lifecycle, "preStop") {
            remove(container, "lifecycle");
        }
    }
    if text(container, "imagePullPolicy").is_empty() {
        let policy = default_pull_policy(text(container, "image"));
        default_zero(container, "imagePullPolicy", policy);
    }
    default_zero(container, "terminationMessagePath", "/dev/termination-log");
    default_zero(container, "terminationMessagePolicy", "File");
    if let Some(resources) = child(container, "resources") {
        canonical_quantities(resources, "limits");
        canonical_quantities(resources, "requests");
    }
    for port in items_mut(container, "ports") {
        default_zero(port, "protocol", "TCP");
        drop_zero(port, PORT_ZEROS);
    }
    for mount in items_mut(container, "volumeMounts") {
        drop_zero(mount, MOUNT_ZEROS);
    }
    drop_zero(container, CONTAINER_ZEROS);
    for variable in items_mut(container, "env") {
        if let Some(source) = existing_mut(variable, "valueFrom") {
            default_field_sources(source);
        }
        drop_zero(variable, &["value"]);
    }
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = existing_mut(container, key) {
            default_probe(probe);
        }
    }
    if let Some(lifecycle) = existing_mut(container, "lifecycle") {
        for key in ["postStart", "preStop"] {
            if let Some(http) = existing_mut(lifecycle, key).and_then(|handler| existing_mut(handler, "httpGet")) {
                default_http(http);
            }
        }
    }
}

fn default_probe(probe: &mut Value) {
    default_zero(probe, "timeoutSeconds", 1);
    default_zero(probe, "periodSeconds", 10);
    default_zero(probe, "successThreshold", 1);
    default_zero(probe, "failureThreshold", 3);
    drop_zero(probe, &["initialDelaySeconds"]);
    if let Some(http) = existing_mut(probe, "httpGet") {
        default_http(http);
    }
    if let Some(grpc) = existing_mut(probe, "grpc") {
        default_absent(grpc, "service", "");
    }
}

fn default_http(http: &mut Value) {
    default_zero(http, "path", "/");
    default_zero(http, "scheme", "HTTP");
}

/// `fieldRef` and `resourceFieldRef`, wherever they occur.
fn default_field_sources(source: &mut Value) {
    if let Some(field) = existing_mut(source, "fieldRef") {
        default_zero(field, "apiVersion", "v1");
    }
    if let Some(resource) = existing_mut(source, "resourceFieldRef") {
        default_absent(resource, "divisor", "0");
        if let Some(divisor) = resource.get_mut("divisor") {
            canonical_quantity(divisor);
        }
    }
}

fn default_volume(volume: &mut Value) {
    let has_source =
        volume.as_object().is_some_and(|map| map.iter().any(|(key, value)| key != "name" && !value.is_null()));
    if !has_source {
        default_absent(volume, "emptyDir", json!({}));
    }
    if let Some(size) = existing_mut(volume, "emptyDir").and_then(|source| source.get_mut("sizeLimit")) {
        canonical_quantity(size);
    }
    for key in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = existing_mut(volume, key) {
            default_absent(source, "defaultMode", DEFAULT_MODE);
        }
    }
    if let Some(source) = existing_mut(volume, "downwardAPI") {
        items_mut(source, "items").for_each(default_field_sources);
    }
    if let Some(projected) = existing_mut(volume, "projected") {
        if list(projected, "sources").is_empty() {
            default_absent(projected, "sources", json!([]));
        }
        for source in items_mut(projected, "sources") {
            if let Some(downward) = existing_mut(source, "downwardAPI") {
                items_mut(downward, "items").for_each(default_field_sources);
            }
            if let Some(token) = existing_mut(source, "serviceAccountToken") {
                default_absent(token, "expirationSeconds", DEFAULT_TOKEN_SECONDS);
            }
        }
    }
    if let Some(host_path) = existing_mut(volume, "hostPath") {
        default_absent(host_path, "type", "");
    }
    if let Some(iscsi) = existing_mut(volume, "iscsi") {
        default_zero(iscsi, "iscsiInterface", "default");
    }
    if let Some(rbd) = existing_mut(volume, "rbd") {
        default_zero(rbd, "pool", "rbd");
        default_zero(rbd, "user", "admin");
        default_zero(rbd, "keyring", "/etc/ceph/keyring");
    }
    if let Some(disk) = existing_mut(volume, "azureDisk") {
        default_absent(disk, "cachingMode", "ReadWrite");
        default_absent(disk, "kind", "Shared");
        default_absent(disk, "fsType", "ext4");
        default_absent(disk, "readOnly", false);
    }
    if let Some(image) = existing_mut(volume, "image") {
        let policy = default_pull_policy(text(image, "reference"));
        default_zero(image, "pullPolicy", policy);
    }
    if let Some(template) =
        existing_mut(volume, "ephemeral").and_then(|source| existing_mut(source, "volumeClaimTemplate"))
    {
        default_absent(template, "metadata", json!({}));
        if let Some(claim) = child(template, "spec") {
            default_absent(claim, "volumeMode", "Filesystem");
        }
    }
}
